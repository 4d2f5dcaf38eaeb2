//! End-to-end tests: the shipped modules in a real Envoy.
