//! The lease under every interleaving of three members, crashes and jumps of the clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::lease::{Acquire, Acquiring, Held, Lease, Release, Releasing};
use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::time::MonoTime;
use ballast_core::vms::Member;
use core::time::Duration;
use explorer::{FailureKind, Model, Next, Seen, State, Verdict, Worker, forward};

const TERM: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Candidate {
    me: Member,
    held: Option<Held>,
    /// When it last asked: once at each point in time.
    asked_at: MonoTime,
    gives_back: bool,
    talk: Option<Talk>,
    dead: bool,
    /// A candidate that takes the time of its swap for the beginning of its term.
    dates_late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Talk {
    Acquiring(Acquire<u8>),
    Releasing(Release<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Asks,
    GivesBack,
}

impl Candidate {
    fn new(slot: u8) -> Self {
        let (me, asked_at) = (Member { slot, epoch: 1 }, MonoTime::ZERO);
        Self { me, held: None, asked_at, gives_back: false, talk: None, dead: false, dates_late: false }
    }
}

impl Worker for Candidate {
    type Key = u8;
    type Choice = Choice;

    fn choices(&self, seen: Seen) -> Vec<Choice> {
        let gives_back = self.gives_back && self.held.is_some_and(|held| held.is_valid(seen.now));
        [(self.asked_at < seen.now, Choice::Asks), (gives_back, Choice::GivesBack)]
            .into_iter()
            .filter_map(|(may, choice)| (may && !self.dead).then_some(choice))
            .collect()
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<u8> {
        self.talk = Some(match (choice, self.held) {
            (Choice::GivesBack, Some(held)) => {
                // It stops believing before others may begin to.
                (self.held, self.gives_back) = (None, false);
                Talk::Releasing(Release::new(0, Releasing { me: self.me, held }))
            }
            _ => {
                self.asked_at = now;
                Talk::Acquiring(Acquire::new(0, Acquiring { me: self.me, now, term: TERM }))
            }
        });
        self.resume(Input::Start, now)
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<u8> {
        match self.talk.take().unwrap() {
            Talk::Acquiring(mut acquire) => match forward(acquire.resume(input)) {
                Ok(acquired) => {
                    self.held = acquired.unwrap().ok();
                    if let (Some(held), true) = (&mut self.held, self.dates_late) {
                        held.until = now.after(TERM);
                    }
                    Step::Done(())
                }
                Err(step) => {
                    self.talk = Some(Talk::Acquiring(acquire));
                    step
                }
            },
            Talk::Releasing(mut release) => match forward(release.resume(input)) {
                Ok(released) => {
                    released.unwrap();
                    Step::Done(())
                }
                Err(step) => {
                    self.talk = Some(Talk::Releasing(release));
                    step
                }
            },
        }
    }

    fn done(&self) -> bool {
        true
    }

    fn crash(&self) -> Option<Self> {
        (!self.dead).then(|| Self { dead: true, ..Self::new(self.me.slot) })
    }
}

fn at_most_one_holds(state: &State<Candidate>) -> Verdict {
    let now = state.now();
    let mut holding: Vec<&Candidate> =
        state.workers().filter(|candidate| candidate.held.is_some_and(|held| held.is_valid(now))).collect();
    holding.sort_by_key(|candidate| candidate.held.map(|held| held.token));
    if holding.len() > 1 { Err(format!("{holding:?}")) } else { Ok(()) }
}

fn later_tokens_are_larger(state: &State<Candidate>) -> Verdict {
    let mut tokens: Vec<u64> =
        state.workers().filter_map(|candidate| candidate.held).map(|held| held.token).collect();
    tokens.sort_unstable();
    if tokens.windows(2).any(|pair| pair[0] == pair[1]) { Err(format!("{tokens:?}")) } else { Ok(()) }
}

fn points() -> [MonoTime; 3] {
    [4_000, 6_000, 11_000].map(MonoTime::from_millis)
}

#[test]
fn at_most_one_believes_that_it_holds_the_lease() {
    let giving = Candidate { gives_back: true, ..Candidate::new(0) };
    let report = Model::new(vec![giving, Candidate::new(1), Candidate::new(2)])
        .crashes(1)
        .clock([6_000, 11_000].map(MonoTime::from_millis))
        .explore(
            |state| {
                at_most_one_holds(state)?;
                later_tokens_are_larger(state)
            },
            |_| Ok(()),
        )
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 10_000, "{report:?}");
}

#[test]
fn another_takes_over_when_the_holder_has_crashed() {
    let report = Model::new(vec![Candidate::new(0), Candidate::new(1)])
        .crashes(1)
        .clock(points())
        .explore(at_most_one_holds, |state| {
            let survivor = state.workers().find(|candidate| !candidate.dead).unwrap();
            if state.crashes() == 0 || survivor.held.is_some_and(|held| held.is_valid(state.now())) {
                return Ok(());
            }
            // Only a lease that the dead one took or renewed shortly before it died may be in the way.
            let lease = state.value(&0).and_then(Lease::decode).unwrap();
            let in_the_way = lease.holder != survivor.me && state.now() < lease.until;
            if in_the_way { Ok(()) } else { Err("nobody does the work".into()) }
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 1_000, "{report:?}");
}

#[test]
fn who_dates_a_term_from_the_answer_instead_of_the_question_is_caught() {
    let late = |slot| Candidate { dates_late: true, ..Candidate::new(slot) };
    let failure = Model::new(vec![late(0), late(1)])
        .clock(points())
        .explore(at_most_one_holds, |_| Ok(()))
        .expect_err("two holders must be seen");
    assert!(matches!(failure.kind, FailureKind::Invariant(_)), "{failure}");
}
