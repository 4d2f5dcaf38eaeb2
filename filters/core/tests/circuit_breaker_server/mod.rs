//! A worker with a breaker, as the explorer drives it.

use crate::explorer::{Next, Seen, Worker, forward};
use ballast_core::circuit_breaker::gather::Known;
use ballast_core::circuit_breaker::policy::{HalfOpen, OpenWait, Policy, Trip};
use ballast_core::circuit_breaker::watch::Watch;
use ballast_core::circuit_breaker::window::{Call, Shape};
use ballast_core::circuit_breaker::{
    Admission, Admit, Admitting, Key as Shared, LetThrough, Outcome, Record, Subject,
};
use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::slots::{Fingerprint, Table};
use ballast_core::time::MonoTime;
use ballast_core::units::Share;
use ballast_core::vms::{Member, Slot, SlotState, View};
use core::time::Duration;
use std::rc::Rc;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Shared(Shared),
    /// The proxy's counters. Adding is a read and a swap here, which takes effect with the swap.
    Events,
    Gathered,
}

/// A worker that serves requests, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) me: Member,
    pub(crate) subject: Subject,
    /// What its next requests come to.
    pub(crate) failures: Vec<bool>,
    pub(crate) gathers: bool,
    pub(crate) view: Rc<View>,
    pub(crate) known: Option<Known>,
    pub(crate) under_way: Option<LetThrough>,
    /// The events when the call that is under way was let through.
    pub(crate) events: u64,
    pub(crate) talk: Option<Talk>,
    pub(crate) crashes: bool,
    pub(crate) dead: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Talk {
    /// The events, before the list.
    Arriving,
    Looking,
    Asking(Box<Admit>),
    /// The events before a success is gathered.
    Before {
        failed: bool,
    },
    Gathering,
    /// The events after it was.
    After,
    /// The events, and then the gathered, before the breaker is read.
    ReadingEvents {
        call: Option<Call>,
    },
    ReadingGathered {
        call: Option<Call>,
        events: u64,
    },
    Recording {
        record: Box<Record>,
        counters: Option<(u64, u64)>,
        happened: bool,
    },
    /// Something happened and is swapped in; whether a success could trip it now, and what was taken in.
    Raising {
        can_trip: bool,
        taken_in: u64,
    },
    /// What was gathered meanwhile.
    Rereading {
        taken_in: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    Asks,
    Ends,
}

pub(crate) const START: MonoTime = MonoTime::from_millis(1_000);
pub(crate) const RULE: &str = "a";

pub(crate) fn subject(policy: Policy) -> Subject {
    Subject::new(&RULE.into(), Table::for_keys(1), Fingerprint(0), &Rc::new(policy))
}

pub(crate) fn policy(trip: Trip) -> Policy {
    Policy {
        window: Shape::Count { size: 20 },
        trip,
        open: OpenWait {
            wait: Duration::from_secs(10),
            multiplier_thousandths: 1_000,
            most: Duration::from_secs(10),
            jitter: Share::NONE,
        },
        half_open: HalfOpen { max_calls: 1, success_threshold: 1, max_duration: Duration::from_secs(30) },
    }
}

/// Two failures in a row open it; one probe at a time, one success closes it.
pub(crate) fn two_in_a_row() -> Policy {
    policy(Trip { consecutive_failures: Some(2), min_calls: 1, ..Trip::default() })
}

/// This share of exactly so many calls opens it.
pub(crate) fn share_of(basis_points: u16, min_calls: u32) -> Policy {
    policy(Trip {
        failure_rate: Some(Share::from_basis_points(basis_points)),
        slow_call: Duration::MAX,
        min_calls,
        ..Trip::default()
    })
}

pub(crate) fn held() -> Slot {
    Slot { epoch: 1, state: SlotState::Held, heartbeat: START }
}

impl Server {
    pub(crate) fn new(slot: u8, policy: Policy, failures: &[bool]) -> Self {
        Self {
            me: Member { slot, epoch: 1 },
            subject: subject(policy),
            failures: failures.iter().rev().copied().collect(),
            gathers: false,
            view: Rc::new(View::of([held(), held(), held()])),
            known: None,
            under_way: None,
            events: 0,
            talk: None,
            crashes: false,
            dead: false,
        }
    }

    pub(crate) fn gathering(slot: u8, policy: Policy, failures: &[bool]) -> Self {
        Self { gathers: true, ..Self::new(slot, policy, failures) }
    }

    pub(crate) fn talk(&mut self, talk: Talk, now: MonoTime) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, now)
    }

    pub(crate) fn get(&mut self, key: Key, talk: Talk) -> Next<Key> {
        self.talk = Some(talk);
        Step::Get(key)
    }

    /// The outcome is swapped in, with what the proxy's counters say before.
    pub(crate) fn swap(&mut self, call: Option<Call>, now: MonoTime) -> Next<Key> {
        if self.gathers {
            return self.get(Key::Events, Talk::ReadingEvents { call });
        }
        self.record(call, None, now)
    }

    /// `counters` are the events and the gathered, in the order in which they were read.
    pub(crate) fn record(
        &mut self,
        call: Option<Call>,
        counters: Option<(u64, u64)>,
        now: MonoTime,
    ) -> Next<Key> {
        let let_through = self.under_way.unwrap();
        let gathered = counters.map(|(_, gathered)| gathered);
        let happened = call.is_some_and(|call| call.failed);
        let outcome = Outcome { let_through, call, retry_after: None, gathered, reset_at: MonoTime::ZERO };
        let record = Box::new(Record::new(self.subject.clone(), outcome, now));
        self.talk(Talk::Recording { record, counters, happened }, now)
    }

    pub(crate) fn ended(&mut self) -> Next<Key> {
        self.under_way = None;
        Step::Done(())
    }
}

