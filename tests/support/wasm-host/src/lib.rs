//! An in-process proxy-wasm host for contract tests.
