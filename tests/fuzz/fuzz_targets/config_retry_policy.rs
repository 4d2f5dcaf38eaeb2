//! The target `config_retry_policy` for libFuzzer.
#![no_main]
ballast_fuzz::program!("config_retry_policy");
