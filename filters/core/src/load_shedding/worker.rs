//! One worker's part: who may go on, who waits, who must go.
//!
//! # How
//!
//! How many are in flight and how many wait, over all workers, are two shared [`Counters`] that can be added to and read.
//! How a request takes a place by them is [`share`](super::share): there are never more in flight than
//! allowed, however many workers race. Everything else is in the worker's memory: the limit and the gate of its last
//! [`learn`](Worker::learn), and what it has seen for its next [`report`](Worker::report).
//!
//! The most important class may go over an adaptive limit by all of it, and callers that have had less than their fair share
//! by half of it: the limit is an estimate, and who is the last to be shed must not wait for others to end. What goes over it
//! is in flight all the same, so the others have so much less. A fixed limit holds for everybody.
//!
//! # Limits
//!
//! Two workers that race for the last place may both take themselves back, and try again; should they collide each time, the place
//! stays free for a moment. Order among those who wait is exact within a
//! worker; between workers it is by odds, in proportion to how many wait where.

mod seen;

use super::Reason;
use super::board::{Board, Report};
use super::gate::Gate;
use super::limit::Algorithm;
use super::queue::{Queue, Rank, Standing};
use super::settings::Settings;
use super::share::{Entering, Entry};
use crate::random::Random;
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use core::time::Duration;
use std::rc::Rc;

/// More answers than these at one worker between two reports tell nothing new.
const MOST_LOOKS: u32 = 100;

/// How often a request tries to take a place that others seem to leave free.
const MOST_TRIES: u32 = 3;

/// Counts that all workers share. Adding is atomic.
pub trait Counters {
    /// How many are in flight.
    fn in_flight(&self) -> u32;
    /// Adds to how many are in flight.
    fn add_in_flight(&self, change: i64);
    /// How many wait.
    fn queued(&self) -> u32;
    /// Adds to how many wait.
    fn add_queued(&self, change: i64);
}

/// A request, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The number of its class, zero being the most important.
    pub class: u8,
    /// Who sent it, where that matters.
    pub caller: Option<Fingerprint>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on; so many are in flight with it.
    Enter(u32),
    /// It waits.
    Wait,
    /// It is refused.
    Refuse(Reason),
}

/// Somebody who waited and goes on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered<T> {
    /// Who.
    pub ticket: T,
    /// How many are in flight with it.
    pub in_flight: u32,
    /// How long it has waited.
    pub waited: Duration,
}

/// Somebody who waited and must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expelled<T> {
    /// Who.
    pub ticket: T,
    /// The class it was of.
    pub class: u8,
    /// Why.
    pub reason: Reason,
}

/// Whose turn it is when there is room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody waits, as far as this worker knows.
    Nobody,
    /// Somebody here: [let them in](Worker::admit_waiting).
    Mine,
    /// Somebody at another worker: tell one that has somebody waiting.
    Others,
}

/// One worker.
#[derive(Debug)]
pub struct Worker<T> {
    settings: Rc<Settings>,
    allowed: u32,
    gate: Gate,
    overloaded: bool,
    callers: super::fairness::Sketch,
    admission_odds: Vec<f64>,
    queue: Queue<T>,
    report: Report,
    /// How many of this worker's requests are in flight.
    held: u32,
    /// What was last seen in flight, over all workers.
    last_seen: u32,
    /// The latency of an idle upstream in nanoseconds, where it is known.
    floor: Option<f64>,
    /// How many answers were looked at since the last report.
    looks: u32,
}

impl<T: Copy + Eq> Worker<T> {
    /// A worker that knows nothing yet.
    pub fn new(settings: Rc<Settings>) -> Self {
        let board = Board::new(&settings, MonoTime::ZERO);
        let mut worker = Self {
            allowed: 0,
            gate: board.gate(&settings),
            overloaded: false,
            callers: Default::default(),
            admission_odds: Vec::new(),
            queue: Queue::new(settings.queue),
            report: Report::new(&settings),
            held: 0,
            last_seen: 0,
            floor: None,
            looks: 0,
            settings,
        };
        worker.learn(&board);
        worker
    }

