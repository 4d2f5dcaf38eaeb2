//! What came of the requests of one class in one window of time.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::PATIENCE;
use super::trial::Observed;

/// From when to when requests are counted, by when they were due.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The first moment.
    pub from: Duration,
    /// The first moment behind it.
    pub to: Duration,
}

/// What came of some requests.
#[derive(Clone, Debug)]
pub struct Tally {
    /// How many there were.
    pub offered: u64,
    /// Answered by the upstream in time.
    pub good: u64,
    /// Answered by the proxy: refused.
    pub refused: u64,
    /// Neither: the client left, or the answer was late.
    pub lost: u64,
    /// Latencies of the good ones, and of late answers.
    micros: Histogram<u64>,
    time: Duration,
}

impl Window {
    /// From `from` to `to` seconds.
    pub fn seconds(from: f64, to: f64) -> Self {
        Self { from: Duration::from_secs_f64(from), to: Duration::from_secs_f64(to) }
    }

    /// Whether a moment lies in it.
    pub fn contains(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }
}

impl Tally {
    /// Of those that were due in the window and that `wanted` says are counted.
    ///
    /// # Panics
    /// When a histogram cannot be made.
    pub fn of(all: &[Observed], window: Window, wanted: impl Fn(&Observed) -> bool) -> Self {
        let micros = Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds of a histogram");
        let time = window.to - window.from;
        let mut tally = Self { offered: 0, good: 0, refused: 0, lost: 0, micros, time };
        for one in all.iter().filter(|one| window.contains(one.due) && wanted(one)) {
            tally.offered += 1;
            match one.status {
                Some(200) if one.latency <= PATIENCE => tally.good += 1,
                Some(200) | None => tally.lost += 1,
                Some(_) => tally.refused += 1,
            }
            if one.status == Some(200) {
                let micros = u64::try_from(one.latency.as_micros()).unwrap_or(u64::MAX);
                tally.micros.saturating_record(micros.max(1));
            }
        }
        tally
    }

    /// Good answers a second.
    pub fn goodput(&self) -> f64 {
        self.good as f64 / self.time.as_secs_f64()
    }

    /// The share that got a good answer, 0 to 1.
    pub fn success(&self) -> f64 {
        if self.offered == 0 { 1.0 } else { self.good as f64 / self.offered as f64 }
    }

    /// The latency in milliseconds that this share of the upstream's answers did not exceed.
    pub fn millis(&self, share: f64) -> f64 {
        self.micros.value_at_quantile(share) as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_good_refused_and_lost() {
        let ms = Duration::from_millis;
        let one = |due, status, latency| Observed { number: 0, due: ms(due), status, latency: ms(latency) };
        let all = [
            one(0, Some(200), 10),
            one(1_000, Some(200), 500),
            one(1_100, Some(200), 501),
            one(1_200, Some(503), 1),
            one(1_300, None, 500),
            one(2_000, Some(200), 20),
        ];
        let tally = Tally::of(&all, Window::seconds(1.0, 2.0), |_| true);
        assert_eq!((tally.offered, tally.good, tally.refused, tally.lost), (4, 1, 1, 2));
        assert_eq!((tally.goodput(), tally.success()), (1.0, 0.25));
        assert!((500.0..502.0).contains(&tally.millis(0.99)), "{}", tally.millis(0.99));
        assert_eq!(Tally::of(&all, Window::seconds(0.0, 3.0), |one| one.due < ms(1_000)).offered, 1);
    }
}
