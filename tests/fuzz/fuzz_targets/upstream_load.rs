//! The target `upstream_load` for libFuzzer.
#![no_main]
ballast_fuzz::program!("upstream_load");
