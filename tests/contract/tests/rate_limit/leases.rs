//! What a worker takes in advance is nobody's loss for longer than a tick.

use crate::{A_TICK, configuration, limits, passed, passed_until_all_refuse};
use std::time::Duration;

const LARGE: &str = r#"{"name": "a", "rate": "1/d", "burst": 1600}"#;

#[test]
fn what_an_idle_worker_holds_others_can_use_after_a_tick() {
    let workers = limits(2, LARGE);
    assert_eq!(passed(&workers, 0, "/", 40), 40);
    let at_once = passed(&workers, 1, "/", 1_600);
    assert!((1_460..1_560).contains(&at_once), "a sixteenth at the most is held in advance: {at_once}");
    workers.host.advance(A_TICK);
    assert_eq!(passed(&workers, 1, "/", 1_600), 1_560 - at_once);
}

#[test]
fn what_a_worker_holds_comes_back_when_its_configuration_ends() {
    let workers = limits(2, LARGE);
    assert_eq!(passed(&workers, 0, "/", 40), 40);
    workers.roots[0].shut_down().unwrap();
    assert_eq!(passed(&workers, 1, "/", 1_600), 1_560);
}

#[test]
fn a_crash_loses_what_was_held_until_it_has_flowed_in_again() {
    const BURST: usize = 1_600;
    let mut workers = limits(2, r#"{"name": "a", "rate": "10/s", "burst": 1600}"#);
    assert_eq!(passed(&workers, 0, "/", 40), 40);
    workers.vms[0].kill();
    let rest = passed(&workers, 1, "/", BURST);
    assert!((BURST - 40 - BURST / 16..BURST - 40).contains(&rest), "{rest}");
    workers.host.advance(Duration::from_secs(161));
    workers.restart(0, &configuration(r#"{"name": "a", "rate": "10/s", "burst": 1600}"#));
    let again = passed(&workers, 0, "/", BURST / 2) + passed(&workers, 1, "/", BURST);
    assert!((BURST - BURST / 16..=BURST).contains(&again), "full, and not more than full: {again}");
}

#[test]
fn many_crashes_let_nothing_more_through() {
    let mut workers = limits(2, LARGE);
    let mut total = 0;
    for _ in 0..5 {
        total += passed(&workers, 0, "/", 30);
        workers.vms[0].kill();
        workers.restart(0, &configuration(LARGE));
    }
    total += passed_until_all_refuse(&workers, "/");
    assert!((1_600 - 5 * 100..=1_600).contains(&total), "{total}");
}
