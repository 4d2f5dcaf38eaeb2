//! Chaos: what is done to a proxy or to what is around it, and what must hold afterwards.

mod clients;
mod clocks;
mod dns;
mod invariants;
mod proxy;
mod scene;
mod stores;
mod upstreams;

use crate::{Check, Second};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A kind of trouble.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// How `make chaos SCENARIO=…` calls it.
    pub name: &'static str,
    /// What is done.
    pub about: &'static str,
    /// Does it, and checks what must hold afterwards.
    run: fn(Scale) -> Running,
}

type Running = Pin<Box<dyn Future<Output = Result<Outcome>>>>;

impl std::fmt::Debug for Scenario {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How much trouble there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// For `make chaos`.
    Long,
    /// For the test suite.
    Short,
}

impl Scale {
    /// How long trouble lasts.
    fn trouble(self) -> Duration {
        Duration::from_secs(self.of(10, 3))
    }

    /// One number or the other.
    fn of<T>(self, long: T, short: T) -> T {
        match self {
            Self::Long => long,
            Self::Short => short,
        }
    }
}

/// What a scenario hands back.
#[derive(Debug, Default)]
struct Outcome {
    checks: Vec<Check>,
    seconds: Vec<Second>,
    failures: BTreeMap<String, u64>,
    trouble: Option<(Duration, Duration)>,
}

/// What came of a scenario.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// What was done.
    pub about: &'static str,
    /// How long all of it took.
    pub took: Duration,
    /// From when to when there was trouble, from the begin of the quiet load.
    pub trouble: Option<(Duration, Duration)>,
    /// What the quiet load beside it saw.
    pub seconds: Vec<Second>,
    /// What failed of it, by what went wrong.
    pub failures: BTreeMap<String, u64>,
    /// What had to hold afterwards.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether everything held that could be judged.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.checks.iter().any(Check::failed)
    }
}

/// Runs one.
///
/// # Errors
///
/// When a proxy does not start, or what is needed to make the trouble is not there.
pub async fn run(scenario: &Scenario, scale: Scale) -> Result<Report> {
    let begin = Instant::now();
    let Outcome { checks, seconds, failures, trouble } = (scenario.run)(scale).await?;
    let Scenario { name, about, .. } = *scenario;
    Ok(Report { name, about, took: begin.elapsed(), trouble, seconds, failures, checks })
}

/// The scenario with this name.
#[must_use]
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// Makes an entry of the table of an async function.
macro_rules! scenario {
    ($name:literal, $about:literal, $run:path) => {
        Scenario { name: $name, about: $about, run: |scale| Box::pin($run(scale)) }
    };
}

/// All of them. What must hold after each is in `invariants.rs`, and beside what is done where only one has it.
pub const SCENARIOS: [Scenario; 14] = [
    scenario!("upstream-kill", "The upstream is gone: connections are reset and refused.", upstreams::kill),
    scenario!("upstream-hang", "The upstream accepts requests and answers none.", upstreams::hang),
    scenario!("slow-drip", "The upstream sends its answers byte by byte.", upstreams::drip),
    scenario!(
        "reset-storm",
        "The upstream resets connections before, after and amid its answers.",
        upstreams::resets
    ),
    scenario!("dns-gone", "The upstream's name is not known any more, then is again.", dns::gone),
    scenario!(
        "clock-steps-filters",
        "The wall clock goes an hour ahead and back under each filter, in the in-process host.",
        clocks::filters
    ),
    scenario!(
        "clock-steps-envoy",
        "The wall clock goes an hour ahead and back under a whole Envoy.",
        clocks::envoy
    ),
    scenario!("vm-crash", "A worker's VM traps amid a request, filter by filter.", proxy::crash),
    scenario!("reload-every-second", "Another configuration every second.", proxy::reload),
    scenario!(
        "worker-count",
        "The process is replaced by one with more workers, then by one with fewer.",
        proxy::workers
    ),
    scenario!(
        "full-store",
        "Far more clients and pages than the shared stores have room for.",
        stores::flood
    ),
    scenario!("vanishing-clients", "Clients leave amid their requests, again and again.", clients::vanish),
    scenario!("connections", "Ten thousand connections at the same time.", clients::crowd),
    scenario!(
        "envoy-stopped",
        "The proxy itself is stopped for a while, as a busy or paused machine does.",
        proxy::paused
    ),
];
