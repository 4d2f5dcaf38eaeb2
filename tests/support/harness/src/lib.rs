//! Starts real Envoys, loads them, and cleans up.
//!
//! Why: whether a filter works is settled by a real proxy, and a test should spend its lines on what it asks, not on
//! ports, processes and logs.
//!
//! How: [`Envoy::builder`] takes a file of `envoy/` as it is or a configuration from the test, starts Envoy as a
//! container or a process ([`Mode`]), waits until it is ready and gives access to its statistics, logs and listeners.
//! [`Request`], [`Connection`] and [`Pending`] speak to it; [`Load`] loads it and reports what came back and how fast.
//!
//! [`Redis`], [`Webdis`] and [`Nginx`] are what a fleet of them shares.
//!
//! Limits: Linux on this machine only: containers use the host's network and see the repository under its own path.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

pub mod blocks;
mod builder;
mod client;
mod companions;
mod config;
mod envoy;
mod error;
mod launch;
mod load;
pub mod logline;
pub mod paths;
mod program;
mod rundir;
mod stores;
mod supervisor;
mod wait;

pub use builder::EnvoyBuilder;
pub use client::{ClientError, Connection, Pending, Protocol, Request, Response};
pub use companions::Companions;
pub use config::{free_ports, missing_modules, with_one_module, with_ports};
pub use envoy::Envoy;
pub use error::StartError;
pub use launch::{Ended, Launched, Mode, Spec};
pub use load::{Amount, Load, Outcome, Report};
pub use program::{Program, Redis, free_port, workspace_library, workspace_program};
pub use rundir::RunDir;
pub use stores::{Nginx, Webdis};
pub use wait::eventually;
