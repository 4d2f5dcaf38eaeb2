//! Every load scenario, with what must hold in it. This is the one place of a threshold.

use super::operation::Operation::{self, Crowd, Health, Login, Order, Read, Report, Search, Work};
use std::time::Duration;

/// A situation.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// How `make load SCENARIO=…` calls it.
    pub name: &'static str,
    /// What it is, for the report.
    pub about: &'static str,
    /// How many users there are in the end of each step, and how long it takes to get there, in seconds.
    pub steps: &'static [Step],
    /// How long a user waits between two requests, in milliseconds.
    pub wait_ms: u64,
    /// What users ask for, and how often each.
    pub mix: &'static [(Operation, usize)],
    /// What must hold with the filters.
    pub thresholds: Thresholds,
    /// What else is judged.
    pub judged_by: JudgedBy,
}

/// A step of a test plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Users in the end of it.
    pub users: u64,
    /// How long it takes.
    pub seconds: u64,
}

/// What must hold with the filters, over the whole run.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// The largest share of requests that failed.
    pub failed: f64,
    /// The largest share that was refused.
    pub refused: f64,
    /// The largest share that was refused in the last fifth of the run, when whatever there was is over.
    pub refused_in_the_end: f64,
    /// Half of the good answers were no slower.
    pub p50_ms: f64,
    /// 95% were no slower.
    pub p95_ms: f64,
    /// 99% were no slower.
    pub p99_ms: f64,
    /// By how much the median may be above that of the same proxy without filters.
    pub added_p50_ms: f64,
}

/// What is judged besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JudgedBy {
    /// Nothing.
    Thresholds,
    /// The good answers a second in the last third, when more is asked than the upstream can do: no collapse.
    Goodput,
    /// Memory, keys and counters.
    Soak,
}

/// What the upstream of [`Operation::Work`] can do.
pub(crate) const PLACES: usize = 4;
/// How long it works on each.
pub(crate) const SERVICE: Duration = Duration::from_millis(10);
/// Of what it can do, this share must come through as good answers when far more is asked.
pub(crate) const GOODPUT: f64 = 0.7;
/// From this share of refusals and failures, or this 95th percentile on, a proxy counts as failing under the load of a second.
pub(crate) const FAILING_SHARE: f64 = 0.05;
pub(crate) const FAILING_P95_MS: f64 = 200.0;
/// The most that memory may grow over the second half of a soak.
pub(crate) const GROWTH: f64 = 0.02;
/// In twenty minutes these make more requests than a day of seven a second has.
pub(crate) const SOAK_USERS: u64 = 80;
/// How long a soak takes unless said otherwise.
pub const SOAK: Duration = Duration::from_secs(20 * 60);
/// Slopes of shorter soaks are of caches that fill: they are shown, not judged.
pub(crate) const SHORTEST_SLOPE: Duration = Duration::from_secs(4 * 60);

const fn step(users: u64, seconds: u64) -> Step {
    Step { users, seconds }
}

/// What most users of a shop do.
const SHOPPING: &[(Operation, usize)] = &[(Read, 6), (Search, 3), (Order, 1)];
/// Nothing fails, next to nothing is refused. The times leave room for a machine that does something else besides.
const CALM: Thresholds = Thresholds {
    failed: 0.0,
    refused: 0.01,
    refused_in_the_end: 0.01,
    p50_ms: 20.0,
    p95_ms: 50.0,
    p99_ms: 100.0,
    added_p50_ms: 5.0,
};

/// All of them, in the order in which they run.
pub const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "constant",
        about: "40 users who ask ten times a second each, as on any day.",
        steps: &[step(40, 2), step(40, 60)],
        wait_ms: 100,
        mix: SHOPPING,
        thresholds: CALM,
        judged_by: JudgedBy::Thresholds,
    },
    Scenario {
        name: "spike",
        about: "Ten times as many users within two seconds, for twenty seconds.",
        steps: &[step(10, 1), step(10, 15), step(100, 2), step(100, 20), step(10, 2), step(10, 20)],
        wait_ms: 50,
        mix: SHOPPING,
        thresholds: Thresholds { refused: 0.10, p95_ms: 75.0, p99_ms: 200.0, ..CALM },
        judged_by: JudgedBy::Thresholds,
    },
    Scenario {
        name: "stress",
        about: "More and more users, in front of an upstream that can do 400 requests a second.",
        steps: &[step(10, 1), step(200, 75), step(200, 15)],
        wait_ms: 100,
        mix: &[(Work, 1)],
        thresholds: Thresholds {
            failed: 0.001,
            refused: 1.0,
            refused_in_the_end: 1.0,
            p50_ms: 100.0,
            p95_ms: 250.0,
            p99_ms: 400.0,
            added_p50_ms: 5.0,
        },
        judged_by: JudgedBy::Goodput,
    },
    Scenario {
        name: "mixed",
        about: "Everything that the chain has a rule for: reads, searches, orders, logins, reports, health checks.",
        steps: &[step(60, 2), step(60, 60)],
        wait_ms: 100,
        mix: &[(Read, 8), (Search, 4), (Order, 2), (Login, 2), (Report, 1), (Health, 1)],
        // Reports take 100 ms.
        thresholds: Thresholds {
            refused: 0.03,
            refused_in_the_end: 0.03,
            p95_ms: 160.0,
            p99_ms: 250.0,
            ..CALM
        },
        judged_by: JudgedBy::Thresholds,
    },
    Scenario {
        name: "many-at-once",
        about: "Every second 300 users ask for one page at the same moment, each time a page that nobody has asked for.",
        steps: &[step(300, 2), step(300, 40)],
        wait_ms: 0,
        mix: &[(Crowd, 1)],
        // Whoever comes when the proxy has its hands full is told when to come back.
        thresholds: Thresholds {
            refused: 0.95,
            refused_in_the_end: 0.95,
            p50_ms: 400.0,
            p95_ms: 800.0,
            p99_ms: 1_000.0,
            added_p50_ms: 100.0,
            ..CALM
        },
        judged_by: JudgedBy::Thresholds,
    },
    Scenario {
        name: "soak",
        about: "A day of seven requests a second, in twenty minutes: 80 users with as many addresses and tenants, and ever new searches.",
        steps: &[step(SOAK_USERS, 5), step(SOAK_USERS, SOAK.as_secs())],
        wait_ms: 100,
        mix: &[(Read, 6), (Search, 4), (Order, 2), (Login, 1), (Report, 1)],
        thresholds: Thresholds {
            refused: 0.03,
            refused_in_the_end: 0.03,
            p95_ms: 160.0,
            p99_ms: 300.0,
            ..CALM
        },
        judged_by: JudgedBy::Soak,
    },
];

/// The scenario with this name.
#[must_use]
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
