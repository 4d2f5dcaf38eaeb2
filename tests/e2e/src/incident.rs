//! One incident, played twice in a real Envoy: the filters of the recommended chain each by itself, and together.
//!
//! # How
//!
//! A shop in front of which the chain stands becomes slow, fails, and comes back, while clients go on asking at a steady
//! rate, whatever became of their earlier requests. Orders go to a service of its own that stays well: they are the critical
//! traffic, which must not suffer from what happens beside it. The catalogue of the shop can be cached, the search cannot, and a bulk
//! client asks for what nobody waits for.
//!
//! Both ways run the same filters with the same numbers; [`Way::Alone`] turns off what they tell each other. What
//! the shop saw is counted at the shop: requests by their id, and attempts by the number that the proxy gives each.
//!
//! # Limits
//!
//! Everything shares one machine, so figures of a second are what that second's machine made of them. The rates are low enough
//! that two processors are not the bottleneck.

mod chain;
mod measure;
mod play;
mod table;

pub use chain::Way;
pub use measure::{Measures, Second};
pub use play::play;
pub use table::{compare, seconds};

use std::time::Duration;

/// How long each part of the incident takes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// All is well.
    pub calm: Duration,
    /// The shop is slow: it can do a quarter of what is asked of it.
    pub slow: Duration,
    /// The shop answers 503 to everything.
    pub dead: Duration,
    /// All is well again.
    pub after: Duration,
}

impl Plan {
    /// For the test suite.
    pub const SHORT: Self = Self::of_seconds(3, 5, 5, 12);
    /// For the table in the documentation.
    pub const LONG: Self = Self::of_seconds(10, 15, 20, 20);

    const fn of_seconds(calm: u64, slow: u64, dead: u64, after: u64) -> Self {
        let seconds = Duration::from_secs;
        Self { calm: seconds(calm), slow: seconds(slow), dead: seconds(dead), after: seconds(after) }
    }

    /// From the begin to the end.
    pub fn whole(&self) -> Duration {
        self.calm + self.slow + self.dead + self.after
    }

    /// When the shop begins to fail, when it begins to answer 503, and when it is well again.
    fn turns(&self) -> [Duration; 3] {
        [self.calm, self.calm + self.slow, self.calm + self.slow + self.dead]
    }
}

/// Requests a second, of all kinds.
const PER_SECOND: u64 = 200;
/// A client leaves after so long, and an answer that comes later is none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who asks for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of the healthy service, with the highest priority.
    Order,
    /// Of the shop: one of a few pages that are fresh for a second.
    Catalogue,
    /// Of the shop: never the same.
    Search,
    /// Of the shop, by a client with a limit of its own and the lowest priority.
    Bulk,
}

impl Kind {
    /// Of the request with this number: of 20, 3 orders, 7 pages, 6 searches and 4 of the bulk.
    const fn of(number: u64) -> Self {
        match number % 20 {
            0 | 7 | 13 => Self::Order,
            1 | 4 | 8 | 10 | 14 | 16 | 18 => Self::Catalogue,
            2 | 5 | 9 | 11 | 15 | 17 => Self::Search,
            _ => Self::Bulk,
        }
    }
}
