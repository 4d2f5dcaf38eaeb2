//! Permits for streams, and streams that wait for one.
//!
//! # How
//!
//! A permit counter is named by configuration and is one shared value; [`Cx::ask`] takes a permit for the stream, or
//! puts the stream into this worker's line. All that may free a permit or change a line settles that line at once:
//! a stream that ends, a wake-up from another worker, a time-out, a member that is gone. What comes of it for *other*
//! streams is kept as a decision until a callback that may act on them ([`crate::root`]).
//!
//! A permit belongs to its stream and is given back exactly once: when it is released, or when the stream ends. Where
//! the store fails, what is owed is paid on a later tick.
//!
//! # Limits
//!
//! A stream waits for one permit at a time. Order between workers is that of [`ballast_core::parking`].

mod counter;

use crate::context::Cx;
use crate::here::Here;
use crate::host::Host;
use crate::services::Services;
use ballast_core::parking::{Attempt, Because, Sent, Settle, Tried, Wake, Woken};
use ballast_core::permits::{Acquire, Acquiring, Release, Releasing};
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::Member;
use core::time::Duration;
use counter::{Counter, Key, stronger};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a stream asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The counter. Named by configuration: nothing a client sends may enter it.
    pub permit: &'a str,
    /// How many permits there are, over all workers.
    pub most: u32,
    /// For how long the stream waits; zero: not at all.
    pub wait: Duration,
    /// How many streams of this worker may wait.
    pub most_waiting: usize,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Asked {
    /// The stream has a permit until it ends.
    Granted,
    /// The stream waits: hold it, and [`crate::Filter::on_permit`] comes.
    Parked,
    /// All permits are taken, and the stream may not wait.
    Full,
    /// This root has no identity, or the store fails: nobody knows whether one is free.
    Unavailable,
}

/// What became of a stream that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It has a permit until it ends.
    Granted,
    /// It has waited too long, and waits no more.
    TimedOut,
}

/// The permits and lines of one root.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    counters: VecMap<Rc<str>, Counter>,
    /// The permits of each stream.
    holding: VecMap<u32, Vec<Rc<str>>>,
    /// What each parked stream waits for.
    waiting: VecMap<u32, Rc<str>>,
    sent: Sent<Rc<str>>,
    me: Option<Member>,
    /// For streams other than the one whose callback runs.
    pub(crate) decided: VecDeque<(u32, Permit)>,
}

impl Parking {
    fn ask<H: Host>(&mut self, here: &mut Here<'_, H>, stream: u32, ask: &Ask<'_>) -> Asked {
        self.become_member(here.me);
        if self.waiting.contains_key(&stream) {
            return Asked::Full;
        }
        let known = self.counters.get_key_value(ask.permit).map(|(name, _)| Rc::clone(name));
        let name = known.unwrap_or_else(|| Rc::from(ask.permit));
        let counter = self.counters.entry(Rc::clone(&name)).or_default();
        counter.most = ask.most;
        if !counter.readopted(here, &name) {
            return Asked::Unavailable;
        }
        let may_wait = !ask.wait.is_zero() && counter.line.len() < ask.most_waiting;
        if !counter.line.is_empty() && !may_wait {
            return Asked::Full;
        }
        if !may_wait {
            return self.try_once(here, stream, &name);
        }
        self.waiting.insert(stream, Rc::clone(&name));
        if counter.line.join(stream, here.now, here.now.after(ask.wait)) {
            self.settle(here, &name, Because::LineChanged);
        }
        match self.decided.iter().position(|(decided, _)| *decided == stream) {
            Some(at) => {
                self.decided.remove(at);
                Asked::Granted
            }
            None => Asked::Parked,
        }
    }

    fn try_once<H: Host>(&mut self, here: &mut Here<'_, H>, stream: u32, name: &Rc<str>) -> Asked {
        let Some(counter) = self.counters.get_mut(name) else { return Asked::Unavailable };
        let mut attempt = attempt(here, name, counter.most);
        match Acquire::<Key>::tried(here.run(&mut attempt)) {
            Tried::Granted => {
                counter.held += 1;
                self.holding.entry(stream).or_default().push(Rc::clone(name));
                Asked::Granted
            }
            Tried::Full => Asked::Full,
            Tried::Unknown => Asked::Unavailable,
        }
    }

