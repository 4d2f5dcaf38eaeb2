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
//! Values are bytes. Expressions are matched against the whole value, in time linear in its length; what is not UTF-8
//! in it counts as U+FFFD, which `.` matches, so that a stray byte leads around no rule. Of a header that comes
//! several times the first counts. Paths are matched as they are sent: `normalize_path` and `merge_slashes` of the
//! proxy's connection manager make one spelling of `/a/../b`, `//b` and `/%62`.

mod host;
mod matcher;
mod pattern;
mod request;
mod text;

pub(crate) use host::host_of;
pub(crate) use matcher::without_query;
pub use matcher::{Direction, HeaderRule, Matcher};
pub use pattern::Pattern;
pub use request::{Needs, Property, Request};
pub use text::HeaderName;
pub(crate) use text::{Method, Text, header_name};

#[cfg(test)]
pub(crate) use request::tests::Sample;
