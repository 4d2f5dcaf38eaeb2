//! A short form of each kind of chaos.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

use ballast_load::chaos::{SCENARIOS, Scale, run, scenario};
use std::collections::BTreeSet;
use tokio::sync::Semaphore;

/// So many at a time: most of it is waiting.
static SOME: Semaphore = Semaphore::const_new(3);

async fn holds(name: &str) {
    let _turn = SOME.acquire().await.unwrap();
    let report = run(scenario(name).unwrap(), Scale::Short).await.unwrap();
    println!("{name} took {:?}", report.took);
    report.checks.iter().for_each(|check| println!("{check}"));
    let failed: Vec<String> =
        report.checks.iter().filter(|check| check.failed()).map(ToString::to_string).collect();
    assert!(report.holds(), "{name}: {failed:#?}; beside it: {:?}", report.failures);
    assert!(report.checks.len() >= 6, "{name} checks next to nothing: {:?}", report.checks);
}

macro_rules! each {
    ($($fact:ident: $name:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $fact() {
                holds($name).await;
            }
        )*

        #[test]
        fn no_kind_is_without_a_test() {
            let tested = BTreeSet::from([$($name),*]);
            assert_eq!(tested, SCENARIOS.iter().map(|scenario| scenario.name).collect());
        }
    };
}

each! {
    everything_holds_after_the_upstream_was_killed: "upstream-kill",
    everything_holds_after_the_upstream_hung: "upstream-hang",
    everything_holds_after_answers_came_byte_by_byte: "slow-drip",
    everything_holds_after_a_storm_of_resets: "reset-storm",
    everything_holds_after_the_upstreams_name_was_gone: "dns-gone",
    every_filter_holds_over_steps_of_the_clock: "clock-steps-filters",
    everything_holds_over_steps_of_envoys_clock: "clock-steps-envoy",
    everything_holds_after_a_vm_crashed: "vm-crash",
    everything_holds_over_a_reload_every_second: "reload-every-second",
    everything_holds_over_a_change_of_the_number_of_workers: "worker-count",
    everything_holds_when_the_stores_are_full: "full-store",
    everything_holds_after_clients_vanished: "vanishing-clients",
    everything_holds_with_a_crowd_of_connections: "connections",
    everything_holds_after_the_proxy_was_stopped: "envoy-stopped",
}
