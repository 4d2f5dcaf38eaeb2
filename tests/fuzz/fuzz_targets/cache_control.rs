//! The target `cache_control` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_control");
