//! The whole of a scenario, or a few seconds of it.

use super::table::{JudgedBy, SOAK, Scenario, Step, Thresholds};
use std::time::Duration;

/// How long a scenario takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the table says; a soak takes so long.
    Long {
        /// The time of a soak.
        soak: Duration,
    },
    /// A few seconds, beside whatever else a test suite has the machine do.
    Short,
}

/// How many times slower answers may be beside other tests.
const PATIENCE: f64 = 20.0;
/// What a short form takes, in seconds.
const SHORT_SECONDS: u64 = 4;
/// A short form has this part of the users.
const FEWER: u64 = 4;
/// The load without filters is there to compare with: of a soak this part is enough.
const PLAIN_SOAK: u64 = 10;

impl Form {
    /// The test plan. `plain`: of the proxy without filters.
    pub(crate) fn steps(self, scenario: &Scenario, plain: bool) -> Vec<Step> {
        let planned: u64 = scenario.steps.iter().map(|step| step.seconds).sum();
        let is_soak = scenario.judged_by == JudgedBy::Soak;
        let mut steps: Vec<Step> = match self {
            Self::Long { soak } => {
                let soak = if plain { soak.as_secs() / PLAIN_SOAK } else { soak.as_secs() };
                let seconds = |step: &Step| match is_soak && step.seconds == SOAK.as_secs() {
                    true => soak.max(1),
                    false => step.seconds,
                };
                scenario.steps.iter().map(|step| Step { seconds: seconds(step), ..*step }).collect()
            }
            Self::Short => {
                let shorter = |step: &Step| Step {
                    users: step.users.div_ceil(FEWER),
                    seconds: (step.seconds * SHORT_SECONDS / planned).max(1),
                };
                scenario.steps.iter().map(shorter).collect()
            }
        };
        steps.push(Step { users: 0, seconds: 0 });
        steps
    }

    /// What must hold.
    #[must_use]
    pub fn thresholds(self, scenario: &Scenario) -> Thresholds {
        let table = scenario.thresholds;
        match self {
            Self::Long { .. } => table,
            Self::Short => Thresholds {
                // A proxy that has just started, on a machine that is busy, sheds some.
                refused: table.refused.max(0.5),
                refused_in_the_end: table.refused_in_the_end.max(0.5),
                p50_ms: table.p50_ms * PATIENCE,
                p95_ms: table.p95_ms * PATIENCE,
                p99_ms: table.p99_ms * PATIENCE,
                added_p50_ms: table.added_p50_ms * PATIENCE,
                ..table
            },
        }
    }

    /// Whether the second half is long enough to judge slopes and rates.
    pub(crate) fn is_long(self) -> bool {
        matches!(self, Self::Long { .. })
    }

    /// How often the proxy is looked at.
    pub(crate) fn look_every(self) -> Duration {
        Duration::from_secs(if self.is_long() { 5 } else { 1 })
    }
}

/// How long these steps take.
pub(crate) fn time(steps: &[Step]) -> Duration {
    Duration::from_secs(steps.iter().map(|step| step.seconds).sum())
}

/// How many users there are at this moment of a plan.
pub(crate) fn users_at(steps: &[Step], second: u64) -> u64 {
    let (mut before, mut begin) = (0, 0);
    for step in steps {
        if second < begin + step.seconds {
            let gone = second - begin;
            return (before * (step.seconds - gone) + step.users * gone) / step.seconds;
        }
        (before, begin) = (step.users, begin + step.seconds);
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::table::{SCENARIOS, scenario};

    #[test]
    fn all_scenarios_together_take_a_bounded_time() {
        let whole = Form::Long { soak: SOAK };
        let seconds = |plain| -> u64 {
            SCENARIOS.iter().map(|scenario| time(&whole.steps(scenario, plain)).as_secs()).sum()
        };
        assert!(seconds(false) + seconds(true) <= 35 * 60, "{} s", seconds(false) + seconds(true));
        let short: u64 =
            SCENARIOS.iter().map(|scenario| time(&Form::Short.steps(scenario, false)).as_secs()).sum();
        assert!(short <= 40, "{short} s");
    }

    #[test]
    fn a_soak_takes_as_long_as_is_said() {
        let soak = scenario("soak").unwrap();
        let five = Form::Long { soak: Duration::from_secs(300) };
        assert_eq!(time(&five.steps(soak, false)).as_secs(), 305);
        assert_eq!(time(&five.steps(soak, true)).as_secs(), 35);
    }

    #[test]
    fn users_come_evenly() {
        let steps =
            [Step { users: 10, seconds: 10 }, Step { users: 10, seconds: 5 }, Step { users: 0, seconds: 0 }];
        for (second, users) in [(0, 0), (5, 5), (10, 10), (14, 10), (20, 0)] {
            assert_eq!(users_at(&steps, second), users, "at {second} s");
        }
    }
}
