//! Taking charges back: refunds, released permits, tokens that were held in advance and not used.

use super::SetKey;
use super::algorithm::{Algorithm, Charge};
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::slots::Fingerprint;
use crate::time::MonoTime;

/// One charge and where it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UndoItem<'a> {
    /// The set that was charged.
    pub key: SetKey<'a>,
    /// The client within it.
    pub client: Fingerprint,
    /// The limit's algorithm.
    pub algorithm: Algorithm,
    /// What was charged.
    pub charge: Charge,
}

/// The conversation that takes charges back, one after the other.
///
/// Ends with those that could not be: the store failed, or was contended for too long. Try them again later; meanwhile
/// they count, which errs on the side of the limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Undo<'a> {
    items: Vec<UndoItem<'a>>,
    now: MonoTime,
    at: usize,
    lost: u32,
    stored: i64,
    stored_next: i64,
    failed: Vec<UndoItem<'a>>,
}

/// What taking back came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Undone<'a> {
    /// By how much the number of stored entries has changed.
    pub stored: i64,
    /// What could not be taken back.
    pub failed: Vec<UndoItem<'a>>,
}

impl<'a> Undo<'a> {
    /// Takes `items` back at `now`.
    pub const fn new(items: Vec<UndoItem<'a>>, now: MonoTime) -> Self {
        Self { items, now, at: 0, lost: 0, stored: 0, stored_next: 0, failed: Vec::new() }
    }

    fn current(&self) -> Option<UndoItem<'a>> {
        self.items.get(self.at).copied()
    }

    /// Reads the set of the current item, or ends.
    fn read(&mut self) -> Step<SetKey<'a>, Undone<'a>> {
        match self.current() {
            Some(item) => Step::Get(item.key),
            None => Step::Done(Undone { stored: self.stored, failed: core::mem::take(&mut self.failed) }),
        }
    }

    fn next(&mut self) -> Step<SetKey<'a>, Undone<'a>> {
        (self.at, self.lost) = (self.at + 1, 0);
        self.read()
    }

    fn give_up(&mut self) -> Step<SetKey<'a>, Undone<'a>> {
        self.failed.extend(self.current());
        self.next()
    }

    fn write(&mut self, bytes: Option<&[u8]>, version: Version) -> Step<SetKey<'a>, Undone<'a>> {
        let Some(item) = self.current() else { return self.read() };
        match item.algorithm.undo(bytes, item.client, item.charge, self.now) {
            Some((value, put)) => {
                self.stored_next = put.stored;
                Step::Swap { key: item.key, version, value }
            }
            None => self.next(),
        }
    }
}

impl<'a> Machine for Undo<'a> {
    type Key = SetKey<'a>;
    type Output = Undone<'a>;

    fn resume(&mut self, input: Input) -> Step<SetKey<'a>, Undone<'a>> {
        match input {
            Input::Start => self.read(),
            Input::Value { value, version } => self.write(value.as_deref(), version),
            Input::Swapped(true) => {
                self.stored = self.stored.saturating_add(self.stored_next);
                self.next()
            }
            Input::Swapped(false) => {
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS { self.give_up() } else { self.read() }
            }
            Input::Sent(_) | Input::Failed => self.give_up(),
        }
    }
}
