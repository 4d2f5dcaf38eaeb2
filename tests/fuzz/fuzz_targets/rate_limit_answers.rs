//! The target `rate_limit_answers` for libFuzzer.
#![no_main]
ballast_fuzz::program!("rate_limit_answers");
