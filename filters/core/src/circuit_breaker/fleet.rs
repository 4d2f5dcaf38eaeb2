//! Trips that other proxies have seen.
//!
//! # Why
//!
//! An upstream that fails for one proxy of a fleet mostly fails for all, and each needs its own failures to find out.
//! Yet a proxy that opens because another says so spreads one bad network path to the whole fleet.
//!
//! # How
//!
//! A breaker that opens on its own evidence publishes a [`Trip`] in a store that the fleet shares: when, why, on how
//! many calls, for how long. Others that read it become cautious: for a while their own breaker needs only a part of
//! the evidence ([`Policy::cautious`]). A [`Warning`] is that, for the workers of a process. Without a failure of its own no breaker opens, and
//! a trip that was made in caution is not published, so that caution does not feed itself.
//!
//! # Limits
//!
//! Only for rules with one breaker: what tells the others apart is hashed with a secret of each process. Ages are told
//! by wall clocks: a trip that seems to come from the future by more than [`MOST_AHEAD`] is not believed. A store that is
//! down warns nobody.

use super::policy::{Cause, Policy, Trip as Evidence};
use super::window::Counts;
use crate::rewrite::{Edit, Edited};
use crate::time::{MonoTime, WallTime, nanos};
use crate::units::Share;
use crate::wire::{Reader, Writer};
use core::time::Duration;
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const MAGIC: u32 = u32::from_le_bytes(*b"bft1");
const CHECK_BYTES: usize = 16;

/// How far the clock of who has published a trip may be ahead.
pub const MOST_AHEAD: Duration = Duration::from_secs(5);

/// A breaker has opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trip {
    /// The process that has seen it, by a random number.
    pub process: u64,
    /// The rule.
    pub rule: String,
    /// When, by the clock of who publishes it.
    pub at: WallTime,
    /// For how long it opened.
    pub wait: Duration,
    /// Why.
    pub cause: Cause,
    /// On which calls.
    pub counts: Counts,
}

impl Trip {
    /// The trip as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(80 + self.rule.len());
        writer.u32(MAGIC);
        writer.u64(self.process);
        writer.bytes(self.rule.as_bytes());
        writer.u64(self.at.as_unix_nanos());
        writer.u64(nanos(self.wait));
        writer.u8(self.cause.code());
        for count in [self.counts.total, self.counts.failed, self.counts.slow] {
            writer.u32(count);
        }
        let mut bytes = writer.finish();
        let check = Sha256::digest(&bytes);
        bytes.extend(check.iter().take(CHECK_BYTES));
        bytes
    }

    /// The trip in these bytes, if they are one as it was written.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        let mut reader = Reader::new(bytes);
        if reader.u32()? != MAGIC || Sha256::digest(bytes).get(..CHECK_BYTES)? != check {
            return None;
        }
        let process = reader.u64()?;
        let rule = core::str::from_utf8(reader.bytes()?).ok()?.to_owned();
        let (at, wait) = (WallTime::from_unix_nanos(reader.u64()?), Duration::from_nanos(reader.u64()?));
        let cause = Cause::from_code(reader.u8()?)?;
        let counts = Counts { total: reader.u32()?, failed: reader.u32()?, slow: reader.u32()? };
        reader.end(Self { process, rule, at, wait, cause, counts })
    }

    /// For how much longer it is a reason to be cautious at `process`, with `cautious_for` after it. `None`: it is
    /// none: its own, of another rule, too old, or from the future.
    pub fn warns(&self, process: u64, rule: &str, cautious_for: Duration, now: WallTime) -> Option<Duration> {
        let (at, now) = (self.at.as_unix_nanos(), now.as_unix_nanos());
        if self.process == process || self.rule != rule || at > now.saturating_add(nanos(MOST_AHEAD)) {
            return None;
        }
        let age = Duration::from_nanos(now.saturating_sub(at));
        Some(cautious_for.saturating_sub(age)).filter(|left| !left.is_zero())
    }
}

impl Policy {
    /// The same, which opens on `part` of the evidence: of the rates, of the calls that they are taken over, and of the
    /// failures in a row, each at least one.
    #[must_use]
    pub fn cautious(&self, part: Share) -> Self {
        let at_least_one =
            |count: u32| u32::try_from(part.of(count.into())).unwrap_or(count).clamp(1, count.max(1));
        let of_rate = |rate: Share| {
            let points = part.of(rate.of(10_000));
            Share::from_basis_points(u16::try_from(points).unwrap_or(u16::MAX).max(1))
        };
        let trip = Evidence {
            failure_rate: self.trip.failure_rate.map(of_rate),
            slow_call_rate: self.trip.slow_call_rate.map(of_rate),
            consecutive_failures: self.trip.consecutive_failures.map(at_least_one),
            min_calls: at_least_one(self.trip.min_calls),
            ..self.trip
        };
        Self { trip, ..*self }
    }
}

/// Until when the workers of a process are cautious about a rule: a shared value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Warning {
    /// Until then.
    pub until: MonoTime,
}

