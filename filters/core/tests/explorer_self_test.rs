//! The explorer catches what it is there to catch: each test here is a protocol that is wrong on purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::protocol::{Input, Step, Version};
use ballast_core::time::MonoTime;
use explorer::{Failure, FailureKind, Model, Next, Report, Seen, State, Verdict, Worker};

const KEY: u8 = 0;

/// Adds one to a shared counter; `Overwriting` swaps against what it finds just before the swap, as if it had no version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counter {
    Idle { careful: bool, crashes: bool },
    Reading { careful: bool },
    Rereading { value: u8 },
    Swapping { careful: bool },
    Done,
    Dead,
}

impl Worker for Counter {
    type Key = u8;
    type Choice = &'static str;

    fn choices(&self, _: Seen) -> Vec<&'static str> {
        if matches!(self, Self::Idle { .. }) { vec!["counts"] } else { vec![] }
    }

    fn choose(&mut self, _: &'static str, _: MonoTime) -> Next<u8> {
        let Self::Idle { careful, .. } = *self else { unreachable!() };
        *self = Self::Reading { careful };
        Step::Get(KEY)
    }

    fn resume(&mut self, input: Input, _: MonoTime) -> Next<u8> {
        match (&*self, input) {
            (Self::Reading { careful: true }, Input::Value { value, version }) => {
                *self = Self::Swapping { careful: true };
                Step::Swap { key: KEY, version, value: vec![value.map_or(1, |value| value[0] + 1)] }
            }
            (Self::Reading { careful: false }, Input::Value { value, .. }) => {
                *self = Self::Rereading { value: value.map_or(1, |value| value[0] + 1) };
                Step::Get(KEY)
            }
            (Self::Rereading { value }, Input::Value { version, .. }) => {
                let value = vec![*value];
                *self = Self::Swapping { careful: false };
                Step::Swap { key: KEY, version, value }
            }
            (Self::Swapping { .. }, Input::Swapped(true)) => {
                *self = Self::Done;
                Step::Done(())
            }
            (Self::Swapping { careful }, Input::Swapped(false)) => {
                *self = Self::Reading { careful: *careful };
                Step::Get(KEY)
            }
            state => unreachable!("{state:?}"),
        }
    }

    fn done(&self) -> bool {
        matches!(self, Self::Done | Self::Dead)
    }

    fn crash(&self) -> Option<Self> {
        matches!(self, Self::Idle { crashes: true, .. } | Self::Swapping { .. }).then_some(Self::Dead)
    }
}

fn all_are_counted(state: &State<Counter>) -> Verdict {
    let counted = state.value(&KEY).map_or(0, |value| usize::from(value[0]));
    let done = state.workers().filter(|worker| **worker == Counter::Done).count();
    if counted == done {
        Ok(())
    } else {
        Err(format!("{done} have counted, and the counter shows {counted}"))
    }
}

fn count(careful: bool, workers: usize) -> Result<Report, Failure> {
    Model::new(vec![Counter::Idle { careful, crashes: false }; workers]).explore(|_| Ok(()), all_are_counted)
}

#[test]
fn a_counter_that_swaps_what_it_read_is_right() {
    let report = count(true, 3).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.states > 80, "{report:?}");
}

#[test]
fn a_counter_without_versions_is_caught_with_a_shortest_trace() {
    let Err(failure) = count(false, 2) else { panic!("a lost update went unnoticed") };
    assert_eq!(failure.kind, FailureKind::End("2 have counted, and the counter shows 1".into()));
    assert_eq!(failure.trace.len(), 8, "two choices, four reads, two swaps:\n{failure}");
    assert!(failure.trace.iter().any(|line| line.contains("w1 \"counts\"")), "{failure}");
}

#[test]
fn walks_catch_it_too_and_tell_the_seed() {
    let model = Model::new(vec![Counter::Idle { careful: false, crashes: false }; 4]);
    let Err(failure) = model.walk(7, 100, 100, |_| Ok(()), all_are_counted) else { panic!("unnoticed") };
    assert!(failure.trace[0].contains("seed 7"), "{failure}");
    assert_eq!(
        model.walk(7, 100, 100, |_| Ok(()), all_are_counted),
        Err(failure),
        "a seed determines the walks"
    );
}

#[test]
fn an_invariant_is_asked_in_every_state() {
    let model = Model::new(vec![Counter::Idle { careful: true, crashes: false }; 2]);
    let never_two = |state: &State<Counter>| match state.value(&KEY) {
        Some([2]) => Err("two".into()),
        _ => Ok(()),
    };
    let Err(failure) = model.explore(never_two, |_| Ok(())) else { panic!("unnoticed") };
    assert_eq!(failure.kind, FailureKind::Invariant("two".into()));
}

#[test]
fn crashes_happen_at_every_step_and_at_most_as_often_as_allowed() {
    let model =
        |crashes| Model::new(vec![Counter::Idle { careful: true, crashes: true }; 2]).crashes(crashes);
    let dead = |most: usize| {
        move |state: &State<Counter>| {
            let dead = state.workers().filter(|worker| **worker == Counter::Dead).count();
            if dead <= most { Ok(()) } else { Err(format!("{dead} dead")) }
        }
    };
    let none = model(0).explore(dead(0), |_| Ok(())).unwrap();
    let one = model(1).explore(dead(1), |_| Ok(())).unwrap();
    let two = model(2).explore(dead(1), |_| Ok(()));
    assert!(one.states > none.states && one.ends > none.ends, "{none:?} {one:?}");
    assert_eq!(two.unwrap_err().kind, FailureKind::Invariant("2 dead".into()));
}

