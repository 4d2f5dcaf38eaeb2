//! Runs a few workers against one shared store in every order, with crashes, and says what went wrong first.
//!
//! # Why
//!
//! A protocol over shared values is wrong in the one interleaving nobody thought of. With three workers and a dozen
//! steps each there are millions of interleavings, but only some ten thousand distinct states: few enough to visit all.
//!
//! # How
//!
//! A [`Worker`] is the local state of one VM and what it does by itself (serve a request, tick, give up). All it does
//! to others goes through [`Step`]s, usually those of a machine it drives. One move of the model is one such step, one
//! local choice, the delivery of one message, a crash or a jump of the clock. The search is breadth-first over distinct
//! states, so the trace of a failure is a shortest one. It fails on: a broken invariant; a *deadlock* (no move is
//! possible and a worker is not [`Worker::done`]); a broken claim about the end; a *livelock* (a state from which no
//! end can be reached any more).
//!
//! The store is the proxy's: a swap succeeds only on the version that was read, [`Version::Absent`] creates only where
//! there is no key, queues are first-in first-out, outlive their owner, and are emptied only by whoever owns the slot.
//! A worker runs one conversation at a time, as a VM does; others move between its steps.
//!
//! # Limits
//!
//! Versions are handed out so that equal situations are equal states: a version is new to everybody who could still
//! use it, that is, to every conversation that has read the key and not swapped it yet. A machine that kept a version
//! beyond its conversation would be told lies. States are told apart by a 128-bit hash.
//!
//! [`Step`]: ballast_core::protocol::Step
//! [`Version::Absent`]: ballast_core::protocol::Version::Absent
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "shared by several test crates, each of which uses a part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod search;
mod world;

use ballast_core::protocol::{Input, Step};
use ballast_core::time::MonoTime;
use core::fmt::{self, Debug, Display};
use core::hash::Hash;

pub use search::{Model, Report};
pub use world::State;

/// What a worker wants next; `Done(())` means that it is idle again.
pub type Next<K> = Step<K, ()>;

/// What a claim about a state comes to; the text says what is wrong.
pub type Verdict = Result<(), String>;

/// What an idle worker can know without asking the store.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What the clock shows.
    pub now: MonoTime,
    /// How many messages wait in the queue of the worker's slot.
    pub queued: usize,
}

/// The local state of one worker, with what it does by itself.
pub trait Worker: Clone + Eq + Hash + Debug {
    /// How it names the keys of the store.
    type Key: Clone + Ord + Hash + Debug;
    /// Something it may do when it is idle.
    type Choice: Clone + Debug;

    /// What it may do now, of its own accord. Every choice is tried. Asked only while it is idle.
    fn choices(&self, seen: Seen) -> Vec<Self::Choice>;

    /// Does it: changes local state, and starts a conversation or stays idle.
    fn choose(&mut self, choice: Self::Choice, now: MonoTime) -> Next<Self::Key>;

    /// Takes the answer to its last step.
    fn resume(&mut self, input: Input, now: MonoTime) -> Next<Self::Key>;

    /// The slot whose queue it reads, once it has one.
    fn slot(&self) -> Option<u8> {
        None
    }

    /// Takes a message out of its queue. Called only while it is idle.
    fn receive(&mut self, message: &[u8], now: MonoTime) -> Next<Self::Key> {
        panic!("{self:?} was sent {message:?} at {now:?} and expects no messages")
    }

    /// Whether it has done what it is there for. An end in which somebody has not is a deadlock.
    fn done(&self) -> bool;

    /// What is there in its place after a crash: usually a VM that knows nothing. `None`: it does not crash.
    fn crash(&self) -> Option<Self> {
        None
    }
}

/// What is wrong, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub kind: FailureKind,
    /// The moves from the start, one line each; a shortest list if the search was exhaustive.
    pub trace: Vec<String>,
    /// The workers in the state that is wrong.
    pub workers: Vec<String>,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The invariant does not hold.
    Invariant(String),
    /// Nothing can move, and a worker is not done.
    Deadlock,
    /// All are done, and the claim about the end does not hold.
    End(String),
    /// From here, no end can be reached whatever the workers do.
    Livelock,
    /// There are more states than the model allows. Make it smaller, or walk at random.
    TooManyStates(usize),
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}, after {} moves:", self.kind, self.trace.len())?;
        for (number, line) in self.trace.iter().enumerate() {
            writeln!(f, "{:>4}. {line}", number + 1)?;
        }
        for (number, worker) in self.workers.iter().enumerate() {
            writeln!(f, "   w{number} is {worker}")?;
        }
        Ok(())
    }
}

/// What a machine's step means to the worker that drives it: its output, or the step as the worker's own.
pub fn forward<K, T>(step: Step<K, T>) -> Result<T, Next<K>> {
    match step {
        Step::Get(key) => Err(Step::Get(key)),
        Step::Swap { key, version, value } => Err(Step::Swap { key, version, value }),
        Step::Send { slot, message } => Err(Step::Send { slot, message }),
        Step::Done(output) => Ok(output),
    }
}
