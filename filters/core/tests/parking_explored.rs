//! Parking under every interleaving of three workers: no wake-up is lost, whoever crashes or goes away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::parking::{Because, Line, Settle, Waiters, Wake, Woken};
use ballast_core::permits::{Acquire, Acquiring, Holders, Readopt, Readopting, Release, Releasing};
use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, Slot, SlotState, View};
use explorer::{Failure, FailureKind, Model, Next, Report, Seen, State, Verdict, Worker, forward};
use std::rc::Rc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Permits,
    Waiters,
    Mortal,
}

/// The worker that may crash. The lowest slot: among those that wait equally long it is woken first.
const MORTAL: u8 = 0;
const TICK: u8 = 255;

type WakeNext = Wake<Key, fn(Member) -> Vec<u8>>;

/// A worker with a line; a fickle one's requests may go away, a mortal one may crash. A dead one stands for the
/// registry: it is buried, and all others tick.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Parker {
    me: Member,
    most: u32,
    view: Rc<View>,
    arriving: u8,
    fickle: bool,
    mortal: bool,
    neglects: Option<Neglect>,
    arrived: u8,
    line: Line<u8>,
    serving: Vec<u8>,
    last_admitted: Option<u8>,
    out_of_order: bool,
    talk: Option<Talk>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Talk {
    Settling(Settle<Acquire<Key>, u8>),
    Releasing(Release<Key>),
    Waking(WakeNext),
    Looking,
    Dead,
    Burying { next: u8 },
    Buried,
    Joining,
    Readopting(Readopt<Key>),
}

/// What a worker fails to do, to show that it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Neglect {
    HandingOn,
    Burials,
    LostWakeUps,
    Waking,
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Arrives,
    Releases,
    GoesAway(u8),
    IsBuried,
}

fn held(epoch: u32) -> Slot {
    Slot { epoch, state: SlotState::Held, heartbeat: MonoTime::ZERO }
}

impl Parker {
    fn new(slot: u8, most: u32, arriving: u8) -> Self {
        Self {
            me: Member { slot, epoch: 1 },
            most,
            view: Rc::new(View::of([held(1); 3])),
            arriving,
            fickle: false,
            mortal: false,
            neglects: None,
            arrived: 0,
            line: Line::default(),
            serving: Vec::new(),
            last_admitted: None,
            out_of_order: false,
            talk: None,
        }
    }

    fn talk(&mut self, talk: Talk, now: MonoTime) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, now)
    }

    fn settle(&mut self, because: Because, now: MonoTime) -> Next<Key> {
        let acquire = Acquiring { me: self.me, most: self.most, view: self.view.clone() };
        let attempt = Acquire::new(Key::Permits, acquire);
        let line = std::mem::take(&mut self.line);
        self.talk(
            Talk::Settling(Settle::new(attempt, Key::Waiters, self.me, self.view.clone(), line, because)),
            now,
        )
    }

    fn wake(&self) -> WakeNext {
        Wake::new(Key::Waiters, self.me, self.view.clone(), |to| {
            vec![to.slot, u8::try_from(to.epoch).unwrap()]
        })
    }

    fn admit(&mut self, admitted: &[u8]) {
        for request in admitted {
            self.out_of_order |= self.last_admitted.is_some_and(|last| last > *request);
            self.last_admitted = Some(*request);
            self.serving.push(*request);
        }
    }

    fn readopt(&mut self, now: MonoTime) -> Next<Key> {
        let (before, serving) = (self.me, u32::try_from(self.serving.len()).unwrap());
        self.me.epoch += 2;
        self.view = Rc::new(View::of([held(self.me.epoch), held(1), held(1)]));
        let edit =
            Readopting { before, me: self.me, held: serving, most: self.most, view: self.view.clone() };
        self.talk(Talk::Readopting(Readopt::new(Key::Permits, edit)), now)
    }

    fn look(&mut self) -> Next<Key> {
        self.talk = Some(Talk::Looking);
        Step::Get(Key::Mortal)
    }

    fn is_dead(&self) -> bool {
        matches!(self.talk, Some(Talk::Dead | Talk::Burying { .. } | Talk::Buried))
    }
}

