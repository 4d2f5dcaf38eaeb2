//! Builds the Wasm modules, trims what they do not need, and says where they lie.
//!
//! Why trimming: Envoy crosses into a VM for every callback that a module exports, and the Rust SDK exports all
//! of them, so a filter pays for callbacks it leaves empty. A filter names those that it implements in a custom
//! section; [`trim`] removes the others with everything only they reached.
//!
//! How: [`build`] compiles every plugin of the workspace in one `cargo build`, trims each and writes it to the
//! place where [`filter_module`] and [`plugin_module`] look for it. [`instrument`] makes the copy of a module that
//! counts its own instructions, for exact costs that do not depend on the engine that runs it; [`with_trap`] one that
//! dies on request.
//!
//! Two builds of one commit are the same to the byte, wherever they are made: [`reproduce`] shows it.
//!
//! Limits: functions that a module's table refers to stay, since any of them may be called indirectly.

mod build;
mod cargo;
mod instrument;
mod locate;
mod reproduce;
mod section;
mod trap;
mod trim;

pub use build::{BuildError, Built, build};
pub use instrument::{InstrumentError, Instrumented, instrument};
pub use locate::{MissingModule, filter_module, module_name, named_module, plugin_module, workspace_root};
pub use reproduce::{Compared, reproduce};
pub use section::drop_names;
pub use trap::{TRAP_BODY, with_trap};
pub use trim::{TrimError, forms, plugin_of, trim};
