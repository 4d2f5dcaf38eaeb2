//! The circuit breaker.
pub mod breaker;
pub mod outcome;
pub mod policy;
pub mod window;
