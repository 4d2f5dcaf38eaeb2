//! What breakers know, taken out of one process and put into another.
//!
//! # How
//!
//! A part holds the breakers of some sets of some rules. Points of the monotonic clock mean nothing after a restart, so all times
//! are spans, and the time between the two is taken off by the wall clock. A breaker that was open stays open for the rest of its wait; one
//! that was being tried may be tried at once; of one that was closed, what its window held comes back into the newest part of the
//! window, if anything in it failed or was slow. A breaker goes on the [watch list](super::watch) before it is put, as when it
//! opens.
//!
//! # Limits
//!
//! Breakers of a key are known by a keyed hash, so its secret goes along: a snapshot is to be kept like a credential. A breaker that
//! has come to know something since the restart keeps that.

use super::breaker::{Breaker, Closed, State};
use super::config::Config;
use super::converse::{Key, Subject};
use super::operator::{Forced, Order};
use super::policy::{Cause, MOST_OPEN};
use super::watch::{Enlist, Entry};
use super::window::{Call, Counts, Window};
use crate::rewrite::{Edit, Edited, Rewrite};
use crate::slots::{Entry as _, Fingerprint, Set};
use crate::time::{MonoTime, nanos};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How many sets are looked at for one part.
pub const SETS_AT_ONCE: u32 = 8_192;
/// A part is not added to from here on; with the last set and its frame it stays within 512 KiB.
const FULL: usize = 480 * 1024;
/// About what one breaker takes in a part, generously.
const BREAKER_BYTES: usize = 260;

/// Where to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The number of the rule.
    pub rule: usize,
    /// The number of the set.
    pub set: u32,
}

/// A part of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// When it was taken, by the wall clock.
    pub taken_unix_ms: u64,
    /// The key of the hash, in hexadecimal digits.
    pub seed: String,
    /// What it holds.
    pub rules: Vec<OfRule>,
}

/// What a part holds of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfRule {
    /// Its name.
    pub name: String,
    /// What an operator has ordered; `null`: nothing.
    pub forced: Option<Forced>,
    /// Its breakers.
    pub breakers: Vec<OfBreaker>,
}

/// What a part holds of one breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfBreaker {
    /// Its fingerprint, in hexadecimal digits.
    pub id: String,
    /// How often it has opened in a row.
    pub openings: u16,
    /// How long it was open the last time.
    pub last_wait_ns: u64,
    /// Its state.
    pub state: Saved,
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Saved {
    /// It refuses, or is about to be tried.
    Open {
        /// For so long.
        left_ns: u64,
    },
    /// It lets requests through.
    Closed {
        /// What its window held.
        calls: u32,
        /// Of these, the failed.
        failed: u32,
        /// And the slow.
        slow: u32,
        /// How many failed in a row.
        consecutive: u32,
    },
}

impl OfRule {
    /// What is ordered for a rule, without breakers yet.
    pub fn new(name: &str, order: Option<Order>) -> Self {
        Self { name: name.to_owned(), forced: order.map(|order| order.forced), breakers: Vec::new() }
    }

    /// Takes the breakers of a set in.
    pub fn take(&mut self, set: Option<&[u8]>, now: MonoTime) {
        for (id, breaker) in Set::<Breaker>::read(set).iter() {
            let state = match &breaker.state {
                State::Open { until } => Saved::Open { left_ns: nanos(until.since(now)) },
                State::HalfOpen { .. } => Saved::Open { left_ns: 0 },
                State::Closed(closed) => {
                    let Counts { total, failed, slow } = closed.window.counts(now);
                    if failed == 0 && slow == 0 && breaker.fresh_at() <= now {
                        continue;
                    }
                    Saved::Closed { calls: total, failed, slow, consecutive: closed.consecutive }
                }
            };
            self.breakers.push(OfBreaker {
                id: id.to_string(),
                openings: breaker.openings,
                last_wait_ns: nanos(breaker.last_wait),
                state,
            });
        }
    }
}

impl Part {
    /// Whether it holds as much as it may.
    pub fn is_full(&self) -> bool {
        self.breakers().saturating_mul(BREAKER_BYTES) >= FULL
    }

