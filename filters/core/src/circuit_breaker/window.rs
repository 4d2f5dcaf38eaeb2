//! The window: what the last calls came to.
//!
//! # How
//!
//! Either a time window, a ring of buckets of equal width whose borders are the same for all workers since they are
//! cut from one clock, or a count window, a ring of the last calls with two bits each. Both hold the same three
//! numbers, [`Counts`]: how many calls, how many of them failed, how many were slow. A slow call counts as slow
//! whether it succeeded or failed.
//!
//! # Limits
//!
//! A time window forgets a whole bucket at a time, so it is between `size` less one bucket and `size` long.

use crate::time::{MonoTime, nanos};
use crate::wire::{Reader, Writer};
use core::time::Duration;
use std::collections::VecDeque;

/// The most buckets of a time window.
pub const MOST_BUCKETS: u8 = 60;
/// The most calls of a count window.
pub const MOST_CALLS: u16 = 1_000;

/// What a window is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// So many buckets of a width.
    Time {
        /// How long one bucket is, in nanoseconds: at least 1.
        width_nanos: u64,
        /// How many there are: 1 to [`MOST_BUCKETS`].
        buckets: u8,
    },
    /// The last so many calls.
    Count {
        /// How many: 1 to [`MOST_CALLS`].
        size: u16,
    },
}

/// What a window has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// All calls.
    pub total: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that were slow.
    pub slow: u32,
}

/// One call, as a window counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Call {
    /// It failed.
    pub failed: bool,
    /// It was slow.
    pub slow: bool,
}

/// The last calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    shape: Shape,
    ring: Ring,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Ring {
    /// Buckets that are not empty, the oldest first, each with its number.
    Buckets(VecDeque<(u64, Counts)>),
    /// The last calls, the oldest first.
    Calls { calls: VecDeque<Call>, counts: Counts, last: MonoTime },
}

impl Shape {
    /// The number of the bucket that a time falls into; always zero for a count window.
    pub fn bucket_at(self, now: MonoTime) -> u64 {
        match self {
            Self::Time { width_nanos, .. } => now.as_nanos() / width_nanos.max(1),
            Self::Count { .. } => 0,
        }
    }

    /// When the bucket ends that a time falls into; never for a count window.
    pub fn bucket_end(self, now: MonoTime) -> MonoTime {
        match self {
            Self::Time { width_nanos, .. } => {
                MonoTime::from_nanos((self.bucket_at(now) + 1).saturating_mul(width_nanos.max(1)))
            }
            Self::Count { .. } => MonoTime::FAR_FUTURE,
        }
    }
}

impl Counts {
    fn add(&mut self, call: Call, times: u32) {
        self.total = self.total.saturating_add(times);
        if call.failed {
            self.failed = self.failed.saturating_add(times);
        }
        if call.slow {
            self.slow = self.slow.saturating_add(times);
        }
    }

    fn remove(&mut self, call: Call) {
        self.total = self.total.saturating_sub(1);
        self.failed = self.failed.saturating_sub(call.failed.into());
        self.slow = self.slow.saturating_sub(call.slow.into());
    }
}

impl Window {
    /// A window in which nothing has been counted.
    pub fn new(shape: Shape) -> Self {
        let ring = match shape {
            Shape::Time { .. } => Ring::Buckets(VecDeque::new()),
            Shape::Count { .. } => {
                Ring::Calls { calls: VecDeque::new(), counts: Counts::default(), last: MonoTime::ZERO }
            }
        };
        Self { shape, ring }
    }

    /// What it is like.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Counts the same kind of call so many times.
    pub fn record(&mut self, call: Call, times: u32, now: MonoTime) {
        let bucket = self.shape.bucket_at(now);
        self.record_in(bucket, call, times, now);
    }

    /// Counts calls in the newest bucket there is: they came since it was last written and before a later bucket was.
    pub fn record_in_newest(&mut self, call: Call, times: u32, now: MonoTime) {
        let newest = match &self.ring {
            Ring::Buckets(buckets) => buckets.back().map(|(id, _)| *id),
            Ring::Calls { .. } => None,
        };
        let bucket = newest.unwrap_or_else(|| self.shape.bucket_at(now));
        self.record_in(bucket, call, times, now);
    }

    fn record_in(&mut self, bucket: u64, call: Call, times: u32, now: MonoTime) {
        if times == 0 {
            return;
        }
        match (&mut self.ring, self.shape) {
            (Ring::Buckets(buckets), _) => {
                // Another worker's clock may have been read a little later: its bucket takes this call, too.
                match buckets.back_mut().filter(|(id, _)| *id >= bucket) {
                    Some((_, counts)) => counts.add(call, times),
                    None => {
                        let mut counts = Counts::default();
                        counts.add(call, times);
                        buckets.push_back((bucket, counts));
                    }
                }
            }
            (Ring::Calls { calls, counts, last }, Shape::Count { size }) => {
                for _ in 0..times.min(size.into()) {
                    if calls.len() >= usize::from(size)
                        && let Some(oldest) = calls.pop_front()
                    {
                        counts.remove(oldest);
                    }
                    calls.push_back(call);
                    counts.add(call, 1);
                }
                *last = now.max(*last);
            }
            (Ring::Calls { .. }, Shape::Time { .. }) => {}
        }
        self.forget_old(now);
    }

    fn forget_old(&mut self, now: MonoTime) {
        if let (Ring::Buckets(buckets), Shape::Time { buckets: most, .. }) = (&mut self.ring, self.shape) {
            let current = self.shape.bucket_at(now);
            while buckets.front().is_some_and(|(id, _)| id.saturating_add(most.into()) <= current) {
                buckets.pop_front();
            }
        }
    }

