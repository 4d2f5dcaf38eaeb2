//! The target `config_admin` for libFuzzer.
#![no_main]
ballast_fuzz::program!("config_admin");
