//! Admission by all limits of a request, all or nothing.
//!
//! The limits are charged one after the other. The first that refuses ends it: what was charged is taken back, and
//! the limits behind it are only looked at, so that the answer can name every limit that is in the way. While charges
//! are being taken back another request may be refused that would have passed a moment later: that errs on the side
//! of the limits, and cannot be had otherwise without a lock over all of them.
//!
//! A limit in shadow mode is charged like the others, so that its numbers are true, but it refuses nobody.

use super::algorithm::{Algorithm, Charge, Charged, Situation, Trouble};
use super::lease::Spent;
use super::undo::{Undo, UndoItem, Undone};
use super::{Refusal, SetKey};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::slots::{Fingerprint, Put};
use crate::time::MonoTime;
use crate::vms::{Member, View};
use core::time::Duration;

/// What one limit is asked for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ask<'a> {
    /// The set of the client.
    pub key: SetKey<'a>,
    /// The client within it.
    pub client: Fingerprint,
    /// The limit's algorithm.
    pub algorithm: Algorithm,
    /// What the request costs.
    pub cost: u64,
    /// How many tokens to take in advance if they are there.
    pub extra: u64,
    /// Whether a refusal counts; in shadow mode it is only noted.
    pub enforced: bool,
    /// Whether a limit that cannot decide for a technical reason lets through.
    pub allow_on_error: bool,
    /// Tokens that the worker has taken out of its lease for this request: nothing to ask then.
    pub spent: Option<Spent>,
}

/// What one limit said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was not asked, since a limit before it refused.
    NotAsked,
    /// It was charged.
    Admit {
        /// The charge, what was taken in advance included.
        charge: Charge,
        /// What is left.
        remaining: u64,
        /// Until the client's state equals a fresh one.
        reset: Duration,
    },
    /// It refused, or would have.
    Refuse(Refusal),
    /// It could not decide.
    Trouble(Trouble),
}

/// What all limits together said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision<'a> {
    /// What each limit said, in the order of the asks.
    pub verdicts: Vec<Verdict>,
    /// The first limit that refused the request; `None`: it passes.
    pub refused_by: Option<usize>,
    /// Live entries that had to go, by index of the ask.
    pub evicted: Vec<usize>,
    /// By how much the number of stored entries has changed, by ask.
    pub stored: Vec<(usize, i64)>,
    /// What could not be taken back after a refusal.
    pub left_charged: Vec<UndoItem<'a>>,
}

/// The conversation with all limits of one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admit<'a> {
    asks: Vec<Ask<'a>>,
    now: MonoTime,
    me: Option<Member>,
    view: &'a View,
    at: usize,
    lost: u32,
    pending: Option<Pending>,
    decision: Decision<'a>,
    undo: Option<Undo<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    charge: Charge,
    remaining: u64,
    reset: Duration,
    evicted_live: bool,
    stored: i64,
}

type Next<'a> = Step<SetKey<'a>, Decision<'a>>;

impl<'a> Admit<'a> {
    /// Asks for one request.
    pub fn new(asks: Vec<Ask<'a>>, situation: Situation<'a>) -> Self {
        let Situation { now, me, view } = situation;
        let decision = Decision {
            verdicts: vec![Verdict::NotAsked; asks.len()],
            refused_by: None,
            evicted: Vec::new(),
            stored: Vec::new(),
            left_charged: Vec::new(),
        };
        Self { asks, now, me, view, at: 0, lost: 0, pending: None, decision, undo: None }
    }

