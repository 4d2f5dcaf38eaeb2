//! The conversation of one request with the store.
//!
//! Look up; if there is nothing, take the lock and look once more (whoever had it may have stored in between); if
//! another has it, wait and begin again. Whatever fails ends it: the request is fetched as if there were no store.

use super::board::Board;
use super::log::Subject;
use super::record::{Content, Record, Refused};
use super::{base_key, lock_key, variant_key};
use crate::response_cache::head::Head;
use crate::response_cache::key::{Target, variant_of};
use crate::response_cache::rules::{Fields, Now, Vary};
use crate::time::MonoTime;
use core::time::Duration;

/// How long the waits are between two looks for what another fetches: each half as long again as the one before.
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest of them.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The value of this key: resumed with [`Heard::Value`].
    Get(String),
    /// The lock of this key: resumed with [`Heard::Locked`].
    Lock(String),
    /// Time: resumed with [`Heard::Waited`].
    Wait(Duration),
    /// Nothing more.
    Done(Found),
}

/// What came of an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The search begins.
    Start,
    /// What lies under the key, if anything.
    Value(Option<&'a [u8]>),
    /// Whether the lock is this search's.
    Locked(bool),
    /// The time is over.
    Waited,
    /// The store did not answer.
    Failed,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An answer that may be used.
    Answer {
        /// What tells it from others of its key.
        variant: Vec<u8>,
        /// Its head, with its age as of now.
        head: Box<Head<'static>>,
        /// Its body, as the client gets it.
        body: Vec<u8>,
        /// Whether this search has the lock, which is now of no use.
        has_lock: bool,
    },
    /// Nothing: it is to be fetched.
    Nothing {
        /// Whether this search has the lock, and must give it back.
        has_lock: bool,
        /// Whether it has waited for another's lock for as long as it may.
        gave_up: bool,
    },
}

/// What a request wants, and what is known when it is resumed.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The whole primary key.
    pub primary: &'a [u8],
    /// What the request is for.
    pub target: &'a Target,
    /// Its fields.
    pub request: Fields<'a>,
    /// What the process knows of purges, read after the store of the process was asked for its ticket.
    pub board: &'a Board,
    /// The clocks.
    pub now: Now,
}

/// One search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    base: String,
    /// Until when it waits for who has the lock; `None`: it does not ask for it.
    lock_until: Option<MonoTime>,
    has_lock: bool,
    pause: Duration,
    state: State,
    refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Base,
    Variant,
    Locking,
    Waiting,
}

/// What a record comes to.
enum Judged {
    Found(Found),
    Elsewhere(Vec<u8>),
    Nobody,
    Refused(Refused),
}

impl Search {
    /// A search for a key. `lock_until`: it takes the lock if there is nothing, and waits so long for whoever has it;
    /// `None`: without locks.
    pub fn new(primary: &[u8], target: &Target, lock_until: Option<MonoTime>) -> Self {
        Self {
            base: base_key(primary, &target.overrides),
            lock_until,
            has_lock: false,
            pause: SHORTEST_PAUSE,
            state: State::Base,
            refused: None,
        }
    }

    /// Why the last record that was read is not used.
    pub fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// The key of what is searched.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether it has the lock.
    pub const fn has_lock(&self) -> bool {
        self.has_lock
    }

    /// Goes on.
    pub fn resume(&mut self, heard: Heard<'_>, wish: &Wish<'_>) -> Ask {
        match (heard, self.state) {
            (Heard::Start, _) | (Heard::Waited, State::Waiting) => self.look(),
            (Heard::Value(value), State::Base | State::Variant) => self.read(value, wish),
            (Heard::Locked(true), State::Locking) => {
                self.has_lock = true;
                self.look()
            }
            (Heard::Locked(false), State::Locking) => self.wait(wish.now.mono),
            _ => self.nothing(false),
        }
    }

    fn look(&mut self) -> Ask {
        self.state = State::Base;
        Ask::Get(self.base.clone())
    }