    /// How many may be in flight.
    pub const fn allowed(&self) -> u32 {
        self.allowed
    }

    /// How many of this worker's requests are in flight.
    pub const fn held(&self) -> u32 {
        self.held
    }

    /// How many of this worker's requests wait.
    pub const fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether it matters what class a request is of and who sent it: there is nearly no room, or some must go.
    pub fn is_contended(&self) -> bool {
        self.last_seen.saturating_mul(2) >= self.allowed || !self.gate.is_open() || !self.queue.is_empty()
    }

    /// Whether an admission rule refuses a request.
    pub fn admission_refuses(&self, rule: usize, random: &mut impl Random) -> bool {
        let odds = self.admission_odds.get(rule).copied().unwrap_or(0.0);
        odds > 0.0 && random.unit() < odds
    }

    /// A request has come. If it [waits](Verdict::Wait), another may have lost its place to it.
    pub fn arrive(
        &mut self,
        arrival: &Arrival,
        ticket: T,
        counters: &impl Counters,
        now: MonoTime,
        random: &mut impl Random,
    ) -> (Verdict, Option<Expelled<T>>) {
        if self.is_contended() {
            self.report.mix.count(arrival.class);
            if let Some(caller) = arrival.caller {
                self.report.callers.count(caller);
            }
        }
        let came = arrival
            .caller
            .map(|caller| self.callers.of(caller).saturating_add(self.report.callers.of(caller)));
        if let Some(reason) = self.gate.turns_away(arrival.class, came, random) {
            if reason != Reason::Signal {
                self.report.arrived = self.report.arrived.saturating_add(1);
                self.refused();
            }
            return (Verdict::Refuse(reason), None);
        }
        self.report.arrived = self.report.arrived.saturating_add(1);
        let rank = self.rank(arrival.class, came);
        if let Some(in_flight) = self.try_enter(rank, counters) {
            return (Verdict::Enter(in_flight), None);
        }
        self.wait(rank, arrival.class, ticket, counters, now)
    }

    fn rank(&self, class: u8, came: Option<u16>) -> Rank {
        let by_class = self.settings.strategy.by_class();
        let standing = if by_class && class == 0 && self.settings.classes > 1 {
            Standing::Favoured
        } else {
            self.gate.standing(class, came)
        };
        Rank { class: if by_class { class } else { 0 }, standing }
    }

    /// Goes on at once, if there is room and nobody who waits comes first.
    fn try_enter(&mut self, rank: Rank, counters: &impl Counters) -> Option<u32> {
        if self.queue.best_rank().is_some_and(|best| best <= rank) {
            return None;
        }
        let in_flight = self.enter(rank, counters)?;
        let plenty = in_flight.saturating_mul(2) < self.allowed;
        let favoured = rank.standing == Standing::Favoured;
        if !plenty && !favoured && counters.queued() > u32::try_from(self.queue.len()).unwrap_or(u32::MAX) {
            // Somebody waits at another worker: the room is theirs first.
            self.leave(counters);
            return None;
        }
        Some(in_flight)
    }

    /// Takes a place, if there is one.
    fn enter(&mut self, rank: Rank, counters: &impl Counters) -> Option<u32> {
        let mut entering = Entering::new(self.allowed_for(rank), MOST_TRIES);
        loop {
            match entering.next(self.last_seen) {
                Entry::Add(change) => counters.add_in_flight(change),
                Entry::Read => self.last_seen = counters.in_flight(),
                Entry::Entered => {
                    self.held = self.held.saturating_add(1);
                    self.report.samples.saw(self.last_seen);
                    return Some(self.last_seen);
                }
                Entry::Full => return None,
            }
        }
    }

    fn leave(&mut self, counters: &impl Counters) {
        self.held = self.held.saturating_sub(1);
        counters.add_in_flight(-1);
    }

