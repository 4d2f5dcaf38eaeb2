//! The response cache: RFC 9111 in full, bounded, shared by all workers.
//!
//! # Why
//!
//! What has been answered a moment ago need not be asked again, as long as the answer may be used again, the memory
//! it takes has a bound, and what is purged is gone for everybody.
//!
//! # How
//!
//! [`config`] is what operators write. [`rules`] say what HTTP allows; [`key`] what tells answers apart; [`store`] keeps
//! them within a bound, [`head`] and
//! [`codec`] how they are kept; [`fleet`] what several proxies share; [`reply`] what a client gets; [`purge`] who may drop what,
//! [`operator`] what is ordered, [`status`] what the cache says about itself.

pub mod codec;
pub mod config;
pub mod fleet;
pub mod head;
pub mod key;
pub mod operator;
pub mod purge;
pub mod ready;
pub mod reply;
pub mod rules;
pub mod status;
pub mod store;