    /// What it holds at `now`.
    pub fn counts(&self, now: MonoTime) -> Counts {
        match (&self.ring, self.shape) {
            (Ring::Buckets(buckets), Shape::Time { buckets: most, .. }) => {
                let current = self.shape.bucket_at(now);
                let live = buckets.iter().filter(|(id, _)| id.saturating_add(most.into()) > current);
                live.fold(Counts::default(), |sum, (_, counts)| Counts {
                    total: sum.total.saturating_add(counts.total),
                    failed: sum.failed.saturating_add(counts.failed),
                    slow: sum.slow.saturating_add(counts.slow),
                })
            }
            (Ring::Calls { counts, .. }, _) => *counts,
            (Ring::Buckets(_), Shape::Count { .. }) => Counts::default(),
        }
    }

    /// From when on it holds nothing, if nothing comes: a time window when its newest bucket has left it, a count
    /// window when nothing was counted for `idle`.
    pub fn empty_at(&self, idle: Duration) -> MonoTime {
        match (&self.ring, self.shape) {
            (Ring::Buckets(list), Shape::Time { width_nanos, buckets }) => {
                let past = |(id, _): &(u64, Counts)| id.saturating_add(buckets.into());
                MonoTime::from_nanos(list.back().map_or(0, past).saturating_mul(width_nanos))
            }
            (Ring::Calls { calls, last, .. }, _) if !calls.is_empty() => last.after(idle),
            _ => MonoTime::ZERO,
        }
    }

    /// When its newest bucket began; the origin for a count window.
    pub(super) fn newest_start(&self) -> MonoTime {
        match (&self.ring, self.shape) {
            (Ring::Buckets(list), Shape::Time { width_nanos, .. }) => {
                MonoTime::from_nanos(list.back().map_or(0, |(id, _)| id.saturating_mul(width_nanos)))
            }
            _ => MonoTime::ZERO,
        }
    }

    /// Whether anything in it failed or was slow, however old it is.
    pub(super) fn has_faults(&self) -> bool {
        let faulty = |counts: &Counts| counts.failed > 0 || counts.slow > 0;
        match &self.ring {
            Ring::Buckets(list) => list.iter().any(|(_, counts)| faulty(counts)),
            Ring::Calls { counts, .. } => faulty(counts),
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        match (&self.ring, self.shape) {
            (Ring::Buckets(list), Shape::Time { width_nanos, buckets }) => {
                writer.u8(1);
                writer.u64(width_nanos);
                writer.u8(buckets);
                writer.u8(u8::try_from(list.len()).unwrap_or(u8::MAX));
                for (id, counts) in list {
                    writer.u64(*id);
                    writer.u32(counts.total);
                    writer.u32(counts.failed);
                    writer.u32(counts.slow);
                }
            }
            (Ring::Calls { calls, last, .. }, Shape::Count { size }) => {
                writer.u8(2);
                writer.u16(size);
                writer.u64(last.as_nanos());
                writer.u16(u16::try_from(calls.len()).unwrap_or(u16::MAX));
                let (front, back) = calls.as_slices();
                let all: Vec<Call> = front.iter().chain(back).copied().collect();
                for four in all.chunks(4) {
                    let bits = |call: &Call| u8::from(call.failed) | (u8::from(call.slow) << 1);
                    writer.u8(four.iter().rev().fold(0, |byte, call| (byte << 2) | bits(call)));
                }
            }
            // No such window can be made; what cannot be read is absent.
            _ => writer.u8(0),
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.u8()? {
            1 => {
                let shape = Shape::Time { width_nanos: reader.u64()?, buckets: reader.u8()? };
                let mut list: VecDeque<(u64, Counts)> = VecDeque::new();
                for _ in 0..reader.u8()? {
                    let id = reader.u64()?;
                    let counts = Counts { total: reader.u32()?, failed: reader.u32()?, slow: reader.u32()? };
                    let in_order = list.back().is_none_or(|(last, _)| *last < id);
                    (in_order && counts.failed <= counts.total && counts.slow <= counts.total)
                        .then_some(())?;
                    list.push_back((id, counts));
                }
                let fits = matches!(shape, Shape::Time { width_nanos, buckets }
                    if width_nanos > 0 && (1..=MOST_BUCKETS).contains(&buckets));
                fits.then_some(Self { shape, ring: Ring::Buckets(list) })
            }
            2 => {
                let (size, last) = (reader.u16()?, MonoTime::from_nanos(reader.u64()?));
                let length = reader.u16()?;
                if !(1..=MOST_CALLS).contains(&size) || length > size {
                    return None;
                }
                let bytes = reader.raw(usize::from(length).div_ceil(4))?;
                let mut counts = Counts::default();
                let calls = (0..usize::from(length)).map(|at| {
                    let byte = bytes.get(at / 4).copied().unwrap_or_default() >> (2 * (at % 4));
                    Call { failed: byte & 1 != 0, slow: byte & 2 != 0 }
                });
                let calls: VecDeque<Call> = calls.collect();
                calls.iter().for_each(|call| counts.add(*call, 1));
                Some(Self { shape: Shape::Count { size }, ring: Ring::Calls { calls, counts, last } })
            }
            _ => None,
        }
    }
}

/// The shape of a time window of so many buckets; `None`: no buckets, too many, or shorter than a nanosecond each.
pub fn time_window(size: Duration, buckets: u8) -> Option<Shape> {
    let width_nanos = nanos(size) / u64::from(buckets.max(1));
    ((1..=MOST_BUCKETS).contains(&buckets) && width_nanos > 0).then_some(Shape::Time { width_nanos, buckets })
}

#[cfg(test)]
mod tests;
