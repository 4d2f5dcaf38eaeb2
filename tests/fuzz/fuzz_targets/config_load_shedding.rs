//! The target `config_load_shedding` for libFuzzer.
#![no_main]
ballast_fuzz::program!("config_load_shedding");
