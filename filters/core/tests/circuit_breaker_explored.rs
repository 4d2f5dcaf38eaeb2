//! A breaker under every interleaving of three workers: opening, probes, closing, crashes, and gathered successes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::circuit_breaker::breaker::{Asker, Breaker, State as BreakerState, admit};
use ballast_core::circuit_breaker::gather::Known;
use ballast_core::circuit_breaker::policy::{HalfOpen, OpenWait, Policy, Trip};
use ballast_core::circuit_breaker::watch::Watch;
use ballast_core::circuit_breaker::window::{Call, Shape};
use ballast_core::circuit_breaker::{
    Admission, Admit, Admitting, Key as Shared, LetThrough, Outcome, Record, Subject,
};
use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::random::Fixed;
use ballast_core::slots::{Fingerprint, Set, Table};
use ballast_core::time::MonoTime;
use ballast_core::units::Share;
use ballast_core::vms::{Member, Slot, SlotState, View};
use core::time::Duration;
use explorer::{Model, Next, Seen, State, Verdict, Worker, forward};
use std::rc::Rc;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Shared(Shared),
    /// The proxy's counters. Adding is a read and a swap here, which takes effect with the swap.
    Events,
    Gathered,
}

/// A worker that serves requests, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    me: Member,
    subject: Subject,
    /// What its next requests come to.
    failures: Vec<bool>,
    gathers: bool,
    view: Rc<View>,
    known: Option<Known>,
    under_way: Option<LetThrough>,
    talk: Option<Talk>,
    crashes: bool,
    dead: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Talk {
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
enum Choice {
    Asks,
    Ends,
}

const START: MonoTime = MonoTime::from_millis(1_000);
const RULE: &str = "a";

fn subject(policy: Policy) -> Subject {
    Subject::new(&RULE.into(), Table::for_keys(1), Fingerprint(0), &Rc::new(policy))
}

fn policy(trip: Trip) -> Policy {
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
fn two_in_a_row() -> Policy {
    policy(Trip { consecutive_failures: Some(2), min_calls: 1, ..Trip::default() })
}

/// This share of exactly so many calls opens it.
fn share_of(basis_points: u16, min_calls: u32) -> Policy {
    policy(Trip {
        failure_rate: Some(Share::from_basis_points(basis_points)),
        slow_call: Duration::MAX,
        min_calls,
        ..Trip::default()
    })
}

fn held() -> Slot {
    Slot { epoch: 1, state: SlotState::Held, heartbeat: START }
}

impl Server {
    fn new(slot: u8, policy: Policy, failures: &[bool]) -> Self {
        Self {
            me: Member { slot, epoch: 1 },
            subject: subject(policy),
            failures: failures.iter().rev().copied().collect(),
            gathers: false,
            view: Rc::new(View::of([held(), held(), held()])),
            known: None,
            under_way: None,
            talk: None,
            crashes: false,
            dead: false,
        }
    }

    fn gathering(slot: u8, policy: Policy, failures: &[bool]) -> Self {
        Self { gathers: true, ..Self::new(slot, policy, failures) }
    }

    fn talk(&mut self, talk: Talk, now: MonoTime) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, now)
    }

    fn get(&mut self, key: Key, talk: Talk) -> Next<Key> {
        self.talk = Some(talk);
        Step::Get(key)
    }

    /// The outcome is swapped in, with what the proxy's counters say before.
    fn swap(&mut self, call: Option<Call>, now: MonoTime) -> Next<Key> {
        if self.gathers {
            return self.get(Key::Events, Talk::ReadingEvents { call });
        }
        self.record(call, None, now)
    }

    /// `counters` are the events and the gathered, in the order in which they were read.
    fn record(&mut self, call: Option<Call>, counters: Option<(u64, u64)>, now: MonoTime) -> Next<Key> {
        let let_through = self.under_way.unwrap();
        let gathered = counters.map(|(_, gathered)| gathered);
        let happened = call.is_some_and(|call| call.failed);
        let outcome = Outcome { let_through, call, retry_after: None, gathered, reset_at: MonoTime::ZERO };
        let record = Box::new(Record::new(self.subject.clone(), outcome, now));
        self.talk(Talk::Recording { record, counters, happened }, now)
    }

    fn ended(&mut self) -> Next<Key> {
        self.under_way = None;
        Step::Done(())
    }
}

