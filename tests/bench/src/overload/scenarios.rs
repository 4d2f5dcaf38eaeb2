//! What is asked of each way, and what must come out of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ballast_core::random::{Random, SplitMix};
use ballast_harness::Request;
use clap::ValueEnum;

use super::table::{Bound, Measure, Unit};
use super::{Event, PLACES, SERVICE_TIME, Tally, Traffic, Trial, Way, Window, arrivals, capacity};

/// A load with its questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// From half of the capacity to four times of it.
    Loads,
    /// Four times the capacity, a tenth of it critical.
    Critical,
    /// One tenant at ten times its share, nine at half of theirs.
    Tenants,
    /// The upstream becomes ten times slower and recovers.
    Slowdown,
    /// Nine of ten requests are answered without the upstream.
    Cache,
}

/// What all trials of a run have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long is measured where a scenario has no times of its own.
    pub time: Duration,
    /// Only these multiples of the capacity; all when empty.
    pub loads: Vec<f64>,
    /// Determines the times of arrival.
    pub seed: u64,
}

/// What the upstream can do.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// Requests a second: what 1x means.
    pub capacity: f64,
    /// The p99 in milliseconds at a quarter of that without any filter.
    pub unloaded_p99: f64,
}

/// The multiples of the capacity in the scenario of loads.
const LOADS: [f64; 5] = [0.5, 1.0, 2.0, 3.0, 4.0];
/// What is left out at the begin where not a cold start is looked at.
const WARM_UP: Duration = Duration::from_secs(5);
/// Requests that need the upstream, in capacities, where most are answered without it.
const MISSES: f64 = 1.2;
const SLOW: Duration = Duration::from_millis(200);
/// When the upstream gets slow, when it recovers, and when the trial ends, in seconds.
const SLOW_FROM: f64 = 8.0;
const SLOW_TO: f64 = 18.0;
const SLOW_END: f64 = 28.0;

impl Scenario {
    /// All of them, in the table's order.
    pub const ALL: [Self; 5] = [Self::Loads, Self::Critical, Self::Tenants, Self::Slowdown, Self::Cache];

    /// Runs it one way.
    ///
    /// # Errors
    /// When a trial cannot be run.
    pub async fn run(self, way: Way, settings: &Settings, baseline: Baseline) -> Result<Vec<Measure>> {
        match self {
            Self::Loads => loads(way, settings, baseline).await,
            Self::Critical => critical(way, settings, baseline).await,
            Self::Tenants => tenants(way, settings, baseline).await,
            Self::Slowdown => slowdown(way, settings, baseline).await,
            Self::Cache => cache(way, settings, baseline).await,
        }
    }
}

impl Baseline {
    /// Measures it.
    ///
    /// # Errors
    /// When a trial cannot be run.
    pub async fn measure(settings: &Settings) -> Result<Self> {
        let capacity = capacity(settings.time.min(Duration::from_secs(5))).await?;
        // The lowest of three: what else the machine does can only make it longer.
        let mut unloaded_p99 = f64::INFINITY;
        for _ in 0..3 {
            let traffic = plain(capacity * 0.25, settings.time, settings.seed);
            let trial = Trial::run(Way::Nothing, traffic, &[]).await?;
            let window = Window { from: Duration::ZERO, to: settings.time };
            let tally = Tally::of(&trial.observed, window, |_| true);
            trial.tell(Way::Nothing, "0.25x", window, &tally);
            unloaded_p99 = unloaded_p99.min(tally.millis(0.99));
        }
        Ok(Self { capacity, unloaded_p99 })
    }
}

