//! When a success needs no shared write.
//!
//! # Why
//!
//! Nearly all calls succeed, and a compare-and-swap for each is half of what this filter costs. Yet a breaker must be
//! judged on every outcome that any worker has recorded before.
//!
//! # How
//!
//! A rule with one breaker (its key is fixed by what it matches) has two shared counters, which the proxy adds to
//! atomically: `gathered` counts successes that no window holds yet, and `events` is raised after every swap that can
//! matter by itself (a failure, a slow call, a change of state). A worker keeps what it knew when it last swapped
//! ([`Known`]): the value of `events`, read before the breaker was, and that a success could not trip the breaker then.
//! While that holds it adds 1 to `gathered`, looks at `events` afterwards, and is done; if `events` was raised in
//! between, it swaps without an outcome of its own, which judges. Whether it holds is known from when the call was let through, when
//! `events` is read anyway to see whether any breaker has changed; only after a long call it is asked again. Whoever records anything else reads `gathered` first, takes in what
//! is new [before its own outcome](super::breaker::record), swaps, raises `events`, and, where a success could trip
//! the breaker now, reads `gathered` again and judges if it has grown.
//!
//! # Proof that no trip is missed or false
//!
//! Let S be a gathered success and X an outcome that is recorded by a swap.
//!
//! 1. *X sees S if S came before.* S is recorded when it is added to `gathered`. X reads `gathered` afterwards, so its
//!    window holds S, or an earlier swap took S in. Nothing is taken in twice, since the entry says how far it has got,
//!    and that is swapped together with the window.
//! 2. *S stands at the right place.* What X takes in was added after the last swap had read the counter and before X
//!    did: so it lies between the two, which is where it is counted, and it ends a run of failures exactly then.
//!    In a time window it goes to the newest bucket. A worker gathers only within the bucket in which it last
//!    swapped, so whatever is new was added during the newest bucket.
//! 3. *S itself trips nothing unseen.* A success raises no rate but where it completes `min_calls`
//!    ([`Trip::success_can_trip`](super::policy::Trip::success_can_trip)). [`Known`] rules that out for the moment of
//!    its swap, and further successes do not change it; only the swap of a failure or slow call X does. If S was added
//!    before X first read `gathered`, X judges with it. If it was added before X raised `events`, X finds `gathered` grown at its
//!    second reading, and judges with it then. If it was added after that, its worker finds `events` raised, and judges.
//! 4. *Old results stay out.* A worker gathers only a call that was let through in the closed state of [`Known`], when `events` had
//!    not been raised since. The next closed state begins after [the shortest wait](super::policy::OpenWait::shortest) at the
//!    earliest. A call that took less ends before that; after a longer one `events` is looked at immediately before
//!    adding, and an old result could slip in only if a whole opening, trial and closing fell between these two adjacent calls.
//!    What was added while the breaker was not closed is taken in by the swap that closes it, and counts for nothing.
//!
//! The explorer in core's tests runs this through every interleaving of three workers, with calls of which the last one,
//! whichever it is, must trip the breaker, and with calls that must not.
//!
//! # Limits
//!
//! A worker that dies between its swap and raising `events` may leave a trip to the next outcome that is swapped, at most
//! a bucket or a minute later. A rule whose key tells callers apart has many breakers and no counters of its own for each (they would never be
//! freed), so each outcome is swapped. An operator may close a breaker at once: then a success of before may count as
//! one of after, if its call began before the breaker had opened. The proxy's counters outlive a configuration; should they ever be lost while
//! shared data is not, what was gathered counts again once the counter has passed what the entry has seen.

use super::policy::Policy;
use super::window::Counts;
use crate::time::MonoTime;
use core::time::Duration;

/// After this a worker swaps once even if nothing happened, so that no entry is forgotten that is in use.
const AT_MOST: Duration = Duration::from_secs(60);

