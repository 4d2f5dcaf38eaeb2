//! Health, status and operator actions: what the endpoints are, who may use them, and what they come to.
//!
//! # How
//!
//! - [`route`]: one table of all endpoints, from which a request is dispatched and [`openapi`] is written.
//! - [`access`]: who may; [`params`]: what a request says; [`refusal`]: why nothing is done.
//! - [`drain`]: emptying the process. [`health`] and [`checks`]: how well it is. [`alerts`]: what somebody should hear of.
//! - [`exposition`]: metrics as text.
//!
//! # Limits
//!
//! What other filters say of themselves and do on order is theirs; here it is only asked for and passed on.

pub mod access;
pub mod alerts;
pub mod checks;
pub mod config;
pub mod drain;
pub mod envoy;
pub mod exposition;
pub mod health;
pub mod openapi;
pub mod params;
pub mod refusal;
pub mod route;
