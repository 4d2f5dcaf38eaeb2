//! Latencies of a window, as a histogram.
//!
//! # How
//!
//! Buckets grow by an eighth of their octave, so a percentile is off by 6% at the most, and the histograms of several
//! workers add up to one. A window also knows how many requests were in flight when its samples began.
//!
//! # Limits
//!
//! Latencies below 64 us count as that, those above 137 s as that.

use crate::time::nanos;
use crate::vec_map::VecMap;
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// The smallest latency that is told apart, as a power of two of nanoseconds.
const FIRST_OCTAVE: u32 = 16;
/// How many octaves there are.
const OCTAVES: u32 = 21;
/// Buckets of an octave, as a power of two.
const STEPS_LOG2: u32 = 3;
/// How many buckets there are.
const BUCKETS: u8 = 168;

/// What one window has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    buckets: VecMap<u8, u32>,
    count: u32,
    drops: u32,
    left: u32,
    nanos: u64,
    in_flight: u64,
    most_in_flight: u32,
}

impl Samples {
    /// A request that was answered in time, with what was in flight when it was let through, itself included.
    pub fn success(&mut self, latency: Duration, in_flight: u32) {
        self.count = self.count.saturating_add(1);
        let slot = self.buckets.entry(bucket_of(latency)).or_default();
        *slot = slot.saturating_add(1);
        self.nanos = self.nanos.saturating_add(nanos(latency));
        self.in_flight = self.in_flight.saturating_add(in_flight.into());
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    /// A request whose client left after having waited for so long: its answer would have taken longer.
    pub fn left(&mut self, waited: Duration, in_flight: u32) {
        self.left = self.left.saturating_add(1);
        self.success(waited, in_flight);
    }

    /// A request that the upstream dropped: timed out, reset, or turned away.
    pub fn drop(&mut self, in_flight: u32) {
        self.drops = self.drops.saturating_add(1);
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    /// So many were in flight, whatever became of them.
    pub fn saw(&mut self, in_flight: u32) {
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    /// Adds what another worker has seen.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            let slot = self.buckets.entry(*bucket).or_default();
            *slot = slot.saturating_add(*count);
        }
        self.count = self.count.saturating_add(other.count);
        self.drops = self.drops.saturating_add(other.drops);
        self.left = self.left.saturating_add(other.left);
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        self.most_in_flight = self.most_in_flight.max(other.most_in_flight);
    }

    /// Of how many the client left.
    pub const fn clients_left(&self) -> u32 {
        self.left
    }

    /// How many requests were answered in time, or would have taken longer than their clients waited.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many were dropped.
    pub const fn drops(&self) -> u32 {
        self.drops
    }

    /// Answered and dropped together.
    pub const fn total(&self) -> u32 {
        self.count.saturating_add(self.drops)
    }

    /// The most that were in flight at once.
    pub const fn most_in_flight(&self) -> u32 {
        self.most_in_flight
    }

    /// How many were in flight on average when a sample began; zero without samples.
    pub fn mean_in_flight(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.in_flight as f64 / f64::from(self.count) }
    }

    /// The mean latency of the answered requests; `None` without any.
    pub fn mean(&self) -> Option<Duration> {
        self.nanos.checked_div(self.count.into()).map(Duration::from_nanos)
    }

    /// The latency that this share of the answered requests (0 to 1) did not exceed; `None` without any.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let rank = (f64::from(self.count) * share).ceil().max(1.0);
        let mut seen = 0.0;
        for (bucket, count) in &self.buckets {
            let count = f64::from(*count);
            if seen + count >= rank {
                return Some(within(*bucket, (rank - 0.5 - seen) / count));
            }
            seen += count;
        }
        self.buckets.last_key_value().map(|(bucket, _)| within(*bucket, 1.0))
    }

    /// Appends the window.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.count);
        writer.u32(self.drops);
        writer.u32(self.left);
        writer.u64(self.nanos);
        writer.u64(self.in_flight);
        writer.u32(self.most_in_flight);
        writer.u8(u8::try_from(self.buckets.len()).unwrap_or(u8::MAX));
        for (bucket, count) in &self.buckets {
            writer.u8(*bucket);
            writer.u32(*count);
        }
    }

    /// Reads one window.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (count, drops, left) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let nanos = reader.u64()?;
        let (in_flight, most_in_flight) = (reader.u64()?, reader.u32()?);
        let length = reader.u8()?;
        let mut buckets = VecMap::new();
        for _ in 0..length {
            let bucket = reader.u8()?;
            if bucket >= BUCKETS || buckets.last_key_value().is_some_and(|(last, _)| *last >= bucket) {
                return None;
            }
            buckets.insert(bucket, reader.u32()?);
        }
        Some(Self { buckets, count, drops, left, nanos, in_flight, most_in_flight })
    }
}

