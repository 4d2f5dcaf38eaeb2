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
use load_shedding_simulation::{Scenario, Source, run};
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
    Scenario {
        settings: settings(),
        workers: 4,
        servers: 8,
        service_ms: |_| 20.0,
        sources,
        seconds,
        seed,
        stall_ms: 0.0,
    }
}

/// Everybody alike, so many times the capacity.
fn everybody(times: f64) -> Vec<Source> {
    (0..20).map(|caller| Source { per_second: CAPACITY * times / 20.0, class: 2, caller }).collect()
}

#[test]
fn what_is_offered_is_served_up_to_the_capacity_and_the_capacity_beyond() {
    for seed in 1..=6 {
        for times in [0.5, 1.0, 2.0, 3.0, 4.0] {
            let outcome = run(&scenario(everybody(times), 20.0, seed));
            let goodput = outcome.goodput(0.0, 20.0);
            let offered = outcome.came(0.0, 20.0).count() as f64 / 20.0;
            let p99 = outcome.latency(0.0, 20.0, 0.99, |_| true);
            let what =
                format!("seed {seed}, {times}x: {goodput:.1} of {offered:.1} offered, p99 {p99:.1} ms");
            if times < 1.0 {
                assert!(outcome.requests.iter().all(|request| request.refused.is_none()), "{what}");
            }
            // At random more or less comes than should: more than the capacity cannot be had.
            let share = if times > 1.0 { 0.97 } else { 0.96 };
            assert!(goodput >= share * offered.min(CAPACITY), "{what}");
            assert!(p99 <= 110.0, "{what}");
            assert!(times <= 1.0 || p99 <= 90.0, "{what}");
        }
    }
}

#[test]
fn critical_requests_are_answered_when_four_times_the_capacity_comes() {
    for seed in 1..=6 {
        let sources = vec![
            Source { per_second: 160.0, class: 0, caller: 1 },
            Source { per_second: 1_440.0, class: 2, caller: 2 },
        ];
        let outcome = run(&scenario(sources, 20.0, seed));
        let success = outcome.success(0.0, 20.0, |request| request.source == 0);
        let p99 = outcome.latency(0.0, 20.0, 0.99, |request| request.source == 0);
        assert!(success >= 0.999 && p99 <= 60.0, "seed {seed}: {success:.4}, p99 {p99:.1} ms");
        assert!(outcome.goodput(0.0, 20.0) >= 0.95 * CAPACITY, "seed {seed}");
    }
}

/// One at ten times its share, nine at half of theirs.
fn one_floods() -> Vec<Source> {
    let tenant = |caller| Source { per_second: if caller == 0 { 400.0 } else { 20.0 }, class: 2, caller };
    (0..10).map(tenant).collect()
}

/// In each of these seeds the quiet ones once lost: the gate was open for a moment and they waited behind the flood (18, 215, 252,
/// 268), or one of them shared its counters with who floods (266).
const ONCE_LOST: [u64; 5] = [18, 215, 252, 266, 268];

#[test]
fn quiet_tenants_keep_their_service_beside_one_that_floods() {
    for seed in (1..=60).chain(ONCE_LOST) {
        for stall_ms in [0.0, 40.0] {
            let outcome = run(&Scenario { stall_ms, ..scenario(one_floods(), 10.0, seed) });
            for (from, to) in [(1.0, 5.0), (5.0, 10.0)] {
                let quiet = outcome.success(from, to, |request| request.source > 0);
                assert!(quiet >= 0.995, "seed {seed}, stalls of {stall_ms} ms, from {from} s: {quiet:.4}");
            }
            let goodput = outcome.goodput(0.0, 10.0) / CAPACITY;
            assert!(stall_ms > 0.0 || goodput >= 0.95, "seed {seed}: {goodput:.3}");
        }
    }
}

/// The upstream takes 200 ms instead of 20 for ten seconds, and works on for clients that have left.
#[test]
fn a_slow_upstream_is_not_flooded_and_recovers() {
    let mut slowed = Vec::new();
    for seed in 1..=96 {
        let times = [0.9, 1.0, 2.0, 4.0][seed as usize % 4];
        let mut scenario = scenario(everybody(times), 30.0, seed);
        scenario.service_ms = |now| if (10_000.0..20_000.0).contains(&now) { 200.0 } else { 20.0 };
        let outcome = run(&scenario);
        let most = |from: f64, to: f64| {
            let glances = outcome.glances.iter().filter(|glance| (from..to).contains(&glance.at_ms));
            glances.map(|glance| glance.upstream).max().unwrap()
        };
        let offered = outcome.came(25.0, 30.0).count() as f64 / 5.0;
        let recovered = outcome.goodput(25.0, 30.0) / offered.min(CAPACITY);
        let (upstream, goodput) = (most(13_000.0, 20_000.0), outcome.goodput(13.0, 19.5));
        let what =
            format!("seed {seed}, {times}x: {upstream} in flight, {goodput:.1} of 40, then {recovered:.3}");
        assert!(upstream <= 20 && goodput >= 28.0 && recovered >= 0.94, "{what}");
        slowed.push((upstream, goodput));
    }
    // The bounds of a service. Single runs may miss them by a little: windows of a slow upstream have few samples.
    let good = slowed.iter().filter(|(upstream, goodput)| *upstream <= 16 && *goodput >= 36.0).count();
    assert!(good * 6 >= slowed.len() * 5, "{good} of {}: {slowed:.1?}", slowed.len());
}

#[test]
fn what_went_in_has_come_out_at_the_end() {
    let outcome = run(&scenario(everybody(2.0), 5.0, 1));
    assert_eq!((outcome.left_in_flight, outcome.left_queued), (0, 0));
    assert!(outcome.most_in_flight > 0);
}
