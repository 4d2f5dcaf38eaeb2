//! A worker of the explorer that serves requests under limits.
#![allow(unreachable_pub, reason = "a module of one test crate")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use crate::explorer::{Next, Seen, Worker, forward};
use crate::rate_limit_support::situation;
use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::rate_limit::token_bucket::TokenBucket;
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{Admit, Algorithm, Ask, Charges, SetKey, Settle, Situation, give_back};
use ballast_core::slots::Table;
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, Slot, SlotState, View};
use core::time::Duration;
use std::rc::Rc;

/// What the clock shows all the time.
pub const NOW: MonoTime = MonoTime::from_millis(1_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Set(SetKey),
    /// That the member of this slot was declared dead.
    Gone(u8),
}

/// A worker that serves its requests one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    pub slot: u8,
    /// Last first.
    pub requests: Vec<Vec<Ask>>,
    pub leases: Leases,
    pub view: Rc<View>,
    pub talk: Option<Talk>,
    /// What the request in flight costs, and what its end has a say in.
    pub serving: Option<(u64, Charges)>,
    /// What was admitted and not taken back.
    pub used: u64,
    pub from_leases: u8,
    pub may_refund: bool,
    pub ticks: u8,
    /// Whether it writes what it had read before it lost a swap.
    pub careless: bool,
    pub crashes: bool,
    pub dead: bool,
    pub looked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Talk {
    Asking(Admit, u64),
    Settling(Settle, Option<Vec<u8>>),
    Looking,
    Burying,
}

#[derive(Clone, Copy, Debug)]
pub enum Choice {
    Asks,
    /// The request ends, and counts or does not.
    Ends(bool),
    Ticks,
    LooksWhoIsGone,
    IsDeclaredDead,
}

impl Server {
    pub fn new(slot: u8, mut requests: Vec<Vec<Ask>>) -> Self {
        requests.reverse();
        let view = Rc::new(View::of([held(); 3]));
        let leases = Leases::with_places(1);
        let (talk, serving, used, from_leases, ticks) = (None, None, 0, 0, 0);
        let (may_refund, careless, crashes, dead, looked) = (true, false, false, false, true);
        Self {
            slot,
            requests,
            leases,
            view,
            talk,
            serving,
            used,
            from_leases,
            may_refund,
            ticks,
            careless,
            crashes,
            dead,
            looked,
        }
    }

    fn talk(&mut self, talk: Talk) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, NOW)
    }

    fn asking(&mut self) -> Next<Key> {
        let asks = self.requests.pop().unwrap();
        let me = Some(Member { slot: self.slot, epoch: 1 });
        let situation = Situation { me, view: self.view.clone(), name_all: false, ..situation(NOW) };
        let cost = asks[0].cost;
        let admit = Admit::new(asks, situation, core::mem::take(&mut self.leases));
        self.talk(Talk::Asking(admit, cost))
    }
}

fn sets(step: Next<SetKey>) -> Next<Key> {
    match step {
        Step::Get(key) => Step::Get(Key::Set(key)),
        Step::Swap { key, version, value } => Step::Swap { key: Key::Set(key), version, value },
        Step::Send { .. } => panic!("the rate limit sends nothing"),
        Step::Done(()) => Step::Done(()),
    }
}

/// The input as a careless worker takes it: the version is new, the value is what it read at first.
fn stale(first: &mut Option<Vec<u8>>, input: Input) -> Input {
    match input {
        Input::Value { value, version } => {
            let value = first.get_or_insert(value.unwrap_or_default()).clone();
            Input::Value { value: Some(value), version }
        }
        other => other,
    }
}

impl Worker for Server {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, _: Seen) -> Vec<Choice> {
        if self.dead {
            return if self.looked { vec![] } else { vec![Choice::IsDeclaredDead] };
        }
        if self.serving.is_some() {
            return [Choice::Ends(true), Choice::Ends(false)][..1 + usize::from(self.may_refund)].to_vec();
        }
        let choices = [
            (!self.requests.is_empty(), Choice::Asks),
            (self.ticks > 0, Choice::Ticks),
            (!self.looked, Choice::LooksWhoIsGone),
        ];
        choices.into_iter().filter_map(|(may, choice)| may.then_some(choice)).collect()
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<Key> {
        match choice {
            Choice::Asks => self.asking(),
            Choice::Ends(counts) => {
                let (cost, charges) = self.serving.take().unwrap();
                // What is taken back has not been used by anybody from here on.
                self.used -= if counts { 0 } else { cost };
                let settle = charges.settle(|_| counts, &mut self.leases, now);
                self.talk(Talk::Settling(settle, None))
            }
            Choice::Ticks => {
                self.ticks -= 1;
                let settle = give_back(&mut self.leases, |_| Some(Table::for_keys(1)), now);
                self.talk(Talk::Settling(settle, None))
            }
            Choice::LooksWhoIsGone => {
                self.looked = true;
                self.talk = Some(Talk::Looking);
                Step::Get(Key::Gone(2))
            }
            Choice::IsDeclaredDead => {
                self.looked = true;
                self.talk = Some(Talk::Burying);
                Step::Swap { key: Key::Gone(self.slot), version: Version::Absent, value: vec![1] }
            }
        }
    }

    fn resume(&mut self, input: Input, _: MonoTime) -> Next<Key> {
        let mut talk = self.talk.take().unwrap();
        let step = match &mut talk {
            Talk::Asking(admit, cost) => forward(admit.resume(input)).map(|admitted| {
                self.leases = admitted.leases;
                let passes = admitted.decision.passes();
                let out_of_lease = admitted.decision.verdicts.iter().any(|verdict| verdict.from_lease);
                assert!(passes || admitted.charges.is_empty(), "everything is taken back");
                self.from_leases += u8::from(out_of_lease);
                self.used += if passes { *cost } else { 0 };
                self.serving = Some((*cost, admitted.charges)).filter(|(_, charges)| !charges.is_empty());
            }),
            Talk::Settling(settle, first) => {
                let input = if self.careless { stale(first, input) } else { input };
                forward(settle.resume(input)).map(|settled| assert!(settled.failed.is_empty()))
            }
            Talk::Looking => {
                if matches!(input, Input::Value { value: Some(_), .. }) {
                    self.view = Rc::new(all_but_the_third());
                }
                Ok(())
            }
            Talk::Burying => Ok(()),
        };
        match step {
            Ok(()) => Step::Done(()),
            Err(step) => {
                self.talk = Some(talk);
                sets(step)
            }
        }
    }

    fn done(&self) -> bool {
        self.dead || (self.serving.is_none() && self.requests.is_empty() && self.ticks == 0)
    }

    fn crash(&self) -> Option<Self> {
        let (requests, leases) = (Vec::new(), Leases::default());
        let (talk, serving) = (None, None);
        // The ghost of a worker is there until it is declared dead.
        let ghost =
            Self { dead: true, looked: false, requests, leases, talk, serving, ticks: 0, ..self.clone() };
        (self.crashes && !self.dead).then_some(ghost)
    }
}

fn held() -> Slot {
    Slot { epoch: 1, state: SlotState::Held, heartbeat: NOW }
}

/// Who is there once the third is known to be dead.
pub fn all_but_the_third() -> View {
    View::of([held(), held(), Slot { epoch: 2, state: SlotState::Dead, heartbeat: NOW }])
}

/// A bucket whose next token comes after all this is over.
pub fn bucket(burst: u64) -> Algorithm {
    Algorithm::TokenBucket(TokenBucket::new(1, Duration::from_secs(86_400), burst).unwrap())
}
