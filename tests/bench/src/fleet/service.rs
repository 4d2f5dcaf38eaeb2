//! The service: a counter for each window.

use ballast_core::rate_limit::global::wire::{
    CurrentLimit, DescriptorStatus, OK, OVER_LIMIT, RateLimitRequest, RateLimitResponse,
};
use ballast_core::time::MonoTime;
use prost::Message;
use std::time::Duration;

pub(super) struct Service {
    limit: u32,
    window: Duration,
    counts_refused: bool,
    /// The number of the window, and what was used in it.
    used: (u128, u32),
    calls: u64,
}

impl Service {
    pub(super) fn new(limit: u32, window: Duration, counts_refused: bool) -> Self {
        Self { limit, window, counts_refused, used: (0, 0), calls: 0 }
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn answer(&mut self, message: &[u8], now: MonoTime) -> Vec<u8> {
        self.calls += 1;
        let hits = RateLimitRequest::decode(message).unwrap().hits_addend;
        let nanos = u128::from(now.as_nanos());
        let number = nanos / self.window.as_nanos();
        if self.used.0 != number {
            self.used = (number, 0);
        }
        let fits = self.used.1 + hits <= self.limit;
        if fits || self.counts_refused {
            self.used.1 = self.used.1.saturating_add(hits);
        }
        let left = u64::try_from((number + 1) * self.window.as_nanos() - nanos).unwrap();
        let unit = if self.window == Duration::from_secs(60) { 2 } else { 1 };
        let code = if fits { OK } else { OVER_LIMIT };
        let status = DescriptorStatus {
            code,
            current_limit: Some(CurrentLimit { requests_per_unit: self.limit, unit }),
            limit_remaining: self.limit.saturating_sub(self.used.1),
            duration_until_reset: prost_types::Duration::try_from(Duration::from_nanos(left)).ok(),
        };
        RateLimitResponse { overall_code: code, statuses: vec![status] }.encode_to_vec()
    }
}
