//! Limits live by the monotonic clock alone, however far it goes.

use crate::{A_TICK, all_live, limits, of_every_algorithm, passed, passed_until_all_refuse};
use ballast_contract::status;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_jump_of_the_wall_clock_changes_nothing() {
    let hour = u64::try_from(HOUR.as_nanos()).unwrap();
    for limit in of_every_algorithm(20) {
        for forward in [true, false] {
            let workers = limits(2, &limit);
            assert_eq!(passed(&workers, 0, "/", 8), 8);
            let now = workers.host.wall_nanos();
            workers.host.set_wall_nanos(if forward { now + hour } else { now - hour });
            assert_eq!(passed_until_all_refuse(&workers, "/"), 12, "{limit}");
            workers.host.set_wall_nanos(now);
            workers.host.advance(Duration::from_secs(2));
            assert_eq!(passed_until_all_refuse(&workers, "/"), 0, "{limit}");
        }
    }
}

#[test]
fn a_jump_of_the_wall_clock_declares_nobody_dead() {
    let workers = limits(2, r#"{"name": "a", "algorithm": "concurrency", "max_concurrent": 1}"#);
    let held = workers.get(0, "/", &[]);
    let days = |count: i64| count * i64::try_from(DAY.as_nanos()).unwrap();
    for jump in [days(1), days(-2)] {
        workers.host.set_wall_nanos(workers.host.wall_nanos().checked_add_signed(jump).unwrap());
        workers.host.advance(Duration::from_secs(3));
        assert_eq!(status(&workers.get(1, "/", &[])), 429);
    }
    assert_eq!(status(&held), 200);
    assert_eq!(status(&workers.get(1, "/", &[])), 200);
}

#[test]
fn after_days_without_a_request_every_limit_is_full_and_not_more_than_full() {
    for limit in of_every_algorithm(20) {
        let workers = limits(2, &limit);
        assert_eq!(passed_until_all_refuse(&workers, "/"), 20);
        // A process that is asleep most of the time: ticks are hours apart, so its workers are declared dead as well.
        workers.host.set_timer_step(6 * HOUR);
        workers.host.advance(100 * DAY);
        workers.host.set_timer_step(Duration::from_millis(4));
        workers.host.advance(A_TICK);
        let refilled = passed_until_all_refuse(&workers, "/");
        assert_eq!(refilled, 20, "{limit}");
        assert!(all_live(&workers));
    }
}
