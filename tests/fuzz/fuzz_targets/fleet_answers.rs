//! The target `fleet_answers` for libFuzzer.
#![no_main]
ballast_fuzz::program!("fleet_answers");
