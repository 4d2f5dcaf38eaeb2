//! Routes that change requests.

use super::{A_WAIT, get, metric, policy, request, the_call};
use ballast_wasm_host::{Action, Stream};

const LEARNS: &str = r#""backoff": {"strategy": "fixed", "jitter": "none", "base": "20ms", "max": "1s"}"#;

/// Ends a request that the route has sent on with these headers set.
fn sent_with(stream: &Stream, headers: &[(&str, &str)]) {
    stream.response_headers(&[(":status", "200")], true).unwrap();
    stream.route_sets(headers);
    stream.finish().unwrap();
}

fn is_steered(stream: &Stream) -> bool {
    stream.request().headers.text("x-envoy-retry-on").is_some()
}

#[test]
fn nothing_is_sent_past_a_route_before_it_is_known_to_change_nothing() {
    let workers = policy(1, LEARNS);
    let first = get(&workers);
    assert!(is_steered(&first), "as long as nothing is known, the router retries");
    sent_with(&first, &[]);
    let second = get(&workers);
    assert!(!is_steered(&second));
    assert_eq!(second.response_headers(&[(":status", "503")], true).unwrap(), Action::Pause);
    workers.host.advance(A_WAIT);
    the_call(&workers.host);
}

#[test]
fn a_route_that_changes_requests_stays_with_the_router() {
    for change in [(":path", "/v2/x?y=1"), (":authority", "other.example"), ("x-added", "1")] {
        let workers = policy(1, LEARNS);
        sent_with(&get(&workers), &[change]);
        assert!(is_steered(&get(&workers)), "{change:?}");
    }
}

#[test]
fn a_route_that_was_never_met_is_not_replayed() {
    let workers = policy(1, LEARNS);
    sent_with(&get(&workers), &[]);
    let other = get(&workers);
    other.set_property(&["xds", "route_name"], "another");
    assert_eq!(other.response_headers(&[(":status", "503")], true).unwrap(), Action::Continue);
    assert_eq!(metric(&workers.host, "refused/route"), 1);
}

#[test]
fn a_declared_rewrite_and_a_loop_back_cluster_need_no_learning() {
    let wait = r#""backoff": {"strategy": "fixed", "jitter": "none", "base": "20ms", "max": "1s"}"#;
    let rewrite = format!(
        r#""via": "replay", {wait}, "rewrite": {{"prefix": {{"from": "/api/", "to": "/v2/"}}, "host": "inner.example", "headers": {{"x-tenant": "t"}}}}"#
    );
    let workers = policy(1, &rewrite);
    let stream = request(&workers, "GET", &[("x-tenant", "forged")], None);
    assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Pause);
    workers.host.advance(A_WAIT);
    let call = the_call(&workers.host);
    assert_eq!(call.headers.text(":path"), Some("/v2/x?y=1"));
    assert_eq!(call.headers.text(":authority"), Some("inner.example"));
    assert_eq!(call.headers.text("x-tenant"), Some("t"));
    let workers = policy(1, &format!(r#""via": "replay", {wait}, "loopback_cluster": "self""#));
    workers.host.add_cluster("self");
    let stream = get(&workers);
    assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Pause);
    workers.host.advance(A_WAIT);
    let call = the_call(&workers.host);
    assert_eq!((call.cluster.as_str(), call.headers.text("x-envoy-attempt-count")), ("self", Some("2")));
    assert_eq!(call.headers.text(":path"), Some("/api/x?y=1"));
}
