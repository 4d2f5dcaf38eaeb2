//! Orders to and from other filters.
//!
//! An order goes into the queues of another filter's members; answers come into the own queue. What an order has come to is
//! known once everybody has answered, is gone, or its time is up; until then it is sent again from tick to tick.

use crate::context::Cx;
use crate::drive::{Scope, drive};
use crate::here::Here;
use crate::host::Host;
use crate::queues::Queues;
use crate::services::Services;
use ballast_core::bus::{Delivery, Dropped};
use ballast_core::orders::{Address, Audience, Dispatch, Inbox, Order, Outcome, Received, Refusal};
use ballast_core::time::MonoTime;
use ballast_core::vms::{BEAT_EVERY, Member, Refresh, View};
use core::time::Duration;
use std::collections::VecDeque;

/// The number of an order, never used twice by one root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderId(u64);

/// An order to execute.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// What is to be done.
    pub order: Order,
    /// Whether this root does what is done once for all.
    pub leads: bool,
    /// When it was given. Of two that contradict each other the later counts.
    pub issued: MonoTime,
    reply_to: Address,
    from: Member,
    id: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Orders {
    begun: u64,
    open: Vec<(OrderId, Open)>,
    done: VecDeque<(OrderId, Outcome)>,
    inbox: Option<Inbox>,
    /// Few: each is a lookup in a list.
    peers: Vec<(Address, Peer)>,
}

/// An order of this root, of the identity that it was given under.
#[derive(Debug)]
struct Open {
    by: Member,
    target: Address,
    dispatch: Dispatch,
}

/// The members of another filter and namespace, or of this one.
#[derive(Debug)]
struct Peer {
    scope: Scope,
    queues: Queues,
    view: View,
    looked_at: Option<MonoTime>,
}

impl Peer {
    fn new(address: &Address) -> Self {
        let scope = Scope::new(&address.filter, &address.namespace);
        Self { scope, queues: Queues::default(), view: View::default(), looked_at: None }
    }

    /// Looks who is there, at most once in `every`.
    fn look<H: Host>(&mut self, here: &Here<'_, H>, every: Duration) {
        if self.looked_at.is_some_and(|at| here.now.since(at) < every) {
            return;
        }
        self.looked_at = Some(here.now);
        let me = (self.scope == *here.scope).then_some(here.me);
        // A view that cannot be refreshed stays as it was: it lags, which is allowed.
        if let Ok(refreshed) = drive(here.host, &self.scope, &mut Refresh::new(me, here.now), |_, _| false) {
            self.view = refreshed.view;
        }
    }

    fn deliver(&mut self, host: &impl Host, mut delivery: Delivery) {
        let Self { scope, queues, .. } = self;
        // Whom it could not be sent to gets it with the next delivery.
        drive(host, scope, &mut delivery, |slot, message| queues.send(host, scope, slot, message));
    }
}

/// Acts on the members at an address.
fn with_peer<T>(peers: &mut Vec<(Address, Peer)>, address: &Address, act: impl FnOnce(&mut Peer) -> T) -> T {
    let known = peers.iter().position(|(known, _)| known == address);
    let known = known.map(|at| peers.swap_remove(at));
    let (address, mut peer) = known.unwrap_or_else(|| (address.clone(), Peer::new(address)));
    let done = act(&mut peer);
    peers.push((address, peer));
    done
}

impl Orders {
    /// What was begun under an earlier identity cannot be answered any more: it ends.
    fn become_member(&mut self, me: Member) -> &mut Inbox {
        if self.inbox.as_ref().is_some_and(|inbox| inbox.me() != me) {
            self.inbox = None;
            for (id, mut open) in core::mem::take(&mut self.open) {
                let outcome = open.dispatch.outcome(&View::default(), MonoTime::FAR_FUTURE);
                self.done.extend(outcome.map(|outcome| (id, outcome)));
            }
        }
        self.inbox.get_or_insert_with(|| Inbox::new(me))
    }

