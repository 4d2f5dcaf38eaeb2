//! Admission by all limits of a request, all or nothing.
//!
//! The limits are charged one after the other. The first that refuses ends it: what was charged is taken back, and
//! the limits behind it are only looked at, so that the answer can name every limit that is in the way. While
//! charges are being taken back another request may be refused that would have passed a moment later: that errs on
//! the side of the limits, and cannot be had otherwise without a lock over all of them.
//!
//! A limit in shadow mode is charged and taken back like the others, so that its numbers are those it would have
//! if it were enforced, but it refuses nobody.

use super::SetKey;
use super::algorithm::{Algorithm, Charged, Taken, Trouble};
use super::settle::{Charge, Charges, Settle, Settled, put_back};
use super::token_bucket::Advance;
use super::token_lease::{Client, Leases};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use crate::vms::{Member, View};
use core::time::Duration;
use std::rc::Rc;

/// What one limit is asked for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The number of the limit. A request asks each limit once.
    pub limit: u16,
    /// The set of the client in the limit's table.
    pub set: u32,
    /// The client within it.
    pub client: Fingerprint,
    /// How the limit counts, for this client's tier.
    pub algorithm: Algorithm,
    /// What the request costs.
    pub cost: u64,
    /// Whether a refusal counts; in shadow mode it is only noted.
    pub enforced: bool,
    /// Whether the end of the request may take the charge back.
    pub refundable: bool,
}

/// What a decision depends on besides the shared values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Situation {
    /// The monotonic clock.
    pub now: MonoTime,
    /// Who decides; permits need it.
    pub me: Option<Member>,
    /// Who is known to be gone.
    pub view: Rc<View>,
    /// How many workers there are, as far as known.
    pub workers: u64,
    /// Whether a limit that cannot decide for a technical reason lets through.
    pub allow_on_error: bool,
    /// Whether to look at the limits behind the one that refuses, to name them all.
    pub name_all: bool,
}

/// What one limit said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// It was not asked, since a limit before it refused.
    NotAsked,
    /// It admits, and was charged.
    Admit,
    /// It admitted, but another refused: its charge was taken back.
    TakenBack,
    /// It would have admitted: it was only looked at, since another refused.
    WouldAdmit,
    /// It refuses, or would have.
    Refuse {
        /// Until it would admit; `None`: not known, or never.
        wait: Option<Duration>,
    },
    /// It could not decide.
    Trouble(Trouble),
}

/// What one limit said, and its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// What it was asked.
    pub ask: Ask,
    /// What it said.
    pub said: Said,
    /// How much is left for the client; zero if not asked.
    pub remaining: u64,
    /// Until the client's state equals a fresh one.
    pub reset: Duration,
    /// Whether the tokens had been taken in advance: no shared value was touched.
    pub from_lease: bool,
    /// Whether a live entry of another client had to go.
    pub evicted_live: bool,
    /// By how much the number of stored entries of the limit has changed.
    pub stored: i64,
}

/// What all limits together said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decision {
    /// What each limit said, in the order of the asks.
    pub verdicts: Vec<Verdict>,
    /// The index of the first verdict that refuses the request; `None`: it passes.
    pub refused_by: Option<usize>,
}

/// What an admission comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Whether the request passes, and what each limit said.
    pub decision: Decision,
    /// What is to be settled at the end of the request; of a refused one, what could not be taken back.
    pub charges: Charges,
    /// What the worker holds in advance.
    pub leases: Leases,
}

/// The conversation with all limits of one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admit {
    situation: Situation,
    leases: Leases,
    decision: Decision,
    charges: Vec<Charge>,
    phase: Phase,
    at: usize,
    lost: u32,
    pending: Option<Pending>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Asking,
    TakingBack(Settle),
    Looking,
}

/// What holds once the swap is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    taken: Taken,
    remaining: u64,
    reset: Duration,
    evicted_live: bool,
    stored: i64,
}

type Next = Step<SetKey, Admitted>;

impl Decision {
    /// Whether the request passes.
    pub const fn passes(&self) -> bool {
        self.refused_by.is_none()
    }

    /// The enforced limits that are in the way, as far as they were looked at.
    pub fn violated(&self) -> impl Iterator<Item = &Verdict> {
        let refuses = |said| matches!(said, Said::Refuse { .. } | Said::Trouble(Trouble::Contended));
        self.verdicts.iter().filter(move |verdict| verdict.ask.enforced && refuses(verdict.said))
    }

    /// Until all that are in the way would admit; `None` if one of them does not know.
    pub fn wait(&self) -> Option<Duration> {
        self.violated().try_fold(Duration::ZERO, |longest, verdict| match verdict.said {
            Said::Refuse { wait } => wait.map(|wait| wait.max(longest)),
            _ => None,
        })
    }
}

