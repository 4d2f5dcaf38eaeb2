//! The target `config_circuit_breaker` for libFuzzer.
#![no_main]
ballast_fuzz::program!("config_circuit_breaker");
