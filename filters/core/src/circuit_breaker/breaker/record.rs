//! What the outcome of a call makes of a breaker.

use super::{Breaker, Change, Closed, State};
use crate::circuit_breaker::policy::{Cause, Policy};
use crate::circuit_breaker::window::{Call, Counts};
use crate::random::Random;
use crate::time::MonoTime;
use crate::vms::Member;
use core::time::Duration;

/// How the call whose outcome is recorded had been let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetThrough {
    /// By a closed breaker, at this time, read after the breaker was seen closed.
    Closed {
        /// When.
        at: MonoTime,
    },
    /// As a probe.
    Probe {
        /// The generation.
        since: MonoTime,
        /// Who holds the permit.
        by: Member,
    },
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// How the call had been let through.
    pub let_through: LetThrough,
    /// What it came to; `None`: nothing can be said, or it is among the gathered ones already.
    pub call: Option<Call>,
    /// For how long the upstream asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The shared count of gathered successes, read before the breaker was. `None`: this breaker gathers none.
    pub gathered: Option<u64>,
    /// When an operator closed all breakers of the rule; the origin if none ever did.
    pub reset_at: MonoTime,
}

/// What recording came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// What becomes of the breaker; `None`: it stays as it is.
    pub breaker: Option<Breaker>,
    /// The change of state, if there was one.
    pub change: Option<Change>,
    /// The outcome is of a state that has ended, and was dropped.
    pub late: bool,
    /// What a closed breaker knows now, or knew when it opened.
    pub counts: Option<Counts>,
}

/// Records what a call came to.
pub fn record(
    policy: &Policy,
    breaker: Option<&Breaker>,
    outcome: &Outcome,
    now: MonoTime,
    random: &mut impl Random,
) -> Recorded {
    match outcome.let_through {
        LetThrough::Closed { at } => record_call(policy, breaker, outcome, at, now, random),
        LetThrough::Probe { since, by } => record_probe(policy, breaker, outcome, (since, by), now, random),
    }
}

const LATE: Recorded = Recorded { breaker: None, change: None, late: true, counts: None };

fn record_call(
    policy: &Policy,
    breaker: Option<&Breaker>,
    outcome: &Outcome,
    at: MonoTime,
    now: MonoTime,
    random: &mut impl Random,
) -> Recorded {
    let mut breaker =
        breaker.cloned().unwrap_or_else(|| Breaker::fresh(policy, outcome.gathered, outcome.reset_at));
    let since = breaker.since;
    let State::Closed(closed) = &mut breaker.state else { return LATE };
    if at < since {
        return LATE;
    }
    closed.take_in(outcome.gathered, now);
    if let Some(call) = outcome.call {
        closed.window.record(call, 1, now);
        closed.consecutive = if call.failed { closed.consecutive.saturating_add(1) } else { 0 };
    }
    if let Some(wait) = outcome.retry_after {
        let until = now.after(wait.min(policy.open.most));
        closed.retry_after = closed.retry_after.max(until);
    }
    let (counts, not_before) = (closed.window.counts(now), closed.retry_after);
    let cause = policy.trip.cause(counts, closed.consecutive);
    let Some(cause) = cause else {
        return Recorded { breaker: Some(breaker), change: None, late: false, counts: Some(counts) };
    };
    // Opening again within the time that it was open before is a relapse.
    let relapsed = breaker.openings > 0 && now < breaker.since.after(breaker.last_wait);
    let openings = if relapsed { breaker.openings.saturating_add(1) } else { 1 };
    let (opened, change) = breaker.opened(policy, openings, not_before, cause, now, random);
    Recorded { breaker: Some(opened), change: Some(change), late: false, counts: Some(counts) }
}

fn record_probe(
    policy: &Policy,
    breaker: Option<&Breaker>,
    outcome: &Outcome,
    (since, by): (MonoTime, Member),
    now: MonoTime,
    random: &mut impl Random,
) -> Recorded {
    let Some(old) = breaker.filter(|breaker| breaker.since == since) else { return LATE };
    let mut breaker = old.clone();
    let State::HalfOpen { successes, probes, .. } = &mut breaker.state else { return LATE };
    let changed = |(breaker, change)| Recorded {
        breaker: Some(breaker),
        change: Some(change),
        late: false,
        counts: None,
    };
    let held = probes.release(by);
    let slow = outcome.call.is_some_and(|call| call.slow) && policy.trip.slow_call_rate.is_some();
    match outcome.call {
        Some(call) if call.failed || slow => {
            let cause = if call.failed { Cause::ProbeFailed } else { Cause::ProbeSlow };
            let not_before = now.after(outcome.retry_after.unwrap_or_default().min(policy.open.most));
            let openings = old.openings.saturating_add(1);
            changed(old.opened(policy, openings, not_before, cause, now, random))
        }
        Some(_) => {
            *successes = successes.saturating_add(1);
            if *successes >= policy.half_open.success_threshold {
                return changed(old.closed(policy, outcome.gathered, now));
            }
            Recorded { breaker: Some(breaker), change: None, late: false, counts: None }
        }
        None => Recorded { breaker: held.then_some(breaker), change: None, late: false, counts: None },
    }
}

impl Closed {
    /// Counts the successes that were gathered since it was last written: they came after every outcome in it.
    pub(super) fn take_in(&mut self, gathered: Option<u64>, now: MonoTime) {
        let Some(gathered) = gathered.filter(|gathered| *gathered > self.gathered) else { return };
        let new = u32::try_from(gathered - self.gathered).unwrap_or(u32::MAX);
        self.window.record_in_newest(Call::default(), new, now);
        self.consecutive = 0;
        self.gathered = gathered;
    }
}
