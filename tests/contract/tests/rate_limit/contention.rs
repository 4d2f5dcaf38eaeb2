//! Busy is not broken: who loses for ever is refused, and who has no store follows the configuration.

use crate::{MODULE, all_live, limits, metric};
use ballast_contract::{VM_ID, Workers, status};
use ballast_wasm_host::Host;
use std::cell::Cell;
use std::rc::Rc;

/// Lets every write lose to keys that contain `part`; counts the losses.
fn losing(host: &Host, part: &'static str) -> Rc<Cell<u32>> {
    let lost = Rc::new(Cell::new(0));
    let count = Rc::clone(&lost);
    host.before_shared_set(move |host, key| {
        if key.contains(part) {
            count.set(count.get() + 1);
            let same = host.shared_get(VM_ID, key).map_or_else(|| b"?".to_vec(), |(value, _)| value);
            host.shared_set(VM_ID, key, &same, 0).unwrap();
        }
    });
    lost
}

#[test]
fn who_loses_a_thousand_times_in_a_row_is_refused_and_counted_as_an_error() {
    for on_error in ["allow", "deny"] {
        let configuration = format!(
            r#"{{"on_error": "{on_error}", "limits": [{{"name": "a", "rate": "1/d", "burst": 10}}]}}"#
        );
        let workers = Workers::start(&MODULE, 2, &configuration);
        assert_eq!(status(&workers.get(0, "/", &[])), 200);
        let lost = losing(&workers.host, "/a/");
        let stream = workers.get(1, "/", &[]);
        assert_eq!(lost.get(), 1_000, "{on_error}");
        assert_eq!(stream.local_reply().unwrap().details, "ballast_rate_limit{a,contended}", "{on_error}");
        assert_eq!(status(&stream), 429);
        workers.host.clear_before_shared_set();
        // What was let through is counted with the next tick.
        workers.host.advance(crate::A_TICK);
        let counts = ["allowed", "limited", "errors"].map(|name| metric(&workers.host, name));
        assert_eq!(counts, [1, 0, 1], "{on_error}");
        assert_eq!(crate::passed_until_all_refuse(&workers, "/"), 9, "{on_error}: it used up nothing");
    }
}

#[test]
fn a_permit_whose_release_loses_is_released_by_a_later_tick() {
    let workers = limits(2, r#"{"name": "a", "algorithm": "concurrency", "max_concurrent": 1}"#);
    let stream = workers.get(0, "/", &[]);
    let lost = losing(&workers.host, "/a/");
    assert_eq!(status(&stream), 200);
    assert_eq!(lost.get(), 1_000);
    workers.host.clear_before_shared_set();
    assert_eq!(status(&workers.get(1, "/", &[])), 429, "it counts as long as it is not released");
    workers.host.advance(crate::A_TICK);
    assert_eq!(status(&workers.get(1, "/", &[])), 200);
    assert_eq!(metric(&workers.host, "keys"), 0);
}

#[test]
fn without_a_secret_that_can_be_read_requests_follow_on_error() {
    for (mode, on_error, expected) in
        [("enforce", "allow", 200), ("enforce", "deny", 429), ("shadow", "deny", 200)]
    {
        let configuration = format!(
            r#"{{"mode": "{mode}", "on_error": "{on_error}", "limits": [{{"name": "a", "rate": "1/d", "burst": 3}}]}}"#
        );
        let workers = Workers::start(&MODULE, 2, &configuration);
        workers.host.before_shared_set(|host, key| {
            if key.ends_with("/secret") {
                host.shared_set(VM_ID, key, b"not a secret", 0).unwrap();
            }
        });
        assert_eq!(status(&workers.get(0, "/", &[])), expected, "{mode}, {on_error}");
        assert_eq!(metric(&workers.host, "errors"), 1, "{mode}, {on_error}");
        workers.host.clear_before_shared_set();
        assert_eq!(
            status(&workers.get(0, "/", &[])),
            200,
            "{mode}, {on_error}: as soon as one can be stored"
        );
        assert_eq!(metric(&workers.host, "errors"), 1);
        assert!(all_live(&workers));
    }
}