    fn begin<H: Host>(
        &mut self,
        here: &Here<'_, H>,
        (own, target): (Address, Address),
        audience: Audience,
        order: Order,
        within: Duration,
    ) -> OrderId {
        self.become_member(here.me);
        self.begun += 1;
        let (id, now) = (OrderId(self.begun), here.now);
        let dispatch = with_peer(&mut self.peers, &target, |peer| {
            // As of now and not as of the last second: who has joined since must hear it, too.
            peer.look(here, Duration::ZERO);
            let deadline = now.after(within);
            let dispatch = Dispatch::new(id.0, here.me, own, order, audience, &peer.view, now, deadline);
            peer.deliver(here.host, dispatch.delivery());
            dispatch
        });
        self.open.push((id, Open { by: here.me, target, dispatch }));
        id
    }

    /// Takes in a parcel of the own queue: an order to execute, or nothing more to do.
    pub(crate) fn receive<H: Host>(
        &mut self,
        here: &Here<'_, H>,
        bytes: &[u8],
    ) -> Result<Ordered, Option<Dropped>> {
        match self.become_member(here.me).receive(bytes) {
            Received::Order { order, leads, issued, reply_to, from, id } => {
                return Ok(Ordered { order, leads, issued, reply_to, from, id });
            }
            Received::Again { reply_to, from, answer } => self.send(here.host, &reply_to, from, &answer),
            Received::Answer { from, id, result } => {
                let open = self.open.iter_mut().find(|(open, _)| *open == OrderId(id));
                if let Some((_, open)) = open.filter(|(_, open)| open.by == here.me) {
                    open.dispatch.answered(from, id, result);
                }
            }
            Received::Dropped(why) => return Err(Some(why)),
        }
        Err(None)
    }

    /// Sends what came of an order.
    pub(crate) fn answer(&mut self, host: &impl Host, ordered: &Ordered, result: Result<Vec<u8>, Refusal>) {
        let Ordered { reply_to, from, id, .. } = ordered;
        let Some(inbox) = &mut self.inbox else { return };
        let answer = inbox.answer(reply_to, *from, *id, result);
        self.send(host, reply_to, *from, &answer);
    }

    fn send(&mut self, host: &impl Host, to: &Address, member: Member, answer: &[u8]) {
        // Who has no queue any more waits for nothing.
        with_peer(&mut self.peers, to, |peer| peer.queues.send(host, &peer.scope, member.slot, answer));
    }

    /// Ends what is certain, and sends the rest again where it is time to.
    pub(crate) fn settle<H: Host>(&mut self, here: &Here<'_, H>) {
        if self.open.is_empty() {
            return;
        }
        self.become_member(here.me);
        let Self { open, done, peers, .. } = self;
        open.retain_mut(|(id, Open { target, dispatch, .. })| {
            let outcome = with_peer(peers, target, |peer| {
                peer.look(here, BEAT_EVERY);
                let outcome = dispatch.outcome(&peer.view, here.now);
                if outcome.is_none()
                    && let Some(delivery) = dispatch.resend(here.now)
                {
                    peer.deliver(here.host, delivery);
                }
                outcome
            });
            let is_open = outcome.is_none();
            done.extend(outcome.map(|outcome| (*id, outcome)));
            is_open
        });
    }

    pub(crate) fn next_done(&mut self) -> Option<(OrderId, Outcome)> {
        self.done.pop_front()
    }
}

impl<H: Host> Cx<'_, H> {
    /// Has the members of a filter and namespace execute an order: each that is told gets it once in
    /// [`crate::Filter::on_order`], and what came of it comes to [`crate::Filter::on_order_done`]. After `within` it is given up.
    /// `None`: this root has no identity, so nothing was sent.
    pub fn order(
        &mut self,
        filter: &str,
        namespace: &str,
        audience: Audience,
        order: Order,
        within: Duration,
    ) -> Option<OrderId> {
        let Services { membership, queues, scope, orders, filter_name, .. } = self.services;
        let here = Here::find(self.host, scope, queues, membership)?;
        let address = |filter: &str, namespace: &str| Address {
            filter: filter.to_owned(),
            namespace: namespace.to_owned(),
        };
        let addresses = (address(filter_name, scope.namespace()), address(filter, namespace));
        Some(orders.begin(&here, addresses, audience, order, within))
    }
}