pub(crate) fn shared(step: Next<Shared>) -> Next<Key> {
    match step {
        Step::Get(key) => Step::Get(Key::Shared(key)),
        Step::Swap { key, version, value } => Step::Swap { key: Key::Shared(key), version, value },
        Step::Send { slot, message } => Step::Send { slot, message },
        Step::Done(()) => Step::Done(()),
    }
}

pub(crate) fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

pub(crate) fn read(input: &Input) -> (u64, Version) {
    let Input::Value { value, version } = input else { panic!("{input:?}") };
    (number(value.as_deref()), *version)
}

pub(crate) fn call(failed: bool) -> Option<Call> {
    Some(Call { failed, slow: false })
}

impl Worker for Server {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, _: Seen) -> Vec<Choice> {
        match (self.dead, self.under_way) {
            (true, _) => Vec::new(),
            (false, Some(_)) => vec![Choice::Ends],
            (false, None) if !self.failures.is_empty() => vec![Choice::Asks],
            (false, None) => Vec::new(),
        }
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<Key> {
        match choice {
            Choice::Asks if self.gathers => self.get(Key::Events, Talk::Arriving),
            Choice::Asks => self.get(Key::Shared(self.subject.watch_key()), Talk::Looking),
            Choice::Ends => {
                let failed = self.failures.pop().unwrap();
                let plain = matches!(self.under_way, Some(LetThrough::Closed { .. })) && !failed;
                let unasked = self.known.zip(self.under_way).is_some_and(|(known, through)| match through {
                    LetThrough::Closed { at } => {
                        known.may_gather_unasked(&self.subject.policy, self.events, at, now)
                    }
                    LetThrough::Probe { .. } => false,
                });
                match (self.gathers, plain) {
                    (true, true) if unasked => self.get(Key::Gathered, Talk::Gathering),
                    (true, true) => self.get(Key::Events, Talk::Before { failed }),
                    _ => self.swap(call(failed), now),
                }
            }
        }
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<Key> {
        let talk = self.talk.take().unwrap();
        match talk {
            Talk::Arriving => {
                (self.events, _) = read(&input);
                self.get(Key::Shared(self.subject.watch_key()), Talk::Looking)
            }
            Talk::Looking => {
                let Input::Value { value, .. } = input else { panic!("{input:?}") };
                if Watch::read(value.as_deref()).proves_closed(self.subject.fingerprint) {
                    self.under_way = Some(LetThrough::Closed { at: now });
                    return Step::Done(());
                }
                let (subject, view) = (self.subject.clone(), self.view.clone());
                let admit = Admitting { subject, now, me: Some(self.me), view }.converse();
                self.talk(Talk::Asking(Box::new(admit)), now)
            }
            Talk::Asking(mut admit) => match forward(admit.resume(input)) {
                Ok(admitted) => {
                    match admitted.unwrap().admission {
                        Admission::Pass => self.under_way = Some(LetThrough::Closed { at: now }),
                        Admission::Probe { since } => {
                            self.under_way = Some(LetThrough::Probe { since, by: self.me });
                        }
                        Admission::Refuse { .. } => _ = self.failures.pop(),
                    }
                    Step::Done(())
                }
                Err(step) => {
                    self.talk = Some(Talk::Asking(admit));
                    shared(step)
                }
            },
            Talk::Before { failed } => {
                let Some(LetThrough::Closed { at }) = self.under_way else { panic!("{self:?}") };
                let (events, _) = read(&input);
                if self.known.is_some_and(|known| known.may_gather(events, at, now)) {
                    return self.get(Key::Gathered, Talk::Gathering);
                }
                self.swap(call(failed), now)
            }
            Talk::Gathering => match input {
                Input::Swapped(true) => self.get(Key::Events, Talk::After),
                Input::Swapped(false) => self.get(Key::Gathered, Talk::Gathering),
                value => {
                    self.talk = Some(Talk::Gathering);
                    let (gathered, version) = read(&value);
                    Step::Swap { key: Key::Gathered, version, value: (gathered + 1).to_le_bytes().into() }
                }
            },
            Talk::After => {
                let (events, _) = read(&input);
                if self.known.is_some_and(|known| known.is_current(events)) {
                    return self.ended();
                }
                self.swap(None, now)
            }
            Talk::Raising { can_trip, taken_in } => match input {
                Input::Swapped(true) if can_trip => self.get(Key::Gathered, Talk::Rereading { taken_in }),
                Input::Swapped(true) => self.ended(),
                Input::Swapped(false) => self.get(Key::Events, talk),
                value => {
                    self.talk = Some(talk);
                    let (events, version) = read(&value);
                    Step::Swap { key: Key::Events, version, value: (events + 1).to_le_bytes().into() }
                }
            },
            Talk::Rereading { taken_in } => {
                let (gathered, _) = read(&input);
                if gathered > taken_in { self.swap(None, now) } else { self.ended() }
            }
            Talk::ReadingEvents { call } => {
                let (events, _) = read(&input);
                self.get(Key::Gathered, Talk::ReadingGathered { call, events })
            }
            Talk::ReadingGathered { call, events } => {
                let (gathered, _) = read(&input);
                self.record(call, Some((events, gathered)), now)
            }
            Talk::Recording { mut record, counters, happened } => match forward(record.resume(input)) {
                Ok(noted) => {
                    let noted = noted.unwrap();
                    let policy = &self.subject.policy;
                    self.known = noted.closed.zip(counters).and_then(|((counts, since), (events, _))| {
                        Known::after(policy, counts, since, events, now)
                    });
                    let counts = noted.closed.map(|(counts, _)| counts).unwrap_or_default();
                    let can_trip = policy.trip.success_can_trip(counts);
                    match counters {
                        Some((_, taken_in)) if happened || noted.change.is_some() => {
                            self.get(Key::Events, Talk::Raising { can_trip, taken_in })
                        }
                        _ => self.ended(),
                    }
                }
                Err(step) => {
                    self.talk = Some(Talk::Recording { record, counters, happened });
                    shared(step)
                }
            },
        }
    }

    fn done(&self) -> bool {
        self.dead || (self.under_way.is_none() && self.failures.is_empty())
    }

    fn crash(&self) -> Option<Self> {
        (self.crashes && !self.dead).then(|| Self { dead: true, under_way: None, talk: None, ..self.clone() })
    }
}
