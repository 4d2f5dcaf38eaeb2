//! The proxy as the Ballast filters see it; the only crate that knows proxy-wasm.
