//! Uses each shared mechanism of the host crate.
