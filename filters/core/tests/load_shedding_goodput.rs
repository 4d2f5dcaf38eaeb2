//! What load shedding is for, in a simulation: goodput under overload, for whom it matters most.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod load_shedding_simulation;

use ballast_core::load_shedding::Settings;
use ballast_core::load_shedding::gate::Strategy;
use ballast_core::load_shedding::level::Thresholds;
use ballast_core::load_shedding::limit::gradient2::Gradient2;
use ballast_core::load_shedding::limit::{self, Algorithm};
use ballast_core::load_shedding::queue::{self, Order};
use load_shedding_simulation::{Outcome, Scenario, Source, run};
use std::time::Duration;

/// Eight at a time, 20 ms each.
const CAPACITY: f64 = 400.0;

fn settings() -> Settings {
    Settings {
        limit: limit::Settings {
            algorithm: Algorithm::Gradient2(Gradient2 { tolerance: 1.25 }),
            initial: 20,
            min: 4,
            max: 1_000,
        },
        percentile: 0.5,
        window: Duration::from_millis(100),
        min_samples: 16,
        classes: 4,
        strategy: Strategy::Adaptive,
        queue: queue::Settings {
            max_length: 100,
            target_delay: Duration::from_millis(5),
            max_wait: Duration::from_millis(200),
            order: Order::AdaptiveLifo,
        },
        admission: Vec::new(),
        thresholds: Thresholds { elevated: 0.8, high: 0.95, critical: 1.1 },
    }
}

fn scenario(sources: Vec<Source>, seconds: f64, seed: u64) -> Scenario {
    Scenario { settings: settings(), workers: 4, servers: 8, service_ms: |_| 20.0, sources, seconds, seed }
}

/// Everybody alike, so many times the capacity.
fn everybody(times: f64) -> Vec<Source> {
    (0..20).map(|caller| Source { per_second: CAPACITY * times / 20.0, class: 2, caller }).collect()
}

fn trace(outcome: &Outcome) {
    if std::env::var_os("TRACE").is_some() {
        for glance in outcome.glances.iter().step_by(5) {
            println!("{glance:.1?}");
        }
    }
}

#[test]
fn offered_load() {
    for seed in 1..=8 {
        for times in [0.5, 1.0, 2.0, 3.0, 4.0] {
            let outcome = run(&scenario(everybody(times), 20.0, seed));
            trace(&outcome);
            let offered = outcome.came(0.0, 20.0).count() as f64 / 20.0;
            println!(
                "seed {seed} {times}x: offered {offered:.0}, goodput {:.1} ({:.1}% of offered, {:.1}% of capacity), first 5 s {:.1}, p50 {:.1} p99 {:.1}, refused {}",
                outcome.goodput(0.0, 20.0),
                outcome.goodput(0.0, 20.0) / offered * 100.0,
                outcome.goodput(0.0, 20.0) / CAPACITY * 100.0,
                outcome.goodput(0.0, 5.0),
                outcome.latency(0.0, 20.0, 0.5, |_| true),
                outcome.latency(0.0, 20.0, 0.99, |_| true),
                outcome.requests.iter().filter(|request| request.refused).count(),
            );
        }
    }
}

#[test]
fn critical() {
    for seed in 1..=8 {
        let sources = vec![
            Source { per_second: 160.0, class: 0, caller: 1 },
            Source { per_second: 1_440.0, class: 2, caller: 2 },
        ];
        let outcome = run(&scenario(sources, 20.0, seed));
        trace(&outcome);
        println!(
            "critical seed {seed}: success {:.4}, p99 {:.1}, goodput {:.1}",
            outcome.success(0.0, 20.0, |request| request.source == 0),
            outcome.latency(0.0, 20.0, 0.99, |request| request.source == 0),
            outcome.goodput(0.0, 20.0)
        );
    }
}

#[test]
fn tenants() {
    for seed in 1..=8 {
        let sources: Vec<Source> = (0..10)
            .map(|caller| Source { per_second: if caller == 0 { 400.0 } else { 20.0 }, class: 2, caller })
            .collect();
        let outcome = run(&scenario(sources, 20.0, seed));
        trace(&outcome);
        println!(
            "tenants seed {seed}: quiet {:.4}, greedy {:.4}, p99 {:.1}, goodput {:.1}",
            outcome.success(3.0, 20.0, |request| request.source > 0),
            outcome.success(0.0, 20.0, |request| request.source == 0),
            outcome.latency(0.0, 20.0, 0.99, |request| request.source > 0),
            outcome.goodput(0.0, 20.0)
        );
    }
}

#[test]
fn slow_down() {
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    for (seed, times) in (1..=40).map(|seed| (seed, [0.9, 1.0, 2.0, 4.0][seed as usize % 4])) {
        if only.is_some_and(|only| only != seed) {
            continue;
        }
        let mut scenario = scenario(everybody(times), 30.0, seed);
        scenario.service_ms = |now| if (10_000.0..20_000.0).contains(&now) { 200.0 } else { 20.0 };
        let outcome = run(&scenario);
        trace(&outcome);
        let most = |from: f64, to: f64| {
            let glances = outcome.glances.iter().filter(|glance| (from..to).contains(&glance.at_ms));
            glances.map(|glance| glance.upstream).max().unwrap()
        };
        println!(
            "slow {times}x seed {seed}: in flight {} then {}, goodput slow {:.1} of 40, after recovery {:.1} {:.1}",
            most(10_000.0, 13_000.0),
            most(13_000.0, 20_000.0),
            outcome.goodput(13.0, 19.5),
            outcome.goodput(20.0, 25.0),
            outcome.goodput(25.0, 30.0),
        );
    }
}
