//! The registry under every interleaving of three root contexts, with crashes and stalls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::time::MonoTime;
use ballast_core::vms::{Beat, Join, Leave, Member, Pulse, Refresh, Slot, SlotKey, SlotState, View};
use explorer::{Model, Next, Seen, State, Verdict, Worker, forward};

/// A root context. `past` is what the test knows of it: identities it had and has no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Root {
    me: Option<Member>,
    view: View,
    talk: Option<Talk>,
    plan: Plan,
    beaten_at: MonoTime,
    refreshed_at: MonoTime,
    left: bool,
    past: Vec<Member>,
    resurrected: bool,
}

/// What a root is going to do, apart from joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Plan {
    /// Ticks (a beat, then a refresh) from this time on.
    ticks_from: MonoTime,
    leaves: bool,
    crashes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Talk {
    Joining(Join),
    Beating(Beat),
    Refreshing(Refresh),
    Leaving(Leave),
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Joins,
    Ticks,
    Leaves,
}

impl Root {
    fn new(plan: Plan) -> Self {
        Self {
            me: None,
            view: View::default(),
            talk: None,
            plan,
            beaten_at: MonoTime::ZERO,
            refreshed_at: MonoTime::ZERO,
            left: false,
            past: Vec::new(),
            resurrected: false,
        }
    }

    fn lose_identity(&mut self) {
        self.past.extend(self.me.take());
    }

    fn talk(&mut self, talk: Talk, now: MonoTime) -> Next<SlotKey> {
        self.talk = Some(talk);
        self.resume(Input::Start, now)
    }
}

impl Worker for Root {
    type Key = SlotKey;
    type Choice = Choice;

    fn choices(&self, seen: Seen) -> Vec<Choice> {
        match self.me {
            _ if self.left => vec![],
            None => vec![Choice::Joins],
            Some(_) => {
                let ticks = seen.now >= self.plan.ticks_from && self.refreshed_at < seen.now;
                [(ticks, Choice::Ticks), (self.plan.leaves, Choice::Leaves)]
                    .into_iter()
                    .filter_map(|(may, choice)| may.then_some(choice))
                    .collect()
            }
        }
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<SlotKey> {
        let talk = match (choice, self.me) {
            (Choice::Ticks, Some(me)) => {
                self.beaten_at = now;
                Talk::Beating(Beat::new(me, now))
            }
            (Choice::Leaves, Some(me)) => Talk::Leaving(Leave::new(me, now)),
            _ => Talk::Joining(Join::new(now)),
        };
        self.talk(talk, now)
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<SlotKey> {
        match self.talk.take().unwrap() {
            Talk::Joining(mut join) => match forward(join.resume(input)) {
                Ok(joined) => self.me = Some(joined.unwrap()),
                Err(step) => {
                    self.talk = Some(Talk::Joining(join));
                    return step;
                }
            },
            Talk::Beating(mut beat) => match forward(beat.resume(input)) {
                Ok(Ok(Pulse::Alive)) => {
                    return self.talk(Talk::Refreshing(Refresh::new(self.me, self.beaten_at)), now);
                }
                Ok(Ok(Pulse::Rejoin)) => self.lose_identity(),
                Ok(Err(unfinished)) => panic!("{unfinished}"),
                Err(step) => {
                    self.talk = Some(Talk::Beating(beat));
                    return step;
                }
            },
            Talk::Refreshing(mut refresh) => match forward(refresh.resume(input)) {
                Ok(refreshed) => {
                    let view = refreshed.unwrap().view;
                    let slots = || (0..3).flat_map(|slot| (1..9).map(move |epoch| Member { slot, epoch }));
                    self.resurrected |= slots().any(|m| self.view.is_gone(m) && !view.is_gone(m));
                    (self.view, self.refreshed_at) = (view, self.beaten_at);
                }
                Err(step) => {
                    self.talk = Some(Talk::Refreshing(refresh));
                    return step;
                }
            },
            Talk::Leaving(mut leave) => match forward(leave.resume(input)) {
                Ok(pulse) => {
                    pulse.unwrap();
                    self.lose_identity();
                    self.left = true;
                }
                Err(step) => {
                    self.talk = Some(Talk::Leaving(leave));
                    return step;
                }
            },
        }
        Step::Done(())
    }

    fn slot(&self) -> Option<u8> {
        self.me.map(|me| me.slot)
    }

    fn done(&self) -> bool {
        self.me.is_some() || self.left
    }

    fn crash(&self) -> Option<Self> {
        let mut past = self.past.clone();
        past.extend(self.me);
        self.plan.crashes.then(|| Self { past, ..Self::new(self.plan) })
    }
}

fn slot(state: &State<Root>, slot: u8) -> Slot {
    Slot::read(state.value(&SlotKey(slot)))
}

fn identities_are_never_shared(state: &State<Root>) -> Verdict {
    let mut all: Vec<Member> =
        state.workers().flat_map(|root| root.past.iter().chain(&root.me)).copied().collect();
    all.sort_unstable();
    if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("{:?} is two roots", pair[0]));
    }
    Ok(())
}

