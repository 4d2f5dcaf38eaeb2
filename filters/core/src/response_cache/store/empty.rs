//! Emptying places whose entries are gone, so that their memory returns.

use super::record::Record;
use super::shape::Key;
use crate::protocol::{Input, MAX_LOST_SWAPS, Step, Version};
use crate::rewrite::Unfinished;

/// A part of a conversation: overwrites places by nothing, unless they already hold something later.
///
/// The swap is made even where there is nothing: whoever lists an entry and is late to write its bytes finds that the
/// place has changed, and looks again whether the entry still stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Emptying {
    set: u32,
    /// Places, and the stamps of the entries that had them.
    left: Vec<(u8, u64)>,
    lost: u32,
}

impl Emptying {
    pub(super) const fn new(set: u32, left: Vec<(u8, u64)>) -> Self {
        Self { set, left, lost: 0 }
    }

    /// The next step; `Done` when all places are empty.
    pub(super) fn resume(&mut self, input: Input) -> Step<Key, Result<(), Unfinished>> {
        match input {
            Input::Start => {}
            Input::Value { value, version } => {
                if let Some(step) = self.look(value.as_deref(), version) {
                    return step;
                }
                self.left.pop();
            }
            Input::Swapped(true) => {
                self.left.pop();
                self.lost = 0;
            }
            Input::Swapped(false) => {
                self.lost += 1;
                if self.lost >= MAX_LOST_SWAPS {
                    return Step::Done(Err(Unfinished::Contended));
                }
            }
            _ => return Step::Done(Err(Unfinished::Failed)),
        }
        match self.left.last() {
            Some((slot, _)) => Step::Get(Key::Body(self.set, *slot)),
            None => Step::Done(Ok(())),
        }
    }

    fn look(&self, value: Option<&[u8]>, version: Version) -> Option<Step<Key, Result<(), Unfinished>>> {
        let (slot, stamp) = *self.left.last()?;
        let is_later = value.and_then(Record::stamp_of).is_some_and(|found| found > stamp);
        (!is_later).then(|| Step::Swap { key: Key::Body(self.set, slot), version, value: Vec::new() })
    }
}