fn shared(step: Next<Shared>) -> Next<Key> {
    match step {
        Step::Get(key) => Step::Get(Key::Shared(key)),
        Step::Swap { key, version, value } => Step::Swap { key: Key::Shared(key), version, value },
        Step::Send { slot, message } => Step::Send { slot, message },
        Step::Done(()) => Step::Done(()),
    }
}

fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

fn read(input: &Input) -> (u64, Version) {
    let Input::Value { value, version } = input else { panic!("{input:?}") };
    (number(value.as_deref()), *version)
}

fn call(failed: bool) -> Option<Call> {
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
            Choice::Asks => self.get(Key::Shared(self.subject.watch_key()), Talk::Looking),
            Choice::Ends => {
                let failed = self.failures.pop().unwrap();
                let plain = matches!(self.under_way, Some(LetThrough::Closed { .. })) && !failed;
                match (self.gathers, plain) {
                    (true, true) => self.get(Key::Events, Talk::Before { failed }),
                    _ => self.swap(call(failed), now),
                }
            }
        }
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<Key> {
        let talk = self.talk.take().unwrap();
        match talk {
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

fn breaker(state: &State<Server>) -> Option<Breaker> {
    let key = state.workers().next().unwrap().subject.set_key();
    Set::<Breaker>::read(state.value(&Key::Shared(key))).get(Fingerprint(0)).cloned()
}

/// Whoever is not closed is on the list, and no more probes are out than allowed.
fn sound(state: &State<Server>) -> Verdict {
    let breaker = breaker(state);
    let server = state.workers().next().unwrap();
    let watch = state.value(&Key::Shared(server.subject.watch_key())).filter(|bytes| !bytes.is_empty());
    let open = breaker.as_ref().is_some_and(|breaker| !matches!(breaker.state, BreakerState::Closed(_)));
    if open && Watch::read(watch).proves_closed(Fingerprint(0)) {
        return Err(format!("{breaker:?} is not on the list"));
    }
    let current = breaker.map(|breaker| breaker.since);
    let out = state.workers().filter(
        |server| matches!(server.under_way, Some(LetThrough::Probe { since, .. }) if Some(since) == current),
    );
    let (out, most) = (out.count(), server.subject.policy.half_open.max_calls);
    if out > most as usize { Err(format!("{out} probes are out")) } else { Ok(()) }
}

/// Whatever happened, some later request is let through, and nothing is left on the list for good.
fn never_stuck(state: &State<Server>) -> Verdict {
    let Some(mut breaker) = breaker(state) else { return Ok(()) };
    let server = state.workers().next().unwrap();
    let asker = Asker { me: Some(Member { slot: 9, epoch: 1 }), view: &server.view };
    let mut now = state.now();
    for _ in 0..3 {
        let (new, admission, _) = admit(&server.subject.policy, Some(&breaker), asker, now, &mut Fixed(0));
        if !matches!(admission, Admission::Refuse { .. }) {
            return Ok(());
        }
        breaker = new.unwrap_or(breaker);
        now = now.after(Duration::from_secs(31));
    }
    Err(format!("{breaker:?} never lets anything through"))
}

const AFTER_THE_WAIT: MonoTime = MonoTime::from_millis(12_000);
const WITHOUT_VERDICT: MonoTime = MonoTime::from_millis(43_000);

#[test]
fn through_open_half_open_and_closed_no_probe_is_too_many_and_none_is_stuck() {
    for (failures, clock, states) in [
        // Two failures open it, and what comes then finds a probe that succeeds, or fails.
        ([&[true, false][..], &[true], &[true]], &[AFTER_THE_WAIT][..], 10_000),
        ([&[true, true], &[true], &[false]], &[AFTER_THE_WAIT], 10_000),
        ([&[true, false], &[true, false], &[]], &[AFTER_THE_WAIT, WITHOUT_VERDICT], 5_000),
    ] {
        let servers =
            (0..3).zip(failures).map(|(slot, failures)| Server::new(slot, two_in_a_row(), failures));
        let report = Model::new(servers.collect())
            .clock(clock.iter().copied())
            .explore(sound, never_stuck)
            .unwrap_or_else(|failure| panic!("{failure}"));
        println!("{failures:?}: {report:?}");
        assert!(report.states > states, "{report:?}");
    }
}

#[test]
fn a_worker_that_dies_anywhere_leaves_nothing_stuck() {
    let crashing =
        |slot, failures: &[bool]| Server { crashes: true, ..Server::new(slot, two_in_a_row(), failures) };
    let servers = vec![crashing(0, &[true, false]), crashing(1, &[true]), crashing(2, &[false])];
    let report = Model::new(servers)
        .crashes(1)
        .clock([AFTER_THE_WAIT])
        .explore(sound, never_stuck)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 20_000, "{report:?}");
}

fn opened(state: &State<Server>) -> bool {
    breaker(state).is_some_and(|breaker| matches!(breaker.state, BreakerState::Open { .. }))
}

/// The calls of three workers, and how many of them fail.
fn gathering(policy: Policy, calls: [&[bool]; 3]) -> Model<Server> {
    let servers = (0..3).zip(calls).map(|(slot, calls)| Server::gathering(slot, policy, calls));
    Model::new(servers.collect()).most_states(6_000_000)
}

#[test]
fn no_trip_is_missed_whatever_was_gathered_and_whoever_comes_last() {
    // The rate is reached by all calls together, and the window speaks only when it holds them all.
    for (calls, basis_points) in [
        ([&[false, false][..], &[true], &[true]], 5_000),
        ([&[false, false, false], &[true, false], &[]], 2_000),
        ([&[false, false], &[false, false], &[true]], 2_000),
    ] {
        let total = calls.iter().map(|calls| calls.len()).sum::<usize>();
        let policy = share_of(basis_points, u32::try_from(total).unwrap());
        let report = gathering(policy, calls)
            .explore(sound, |state| match opened(state) {
                true => Ok(()),
                false => Err(format!("the trip was missed: {:?}", breaker(state))),
            })
            .unwrap_or_else(|failure| panic!("{calls:?}: {failure}"));
        println!("{calls:?}: {report:?}");
        assert!(report.states > 1_000, "{report:?}");
    }
}

#[test]
fn no_trip_is_false_whatever_was_gathered_and_nothing_is_counted_twice() {
    for (calls, basis_points) in [
        ([&[false, false][..], &[true], &[true]], 5_001),
        ([&[false, false], &[false, false], &[true]], 2_001),
    ] {
        let total = calls.iter().map(|calls| calls.len()).sum::<usize>();
        let policy = share_of(basis_points, u32::try_from(total).unwrap());
        let report = gathering(policy, calls)
            .explore(
                |state| if opened(state) { Err("it opened".to_owned()) } else { sound(state) },
                |state| {
                    let Some(Breaker { state: BreakerState::Closed(closed), .. }) = breaker(state) else {
                        return Err("no breaker".to_owned());
                    };
                    let gathered = number(state.value(&Key::Gathered)) - closed.gathered;
                    let counted = u64::from(closed.window.counts(START).total) + gathered;
                    let expected = u64::try_from(total).unwrap();
                    if counted == expected { Ok(()) } else { Err(format!("{counted} of {expected} calls")) }
                },
            )
            .unwrap_or_else(|failure| panic!("{calls:?}: {failure}"));
        println!("{calls:?}: {report:?}");
        assert!(report.states > 1_000, "{report:?}");
    }
}

#[test]
fn a_run_of_failures_is_ended_by_a_gathered_success_between_them() {
    // One worker's failure, success and failure are in this order for everybody.
    let trip = Trip { consecutive_failures: Some(2), min_calls: 1, ..Trip::default() };
    let report = gathering(policy(trip), [&[false, true, false, true], &[false, false], &[]])
        .explore(|state| if opened(state) { Err("it opened".to_owned()) } else { sound(state) }, |_| Ok(()))
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 500, "{report:?}");
}
