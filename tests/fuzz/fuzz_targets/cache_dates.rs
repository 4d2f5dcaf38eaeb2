//! The target `cache_dates` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_dates");
