//! The two conversations of a request with its breaker.
//!
//! [`Admit`] asks one entry of the slot table, and swaps it where that lets a probe through or opens the breaker
//! anew. [`Record`] reads the entry and swaps in what the outcome makes of it; where that opens the breaker it goes on
//! the [watch list](super::watch) first, and where that closes it, it comes off the list afterwards.

use super::breaker::{self, Admission, Asker, Breaker, Change, Outcome, Recorded, StateName};
use super::policy::Policy;
use super::watch::{Delist, Enlist, Entry};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::random::SplitMix;
use crate::rewrite::{Edit, Edited, Rewrite, Unfinished};
use crate::slots::{Fingerprint, Put, Set, Table};
use crate::time::MonoTime;
use crate::vms::{Member, View};
use core::fmt;
use std::rc::Rc;

/// The key of a shared value of one rule. Its text says the rule's name, since that outlives a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The rule's name.
    pub rule: Rc<str>,
    /// Which of its values.
    pub what: What,
}

/// One of the shared values of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A set of the slot table.
    Set(u32),
    /// Which breakers are not closed.
    Watch,
    /// What an operator has ordered.
    Order,
    /// The last changes of state.
    History,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Set(set) => write!(f, "breaker/{}/{set}", self.rule),
            What::Watch => write!(f, "watch/{}", self.rule),
            What::Order => write!(f, "order/{}", self.rule),
            What::History => write!(f, "history/{}", self.rule),
        }
    }
}

/// Which breaker, and by which numbers it is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The rule's name.
    pub rule: Rc<str>,
    /// The number of its set.
    pub set: u32,
    /// Its entry in the set.
    pub fingerprint: Fingerprint,
    /// Its numbers.
    pub policy: Rc<Policy>,
    /// When an operator closed all breakers of the rule; the origin if none ever did.
    pub reset_at: MonoTime,
}

impl Subject {
    /// A breaker of a rule's table.
    pub fn new(rule: &Rc<str>, table: Table, fingerprint: Fingerprint, policy: &Rc<Policy>) -> Self {
        let (rule, policy) = (Rc::clone(rule), Rc::clone(policy));
        Self { rule, set: table.set_of(fingerprint), fingerprint, policy, reset_at: MonoTime::ZERO }
    }

    /// The key of its set.
    pub fn set_key(&self) -> Key {
        Key { rule: Rc::clone(&self.rule), what: What::Set(self.set) }
    }

    /// The key of its rule's watch list.
    pub fn watch_key(&self) -> Key {
        Key { rule: Rc::clone(&self.rule), what: What::Watch }
    }

    /// The breaker in the bytes of its set, as it is now; `None`: nothing is known of it, so it is closed.
    pub fn read(&self, bytes: Option<&[u8]>, now: MonoTime) -> Option<Breaker> {
        self.find(&Set::read(bytes), now)
    }

    fn find(&self, set: &Set<Breaker>, now: MonoTime) -> Option<Breaker> {
        set.get(self.fingerprint)?.clone().checked(&self.policy, self.reset_at, now)
    }

    /// Jitter is no secret: what tells two proxies and two breakers apart is enough.
    fn random(&self, now: MonoTime) -> SplitMix {
        let folded = u64::try_from(self.fingerprint.0 >> 64).unwrap_or(0);
        SplitMix::new(folded ^ now.as_nanos())
    }
}

/// The conversation that asks whether a request passes.
pub type Admit = Rewrite<Key, Admitting>;

/// Asks whether a request passes. See [`Admit`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admitting {
    /// Which breaker.
    pub subject: Subject,
    /// What the clock shows.
    pub now: MonoTime,
    /// Who asks; without an identity it gets no probe.
    pub me: Option<Member>,
    /// Who is gone.
    pub view: Rc<View>,
}

/// What a request is told, and what that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Admitted {
    /// Whether it passes.
    pub admission: Admission,
    /// The change of state, if there was one.
    pub change: Option<Change>,
    /// Since when the breaker is closed, if it is: the origin if nothing is known of it.
    pub closed_since: Option<MonoTime>,
}

impl Admitting {
    /// The conversation.
    pub fn converse(self) -> Admit {
        Rewrite::new(self.subject.set_key(), self)
    }
}

impl Edit for Admitting {
    type Output = Admitted;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Admitted> {
        let Self { subject, now, me, view } = self;
        let mut set = Set::<Breaker>::read(old);
        let breaker = subject.find(&set, *now);
        let asker = Asker { me: *me, view };
        let mut random = subject.random(*now);
        let (new, admission, change) =
            breaker::admit(&subject.policy, breaker.as_ref(), asker, *now, &mut random);
        let closed_since = (admission == Admission::Pass)
            .then(|| breaker.as_ref().map_or(subject.reset_at, |breaker| breaker.since));
        let admitted = Admitted { admission, change, closed_since };
        match new {
            None => Edited::Keep(admitted),
            Some(new) => {
                set.put(subject.fingerprint, new, *now);
                Edited::Replace(set.encode(), admitted)
            }
        }
    }
}

/// Closes one breaker by an operator's word. Ends with the change, if it was not closed: then it is to come off the
/// [watch list](super::watch), too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Closing {
    /// Which breaker.
    pub subject: Subject,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Closing {
    /// The conversation.
    pub fn converse(self) -> Rewrite<Key, Self> {
        Rewrite::new(self.subject.set_key(), self)
    }
}