    /// How many breakers it holds.
    pub fn breakers(&self) -> usize {
        self.rules.iter().map(|rule| rule.breakers.len()).sum()
    }

    /// What is to be put back as of `now`. What belongs to no rule of this configuration, or means nothing, is left out.
    pub fn puttings(&self, config: &Config, age: Duration, now: MonoTime) -> Vec<Putting> {
        let mut puttings = Vec::new();
        for part in &self.rules {
            let rule = config.breakers.iter().find(|rule| rule.name.as_str() == part.name);
            let Some(rule) = rule else { continue };
            for saved in &part.breakers {
                let Some(id) = Fingerprint::parse(&saved.id) else { continue };
                let subject = Subject::new(&rule.shared_name, rule.table, id, &rule.policy);
                puttings.push(Putting { breaker: saved.restored(&subject, age, now), subject, now });
            }
        }
        puttings
    }
}

impl OfBreaker {
    fn restored(&self, subject: &Subject, age: Duration, now: MonoTime) -> Breaker {
        let state = match self.state {
            Saved::Open { left_ns } => {
                let left = Duration::from_nanos(left_ns).saturating_sub(age).min(MOST_OPEN);
                State::Open { until: now.after(left) }
            }
            Saved::Closed { calls, failed, slow, consecutive } => {
                let mut window = Window::new(subject.policy.window);
                let failed = failed.min(calls);
                let slow = slow.min(calls - failed);
                // Which of the failed were slow, too, is not known.
                for (call, times) in [
                    (Call::default(), calls - failed - slow),
                    (Call { failed: false, slow: true }, slow),
                    (Call { failed: true, slow: false }, failed),
                ] {
                    window.record(call, times, now);
                }
                let retry_after = MonoTime::ZERO;
                State::Closed(Closed { window, consecutive, retry_after, gathered: 0 })
            }
        };
        let last_wait = Duration::from_nanos(self.last_wait_ns).min(MOST_OPEN);
        Breaker { since: now, openings: self.openings, last_wait, state }
    }
}

/// Puts a breaker back into its set, unless something is known of it. Ends with whether it did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Putting {
    subject: Subject,
    breaker: Breaker,
    now: MonoTime,
}

impl Putting {
    /// The conversation that is to come first, if the breaker is not closed.
    pub fn enlisting(&self) -> Option<Rewrite<Key, Enlist>> {
        let State::Open { until } = self.breaker.state else { return None };
        let (fingerprint, since, cause) = (self.subject.fingerprint, self.breaker.since, Cause::Ordered);
        Some(Rewrite::new(self.subject.watch_key(), Enlist(Entry { fingerprint, since, until, cause })))
    }

    /// The conversation.
    pub fn converse(self, gathered: Option<u64>) -> Rewrite<Key, Self> {
        let mut putting = self;
        if let (State::Closed(closed), Some(gathered)) = (&mut putting.breaker.state, gathered) {
            // What was gathered so far is not of this breaker's past.
            closed.gathered = gathered;
        }
        Rewrite::new(putting.subject.set_key(), putting)
    }

    /// Whether it is the only breaker of the rule of this name.
    pub fn is_of(&self, rule: &str) -> bool {
        &*self.subject.rule == rule
    }
}

