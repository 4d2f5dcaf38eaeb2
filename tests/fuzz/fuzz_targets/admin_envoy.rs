//! The target `admin_envoy` for libFuzzer.
#![no_main]
ballast_fuzz::program!("admin_envoy");