#[test]
fn too_many_states_are_a_failure() {
    let model = Model::new(vec![Counter::Idle { careful: true, crashes: false }; 3]).most_states(50);
    assert_eq!(model.explore(|_| Ok(()), |_| Ok(())).unwrap_err().kind, FailureKind::TooManyStates(50));
}

/// One waits for a flag that another sets: looks, then says that it waits, then sleeps until a message comes. Whoever
/// sets the flag wakes it only if it has said so. Unless it looks again in between, the wake-up can be lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sleeper {
    Start { looks_again: bool },
    Looking { looks_again: bool },
    Telling { version: Version, looks_again: bool },
    LookingAgain,
    Asleep,
    Setter,
    Setting,
    Set,
    LookingForSleepers,
    Waking,
    HasSet,
    Done,
}

const FLAG: u8 = 1;
const WAITS: u8 = 2;

impl Worker for Sleeper {
    type Key = u8;
    type Choice = &'static str;

    fn choices(&self, _: Seen) -> Vec<&'static str> {
        match self {
            Self::Start { .. } => vec!["looks"],
            Self::Setter => vec!["sets"],
            _ => vec![],
        }
    }

    fn choose(&mut self, _: &'static str, _: MonoTime) -> Next<u8> {
        *self = match *self {
            Self::Start { looks_again } => Self::Looking { looks_again },
            _ => Self::Setting,
        };
        Step::Get(FLAG)
    }

    fn resume(&mut self, input: Input, _: MonoTime) -> Next<u8> {
        let (next, step) = match (self.clone(), input) {
            (Self::Looking { .. } | Self::LookingAgain, Input::Value { value: Some(_), .. }) => {
                (Self::Done, Step::Done(()))
            }
            (Self::Looking { looks_again }, Input::Value { .. }) => {
                (Self::Telling { version: Version::Absent, looks_again }, Step::Get(WAITS))
            }
            (Self::Telling { looks_again, .. }, Input::Value { version, .. }) => {
                let next = Self::Telling { version, looks_again };
                (next, Step::Swap { key: WAITS, version, value: vec![1] })
            }
            (Self::Telling { looks_again: true, .. }, Input::Swapped(true)) => {
                (Self::LookingAgain, Step::Get(FLAG))
            }
            (Self::Telling { .. }, Input::Swapped(true)) | (Self::LookingAgain, Input::Value { .. }) => {
                (Self::Asleep, Step::Done(()))
            }
            (Self::Setting, Input::Value { version, .. }) => {
                (Self::Set, Step::Swap { key: FLAG, version, value: vec![1] })
            }
            (Self::Set, Input::Swapped(true)) => (Self::LookingForSleepers, Step::Get(WAITS)),
            (Self::LookingForSleepers, Input::Value { value: Some(_), .. }) => {
                (Self::Waking, Step::Send { slot: 0, message: vec![] })
            }
            (Self::LookingForSleepers, Input::Value { .. }) | (Self::Waking, Input::Sent(true)) => {
                (Self::HasSet, Step::Done(()))
            }
            state => unreachable!("{state:?}"),
        };
        *self = next;
        step
    }

    fn slot(&self) -> Option<u8> {
        let setter = matches!(
            self,
            Self::Setter | Self::Setting | Self::Set | Self::LookingForSleepers | Self::Waking | Self::HasSet
        );
        (!setter).then_some(0)
    }

    fn receive(&mut self, _: &[u8], _: MonoTime) -> Next<u8> {
        *self = Self::Done;
        Step::Done(())
    }

    fn done(&self) -> bool {
        matches!(self, Self::Done | Self::HasSet)
    }
}

#[test]
fn a_lost_wake_up_is_a_deadlock() {
    let run = |looks_again| {
        Model::new(vec![Sleeper::Start { looks_again }, Sleeper::Setter]).explore(|_| Ok(()), |_| Ok(()))
    };
    assert!(run(true).unwrap_or_else(|failure| panic!("{failure}")).states > 30);
    let Err(failure) = run(false) else { panic!("a lost wake-up went unnoticed") };
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert!(failure.workers[0].contains("Asleep"), "{failure}");
}

/// Two who hand a message to each other for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Player {
    slot: u8,
    serves: bool,
}

impl Worker for Player {
    type Key = u8;
    type Choice = &'static str;

    fn choices(&self, _: Seen) -> Vec<&'static str> {
        if self.serves { vec!["serves"] } else { vec![] }
    }

    fn choose(&mut self, _: &'static str, _: MonoTime) -> Next<u8> {
        self.serves = false;
        Step::Send { slot: 1 - self.slot, message: vec![9] }
    }

    fn resume(&mut self, input: Input, _: MonoTime) -> Next<u8> {
        assert_eq!(input, Input::Sent(true));
        Step::Done(())
    }

    fn slot(&self) -> Option<u8> {
        Some(self.slot)
    }

    fn receive(&mut self, message: &[u8], _: MonoTime) -> Next<u8> {
        Step::Send { slot: 1 - self.slot, message: message.to_vec() }
    }

    fn done(&self) -> bool {
        !self.serves
    }
}

#[test]
fn handing_on_for_ever_is_a_livelock() {
    let model = Model::new(vec![Player { slot: 0, serves: true }, Player { slot: 1, serves: false }]);
    assert_eq!(model.explore(|_| Ok(()), |_| Ok(())).unwrap_err().kind, FailureKind::Livelock);
}