fn the_gone_stay_gone_and_a_view_is_never_ahead(state: &State<Root>) -> Verdict {
    for root in state.workers() {
        if root.resurrected {
            return Err("somebody who was gone is back".into());
        }
        let wrong = all_members(state).find(|member| {
            let slot = slot(state, member.slot);
            root.view.is_gone(*member) && slot.holder(member.slot) == Some(*member)
        });
        if let Some(member) = wrong {
            return Err(format!("{member:?} is believed gone and holds its slot"));
        }
    }
    Ok(())
}

fn all_members(state: &State<Root>) -> impl Iterator<Item = Member> {
    state.workers().flat_map(|root| root.past.iter().chain(&root.me)).copied()
}

fn always(state: &State<Root>) -> Verdict {
    identities_are_never_shared(state)?;
    the_gone_stay_gone_and_a_view_is_never_ahead(state)
}

fn ends_with_everybody_in_one_slot(state: &State<Root>) -> Verdict {
    for root in state.workers() {
        if let Some(me) = root.me
            && slot(state, me.slot).epoch < me.epoch
        {
            return Err(format!("{me:?} is ahead of its slot"));
        }
        let back = root.past.iter().find(|past| slot(state, past.slot).holder(past.slot) == Some(**past));
        if let Some(past) = back
            && root.left
        {
            return Err(format!("{past:?} left and holds its slot"));
        }
    }
    Ok(())
}

const LATE: MonoTime = MonoTime::from_millis(22_000);

fn plan(ticks_from: MonoTime) -> Plan {
    Plan { ticks_from, leaves: false, crashes: false }
}

#[test]
fn three_roots_that_join_at_once_get_three_identities() {
    let crashing = Plan { crashes: true, ..plan(MonoTime::FAR_FUTURE) };
    let report = Model::new(vec![Root::new(crashing); 3])
        .crashes(2)
        .explore(always, |state| {
            ends_with_everybody_in_one_slot(state)?;
            let held = (0..8).filter(|number| slot(state, *number).state == SlotState::Held).count();
            // A crash leaves one slot behind at most, until it has been silent for long enough.
            let most = 3 + state.crashes() as usize;
            if (3..=most).contains(&held) { Ok(()) } else { Err(format!("{held} slots are held")) }
        })
        .unwrap_or_else(|failure| panic!("{failure}"));

    println!("{report:?}");
    assert!(report.states > 10_000, "{report:?}");
}

#[test]
fn leaving_ticking_and_joining_mix() {
    let roots = vec![
        Root::new(Plan { leaves: true, ..plan(MonoTime::ZERO) }),
        Root::new(plan(MonoTime::ZERO)),
        Root::new(Plan { crashes: true, ..plan(MonoTime::FAR_FUTURE) }),
    ];
    let report = Model::new(roots)
        .crashes(1)
        .explore(always, ends_with_everybody_in_one_slot)
        .unwrap_or_else(|failure| panic!("{failure}"));

    println!("{report:?}");
    assert!(report.states > 10_000, "{report:?}");
}

#[test]
fn the_stalled_rejoin_and_the_crashed_are_buried() {
    let early = MonoTime::from_millis(1_000);
    let member = |slot: u8, plan| Root { me: Some(Member { slot, epoch: 1 }), ..Root::new(plan) };
    let silent = Plan { crashes: true, ..plan(MonoTime::FAR_FUTURE) };
    let mut model = Model::new(vec![member(0, plan(LATE)), member(1, plan(LATE)), member(2, silent)])
        .crashes(1)
        .clock([LATE]);
    for slot in 0..3 {
        let held = Slot { epoch: 1, state: SlotState::Held, heartbeat: early };
        model = model.value(SlotKey(slot), held.encode());
    }
    let report = model
        .explore(always, |state| {
            ends_with_everybody_in_one_slot(state)?;
            let sees = |root: &Root| root.view.is_gone(Member { slot: 2, epoch: 1 });
            if state.workers().take(2).all(sees) { Ok(()) } else { Err("the silent one lives on".into()) }
        })
        .unwrap_or_else(|failure| panic!("{failure}"));

    println!("{report:?}");
    assert!(report.states > 10_000, "{report:?}");
}
