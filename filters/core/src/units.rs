//! Numbers as operators write them, each with its unit.
//!
//! A bare number is an error that says so: `timeout: 100` is milliseconds to one reader and seconds to the next. All
//! of these are read from strings only, and only shares allow a fraction: `1.5s` is `1500ms`.
//! What [`Display`](core::fmt::Display) writes can be read back.

mod parse;
mod rate;
mod share;
mod size;
mod span;

pub use parse::UnitError;
pub use rate::Rate;
pub use share::Share;
pub use size::ByteSize;
pub use span::Span;
