//! Retries: which requests are sent again, when, and how often at the most.
//!
//! # Why
//!
//! A retry hides a fault that passes, and makes worse one that stays: three hops with three attempts each turn one request
//! into 27. So a retry needs more than a count: a budget over all requests, a wait that spreads, a deadline, and hops that
//! tell each other who has retried.
//!
//! # How
//!
//! [`config`] is what operators write, [`status`] what they look at. A policy is carried out in one of two ways: [`steer`] tells the proxy's router what
//! to retry; where the policy says more than the router understands, the filter holds the answer, and [`attempts`] decides over each
//! ([`outcome`]) whether and when ([`backoff`], [`retry_after`], [`deadline`]) the request is sent again. [`budget`] and
//! [`throttle`] bound all of them together. [`routes`] knows where a request must not be sent again past the route.
//!
//! # Limits
//!
//! gRPC answers are left to the router: their status is in trailers, which no answer in place of another can have.

pub mod attempts;
pub mod backoff;
pub mod budget;
pub mod config;
pub mod deadline;
pub mod outcome;
pub mod retry_after;
pub mod routes;
pub mod status;
pub mod steer;
pub mod throttle;
