//! One breaker: its state, and the two transitions of it.
//!
//! # How
//!
//! A [`Breaker`] is closed, open or half-open since some moment. [`admit`] is asked for each request, [`record`] for
//! each outcome. Both are pure, and the whole breaker is one entry of a slot table, so one compare-and-swap applies
//! a transition with everything that belongs to it.
//!
//! The moment at which a state began is its generation: moments of one breaker are never equal and only grow. A probe
//! carries that of its half-open state; a call that a closed breaker let through carries when it was let through. A
//! result whose state has ended says nothing about the present one and is dropped.
//!
//! # Limits
//!
//! A closed breaker with nothing in its window equals no breaker and is forgotten. So is an open one that nobody has
//! asked for [`FORGOTTEN_AFTER`] after its wait: the next call is then let through and judged like the first.

mod entry;
mod record;

pub use record::{LetThrough, Outcome, Recorded, record};

use super::policy::{Cause, Policy};
use super::window::Window;
use crate::permits::Holders;
use crate::random::Random;
use crate::time::MonoTime;
use crate::vms::{DEAD_AFTER, Member, View};
use core::time::Duration;

/// How long nobody may ask for an open breaker, or call through a closed one with a count window, before it is
/// forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// A breaker that is open for longer than this is damage: the longest wait with all jitter, doubled.
const MOST_OPEN: Duration = Duration::from_secs(4 * 24 * 3_600);

/// One breaker. Absent is closed, with nothing in its window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Breaker {
    /// Since when it is in its state.
    pub since: MonoTime,
    /// How often it has opened in a row; zero if it has not lately.
    pub openings: u16,
    /// How long it was open the last time.
    pub last_wait: Duration,
    /// The state.
    pub state: State,
}

/// What a breaker does with requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Lets them through and watches.
    Closed(Closed),
    /// Refuses them.
    Open {
        /// Until then.
        until: MonoTime,
    },
    /// Lets a few through to see.
    HalfOpen {
        /// Until when there must be a verdict.
        until: MonoTime,
        /// How many have succeeded.
        successes: u32,
        /// Who has probes out.
        probes: Holders,
    },
}

/// What a closed breaker remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Closed {
    /// The last calls.
    pub window: Window,
    /// How many failed in a row.
    pub consecutive: u32,
    /// The upstream asked to be left alone until then.
    pub retry_after: MonoTime,
    /// How far the shared count of gathered successes has been taken in.
    pub gathered: u64,
}

/// The name of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateName {
    /// Lets requests through.
    Closed,
    /// Refuses them.
    Open,
    /// Tries a few.
    HalfOpen,
}

impl StateName {
    /// The name, in metrics, headers and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// When.
    pub at: MonoTime,
    /// From which state.
    pub from: StateName,
    /// To which.
    pub to: StateName,
    /// Why.
    pub cause: Cause,
    /// Until when it is open, if it is.
    pub until: MonoTime,
}

/// What a request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Admission {
    /// It passes.
    Pass,
    /// It passes as a probe of the half-open state that began then. Whoever asked holds a permit for it.
    Probe {
        /// The generation.
        since: MonoTime,
    },
    /// It is refused.
    Refuse {
        /// By which state: open or half-open.
        state: StateName,
        /// How long it remains open; `None`: probes are out, and their verdict is not known.
        wait: Option<Duration>,
    },
}

impl Breaker {
    /// The name of its state.
    pub const fn name(&self) -> StateName {
        match self.state {
            State::Closed(_) => StateName::Closed,
            State::Open { .. } => StateName::Open,
            State::HalfOpen { .. } => StateName::HalfOpen,
        }
    }

    /// The breaker, if it is one of this policy and time. What was counted in a window of another shape is forgotten;
    /// what began before `reset_at` too, by an operator's word.
    pub fn checked(mut self, policy: &Policy, reset_at: MonoTime, now: MonoTime) -> Option<Self> {
        let from_nowhere = self.since.since(now) > DEAD_AFTER;
        let locked = matches!(self.state, State::Open { until } if until.since(self.since) > MOST_OPEN);
        if from_nowhere || locked || self.since < reset_at {
            return None;
        }
        if let State::Closed(closed) = &mut self.state {
            let ahead = closed.window.newest_start().since(now) > DEAD_AFTER;
            if closed.window.shape() != policy.window || ahead {
                closed.window = Window::new(policy.window);
            }
        }
        Some(self)
    }

    /// The breaker with what was gathered since it was last written, for who only looks.
    #[must_use]
    pub fn with_gathered(mut self, gathered: Option<u64>, now: MonoTime) -> Self {
        if let State::Closed(closed) = &mut self.state {
            closed.take_in(gathered, now);
        }
        self
    }

