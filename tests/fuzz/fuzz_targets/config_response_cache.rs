//! The target `config_response_cache` for libFuzzer.
#![no_main]
ballast_fuzz::program!("config_response_cache");