    /// Makes a line and the shared list agree with what is free.
    fn settle<H: Host>(&mut self, here: &mut Here<'_, H>, name: &Rc<str>, because: Because) {
        let Some(counter) = self.counters.get_mut(name) else { return };
        let because = stronger(counter.settle.take(), because);
        if !counter.readopted(here, name) {
            counter.settle = Some(because);
            return;
        }
        let attempt = attempt(here, name, counter.most);
        let line = core::mem::take(&mut counter.line);
        let waiters = Key::Waiters(Rc::clone(name));
        let settled =
            here.run(&mut Settle::new(attempt, waiters, here.me, Rc::clone(&here.view), line, because));
        counter.line = settled.line;
        counter.settle = settled.again.then_some(because);
        for stream in settled.admitted {
            counter.held += 1;
            self.waiting.remove(&stream);
            self.holding.entry(stream).or_default().push(Rc::clone(name));
            self.decided.push_back((stream, Permit::Granted));
        }
        if settled.hand_on {
            self.wake(here, name, true);
        }
    }

    /// Wakes whoever has waited longest.
    fn wake<H: Host>(&mut self, here: &mut Here<'_, H>, name: &Rc<str>, except_me: bool) {
        let outbox = ballast_core::bus::Outbox::new(here.me);
        let message = |to| outbox.wake(to, name.as_bytes());
        let mut wake = Wake::new(Key::Waiters(Rc::clone(name)), here.me, Rc::clone(&here.view), message);
        if except_me {
            wake = wake.except_me();
        }
        match here.run(&mut wake) {
            Ok(Woken::Sent(member)) => self.sent.sent(member, Rc::clone(name), here.now),
            Ok(Woken::Own) => self.settle(here, name, Because::Woken),
            Ok(Woken::Nobody) => {}
            // The store failed. The next tick looks again.
            Err(_) => {
                if let Some(counter) = self.counters.get_mut(name) {
                    counter.settle = Some(stronger(counter.settle, Because::SomebodyGone));
                }
            }
        }
    }

    /// A wake-up has come. Of a permit that this root has never asked for, it is handed on.
    pub(crate) fn woken<H: Host>(&mut self, here: &mut Here<'_, H>, permit: &[u8]) {
        self.become_member(here.me);
        let Ok(permit) = core::str::from_utf8(permit) else { return };
        match self.counters.get_key_value(permit).map(|(name, _)| Rc::clone(name)) {
            Some(name) => self.settle(here, &name, Because::Woken),
            None if permit.is_empty() => {}
            None => self.wake(here, &Rc::from(permit), true),
        }
    }

    /// Whether the stream holds or waits for a permit.
    pub(crate) fn concerns(&self, stream: u32) -> bool {
        self.holding.contains_key(&stream) || self.waiting.contains_key(&stream)
    }

    /// A stream has ended: it leaves its line, and what it holds is given back.
    pub(crate) fn ended<H: Host>(&mut self, mut here: Option<Here<'_, H>>, stream: u32) {
        self.decided.retain(|(decided, _)| *decided != stream);
        if let Some(here) = &here {
            self.become_member(here.me);
        }
        if let Some(name) = self.waiting.remove(&stream)
            && let Some(counter) = self.counters.get_mut(&name)
            && counter.line.leave(&stream)
        {
            match &mut here {
                Some(here) => self.settle(here, &name, Because::LineChanged),
                None => counter.settle = Some(stronger(counter.settle, Because::LineChanged)),
            }
        }
        for name in self.holding.remove(&stream).unwrap_or_default() {
            self.give_back(here.as_mut(), &name);
        }
    }

    fn release<H: Host>(&mut self, here: Option<&mut Here<'_, H>>, stream: u32, permit: &str) -> bool {
        if let Some(here) = &here {
            self.become_member(here.me);
        }
        let Some(held) = self.holding.get_mut(&stream) else { return false };
        let Some(at) = held.iter().position(|name| **name == *permit) else { return false };
        let name = held.swap_remove(at);
        if held.is_empty() {
            self.holding.remove(&stream);
        }
        self.give_back(here, &name);
        true
    }

    fn give_back<H: Host>(&mut self, here: Option<&mut Here<'_, H>>, name: &Rc<str>) {
        let Some(counter) = self.counters.get_mut(name) else { return };
        counter.held = counter.held.saturating_sub(1);
        // Without its identity this root holds nothing for others: what is left is added again when it is back.
        if let Some(here) = here
            && counter.readopt.is_none()
        {
            counter.owed += 1;
            self.pay(here, name);
        }
    }