    /// The breaker as an operator has it closed, with nothing in its window. With the change, if it was not.
    #[must_use]
    pub fn closed_by_order(&self, policy: &Policy, now: MonoTime) -> (Self, Option<Change>) {
        let (closed, change) = self.closed(policy, None, now);
        let was_closed = self.name() == StateName::Closed;
        (closed, (!was_closed).then_some(Change { cause: Cause::Ordered, ..change }))
    }

    /// The moment at which the next state begins.
    fn next_moment(&self, now: MonoTime) -> MonoTime {
        now.max(self.since.after(Duration::from_nanos(1)))
    }

    fn fresh(policy: &Policy, gathered: Option<u64>, since: MonoTime) -> Self {
        let closed = Closed {
            window: Window::new(policy.window),
            consecutive: 0,
            retry_after: MonoTime::ZERO,
            gathered: gathered.unwrap_or_default(),
        };
        Self { since, openings: 0, last_wait: Duration::ZERO, state: State::Closed(closed) }
    }

    /// The same breaker, open from now on.
    fn opened(
        &self,
        policy: &Policy,
        openings: u16,
        not_before: MonoTime,
        cause: Cause,
        now: MonoTime,
        random: &mut impl Random,
    ) -> (Self, Change) {
        let since = self.next_moment(now);
        let wait = policy.open.of(openings, random);
        let until = now.after(wait).max(not_before.min(now.after(policy.open.most)));
        let change = Change { at: since, from: self.name(), to: StateName::Open, cause, until };
        (Self { since, openings, last_wait: until.since(now), state: State::Open { until } }, change)
    }

    fn half_opened(&self, policy: &Policy, now: MonoTime) -> (Self, Change) {
        let since = self.next_moment(now);
        let until = now.after(policy.half_open.max_duration);
        let state = State::HalfOpen { until, successes: 0, probes: Holders::default() };
        let cause = Cause::WaitOver;
        let change = Change { at: since, from: self.name(), to: StateName::HalfOpen, cause, until };
        (Self { since, state, ..self.clone() }, change)
    }

    fn closed(&self, policy: &Policy, gathered: Option<u64>, now: MonoTime) -> (Self, Change) {
        let at = self.next_moment(now);
        let (from, cause) = (self.name(), Cause::ProbesSucceeded);
        let change = Change { at, from, to: StateName::Closed, cause, until: MonoTime::ZERO };
        let closed = Self::fresh(policy, gathered, at);
        (Self { openings: self.openings, last_wait: self.last_wait, ..closed }, change)
    }
}

/// Who asks, and what it knows.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Its identity; without one it gets no probe.
    pub me: Option<Member>,
    /// Who is gone.
    pub view: &'a View,
}

/// Asks whether a request passes: what becomes of the breaker (`None`: it stays), what the request is told, and the
/// change of state if there was one.
pub fn admit(
    policy: &Policy,
    breaker: Option<&Breaker>,
    asker: Asker<'_>,
    now: MonoTime,
    random: &mut impl Random,
) -> (Option<Breaker>, Admission, Option<Change>) {
    let Some(old) = breaker else { return (None, Admission::Pass, None) };
    let refuse = |state, wait| Admission::Refuse { state, wait };
    let half_open = match &old.state {
        State::Closed(_) => return (None, Admission::Pass, None),
        State::Open { until } if now < *until => {
            return (None, refuse(StateName::Open, Some(until.since(now))), None);
        }
        State::Open { .. } => {
            // Whoever cannot hold a probe leaves this to others.
            let (half_open, change) = old.half_opened(policy, now);
            (half_open, Some(change))
        }
        State::HalfOpen { until, .. } if now >= *until => {
            // Nothing failed, so the wait is no longer than the last one.
            let (opened, change) =
                old.opened(policy, old.openings, MonoTime::ZERO, Cause::NoVerdict, now, random);
            let wait = change.until.since(now);
            return (Some(opened), refuse(StateName::Open, Some(wait)), Some(change));
        }
        State::HalfOpen { .. } => (old.clone(), None),
    };
    let (mut breaker, change) = half_open;
    let (State::HalfOpen { probes, .. }, Some(me)) = (&mut breaker.state, asker.me) else {
        return (None, refuse(old.name(), None), None);
    };
    match probes.acquire(me, policy.half_open.max_calls, asker.view) {
        Ok(()) => {
            let since = breaker.since;
            (Some(breaker), Admission::Probe { since }, change)
        }
        Err(_) => (None, refuse(StateName::HalfOpen, None), None),
    }
}

#[cfg(test)]
mod tests;
