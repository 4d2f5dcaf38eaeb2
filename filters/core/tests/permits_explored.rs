//! Permits under every interleaving of three workers, with crashes, stalls and rejoining.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::permits::{Acquire, Acquiring, Holders, Readopt, Readopting, Release, Releasing};
use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::time::MonoTime;
use ballast_core::vms::{Beat, Join, Member, Pulse, Refresh, Slot, SlotKey, SlotState, View};
use explorer::{Model, Next, Seen, State, Verdict, Worker, forward};
use std::rc::Rc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Slot(u8),
    Permits,
}

/// A worker that serves some requests, one after the other, and ticks once late.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    me: Member,
    most: u32,
    requests: u8,
    view: Rc<View>,
    talk: Option<Talk>,
    /// Whether a request is at the upstream.
    serving: bool,
    /// Whether the last identity was lost while its permit was held.
    before: Option<Member>,
    refused: bool,
    ticked_at: MonoTime,
    crashes: bool,
    dead: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Talk {
    Acquiring(Acquire<Key>),
    Releasing(Release<Key>),
    Readopting(Readopt<Key>),
    Beating(Beat),
    Refreshing(Refresh),
    Joining(Join),
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Acquires,
    Releases,
    Ticks,
}

impl Server {
    fn new(slot: u8, most: u32, requests: u8) -> Self {
        Self {
            me: Member { slot, epoch: 1 },
            most,
            requests,
            view: Rc::new(View::of([held(), held(), held()])),
            talk: None,
            serving: false,
            before: None,
            refused: false,
            ticked_at: EARLY,
            crashes: false,
            dead: false,
        }
    }

    fn talk(&mut self, talk: Talk, now: MonoTime) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, now)
    }

    fn refresh(&mut self, now: MonoTime) -> Next<Key> {
        self.talk(Talk::Refreshing(Refresh::new(Some(self.me), self.ticked_at)), now)
    }

    /// What is left of a tick once the registry knows this worker.
    fn readopt(&mut self, now: MonoTime) -> Next<Key> {
        let Some(before) = self.before.take() else { return Step::Done(()) };
        let (me, most, view) = (self.me, self.most, self.view.clone());
        let edit = Readopting { before, me, held: u32::from(self.serving), most, view };
        self.talk(Talk::Readopting(Readopt::new(Key::Permits, edit)), now)
    }
}

fn slots(step: Next<SlotKey>) -> Next<Key> {
    match step {
        Step::Get(key) => Step::Get(Key::Slot(key.0)),
        Step::Swap { key, version, value } => Step::Swap { key: Key::Slot(key.0), version, value },
        Step::Send { slot, message } => Step::Send { slot, message },
        Step::Done(()) => Step::Done(()),
    }
}

