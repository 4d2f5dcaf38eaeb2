//! Builds the Wasm modules and trims their exports.
