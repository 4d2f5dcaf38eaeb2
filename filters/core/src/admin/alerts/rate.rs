//! How fast figures grow.

use crate::time::MonoTime;
use crate::vec_map::VecMap;
use core::time::Duration;
use std::collections::VecDeque;

/// Into how many steps a span is divided: what is remembered of each figure.
const STEPS: u32 = 30;

/// Earlier readings, by alert. In the memory of who leads.
#[derive(Clone, Debug, Default)]
pub struct Rates(VecMap<String, VecDeque<(MonoTime, f64)>>);

impl Rates {
    /// How much a figure has grown in a second, over the last `over` or as long as it is known, if that is at least a step of
    /// it. A figure that has fallen begins anew: its counter has.
    pub fn of(&mut self, name: &str, value: f64, over: Duration, now: MonoTime) -> Option<f64> {
        let readings = self.0.entry(name.to_owned()).or_default();
        if readings.back().is_some_and(|(at, last)| value < *last || *at > now) {
            readings.clear();
        }
        // The last reading that is old enough stays: it is what the span begins with.
        while readings.get(1).is_some_and(|(at, _)| now.since(*at) >= over) {
            readings.pop_front();
        }
        let step = over / STEPS;
        let rate = readings.front().and_then(|(at, first)| {
            let passed = now.since(*at);
            (passed >= step && !passed.is_zero()).then(|| (value - first) / passed.as_secs_f64())
        });
        if readings.back().is_none_or(|(at, _)| now.since(*at) >= step) {
            readings.push_back((now, value));
        }
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_rate_is_that_of_the_span_and_memory_is_bounded() {
        let mut rates = Rates::default();
        let minute = Duration::from_secs(60);
        let mut at = |millis: u64, value: f64| rates.of("a", value, minute, MonoTime::from_millis(millis));
        assert_eq!(at(0, 100.0), None);
        assert_eq!(at(1_000, 110.0), None, "less than a step");
        assert_eq!(at(10_000, 200.0), Some(10.0));
        for tenth in 101..=1_200_u64 {
            let rate = at(tenth * 100, 200.0).unwrap();
            assert!(rate <= 10.0, "{rate}");
        }
        assert_eq!(at(120_000, 200.0), Some(0.0));
        assert_eq!(at(121_000, 5.0), None, "the counter has begun anew");
        assert_eq!(at(125_000, 25.0), Some(5.0));
        assert!(rates.0.get("a").unwrap().len() <= STEPS as usize + 2);
    }
}
