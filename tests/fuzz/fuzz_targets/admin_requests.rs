//! The target `admin_requests` for libFuzzer.
#![no_main]
ballast_fuzz::program!("admin_requests");