async fn loads(way: Way, settings: &Settings, baseline: Baseline) -> Result<Vec<Measure>> {
    let mut measures = Vec::new();
    for load in LOADS {
        if !settings.loads.is_empty() && !settings.loads.contains(&load) {
            continue;
        }
        // Up to the capacity a cold start is part of what is asked.
        let warm_up = if load > 1.0 { WARM_UP } else { Duration::ZERO };
        let window = Window { from: warm_up, to: warm_up + settings.time };
        let traffic = plain(baseline.capacity * load, window.to, settings.seed);
        let trial = Trial::run(way, traffic, &[]).await?;
        let tally = Tally::of(&trial.observed, window, |_| true);
        trial.tell(way, &format!("{load}x"), window, &tally);
        let cold = if load > 1.0 { "" } else { ", cold start" };
        if load < 1.0 {
            let refused = tally.refused as f64 / tally.offered as f64;
            let what = format!("{load}x{cold}: refused");
            measures.push(Measure::new(what, refused, Unit::Percent, Some(Bound::AtMost(0.0))));
        }
        let (share, of, bound) = if load <= 1.0 {
            (tally.success(), "what is offered", 0.97)
        } else {
            (tally.goodput() / baseline.capacity, "capacity", 0.95)
        };
        let bound = (load == 1.0 || load >= 3.0).then_some(Bound::AtLeast(bound));
        measures.push(Measure::new(format!("{load}x{cold}: goodput of {of}"), share, Unit::Percent, bound));
        let bound = (load >= 3.0).then_some(Bound::AtMost(4.0 * baseline.unloaded_p99));
        measures.push(Measure::new(format!("{load}x: p99"), tally.millis(0.99), Unit::Millis, bound));
    }
    Ok(measures)
}

async fn critical(way: Way, settings: &Settings, baseline: Baseline) -> Result<Vec<Measure>> {
    let window = Window { from: WARM_UP, to: WARM_UP + settings.time };
    let seed = settings.seed;
    let is_critical = move |number| drawn(number, seed, 10) == 0;
    let traffic =
        Traffic {
            due: arrivals(baseline.capacity * 4.0, window.to, seed).into(),
            each: Arc::new(move |number, request: Request| {
                if is_critical(number) { request.header("x-priority", "critical") } else { request }
            }),
        };
    let trial = Trial::run(way, traffic, &[]).await?;
    let tally = Tally::of(&trial.observed, window, |one| is_critical(one.number));
    let all = Tally::of(&trial.observed, window, |_| true);
    trial.tell(way, "4x, critical", window, &tally);
    trial.tell(way, "4x, all", window, &all);
    let p99 = Some(Bound::AtMost(3.0 * baseline.unloaded_p99));
    Ok(vec![
        Measure::new(
            "4x, a tenth critical: critical answered",
            tally.success(),
            Unit::FinePercent,
            Some(Bound::AtLeast(0.999)),
        ),
        Measure::new("4x, a tenth critical: their p99", tally.millis(0.99), Unit::Millis, p99),
        Measure::new(
            "4x, a tenth critical: goodput of capacity, all together",
            all.goodput() / baseline.capacity,
            Unit::Percent,
            None,
        ),
    ])
}

async fn tenants(way: Way, settings: &Settings, baseline: Baseline) -> Result<Vec<Measure>> {
    let window = Window { from: WARM_UP, to: WARM_UP + settings.time };
    let seed = settings.seed;
    // Shares are tenths of the capacity: 100 parts of 145 are ten shares, five are half of one.
    let tenant = move |number| drawn(number, seed, 145).checked_sub(100).map_or(0, |quiet| 1 + quiet / 5);
    let traffic = Traffic {
        due: arrivals(baseline.capacity * 1.45, window.to, seed).into(),
        each: Arc::new(move |number, request: Request| {
            request.header("x-tenant", format!("tenant-{}", tenant(number)))
        }),
    };
    let trial = Trial::run(way, traffic, &[]).await?;
    let quiet = Tally::of(&trial.observed, window, |one| tenant(one.number) > 0);
    let all = Tally::of(&trial.observed, window, |_| true);
    trial.tell(way, "quiet tenants", window, &quiet);
    trial.tell(way, "all tenants", window, &all);
    Ok(vec![
        Measure::new(
            "one tenant at 10x its share, nine at 0.5x: the nine answered",
            quiet.success(),
            Unit::FinePercent,
            Some(Bound::AtLeast(0.995)),
        ),
        Measure::new(
            "one tenant at 10x its share, nine at 0.5x: goodput of capacity",
            all.goodput() / baseline.capacity,
            Unit::Percent,
            None,
        ),
    ])
}

