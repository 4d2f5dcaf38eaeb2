//! A worker of the explorer that leases tokens from a service.
#![allow(unreachable_pub, reason = "a module of one test crate")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use crate::explorer::{Next, Seen, Worker, forward};
use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::rate_limit::global::{
    Deposit, Draw, Drawn, GiveBack, Lease, Purse, Shut, Shutting, Spent, Told, Wanted, Why,
};
use ballast_core::rate_limit::token_lease::Client;
use ballast_core::rewrite::Rewrite;
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use core::time::Duration;
use std::collections::VecDeque;

pub const NOW: MonoTime = MonoTime::from_millis(1_000);
pub const CLIENT: Fingerprint = Fingerprint(7);
pub const LEASE: Lease = Lease { size: 4, max_age: Duration::from_secs(1) };
const TIMEOUT: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The client's pool.
    Pool,
    /// How much the service has granted.
    Service,
}

/// A worker with a few requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leaser {
    pub slot: u8,
    /// What they cost, last first.
    pub requests: Vec<u32>,
    pub purse: Purse,
    /// How many tokens were spent on requests that passed.
    pub used: u32,
    /// The calls under way: more than one where the first was taken for lost.
    pub calls: VecDeque<Wanted>,
    /// Whether its request waits for tokens.
    pub waits: bool,
    /// Whom to tell what has come.
    pub told: VecDeque<u8>,
    pub talk: Option<Talk>,
    pub service_has: u32,
    pub may_fail: bool,
    /// Whether its requests may be decided elsewhere when they have waited for too long.
    pub impatient: bool,
    pub crashes: bool,
    pub ticks: u8,
    /// A worker that keeps what it gives back.
    pub keeps: bool,
    pub dead: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Talk {
    Drawing(Rewrite<Key, Draw>),
    /// The service decides about this many tokens.
    Granting(u32, Option<u32>),
    Depositing(Rewrite<Key, Deposit>),
    Shutting(Rewrite<Key, Shutting>),
    GivingBack(Rewrite<Key, GiveBack>),
    Telling,
}

#[derive(Clone, Copy, Debug)]
pub enum Choice {
    Asks,
    IsAnswered,
    CallFails,
    GivesUp,
    Ticks,
}

impl Leaser {
    pub fn new(slot: u8, costs: &[u32], service_has: u32) -> Self {
        Self {
            slot,
            requests: costs.iter().rev().copied().collect(),
            purse: Purse::with_places(1),
            used: 0,
            calls: VecDeque::new(),
            waits: false,
            told: VecDeque::new(),
            talk: None,
            service_has,
            may_fail: false,
            impatient: false,
            crashes: false,
            ticks: 0,
            keeps: false,
            dead: false,
        }
    }

    fn client() -> Client {
        Client { limit: 0, fingerprint: CLIENT }
    }

    fn talk(&mut self, talk: Talk, now: MonoTime) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, now)
    }

    /// Serves the next request, from the purse if it can be.
    fn serve(&mut self, now: MonoTime) -> Next<Key> {
        let Some(cost) = self.requests.last().copied() else { return Step::Done(()) };
        match self.purse.spend(Self::client(), cost, now) {
            Some(Spent::Tokens(_)) => {
                self.used += cost;
                self.passed_by();
                Step::Done(())
            }
            Some(Spent::Shut(..)) => {
                self.passed_by();
                Step::Done(())
            }
            None => {
                // As if it were alone, so that even of small blocks it takes more than it needs.
                let (me, workers, lease) = (self.slot, 0, LEASE);
                let (timeout, may_ask_at) = (TIMEOUT, MonoTime::ZERO);
                let draw = Draw { client: CLIENT, me, cost, workers, now, lease, timeout, may_ask_at };
                self.talk(Talk::Drawing(Rewrite::new(Key::Pool, draw)), now)
            }
        }
    }

    /// Whatever became of the request, it is over.
    fn passed_by(&mut self) {
        self.requests.pop();
        self.waits = false;
    }

    fn drawn(&mut self, drawn: Drawn, now: MonoTime) -> Next<Key> {
        self.calls.extend(drawn.wanted);
        match (drawn.tokens, drawn.shut) {
            (Some(tokens), _) => {
                assert_eq!(self.purse.keep(Self::client(), tokens, drawn.told, now), None);
                self.serve(now)
            }
            (None, Some(shut)) => {
                self.purse.shut(Self::client(), shut, drawn.told, now);
                self.passed_by();
                Step::Done(())
            }
            (None, None) => {
                self.waits = true;
                Step::Done(())
            }
        }
    }

    fn tell_next(&mut self) -> Next<Key> {
        match self.told.pop_front() {
            Some(slot) => {
                self.talk = Some(Talk::Telling);
                Step::Send { slot, message: vec![1] }
            }
            None => Step::Done(()),
        }
    }

    fn tell(&mut self, waiting: u64) -> Next<Key> {
        self.told = (0..64).filter(|slot| waiting >> slot & 1 == 1).collect();
        self.tell_next()
    }

    /// The call is answered, or has failed.
    fn answered(&mut self, granted: Option<bool>, now: MonoTime) -> Next<Key> {
        let wanted = self.calls.pop_front().unwrap();
        let (client, me, told, lease) = (CLIENT, self.slot, Told::default(), LEASE);
        if granted == Some(true) {
            let deposit = Deposit { client, me, tokens: wanted.tokens, told, sent: now, now, lease };
            return self.talk(Talk::Depositing(Rewrite::new(Key::Pool, deposit)), now);
        }
        if let (Some(false), Some(smaller)) = (granted, wanted.smaller(None)) {
            self.calls.push_front(smaller);
            return Step::Done(());
        }
        let why = if granted.is_some() { Why::Exhausted } else { Why::Failing };
        let shut = Shut { why, cost: wanted.least, until: now.after(LEASE.max_age) };
        let told = granted.map(|_| (told, now));
        self.talk(Talk::Shutting(Rewrite::new(Key::Pool, Shutting { client, me, shut, told, now })), now)
    }
}

