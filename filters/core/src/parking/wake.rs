//! Waking whoever has waited longest.

use super::Waiters;
use crate::protocol::{Input, Machine, Step};
use crate::rewrite::Unfinished;
use crate::vms::{Member, View};
use std::rc::Rc;

/// Looks who has waited longest and sends it a wake-up. Run after every release of a permit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wake<K, F> {
    waiters: K,
    me: Member,
    view: Rc<View>,
    message: F,
    found: Option<Waiters>,
    tried: Vec<Member>,
}

/// What came of a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Woken {
    /// It is on its way to this member.
    Sent(Member),
    /// The own line has waited longest: settle it.
    Own,
    /// Nobody waits.
    Nobody,
}

impl<K, F> Wake<K, F> {
    /// Wakes whoever is listed in the value of `waiters`. `message` makes the wake-up for a receiver: a message of
    /// the bus that says for which permit it is.
    pub const fn new(waiters: K, me: Member, view: Rc<View>, message: F) -> Self {
        Self { waiters, me, view, message, found: None, tried: Vec::new() }
    }

    /// Wakes somebody else: `me` has nothing to wake.
    #[must_use]
    pub fn except_me(mut self) -> Self {
        self.tried.push(self.me);
        self
    }
}

impl<K: Clone, F: Fn(Member) -> Vec<u8>> Wake<K, F> {
    fn next(&mut self) -> Step<K, Result<Woken, Unfinished>> {
        let Some(waiters) = &self.found else { return Step::Done(Err(Unfinished::Failed)) };
        match waiters.longest(&self.view, &self.tried) {
            None => Step::Done(Ok(Woken::Nobody)),
            Some(me) if me == self.me => Step::Done(Ok(Woken::Own)),
            Some(member) => {
                self.tried.push(member);
                Step::Send { slot: member.slot, message: (self.message)(member) }
            }
        }
    }
}

impl<K: Clone, F: Fn(Member) -> Vec<u8>> Machine for Wake<K, F> {
    type Key = K;
    type Output = Result<Woken, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<K, Self::Output> {
        match (input, self.tried.last()) {
            (Input::Start, _) => Step::Get(self.waiters.clone()),
            (Input::Value { value, .. }, _) => {
                self.found = Some(Waiters::read(value.as_deref()));
                self.next()
            }
            (Input::Sent(true), Some(member)) => Step::Done(Ok(Woken::Sent(*member))),
            // A slot without a queue: its member is only just joining, or was never there.
            (Input::Sent(false), Some(_)) => self.next(),
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}