    const fn nothing(&self, gave_up: bool) -> Ask {
        Ask::Done(Found::Nothing { has_lock: self.has_lock, gave_up })
    }

    fn wait(&mut self, now: MonoTime) -> Ask {
        let left = self.lock_until.map_or(Duration::ZERO, |until| until.since(now));
        if left.is_zero() {
            return self.nothing(true);
        }
        self.state = State::Waiting;
        let pause = self.pause.min(left).max(Duration::from_millis(1));
        self.pause = (self.pause + self.pause / 2).min(LONGEST_PAUSE);
        Ask::Wait(pause)
    }

    fn read(&mut self, value: Option<&[u8]>, wish: &Wish<'_>) -> Ask {
        let Some(value) = value else { return self.missed() };
        match self.judge(value, wish) {
            Judged::Found(found) => Ask::Done(found),
            Judged::Elsewhere(variant) => {
                self.state = State::Variant;
                Ask::Get(variant_key(wish.primary, &variant))
            }
            Judged::Nobody => self.nothing(false),
            Judged::Refused(refused) => {
                self.refused = Some(refused);
                self.missed()
            }
        }
    }

    fn missed(&mut self) -> Ask {
        if self.has_lock || self.lock_until.is_none() {
            return self.nothing(false);
        }
        self.state = State::Locking;
        Ask::Lock(lock_key(&self.base))
    }

    fn judge(&self, value: &[u8], wish: &Wish<'_>) -> Judged {
        let Some(record) = Record::decode(value) else { return Judged::Refused(Refused::Damaged) };
        if record.primary != wish.primary {
            return Judged::Refused(Refused::OtherKey);
        }
        let elapsed = match record.elapsed(wish.now.wall) {
            Ok(elapsed) => elapsed,
            Err(refused) => return Judged::Refused(refused),
        };
        let mut subject =
            Subject { url: &wish.target.url, origin: wish.target.origin(), ..Subject::default() };
        if let Content::Answer(answer) = &record.content {
            let Some(tags) = answer.tags() else { return Judged::Refused(Refused::Damaged) };
            subject.tags = tags;
        }
        let board = wish.board;
        let own = board.pending();
        let is_stale = match (&record.content, record.outlives(&board.log, &own, &subject)) {
            // What answers vary by is no answer.
            (Content::Varies(_), _) => false,
            (_, Ok(is_stale)) => is_stale,
            (_, Err(refused)) => return Judged::Refused(refused),
        };
        match &record.content {
            Content::Uncacheable if is_stale => Judged::Refused(Refused::Purged),
            Content::Uncacheable => Judged::Nobody,
            Content::Varies(names) => {
                let vary = Vary::from_names(names.iter().map(|name| (*name).to_owned()));
                match variant_of(wish.request, wish.target, &vary) {
                    Some(variant) if self.state == State::Base => Judged::Elsewhere(variant),
                    _ => Judged::Refused(Refused::OtherKey),
                }
            }
            Content::Answer(answer) => {
                let Some((head, body)) = answer.unpack(elapsed, is_stale, wish.now) else {
                    return Judged::Refused(Refused::Damaged);
                };
                if variant_of(wish.request, wish.target, &head.vary()).as_deref() != Some(answer.variant) {
                    return Judged::Refused(Refused::OtherKey);
                }
                if !is_usable(&head, wish.now) {
                    return Judged::Refused(if is_stale { Refused::Purged } else { Refused::Expired });
                }
                let (variant, head) = (answer.variant.to_vec(), Box::new(head));
                Judged::Found(Found::Answer { variant, head, body, has_lock: self.has_lock })
            }
        }
    }
}

/// Fresh, or stale and allowed to be used while it is fetched anew: all else must be asked for anyway.
fn is_usable(head: &Head<'_>, now: Now) -> bool {
    let stored = &head.stored;
    let while_stale = if stored.terms.is_forbidden { Duration::ZERO } else { stored.terms.while_revalidate };
    !stored.always_validate && (stored.is_fresh(now) || stored.staleness(now) < while_stale)
}

#[cfg(test)]
mod tests;
