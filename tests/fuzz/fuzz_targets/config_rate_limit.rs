//! The target `config_rate_limit` for libFuzzer.
#![no_main]
ballast_fuzz::program!("config_rate_limit");
