//! Gradient2 (after Netflix's concurrency-limits): the latency against that of an upstream with nothing to do.
//!
//! ```text
//! gradient = clamp(tolerance * floor / latency, 0.5, 1)
//! target   = limit * gradient + sqrt(limit)
//! limit'   = limit + smoothing * (target - limit)
//! ```
//!
//! # Why it is not the original
//!
//! The original's long-term latency is an average, so a long overload becomes the new normal and the limit creeps up.
//! Here it is a floor: it falls with the latency, and rises only where the cause cannot be a queue of our own making.
//!
//! - Fewer than half of the limit are in flight: what is slow then is the upstream itself.
//! - Fewer in flight did not make it faster: the floor is where it is now.
//! - The throughput broke down while as many were in flight: each request takes longer, by that factor.
//!
//! Clients that leave hide how slow the upstream is, and leave work behind that is not in flight any more. Where many do, no
//! higher floor is believed for some windows, and one that was guessed falls.
//!
//! While all of the limit is in use, two windows in some dozens have a fifth less of it; the second, of which all requests
//! were let through with less, is compared. If the throughput is the same with less, the rest only made a queue, and the
//! floor was too high. If it fell, the limit was right. A limit that is not in use is never touched.

use super::{Settings, Window, number, positive};
use crate::wire::{Reader, Writer};

/// How much of the way up a window goes.
const SMOOTHING_UP: f64 = 0.2;
/// Up to so many times the floor there is no queue: the whole way up at once.
const NO_QUEUE: f64 = 1.1;
/// How much of the way down: too much hurts at once.
const SMOOTHING_DOWN: f64 = 0.5;
/// The least gradient.
const STEEPEST: f64 = 0.5;
/// What part of the dropped share a limit gives up.
const BACKOFF: f64 = 0.5;
/// How much of a lower latency the floor takes over: one window is not proof.
const FLOOR_FALLS: f64 = 0.3;
/// How much of a higher one where no queue can be the cause.
const FLOOR_RISES: f64 = 0.05;
/// Below this share of its best the throughput has broken down.
const BROKEN_DOWN: f64 = 0.4;
/// What the best throughput keeps of itself from window to window.
const BEST_FADES: f64 = 0.995;
/// In flight has fallen enough to see whether that helped.
const FEWER: f64 = 0.75;
/// The share of the limit that a dip leaves.
const DIP: f64 = 0.8;
/// Windows between two dips.
const DIP_EVERY: u8 = 24;
/// Windows until the next dip after one that has shown a queue.
const DIP_AGAIN: u8 = 6;
/// Windows until the next dip when the floor was guessed.
const DIP_SOON: u8 = 2;
/// A throughput that is so much of the former is the same.
const SAME_THROUGHPUT: f64 = 0.96;
/// One that is so little of the former has fallen.
const LESS_THROUGHPUT: f64 = 0.9;
/// Windows with drops after one that lowered the limit until another does.
const BACKOFF_EVERY: u8 = 2;
/// Windows after one in which clients left until higher floors are believed.
const CLEAR_AFTER: u8 = 4;
/// How far the floor was too high if a dip shows a queue.
const FLOOR_CUT: f64 = 0.9;

/// The algorithm's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient2 {
    /// How many times the floor a latency may be and still count as normal; at least 1.
    pub tolerance: f64,
}

/// What it remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Latency of an idle upstream in nanoseconds; zero: not known yet.
    floor: f64,
    /// The best recent throughput, in requests a nanosecond; zero: none.
    best: f64,
    /// What was in flight, and the latency, when it was congested first; zero: it is not.
    congested_at: (f64, f64),
    /// What the throughput was when the limit dipped.
    before_dip: f64,
    /// Windows until the next dip; at zero the limit dips.
    until_dip: u8,
    /// Windows until latencies tell of nothing but what is in flight: until then an upstream that is slow has work left of
    /// clients that are gone.
    until_clear: u8,
    /// Windows with drops that say nothing new.
    until_backoff: u8,
    /// Whether the first window of a dip is over.
    has_settled: bool,
    /// Whether the floor is a guess that no dip has proved.
    is_guess: bool,
}

