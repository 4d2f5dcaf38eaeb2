//! The target `cache_exchange` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_exchange");
