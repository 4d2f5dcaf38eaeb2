//! Vegas (Brakmo and Peterson, 1994; as Netflix's concurrency-limits applies it): the queue that latencies tell of.
//!
//! `queue = limit * (1 - floor / latency)`: few in it let the limit grow, many make it shrink, on a scale of
//! `log10(limit)`. Now and then the floor is taken anew, so that an upstream that has become slower is not believed to be
//! overloaded for ever. Nothing is held back for that.

use super::{Window, number, positive};
use crate::wire::{Reader, Writer};

/// After so many windows times a random half to one the floor is taken anew.
const PROBE_EVERY: u32 = 600;

/// The algorithm's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vegas {
    /// How much of the way to a new limit a window goes, 0 to 1.
    pub smoothing: f64,
}

/// What it remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    floor: f64,
    windows_left: u32,
}

impl Memory {
    pub(super) const fn floor(&self) -> Option<f64> {
        if self.floor > 0.0 { Some(self.floor) } else { None }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        number(writer, self.floor);
        writer.u32(self.windows_left);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { floor: positive(reader)?, windows_left: reader.u32()? })
    }
}

impl Vegas {
    pub(super) fn step(&self, limit: f64, memory: Memory, window: &Window, noise: u64) -> (f64, Memory) {
        let scale = scale(limit);
        if window.dropped {
            return (self.smooth(limit, limit - scale), memory);
        }
        let floor = memory.floor().filter(|floor| window.latency >= *floor && memory.windows_left > 0);
        let Some(floor) = floor else {
            let lower = memory.windows_left > 0 && memory.floor > 0.0;
            let windows_left = if lower { memory.windows_left - 1 } else { next_probe(noise) };
            return (limit, Memory { floor: window.latency, windows_left });
        };
        let memory = Memory { floor, windows_left: memory.windows_left - 1 };
        let queue = (limit * (1.0 - floor / window.latency)).ceil();
        let target = if window.is_app_limited(limit) {
            limit
        } else if queue <= scale {
            limit + 6.0 * scale
        } else if queue < 3.0 * scale {
            limit + scale
        } else if queue > 6.0 * scale {
            limit - scale
        } else {
            limit
        };
        (self.smooth(limit, target), memory)
    }

    fn smooth(&self, limit: f64, target: f64) -> f64 {
        (1.0 - self.smoothing) * limit + self.smoothing * target
    }
}

fn scale(limit: f64) -> f64 {
    limit.max(1.0).log10().floor().max(1.0)
}

fn next_probe(noise: u64) -> u32 {
    let half = PROBE_EVERY / 2;
    half + u32::try_from(noise % u64::from(half)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const VEGAS: Vegas = Vegas { smoothing: 1.0 };

    fn window(latency: f64, in_flight: f64, dropped: bool) -> Window {
        Window {
            latency,
            mean: latency,
            in_flight,
            most_in_flight: in_flight,
            dropped,
            drop_share: 0.0,
            left: false,
        }
    }

    #[test]
    fn the_limit_follows_the_queue() {
        let memory = Memory { floor: 10.0, windows_left: 5 };
        // With a limit of 20 the scale is 1 and the queue 20 * (1 - 10 / latency).
        for (latency, in_flight, dropped, expected) in [
            (10.0, 20.0, false, 26.0),
            (10.5, 20.0, false, 26.0),
            (11.0, 20.0, false, 21.0),
            (12.5, 20.0, false, 20.0),
            (14.2, 20.0, false, 20.0),
            (15.5, 20.0, false, 19.0),
            (10.0, 9.0, false, 20.0),
            (10.0, 20.0, true, 19.0),
        ] {
            let (limit, _) = VEGAS.step(20.0, memory, &window(latency, in_flight, dropped), 0);
            assert_eq!(limit, expected, "latency {latency}, {in_flight} in flight, dropped: {dropped}");
        }
    }

    #[test]
    fn a_lower_latency_is_the_new_floor_and_changes_nothing_else() {
        let memory = Memory { floor: 10.0, windows_left: 5 };
        let (limit, after) = VEGAS.step(20.0, memory, &window(8.0, 20.0, false), 0);
        assert_eq!((limit, after), (20.0, Memory { floor: 8.0, windows_left: 4 }));
    }

    #[test]
    fn now_and_then_the_floor_is_taken_anew() {
        let memory = Memory { floor: 10.0, windows_left: 0 };
        let (limit, after) = VEGAS.step(20.0, memory, &window(30.0, 20.0, false), 299);
        assert_eq!((limit, after), (20.0, Memory { floor: 30.0, windows_left: 599 }));
    }
}
