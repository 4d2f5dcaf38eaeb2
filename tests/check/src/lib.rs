//! Says what is wrong with Ballast configurations before a proxy does: by file, line and JSON path.
//!
//! # Why
//!
//! A proxy refuses a wrong configuration when it starts, or keeps the old one and says so in a log that nobody reads at that
//! moment. And some configurations are right by their grammar and still not what anybody wants.
//!
//! # How
//!
//! [`find`] looks for plugins in a file's documents: Envoy's Wasm filters wherever they stand (bootstraps, `EnvoyFilter` patches), Istio's
//! `WasmPlugin` and `TrafficExtension`, Envoy Gateway's `EnvoyExtensionPolicy`, and bare JSON. Each plugin's configuration is read by the very
//! types that the filter itself reads it with ([`filters`]), and what they refuse is found again in the text ([`place`]). [`warnings`] looks at what
//! was understood: single settings, and how the plugins of a chain stand to each other.
//!
//! # Limits
//!
//! Only what the files say is known: whether a cluster exists or a token is set is not.

pub mod file;
pub mod filters;
pub mod find;
pub mod place;
pub mod report;
pub mod warnings;

pub use file::{check, values};
pub use report::{Finding, Severity};