    fn allowed_for(&self, rank: Rank) -> u32 {
        if rank.standing != Standing::Favoured || self.settings.limit.algorithm == Algorithm::Fixed {
            return self.allowed;
        }
        let most_important = rank.class == 0 && self.settings.strategy.by_class();
        let more = if most_important { self.allowed } else { self.allowed.div_ceil(2) };
        self.allowed.saturating_add(more)
    }

    fn wait(
        &mut self,
        rank: Rank,
        class: u8,
        ticket: T,
        counters: &impl Counters,
        now: MonoTime,
    ) -> (Verdict, Option<Expelled<T>>) {
        if self.settings.queue.max_length == 0 {
            self.refused();
            return (Verdict::Refuse(Reason::Limit), None);
        }
        counters.add_queued(1);
        let mut expelled = None;
        if counters.queued() > self.settings.queue.max_length {
            counters.add_queued(-1);
            let Some((ticket, lost)) = self.queue.displace(rank) else {
                self.refused();
                return (Verdict::Refuse(Reason::QueueFull), None);
            };
            self.refused();
            let reason = if lost.class > rank.class { Reason::Priority } else { Reason::Fairness };
            expelled = Some(Expelled { ticket, class: lost.class.max(class), reason });
        }
        self.queue.join(ticket, rank, now);
        (Verdict::Wait, expelled)
    }

    /// A request that went on has ended.
    pub fn release(&mut self, counters: &impl Counters, random: &mut impl Random) -> Turn {
        self.leave(counters);
        if !self.is_contended() {
            return Turn::Nobody;
        }
        let mine = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        let all = counters.queued().max(mine);
        if all == 0 {
            Turn::Nobody
        } else if random.below(all.into()) < u64::from(mine) {
            Turn::Mine
        } else {
            Turn::Others
        }
    }

    /// Lets in who waits here, as far as there is room.
    pub fn admit_waiting(&mut self, counters: &impl Counters, now: MonoTime) -> Vec<Entered<T>> {
        let mut entered = Vec::new();
        while let Some(rank) = self.queue.best_rank() {
            let Some(in_flight) = self.enter(rank, counters) else { break };
            let Some((ticket, _, waited)) = self.queue.next(now, self.overloaded) else {
                self.leave(counters);
                break;
            };
            counters.add_queued(-1);
            entered.push(Entered { ticket, in_flight, waited });
        }
        entered
    }

    /// Takes out who has waited for too long.
    pub fn expire(&mut self, counters: &impl Counters, now: MonoTime) -> Vec<Expelled<T>> {
        let expired = self.queue.expired(now, self.overloaded);
        let expelled = expired.into_iter().map(|(ticket, rank, _)| Expelled {
            ticket,
            class: rank.class,
            reason: Reason::QueueTimeout,
        });
        let expelled: Vec<_> = expelled.collect();
        for _ in &expelled {
            counters.add_queued(-1);
            self.refused();
        }
        expelled
    }

    /// How long somebody who begins to wait now may do so, as things are.
    pub fn most_wait(&self) -> Duration {
        self.queue.most_wait(self.overloaded)
    }

    /// Somebody who waited does so no more. `false`: it did not wait.
    pub fn abandon(&mut self, ticket: T, counters: &impl Counters) -> bool {
        let waited = self.queue.leave(ticket);
        if waited {
            counters.add_queued(-1);
        }
        waited
    }

    /// Whether another answer is worth a look: it may tell something new.
    pub const fn wants_a_look(&mut self) -> bool {
        let wanted = self.looks < MOST_LOOKS;
        if wanted {
            self.looks += 1;
        }
        wanted
    }

    /// A request goes on whatever is in flight; so many are with it.
    pub fn enter_anyway(&mut self, counters: &impl Counters) -> u32 {
        counters.add_in_flight(1);
        self.last_seen = counters.in_flight();
        self.held = self.held.saturating_add(1);
        self.report.samples.saw(self.last_seen);
        self.last_seen
    }
}
