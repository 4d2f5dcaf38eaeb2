//! Brings everything the other targets need.