impl Worker for Leaser {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, _: Seen) -> Vec<Choice> {
        let choices = [
            (!self.requests.is_empty() && !self.waits, Choice::Asks),
            (!self.calls.is_empty(), Choice::IsAnswered),
            (!self.calls.is_empty() && self.may_fail, Choice::CallFails),
            (self.waits && self.impatient, Choice::GivesUp),
            (self.ticks > 0, Choice::Ticks),
        ];
        choices.into_iter().filter_map(|(may, choice)| (may && !self.dead).then_some(choice)).collect()
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<Key> {
        match choice {
            Choice::Asks => self.serve(now),
            Choice::IsAnswered => {
                self.talk = Some(Talk::Granting(self.calls[0].tokens, None));
                Step::Get(Key::Service)
            }
            Choice::CallFails => self.answered(None, now),
            Choice::GivesUp => {
                self.passed_by();
                Step::Done(())
            }
            Choice::Ticks => {
                self.ticks -= 1;
                let before = self.purse.clone();
                let left = self.purse.empty(now);
                if self.keeps {
                    self.purse = before;
                }
                let Some(left) = left.first() else { return Step::Done(()) };
                let back = GiveBack { client: CLIENT, tokens: left.tokens, expires: left.expires, now };
                self.talk(Talk::GivingBack(Rewrite::new(Key::Pool, back)), now)
            }
        }
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<Key> {
        let mut talk = self.talk.take().unwrap();
        let step = match &mut talk {
            Talk::Drawing(draw) => forward(draw.resume(input)).map(|drawn| self.drawn(drawn.unwrap(), now)),
            Talk::Granting(tokens, granted) => match input {
                Input::Value { value, version } => {
                    let before = value.map_or(0, |value| value[0].into());
                    let after = before + *tokens;
                    if after > self.service_has {
                        return self.answered(Some(false), now);
                    }
                    *granted = Some(after);
                    Err(Step::Swap { key: Key::Service, version, value: vec![u8::try_from(after).unwrap()] })
                }
                Input::Swapped(true) => Ok(self.answered(Some(true), now)),
                _ => Err(Step::Get(Key::Service)),
            },
            Talk::Depositing(deposit) => {
                forward(deposit.resume(input)).map(|waiting| self.tell(waiting.unwrap()))
            }
            Talk::Shutting(shutting) => {
                forward(shutting.resume(input)).map(|waiting| self.tell(waiting.unwrap()))
            }
            Talk::GivingBack(back) => forward(back.resume(input)).map(|done| {
                done.unwrap();
                Step::Done(())
            }),
            Talk::Telling => Ok(self.tell_next()),
        };
        match step {
            Ok(next) => next,
            Err(step) => {
                self.talk = Some(talk);
                step
            }
        }
    }

    fn slot(&self) -> Option<u8> {
        Some(self.slot)
    }

    fn receive(&mut self, _: &[u8], now: MonoTime) -> Next<Key> {
        if self.waits && !self.dead { self.serve(now) } else { Step::Done(()) }
    }

    fn done(&self) -> bool {
        self.dead || (self.requests.is_empty() && self.calls.is_empty() && self.ticks == 0)
    }

    fn crash(&self) -> Option<Self> {
        let gone = Self { used: self.used, dead: true, ..Self::new(self.slot, &[], self.service_has) };
        (self.crashes && !self.dead).then_some(Self { ticks: 0, ..gone })
    }
}
