//! Hops that tell each other who has retried.

use super::{A_WAIT, MODULE, get, metric, request, the_call, upstream_answer};
use ballast_contract::Workers;
use ballast_wasm_host::Action;

fn hops(hops: &str) -> Workers {
    let policy = r#"{"name": "a", "via": "replay", "rewrite": {}, "max_attempts": 2,
        "backoff": {"strategy": "fixed", "jitter": "none", "base": "20ms", "max": "1s"}}"#;
    let workers = Workers::start(&MODULE, 1, &format!(r#"{{"hops": {hops}, "policies": [{policy}]}}"#));
    workers.host.add_cluster("upstream");
    workers
}

const SPENT: [(&str, &str); 3] =
    [(":status", "503"), ("x-ballast-retry", "spent"), ("x-envoy-ratelimited", "true")];

#[test]
fn a_marked_answer_of_a_peer_is_not_retried_and_stays_marked() {
    let workers = hops(r#"{"trusted_clusters": ["upstream"]}"#);
    let stream = get(&workers);
    assert_eq!(stream.response_headers(&SPENT, true).unwrap(), Action::Continue);
    assert_eq!(stream.response().headers.text("x-ballast-retry"), Some("spent"));
    assert_eq!(metric(&workers.host, "refused/spent"), 1);
}

#[test]
fn a_mark_of_anybody_else_counts_for_nothing_and_goes_no_further() {
    let workers = hops(r#"{"trusted_clusters": ["other"]}"#);
    let stream = get(&workers);
    assert_eq!(stream.response_headers(&SPENT[..2], false).unwrap(), Action::Pause);
    workers.host.advance(A_WAIT);
    the_call(&workers.host).answer(&upstream_answer("404", &[("x-ballast-retry", "spent")]), "no").unwrap();
    assert_eq!(stream.response().headers.text("x-ballast-retry"), None);
}

#[test]
fn the_outermost_hop_removes_the_mark() {
    let workers = hops(r#"{"trusted_clusters": ["upstream"], "edge": true}"#);
    let stream = get(&workers);
    assert_eq!(stream.response_headers(&SPENT, true).unwrap(), Action::Continue);
    assert_eq!(stream.response().headers.text("x-ballast-retry"), None);
    assert_eq!(stream.response().headers.text("x-envoy-ratelimited"), None);
    let stream = get(&workers);
    assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Pause);
    workers.host.advance(A_WAIT);
    the_call(&workers.host).answer(&upstream_answer("503", &[]), "").unwrap();
    assert_eq!(stream.response().headers.text("x-ballast-retry"), None);
}

#[test]
fn a_retry_of_an_outer_hop_is_passed_on_as_such_and_not_retried() {
    let workers = hops("{}");
    let stream = request(&workers, "GET", &[("x-envoy-attempt-count", "2")], None);
    assert_eq!(stream.request().headers.text("x-ballast-retry"), Some("again"));
    assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Continue);
}
