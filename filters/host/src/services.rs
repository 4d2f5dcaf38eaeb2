//! What a root keeps for all its streams.

use crate::bus::{Bus, Message, reason};
use crate::context::Cx;
use crate::drive::Scope;
use crate::here::Here;
use crate::host::{Host, StreamId};
use crate::leases::Leases;
use crate::membership::{Changes, Membership};
use crate::metrics::Counter;
use crate::orders::{Ordered, Orders};
use crate::parking::{Parking, Permit};
use crate::plane::Plane;
use crate::queues::Queues;
use crate::reports::{Defined, Reports};
use crate::timers::Timers;
use ballast_core::bus::Outbox;
use ballast_core::config::Logging;
use ballast_core::events::Notebook;
use ballast_core::orders::Parcel;
use ballast_core::slots::Secret;
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::Member;
use core::time::Duration;
use std::cell::RefCell;
use std::collections::VecDeque;

/// A wake-up that is for the filter and not for a permit, none of which is called this.
const NUDGE: &[u8] = &[0];

/// The shared mechanisms, as one root sees them.
#[derive(Debug)]
pub struct Services {
    /// The filter's name.
    pub(crate) filter_name: &'static str,
    /// Where the filter's shared state lives.
    pub(crate) scope: Scope,
    pub(crate) queues: Queues,
    pub(crate) membership: Membership,
    pub(crate) secret: Option<Secret>,
    pub(crate) bus: Bus,
    pub(crate) parking: Parking,
    pub(crate) leases: Leases,
    pub(crate) plane: Plane,
    pub(crate) orders: Orders,
    pub(crate) reports: Reports,
    pub(crate) notebook: Notebook,
    /// Exists from the first event on that was dropped.
    pub(crate) events_dropped: Option<Counter>,
    /// What this root has defined. A metric is defined through a shared borrow of the services.
    pub(crate) metrics: RefCell<Defined>,
    pub(crate) timers: Timers,
    /// The stream that each call under way was made for.
    pub(crate) calls: VecMap<u32, u32>,
    /// Streams that somebody in this VM wakes.
    pub(crate) woken: VecDeque<(u32, u32)>,
    /// Set when the stream whose callback runs must be found again by its number.
    pub(crate) keep_reachable: bool,
    tick_period: Duration,
    /// The own queue holds a message that says that there are errands.
    nudged: bool,
    /// Another member has nudged the filter.
    pub(crate) nudged_by_other: bool,
}

/// A message that the filter must see.
pub(crate) enum Incoming {
    /// A broadcast, with what acknowledges it.
    Told { from: Member, payload: Vec<u8>, ack: Vec<u8> },
    /// An order, which is answered with its result.
    Ordered(Ordered),
}

/// Something to do for a stream in a callback that may act on any.
pub(crate) enum Errand {
    Permit(Permit),
    Wake(u32),
}

impl Services {
    pub(crate) fn new(filter_name: &'static str, namespace: &str, logging: Logging) -> Self {
        Self {
            filter_name,
            scope: Scope::new(filter_name, namespace).logging(logging),
            queues: Queues::default(),
            membership: Membership::default(),
            secret: None,
            bus: Bus::default(),
            parking: Parking::default(),
            leases: Leases::default(),
            plane: Plane::new(filter_name, namespace),
            orders: Orders::default(),
            reports: Reports::new(filter_name, namespace),
            notebook: Notebook::default(),
            events_dropped: None,
            metrics: RefCell::default(),
            timers: Timers::default(),
            calls: VecMap::new(),
            woken: VecDeque::new(),
            keep_reachable: false,
            tick_period: Duration::ZERO,
            nudged: false,
            nudged_by_other: false,
        }
    }

    /// Asks for the tick that what waits needs, if it is not what is set already.
    pub(crate) fn adjust_tick(&mut self, host: &impl Host, now: MonoTime) {
        let period = self.timers.period(now, self.parking.next_due());
        if period != self.tick_period {
            self.tick_period = period;
            host.set_tick_period(period);
        }
    }

    /// A stream has ended, or is being destroyed without having been logged.
    pub(crate) fn forget(&mut self, host: &impl Host, stream: u32) {
        self.timers.forget(stream);
        self.calls.retain(|_, of| *of != stream);
        self.woken.retain(|(woken, _)| *woken != stream);
        if self.parking.concerns(stream) {
            let Self { membership, queues, scope, parking, .. } = self;
            parking.ended(Here::find(host, scope, queues, membership), stream);
        }
    }

    /// The next thing to do for a stream.
    pub(crate) fn next_errand(&mut self) -> Option<(u32, Errand)> {
        let decided =
            self.parking.decided.pop_front().map(|(stream, permit)| (stream, Errand::Permit(permit)));
        decided.or_else(|| self.woken.pop_front().map(|(stream, number)| (stream, Errand::Wake(number))))
    }

