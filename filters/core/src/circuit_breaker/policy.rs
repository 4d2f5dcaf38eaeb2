//! The numbers of one breaker: when it trips, how long it stays open, how it is tried.

use super::window::{Counts, Shape};
use crate::random::Random;
use crate::time::nanos;
use crate::units::Share;
use core::time::Duration;

/// The longest that a breaker stays open by configuration.
pub const MOST_OPEN: Duration = Duration::from_secs(24 * 3_600);

/// When a closed breaker opens. What is `None` is no reason to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trip {
    /// At this share of failed calls in the window.
    pub failure_rate: Option<Share>,
    /// At this share of slow calls in the window, whether they failed or not.
    pub slow_call_rate: Option<Share>,
    /// From which time to response headers on a call is slow.
    pub slow_call: Duration,
    /// At so many failed calls in a row.
    pub consecutive_failures: Option<u32>,
    /// How many calls the window must hold before the rates say anything: at least 1.
    pub min_calls: u32,
}

/// How long a breaker stays open: `wait` the first time, multiplied each time in a row that it opens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenWait {
    /// The first wait.
    pub wait: Duration,
    /// By how much it grows each time, in thousandths: 1,000 is not at all.
    pub multiplier_thousandths: u32,
    /// The longest wait, before jitter; at most [`MOST_OPEN`].
    pub most: Duration,
    /// By how much of itself a wait may be longer, so that not all proxies try at the same time.
    pub jitter: Share,
}

impl OpenWait {
    /// How long a breaker that opens stays open at the least, unless an operator closes it: jitter and relapses only add to that.
    pub fn shortest(&self) -> Duration {
        self.wait.min(self.most)
    }
}

/// How a breaker finds out whether it may close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HalfOpen {
    /// How many probes are out at the same time: at least 1.
    pub max_calls: u32,
    /// How many must succeed: at least 1.
    pub success_threshold: u32,
    /// After which it opens again if there was no verdict.
    pub max_duration: Duration,
}

/// All numbers of one breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What the rates are taken over.
    pub window: Shape,
    /// When it opens.
    pub trip: Trip,
    /// For how long.
    pub open: OpenWait,
    /// How it is tried.
    pub half_open: HalfOpen,
}

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Too many failures in a row.
    ConsecutiveFailures,
    /// Too large a share of failures.
    FailureRate,
    /// Too large a share of slow calls.
    SlowCallRate,
    /// A probe failed.
    ProbeFailed,
    /// A probe was slow.
    ProbeSlow,
    /// The probes brought no verdict in time.
    NoVerdict,
    /// It has been open for long enough.
    WaitOver,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// An operator has ordered it.
    Ordered,
}

impl Cause {
    const ALL: [Self; 9] = [
        Self::ConsecutiveFailures,
        Self::FailureRate,
        Self::SlowCallRate,
        Self::ProbeFailed,
        Self::ProbeSlow,
        Self::NoVerdict,
        Self::WaitOver,
        Self::ProbesSucceeded,
        Self::Ordered,
    ];

    /// Its name, in status and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRate => "failure_rate",
            Self::SlowCallRate => "slow_call_rate",
            Self::ProbeFailed => "probe_failed",
            Self::ProbeSlow => "probe_slow",
            Self::NoVerdict => "no_verdict",
            Self::WaitOver => "wait_over",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::Ordered => "ordered",
        }
    }

    /// Its number in shared values.
    pub(super) fn code(self) -> u8 {
        Self::ALL
            .iter()
            .position(|cause| *cause == self)
            .and_then(|at| u8::try_from(at).ok())
            .unwrap_or(u8::MAX)
    }

    /// The cause with this number.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl Trip {
    /// Why a window with these counts, and so many failures in a row, opens the breaker.
    pub fn cause(&self, counts: Counts, consecutive: u32) -> Option<Cause> {
        if self.consecutive_failures.is_some_and(|most| consecutive >= most) {
            return Some(Cause::ConsecutiveFailures);
        }
        if counts.total < self.min_calls {
            return None;
        }
        let reached = |rate: Option<Share>, part: u32| {
            part > 0 && rate.is_some_and(|rate| rate.is_reached(part.into(), counts.total.into()))
        };
        if reached(self.failure_rate, counts.failed) {
            return Some(Cause::FailureRate);
        }
        reached(self.slow_call_rate, counts.slow).then_some(Cause::SlowCallRate)
    }

    /// Whether one more success could open a breaker with these counts: only where it completes the minimum. In a
    /// window that is long enough a success lowers every rate.
    pub const fn success_can_trip(&self, counts: Counts) -> bool {
        counts.total < self.min_calls && (counts.failed > 0 || counts.slow > 0)
    }
}

