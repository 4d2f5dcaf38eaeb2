//! Limits that tighten while the process is overloaded.
//!
//! # Why
//!
//! A limit says what a client may use of a service that is well. Under overload there is less to share, and a client at its
//! limit takes it from all others.
//!
//! # How
//!
//! Each overload level has a share of the limit, which takes effect at once. When the level falls, the share grows evenly, so
//! that not every client comes back with all it may in one moment. What a client has used up stays: see
//! [`Algorithm::tightened`](super::Algorithm::tightened) for what that means for each way of counting.
//!
//! # Limits
//!
//! Each worker follows the level from its own ticks, so for a tick two workers may go by different shares. What a limit lets
//! through is then at most what the larger one does.

use crate::plane::Overload;
use crate::time::MonoTime;
use crate::units::Share;
use core::time::Duration;

const WHOLE: u128 = 10_000;

/// How a limit tightens, and how tight it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elastic {
    /// What is left of it at each level from 1 on.
    shares: [Share; 3],
    /// How long it takes from nothing to the whole.
    recover_over: Duration,
    /// What is left of it now.
    share: Share,
    /// From which share it grows, and since when.
    growing: Option<(Share, MonoTime)>,
    /// Whether it has gone by a level at all.
    follows: bool,
}

impl Elastic {
    /// A limit of which these shares are left at levels 1, 2 and 3.
    pub const fn new(shares: [Share; 3], recover_over: Duration) -> Self {
        Self { shares, recover_over, share: Share::ALL, growing: None, follows: false }
    }

    /// What is left of the limit now.
    pub const fn share(&self) -> Share {
        self.share
    }

    /// Goes by the level of the process. `true`: another share is left now, or it is the first time.
    pub fn follow(&mut self, overload: Overload, now: MonoTime) -> bool {
        let [elevated, high, critical] = self.shares;
        let wanted = match overload {
            Overload::None => Share::ALL,
            Overload::Elevated => elevated,
            Overload::High => high,
            Overload::Critical => critical,
        };
        let before = self.share;
        if wanted <= before {
            self.growing = None;
            self.share = wanted;
        } else {
            let (from, since) = *self.growing.get_or_insert((before, now));
            self.share = from.plus(self.grown(now.since(since))).min(wanted);
            if self.share == wanted {
                self.growing = None;
            }
        }
        let is_first = !core::mem::replace(&mut self.follows, true);
        is_first || self.share != before
    }

    /// By how much of the whole a share grows in a span.
    fn grown(&self, span: Duration) -> Share {
        let points = (span.as_nanos() * WHOLE).checked_div(self.recover_over.as_nanos());
        Share::from_basis_points(points.and_then(|points| u16::try_from(points).ok()).unwrap_or(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn elastic(recover_seconds: u64) -> Elastic {
        let shares = [8_000, 5_000, 2_000].map(Share::from_basis_points);
        Elastic::new(shares, Duration::from_secs(recover_seconds))
    }

    #[test]
    fn it_tightens_at_once_and_recovers_evenly() {
        use Overload::{Critical, Elevated, High, None};
        let mut elastic = elastic(10);
        for (millis, overload, share) in [
            (0, None, "100%"),
            (100, Elevated, "80%"),
            (200, High, "50%"),
            (300, Critical, "20%"),
            (9_000, Critical, "20%"),
            // From here on a tenth of the whole each second, whatever the level allows besides.
            (9_100, None, "20%"),
            (9_200, None, "21%"),
            (9_201, None, "21.01%"),
            (10_100, High, "30%"),
            (20_000, High, "50%"),
            (20_100, None, "50%"),
            (22_100, None, "70%"),
            // It tightens again in the midst of it.
            (22_200, High, "50%"),
            (22_300, None, "50%"),
            (23_300, Elevated, "60%"),
            (60_000, Elevated, "80%"),
            (60_100, None, "80%"),
            (62_100, None, "100%"),
            (99_000, None, "100%"),
        ] {
            let before = elastic.share();
            let changed = elastic.follow(overload, MonoTime::from_millis(millis));
            assert_eq!(elastic.share().to_string(), share, "at {millis} ms");
            assert_eq!(changed, millis == 0 || before != elastic.share(), "at {millis} ms");
        }
    }

    #[test]
    fn without_a_time_to_recover_it_is_whole_at_once() {
        let mut elastic = elastic(0);
        assert!(elastic.follow(Overload::Critical, MonoTime::ZERO));
        assert!(elastic.follow(Overload::None, MonoTime::ZERO));
        assert_eq!(elastic.share(), Share::ALL);
    }
}
