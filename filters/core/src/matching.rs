//! Which requests a rule is for.
//!
//! # How
//!
//! A [`Matcher`] is compiled from what operators write: all given fields must hold, and none given is every request.
//! It reads the request through [`Request`], one value at a time, so nothing is read that no rule asks for. What
//! could be asked for is known at load time ([`Needs`]), so that the host can plan its reads.
//!
//! # Limits
//!
//! Header values are bytes. Expressions are matched against the whole value, in linear time; a value that is not
//! UTF-8 matches none.

mod matcher;
mod pattern;
mod request;

pub use matcher::{Direction, Matcher};
pub use pattern::Pattern;
pub use request::{Needs, Property, Request};

pub(crate) use matcher::{header_name, without_port, without_query};

#[cfg(test)]
pub(crate) use request::tests::Sample;
