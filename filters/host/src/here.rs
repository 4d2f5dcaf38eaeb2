//! This root as a member, with all that a conversation of it needs, for the length of one callback.

use crate::drive::{Scope, drive};
use crate::host::Host;
use crate::membership::Membership;
use crate::queues::Queues;
use ballast_core::protocol::Machine;
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, View};
use core::fmt::Display;
use std::rc::Rc;

/// A member and its means.
pub(crate) struct Here<'a, H: Host> {
    pub(crate) host: &'a H,
    pub(crate) scope: &'a Scope,
    queues: &'a mut Queues,
    pub(crate) me: Member,
    pub(crate) view: Rc<View>,
    pub(crate) now: MonoTime,
}

impl<'a, H: Host> Here<'a, H> {
    /// `None`: this root has no identity, and shares nothing until it has one.
    pub(crate) fn find(
        host: &'a H,
        scope: &'a Scope,
        queues: &'a mut Queues,
        membership: &mut Membership,
    ) -> Option<Self> {
        let me = membership.member(host, scope, queues)?;
        Some(Self { host, scope, queues, me, view: membership.shared_view(), now: host.now() })
    }

    /// Runs a conversation to its end.
    pub(crate) fn run<M: Machine<Key: Display + PartialEq>>(&mut self, machine: &mut M) -> M::Output {
        let Self { host, scope, queues, .. } = self;
        drive(*host, scope, machine, |slot, message| queues.send(*host, scope, slot, message))
    }

    /// Puts a message into the queue of a slot. One that has no queue any more needs no message.
    pub(crate) fn send(&mut self, slot: u8, message: &[u8]) {
        self.queues.send(self.host, self.scope, slot, message);
    }
}
