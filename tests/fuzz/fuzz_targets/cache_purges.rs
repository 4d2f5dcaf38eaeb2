//! The target `cache_purges` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_purges");