    pub(crate) fn errands(&self) -> usize {
        self.parking.decided.len() + self.woken.len()
    }

    /// Has the proxy call this root as soon as the callback is over, if something is to be done for other streams: a
    /// stream's own callback must not, since a reply or a resumption made from there holds *that* stream.
    pub(crate) fn nudge(&mut self, host: &impl Host) {
        if self.errands() == 0 || self.nudged {
            return;
        }
        let Self { membership, queues, scope, .. } = self;
        // Without an identity there is no queue; the next tick does it.
        if let Some(mut here) = Here::find(host, scope, queues, membership) {
            let nudge = Outbox::new(here.me).wake(here.me, b"");
            here.send(here.me.slot, &nudge);
            self.nudged = true;
        }
    }

    /// Beats, and takes in what that brings.
    pub(crate) fn beat(&mut self, host: &impl Host) -> Changes {
        let Self { membership, queues, scope, parking, .. } = self;
        let changes = membership.tick(host, scope, queues);
        if let Some(mut here) = Here::find(host, scope, queues, membership) {
            parking.become_member(here.me);
            if changes.lost_somebody || changes.rejoined {
                parking.tick(&mut here, changes.lost_somebody);
            }
        }
        changes
    }

    /// Empties the own queue up to the next message that the filter must see.
    pub(crate) fn next_message<H: Host>(cx: &mut Cx<'_, H>) -> Option<Incoming> {
        loop {
            let Self { membership, queues, scope, parking, bus, orders, nudged, nudged_by_other, .. } =
                cx.services;
            let bytes = queues.receive(cx.host)?;
            let mut here = Here::find(cx.host, scope, queues, membership)?;
            if Parcel::is_one(&bytes) {
                match orders.receive(&here, &bytes) {
                    Ok(ordered) => return Some(Incoming::Ordered(ordered)),
                    Err(Some(dropped)) => cx.count_dropped(reason(dropped), 1),
                    Err(None) => {}
                }
                continue;
            }
            match bus.receive(&mut here, &bytes) {
                Ok(Message::Told { from, payload, ack }) => {
                    return Some(Incoming::Told { from, payload, ack });
                }
                Ok(Message::Wake { permit }) if permit == NUDGE => *nudged_by_other = true,
                Ok(Message::Wake { permit }) => {
                    *nudged &= !permit.is_empty();
                    parking.woken(&mut here, &permit);
                }
                Err(Some(dropped)) => cx.count_dropped(reason(dropped), 1),
                Err(None) => {}
            }
        }
    }

    /// What is due in the lines and on the bus.
    pub(crate) fn settle(&mut self, host: &impl Host) {
        let Self { membership, queues, scope, parking, bus, orders, .. } = self;
        if let Some(mut here) = Here::find(host, scope, queues, membership) {
            parking.tick(&mut here, false);
            bus.settle(&mut here);
            orders.settle(&here);
        }
    }

    /// Takes and renews leases, and writes what this root is the one to write.
    pub(crate) fn lead(&mut self, host: &impl Host) {
        let Self { membership, queues, scope, leases, plane, .. } = self;
        if let Some(mut here) = Here::find(host, scope, queues, membership) {
            plane.want(leases);
            leases.tick(&mut here);
            plane.write(&here, leases);
        }
    }

    /// The root ends: what it has goes back, so that nobody waits for its expiry.
    pub(crate) fn end(&mut self, host: &impl Host) {
        let Self { membership, queues, scope, leases, .. } = self;
        if membership.is_member()
            && let Some(mut here) = Here::find(host, scope, queues, membership)
        {
            leases.end(&mut here);
        }
        membership.leave(host, scope);
    }
}

impl<H: Host> Cx<'_, H> {
    /// The stream whose callback runs, by which another one of this root can [wake](Cx::wake) it; `None` in
    /// callbacks of the root.
    pub fn stream(&mut self) -> Option<StreamId> {
        self.services.keep_reachable |= self.stream.is_some();
        self.stream.map(StreamId)
    }

    /// The number of the stream whose callback runs, without a promise that it can be found by it.
    pub fn stream_number(&self) -> Option<StreamId> {
        self.stream.map(StreamId)
    }

    /// Has [`crate::Filter::on_nudge`] come at another member, soon. Nothing says whether it did: who is not there is not
    /// nudged.
    pub fn nudge(&mut self, member: Member) {
        let Services { membership, queues, scope, .. } = self.services;
        if let Some(mut here) = Here::find(self.host, scope, queues, membership) {
            let nudge = Outbox::new(here.me).wake(member, NUDGE);
            here.send(member.slot, &nudge);
        }
    }

    /// Has [`crate::Filter::on_wake`] come for a stream of this root, soon and not within this callback. A stream
    /// that has ended is not woken.
    pub fn wake(&mut self, stream: StreamId, number: u32) {
        self.services.woken.push_back((stream.0, number));
    }
}
