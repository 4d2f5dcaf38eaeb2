//! Orders under every interleaving of who gives one and two who execute it, of whom one crashes and joins again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::bus::Delivery;
use ballast_core::orders::{Address, Audience, Dispatch, Inbox, Order, Outcome, Received};
use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, Slot, SlotState, View};
use explorer::{Model, Next, Seen, State, Verdict, Worker, forward};

/// The registry of the executing side, as a message of the test: what the sender would read on a tick.
const DIED: u8 = 254;
const EARLY: MonoTime = MonoTime::from_millis(1_000);
const SILENT: MonoTime = MonoTime::from_millis(3_000);
const DEADLINE: MonoTime = MonoTime::from_millis(9_000);
/// The sender is of another registry than the others, in which its slot is free to be somebody else's: their queues are told
/// apart by the registry, here by a number that no slot there has.
const SENDER: Member = Member { slot: 0, epoch: 1 };
/// The shared value in which a leader leaves what was ordered.
const EFFECT: u8 = 9;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Peer {
    me: Member,
    mortal: bool,
    /// Of the executing side's registry; the sender's alone.
    view: View,
    audience: Option<Audience>,
    dispatch: Option<Dispatch>,
    outcome: Option<Outcome>,
    /// Whom its order is for.
    told: Vec<Member>,
    inbox: Inbox,
    executed: u8,
    talk: Option<Talk>,
    buries: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Talk {
    Delivering(Delivery),
    /// What is ordered is being put into shared state.
    Reading(Told),
    Writing(Told),
    Answering,
    Burying,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Told {
    reply_to: Address,
    from: Member,
    id: u64,
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Orders,
    Resends,
    Concludes,
    IsBuried,
}

fn slot(epoch: u32) -> Slot {
    Slot { epoch, state: SlotState::Held, heartbeat: EARLY }
}

/// Slot 0 of the executing side is never held: its queue is the sender's here.
fn registry(epochs: [u32; 2]) -> View {
    let free = Slot { epoch: 0, state: SlotState::Free, heartbeat: MonoTime::ZERO };
    View::of([free, slot(epochs[0]), slot(epochs[1])])
}

impl Peer {
    fn new(me: Member, audience: Option<Audience>) -> Self {
        Self {
            me,
            mortal: false,
            view: registry([1, 1]),
            audience,
            dispatch: None,
            outcome: None,
            told: Vec::new(),
            inbox: Inbox::new(me),
            executed: 0,
            talk: None,
            buries: false,
        }
    }

    fn executing(slot: u8) -> Self {
        Self::new(Member { slot, epoch: 1 }, None)
    }

    fn deliver(&mut self, delivery: Delivery, now: MonoTime) -> Next<u8> {
        self.talk = Some(Talk::Delivering(delivery));
        self.resume(Input::Start, now)
    }

    fn answer(&mut self, told: &Told) -> Next<u8> {
        self.executed += 1;
        self.talk = Some(Talk::Answering);
        let answer = self.inbox.answer(&told.reply_to, told.from, told.id, Ok(vec![self.me.slot]));
        Step::Send { slot: told.from.slot, message: answer }
    }
}

impl Worker for Peer {
    type Key = u8;
    type Choice = Choice;

    fn choices(&self, seen: Seen) -> Vec<Choice> {
        if self.buries {
            return vec![Choice::IsBuried];
        }
        let dispatch = self.dispatch.clone();
        let resends = dispatch.clone().is_some_and(|mut dispatch| dispatch.resend(seen.now).is_some());
        let concludes = dispatch.is_some_and(|mut dispatch| dispatch.outcome(&self.view, seen.now).is_some());
        [
            (self.audience.is_some(), Choice::Orders),
            (resends, Choice::Resends),
            (concludes, Choice::Concludes),
        ]
        .into_iter()
        .filter_map(|(may, choice)| may.then_some(choice))
        .collect()
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<u8> {
        match choice {
            Choice::Orders => {
                let audience = self.audience.take().unwrap();
                self.told = self.view.members().collect();
                let reply_to = Address { filter: "admin".to_owned(), namespace: "a".to_owned() };
                let dispatch = Dispatch::new(
                    1,
                    self.me,
                    reply_to,
                    Order::default(),
                    audience,
                    &self.view,
                    now,
                    DEADLINE,
                );
                let delivery = dispatch.delivery();
                self.dispatch = Some(dispatch);
                self.deliver(delivery, now)
            }
            Choice::Resends => {
                let delivery = self.dispatch.as_mut().and_then(|dispatch| dispatch.resend(now)).unwrap();
                self.deliver(delivery, now)
            }
            Choice::Concludes => {
                self.outcome =
                    self.dispatch.take().and_then(|mut dispatch| dispatch.outcome(&self.view, now));
                Step::Done(())
            }
            Choice::IsBuried => {
                self.buries = false;
                self.talk = Some(Talk::Burying);
                Step::Send { slot: SENDER.slot, message: vec![DIED, self.me.slot] }
            }
        }
    }

    fn resume(&mut self, input: Input, _: MonoTime) -> Next<u8> {
        match self.talk.take().unwrap() {
            Talk::Delivering(mut delivery) => match forward(delivery.resume(input)) {
                Ok(unsent) => assert!(unsent.is_empty(), "all slots have queues"),
                Err(Step::Send { slot, message }) => {
                    self.talk = Some(Talk::Delivering(delivery));
                    return Step::Send { slot, message };
                }
                Err(step) => unreachable!("{step:?}"),
            },
            Talk::Reading(told) => match input {
                Input::Value { version: Version::Absent, .. } => {
                    self.talk = Some(Talk::Writing(told));
                    return Step::Swap { key: EFFECT, version: Version::Absent, value: vec![1] };
                }
                _ => return self.answer(&told),
            },
            Talk::Writing(told) => match input {
                Input::Swapped(true) => return self.answer(&told),
                _ => {
                    self.talk = Some(Talk::Reading(told));
                    return Step::Get(EFFECT);
                }
            },
            Talk::Answering | Talk::Burying => {}
        }
        Step::Done(())
    }

    fn slot(&self) -> Option<u8> {
        (!self.buries).then_some(self.me.slot)
    }

    fn receive(&mut self, message: &[u8], _: MonoTime) -> Next<u8> {
        if let [DIED, slot] = message {
            self.view = registry([1, 2].map(|number| if number == *slot { 3 } else { 1 }));
            return Step::Done(());
        }
        match self.inbox.receive(message) {
            Received::Order { leads, reply_to, from, id, .. } => {
                let told = Told { reply_to, from, id };
                if leads {
                    self.talk = Some(Talk::Reading(told));
                    return Step::Get(EFFECT);
                }
                return self.answer(&told);
            }
            Received::Again { from, answer, .. } => {
                self.talk = Some(Talk::Answering);
                return Step::Send { slot: from.slot, message: answer };
            }
            Received::Answer { from, id, result } => {
                if let Some(dispatch) = &mut self.dispatch {
                    dispatch.answered(from, id, result);
                }
            }
            // What was for the one before in this slot.
            Received::Dropped(_) => {}
        }
        Step::Done(())
    }

    fn done(&self) -> bool {
        self.audience.is_none() && self.dispatch.is_none() && !self.buries
    }

    fn crash(&self) -> Option<Self> {
        let me = Member { slot: self.me.slot, epoch: 3 };
        (self.mortal && self.me.epoch == 1).then(|| Self { buries: true, ..Self::new(me, None) })
    }
}

/// Nobody executes an order twice, what is said to be done is done and in shared state, and nobody is given up early.
fn done_means_done(state: &State<Peer>) -> Verdict {
    let peers: Vec<&Peer> = state.workers().collect();
    if let Some(twice) = peers.iter().find(|peer| peer.executed > 1) {
        return Err(format!("{:?} has executed it {} times", twice.me, twice.executed));
    }
    if let Some(stray) = peers.iter().find(|peer| peer.executed > 0 && !peers[0].told.contains(&peer.me)) {
        return Err(format!("{:?} has executed what was for the one before", stray.me));
    }
    match &peers[0].outcome {
        None => Ok(()),
        Some(Outcome::Done(answers)) => {
            if state.value(&EFFECT).is_none() {
                return Err("done, and shared state knows nothing of it".into());
            }
            let untrue = answers
                .iter()
                .find(|answer| peers.iter().any(|peer| peer.me == answer.by && peer.executed == 0));
            match untrue {
                Some(answer) => Err(format!("{:?} answered and did nothing", answer.by)),
                None => Ok(()),
            }
        }
        Some(Outcome::Missing { missing, .. }) => {
            let lost_leader = missing.iter().any(|member| peers[0].view.is_gone(*member));
            if state.now() < DEADLINE && !lost_leader { Err("given up early".into()) } else { Ok(()) }
        }
        Some(Outcome::Nobody) if state.crashes() > 0 => Ok(()),
        Some(Outcome::Nobody) => Err("there was somebody".into()),
    }
}

fn explore(audience: Audience, mortal: u8, crashes: u32) -> explorer::Report {
    let sender = Peer::new(SENDER, Some(audience));
    let executing = [1, 2].map(|slot| Peer { mortal: slot == mortal, ..Peer::executing(slot) });
    let [one, two] = executing;
    Model::new(vec![sender, one, two])
        .crashes(crashes)
        .clock([SILENT, DEADLINE])
        .explore(done_means_done, |state| match &state.workers().next().unwrap().outcome {
            Some(_) => Ok(()),
            None => Err("nobody knows what came of it".into()),
        })
        .unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn an_order_for_all_is_executed_once_by_each_and_done_means_in_shared_state() {
    let report = explore(Audience::All, 0, 0);
    println!("{report:?}");
    assert!(report.states > 200, "{report:?}");
}

#[test]
fn a_crash_ends_the_waiting_and_its_successor_executes_nothing_of_the_past() {
    // Slot 1 leads, slot 2 follows.
    for mortal in [1, 2] {
        let report = explore(Audience::All, mortal, 1);
        println!("{report:?}");
        assert!(report.states > 1_000, "{report:?}");
    }
}

#[test]
fn an_order_for_one_is_done_by_the_next_when_the_first_is_silent() {
    for (mortal, crashes) in [(0, 0), (1, 1), (2, 1)] {
        let report = explore(Audience::One, mortal, crashes);
        println!("{report:?}");
        assert!(report.states > 200, "{report:?}");
    }
}
