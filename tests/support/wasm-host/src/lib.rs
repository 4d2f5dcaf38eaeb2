#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]
//! An in-process proxy-wasm host: runs the modules that ship, several VMs at a time, without Envoy.
//!
//! Why: what goes wrong between workers (a lost compare-and-swap, a wake-up for a VM that has died, a reply sent by
//! another stream's callback) needs interleavings that a real proxy shows once a month. Here a test drives each VM by
//! hand, with clocks that it moves itself, in milliseconds and in parallel with other tests.
//!
//! How: a [`Host`] is one Envoy process: shared data, queues, metrics, clocks, log. A [`Vm`] is one worker's VM; it
//! is configured into a [`Root`], and a [`Stream`] under a root is one request. Every effect is recorded and can be
//! read back. The semantics are those of Envoy 1.40 with its quirks: an unconditional overwrite for `cas` 0,
//! nothing ever freed, one tick per root, effects that happen after the callback has returned, headers that can be
//! read only while the filter holds them.
//!
//! Limits: one thread drives everything; a VM cannot be entered while it runs (a hook may drive another one). There is
//! no network, no router and no other filter in the chain. gRPC streams are refused. Network filters are not modelled.

mod abi;
mod call;
mod clock;
mod cost;
mod drive;
mod exchange;
mod headers;
mod host;
mod log;
mod machine;
mod metrics;
mod module;
mod pairs;
mod properties;
mod queues;
mod reply;
mod root;
mod shared;
mod state;
mod status;
mod stream;
mod vm;

pub use call::{GrpcCall, HttpCall};
pub use cost::Cost;
pub use exchange::{Action, Message, Phase};
pub use headers::HeaderMap;
pub use host::Host;
pub use log::{LogLevel, LogLine};
pub use module::{LoadError, Module, exports, imports};
pub use reply::LocalReply;
pub use root::{PluginConfig, Refusal, RefusalReason, Root};
pub use shared::CasMismatch;
pub use status::Status;
pub use stream::Stream;
pub use vm::{Vm, VmConfig, VmDead};
