//! The target `request_keys` for libFuzzer.
#![no_main]
ballast_fuzz::program!("request_keys");
