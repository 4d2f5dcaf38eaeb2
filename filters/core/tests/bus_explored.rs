//! Broadcasts under every interleaving of three members, of which one crashes and joins again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::bus::{Broadcast, Delivery, Dropped, Inbox, Outbox, Outcome, Received};
use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, Slot, SlotState, View};
use core::time::Duration;
use explorer::{Model, Next, Seen, State, Verdict, Worker, forward};

/// The registry, as messages of the test: what a tick of each worker would read.
const DIED: u8 = 254;
const EARLY: MonoTime = MonoTime::from_millis(1_000);
const RESEND: MonoTime = MonoTime::from_millis(2_000);
const DEADLINE: MonoTime = MonoTime::from_millis(9_000);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Peer {
    me: Member,
    mortal: bool,
    view: View,
    broadcasts: u8,
    outbox: Outbox,
    inbox: Inbox,
    /// Its broadcast, until its outcome is known.
    telling: Option<Broadcast>,
    outcome: Option<Outcome>,
    /// Which messages had effect, in order.
    effects: Vec<(Member, u8)>,
    dropped: Vec<Dropped>,
    talk: Option<Talk>,
    /// A new owner reads nothing but tells the others of the death until it has.
    buries: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Talk {
    Delivering(Delivery),
    Acknowledging,
    Burying,
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Broadcasts,
    Resends,
    Concludes,
    IsBuried,
}

fn slot(epoch: u32) -> Slot {
    Slot { epoch, state: SlotState::Held, heartbeat: EARLY }
}

impl Peer {
    fn new(slot_number: u8, broadcasts: u8) -> Self {
        let me = Member { slot: slot_number, epoch: 1 };
        Self {
            me,
            mortal: false,
            view: View::of([slot(1), slot(1), slot(1)]),
            broadcasts,
            outbox: Outbox::new(me),
            inbox: Inbox::new(me),
            telling: None,
            outcome: None,
            effects: Vec::new(),
            dropped: Vec::new(),
            talk: None,
            buries: 0,
        }
    }

    fn deliver(&mut self, delivery: Delivery, now: MonoTime) -> Next<u8> {
        self.talk = Some(Talk::Delivering(delivery));
        self.resume(Input::Start, now)
    }

    fn acknowledge(&mut self, to: Member, ack: Vec<u8>) -> Next<u8> {
        self.talk = Some(Talk::Acknowledging);
        Step::Send { slot: to.slot, message: ack }
    }
}

impl Worker for Peer {
    type Key = u8;
    type Choice = Choice;

    fn choices(&self, seen: Seen) -> Vec<Choice> {
        if self.buries > 0 {
            return vec![Choice::IsBuried];
        }
        let resends = self.telling.clone().is_some_and(|mut telling| telling.resend(seen.now).is_some());
        let concludes =
            self.telling.clone().is_some_and(|mut telling| telling.outcome(&self.view, seen.now).is_some());
        [
            (self.broadcasts > 0 && self.telling.is_none(), Choice::Broadcasts),
            (resends, Choice::Resends),
            (concludes, Choice::Concludes),
        ]
        .into_iter()
        .filter_map(|(may, choice)| may.then_some(choice))
        .collect()
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<u8> {
        match choice {
            Choice::Broadcasts => {
                self.broadcasts -= 1;
                let (kind, every) = (self.broadcasts, Duration::from_secs(1));
                let telling =
                    Broadcast::new(&mut self.outbox, kind, vec![], &self.view, now, every, DEADLINE);
                let delivery = telling.delivery();
                self.telling = Some(telling);
                self.deliver(delivery, now)
            }
            Choice::Resends => {
                let delivery = self.telling.as_mut().and_then(|telling| telling.resend(now)).unwrap();
                self.deliver(delivery, now)
            }
            Choice::Concludes => {
                self.outcome = self.telling.take().and_then(|mut telling| telling.outcome(&self.view, now));
                Step::Done(())
            }
            Choice::IsBuried => {
                self.talk = Some(Talk::Burying);
                self.resume(Input::Start, now)
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
            Talk::Acknowledging => {}
            Talk::Burying if self.buries > 0 => {
                self.buries -= 1;
                self.talk = Some(Talk::Burying);
                return Step::Send { slot: self.buries, message: vec![DIED] };
            }
            Talk::Burying => {}
        }
        Step::Done(())
    }

    fn slot(&self) -> Option<u8> {
        (self.buries == 0).then_some(self.me.slot)
    }

    fn receive(&mut self, message: &[u8], _: MonoTime) -> Next<u8> {
        if message == [DIED] {
            self.view = View::of([slot(1), slot(1), slot(3)]);
            self.inbox.forget_gone(&self.view);
            return Step::Done(());
        }
        match self.inbox.receive(message, &self.view) {
            Received::Tell { from, kind, ack, .. } => {
                self.effects.push((from, kind));
                return self.acknowledge(from, ack);
            }
            Received::Again { from, ack } => return self.acknowledge(from, ack),
            Received::Ack { from, id } => {
                if let Some(telling) = &mut self.telling {
                    telling.acknowledge(from, id);
                }
            }
            Received::Dropped(why) => self.dropped.push(why),
            Received::Wake { .. } => unreachable!("nobody wakes"),
        }
        Step::Done(())
    }

    fn done(&self) -> bool {
        self.telling.is_none() && self.broadcasts == 0 && self.buries == 0
    }

    fn crash(&self) -> Option<Self> {
        let me = Member { slot: self.me.slot, epoch: 3 };
        (self.mortal && self.me.epoch == 1).then(|| Self {
            me,
            view: View::of([slot(1), slot(1), slot(3)]),
            outbox: Outbox::new(me),
            inbox: Inbox::new(me),
            buries: 2,
            ..Self::new(self.me.slot, 0)
        })
    }
}

fn effects_happen_once(state: &State<Peer>) -> Verdict {
    for peer in state.workers() {
        let mut effects = peer.effects.clone();
        effects.sort_unstable();
        if effects.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("{:?} has been told twice: {effects:?}", peer.me));
        }
        if peer.dropped.iter().any(|why| !matches!(why, Dropped::NotForMe | Dropped::SenderGone)) {
            return Err(format!("{:?}", peer.dropped));
        }
        let early = peer.outcome.is_some() && state.now() < DEADLINE;
        if early && matches!(peer.outcome, Some(Outcome::Missing(_))) {
            return Err("given up before the deadline".into());
        }
    }
    acknowledged_means_told(state)
}

/// When a broadcast says that all have acknowledged, all who are still there have been told.
fn acknowledged_means_told(state: &State<Peer>) -> Verdict {
    for sender in state.workers() {
        if let Some(Outcome::AllAcknowledged(_)) = sender.outcome {
            let untold = state.workers().find(|peer| {
                peer.me != sender.me
                    && peer.me.epoch == 1
                    && !peer.effects.iter().any(|(from, _)| *from == sender.me)
            });
            if let Some(untold) = untold {
                return Err(format!("{:?} has not been told", untold.me));
            }
        }
    }
    Ok(())
}

#[test]
fn three_broadcasts_at_once_reach_everybody_once() {
    let report = Model::new(vec![Peer::new(0, 1), Peer::new(1, 1), Peer::new(2, 1)])
        .explore(effects_happen_once, |state| {
            let all =
                state.workers().filter(|peer| peer.outcome == Some(Outcome::AllAcknowledged(2))).count();
            if all == 3 { Ok(()) } else { Err(format!("{all} of three broadcasts were acknowledged by all")) }
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 10_000, "{report:?}");
}

#[test]
fn sending_again_has_no_second_effect_and_a_crash_ends_the_waiting() {
    let mortal = Peer { mortal: true, ..Peer::new(2, 0) };
    let report = Model::new(vec![Peer::new(0, 1), Peer::new(1, 0), mortal])
        .crashes(1)
        .clock([RESEND, DEADLINE])
        .explore(effects_happen_once, |_| Ok(()))
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 5_000, "{report:?}");
}

#[test]
fn a_sender_that_crashes_is_answered_by_nobody_who_knows() {
    let mortal = Peer { mortal: true, ..Peer::new(2, 1) };
    let report = Model::new(vec![Peer::new(0, 0), Peer::new(1, 0), mortal])
        .crashes(1)
        .explore(effects_happen_once, |state| {
            let stray = state.workers().any(|peer| peer.me.epoch == 3 && !peer.effects.is_empty());
            if stray { Err("the new owner took a message of the old".into()) } else { Ok(()) }
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > 100, "{report:?}");
}