impl Memory {
    pub(super) fn allowed(&self, limit: f64) -> f64 {
        if self.dips() { limit * DIP } else { limit }
    }

    const fn dips(&self) -> bool {
        self.before_dip > 0.0
    }

    const fn is_clear(&self) -> bool {
        self.until_clear == 0
    }

    pub(super) const fn floor(&self) -> Option<f64> {
        if self.floor > 0.0 { Some(self.floor) } else { None }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        for value in [self.floor, self.best, self.congested_at.0, self.congested_at.1, self.before_dip] {
            number(writer, value);
        }
        writer.u8(self.until_dip);
        writer.u8(self.until_clear);
        writer.u8(self.until_backoff);
        writer.u8(self.has_settled.into());
        writer.u8(self.is_guess.into());
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            floor: positive(reader)?,
            best: positive(reader)?,
            congested_at: (positive(reader)?, positive(reader)?),
            before_dip: positive(reader)?,
            until_dip: reader.u8()?,
            until_clear: reader.u8()?,
            until_backoff: reader.u8()?,
            has_settled: reader.u8()? != 0,
            is_guess: reader.u8()? != 0,
        })
    }
}

impl Gradient2 {
    pub(super) fn step(
        &self,
        limit: f64,
        mut memory: Memory,
        window: &Window,
        settings: &Settings,
    ) -> (f64, Memory) {
        memory.until_clear = memory.until_clear.saturating_sub(1);
        if window.left {
            memory.until_clear = CLEAR_AFTER;
            if memory.is_guess {
                memory.floor *= FLOOR_CUT;
            }
        }
        if window.dropped {
            (memory.before_dip, memory.has_settled) = (0.0, false);
            if memory.until_backoff > 0 {
                // Who is dropped now was let through before the limit fell.
                memory.until_backoff -= 1;
                return (limit, memory);
            }
            memory.until_backoff = BACKOFF_EVERY;
            return (limit * (1.0 - BACKOFF * window.drop_share), memory);
        }
        memory.until_backoff = memory.until_backoff.saturating_sub(1);
        if window.latency <= 0.0 || window.mean <= 0.0 || window.in_flight <= 0.0 {
            return (limit, memory);
        }
        if memory.floor <= 0.0 {
            memory.floor = window.latency;
        }
        // Little's law, which holds for means.
        let throughput = window.in_flight / window.mean;
        if memory.dips() {
            if memory.has_settled {
                memory.after_dip(throughput, window);
            }
            // What ends in a dip's first window was let through before it.
            memory.has_settled = !memory.has_settled;
            return (limit, memory);
        }
        let restored = self.move_floor(limit, &mut memory, window, throughput);
        memory.best = (memory.best * BEST_FADES).max(throughput);
        if window.is_app_limited(limit) {
            return (limit, memory);
        }
        let gradient = (self.tolerance * memory.floor / window.latency).clamp(STEEPEST, 1.0);
        let target = (limit * gradient + limit.sqrt()).min(f64::from(settings.max));
        let smoothing = if target < limit {
            SMOOTHING_DOWN
        } else if window.latency <= NO_QUEUE * memory.floor {
            1.0
        } else {
            SMOOTHING_UP
        };
        let next = (limit + smoothing * (target - limit)).max(restored);
        memory.maybe_dip(limit, window, throughput);
        (next, memory)
    }

