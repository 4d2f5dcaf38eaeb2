//! The rate limit filter.