/// Serves a request that one limit is for from the worker's own memory, without a conversation. `None`: the conversation
/// is needed. This is the way of most requests.
pub fn admit_from_lease(ask: &Ask, leases: &mut Leases, now: MonoTime) -> Option<Verdict> {
    let Algorithm::TokenBucket(bucket) = ask.algorithm else { return None };
    if ask.refundable {
        return None;
    }
    let spent = leases.spend(ask.client(), &bucket, ask.cost, now)?;
    let (remaining, reset) = (spent.remaining, spent.reset);
    Some(Verdict {
        ask: *ask,
        said: Said::Admit,
        remaining,
        reset,
        from_lease: true,
        evicted_live: false,
        stored: 0,
    })
}

impl Admit {
    /// Asks for one request. The worker's leases are lent to the conversation and come back with its end.
    pub fn new(asks: impl IntoIterator<Item = Ask>, situation: Situation, leases: Leases) -> Self {
        let verdict = |ask| Verdict {
            ask,
            said: Said::NotAsked,
            remaining: 0,
            reset: Duration::ZERO,
            from_lease: false,
            evicted_live: false,
            stored: 0,
        };
        let decision = Decision { verdicts: asks.into_iter().map(verdict).collect(), refused_by: None };
        let (charges, phase) = (Vec::new(), Phase::Asking);
        Self { situation, leases, decision, charges, phase, at: 0, lost: 0, pending: None }
    }

    /// Goes on with the next limit that the store must be asked for, or ends.
    fn ask(&mut self) -> Next {
        let looking = matches!(self.phase, Phase::Looking);
        while let Some(verdict) = self.decision.verdicts.get(self.at) {
            let ask = verdict.ask;
            if looking && !ask.enforced {
                (self.at, self.lost) = (self.at + 1, 0);
            } else if looking || !self.spend(ask) {
                return Step::Get(SetKey { limit: ask.limit, set: ask.set });
            }
        }
        self.end()
    }

    /// Serves an ask from the worker's own memory. `false`: the store must be asked.
    fn spend(&mut self, ask: Ask) -> bool {
        let Algorithm::TokenBucket(bucket) = ask.algorithm else { return false };
        let now = self.situation.now;
        let Some(spent) = self.leases.spend(ask.client(), &bucket, ask.cost, now) else { return false };
        let (taken, remaining, reset) = (Taken::Tokens(spent.taken), spent.remaining, spent.reset);
        let pending = Pending { taken, remaining, reset, evicted_live: false, stored: 0 };
        self.charged(ask, pending, true);
        true
    }

    fn charged(&mut self, ask: Ask, pending: Pending, from_lease: bool) {
        let Pending { taken, remaining, reset, evicted_live, stored } = pending;
        // A single limit that nothing can take back any more needs no record.
        let permit = matches!(taken, Taken::Permit(_));
        if ask.refundable || permit || self.decision.verdicts.len() > 1 {
            let (client, set, algorithm) = (ask.client(), ask.set, ask.algorithm);
            self.charges.push(Charge { client, set, algorithm, taken, from_lease });
        }
        if let Some(verdict) = self.decision.verdicts.get_mut(self.at) {
            *verdict = Verdict { ask, said: Said::Admit, remaining, reset, from_lease, evicted_live, stored };
        }
        (self.at, self.lost) = (self.at + 1, 0);
    }

    fn decide(&mut self, bytes: Option<&[u8]>, version: Version) -> Next {
        let Some(ask) = self.decision.verdicts.get(self.at).map(|verdict| verdict.ask) else {
            return self.end();
        };
        let looking = matches!(self.phase, Phase::Looking);
        let advance = match ask.algorithm {
            Algorithm::TokenBucket(bucket) if !looking => {
                let (cost, workers) = (ask.cost, self.situation.workers);
                self.leases.advance(ask.client(), &bucket, (cost, workers), self.situation.now)
            }
            _ => Advance::default(),
        };
        match ask.algorithm.charge(bytes, ask.client, (ask.cost, advance), &self.situation) {
            Ok(Ok(charged)) if looking => {
                let remaining = charged.remaining.saturating_add(ask.cost);
                self.said(Said::WouldAdmit, remaining, charged.reset)
            }
            Ok(Ok(Charged { value, put, taken, remaining, reset })) => {
                let (evicted_live, stored) = (put.evicted_live, put.stored);
                self.pending = Some(Pending { taken, remaining, reset, evicted_live, stored });
                Step::Swap { key: SetKey { limit: ask.limit, set: ask.set }, version, value }
            }
            Ok(Err(refusal)) => {
                self.said(Said::Refuse { wait: refusal.wait }, refusal.remaining, refusal.reset)
            }
            Err(trouble) => self.said(Said::Trouble(trouble), 0, Duration::ZERO),
        }
    }