    /// Moves the floor, and says what the limit must be at least: what is in flight without a queue.
    fn move_floor(&self, limit: f64, memory: &mut Memory, window: &Window, throughput: f64) -> f64 {
        let latency = window.latency;
        if latency < memory.floor {
            memory.floor += FLOOR_FALLS * (latency - memory.floor);
        } else if window.in_flight * 2.0 < limit && memory.is_clear() {
            memory.floor += FLOOR_RISES * (latency - memory.floor);
        }
        if latency <= self.tolerance * memory.floor {
            memory.congested_at = (0.0, 0.0);
            return 0.0;
        }
        if throughput < BROKEN_DOWN * memory.best {
            memory.floor = (memory.floor * memory.best / throughput).min(latency);
            memory.best = throughput;
            memory.congested_at = (0.0, 0.0);
            // What was let through before tells of neither the old nor the new.
            memory.until_clear = CLEAR_AFTER;
            // That was a guess, which a dip will prove, and clients that leave disprove.
            memory.is_guess = true;
            memory.until_dip = memory.until_dip.min(DIP_SOON);
            return 0.0;
        }
        if !memory.is_clear() {
            memory.congested_at = (0.0, 0.0);
            return 0.0;
        }
        let (in_flight_before, latency_before) = memory.congested_at;
        if window.in_flight >= in_flight_before {
            memory.congested_at = (window.in_flight, window.mean);
        } else if window.in_flight <= FEWER * in_flight_before {
            let fewer = window.in_flight / in_flight_before;
            if window.mean > latency_before * (1.0 + fewer) / 2.0 {
                // Nearer to unchanged than to proportional: it was no queue.
                memory.floor = window.mean;
                memory.congested_at = (0.0, 0.0);
                return memory.best.min(in_flight_before / latency_before) * window.mean;
            }
            memory.congested_at = (window.in_flight, window.mean);
        }
        0.0
    }
}

impl Memory {
    /// What a window with less of the limit has shown.
    fn after_dip(&mut self, throughput: f64, window: &Window) {
        let kept = throughput / self.before_dip;
        self.until_dip = DIP_EVERY;
        if kept >= SAME_THROUGHPUT {
            self.floor = (self.floor * FLOOR_CUT).min(window.latency);
            self.until_dip = DIP_AGAIN;
        } else if kept < LESS_THROUGHPUT && self.is_clear() {
            self.floor = self.floor.max(window.latency);
            // Else the same loss would count again as a break-down.
            self.best = self.best.min(throughput);
        }
        self.before_dip = 0.0;
        self.is_guess = false;
    }

    /// Takes some of the limit away for one window, now and then, while all of it is in use.
    fn maybe_dip(&mut self, limit: f64, window: &Window, throughput: f64) {
        if window.in_flight < limit * DIP || !self.is_clear() {
            return;
        }
        self.until_dip = self.until_dip.saturating_sub(1);
        if self.until_dip == 0 {
            self.before_dip = throughput;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const ALGORITHM: Gradient2 = Gradient2 { tolerance: 1.25 };
    const SETTINGS: Settings =
        Settings { algorithm: Algorithm::Gradient2(ALGORITHM), initial: 20, min: 4, max: 1_000 };

    fn window(latency: f64, in_flight: f64, left: bool) -> Window {
        let most_in_flight = in_flight;
        Window { latency, mean: latency, in_flight, most_in_flight, dropped: false, drop_share: 0.0, left }
    }

    #[test]
    fn fewer_in_flight_that_are_as_slow_raise_the_floor_unless_clients_leave() {
        let memory = Memory {
            floor: 20.0,
            best: 0.03,
            congested_at: (25.0, 450.0),
            until_dip: 9,
            ..Memory::default()
        };
        for (left, expected) in [(false, 500.0), (true, 20.0)] {
            let (_, after) = ALGORITHM.step(12.0, memory, &window(500.0, 10.0, left), &SETTINGS);
            assert_eq!(after.floor, expected, "clients left: {left}");
        }
    }

    #[test]
    fn a_guessed_floor_falls_while_clients_leave_and_a_proved_one_stays() {
        for (is_guess, expected) in [(true, 270.0), (false, 300.0)] {
            let memory = Memory { floor: 300.0, best: 0.05, until_dip: 9, is_guess, ..Memory::default() };
            let (_, after) = ALGORITHM.step(20.0, memory, &window(480.0, 20.0, true), &SETTINGS);
            assert_eq!(after.floor, expected, "guessed: {is_guess}");
        }
    }

    #[test]
    fn drops_of_what_was_let_through_before_a_back_off_count_once() {
        let memory = Memory { floor: 20.0, ..Memory::default() };
        let dropped = Window { dropped: true, drop_share: 0.5, ..window(100.0, 20.0, true) };
        let (once, memory) = ALGORITHM.step(20.0, memory, &dropped, &SETTINGS);
        let (twice, _) = ALGORITHM.step(once, memory, &dropped, &SETTINGS);
        assert_eq!((once, twice), (15.0, 15.0));
    }
}
