//! The shared count of what is in flight under every interleaving of three workers, with a crash, and with two that heal at
//! once.
//!
//! The proxy's gauges are atomic: one addition is one move. It is a read and a swap here, and one more read where another was
//! faster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::load_shedding::share::{Entering, Entry, correction, count};
use ballast_core::protocol::{Input, Step};
use ballast_core::time::MonoTime;
use explorer::{Model, Next, Seen, State, Verdict, Worker};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Total,
    Of(u8),
}

/// One operation on a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Add(Key, i64),
    Read(Key),
}

/// What a worker is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    Idle,
    Enters(Entering),
    /// It has less now.
    Leaves,
    /// It makes the count of a slot say so much.
    Corrects(u8, u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    slot: u8,
    limit: u32,
    requests: u8,
    held: u32,
    refused: bool,
    /// The slot whose count it makes say none, and how often: nobody holds it, or so it believes.
    heals: Option<(u8, u8)>,
    crashes: bool,
    dead: bool,
    task: Task,
    /// What is left to do, the first of which is under way.
    ops: VecDeque<Op>,
    /// The first of two changes that belong together is made, the second is not.
    is_half: bool,
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Enters,
    Leaves,
    Heals,
    CorrectsItself,
}

impl Server {
    fn new(slot: u8, limit: u32, requests: u8) -> Self {
        Self {
            slot,
            limit,
            requests,
            held: 0,
            refused: false,
            heals: None,
            crashes: false,
            dead: false,
            task: Task::Idle,
            ops: VecDeque::new(),
            is_half: false,
        }
    }

    /// Changes the total and the count of a slot by the same, as the filter does: the total first, but for corrections.
    fn pair(&mut self, slot: u8, change: i64, total_first: bool) {
        let mut both = [Op::Add(Key::Total, change), Op::Add(Key::Of(slot), change)];
        if !total_first {
            both.reverse();
        }
        self.ops.extend(both);
    }

    /// Goes on after all operations so far are done; `seen` is what the last read gave.
    fn go_on(&mut self, seen: u64) -> Next<Key> {
        match &mut self.task {
            Task::Enters(entering) => match entering.next(count(seen)) {
                Entry::Add(change) => self.pair(self.slot, change, true),
                Entry::Read => self.ops.push_back(Op::Read(Key::Total)),
                entry @ (Entry::Entered | Entry::Full) => {
                    self.held += u32::from(entry == Entry::Entered);
                    self.requests -= 1;
                    self.refused = entry == Entry::Full;
                    self.task = Task::Idle;
                }
            },
            Task::Corrects(slot, actual) => {
                let (slot, change) = (*slot, correction(*actual, seen));
                self.task = Task::Leaves;
                self.pair(slot, change, false);
            }
            Task::Leaves | Task::Idle => self.task = Task::Idle,
        }
        self.ask()
    }

    /// Begins the operation that is first in line.
    fn ask(&self) -> Next<Key> {
        match self.ops.front() {
            Some(Op::Add(key, _) | Op::Read(key)) => Step::Get(*key),
            None => Step::Done(()),
        }
    }

    fn done_with_first(&mut self, seen: u64) -> Next<Key> {
        if let Some(Op::Add(..)) = self.ops.pop_front() {
            self.is_half = !self.is_half;
        }
        if self.ops.is_empty() { self.go_on(seen) } else { self.ask() }
    }
}

