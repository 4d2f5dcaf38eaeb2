//! Requests of one worker that wait for room.
//!
//! # How
//!
//! The important go first; among equals those who are favoured, then those not over their fair share; then by age: the oldest first, or under overload with
//! `adaptive_lifo` the newest, who is most likely still wanted. How long somebody may wait follows CoDel (Nichols and Jacobson,
//! 2012, in the form that Facebook's folly gave it): under overload twice the target; while the queue never got short for an
//! interval ten times the target; otherwise, and for the favoured always, `max_wait`.

use crate::time::MonoTime;
use crate::vec_map::VecMap;
use core::time::Duration;
use std::collections::VecDeque;

/// For how long the queue must not get short to count as standing.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// In which order equals are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Fifo,
    /// The newest first.
    Lifo,
    /// The oldest first, and the newest first under overload.
    #[default]
    AdaptiveLifo,
}

/// A queue's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many may wait, over all workers; zero: nobody.
    pub max_length: u32,
    /// How long waiting is no sign of overload.
    pub target_delay: Duration,
    /// How long a request waits at the most.
    pub max_wait: Duration,
    /// In which order equals are served.
    pub order: Order,
}

/// Where a request stands: the smaller the sooner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// The number of its class, zero being the most important.
    pub class: u8,
    /// Where it stands within its class.
    pub standing: Standing,
}

/// Where a request stands within its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It is of the most important class, or some must go and its caller has had less than a fair share.
    Favoured,
    /// Nothing is known against it.
    #[default]
    Normal,
    /// Its caller has had more than a fair share.
    OverShare,
}

#[derive(Clone, Copy, Debug)]
struct Waiting<T> {
    ticket: T,
    since: MonoTime,
}

/// The queue.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    settings: Settings,
    lines: VecMap<Rank, VecDeque<Waiting<T>>>,
    length: usize,
    /// When somebody was last taken out: since then nobody waits, if nobody does.
    empty_since: MonoTime,
    codel: Codel,
}

impl<T: Copy + Eq> Queue<T> {
    /// An empty queue.
    pub const fn new(settings: Settings) -> Self {
        Self { settings, lines: VecMap::new(), length: 0, empty_since: MonoTime::ZERO, codel: Codel::new() }
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nobody waits.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Who is next in importance.
    pub fn best_rank(&self) -> Option<Rank> {
        self.lines.keys().next().copied()
    }

    /// Lets a request wait.
    pub fn join(&mut self, ticket: T, rank: Rank, now: MonoTime) {
        if self.is_empty() && now.since(self.empty_since) > self.settings.target_delay {
            self.codel.rested();
        }
        self.lines.entry(rank).or_default().push_back(Waiting { ticket, since: now });
        self.length += 1;
    }

    /// Takes the next one out, with how long it has waited. `overloaded`: others say that there is too much.
    pub fn next(&mut self, now: MonoTime, overloaded: bool) -> Option<(T, Rank, Duration)> {
        self.observe(now);
        let newest_first = match self.settings.order {
            Order::Fifo => false,
            Order::Lifo => true,
            Order::AdaptiveLifo => overloaded,
        };
        let (rank, line) = self.lines.iter_mut().next()?;
        let rank = *rank;
        let taken = if newest_first { line.pop_back() } else { line.pop_front() };
        if line.is_empty() {
            self.lines.remove(&rank);
        }
        let taken = taken?;
        self.length -= 1;
        self.empty_since = now;
        Some((taken.ticket, rank, now.since(taken.since)))
    }

    /// Takes somebody out who is less important than `rank`: the least important, and of those the newest.
    pub fn displace(&mut self, rank: Rank) -> Option<(T, Rank)> {
        let (worst, line) = self.lines.iter_mut().next_back()?;
        let worst = *worst;
        if worst <= rank {
            return None;
        }
        let taken = line.pop_back();
        if line.is_empty() {
            self.lines.remove(&worst);
        }
        self.length -= 1;
        taken.map(|taken| (taken.ticket, worst))
    }

    /// A request waits no more. `false`: it did not.
    pub fn leave(&mut self, ticket: T) -> bool {
        let found = self.lines.iter_mut().find_map(|(rank, line)| {
            let at = line.iter().position(|waiting| waiting.ticket == ticket)?;
            line.remove(at);
            Some((*rank, line.is_empty()))
        });
        let Some((rank, is_empty)) = found else { return false };
        if is_empty {
            self.lines.remove(&rank);
        }
        self.length -= 1;
        true
    }

    /// Takes out who has waited too long.
    pub fn expired(&mut self, now: MonoTime, overloaded: bool) -> Vec<(T, Rank, Duration)> {
        self.observe(now);
        let hurried = self.most_wait(overloaded);
        let mut expired = Vec::new();
        for (rank, line) in self.lines.iter_mut() {
            let most = if rank.standing == Standing::Favoured { self.settings.max_wait } else { hurried };
            while let Some(first) = line.front().filter(|first| now.since(first.since) >= most) {
                expired.push((first.ticket, *rank, now.since(first.since)));
                line.pop_front();
            }
        }
        self.lines.retain(|_, line| !line.is_empty());
        self.length -= expired.len();
        if !expired.is_empty() {
            self.empty_since = now;
        }
        expired
    }

    /// How long a request may wait as things are.
    pub fn most_wait(&self, overloaded: bool) -> Duration {
        let targets = match (overloaded, self.codel.standing) {
            (true, _) => 2,
            (false, true) => 10,
            (false, false) => return self.settings.max_wait,
        };
        self.settings.target_delay.saturating_mul(targets).min(self.settings.max_wait)
    }

    fn observe(&mut self, now: MonoTime) {
        let oldest = self.lines.values().filter_map(VecDeque::front).map(|first| first.since).min();
        if let Some(since) = oldest {
            self.codel.observe(now.since(since), now, self.settings.target_delay);
        }
    }
}

/// Whether the queue has been standing: how long the oldest has waited was over the target for a whole interval.
#[derive(Clone, Copy, Debug)]
struct Codel {
    interval_began: MonoTime,
    least: Option<Duration>,
    standing: bool,
}

impl Codel {
    const fn new() -> Self {
        Self { interval_began: MonoTime::ZERO, least: None, standing: false }
    }

    /// Nobody has waited for a while.
    fn rested(&mut self) {
        self.standing = false;
        self.least = Some(Duration::ZERO);
    }

    /// The oldest has waited for so long.
    fn observe(&mut self, delay: Duration, now: MonoTime, target: Duration) {
        if now.since(self.interval_began) >= INTERVAL {
            let quiet = now.since(self.interval_began) >= 2 * INTERVAL;
            // After a pause nothing is known of the time in between but that nobody came.
            self.standing = !quiet && self.least.is_some_and(|least| least > target);
            self.interval_began = now;
            self.least = None;
        }
        self.least = Some(self.least.map_or(delay, |least| least.min(delay)));
    }
}

#[cfg(test)]
mod tests;
