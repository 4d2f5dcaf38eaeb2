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
use ballast_core::rate_limit::{
    Admit, Algorithm, Ask, Charge, Decision, SetKey, Situation, Undo, UndoItem, Undone, Verdict,
};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_core::vms::View;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Everybody is one client.
pub const CLIENT: Fingerprint = Fingerprint(7);

static NOBODY: LazyLock<View> = LazyLock::new(View::default);

/// What the workers share.
#[derive(Clone, Debug, Default)]
pub struct Store(pub BTreeMap<SetKey<'static>, (u32, Vec<u8>)>);

impl Store {
    /// Runs a conversation to its end, nobody else moving.
    pub fn drive<M: Machine<Key = SetKey<'static>>>(&mut self, machine: &mut M) -> M::Output {
        let mut input = Input::Start;
        loop {
            input = match machine.resume(input) {
                Step::Get(key) => {
                    let found = self.0.get(&key);
                    let version = found.map_or(Version::Absent, |(version, _)| Version::Of(*version));
                    Input::Value { value: found.map(|(_, value)| value.clone()), version }
                }
                Step::Swap { key, version, value } => {
                    let found = self.0.get(&key).map_or(Version::Absent, |(version, _)| Version::Of(*version));
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

    /// Asks all of these limits for one request.
    pub fn admit(&mut self, asks: Vec<Ask<'static>>, now: MonoTime) -> Decision<'static> {
        self.drive(&mut Admit::new(asks, Situation { now, me: None, view: &NOBODY }))
    }

    /// Takes charges back.
    pub fn undo(&mut self, items: Vec<UndoItem<'static>>, now: MonoTime) -> Undone<'static> {
        let undone = self.drive(&mut Undo::new(items, now));
        assert_eq!(undone.failed, [], "the store does not fail");
        undone
    }

    /// Asks one limit for one request without keeping the answer: whether it passes, or when it would.
    pub fn probe(&self, ask: Ask<'static>, now: MonoTime) -> Verdict {
        self.clone().admit(vec![ask], now).verdicts[0]
    }

    /// The most that passes at once.
    pub fn available(&self, ask: Ask<'static>, now: MonoTime) -> u64 {
        let (mut passes, mut refused) = (0, ask.algorithm.most() + 1);
        while passes + 1 < refused {
            let cost = passes.midpoint(refused);
            match self.probe(Ask { cost, ..ask }, now) {
                Verdict::Admit { .. } => passes = cost,
                _ => refused = cost,
            }
        }
        passes
    }
}

/// A question to a limit by itself.
pub const fn ask(limit: &'static str, algorithm: Algorithm, cost: u64) -> Ask<'static> {
    Ask {
        key: SetKey { limit, set: 0 },
        client: CLIENT,
        algorithm,
        cost,
        extra: 0,
        enforced: true,
        allow_on_error: true,
        spent: None,
    }
}

/// How to take back what was charged for this question.
pub const fn item(ask: Ask<'static>, charge: Charge) -> UndoItem<'static> {
    UndoItem { key: ask.key, client: ask.client, algorithm: ask.algorithm, charge }
}
