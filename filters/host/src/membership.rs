//! This root's place in the registry of its filter and namespace.
//!
//! A root joins in its first tick, or when a request needs an identity before that. It never joins while it is configured: that also
//! happens for configurations that are refused.

use crate::drive::{Scope, drive};
use crate::host::Host;
use crate::queues::Queues;
use ballast_core::protocol::Machine;
use ballast_core::time::MonoTime;
use ballast_core::vms::{BEAT_EVERY, Beat, Join, Leave, Member, Pulse, Refresh, View};
use core::fmt::Display;
use std::rc::Rc;

/// What became known in a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// This root was declared dead and has a new identity: it must add again what it holds.
    pub(crate) rejoined: bool,
    /// Somebody is gone: what they held can be had.
    pub(crate) lost_somebody: bool,
}

/// This root's identity, and what it knows of the others.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    me: Option<Member>,
    /// Declared dead, and not yet back.
    must_rejoin: bool,
    /// A refresh has found somebody gone, and no tick has said so yet.
    lost_somebody: bool,
    /// Messages for earlier owners of the own queue, not yet counted.
    pub(crate) dropped: usize,
    view: Rc<View>,
    last_try: Option<MonoTime>,
    last_beat: MonoTime,
}

impl Membership {
    pub(crate) const fn view(&self) -> &Rc<View> {
        &self.view
    }

    pub(crate) fn shared_view(&self) -> Rc<View> {
        Rc::clone(&self.view)
    }

    pub(crate) const fn is_member(&self) -> bool {
        self.me.is_some()
    }

    /// The identity, joining if there is none; at most one try a second.
    pub(crate) fn member(&mut self, host: &impl Host, scope: &Scope, queues: &mut Queues) -> Option<Member> {
        if self.me.is_none() {
            let now = host.now();
            if self.last_try.is_none_or(|last| now.since(last) >= BEAT_EVERY) {
                self.last_try = Some(now);
                self.join(host, scope, queues, now);
            }
        }
        self.me
    }

    fn join(&mut self, host: &impl Host, scope: &Scope, queues: &mut Queues, now: MonoTime) {
        if let Ok(me) = run(host, scope, &mut Join::new(now)) {
            self.me = Some(me);
            self.last_beat = now;
            self.dropped += queues.own(host, scope, me.slot);
            self.refresh(host, scope, now);
        }
    }

    /// Looks around. What is found is said in the next tick.
    pub(crate) fn refresh(&mut self, host: &impl Host, scope: &Scope, now: MonoTime) {
        // A view that cannot be refreshed stays as it was: it lags, which is allowed.
        if let Ok(refreshed) = run(host, scope, &mut Refresh::new(self.me, now)) {
            let earlier = core::mem::replace(&mut self.view, Rc::new(refreshed.view));
            self.lost_somebody |= self.view.lost_somebody_since(&earlier);
        }
    }

    /// Beats and looks around once a second.
    pub(crate) fn tick(&mut self, host: &impl Host, scope: &Scope, queues: &mut Queues) -> Changes {
        let now = host.now();
        match self.me {
            Some(me) if now.since(self.last_beat) >= BEAT_EVERY => {
                self.last_beat = now;
                if run(host, scope, &mut Beat::new(me, now)) == Ok(Pulse::Rejoin) {
                    self.me = None;
                    self.must_rejoin = true;
                    self.last_try = None;
                } else {
                    self.refresh(host, scope, now);
                }
            }
            _ => {}
        }
        let joined = self.member(host, scope, queues).is_some();
        // A request may have joined again before this tick: it is said here all the same.
        let rejoined = joined && core::mem::take(&mut self.must_rejoin);
        Changes { rejoined, lost_somebody: core::mem::take(&mut self.lost_somebody) }
    }

    /// Gives the slot back.
    pub(crate) fn leave(&mut self, host: &impl Host, scope: &Scope) {
        if let Some(me) = self.me.take() {
            // Whether it was still ours makes no difference any more.
            let _ = run(host, scope, &mut Leave::new(me, host.now()));
        }
    }
}

/// Runs a conversation that sends nothing.
fn run<M: Machine<Key: Display + PartialEq>>(host: &impl Host, scope: &Scope, machine: &mut M) -> M::Output {
    drive(host, scope, machine, |_, _| false)
}
