//! Limits that tighten while the process is overloaded, as others say.

use crate::{A_TICK, configuration, limits, metric, passed, passed_until_all_refuse};
use ballast_contract::{Herald, status};
use std::time::Duration;

/// Limits of a hundred by any way of counting, which tighten.
fn elastic() -> [String; 3] {
    let elastic = r#""elastic": {"level_1": "80%", "level_2": "50%", "level_3": "20%"}"#;
    [
        format!(r#"{{"name": "a", "rate": "1/d", "burst": 100, {elastic}}}"#),
        format!(r#"{{"name": "a", "algorithm": "sliding_window", "rate": "100/d", {elastic}}}"#),
        format!(r#"{{"name": "a", "algorithm": "fixed_window", "rate": "100/d", {elastic}}}"#),
    ]
}

#[test]
fn within_two_ticks_exactly_the_share_of_the_level_passes_whichever_workers_are_asked() {
    for limit in elastic() {
        for (level, expected) in [(0, 100), (1, 80), (2, 50), (3, 20)] {
            let workers = limits(3, &limit);
            let herald = Herald::new(&workers.host);
            herald.says(level, false);
            assert_eq!(metric(&workers.host, "left_percent"), expected, "{limit} at level {level}");
            assert_eq!(passed_until_all_refuse(&workers, "/") as u64, expected, "{limit} at level {level}");
        }
    }
}

#[test]
fn tokens_that_a_worker_took_in_advance_are_not_spent_at_the_old_price() {
    let [bucket, ..] = elastic();
    let workers = limits(2, &bucket.replace("100", "1000"));
    let herald = Herald::new(&workers.host);
    assert_eq!(passed(&workers, 0, "/", 500), 500);
    let shared = |stream: &ballast_wasm_host::Stream| {
        stream.last_cost().host_calls.keys().any(|call| call.contains("shared"))
    };
    let asked = (1..20).find(|_| !shared(&workers.get(0, "/", &[])));
    let left = 500 - asked.expect("worker 0 holds tokens in advance");
    herald.says(3, false);
    assert_eq!(passed_until_all_refuse(&workers, "/"), left / 5, "a fifth of the {left} that were left");
}

#[test]
fn nobody_has_more_at_once_when_the_level_falls() {
    for limit in elastic() {
        let workers = limits(2, &limit);
        let herald = Herald::new(&workers.host);
        herald.says(3, false);
        assert_eq!(passed_until_all_refuse(&workers, "/"), 20, "{limit}");
        herald.says(0, false);
        let now = || passed(&workers, 0, "/", 100) + passed(&workers, 1, "/", 100);
        let at_once = now();
        assert!(at_once <= 6, "{limit}: {at_once} at once");
        workers.host.advance(Duration::from_secs(1));
        let later = now();
        assert!(later <= 15, "{limit}: a tenth of the whole in each second, not {later}");
        workers.host.advance(Duration::from_secs(10));
        assert_eq!(metric(&workers.host, "left_percent"), 100, "{limit}");
    }
}

#[test]
fn what_is_in_flight_when_the_level_rises_stays_and_nothing_is_added() {
    let limit = r#"{"name": "a", "algorithm": "concurrency", "max_concurrent": 10,
                    "elastic": {"level_2": "50%", "recover_over": "0s"}}"#;
    let workers = limits(2, limit);
    let herald = Herald::new(&workers.host);
    let mut in_flight: Vec<_> = (0..8).map(|request| workers.get(request % 2, "/", &[])).collect();
    assert!(in_flight.iter().all(|stream| stream.local_reply().is_none()));
    herald.says(2, false);
    assert_eq!(status(&workers.get(0, "/", &[])), 429, "eight are in flight, five may be");
    in_flight.drain(..3).for_each(|stream| assert_eq!(status(&stream), 200));
    assert_eq!(status(&workers.get(1, "/", &[])), 429, "five are");
    in_flight.drain(..1).for_each(|stream| assert_eq!(status(&stream), 200));
    assert_eq!(status(&workers.get(1, "/", &[])), 200);
    herald.says(0, false);
    in_flight.extend((0..6).map(|_| workers.get(0, "/", &[])));
    assert!(in_flight.iter().all(|stream| stream.local_reply().is_none()), "ten may be again");
}

#[test]
fn a_limit_that_is_not_elastic_and_a_request_pay_nothing_for_it() {
    let stiff = limits(1, r#"{"name": "a", "rate": "1/d", "burst": 100}"#);
    Herald::new(&stiff.host).says(3, false);
    assert_eq!(passed_until_all_refuse(&stiff, "/"), 100);
    let [bucket, ..] = elastic();
    let elastic = limits(1, &bucket);
    Herald::new(&elastic.host).says(1, false);
    let fresh = limits(1, r#"{"name": "a", "rate": "1/d", "burst": 100}"#);
    let calls = |workers: &ballast_contract::Workers| {
        let stream = workers.get(0, "/", &[]);
        stream.last_cost().host_calls.clone()
    };
    assert_eq!(calls(&elastic), calls(&fresh));
}

#[test]
fn a_reload_amid_overload_goes_by_the_level_from_its_first_tick() {
    let [bucket, ..] = elastic();
    let mut workers = limits(2, &bucket);
    let herald = Herald::new(&workers.host);
    herald.says(3, false);
    workers.reload(&configuration(&bucket));
    workers.host.advance(A_TICK);
    assert_eq!(passed_until_all_refuse(&workers, "/"), 20);
}