impl Edit for Putting {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let mut set = Set::<Breaker>::read(old);
        let is_known = self.subject.read(old, self.now).is_some();
        if is_known || self.breaker.fresh_at() <= self.now {
            return Edited::Keep(false);
        }
        set.put(self.subject.fingerprint, self.breaker.clone(), self.now);
        Edited::Replace(set.encode(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit_breaker::breaker::{LetThrough, Outcome, record};
    use crate::random::SplitMix;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const OLD: MonoTime = MonoTime::from_millis(9_000_000);
    const NEW: MonoTime = MonoTime::from_millis(60_000);
    const NO_TIME: Duration = Duration::ZERO;

    fn config() -> Config {
        let text = br#"{"breakers": [{"name": "a", "key": [], "trip": {"consecutive_failures": 3},
            "open": {"for": "10s", "jitter": "0%"}}]}"#;
        crate::config::parse(text).unwrap()
    }

    /// A breaker after so many failures, as a snapshot has it and JSON keeps it.
    fn saved(config: &Config, failures: u8, at: MonoTime) -> Part {
        let (rule, mut breaker) = (&config.breakers[0], None);
        for _ in 0..failures {
            let (let_through, call) =
                (LetThrough::Closed { at: OLD }, Some(Call { failed: true, slow: false }));
            let (retry_after, gathered, reset_at) = (None, None, MonoTime::ZERO);
            let outcome = Outcome { let_through, call, retry_after, gathered, reset_at };
            breaker = record(&rule.policy, breaker.as_ref(), &outcome, OLD, &mut SplitMix::new(1)).breaker;
        }
        let mut set = Set::read(None);
        breaker.into_iter().for_each(|breaker| _ = set.put(Fingerprint(0), breaker, OLD));
        let mut part = OfRule::new("a", None);
        part.take(Some(&set.encode()), at);
        let part = Part { rules: vec![part], ..Part::default() };
        serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap()
    }

    fn restored(part: &Part, age: Duration, old: Option<&[u8]>) -> Option<Breaker> {
        let config = config();
        let mut puttings = part.puttings(&config, age, NEW);
        let putting = puttings.pop()?;
        let subject = putting.subject.clone();
        match putting.edit(old) {
            Edited::Replace(bytes, true) => subject.read(Some(&bytes), NEW),
            _ => None,
        }
    }

    #[test]
    fn an_open_breaker_stays_open_for_the_rest_of_its_wait() {
        let part = saved(&config(), 3, OLD.after(Duration::from_secs(4)));
        for (age, left) in [(0, 6), (2, 4), (60, 0)] {
            let breaker = restored(&part, Duration::from_secs(age), None).unwrap();
            assert_eq!(breaker.state, State::Open { until: NEW.after(Duration::from_secs(left)) }, "{age}");
            assert_eq!((breaker.openings, breaker.last_wait), (1, Duration::from_secs(10)));
        }
        assert!(part.puttings(&config(), NO_TIME, NEW)[0].enlisting().is_some());
    }

    #[test]
    fn a_closed_one_comes_back_with_what_it_has_counted() {
        let part = saved(&config(), 2, OLD);
        let breaker = restored(&part, NO_TIME, None).unwrap();
        let State::Closed(closed) = &breaker.state else { panic!("must be closed") };
        assert_eq!((closed.window.counts(NEW).failed, closed.consecutive), (2, 2));
        assert!(part.puttings(&config(), NO_TIME, NEW)[0].enlisting().is_none());
        assert_eq!(saved(&config(), 0, OLD).breakers(), 0);
    }

    #[test]
    fn what_is_known_already_stays() {
        let part = saved(&config(), 3, OLD);
        let putting = part.puttings(&config(), NO_TIME, NEW).pop().unwrap();
        let Edited::Replace(bytes, true) = putting.edit(None) else { panic!("must be put") };
        assert_eq!(putting.edit(Some(&bytes)), Edited::Keep(false));
    }

    #[test]
    fn a_state_from_nowhere_locks_nothing() {
        let mut part = saved(&config(), 3, OLD);
        part.rules[0].breakers[0].state = Saved::Open { left_ns: u64::MAX };
        let breaker = restored(&part, NO_TIME, None).unwrap();
        assert_eq!(breaker.state, State::Open { until: NEW.after(MOST_OPEN) });
        let state = Saved::Closed { calls: 1, failed: u32::MAX, slow: u32::MAX, consecutive: 0 };
        part.rules[0].breakers[0].state = state;
        let breaker = restored(&part, NO_TIME, None).unwrap();
        let State::Closed(closed) = &breaker.state else { panic!("must be closed") };
        assert_eq!(closed.window.counts(NEW), Counts { total: 1, failed: 1, slow: 0 });
        part.rules[0].name = "other".to_owned();
        assert_eq!(restored(&part, NO_TIME, None), None);
    }
}
