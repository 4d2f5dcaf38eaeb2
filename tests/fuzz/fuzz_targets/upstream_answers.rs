//! The target `upstream_answers` for libFuzzer.
#![no_main]
ballast_fuzz::program!("upstream_answers");
