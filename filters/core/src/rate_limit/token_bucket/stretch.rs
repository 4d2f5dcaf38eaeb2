//! Tokens as stretches of a bucket's time line.

use crate::time::MonoTime;

/// Some of a bucket's time line, as far as it lies in the future: tokens that are held and not used up.
///
/// It stands for nanoseconds that end at `end_nanos` and of which the present passes over the first ones first. See
/// the [module](super) for what that means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stretch {
    end_nanos: u64,
    len_nanos: u64,
}

impl Stretch {
    /// Nothing.
    pub const EMPTY: Self = Self { end_nanos: 0, len_nanos: 0 };

    /// The `len_nanos` before `end_nanos`; less if the clock's origin comes first.
    pub(super) fn before(end_nanos: u64, len_nanos: u64) -> Self {
        Self::of(end_nanos, len_nanos.min(end_nanos))
    }

    /// Where it ends, in nanoseconds of the monotonic clock.
    pub(super) const fn end_nanos(self) -> u64 {
        self.end_nanos
    }

    /// How long it was when it was made; see [`Stretch::after`].
    pub(super) const fn len_nanos(self) -> u64 {
        self.len_nanos
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.len_nanos == 0
    }

    /// What the present has not passed over yet.
    #[must_use]
    pub fn after(self, now: MonoTime) -> Self {
        let ahead = self.end_nanos.saturating_sub(now.as_nanos());
        Self::of(self.end_nanos, self.len_nanos.min(ahead))
    }

    /// Nothing beyond `end_nanos`.
    pub(super) fn until(self, end_nanos: u64) -> Self {
        let beyond = self.end_nanos.saturating_sub(end_nanos);
        Self::of(self.end_nanos.min(end_nanos), self.len_nanos.saturating_sub(beyond))
    }

    /// Both as one: the later is pushed down to the end of the earlier. That never keeps more alive than the two.
    #[must_use]
    pub fn join(self, other: Self, now: MonoTime) -> Self {
        let (one, other) = (self.after(now), other.after(now));
        if one.is_empty() {
            return other;
        }
        if other.is_empty() {
            return one;
        }
        let len_nanos = one.len_nanos.saturating_add(other.len_nanos);
        Self { end_nanos: one.start_nanos().min(other.start_nanos()).saturating_add(len_nanos), len_nanos }
    }

    /// Splits off the first `len_nanos`, or all if it is shorter.
    pub(super) fn take_first(&mut self, len_nanos: u64) -> Self {
        let taken = self.len_nanos.min(len_nanos);
        let first = Self::of(self.start_nanos().saturating_add(taken), taken);
        *self = Self::of(self.end_nanos, self.len_nanos.saturating_sub(taken));
        first
    }

    /// Nothing is nothing, wherever it ends.
    const fn of(end_nanos: u64, len_nanos: u64) -> Self {
        if len_nanos == 0 { Self::EMPTY } else { Self { end_nanos, len_nanos } }
    }

    const fn start_nanos(self) -> u64 {
        self.end_nanos.saturating_sub(self.len_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn left(stretch: Stretch, now: u64) -> u64 {
        stretch.after(MonoTime::from_nanos(now)).len_nanos
    }

    #[test]
    fn the_present_passes_over_the_first_nanoseconds_first() {
        let stretch = Stretch::before(100, 30);
        let expected = [(0, 30), (70, 30), (71, 29), (99, 1), (100, 0), (u64::MAX, 0)];
        assert_eq!(expected.map(|(now, _)| (now, left(stretch, now))), expected);
    }

    #[test]
    fn the_first_part_and_the_rest_are_the_whole() {
        let mut rest = Stretch::before(100, 30);
        let first = rest.take_first(10);
        assert_eq!((first, rest), (Stretch::before(80, 10), Stretch::before(100, 20)));
        assert_eq!((rest.take_first(99), rest.is_empty()), (Stretch::before(100, 20), true));
        let mut nothing = Stretch::EMPTY;
        assert!(nothing.take_first(5).is_empty());
    }

    #[test]
    fn joined_they_never_outlive_the_two() {
        let pairs = [(100, 30, 130, 30), (100, 30, 200, 10), (200, 10, 100, 100), (100, 0, 50, 20)];
        for (end, len, other_end, other_len) in pairs {
            let (one, other) = (Stretch::before(end, len), Stretch::before(other_end, other_len));
            for joined_at in [0, 60, 75, 95, 120] {
                let both = one.join(other, MonoTime::from_nanos(joined_at));
                assert_eq!(left(both, joined_at), left(one, joined_at) + left(other, joined_at));
                for now in joined_at..210 {
                    assert!(left(both, now) <= left(one, now) + left(other, now), "{both:?} at {now}");
                }
            }
        }
    }
}