impl Worker for Server {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, _: Seen) -> Vec<Choice> {
        let heals = self.heals.is_some_and(|(_, left)| left > 0);
        [
            (self.requests > 0 && !self.refused, Choice::Enters),
            (self.held > 0, Choice::Leaves),
            (heals, Choice::Heals),
            (heals && !self.dead, Choice::CorrectsItself),
        ]
        .into_iter()
        .filter_map(|(may, choice)| may.then_some(choice))
        .collect()
    }

    fn choose(&mut self, choice: Choice, _: MonoTime) -> Next<Key> {
        match choice {
            Choice::Enters => self.task = Task::Enters(Entering::new(self.limit, 2)),
            Choice::Leaves => {
                // The request has left the upstream before its place is free.
                self.held -= 1;
                self.task = Task::Leaves;
                self.pair(self.slot, -1, true);
                return self.ask();
            }
            Choice::Heals | Choice::CorrectsItself => {
                let (gone, left) = self.heals.unwrap();
                self.heals = Some((gone, left - 1));
                let is_own = matches!(choice, Choice::CorrectsItself);
                let (slot, actual) = if is_own { (self.slot, self.held) } else { (gone, 0) };
                self.task = Task::Corrects(slot, actual);
                self.ops.push_back(Op::Read(Key::Of(slot)));
                return self.ask();
            }
        }
        self.go_on(0)
    }

    fn resume(&mut self, input: Input, _: MonoTime) -> Next<Key> {
        let first = *self.ops.front().unwrap();
        match (first, input) {
            (Op::Read(_), Input::Value { value, .. }) => self.done_with_first(read(value.as_deref())),
            (Op::Add(key, change), Input::Value { value, version }) => {
                let value = read(value.as_deref()).wrapping_add_signed(change).to_le_bytes().to_vec();
                Step::Swap { key, version, value }
            }
            (Op::Add(..), Input::Swapped(true)) => self.done_with_first(0),
            (Op::Add(key, _), Input::Swapped(false)) => Step::Get(key),
            (first, input) => panic!("{first:?} got {input:?}"),
        }
    }

    fn done(&self) -> bool {
        if self.dead { self.heals.is_none_or(|(_, left)| left == 0) } else { self.held == 0 }
    }

    /// In its place is whoever finds out, and makes its count say none.
    fn crash(&self) -> Option<Self> {
        (self.crashes && !self.dead && !self.is_half).then(|| Self {
            dead: true,
            heals: Some((self.slot, 1)),
            ..Self::new(self.slot, self.limit, 0)
        })
    }
}

fn read(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

fn gauge(state: &State<Server>, key: Key) -> u64 {
    read(state.value(&key))
}

fn at_most(limit: u32) -> impl Fn(&State<Server>) -> Verdict {
    move |state| match state.workers().map(|server| server.held).sum::<u32>() {
        held if held <= limit => Ok(()),
        held => Err(format!("{held} of {limit} places are taken")),
    }
}

fn nothing_is_left(state: &State<Server>) -> Verdict {
    let left: Vec<(Key, u64)> = [Key::Total, Key::Of(0), Key::Of(1), Key::Of(2)]
        .into_iter()
        .map(|key| (key, gauge(state, key)))
        .filter(|(_, left)| *left != 0)
        .collect();
    if left.is_empty() { Ok(()) } else { Err(format!("{left:?} are left")) }
}

/// Workers with so many requests each.
fn servers(limit: u32, requests: &[u8]) -> Vec<Server> {
    (0..).zip(requests).map(|(slot, requests)| Server::new(slot, limit, *requests)).collect()
}

#[test]
fn never_more_than_the_limit_and_nothing_left_in_the_end() {
    for (limit, requests) in [(1, &[1, 1, 1][..]), (1, &[2, 2]), (2, &[2, 2])] {
        let report = Model::new(servers(limit, requests))
            .explore(at_most(limit), nothing_is_left)
            .unwrap_or_else(|failure| panic!("{failure}"));
        println!("{limit} for {requests:?}: {report:?}");
        assert!(report.states > 1_000, "{report:?}");
    }
}

#[test]
fn what_a_crashed_worker_had_comes_back_once() {
    for requests in [&[2, 1][..], &[1, 2]] {
        let mut servers = servers(1, requests);
        servers[1].crashes = true;
        let report = Model::new(servers)
            .crashes(1)
            .explore(at_most(1), nothing_is_left)
            .unwrap_or_else(|failure| panic!("{failure}"));
        println!("{requests:?}: {report:?}");
        assert!(report.states > 1_000, "{report:?}");
    }
}

#[test]
fn two_that_heal_at_once_leave_a_total_that_is_the_sum_so_that_the_next_tick_moves_the_rest() {
    let mut servers = servers(2, &[1, 0, 1]);
    // It may also be wrong: the third lives.
    servers[1].heals = Some((2, 1));
    servers[2].crashes = true;
    let report = Model::new(servers)
        .crashes(1)
        .explore(
            |_| Ok(()),
            |state| {
                let parts = [0, 1, 2].map(|slot| gauge(state, Key::Of(slot)));
                let sum = parts.iter().fold(0, |sum: u64, part| sum.wrapping_add(*part));
                let total = gauge(state, Key::Total);
                if sum == total { Ok(()) } else { Err(format!("{parts:?} are not {total}")) }
            },
        )
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 1_000, "{report:?}");
}

/// The claim can fail: a worker that believes in a higher limit lets one too many through.
#[test]
fn the_explorer_sees_a_worker_that_goes_by_another_limit() {
    let servers = vec![Server::new(0, 1, 1), Server::new(1, 2, 1), Server::new(2, 1, 1)];
    let failure = Model::new(servers).explore(at_most(1), nothing_is_left).unwrap_err();
    assert!(failure.trace.iter().any(|line| line.contains("Enters")), "{failure}");
}
