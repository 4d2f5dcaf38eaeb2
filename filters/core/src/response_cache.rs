//! The response cache: RFC 9111 in full, bounded, shared by all workers.
//!
//! # How
//!
//! [`rules`] is what HTTP allows a shared cache to do.

pub mod rules;