    /// Gives back what is owed, and wakes somebody for each.
    fn pay<H: Host>(&mut self, here: &mut Here<'_, H>, name: &Rc<str>) {
        while let Some(counter) = self.counters.get_mut(name).filter(|counter| counter.owed > 0) {
            let released =
                here.run(&mut Release::new(Key::Holders(Rc::clone(name)), Releasing { me: here.me }));
            let Ok(was_counted) = released else { return };
            counter.owed -= 1;
            // What others gave away when they saw this member die has been settled by them.
            if was_counted {
                self.wake(here, name, false);
            }
        }
    }

    /// Under a new identity nothing is held or listed until it is said again.
    pub(crate) fn become_member(&mut self, me: Member) {
        if self.me != Some(me) {
            let before = self.me.replace(me);
            self.counters.values_mut().for_each(|counter| counter.become_member(before));
        }
    }

    /// Everything that time or others bring about.
    pub(crate) fn tick<H: Host>(&mut self, here: &mut Here<'_, H>, lost_somebody: bool) {
        self.become_member(here.me);
        let lost = self.sent.lost(&here.view, here.now);
        let names: Vec<Rc<str>> = self.counters.keys().cloned().collect();
        for name in &names {
            // Where this fails, the next tick tries again.
            let _ = self.counters.get_mut(name).is_none_or(|counter| counter.readopted(here, name));
            self.pay(here, name);
            let pending = self.counters.get(name).and_then(|counter| counter.settle);
            let gone = lost_somebody || lost.contains(name);
            if let Some(because) = gone.then_some(Because::SomebodyGone).or(pending) {
                self.settle(here, name, because);
            }
            self.expire(here, name);
        }
        // Wake-ups that were only passed on.
        for name in lost {
            if !self.counters.contains_key(&name) {
                self.wake(here, &name, true);
            }
        }
        // Of counters named by keys of requests there may be many: those that nobody here is concerned with are known
        // by the shared value alone.
        self.counters.retain(|_, counter| !counter.is_idle());
    }

    fn expire<H: Host>(&mut self, here: &mut Here<'_, H>, name: &Rc<str>) {
        let Some(counter) = self.counters.get_mut(name) else { return };
        if counter.line.next_expiry().is_none_or(|at| at > here.now) {
            return;
        }
        for stream in counter.line.expire(here.now) {
            self.waiting.remove(&stream);
            self.decided.push_back((stream, Permit::TimedOut));
        }
        self.settle(here, name, Because::LineChanged);
    }

    /// When the next stream has waited too long.
    pub(crate) fn next_due(&self) -> Option<MonoTime> {
        self.counters.values().filter_map(|counter| counter.line.next_expiry()).min()
    }
}

/// Takes one permit.
fn attempt<H: Host>(here: &Here<'_, H>, name: &Rc<str>, most: u32) -> Acquire<Key> {
    let acquiring = Acquiring { me: here.me, most, view: Rc::clone(&here.view) };
    Acquire::new(Key::Holders(Rc::clone(name)), acquiring)
}

impl<H: Host> Cx<'_, H> {
    /// Asks for a permit for this stream, which keeps it until it ends or [releases](Cx::release) it. On
    /// [`Asked::Parked`] return [`crate::Flow::Pause`]. A callback of the root gets [`Asked::Unavailable`].
    pub fn ask(&mut self, ask: &Ask<'_>) -> Asked {
        let Some(stream) = self.stream else { return Asked::Unavailable };
        let Services { membership, queues, scope, parking, keep_reachable, .. } = self.services;
        let Some(mut here) = Here::find(self.host, scope, queues, membership) else {
            return Asked::Unavailable;
        };
        let asked = parking.ask(&mut here, stream, ask);
        *keep_reachable |= parking.concerns(stream);
        if asked == Asked::Parked {
            self.services.adjust_tick(self.host, self.host.now());
        }
        asked
    }

    /// Gives one permit of this stream back before it ends; `false`: it has none of this name.
    pub fn release(&mut self, permit: &str) -> bool {
        let Some(stream) = self.stream else { return false };
        let Services { membership, queues, scope, parking, .. } = self.services;
        let mut here = Here::find(self.host, scope, queues, membership);
        parking.release(here.as_mut(), stream, permit)
    }
}
