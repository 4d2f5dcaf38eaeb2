//! The target `fleet_values` for libFuzzer.
#![no_main]
ballast_fuzz::program!("fleet_values");
