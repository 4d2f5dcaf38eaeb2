//! Telling all members something, and hearing what they tell.
//!
//! The own queue is emptied whenever the proxy says that it holds something, and on every tick: a wake-up may find it
//! empty, and one may stand for several messages. What a broadcast has come to is known once everybody has
//! acknowledged, is gone, or its time is up; until then it is sent again from tick to tick.

use crate::context::Cx;
use crate::here::Here;
use crate::host::{Host, MetricId};
use crate::services::Services;
use ballast_core::bus::{Broadcast, Dropped, Inbox, Outbox, Outcome, Received};
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::{Member, View};
use core::time::Duration;
use std::collections::VecDeque;

/// After this an unacknowledged message is sent again.
const RESEND_EVERY: Duration = Duration::from_millis(250);
/// The only kind of message: a filter tells its own apart in the payload.
const KIND: u8 = 0;

/// The number of a broadcast, never used twice by one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BroadcastId(u64);

/// What came out of the own queue and is not the bus's own business.
pub(crate) enum Message {
    Told { from: Member, payload: Vec<u8>, ack: Vec<u8> },
    Wake { permit: Vec<u8> },
}

#[derive(Debug, Default)]
pub(crate) struct Bus {
    ends: Option<Ends>,
    open: VecMap<BroadcastId, Broadcast>,
    begun: u64,
    done: VecDeque<(BroadcastId, Outcome)>,
    dropped: VecMap<&'static str, MetricId>,
}

/// Both ends of the bus belong to one identity.
#[derive(Debug)]
struct Ends {
    me: Member,
    outbox: Outbox,
    inbox: Inbox,
}

impl Bus {
    /// The ends of this identity. What was begun under an earlier one cannot be acknowledged any more: it ends.
    fn ends(&mut self, me: Member, view: &View) -> &mut Ends {
        if self.ends.as_ref().is_none_or(|ends| ends.me != me) {
            for (id, mut broadcast) in core::mem::take(&mut self.open) {
                let outcome = broadcast.outcome(view, MonoTime::FAR_FUTURE);
                self.done.extend(outcome.map(|outcome| (id, outcome)));
            }
            self.ends = None;
        }
        self.ends.get_or_insert_with(|| Ends { me, outbox: Outbox::new(me), inbox: Inbox::new(me) })
    }

    fn broadcast<H: Host>(
        &mut self,
        here: &mut Here<'_, H>,
        payload: Vec<u8>,
        within: Duration,
    ) -> BroadcastId {
        let (now, view) = (here.now, here.view.clone());
        let outbox = &mut self.ends(here.me, &view).outbox;
        let broadcast = Broadcast::new(outbox, KIND, payload, &view, now, RESEND_EVERY, now.after(within));
        // Whom it could not be sent to gets it with the next delivery.
        here.run(&mut broadcast.delivery());
        self.begun += 1;
        let id = BroadcastId(self.begun);
        self.open.insert(id, broadcast);
        id
    }

    /// Takes in a message of the own queue.
    pub(crate) fn receive<H: Host>(
        &mut self,
        here: &mut Here<'_, H>,
        bytes: &[u8],
    ) -> Result<Message, Option<Dropped>> {
        let view = here.view.clone();
        match self.ends(here.me, &view).inbox.receive(bytes, &view) {
            Received::Tell { from, payload, ack, .. } => return Ok(Message::Told { from, payload, ack }),
            Received::Wake { permit } => return Ok(Message::Wake { permit }),
            Received::Again { from, ack } => here.send(from.slot, &ack),
            Received::Ack { from, id } => {
                self.open.values_mut().for_each(|broadcast| broadcast.acknowledge(from, id));
            }
            Received::Dropped(why) => return Err(Some(why)),
        }
        Err(None)
    }

    /// Ends what is certain, and sends the rest again where it is time to.
    pub(crate) fn settle<H: Host>(&mut self, here: &mut Here<'_, H>) {
        let view = here.view.clone();
        self.ends(here.me, &view).inbox.forget_gone(&view);
        let done = &mut self.done;
        self.open.retain(|id, broadcast| match broadcast.outcome(&view, here.now) {
            Some(outcome) => {
                done.push_back((*id, outcome));
                false
            }
            None => {
                if let Some(mut delivery) = broadcast.resend(here.now) {
                    here.run(&mut delivery);
                }
                true
            }
        });
    }

    pub(crate) fn next_done(&mut self) -> Option<(BroadcastId, Outcome)> {
        self.done.pop_front()
    }
}

impl<H: Host> Cx<'_, H> {
    /// Tells all other members of this filter and namespace: each gets it exactly once in
    /// [`crate::Filter::on_message`], and what came of it comes to [`crate::Filter::on_broadcast_done`]. After
    /// `within` it is given up. `None`: this root has no identity, so nothing was sent.
    ///
    /// Members are those who have joined by now, this root itself left out; who joins later starts from shared data.
    pub fn broadcast(&mut self, payload: Vec<u8>, within: Duration) -> Option<BroadcastId> {
        let now = self.host.now();
        let Services { membership, queues, scope, bus, .. } = self.services;
        // As of now and not as of the last second: who has joined since must hear it, too.
        membership.refresh(self.host, scope, now);
        let mut here = Here::find(self.host, scope, queues, membership)?;
        Some(bus.broadcast(&mut here, payload, within))
    }

    /// Counts messages that had no effect. The counter exists from the first of them on.
    pub(crate) fn count_dropped(&mut self, reason: &'static str, count: usize) {
        if count == 0 {
            return;
        }
        let known = self.services.bus.dropped.get(reason).copied();
        let metric = known.or_else(|| {
            let counter = self.counter("messages_dropped", &[("reason", reason)]).ok()?;
            Some(*self.services.bus.dropped.entry(reason).or_insert(counter.0))
        });
        if let (Some(metric), Ok(offset)) = (metric, i64::try_from(count)) {
            self.host.increment(metric, offset);
        }
    }
}

/// The label's value for a reason.
pub(crate) const fn reason(dropped: Dropped) -> &'static str {
    match dropped {
        Dropped::Unreadable => "unreadable",
        Dropped::NotForMe => "not_for_me",
        Dropped::SenderGone => "sender_gone",
        Dropped::Forgotten => "forgotten",
    }
}
