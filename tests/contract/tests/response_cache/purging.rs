//! Purges, and that all workers see them when they have returned.

use super::{FRESH, MODULE, Upstream, answer, ask, assert_hit, assert_miss, get};
use ballast_contract::Workers;

const CONFIG: &str =
    r#"{"rules": [{"name": "all"}], "purge": {"allow": ["192.0.2.0/24"], "token_env": "TOKEN"}}"#;
const NEVER: Upstream<'static> = answer(&[], "upstream's");

fn workers() -> Workers {
    Workers::start_in(&MODULE, 3, CONFIG, &[("OTHER", "x"), ("TOKEN", "s3cret")])
}

fn purge(workers: &Workers, worker: usize, path: &str, headers: &[(&str, &str)]) -> (u32, String) {
    let got = ask(workers, worker, "PURGE", path, headers, NEVER);
    assert!(!got.asked, "a purge never reaches the upstream");
    (got.status, got.body)
}

#[test]
fn a_purge_is_seen_by_workers_that_have_copies_of_their_own() {
    let workers = workers();
    get(&workers, 0, "/a", FRESH);
    get(&workers, 0, "/b", FRESH);
    for worker in [0, 1, 2, 0, 1, 2] {
        assert_hit(&workers, worker, "/a", "fresh");
    }
    let purged = purge(&workers, 1, "/a", &[("authorization", "Bearer s3cret")]);
    assert_eq!(purged, (200, r#"{"purged":1}"#.to_owned()));
    for worker in [0, 2, 1] {
        assert_miss(&workers, worker, "/a");
        assert_hit(&workers, worker, "/b", "fresh");
    }
}

#[test]
fn without_permission_nothing_is_purged() {
    let workers = workers();
    get(&workers, 0, "/a", FRESH);
    for headers in [&[][..], &[("authorization", "Bearer other")], &[("authorization", "s3cret")]] {
        assert_eq!(purge(&workers, 0, "/a", headers).0, 403, "{headers:?}");
    }
    let stream = workers.roots[0].stream();
    stream.set_property(&["source", "address"], "198.51.100.1:40000");
    let headers = [
        (":method", "PURGE"),
        (":scheme", "http"),
        (":path", "/a"),
        (":authority", "service.example"),
        ("authorization", "Bearer s3cret"),
    ];
    stream.request_headers(&headers, true).unwrap();
    assert_eq!(stream.local_reply().unwrap().status, 403, "another network");
    assert_hit(&workers, 0, "/a", "fresh");
}

#[test]
fn without_the_variable_nobody_knows_the_token() {
    let workers = Workers::start(&MODULE, 1, CONFIG);
    assert_eq!(purge(&workers, 0, "/a", &[("authorization", "Bearer ")]).0, 403);
}

#[test]
fn what_is_fetched_while_a_purge_comes_is_not_stored() {
    let workers = workers();
    let fetching = workers.get(0, "/a", &[(":scheme", "http")]);
    purge(&workers, 1, "/a", &[("authorization", "Bearer s3cret")]);
    super::answered(fetching, FRESH);
    assert_miss(&workers, 2, "/a");
}
