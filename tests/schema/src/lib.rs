//! What operators write, told to editors and to readers: JSON Schemas and reference tables, both from the types that filters read their
//! configuration with.
//!
//! # How
//!
//! [`FILTERS`] names each filter with its type. [`outputs`] says what must stand in which file: a schema in `envoy/schema/`, a
//! table between two markers of the filter's own page, and one page for what all filters share. `make schema` writes them; a test
//! fails where a file says something else.
//!
//! # Limits
//!
//! A schema knows single values. What holds between several (`initial` between `min` and `max`, unique names) only the filter says.

mod files;
mod filters;
mod reference;
mod shape;

pub use files::{Output, outputs};
pub use filters::{FILTERS, Filter};
