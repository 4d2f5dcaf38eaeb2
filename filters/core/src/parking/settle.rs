//! Making a line and the shared list agree with what is free.

use super::{Line, Waiters};
use crate::protocol::{Input, Machine, Step};
use crate::rewrite::{Edit, Edited, Rewrite, Unfinished};
use crate::time::MonoTime;
use crate::vms::{Member, View};
use std::rc::Rc;

/// A conversation that takes one permit, such as [`Acquire`](crate::permits::Acquire).
pub trait Attempt: Machine + Clone {
    /// What its output says.
    fn tried(output: Self::Output) -> Tried;
}

/// What an attempt to take a permit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tried {
    /// One was free.
    Granted,
    /// All are taken; whoever gives one back will wake somebody.
    Full,
    /// It is not known, since the store failed or is contended: settle again on the next tick.
    Unknown,
}

impl<K: Clone> Attempt for crate::permits::Acquire<K> {
    fn tried(output: Self::Output) -> Tried {
        match output {
            Ok(Ok(_)) => Tried::Granted,
            Ok(Err(_)) => Tried::Full,
            Err(_) => Tried::Unknown,
        }
    }
}

/// Why a line is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Because {
    /// Its head has changed, this worker joined again, or the last settling asked for another.
    LineChanged,
    /// A wake-up arrived, or the own line was found to have waited longest.
    Woken,
    /// The view has lost somebody, who may have held a permit or been sent a wake-up.
    SomebodyGone,
}

/// Takes permits for the requests of a line until there are none, and lists it if somebody still waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settle<A: Machine, R> {
    attempt: A,
    waiters: A::Key,
    me: Member,
    view: Rc<View>,
    line: Line<R>,
    because: Because,
    admitted: Vec<R>,
    unsure: bool,
    at: At<A, Rewrite<A::Key, List>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum At<A, L> {
    Start,
    Trying(A),
    Listing(L),
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settled<R> {
    /// The line, with those who still wait.
    pub line: Line<R>,
    /// Who has a permit now, in order.
    pub admitted: Vec<R>,
    /// A permit may be free that nobody here needs: hand the wake-up on by [`Wake`](super::Wake), except to oneself.
    pub hand_on: bool,
    /// The store failed: settle again on the next tick.
    pub again: bool,
}

impl<A: Attempt, R> Settle<A, R>
where
    A::Key: Clone,
{
    /// Settles `line`, whose requests each need what `attempt` takes.
    pub const fn new(
        attempt: A,
        waiters: A::Key,
        me: Member,
        view: Rc<View>,
        line: Line<R>,
        because: Because,
    ) -> Self {
        Self { attempt, waiters, me, view, line, because, admitted: Vec::new(), unsure: false, at: At::Start }
    }

    fn attempt(&mut self) -> Step<A::Key, Settled<R>> {
        if self.line.is_empty() {
            return self.list();
        }
        let mut attempt = self.attempt.clone();
        let step = attempt.resume(Input::Start);
        self.after_trying(attempt, step)
    }

    fn after_trying(&mut self, attempt: A, step: Step<A::Key, A::Output>) -> Step<A::Key, Settled<R>> {
        self.at = At::Trying(attempt);
        match step {
            Step::Get(key) => Step::Get(key),
            Step::Swap { key, version, value } => Step::Swap { key, version, value },
            Step::Send { slot, message } => Step::Send { slot, message },
            Step::Done(output) => match A::tried(output) {
                Tried::Granted => {
                    self.admitted.extend(self.line.admit());
                    self.attempt()
                }
                Tried::Full => self.list(),
                Tried::Unknown => {
                    self.unsure = true;
                    self.list()
                }
            },
        }
    }

    fn list(&mut self) -> Step<A::Key, Settled<R>> {
        let since = self.line.since();
        if since.is_none() && !self.line.is_listed() {
            return self.end();
        }
        let edit = List { me: self.me, since, view: self.view.clone() };
        let mut list = Rewrite::new(self.waiters.clone(), edit);
        let step = list.resume(Input::Start);
        self.after_listing(list, step)
    }

    fn after_listing(
        &mut self,
        list: Rewrite<A::Key, List>,
        step: Step<A::Key, Result<bool, Unfinished>>,
    ) -> Step<A::Key, Settled<R>> {
        self.at = At::Listing(list);
        match step {
            Step::Get(key) => Step::Get(key),
            Step::Swap { key, version, value } => Step::Swap { key, version, value },
            Step::Send { slot, message } => Step::Send { slot, message },
            Step::Done(Ok(newly_listed)) => {
                self.line.set_listed(!self.line.is_empty());
                // What was freed before this worker was on the list was freed without a wake-up for it.
                if newly_listed && !self.unsure { self.attempt() } else { self.end() }
            }
            Step::Done(Err(_)) => {
                self.unsure = true;
                self.end()
            }
        }
    }

    fn end(&mut self) -> Step<A::Key, Settled<R>> {
        let admitted = core::mem::take(&mut self.admitted);
        let unused = match self.because {
            Because::LineChanged => false,
            Because::Woken => admitted.is_empty(),
            // A wake-up that was lost with the gone is not the one that has just been used, if one was.
            Because::SomebodyGone => true,
        };
        let hand_on = unused && self.line.is_empty();
        Step::Done(Settled { line: core::mem::take(&mut self.line), admitted, hand_on, again: self.unsure })
    }
}

impl<A: Attempt, R> Machine for Settle<A, R>
where
    A::Key: Clone,
{
    type Key = A::Key;
    type Output = Settled<R>;

    fn resume(&mut self, input: Input) -> Step<A::Key, Settled<R>> {
        match core::mem::replace(&mut self.at, At::Start) {
            At::Start => self.attempt(),
            At::Trying(mut attempt) => {
                let step = attempt.resume(input);
                self.after_trying(attempt, step)
            }
            At::Listing(mut list) => {
                let step = list.resume(input);
                self.after_listing(list, step)
            }
        }
    }
}

/// Makes the shared list say since when `me`'s line waits. Ends with whether that put `me` on the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct List {
    me: Member,
    since: Option<MonoTime>,
    view: Rc<View>,
}

impl Edit for List {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        let mut waiters = Waiters::read(old);
        let before = waiters.clone();
        let newly_listed = waiters.set(self.me, self.since, &self.view);
        if waiters == before {
            Edited::Keep(newly_listed)
        } else {
            Edited::Replace(waiters.encode(), newly_listed)
        }
    }
}
