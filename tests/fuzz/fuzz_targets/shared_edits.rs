//! The target `shared_edits` for libFuzzer.
#![no_main]
ballast_fuzz::program!("shared_edits");