impl Edit for Closing {
    type Output = Option<Change>;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Option<Change>> {
        let Self { subject, now } = self;
        let mut set = Set::<Breaker>::read(old);
        let Some(breaker) = subject.find(&set, *now) else { return Edited::Keep(None) };
        let (closed, change) = breaker.closed_by_order(&subject.policy, *now);
        set.put(subject.fingerprint, closed, *now);
        Edited::Replace(set.encode(), change)
    }
}

/// What recording came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Noted {
    /// The change of state, if there was one.
    pub change: Option<Change>,
    /// The outcome is of a state that has ended, and was dropped.
    pub late: bool,
    /// What a closed breaker knows now: its counts, and since when it is closed.
    pub closed: Option<(super::window::Counts, MonoTime)>,
    /// What it held when it opened on calls.
    pub evidence: Option<super::window::Counts>,
    /// What this did to the set.
    pub put: Put,
}

/// The conversation that records an outcome. Ends with what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    subject: Subject,
    outcome: Outcome,
    now: MonoTime,
    lost: u32,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// The set is being read.
    Reading,
    /// The breaker goes on the list; then the set is swapped.
    Enlisting(Rewrite<Key, Enlist>, Version, Vec<u8>, Noted),
    /// The set is being swapped.
    Swapping(Noted),
    /// The breaker comes off the list.
    Delisting(Rewrite<Key, Delist>, Noted),
}

type Told = Result<Noted, Unfinished>;

impl Record {
    /// Records an outcome at `now`.
    pub const fn new(subject: Subject, outcome: Outcome, now: MonoTime) -> Self {
        Self { subject, outcome, now, lost: 0, phase: Phase::Reading }
    }

    fn decide(&mut self, old: Option<&[u8]>, version: Version) -> Step<Key, Told> {
        let Self { subject, outcome, now, .. } = self;
        let mut set = Set::<Breaker>::read(old);
        let breaker = subject.find(&set, *now);
        let mut random = subject.random(*now);
        let Recorded { breaker, change, late, counts } =
            breaker::record(&subject.policy, breaker.as_ref(), outcome, *now, &mut random);
        let mut noted = Noted { change, late, ..Noted::default() };
        let Some(breaker) = breaker else { return Step::Done(Ok(noted)) };
        match change {
            None => noted.closed = counts.map(|counts| (counts, breaker.since)),
            Some(_) => noted.evidence = counts,
        }
        noted.put = set.put(subject.fingerprint, breaker, *now);
        let value = set.encode();
        match change.filter(|change| change.to == StateName::Open) {
            None => self.swap(version, value, noted),
            Some(Change { at, until, cause, .. }) => {
                let entry = Entry { fingerprint: subject.fingerprint, since: at, until, cause };
                let enlist = Rewrite::new(subject.watch_key(), Enlist(entry));
                self.phase = Phase::Enlisting(enlist, version, value, noted);
                self.resume(Input::Start)
            }
        }
    }

    fn swap(&mut self, version: Version, value: Vec<u8>, noted: Noted) -> Step<Key, Told> {
        self.phase = Phase::Swapping(noted);
        Step::Swap { key: self.subject.set_key(), version, value }
    }

    fn swapped(&mut self, noted: Noted) -> Step<Key, Told> {
        match noted.change.filter(|change| change.to == StateName::Closed) {
            None => Step::Done(Ok(noted)),
            Some(change) => {
                let fingerprint = self.subject.fingerprint;
                let delist = Delist { fingerprint, closed_since: change.at };
                self.phase = Phase::Delisting(Rewrite::new(self.subject.watch_key(), delist), noted);
                self.resume(Input::Start)
            }
        }
    }
}

impl Machine for Record {
    type Key = Key;
    type Output = Told;

    fn resume(&mut self, input: Input) -> Step<Key, Told> {
        match (core::mem::replace(&mut self.phase, Phase::Reading), input) {
            (Phase::Reading, Input::Start) => Step::Get(self.subject.set_key()),
            (Phase::Reading, Input::Value { value, version }) => self.decide(value.as_deref(), version),
            (Phase::Enlisting(mut enlist, version, value, noted), input) => match enlist.resume(input) {
                Step::Done(Ok(())) => self.swap(version, value, noted),
                Step::Done(Err(unfinished)) => Step::Done(Err(unfinished)),
                Step::Get(key) => {
                    self.phase = Phase::Enlisting(enlist, version, value, noted);
                    Step::Get(key)
                }
                Step::Swap { key, version: of_list, value: list } => {
                    self.phase = Phase::Enlisting(enlist, version, value, noted);
                    Step::Swap { key, version: of_list, value: list }
                }
                Step::Send { .. } => Step::Done(Err(Unfinished::Failed)),
            },
            (Phase::Swapping(noted), Input::Swapped(true)) => self.swapped(noted),
            (Phase::Swapping(_), Input::Swapped(false)) => {
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS {
                    return Step::Done(Err(Unfinished::Contended));
                }
                Step::Get(self.subject.set_key())
            }
            (Phase::Delisting(mut delist, noted), input) => match delist.resume(input) {
                // The breaker is closed. What is left on the list is found stale by the next request.
                Step::Done(_) | Step::Send { .. } => Step::Done(Ok(noted)),
                step @ (Step::Get(_) | Step::Swap { .. }) => {
                    self.phase = Phase::Delisting(delist, noted);
                    match step {
                        Step::Swap { key, version, value } => Step::Swap { key, version, value },
                        _ => Step::Get(self.subject.watch_key()),
                    }
                }
            },
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}