async fn slowdown(way: Way, settings: &Settings, baseline: Baseline) -> Result<Vec<Measure>> {
    let traffic = plain(baseline.capacity, Duration::from_secs_f64(SLOW_END), settings.seed);
    let slow = Event { at: Duration::from_secs_f64(SLOW_FROM), service_time: SLOW };
    let recovered = Event { at: Duration::from_secs_f64(SLOW_TO), service_time: SERVICE_TIME };
    let trial = Trial::run(way, traffic, &[slow, recovered]).await?;
    let tally = |window| Tally::of(&trial.observed, window, |_| true);
    let slowed = Window::seconds(SLOW_FROM + 3.0, SLOW_TO);
    let after = Window::seconds(SLOW_TO + 5.0, SLOW_END);
    for second in 0..SLOW_END as u64 {
        let window = Window::seconds(second as f64, second as f64 + 1.0);
        trial.tell(way, &format!("slow-down, second {second}"), window, &tally(window));
    }
    let slowed_capacity = PLACES as f64 / SLOW.as_secs_f64();
    Ok(vec![
        Measure::new(
            "10x slower, from 3 s on: most in flight upstream",
            trial.most_in_flight(slowed) as f64,
            Unit::Count,
            Some(Bound::AtMost(16.0)),
        ),
        Measure::new(
            "10x slower, from 3 s on: goodput of what is left of the capacity",
            tally(slowed).goodput() / slowed_capacity,
            Unit::Percent,
            Some(Bound::AtLeast(0.9)),
        ),
        Measure::new(
            "recovered for 5 s: goodput of capacity",
            tally(after).goodput() / baseline.capacity,
            Unit::Percent,
            Some(Bound::AtLeast(0.95)),
        ),
    ])
}

async fn cache(way: Way, settings: &Settings, baseline: Baseline) -> Result<Vec<Measure>> {
    let window = Window { from: WARM_UP, to: WARM_UP + settings.time };
    let seed = settings.seed;
    let alone = Trial::run(way, plain(baseline.capacity * MISSES, window.to, seed), &[]).await?;
    alone.tell(way, "misses alone", window, &Tally::of(&alone.observed, window, |_| true));
    let is_miss = move |number| drawn(number, seed, 10) == 0;
    let traffic = Traffic {
        due: arrivals(baseline.capacity * MISSES * 10.0, window.to, seed).into(),
        each: Arc::new(
            move |number, request: Request| {
                if is_miss(number) { request } else { request.path("/cached/one") }
            },
        ),
    };
    let trial = Trial::run(way, traffic, &[]).await?;
    let misses = Tally::of(&trial.observed, window, |one| is_miss(one.number));
    let hits = Tally::of(&trial.observed, window, |one| !is_miss(one.number));
    trial.tell(way, "misses", window, &misses);
    trial.tell(way, "hits", window, &hits);
    let mut measures = vec![
        Measure::new(
            "behind a cache with 90% hits, misses at 1.2x: goodput of misses of capacity",
            misses.goodput() / baseline.capacity,
            Unit::Percent,
            None,
        ),
        Measure::new(
            "behind a cache with 90% hits, misses at 1.2x: hits answered",
            hits.success(),
            Unit::Percent,
            None,
        ),
    ];
    if let (Some(with), Some(without)) = (trial.limit(window), alone.limit(window)) {
        measures.push(Measure::new(
            "behind a cache with 90% hits: limit, of the limit without cache",
            with as f64 / without.max(1) as f64,
            Unit::Percent,
            Some(Bound::Between(0.75, 1.25)),
        ));
    }
    Ok(measures)
}

fn plain(per_second: f64, time: Duration, seed: u64) -> Traffic {
    Traffic { due: arrivals(per_second, time, seed).into(), each: Arc::new(|_, request| request) }
}

/// A number below `below` that the request's number determines.
fn drawn(number: u64, seed: u64, below: u64) -> u64 {
    SplitMix::new(number ^ seed.rotate_left(32)).below(below)
}
