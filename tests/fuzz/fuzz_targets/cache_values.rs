//! The target `cache_values` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_values");
