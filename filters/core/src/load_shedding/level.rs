//! How overloaded the process is, for those who only need a number.
//!
//! # How
//!
//! Load is what wants to be in flight, those refused included, as a share of the limit. A level begins when its threshold is
//! reached at two looks in a row, and ends when load has been below nine tenths of it for two seconds, so it does not flap.

use crate::plane::Overload;
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// For how long load must be lower before the level is.
pub const CALM_FOR: Duration = Duration::from_secs(2);
/// Load counts as lower below this share of the threshold.
const CALM_BELOW: f64 = 0.9;

/// From which load on each level holds; 1 is the limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Elective work should wait.
    pub elevated: f64,
    /// Low priorities are turned away.
    pub high: f64,
    /// Only what is critical is served.
    pub critical: f64,
}

impl Thresholds {
    /// The level of a load, without hysteresis.
    fn level(&self, load: f64) -> Overload {
        if load >= self.critical {
            Overload::Critical
        } else if load >= self.high {
            Overload::High
        } else if load >= self.elevated {
            Overload::Elevated
        } else {
            Overload::None
        }
    }
}

/// The level, and what it takes to leave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    now: Overload,
    /// The level of the last look.
    last: Overload,
    /// When load was last as high as the level says.
    high_at: MonoTime,
}

impl Level {
    /// The level.
    pub const fn now(&self) -> Overload {
        self.now
    }

    /// Looks at the load.
    #[must_use]
    pub fn look(self, thresholds: &Thresholds, load: f64, now: MonoTime) -> Self {
        let seen = thresholds.level(load);
        let held = thresholds.level(load / CALM_BELOW);
        let rises = seen.min(self.last);
        if rises > self.now {
            return Self { now: rises, last: seen, high_at: now };
        }
        if held >= self.now || seen >= self.now {
            return Self { last: seen, high_at: now, ..self };
        }
        if now.since(self.high_at) >= CALM_FOR {
            return Self { now: held.min(self.now), last: seen, high_at: now };
        }
        Self { last: seen, ..self }
    }

    /// Appends the level.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.now.level());
        writer.u8(self.last.level());
        writer.u64(self.high_at.as_nanos());
    }

    /// Reads one level.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (now, last) = (Overload::from_level(reader.u8()?)?, Overload::from_level(reader.u8()?)?);
        Some(Self { now, last, high_at: MonoTime::from_nanos(reader.u64()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const THRESHOLDS: Thresholds = Thresholds { elevated: 0.8, high: 0.95, critical: 1.1 };

    #[test]
    fn a_level_begins_at_the_second_look_and_ends_after_two_calm_seconds() {
        let mut level = Level::default();
        for (millis, load, expected) in [
            (0, 0.5, 0),
            (100, 2.0, 0),
            (200, 0.5, 0),
            (300, 0.85, 0),
            (400, 0.82, 1),
            (500, 2.0, 1),
            (600, 1.0, 2),
            (700, 2.0, 2),
            (800, 2.0, 3),
            // 1.0 is not below nine tenths of 1.1.
            (5_000, 1.0, 3),
            (6_000, 0.9, 3),
            (6_999, 0.9, 3),
            (7_000, 0.9, 2),
            (8_900, 0.1, 2),
            (9_000, 0.1, 0),
        ] {
            level = level.look(&THRESHOLDS, load, MonoTime::from_millis(millis));
            assert_eq!(level.now().level(), expected, "load {load} at {millis} ms");
        }
    }

    #[test]
    fn load_around_a_threshold_does_not_make_the_level_flap() {
        let mut level = Level::default();
        let mut changes = 0;
        for step in 0..1_000_u64 {
            let load = if step % 3 == 0 { 0.78 } else { 0.82 };
            let next = level.look(&THRESHOLDS, load, MonoTime::from_millis(step * 100));
            changes += u32::from(next.now() != level.now());
            level = next;
        }
        assert_eq!(changes, 1);
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let level = Level { now: Overload::High, last: Overload::None, high_at: MonoTime::from_millis(7) };
        let mut writer = Writer::default();
        level.encode(&mut writer);
        let mut bytes = writer.finish();
        assert_eq!(Level::decode(&mut Reader::new(&bytes)), Some(level));
        bytes[0] = 4;
        assert_eq!(Level::decode(&mut Reader::new(&bytes)), None);
    }
}
