//! The target `queue_messages` for libFuzzer.
#![no_main]
ballast_fuzz::program!("queue_messages");