impl Warning {
    /// The warning in these bytes; what is none warns of nothing. One that reaches further than a day is damage.
    pub fn read(bytes: Option<&[u8]>, now: MonoTime) -> Self {
        let decode = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            if reader.u8()? != VERSION {
                return None;
            }
            let until = MonoTime::from_nanos(reader.u64()?);
            reader.end(Self { until }).filter(|warning| warning.until.since(now) <= super::policy::MOST_OPEN)
        };
        bytes.and_then(decode).unwrap_or_default()
    }

    /// The warning as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(9);
        writer.u8(VERSION);
        writer.u64(self.until.as_nanos());
        writer.finish()
    }

    /// Whether it holds.
    pub fn holds(&self, now: MonoTime) -> bool {
        now < self.until
    }
}

/// Warns the workers of a process. Ends with whether that is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Warn {
    /// Until then.
    pub until: MonoTime,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Edit for Warn {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let old = Warning::read(old, self.now);
        // The same trip is read again and again, by clocks that are read a little later.
        if old.until.after(Duration::from_secs(1)) >= self.until {
            return Edited::Keep(false);
        }
        Edited::Replace(Warning { until: self.until }.encode(), !old.holds(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{HalfOpen, OpenWait};
    use super::super::window::Shape;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SECOND: u64 = 1_000_000_000;

    fn trip() -> Trip {
        Trip {
            process: 1,
            rule: "payments".to_owned(),
            at: WallTime::from_unix_nanos(1_000 * SECOND),
            wait: Duration::from_secs(60),
            cause: Cause::FailureRate,
            counts: Counts { total: 20, failed: 11, slow: 1 },
        }
    }

    fn policy() -> Policy {
        let second = Duration::from_secs(1);
        Policy {
            window: Shape::Count { size: 100 },
            trip: Evidence {
                failure_rate: Some(Share::from_basis_points(5_000)),
                slow_call_rate: None,
                slow_call: Duration::MAX,
                consecutive_failures: Some(5),
                min_calls: 20,
            },
            open: OpenWait { wait: second, multiplier_thousandths: 1_000, most: second, jitter: Share::NONE },
            half_open: HalfOpen { max_calls: 1, success_threshold: 1, max_duration: second },
        }
    }

    #[test]
    fn a_trip_is_read_as_it_was_written_or_not_at_all() {
        let bytes = trip().encode();
        assert_eq!(Trip::decode(&bytes), Some(trip()));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Trip::decode(&changed), None, "byte {at}");
            assert_eq!(Trip::decode(&bytes[..at]), None, "cut to {at}");
        }
    }

    #[test]
    fn others_are_warned_for_a_while_and_by_what_can_be_true() {
        let left = |process, rule, seconds: u64| {
            let now = WallTime::from_unix_nanos(seconds * SECOND);
            trip().warns(process, rule, Duration::from_secs(30), now).map(|left| left.as_secs())
        };
        for (process, rule, seconds, expected) in [
            (2, "payments", 1_000, Some(30)),
            (2, "payments", 1_029, Some(1)),
            (2, "payments", 1_030, None),
            (2, "payments", 995, Some(30)),
            (2, "payments", 994, None),
            (2, "users", 1_000, None),
            (1, "payments", 1_000, None),
        ] {
            assert_eq!(left(process, rule, seconds), expected, "{process} {rule} {seconds}");
        }
    }

    #[test]
    fn caution_needs_a_part_of_the_evidence_and_never_none() {
        let half = policy().cautious(Share::from_basis_points(5_000)).trip;
        assert_eq!(half.failure_rate, Some(Share::from_basis_points(2_500)));
        assert_eq!((half.slow_call_rate, half.consecutive_failures, half.min_calls), (None, Some(2), 10));
        let least = policy().cautious(Share::from_basis_points(1)).trip;
        assert_eq!((least.consecutive_failures, least.min_calls), (Some(1), 1));
        assert_eq!(least.cause(Counts { total: 100, failed: 0, slow: 0 }, 0), None);
        assert_eq!(policy().cautious(Share::ALL), policy());
    }

    #[test]
    fn a_warning_is_news_once_and_only_grows() {
        let at = MonoTime::from_millis;
        let mut value: Option<Vec<u8>> = None;
        let mut warn = |until, now| match (Warn { until: at(until), now: at(now) }).edit(value.as_deref()) {
            Edited::Keep(news) => news,
            Edited::Replace(bytes, news) => {
                value = Some(bytes);
                news
            }
        };
        assert!(warn(30_000, 1_000));
        assert!(!warn(30_010, 2_000) && !warn(20_000, 2_000) && !warn(40_000, 3_000));
        assert!(Warning::read(value.as_deref(), at(39_999)).holds(at(39_999)));
        assert!(!Warning::read(value.as_deref(), at(40_000)).holds(at(40_000)));
        assert_eq!(Warning::read(Some(b"foreign"), at(0)), Warning::default());
        let damage = Warning { until: MonoTime::FAR_FUTURE }.encode();
        assert_eq!(Warning::read(Some(&damage), at(0)), Warning::default());
    }
}
