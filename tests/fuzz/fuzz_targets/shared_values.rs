//! The target `shared_values` for libFuzzer.
#![no_main]
ballast_fuzz::program!("shared_values");
