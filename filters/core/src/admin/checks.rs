//! Whether what the process depends on answers.
//!
//! A check asks a cluster over HTTP now and then. One answer says little, so a verdict needs a few in a row: so many
//! failures for the worse, so many successes for the better; the first answer of all decides at once.

use crate::time::MonoTime;
use serde::{Deserialize, Serialize};

/// What one try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was one that is expected.
    Passed,
    /// It was not, or none came: why.
    Failed(String),
}

/// How many answers in a row make a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// Failures until it has failed.
    pub unhealthy_after: u32,
    /// Successes until it is well again.
    pub healthy_after: u32,
}

/// What is known of one check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The verdict; `None`: nothing has been heard.
    pub passing: Option<bool>,
    /// How many answers in a row have said the opposite.
    pub against: u32,
    /// When it was last asked, in nanoseconds of the monotonic clock.
    pub at_mono_ns: u64,
    /// Why the last try failed.
    pub error: Option<String>,
}

impl Check {
    /// Takes in what a try at `now` came to. Whether the verdict is another one now.
    pub fn observe(&mut self, outcome: Outcome, thresholds: Thresholds, now: MonoTime) -> bool {
        let passed = outcome == Outcome::Passed;
        self.at_mono_ns = now.as_nanos();
        self.error = match outcome {
            Outcome::Passed => None,
            Outcome::Failed(error) => Some(error),
        };
        let needed = match self.passing {
            None => 1,
            Some(passing) if passing == passed => {
                self.against = 0;
                return false;
            }
            Some(true) => thresholds.unhealthy_after,
            Some(false) => thresholds.healthy_after,
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return false;
        }
        self.against = 0;
        self.passing = Some(passed);
        true
    }

    /// Whether it counts as failed.
    pub fn has_failed(&self) -> bool {
        self.passing == Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_verdict_changes_after_enough_answers_in_a_row() {
        let thresholds = Thresholds { unhealthy_after: 3, healthy_after: 2 };
        for (answers, verdicts) in [
            ("", ""),
            ("+", "+"),
            ("-", "-"),
            ("+--+---", "++++++-"),
            ("+---", "+++-"),
            ("+--+--", "++++++"),
            ("-+-+", "----"),
            ("-++", "--+"),
            ("+---++", "+++--+"),
        ] {
            let mut check = Check::default();
            for (number, (answer, verdict)) in answers.chars().zip(verdicts.chars()).enumerate() {
                let outcome = if answer == '+' { Outcome::Passed } else { Outcome::Failed("503".to_owned()) };
                let before = check.passing;
                let news = check.observe(outcome, thresholds, MonoTime::from_nanos(number as u64));
                assert_eq!(check.passing, Some(verdict == '+'), "{answers} at {number}");
                assert_eq!(news, before != check.passing, "{answers} at {number}");
                assert_eq!((check.error.is_some(), check.at_mono_ns), (answer == '-', number as u64));
            }
        }
        assert!(!Check::default().has_failed());
    }
}
