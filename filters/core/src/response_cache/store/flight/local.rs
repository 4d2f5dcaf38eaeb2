//! The requests of one worker that lead or wait.

use super::{Leadership, Waiter};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::vec_map::VecMap;
use crate::vms::{Member, View};
use core::time::Duration;

/// The flights that concern one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flights {
    waiting: VecMap<Fingerprint, Waiting>,
    leading: VecMap<Fingerprint, Leadership>,
    parked: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    waiter: Waiter,
    since: MonoTime,
    looked: MonoTime,
    requests: Vec<Parked>,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parked {
    /// Its number in the worker.
    pub stream: u32,
    /// From when on it goes alone.
    pub until: MonoTime,
}

/// Why a worker should look at a flight that its requests wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Its leader is gone.
    LeaderGone,
    /// Nothing was heard for a while: read its [`Pulse`](super::Pulse).
    Silent,
}

impl Flights {
    /// The flight that requests of this worker already wait for, or that it leads: one more can wait without asking
    /// anybody.
    pub fn known(&self, wanted: Fingerprint) -> bool {
        self.waiting.contains_key(&wanted) || self.leading.contains_key(&wanted)
    }

    /// A request of this worker leads.
    pub fn lead(&mut self, leadership: Leadership) {
        self.leading.insert(leadership.key, leadership);
    }

    /// A flight that this worker led is over.
    pub fn landed(&mut self, leadership: &Leadership) {
        if self.leading.get(&leadership.key).is_some_and(|leading| leading.token == leadership.token) {
            self.leading.remove(&leadership.key);
        }
    }

    /// Whether this worker leads any: then it writes its pulse.
    pub fn leads(&self) -> bool {
        !self.leading.is_empty()
    }

    /// A request waits for the flight of this worker, or for one that others of it wait for. `false`: there is none.
    pub fn follow_known(&mut self, wanted: Fingerprint, me: Member, parked: Parked, now: MonoTime) -> bool {
        if let Some(waiting) = self.waiting.get_mut(&wanted) {
            waiting.requests.push(parked);
            self.parked += 1;
            return true;
        }
        let Some(leadership) = self.leading.get(&wanted) else { return false };
        let Leadership { set, key, token } = *leadership;
        self.follow(Waiter { set, key, token, leader: me }, parked, now);
        true
    }

    /// A request waits.
    pub fn follow(&mut self, waiter: Waiter, parked: Parked, now: MonoTime) {
        let fresh = || Waiting { waiter, since: now, looked: now, requests: Vec::new() };
        let waiting = self.waiting.entry(waiter.key).or_insert_with(fresh);
        if waiting.waiter.token != waiter.token {
            (waiting.waiter, waiting.since) = (waiter, now);
        }
        waiting.requests.push(parked);
        self.parked += 1;
    }

    /// The requests that wait for a flight, the first first, and for which; they wait no more.
    pub fn wake(&mut self, wanted: Fingerprint) -> Option<(Waiter, Vec<Parked>)> {
        let Waiting { waiter, requests, .. } = self.waiting.remove(&wanted)?;
        self.parked = self.parked.saturating_sub(requests.len());
        Some((waiter, requests))
    }

    /// A request waits no more: its client went away. Whether it did.
    pub fn leave(&mut self, stream: u32) -> bool {
        let before = self.parked;
        for waiting in self.waiting.values_mut() {
            let count = waiting.requests.len();
            waiting.requests.retain(|parked| parked.stream != stream);
            self.parked = self.parked.saturating_sub(count - waiting.requests.len());
        }
        self.waiting.retain(|_, waiting| !waiting.requests.is_empty());
        self.parked < before
    }

    /// The requests that have waited for long enough; they wait no more.
    pub fn timed_out(&mut self, now: MonoTime) -> Vec<Parked> {
        let mut over = Vec::new();
        for waiting in self.waiting.values_mut() {
            over.extend(waiting.requests.extract_if(.., |parked| parked.until <= now));
        }
        self.parked = self.parked.saturating_sub(over.len());
        self.waiting.retain(|_, waiting| !waiting.requests.is_empty());
        over
    }

    /// On each tick: the flights to look at, each at most once in `every`.
    pub fn suspects(&mut self, view: &View, now: MonoTime, every: Duration) -> Vec<(Waiter, MonoTime, Why)> {
        let mut suspects = Vec::new();
        for waiting in self.waiting.values_mut() {
            let Waiter { leader, .. } = waiting.waiter;
            if view.is_gone(leader) {
                suspects.push((waiting.waiter, waiting.since, Why::LeaderGone));
            } else if now.since(waiting.looked) >= every {
                waiting.looked = now;
                suspects.push((waiting.waiter, waiting.since, Why::Silent));
            }
        }
        suspects
    }

    /// How many requests wait.
    pub const fn parked(&self) -> usize {
        self.parked
    }

    /// When the next request has waited for long enough.
    pub fn next_due(&self) -> Option<MonoTime> {
        self.waiting.values().flat_map(|waiting| &waiting.requests).map(|parked| parked.until).min()
    }
}