impl OpenWait {
    /// How long the `openings`th opening in a row lasts (the first is 1).
    pub fn of(&self, openings: u16, random: &mut impl Random) -> Duration {
        let most = nanos(self.most);
        let mut wait = nanos(self.wait).min(most);
        for _ in 1..openings {
            let longer = u128::from(wait) * u128::from(self.multiplier_thousandths) / 1_000;
            let longer = u64::try_from(longer).unwrap_or(u64::MAX).min(most);
            if longer <= wait {
                break;
            }
            wait = longer;
        }
        let jitter = random.below(self.jitter.of(wait).saturating_add(1));
        Duration::from_nanos(wait.saturating_add(jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Fixed;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn waits_grow_up_to_the_most_and_jitter_only_adds() {
        let secs = Duration::from_secs;
        let wait = |multiplier_thousandths, jitter| OpenWait {
            wait: secs(60),
            multiplier_thousandths,
            most: secs(600),
            jitter: Share::from_basis_points(jitter),
        };
        for (opening, multiplier, jitter, bits, seconds) in [
            (1, 2_000, 0, 0, 60),
            (2, 2_000, 0, 0, 120),
            (4, 2_000, 0, 0, 480),
            (5, 2_000, 0, u64::MAX, 600),
            (u16::MAX, 2_000, 0, 0, 600),
            (u16::MAX, 1_000, 0, 0, 60),
            (2, 1_500, 0, 0, 90),
            (1, 2_000, 2_000, u64::MAX, 72),
            (1, 2_000, 2_000, 0, 60),
        ] {
            let waited = wait(multiplier, jitter).of(opening, &mut Fixed(bits));
            assert_eq!(waited, secs(seconds), "opening {opening} x {multiplier}");
        }
    }

    #[test]
    fn rates_speak_only_over_enough_calls() {
        let half = Share::from_basis_points(5_000);
        let trip = Trip {
            failure_rate: Some(half),
            slow_call_rate: Some(Share::ALL),
            slow_call: Duration::from_secs(1),
            consecutive_failures: Some(5),
            min_calls: 20,
        };
        let counts = |total, failed, slow| Counts { total, failed, slow };
        for (total, failed, slow, consecutive, expected) in [
            (19, 19, 0, 4, None),
            (20, 9, 0, 0, None),
            (20, 10, 0, 0, Some(Cause::FailureRate)),
            (20, 0, 19, 0, None),
            (20, 0, 20, 0, Some(Cause::SlowCallRate)),
            (20, 10, 20, 0, Some(Cause::FailureRate)),
            (5, 5, 0, 5, Some(Cause::ConsecutiveFailures)),
            (0, 0, 0, 0, None),
        ] {
            assert_eq!(
                trip.cause(counts(total, failed, slow), consecutive),
                expected,
                "{total} {failed} {slow}"
            );
        }
        assert!(trip.success_can_trip(counts(19, 1, 0)) && trip.success_can_trip(counts(1, 0, 1)));
        assert!(!trip.success_can_trip(counts(20, 9, 0)) && !trip.success_can_trip(counts(1, 0, 0)));
    }

    #[test]
    fn causes_have_numbers_of_their_own() {
        for (code, cause) in (0..).zip(Cause::ALL) {
            assert_eq!((cause.code(), Cause::from_code(code)), (code, Some(cause)));
        }
        assert_eq!(Cause::from_code(9), None);
    }
}
