//! When requests come.

use std::time::Duration;

use ballast_core::random::{Random, SplitMix};

/// Times of arrival: at random, independent of each other, but in each second exactly as many as the rate says.
///
/// That is a Poisson process of which the count in each second is known: as bursty within the second, but the load of
/// a window of whole seconds is what it says, so that a share of it needs no allowance for luck.
pub fn arrivals(per_second: f64, time: Duration, seed: u64) -> Vec<Duration> {
    let mut random = SplitMix::new(seed);
    let mut all = Vec::new();
    let mut due = 0.0;
    for second in 0..time.as_secs_f64().ceil() as u64 {
        let begin = Duration::from_secs(second);
        let length = Duration::from_secs(1).min(time - begin);
        // What does not make a whole request goes over to the next second.
        due += per_second * length.as_secs_f64();
        let mut within: Vec<_> = (0..due as u64).map(|_| begin + random.span_below(length)).collect();
        due -= within.len() as f64;
        within.sort();
        all.extend(within);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_share_in_order_and_a_seed_determines_all() {
        let all = arrivals(100.5, Duration::from_millis(4_500), 7);
        assert_eq!(all, arrivals(100.5, Duration::from_millis(4_500), 7));
        assert_ne!(all, arrivals(100.5, Duration::from_millis(4_500), 8));
        assert!(all.is_sorted());
        let in_second = |second| all.iter().filter(|at| at.as_secs() == second).count();
        assert_eq!([0, 1, 2, 3, 4].map(in_second), [100, 101, 100, 101, 50]);
        assert!(all.last().is_some_and(|last| *last < Duration::from_millis(4_500)));
    }
}
