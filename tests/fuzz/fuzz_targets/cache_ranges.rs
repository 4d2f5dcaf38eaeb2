//! The target `cache_ranges` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_ranges");
