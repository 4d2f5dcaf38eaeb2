//! Additive increase, multiplicative decrease: latency only counts where it is a time-out.

use super::Window;
use core::time::Duration;

/// What a limit keeps of itself after too much.
const BACKOFF: f64 = 0.9;

/// The algorithm's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aimd {
    /// From this latency on a window counts as dropped.
    pub timeout: Duration,
}

impl Aimd {
    /// The limit after a window.
    pub fn step(&self, limit: f64, window: &Window) -> f64 {
        let late = window.latency > self.timeout.as_nanos() as f64;
        if window.dropped || late {
            return (limit * BACKOFF).floor();
        }
        if window.is_app_limited(limit) { limit } else { limit + 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_adds_one_and_takes_a_tenth() {
        let aimd = Aimd { timeout: Duration::from_millis(100) };
        for (limit, latency_ms, in_flight, dropped, expected) in [
            (20.0, 10.0, 10.0, false, 21.0),
            (20.0, 10.0, 9.0, false, 20.0),
            (20.0, 10.0, 20.0, true, 18.0),
            (20.0, 101.0, 20.0, false, 18.0),
            (20.0, 100.0, 20.0, false, 21.0),
            (11.0, 10.0, 2.0, true, 9.0),
        ] {
            let window = Window {
                latency: latency_ms * 1e6,
                mean: latency_ms * 1e6,
                in_flight,
                most_in_flight: in_flight,
                dropped,
                drop_share: 0.0,
                left: false,
            };
            assert_eq!(aimd.step(limit, &window), expected, "{window:?}");
        }
    }
}