/// The bucket of a latency.
fn bucket_of(latency: Duration) -> u8 {
    let most = (1_u64 << (FIRST_OCTAVE + OCTAVES)) - 1;
    let nanos = nanos(latency).clamp(1 << FIRST_OCTAVE, most);
    let octave = nanos.ilog2();
    let step = (nanos >> (octave - STEPS_LOG2)) & ((1 << STEPS_LOG2) - 1);
    let bucket = u64::from(octave - FIRST_OCTAVE) * (1 << STEPS_LOG2) + step;
    u8::try_from(bucket).unwrap_or(BUCKETS - 1)
}

/// The latency at a place (0 to 1) in a bucket, as if its samples were spread evenly.
fn within(bucket: u8, place: f64) -> Duration {
    let octave = FIRST_OCTAVE + u32::from(bucket >> STEPS_LOG2);
    let step = u64::from(bucket) & ((1 << STEPS_LOG2) - 1);
    let width = 1_u64 << (octave - STEPS_LOG2);
    let place = (width as f64 * place.clamp(0.0, 1.0)) as u64;
    Duration::from_nanos((1_u64 << octave) + step * width + place)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn of(latencies: impl IntoIterator<Item = u64>) -> Samples {
        let mut samples = Samples::default();
        latencies.into_iter().for_each(|latency| samples.success(ms(latency), 3));
        samples
    }

    #[test]
    fn a_percentile_is_off_by_six_percent_at_the_most() {
        for micros in [66, 100, 999, 1_000, 20_000, 21_700, 333_000, 10_000_000, 130_000_000] {
            let mut samples = Samples::default();
            samples.success(Duration::from_micros(micros), 1);
            let shown = samples.percentile(0.5).unwrap().as_secs_f64() * 1e6;
            assert!((shown / micros as f64 - 1.0).abs() <= 0.0625, "{micros} us shows as {shown}");
        }
    }

    #[test]
    fn extremes_count_as_the_nearest_that_is_told_apart() {
        assert_eq!(bucket_of(Duration::ZERO), 0);
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_rank_what_was_seen() {
        let samples = of(1..=100);
        for (share, expected) in [(0.01, 1.0), (0.5, 50.0), (0.9, 90.0), (1.0, 100.0)] {
            let shown = samples.percentile(share).unwrap().as_secs_f64() * 1e3;
            assert!((shown / expected - 1.0).abs() <= 0.0625, "{share}: {shown}");
        }
        assert_eq!(Samples::default().percentile(0.5), None);
    }

    #[test]
    fn the_windows_of_two_workers_are_one_when_added() {
        let mut both = of([5, 20]);
        both.add(&of([20, 300]));
        let mut dropped = Samples::default();
        dropped.drop(9);
        both.add(&dropped);
        let mut expected = of([5, 20, 20, 300]);
        expected.drop(9);
        assert_eq!(both, expected);
        assert_eq!((both.count(), both.drops(), both.total()), (4, 1, 5));
        assert_eq!((both.mean_in_flight(), both.most_in_flight()), (3.0, 9));
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let mut samples = of([1, 20, 20, 500]);
        samples.drop(7);
        let mut writer = Writer::default();
        samples.encode(&mut writer);
        let bytes = writer.finish();
        assert_eq!(Samples::decode(&mut Reader::new(&bytes)), Some(samples));
        for length in 0..bytes.len() {
            assert_eq!(Samples::decode(&mut Reader::new(&bytes[..length])), None, "cut to {length}");
        }
        let mut wrong = bytes;
        wrong[33] = BUCKETS;
        assert_eq!(Samples::decode(&mut Reader::new(&wrong)), None);
    }
}
