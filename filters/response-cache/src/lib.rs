//! The response cache filter.
