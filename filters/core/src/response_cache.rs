//! The response cache: RFC 9111 in full, bounded, shared by all workers.
//!
//! # Why
//!
//! What has been answered a moment ago need not be asked again, as long as the answer may be used again, the memory
//! it takes has a bound, and what is purged is gone for everybody.
//!
//! # How
//!
//! [`config`] is what operators write; [`store`] keeps answers in memory that all workers share.

pub mod codec;
pub mod config;
pub mod purge;
pub mod store;
