//! Contract tests: the shipped modules under the in-process host.
