//! The requests of one worker that wait for one permit.

use crate::time::MonoTime;
use std::collections::VecDeque;

/// The requests of one worker that wait for one permit, first come first served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line<R> {
    waiting: VecDeque<Waiting<R>>,
    listed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting<R> {
    request: R,
    since: MonoTime,
    until: MonoTime,
}

impl<R> Default for Line<R> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), listed: false }
    }
}

impl<R: PartialEq> Line<R> {
    /// A request joins at the end. If it is now alone the line must be settled before the request is parked; behind
    /// others it just waits, so that nobody overtakes.
    #[must_use = "a line of one must be settled"]
    pub fn join(&mut self, request: R, now: MonoTime, until: MonoTime) -> bool {
        self.waiting.push_back(Waiting { request, since: now, until });
        self.waiting.len() == 1
    }

    /// A request that went away leaves the line. Whether the line must be settled, since its head has changed.
    #[must_use = "a line with a new head must be settled"]
    pub fn leave(&mut self, request: &R) -> bool {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.request == *request) else {
            return false;
        };
        self.waiting.remove(at);
        at == 0
    }

    /// Takes out the requests that have waited too long. If there are any the line must be settled.
    #[must_use = "the requests must be refused and the line settled"]
    pub fn expire(&mut self, now: MonoTime) -> Vec<R> {
        let (late, waiting) = self.waiting.drain(..).partition(|waiting: &Waiting<R>| waiting.until <= now);
        self.waiting = waiting;
        let late: VecDeque<Waiting<R>> = late;
        late.into_iter().map(|waiting| waiting.request).collect()
    }

    /// When the next request has waited too long.
    pub fn next_expiry(&self) -> Option<MonoTime> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }
}

impl<R> Line<R> {
    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// This worker is a new member: nothing is listed in its name. The line must be settled.
    pub const fn rejoined(&mut self) {
        self.listed = false;
    }

    /// Since when the head waits.
    pub(super) fn since(&self) -> Option<MonoTime> {
        self.waiting.front().map(|head| head.since)
    }

    pub(super) fn admit(&mut self) -> Option<R> {
        self.waiting.pop_front().map(|head| head.request)
    }

    /// Whether the shared list has an entry for this line, as far as this worker knows.
    pub(super) const fn is_listed(&self) -> bool {
        self.listed
    }

    pub(super) const fn set_listed(&mut self, listed: bool) {
        self.listed = listed;
    }
}
