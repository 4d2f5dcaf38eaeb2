//! Packs the filters' modules as OCI images that Istio and Envoy Gateway pull.
//!
//! # Why
//!
//! Meshes load modules from registries. They read two forms, an image with one file, `plugin.wasm`, and an artifact whose one layer is the module; older
//! proxies know only the first.
//!
//! # How
//!
//! [`pack`] makes an OCI image layout of both forms ([`layout`]) and of the bill of materials ([`bom`]), which refers to the image, as one tar archive: nothing
//! else is needed to build it, neither a daemon nor a registry. The same modules give the same bytes: no time, user or machine enters an archive.
//!
//! # Limits
//!
//! Pushing is left to tools that are made for it; `make push` calls one.

pub mod bom;
pub mod layout;

pub use layout::{Image, Label, pack};