/// What a worker has last seen of its rule's one breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    /// The value of `events`, read before the breaker was.
    events: u64,
    /// Since when the breaker is closed.
    closed_since: MonoTime,
    /// Until when this is worth anything.
    until: MonoTime,
}

impl Known {
    /// What is known after a swap at `now` that left the breaker closed with these counts; `events` was read before.
    /// `None`: each success must be swapped, since one could trip it.
    pub fn after(
        policy: &Policy,
        counts: Counts,
        closed_since: MonoTime,
        events: u64,
        now: MonoTime,
    ) -> Option<Self> {
        if policy.trip.success_can_trip(counts) {
            return None;
        }
        let until = policy.window.bucket_end(now).min(now.after(AT_MOST));
        Some(Self { events, closed_since, until })
    }

    /// Whether a success of a call that was let through at `at` may be gathered at `now`, while `events` is this.
    pub fn may_gather(&self, events: u64, at: MonoTime, now: MonoTime) -> bool {
        self.is_current(events) && at >= self.closed_since && now < self.until
    }

    /// Whether a success of a call that was let through at `at`, when `events` was this, may be gathered at `now` without asking again.
    pub fn may_gather_unasked(&self, policy: &Policy, events: u64, at: MonoTime, now: MonoTime) -> bool {
        self.may_gather(events, at, now) && now.since(at) < policy.open.shortest()
    }

    /// Whether nothing has happened since.
    pub const fn is_current(&self, events: u64) -> bool {
        self.events == events
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{HalfOpen, OpenWait, Trip};
    use super::super::window::{Shape, time_window};
    use super::*;
    use crate::units::Share;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn policy(window: Shape) -> Policy {
        let seconds = Duration::from_secs;
        Policy {
            window,
            trip: Trip { failure_rate: Some(Share::ALL), min_calls: 20, ..Trip::default() },
            open: OpenWait {
                wait: seconds(1),
                multiplier_thousandths: 1_000,
                most: seconds(1),
                jitter: Share::NONE,
            },
            half_open: HalfOpen { max_calls: 1, success_threshold: 1, max_duration: seconds(1) },
        }
    }

    #[test]
    fn nothing_is_gathered_where_one_success_could_trip() {
        let policy = policy(Shape::Count { size: 100 });
        for (total, failed, may) in [(0, 0, true), (19, 0, true), (19, 1, false), (20, 1, true)] {
            let counts = Counts { total, failed, slow: 0 };
            let known = Known::after(&policy, counts, MonoTime::ZERO, 0, MonoTime::ZERO);
            assert_eq!(known.is_some(), may, "{failed} of {total}");
        }
    }

    #[test]
    fn what_is_known_ends_with_an_event_its_bucket_and_its_state() {
        let policy = policy(time_window(Duration::from_secs(10), 10).unwrap_or(Shape::Count { size: 1 }));
        let milli = MonoTime::from_millis;
        let known = Known::after(&policy, Counts::default(), milli(500), 7, milli(1_200)).unwrap();
        for (events, at, now, may) in
            [(7, 500, 1_999, true), (8, 500, 1_999, false), (7, 499, 1_999, false), (7, 500, 2_000, false)]
        {
            assert_eq!(known.may_gather(events, milli(at), milli(now)), may, "{events} {at} {now}");
            assert_eq!(
                known.may_gather_unasked(&policy, events, milli(at), milli(now)),
                may && now - at < 1_000
            );
        }
    }

    #[test]
    fn after_a_call_that_outlived_an_opening_it_is_asked_again() {
        let policy = policy(Shape::Count { size: 100 });
        let milli = MonoTime::from_millis;
        let known = Known::after(&policy, Counts::default(), milli(500), 7, milli(1_200)).unwrap();
        for (now, may) in [(2_499, true), (2_500, false)] {
            assert!(known.may_gather(7, milli(1_500), milli(now)), "{now}");
            assert_eq!(known.may_gather_unasked(&policy, 7, milli(1_500), milli(now)), may, "{now}");
        }
    }
}
