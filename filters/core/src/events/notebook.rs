//! What one root has noted and not yet added to the ring.

use super::Event;
use crate::time::MonoTime;

/// How many events a root may note at once after a quiet time.
pub const BURST: u32 = 32;
/// How many more it may note each second.
pub const PER_SECOND: u32 = 4;

const NANOS_EACH: u64 = 1_000_000_000 / PER_SECOND as u64;

/// A bounded list of events, and how fast it may grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Notebook {
    events: Vec<Event>,
    /// When the allowance is back at its full burst.
    full_at: MonoTime,
    dropped: u64,
}

impl Notebook {
    /// Notes an event, unless there are too many.
    pub fn note(&mut self, event: Event) {
        let now = event.at;
        let used = u64::try_from(self.full_at.since(now).as_nanos()).unwrap_or(u64::MAX).div_ceil(NANOS_EACH);
        if used >= u64::from(BURST) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.full_at = self.full_at.max(now).after(core::time::Duration::from_nanos(NANOS_EACH));
        self.events.push(event);
    }

    /// Takes what was noted.
    pub fn take(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// How many events were dropped since this was asked last.
    pub const fn take_dropped(&mut self) -> u64 {
        core::mem::replace(&mut self.dropped, 0)
    }

    /// These could not be added to the ring.
    pub const fn lost(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn note(notebook: &mut Notebook, millis: u64, count: usize) -> usize {
        for _ in 0..count {
            notebook.note(Event { at: MonoTime::from_millis(millis), ..Event::default() });
        }
        notebook.take().len()
    }

    #[test]
    fn a_burst_is_noted_and_then_some_each_second_whatever_comes() {
        let mut notebook = Notebook::default();
        for (millis, comes, noted) in [(1_000, 100, 32), (1_100, 5, 0), (2_000, 100, 4), (60_000, 100, 32)] {
            assert_eq!(note(&mut notebook, millis, comes), noted, "at {millis}");
        }
        assert_eq!(notebook.take_dropped(), 68 + 5 + 96 + 68);
        notebook.lost(3);
        assert_eq!((notebook.take_dropped(), notebook.take_dropped()), (3, 0));
    }
}
