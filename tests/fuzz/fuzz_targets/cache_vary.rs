//! The target `cache_vary` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_vary");
