//! The target `cache_structured` for libFuzzer.
#![no_main]
ballast_fuzz::program!("cache_structured");
