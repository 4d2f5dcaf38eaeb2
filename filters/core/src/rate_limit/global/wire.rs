//! The messages of `envoy.service.ratelimit.v3`, as far as they are used here.
//!
//! Fields that are not listed are skipped when they come, as the encoding provides.

use prost::Message;

/// The service's full name.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
/// Its one method.
pub const METHOD: &str = "ShouldRateLimit";

/// Of the two codes: the request is under its limits.
pub const OK: i32 = 1;
/// Of the two codes: it is over one of them.
pub const OVER_LIMIT: i32 = 2;

/// Asks whether some hits pass.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitRequest {
    /// The set of limits.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// What is to be counted.
    #[prost(message, repeated, tag = "2")]
    pub descriptors: Vec<RateLimitDescriptor>,
    /// How many hits; 0 stands for 1.
    #[prost(uint32, tag = "3")]
    pub hits_addend: u32,
}

/// One thing to count.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitDescriptor {
    /// What it is made of, in order.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
}

/// A part of a descriptor.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct Entry {
    /// What the value is of.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The answer.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitResponse {
    /// [`OK`] or [`OVER_LIMIT`].
    #[prost(int32, tag = "1")]
    pub overall_code: i32,
    /// One for each descriptor, or none.
    #[prost(message, repeated, tag = "2")]
    pub statuses: Vec<DescriptorStatus>,
}

/// What became of one descriptor.
#[derive(Clone, PartialEq, Message)]
pub struct DescriptorStatus {
    /// [`OK`] or [`OVER_LIMIT`].
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// The limit that holds for it; none: it is unlimited, or the service does not tell.
    #[prost(message, optional, tag = "2")]
    pub current_limit: Option<CurrentLimit>,
    /// How many hits are left in the window.
    #[prost(uint32, tag = "3")]
    pub limit_remaining: u32,
    /// Until the window ends.
    #[prost(message, optional, tag = "4")]
    pub duration_until_reset: Option<prost_types::Duration>,
}

/// A limit as the service has it.
#[derive(Clone, PartialEq, Message)]
pub struct CurrentLimit {
    /// How many.
    #[prost(uint32, tag = "1")]
    pub requests_per_unit: u32,
    /// In which time: 1 second, 2 minute, 3 hour, 4 day, 5 month, 6 year.
    #[prost(int32, tag = "2")]
    pub unit: i32,
}

/// Asks whether `hits` of one thing pass, as bytes.
pub fn request(domain: &str, entries: &[Entry], hits: u32) -> Vec<u8> {
    let descriptors = vec![RateLimitDescriptor { entries: entries.to_vec() }];
    RateLimitRequest { domain: domain.to_owned(), descriptors, hits_addend: hits }.encode_to_vec()
}
