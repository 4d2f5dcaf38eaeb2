//! Admission control by success rate, for upstreams of which latency says nothing.
//!
//! ```text
//! odds = max(0, (requests - successes / success_rate) / (requests + 1)) ^ (1 / aggression)
//! ```
//!
//! after the client-side throttling of Google's SRE book, as Envoy's `admission_control` writes it. `requests` counts what has
//! reached the upstream: own refusals are in neither number, so that they do not feed themselves.

use crate::time::MonoTime;
use crate::units::Share;
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// In how many parts a window is forgotten.
const PARTS: usize = 10;

/// A rule's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Below this share of successes requests are refused; more than nothing.
    pub success_rate: Share,
    /// What counts is this long.
    pub window: Duration,
    /// How fast the odds rise; 1 is in proportion. More than zero.
    pub aggression: f64,
    /// The odds are this at the most.
    pub max_rejection: Share,
    /// Below this rate nobody is refused.
    pub min_rps: u32,
}

/// Requests and how many of them were successes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// What has reached the upstream and been answered, or dropped.
    pub requests: u32,
    /// What of that succeeded.
    pub successes: u32,
}

impl Tally {
    /// Another request.
    pub const fn count(&mut self, success: bool) {
        self.requests = self.requests.saturating_add(1);
        if success {
            self.successes = self.successes.saturating_add(1);
        }
    }

    const fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.successes = self.successes.saturating_add(other.successes);
    }

    /// Whether there was none.
    pub const fn is_empty(&self) -> bool {
        self.requests == 0
    }
}

/// A sliding window of tallies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    parts: [Tally; PARTS],
    /// The number of the newest part, counted from the clock's origin.
    newest: u64,
}

impl History {
    /// Adds what a worker has counted.
    pub fn add(&mut self, settings: &Settings, tally: Tally, now: MonoTime) {
        self.forget(settings, now);
        let at = usize::try_from(self.newest % PARTS as u64).unwrap_or(0);
        if let Some(part) = self.parts.get_mut(at) {
            part.add(tally);
        }
    }

    /// Forgets what is older than the window.
    pub fn forget(&mut self, settings: &Settings, now: MonoTime) {
        let length = (crate::time::nanos(settings.window) / PARTS as u64).max(1);
        let newest = now.as_nanos() / length;
        // A clock that is behind the record's is another worker's, a moment ago.
        let gone = newest.saturating_sub(self.newest).min(PARTS as u64);
        for back in 0..gone {
            let at = usize::try_from((newest - back) % PARTS as u64).unwrap_or(0);
            if let Some(part) = self.parts.get_mut(at) {
                *part = Tally::default();
            }
        }
        self.newest = self.newest.max(newest);
    }

    /// The odds, 0 to 1, with which a request is refused.
    pub fn odds(&self, settings: &Settings) -> f64 {
        let mut all = Tally::default();
        self.parts.iter().for_each(|part| all.add(*part));
        let (requests, successes) = (f64::from(all.requests), f64::from(all.successes));
        if requests < f64::from(settings.min_rps) * settings.window.as_secs_f64() {
            return 0.0;
        }
        let expected = share(settings.success_rate);
        let odds = ((requests - successes / expected) / (requests + 1.0)).max(0.0);
        odds.powf(1.0 / settings.aggression).min(share(settings.max_rejection))
    }

    /// Appends the window.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u64(self.newest);
        for part in &self.parts {
            writer.u32(part.requests);
            writer.u32(part.successes);
        }
    }

    /// Reads one window.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let newest = reader.u64()?;
        let mut parts = [Tally::default(); PARTS];
        for part in &mut parts {
            *part = Tally { requests: reader.u32()?, successes: reader.u32()? };
        }
        Some(Self { parts, newest })
    }
}

/// A share as a number from 0 to 1.
fn share(share: Share) -> f64 {
    share.of(10_000) as f64 / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SETTINGS: Settings = Settings {
        success_rate: Share::from_basis_points(9_500),
        window: Duration::from_secs(30),
        aggression: 1.0,
        max_rejection: Share::from_basis_points(8_000),
        min_rps: 5,
    };

    const fn at(seconds: u64) -> MonoTime {
        MonoTime::from_millis(seconds * 1_000)
    }

    fn history(requests: u32, successes: u32) -> History {
        let mut history = History::default();
        history.add(&SETTINGS, Tally { requests, successes }, at(100));
        history
    }

    #[test]
    fn the_odds_are_those_of_the_formula() {
        for (requests, successes, expected) in [
            (1_000, 1_000, 0.0),
            (1_000, 950, 0.0),
            (1_000, 475, 500.0 / 1_001.0),
            (1_000, 0, 0.8),
            (149, 0, 0.0),
            (150, 0, 0.8),
        ] {
            let odds = history(requests, successes).odds(&SETTINGS);
            assert!((odds - expected).abs() < 1e-9, "{successes} of {requests}: {odds}");
        }
        let squared = Settings { aggression: 0.5, ..SETTINGS };
        assert!((history(1_000, 475).odds(&squared) - (500.0_f64 / 1_001.0).powi(2)).abs() < 1e-9);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut history = history(1_000, 0);
        for (seconds, refuses) in [(100, true), (126, true), (132, false), (1_000, false)] {
            history.forget(&SETTINGS, at(seconds));
            assert_eq!(history.odds(&SETTINGS) > 0.0, refuses, "after {seconds} s");
        }
        history.add(&SETTINGS, Tally { requests: 1_000, successes: 0 }, at(900));
        assert!(history.odds(&SETTINGS) > 0.0, "a clock that is behind counts into the newest part");
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let history = history(1_000, 10);
        let mut writer = Writer::default();
        history.encode(&mut writer);
        let bytes = writer.finish();
        assert_eq!(History::decode(&mut Reader::new(&bytes)), Some(history));
        assert_eq!(History::decode(&mut Reader::new(&bytes[1..])), None);
    }
}