    fn swapped(&mut self) -> Next {
        let ask = self.decision.verdicts.get(self.at).map(|verdict| verdict.ask);
        let (Some(mut pending), Some(ask)) = (self.pending.take(), ask) else {
            return self.said(Said::Trouble(Trouble::Store), 0, Duration::ZERO);
        };
        if let (Algorithm::TokenBucket(bucket), Taken::Tokens(taken)) = (ask.algorithm, pending.taken) {
            let numbers = (pending.remaining, pending.reset);
            let now = self.situation.now;
            let own = self.leases.keep(ask.client(), &bucket, (taken, ask.cost), numbers, now);
            pending.taken = Taken::Tokens(own);
        }
        self.charged(ask, pending, false);
        self.ask()
    }

    /// Notes what a limit said that was not charged, and what follows from it.
    fn said(&mut self, said: Said, remaining: u64, reset: Duration) -> Next {
        let Some(verdict) = self.decision.verdicts.get_mut(self.at) else { return self.end() };
        (verdict.said, verdict.remaining, verdict.reset) = (said, remaining, reset);
        let refuses = match said {
            Said::Refuse { .. } | Said::Trouble(Trouble::Contended) => true,
            Said::Trouble(_) => !self.situation.allow_on_error,
            _ => false,
        };
        let first = verdict.ask.enforced && refuses && self.decision.refused_by.is_none();
        if first {
            self.decision.refused_by = Some(self.at);
        }
        (self.at, self.lost) = (self.at + 1, 0);
        if first { self.take_back() } else { self.ask() }
    }

    fn take_back(&mut self) -> Next {
        let now = self.situation.now;
        let mut charges = core::mem::take(&mut self.charges);
        for verdict in &mut self.decision.verdicts {
            if verdict.said == Said::Admit {
                verdict.said = Said::TakenBack;
                verdict.remaining = verdict.remaining.saturating_add(verdict.ask.cost);
            }
        }
        charges.retain(|charge| !put_back(charge, &mut self.leases, now));
        self.phase = Phase::TakingBack(Settle::new(charges, now));
        self.taking_back(Input::Start)
    }

    fn taking_back(&mut self, input: Input) -> Next {
        let Phase::TakingBack(settle) = &mut self.phase else { return self.end() };
        let Settled { stored, failed } = match settle.resume(input) {
            Step::Done(settled) => settled,
            Step::Get(key) => return Step::Get(key),
            Step::Swap { key, version, value } => return Step::Swap { key, version, value },
            Step::Send { slot, message } => return Step::Send { slot, message },
        };
        for (limit, change) in stored {
            let verdict = self.decision.verdicts.iter_mut().find(|verdict| verdict.ask.limit == limit);
            if let Some(verdict) = verdict {
                verdict.stored = verdict.stored.saturating_add(change);
            }
        }
        self.charges = failed.into_inner();
        self.phase = Phase::Looking;
        if self.situation.name_all { self.ask() } else { self.end() }
    }

    fn end(&mut self) -> Next {
        let mut charges = core::mem::take(&mut self.charges);
        if self.decision.passes() {
            let awaits = |charge: &Charge| {
                let ask =
                    self.decision.verdicts.iter().find(|verdict| verdict.ask.limit == charge.client.limit);
                matches!(charge.taken, Taken::Permit(_)) || ask.is_some_and(|verdict| verdict.ask.refundable)
            };
            charges.retain(awaits);
        }
        Step::Done(Admitted {
            decision: core::mem::take(&mut self.decision),
            charges: Charges::new(charges),
            leases: core::mem::take(&mut self.leases),
        })
    }
}

impl Ask {
    const fn client(&self) -> Client {
        Client { limit: self.limit, fingerprint: self.client }
    }
}

impl Machine for Admit {
    type Key = SetKey;
    type Output = Admitted;

    fn resume(&mut self, input: Input) -> Next {
        if matches!(self.phase, Phase::TakingBack(_)) {
            return self.taking_back(input);
        }
        match input {
            Input::Start => self.ask(),
            Input::Value { value, version } => self.decide(value.as_deref(), version),
            Input::Swapped(true) => self.swapped(),
            Input::Swapped(false) => {
                self.pending = None;
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS {
                    self.said(Said::Trouble(Trouble::Contended), 0, Duration::ZERO)
                } else {
                    self.ask()
                }
            }
            Input::Sent(_) | Input::Failed => {
                self.pending = None;
                self.said(Said::Trouble(Trouble::Store), 0, Duration::ZERO)
            }
        }
    }
}

#[cfg(test)]
mod tests;