impl Worker for Parker {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, _: Seen) -> Vec<Choice> {
        match self.talk {
            Some(Talk::Dead) => vec![Choice::IsBuried],
            Some(_) => vec![],
            None => {
                let waits = |request: &u8| {
                    let mut line = self.line.clone();
                    let _head = line.leave(request);
                    line.len() < self.line.len()
                };
                let going = (1..=self.arrived).filter(|request| self.fickle && waits(request));
                let arrives = (self.arriving > 0).then_some(Choice::Arrives);
                let releases = (!self.serving.is_empty()).then_some(Choice::Releases);
                going.map(Choice::GoesAway).chain(arrives).chain(releases).collect()
            }
        }
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<Key> {
        match choice {
            Choice::Arrives => {
                (self.arriving, self.arrived) = (self.arriving - 1, self.arrived + 1);
                // The clock of the model stands still; who came first is told by the number.
                let since = MonoTime::from_millis(u64::from(self.arrived));
                if self.line.join(self.arrived, since, MonoTime::FAR_FUTURE) {
                    return self.settle(Because::LineChanged, now);
                }
            }
            Choice::Releases => {
                self.serving.remove(0);
                let release = Release::new(Key::Permits, Releasing { me: self.me });
                return self.talk(Talk::Releasing(release), now);
            }
            Choice::GoesAway(request) => {
                if self.line.leave(&request) {
                    return self.settle(Because::LineChanged, now);
                }
            }
            Choice::IsBuried => {
                // Who has crashed is not told; a stalled one will be.
                self.talk = Some(Talk::Burying { next: u8::from(self.me.slot == MORTAL) });
                let dead = Slot { epoch: 2, state: SlotState::Dead, heartbeat: MonoTime::ZERO };
                return Step::Swap { key: Key::Mortal, version: Version::Absent, value: dead.encode() };
            }
        }
        Step::Done(())
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<Key> {
        let mut talk = self.talk.take().unwrap();
        let step = match &mut talk {
            Talk::Settling(settle) => forward(settle.resume(input)).map(|settled| {
                self.line = settled.line;
                self.admit(&settled.admitted);
                assert!(!settled.again);
                let hands_on = settled.hand_on && self.neglects != Some(Neglect::HandingOn);
                let other = self.wake().except_me();
                if hands_on { self.talk(Talk::Waking(other), now) } else { Step::Done(()) }
            }),
            Talk::Releasing(release) => forward(release.resume(input)).map(|released| {
                let stalled = self.me.slot == MORTAL && !self.mortal;
                assert!(released.unwrap() || stalled, "a permit of the living was lost");
                let wakes = self.neglects != Some(Neglect::Waking);
                if wakes { self.talk(Talk::Waking(self.wake()), now) } else { Step::Done(()) }
            }),
            Talk::Waking(wake) => forward(wake.resume(input)).map(|woken| match woken.unwrap() {
                Woken::Own => self.settle(Because::Woken, now),
                Woken::Sent(_) | Woken::Nobody => Step::Done(()),
            }),
            Talk::Looking => {
                let Input::Value { value, version } = input else { return self.look() };
                let mortal = Slot::read(value.as_deref());
                self.view = Rc::new(View::of([mortal, held(1), held(1)]));
                if self.view.is_gone(self.me) {
                    self.talk = Some(Talk::Joining);
                    return Step::Swap { key: Key::Mortal, version, value: held(mortal.epoch + 1).encode() };
                }
                let forgets = self.neglects == Some(Neglect::LostWakeUps);
                let because = if forgets { Because::LineChanged } else { Because::SomebodyGone };
                return self.settle(because, now);
            }
            Talk::Burying { next: 3 } => {
                self.talk = Some(Talk::Buried);
                return Step::Done(());
            }
            Talk::Burying { next } => {
                *next += 1;
                Err(Step::Send { slot: *next - 1, message: vec![TICK] })
            }
            Talk::Joining => {
                assert_eq!(input, Input::Swapped(true), "nobody else joins");
                Ok(self.readopt(now))
            }
            Talk::Readopting(readopt) => forward(readopt.resume(input)).map(|over| {
                over.unwrap();
                self.line.rejoined();
                self.settle(Because::SomebodyGone, now)
            }),
            Talk::Dead | Talk::Buried => unreachable!(),
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
        (!self.is_dead()).then_some(self.me.slot)
    }

    fn receive(&mut self, message: &[u8], now: MonoTime) -> Next<Key> {
        match message {
            [TICK] if self.neglects == Some(Neglect::Burials) => Step::Done(()),
            [TICK] => self.look(),
            // For an earlier member in this slot.
            [_, epoch] if u32::from(*epoch) != self.me.epoch => Step::Done(()),
            _ => self.settle(Because::Woken, now),
        }
    }

    fn done(&self) -> bool {
        let idle =
            self.talk.is_none() && self.line.is_empty() && self.serving.is_empty() && self.arriving == 0;
        idle || matches!(self.talk, Some(Talk::Buried))
    }

    fn crash(&self) -> Option<Self> {
        let can = self.mortal && !self.is_dead();
        can.then(|| Self {
            talk: Some(Talk::Dead),
            line: Line::default(),
            serving: Vec::new(),
            ..Self::new(self.me.slot, self.most, 0)
        })
    }
}

fn always(most: usize) -> impl Fn(&State<Parker>) -> Verdict {
    move |state| {
        if state.workers().any(|worker| worker.out_of_order) {
            return Err("a request was overtaken in its line".into());
        }
        let serving: usize = state.workers().map(|worker| worker.serving.len()).sum();
        if serving <= most { Ok(()) } else { Err(format!("{serving} of {most} are served")) }
    }
}

/// Nobody but the dead holds or waits.
fn all_is_given_back(state: &State<Parker>) -> Verdict {
    let holders = state.value(&Key::Permits).and_then(Holders::decode).unwrap_or_default();
    let waiters = Waiters::read(state.value(&Key::Waiters));
    for worker in state.workers().filter(|worker| !worker.is_dead()) {
        if holders.held_by(worker.me) > 0 || waiters.since(worker.me).is_some() {
            return Err(format!("{holders:?} {waiters:?}"));
        }
    }
    Ok(())
}

fn explore(most: u32, parkers: Vec<Parker>, crashes: u32) -> Result<Report, Failure> {
    Model::new(parkers).crashes(crashes).explore(always(most as usize), all_is_given_back)
}

fn passes(explored: Result<Report, Failure>, states: usize) {
    let report = explored.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > states, "{report:?}");
}

#[test]
fn nobody_waits_for_ever_for_one_permit() {
    passes(explore(1, vec![Parker::new(0, 1, 1), Parker::new(1, 1, 1), Parker::new(2, 1, 1)], 0), 10_000);
}

#[test]
fn nobody_waits_for_ever_for_two_permits() {
    passes(explore(2, vec![Parker::new(0, 2, 2), Parker::new(1, 2, 2)], 0), 10_000);
    passes(explore(2, vec![Parker::new(0, 2, 1), Parker::new(1, 2, 1), Parker::new(2, 2, 1)], 0), 10_000);
}

#[test]
fn a_line_of_two_keeps_its_order() {
    passes(explore(1, vec![Parker::new(0, 1, 3), Parker::new(1, 1, 1)], 0), 5_000);
}

#[test]
fn a_crash_loses_no_wake_up_of_others() {
    let mortal = Parker { mortal: true, ..Parker::new(MORTAL, 1, 1) };
    passes(explore(1, vec![mortal, Parker::new(1, 1, 1), Parker::new(2, 1, 1)], 1), 50_000);
}

#[test]
fn requests_that_go_away_leave_no_gap() {
    let fickle = |slot, requests| Parker { fickle: true, ..Parker::new(slot, 1, requests) };
    passes(explore(1, vec![fickle(0, 2), Parker::new(1, 1, 2)], 0), 10_000);
    passes(explore(1, vec![fickle(0, 1), Parker::new(1, 1, 1), Parker::new(2, 1, 1)], 0), 10_000);
}

#[test]
fn who_is_declared_dead_and_lives_joins_again_with_its_line() {
    let registry = || Parker { talk: Some(Talk::Dead), ..Parker::new(3, 1, 0) };
    // The stalled one may serve one more than allowed until it has joined again.
    let two = || [Parker::new(0, 1, 1), Parker::new(1, 1, 1)];
    let model = |of_third| Model::new([&two()[..], &[Parker::new(2, 1, of_third), registry()]].concat());
    passes(model(0).explore(always(2), all_is_given_back), 40_000);
    passes(model(1).walk(1, 2_000, 500, always(2), all_is_given_back), 100_000);
}

fn deadlocks(explored: Result<Report, Failure>) {
    let failure = explored.expect_err("neglect must be seen");
    assert_eq!(failure.kind, FailureKind::Deadlock, "{failure}");
}

#[test]
fn who_does_not_wake_after_a_release_leaves_others_waiting() {
    let careless = |slot| Parker { neglects: Some(Neglect::Waking), ..Parker::new(slot, 1, 1) };
    deadlocks(explore(1, vec![careless(0), careless(1)], 0));
}

#[test]
fn who_does_not_hand_on_leaves_others_waiting() {
    let careless = |slot| Parker { neglects: Some(Neglect::HandingOn), ..Parker::new(slot, 1, 1) };
    let fickle = |slot| Parker { fickle: true, ..careless(slot) };
    deadlocks(explore(1, vec![fickle(0), careless(1), careless(2)], 0));
}

#[test]
fn who_does_not_settle_after_a_burial_waits_for_the_dead() {
    let careless = |slot| Parker { neglects: Some(Neglect::Burials), ..Parker::new(slot, 1, 1) };
    let mortal = Parker { mortal: true, ..Parker::new(MORTAL, 1, 1) };
    deadlocks(explore(1, vec![mortal, careless(1), careless(2)], 1));
}

/// A waiter hears of the death first and settles in vain; then a permit becomes free, and whoever gave it back, not
/// having heard, wakes the dead.
#[test]
fn a_wake_up_sent_to_the_dead_by_one_who_has_not_heard_must_be_handed_on() {
    let careless = |slot| Parker { neglects: Some(Neglect::LostWakeUps), ..Parker::new(slot, 1, 1) };
    let mortal = Parker { mortal: true, ..Parker::new(MORTAL, 1, 1) };
    deadlocks(explore(1, vec![mortal, careless(1), careless(2)], 1));
}