    /// Goes on with the next limit that must be asked, or ends.
    fn ask(&mut self) -> Next<'a> {
        while let Some(ask) = self.asks.get(self.at) {
            match ask.spent {
                None => return Step::Get(ask.key),
                Some(Spent { charge, remaining, reset }) => {
                    self.settle(Verdict::Admit { charge: Charge::Tokens(charge), remaining, reset });
                }
            }
        }
        if self.decision.refused_by.is_some() { self.take_back() } else { self.done() }
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(slot) = self.decision.verdicts.get_mut(self.at) {
            *slot = verdict;
        }
        (self.at, self.lost) = (self.at + 1, 0);
    }

    fn done(&mut self) -> Next<'a> {
        let empty = Decision {
            verdicts: Vec::new(),
            refused_by: None,
            evicted: Vec::new(),
            stored: Vec::new(),
            left_charged: Vec::new(),
        };
        Step::Done(core::mem::replace(&mut self.decision, empty))
    }

    fn decide(&mut self, bytes: Option<&[u8]>, version: Version) -> Next<'a> {
        let Some(ask) = self.asks.get(self.at).copied() else { return self.ask() };
        let situation = Situation { now: self.now, me: self.me, view: self.view };
        match ask.algorithm.charge(bytes, ask.client, (ask.cost, ask.extra), situation) {
            // Once refused, the limits behind are only looked at.
            Ok(Ok(_)) if self.decision.refused_by.is_some() => {
                self.settle(Verdict::NotAsked);
                self.ask()
            }
            Ok(Ok(charged)) => {
                let Charged { value, put: Put { evicted_live, stored }, charge, remaining, reset } = charged;
                self.pending = Some(Pending { charge, remaining, reset, evicted_live, stored });
                Step::Swap { key: ask.key, version, value }
            }
            Ok(Err(refusal)) => self.refuse(Verdict::Refuse(refusal), ask.enforced),
            Err(trouble) => self.trouble(trouble),
        }
    }

    fn refuse(&mut self, verdict: Verdict, counts: bool) -> Next<'a> {
        if counts && self.decision.refused_by.is_none() {
            self.decision.refused_by = Some(self.at);
        }
        self.settle(verdict);
        self.ask()
    }

    fn trouble(&mut self, trouble: Trouble) -> Next<'a> {
        let ask = self.asks.get(self.at);
        let allow = ask.is_some_and(|ask| ask.allow_on_error && trouble != Trouble::Contended);
        let counts = ask.is_some_and(|ask| ask.enforced) && !allow;
        self.refuse(Verdict::Trouble(trouble), counts)
    }

    fn swapped(&mut self) -> Next<'a> {
        let Some(pending) = self.pending.take() else { return self.trouble(Trouble::Store) };
        if pending.evicted_live {
            self.decision.evicted.push(self.at);
        }
        if pending.stored != 0 {
            self.decision.stored.push((self.at, pending.stored));
        }
        let Pending { charge, remaining, reset, .. } = pending;
        self.settle(Verdict::Admit { charge, remaining, reset });
        self.ask()
    }

    /// Begins to take back what was charged; what the worker held before is its own to keep.
    fn take_back(&mut self) -> Next<'a> {
        let charged =
            self.asks.iter().zip(&self.decision.verdicts).filter_map(|(ask, verdict)| match verdict {
                Verdict::Admit { charge, .. } if ask.spent.is_none() => Some(UndoItem {
                    key: ask.key,
                    client: ask.client,
                    algorithm: ask.algorithm,
                    charge: *charge,
                }),
                _ => None,
            });
        let undo = Undo::new(charged.collect(), self.now);
        self.undo = Some(undo);
        self.undo_step(Input::Start)
    }

    fn undo_step(&mut self, input: Input) -> Next<'a> {
        let Some(undo) = &mut self.undo else { return self.done() };
        match undo.resume(input) {
            Step::Get(key) => Step::Get(key),
            Step::Swap { key, version, value } => Step::Swap { key, version, value },
            Step::Send { slot, message } => Step::Send { slot, message },
            Step::Done(Undone { stored, failed }) => {
                if stored != 0 {
                    self.decision.stored.push((0, stored));
                }
                self.decision.left_charged = failed;
                self.done()
            }
        }
    }
}

impl<'a> Machine for Admit<'a> {
    type Key = SetKey<'a>;
    type Output = Decision<'a>;

    fn resume(&mut self, input: Input) -> Next<'a> {
        if self.undo.is_some() {
            return self.undo_step(input);
        }
        match input {
            Input::Start => self.ask(),
            Input::Value { value, version } => self.decide(value.as_deref(), version),
            Input::Swapped(true) => self.swapped(),
            Input::Swapped(false) => {
                self.pending = None;
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS { self.trouble(Trouble::Contended) } else { self.ask() }
            }
            Input::Sent(_) | Input::Failed => self.trouble(Trouble::Store),
        }
    }
}
