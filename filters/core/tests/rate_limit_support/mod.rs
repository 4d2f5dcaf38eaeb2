//! One shared store, and conversations with it that nobody interrupts.
#![allow(dead_code, unreachable_pub, reason = "shared by several test crates, each of which uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{Admit, Admitted, Algorithm, Ask, Charges, Said, SetKey, Settled, Situation};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, View};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Everybody is one client.
pub const CLIENT: Fingerprint = Fingerprint(7);

/// Who holds all conversations with a [`Store`].
pub const ME: Member = Member { slot: 3, epoch: 1 };

/// What the workers share: by key, the version and the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store(pub BTreeMap<SetKey, (u32, Vec<u8>)>);

impl Store {
    /// Runs a conversation to its end, nobody else moving.
    pub fn drive<M: Machine<Key = SetKey>>(&mut self, machine: &mut M) -> M::Output {
        let mut input = Input::Start;
        loop {
            input = match machine.resume(input) {
                Step::Get(key) => {
                    let found = self.0.get(&key);
                    let version = found.map_or(Version::Absent, |(version, _)| Version::Of(*version));
                    Input::Value { value: found.map(|(_, value)| value.clone()), version }
                }
                Step::Swap { key, version, value } => {
                    let found =
                        self.0.get(&key).map_or(Version::Absent, |(version, _)| Version::Of(*version));
                    assert_eq!(found, version, "nobody else has written");
                    let next = if let Version::Of(version) = version { version + 1 } else { 1 };
                    self.0.insert(key, (next, value));
                    Input::Swapped(true)
                }
                Step::Send { .. } => panic!("the rate limit sends nothing"),
                Step::Done(output) => return output,
            };
        }
    }

    /// Asks all of these limits for one request; the leases come and go with the conversation.
    pub fn admit(&mut self, asks: &[Ask], now: MonoTime, leases: Leases) -> Admitted {
        self.drive(&mut Admit::new(asks.to_vec(), situation(now), leases))
    }

    /// Takes charges back that did not come out of a lease.
    pub fn take_back(&mut self, charges: Charges, now: MonoTime) -> Settled {
        let mut settle = charges.settle(|_| false, &mut Leases::default(), now);
        let settled = self.drive(&mut settle);
        assert!(settled.failed.is_empty(), "the store does not fail");
        settled
    }

    /// What one limit would say to one request.
    pub fn probe(&self, ask: Ask, now: MonoTime) -> Said {
        self.clone().admit(&[ask], now, Leases::default()).decision.verdicts[0].said
    }

    /// The most that passes at once.
    pub fn available(&self, ask: Ask, now: MonoTime) -> u64 {
        let ask = Ask { enforced: true, ..ask };
        if let Algorithm::Concurrency { most } = ask.algorithm {
            let mut store = self.clone();
            let passing =
                (0..most).take_while(|_| store.admit(&[ask], now, Leases::default()).decision.passes());
            return passing.count() as u64;
        }
        let (mut passes, mut refused) = (0, ask.algorithm.most() + 1);
        while passes + 1 < refused {
            let cost = passes.midpoint(refused);
            match self.probe(Ask { cost, ..ask }, now) {
                Said::Admit => passes = cost,
                _ => refused = cost,
            }
        }
        passes
    }
}

/// One of four workers, none of whom is known to be gone.
pub fn situation(now: MonoTime) -> Situation {
    let view = Rc::new(View::default());
    Situation { now, me: Some(ME), view, workers: 4, allow_on_error: true, name_all: true }
}

/// A question to a limit by itself, whose charge can be taken back.
pub const fn ask(limit: u16, algorithm: Algorithm, cost: u64) -> Ask {
    Ask { limit, set: 0, client: CLIENT, algorithm, cost, enforced: true, refundable: true }
}
