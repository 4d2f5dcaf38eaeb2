//! What came of each request, second by second.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Two digits: a histogram for each second of a long run takes memory.
const DIGITS: u8 = 2;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// The right answer.
    Good,
    /// A refusal that says when to come back.
    Refused,
    /// Anything else: a wrong status, wrong bytes, none in time.
    Failed,
}

/// A handle on what is recorded; clones record to the same place.
#[derive(Clone, Debug)]
pub struct Recorder {
    begin: Instant,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    seconds: Vec<Tally>,
    begun: u64,
    statuses: BTreeMap<u16, u64>,
    operations: BTreeMap<&'static str, Tally>,
    failures: BTreeMap<String, u64>,
}

#[derive(Clone, Debug)]
struct Tally {
    good: u64,
    refused: u64,
    failed: u64,
    good_micros: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let good_micros = Histogram::new(DIGITS).expect("digits of a histogram");
        Self { good: 0, refused: 0, failed: 0, good_micros }
    }
}

impl Tally {
    fn add(&mut self, came: Came, latency: Duration) {
        match came {
            Came::Good => {
                self.good += 1;
                let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
                self.good_micros.record(micros).expect("a histogram that grows");
            }
            Came::Refused => self.refused += 1,
            Came::Failed => self.failed += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.good += other.good;
        self.refused += other.refused;
        self.failed += other.failed;
        self.good_micros.add(&other.good_micros).expect("a histogram that grows");
    }

    fn summary(&self) -> Second {
        let millis = |share: f64| self.good_micros.value_at_quantile(share) as f64 / 1_000.0;
        Second {
            good: self.good,
            refused: self.refused,
            failed: self.failed,
            p50_ms: millis(0.5),
            p95_ms: millis(0.95),
            p99_ms: millis(0.99),
        }
    }
}

/// What a stretch of time saw; latencies are of the good answers, from the request to the last byte.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Second {
    /// Right answers.
    pub good: u64,
    /// Refusals that say when to come back.
    pub refused: u64,
    /// Everything else.
    pub failed: u64,
    /// Half were no slower.
    pub p50_ms: f64,
    /// 95% were no slower.
    pub p95_ms: f64,
    /// 99% were no slower.
    pub p99_ms: f64,
}

impl Second {
    /// How many requests came to an end.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.good + self.refused + self.failed
    }

    /// The share of those that failed.
    #[must_use]
    pub fn failed_share(&self) -> f64 {
        share(self.failed, self.all())
    }

    /// The share of those that were refused.
    #[must_use]
    pub fn refused_share(&self) -> f64 {
        share(self.refused, self.all())
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Recorder {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { begin: Instant::now(), inner: Arc::default() }
    }

    /// How long ago it began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// A request goes out.
    pub fn begin(&self) {
        self.inner().begun += 1;
    }

    /// What came of it. `status`: of a complete answer; `why`: of a failure.
    pub fn end(
        &self,
        operation: &'static str,
        came: Came,
        status: Option<u16>,
        latency: Duration,
        why: &str,
    ) {
        let second = usize::try_from(self.begin.elapsed().as_secs()).expect("a number of seconds");
        let mut inner = self.inner();
        if inner.seconds.len() <= second {
            inner.seconds.resize_with(second + 1, Tally::default);
        }
        inner.seconds[second].add(came, latency);
        inner.operations.entry(operation).or_default().add(came, latency);
        if let Some(status) = status {
            *inner.statuses.entry(status).or_default() += 1;
        }
        if came == Came::Failed {
            *inner.failures.entry(format!("{operation}: {why}")).or_default() += 1;
        }
    }

    /// Each second so far, from 0.
    #[must_use]
    pub fn seconds(&self) -> Vec<Second> {
        self.inner().seconds.iter().map(Tally::summary).collect()
    }

    /// What this part of the seconds saw together.
    #[must_use]
    pub fn between(&self, from: usize, to: usize) -> Second {
        let mut all = Tally::default();
        let inner = self.inner();
        inner.seconds.iter().take(to).skip(from).for_each(|second| all.merge(second));
        all.summary()
    }

    /// What all seconds saw together.
    #[must_use]
    pub fn whole(&self) -> Second {
        self.between(0, usize::MAX)
    }

    /// Each operation by itself.
    #[must_use]
    pub fn operations(&self) -> BTreeMap<String, Second> {
        let inner = self.inner();
        inner.operations.iter().map(|(name, tally)| ((*name).to_owned(), tally.summary())).collect()
    }

    /// Complete answers by status.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        self.inner().statuses.clone()
    }

    /// Requests that went out.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.inner().begun
    }

    /// Failures by what went wrong.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, u64> {
        self.inner().failures.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while recording")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_no_latency_and_a_share_of_all_that_ended() {
        let recorder = Recorder::start();
        for _ in 0..4 {
            recorder.begin();
        }
        recorder.end("read", Came::Good, Some(200), Duration::from_millis(10), "");
        recorder.end("read", Came::Refused, Some(429), Duration::from_millis(1), "");
        recorder.end("read", Came::Failed, None, Duration::from_secs(9), "no answer");
        let whole = recorder.whole();
        assert_eq!((whole.good, whole.refused, whole.failed), (1, 1, 1));
        assert!((whole.failed_share() - 1.0 / 3.0).abs() < 1e-9);
        assert!((9.9..10.2).contains(&whole.p99_ms), "{}", whole.p99_ms);
        assert_eq!(recorder.statuses(), BTreeMap::from([(200, 1), (429, 1)]));
        assert_eq!(recorder.failures(), BTreeMap::from([("read: no answer".to_owned(), 1)]));
        assert_eq!(recorder.begun(), 4);
    }

    #[test]
    fn nothing_has_no_shares() {
        assert_eq!(Recorder::start().whole().refused_share().to_bits(), 0.0_f64.to_bits());
    }
}
