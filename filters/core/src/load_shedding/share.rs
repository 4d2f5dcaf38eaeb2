//! How workers take places by a count that all of them add to, and how that count survives the death of one.
//!
//! # Why
//!
//! A number in flight that is one atomic count costs next to nothing, but a VM that crashes never takes back what it added.
//!
//! # How
//!
//! A request that wants a place adds itself, reads, and takes itself back if that is too many: [`Entering`]. So there are never
//! more than allowed, however many race for the last place.
//!
//! Beside the total, each VM slot has a count of its own. Whoever changes the total changes the count of its slot by the same:
//! the total is the sum of the slots' counts, always, but for a pair of changes under way. Two rules keep it right, each run
//! on a tick, and each by moving a difference in both:
//!
//! - The owner of a slot knows how many it has, and makes the count of its slot say that.
//! - One of the members makes the counts of slots that nobody holds say none. The holders of a slot use two counts in turn, so
//!   who does not know yet that there is a new holder does not touch its count.
//!
//! Neither needs to know what happened. Should two run at once and both move the same difference, the sum still holds, and the
//! next tick moves the rest.
//!
//! # Limits
//!
//! What a crashed VM had is counted until its slot is declared dead. One that dies between the two changes of a pair leaves the total
//! off by one: nothing that can fail stands between them. In the moment between a correction and its correction a
//! count may be too low by what was moved twice.

/// A request that wants one of so many places.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entering {
    allowed: u32,
    tries: u32,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Begin,
    Looked,
    Added,
    Counted,
    TakenBack,
    Left,
}

/// What it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Add this to the count.
    Add(i64),
    /// Read the count.
    Read,
    /// It has a place.
    Entered,
    /// There is none.
    Full,
}

impl Entering {
    /// One of `allowed` places, tried so often where others seem to leave one free.
    pub const fn new(allowed: u32, tries: u32) -> Self {
        Self { allowed, tries, at: At::Begin }
    }

    /// The next thing to do. `seen`: what the last read gave, at first one for an earlier request.
    pub const fn next(&mut self, seen: u32) -> Entry {
        let (at, next) = match self.at {
            // Where it was full a moment ago, looking comes before adding and taking back: reading is one call, not five.
            At::Begin if seen >= self.allowed => (At::Looked, Entry::Read),
            At::Looked if seen >= self.allowed => (At::Left, Entry::Full),
            At::Begin | At::Looked => (At::Added, Entry::Add(1)),
            At::Added => (At::Counted, Entry::Read),
            At::Counted if seen <= self.allowed => (At::Counted, Entry::Entered),
            At::Counted => (At::TakenBack, Entry::Add(-1)),
            At::TakenBack => (At::Left, Entry::Read),
            // Two that came at once may both have taken themselves back.
            At::Left if seen < self.allowed && self.tries > 1 => {
                self.tries -= 1;
                (At::Added, Entry::Add(1))
            }
            At::Left => (At::Left, Entry::Full),
        };
        self.at = at;
        next
    }
}

/// By how much the count of a slot and the total must change so that the slot says `actual`. `shown` is what it says, as the
/// proxy keeps it: a number below zero wraps.
pub const fn correction(actual: u32, shown: u64) -> i64 {
    (actual as i64).wrapping_sub(shown.cast_signed())
}

/// A count as the proxy keeps it: below zero, for a moment, it is none.
pub fn count(shown: u64) -> u32 {
    u32::try_from(shown.cast_signed().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_correction_makes_the_slot_say_what_is() {
        for (actual, shown) in [(0, 0), (3, 5), (5, 3), (0, 7), (2, u64::MAX), (0, u64::MAX - 3)] {
            let corrected = shown.wrapping_add_signed(correction(actual, shown));
            assert_eq!(corrected, u64::from(actual), "{shown}");
        }
    }

    #[test]
    fn below_zero_is_none() {
        for (shown, expected) in [(0, 0), (7, 7), (u64::MAX, 0), (u64::MAX - 9, 0), (1 << 40, u32::MAX)] {
            assert_eq!(count(shown), expected);
        }
    }
}