impl Worker for Server {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, seen: Seen) -> Vec<Choice> {
        let acquires = !self.serving && !self.refused && self.requests > 0;
        [
            (acquires, Choice::Acquires),
            (self.serving, Choice::Releases),
            (self.ticked_at < seen.now, Choice::Ticks),
        ]
        .into_iter()
        .filter_map(|(may, choice)| (may && !self.dead).then_some(choice))
        .collect()
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<Key> {
        let (me, most) = (self.me, self.most);
        let talk = match choice {
            Choice::Acquires => {
                let edit = Acquiring { me, most, view: self.view.clone() };
                Talk::Acquiring(Acquire::new(Key::Permits, edit))
            }
            Choice::Releases => {
                // The request has left the upstream before its permit is given back.
                (self.serving, self.requests) = (false, self.requests - 1);
                Talk::Releasing(Release::new(Key::Permits, Releasing { me }))
            }
            Choice::Ticks => {
                self.ticked_at = now;
                Talk::Beating(Beat::new(me, now))
            }
        };
        self.talk(talk, now)
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<Key> {
        let mut talk = self.talk.take().unwrap();
        let step = match &mut talk {
            Talk::Acquiring(acquire) => forward(acquire.resume(input)).map(|acquired| {
                self.serving = acquired.unwrap().is_ok();
                self.refused = !self.serving;
                Step::Done(())
            }),
            Talk::Releasing(release) => forward(release.resume(input)).map(|released| {
                released.unwrap();
                Step::Done(())
            }),
            Talk::Readopting(readopt) => forward(readopt.resume(input)).map(|over| {
                over.unwrap();
                Step::Done(())
            }),
            Talk::Beating(beat) => match forward(beat.resume(input)) {
                Ok(Ok(Pulse::Alive)) => Ok(self.refresh(now)),
                Ok(Ok(Pulse::Rejoin)) => {
                    self.before = Some(self.me);
                    Ok(self.talk(Talk::Joining(Join::new(self.ticked_at)), now))
                }
                Ok(Err(unfinished)) => panic!("{unfinished}"),
                Err(step) => Err(slots(step)),
            },
            Talk::Joining(join) => match forward(join.resume(input)) {
                Ok(member) => {
                    self.me = member.unwrap();
                    Ok(self.refresh(now))
                }
                Err(step) => Err(slots(step)),
            },
            Talk::Refreshing(refresh) => match forward(refresh.resume(input)) {
                Ok(refreshed) => {
                    self.view = Rc::new(refreshed.unwrap().view);
                    self.refused = false;
                    Ok(self.readopt(now))
                }
                Err(step) => Err(slots(step)),
            },
        };
        match step {
            Ok(next) => next,
            Err(step) => {
                self.talk = Some(talk);
                step
            }
        }
    }

    fn done(&self) -> bool {
        self.dead || !self.serving
    }

    fn crash(&self) -> Option<Self> {
        (self.crashes && !self.dead).then(|| Self {
            dead: true,
            serving: false,
            talk: None,
            ticked_at: MonoTime::FAR_FUTURE,
            ..self.clone()
        })
    }
}

const EARLY: MonoTime = MonoTime::from_millis(1_000);
const LATE: MonoTime = MonoTime::from_millis(22_000);

fn held() -> Slot {
    Slot { epoch: 1, state: SlotState::Held, heartbeat: EARLY }
}

fn model(servers: Vec<Server>) -> Model<Server> {
    (0..3).fold(Model::new(servers), |model, slot| model.value(Key::Slot(slot), held().encode()))
}

fn serving(state: &State<Server>) -> usize {
    state.workers().filter(|server| server.serving).count()
}

fn at_most(most: usize) -> impl Fn(&State<Server>) -> Verdict {
    move |state| match serving(state) {
        serving if serving <= most => Ok(()),
        serving => Err(format!("{serving} of {most} permits are in use")),
    }
}

fn none_are_left(state: &State<Server>) -> Verdict {
    let holders = state.value(&Key::Permits).and_then(Holders::decode).unwrap();
    if holders.is_empty() { Ok(()) } else { Err(format!("{holders:?}")) }
}

#[test]
fn never_more_than_allowed_and_none_left_in_the_end() {
    for (most, requests, states) in [(1, [2, 2, 2], 10_000), (2, [2, 1, 1], 10_000)] {
        let servers =
            (0..3).zip(requests).map(|(slot, requests)| Server::new(slot, most, requests)).collect();
        let report = model(servers)
            .explore(at_most(most as usize), none_are_left)
            .unwrap_or_else(|failure| panic!("{failure}"));
        println!("{most} of {requests:?}: {report:?}");
        assert!(report.states > states, "{report:?}");
    }
}

#[test]
fn what_a_crashed_worker_held_is_free_again_and_never_twice() {
    let crashing = Server { crashes: true, ..Server::new(2, 1, 1) };
    let third = Server { ticked_at: MonoTime::FAR_FUTURE, ..Server::new(1, 1, 1) };
    // The third one's registry entry is kept fresh, as if it ticked.
    let report = model(vec![Server::new(0, 1, 2), crashing, third])
        .value(Key::Slot(1), Slot { heartbeat: LATE, ..held() }.encode())
        .crashes(1)
        .clock([LATE])
        .explore(
            |state| {
                // As long as nobody was declared dead who lives, the limit is exact.
                let alive = state.workers().all(|server| server.before.is_none() && server.me.epoch == 1);
                if alive && !buried(state, 0) && !buried(state, 2) { at_most(1)(state) } else { Ok(()) }
            },
            |state| {
                let holders = state.value(&Key::Permits).and_then(Holders::decode).unwrap_or_default();
                let (first, second) = (state.workers().next().unwrap(), state.workers().nth(1).unwrap());
                if holders.held_by(first.me) > 0 || (!second.dead && !holders.is_empty()) {
                    return Err(format!("a permit of the living was lost: {holders:?}"));
                }
                let known_dead = second.dead && second.me.epoch == 1 && buried(state, 2);
                let free = holders.clone().acquire(first.me, 1, &first.view).is_ok();
                if known_dead && !free { Err("a dead one's permit blocks".into()) } else { Ok(()) }
            },
        )
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 100_000, "{report:?}");
}

fn buried(state: &State<Server>, slot: u8) -> bool {
    Slot::read(state.value(&Key::Slot(slot))).epoch > 1
}

#[test]
fn the_stalled_overshoot_by_what_they_held_and_everything_is_given_back() {
    let report = model(vec![Server::new(0, 1, 1), Server::new(1, 1, 1)])
        .clock([LATE])
        .explore(at_most(2), none_are_left)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 4_000, "{report:?}");
}

#[test]
fn the_explorer_sees_the_overshoot_of_the_stalled() {
    let failure = model(vec![Server::new(0, 1, 1), Server::new(1, 1, 1)])
        .clock([LATE])
        .explore(at_most(1), none_are_left)
        .unwrap_err();
    assert!(failure.trace.iter().any(|line| line.contains("Ticks")), "{failure}");
}
