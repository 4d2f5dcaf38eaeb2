//! The target `snapshots` for libFuzzer.
#![no_main]
ballast_fuzz::program!("snapshots");
