//! What a refused request gets.

use crate::{A_SECOND, FIVE, ask, configuration, passes, rule, trip};
use ballast_contract::Workers;
use ballast_wasm_host::LocalReply;

fn header(reply: &LocalReply, name: &str) -> Option<String> {
    reply.headers.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn with(more: &str) -> String {
    FIVE.replacen(r#""key": []"#, &format!(r#""key": [], {more}"#), 1)
}

#[test]
fn a_refusal_says_when_to_come_back_and_why() {
    let workers = rule(2, FIVE);
    trip(&workers);
    workers.host.advance(3 * A_SECOND);
    let stream = ask(&workers, 1);
    let reply = stream.local_reply().unwrap();
    assert_eq!((reply.status, header(&reply, "retry-after").as_deref()), (503, Some("7")));
    assert_eq!(header(&reply, "x-envoy-ratelimited").as_deref(), Some("true"));
    assert_eq!(header(&reply, "content-type").as_deref(), Some("application/problem+json"));
    assert_eq!(reply.details, "ballast_circuit_breaker{a,open}");
    assert_eq!(stream.filter_state("ballast.circuit-breaker").as_deref(), Some(&b"a,open"[..]));
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["status"], 503);
}

#[test]
fn a_fallback_replaces_status_headers_and_body() {
    let fallback = r#""fallback": {"status": 200, "body": "resting", "headers": {"x-fallback": "1"}}"#;
    let workers = rule(1, &with(fallback));
    trip(&workers);
    let reply = ask(&workers, 0).local_reply().unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"resting"[..]));
    assert_eq!(header(&reply, "x-fallback").as_deref(), Some("1"));
    assert_eq!(header(&reply, "content-type"), None);
}

#[test]
fn a_grpc_call_is_told_not_to_try_again() {
    let workers = rule(1, FIVE);
    trip(&workers);
    let stream = workers.roots[0].stream();
    let headers =
        [(":method", "POST"), (":path", "/a.B/C"), (":authority", "a"), ("content-type", "application/grpc")];
    stream.request_headers(&headers, false).unwrap();
    let reply = stream.local_reply().unwrap();
    assert_eq!((reply.status, reply.grpc_status), (200, Some(14)));
    assert_eq!(header(&reply, "grpc-retry-pushback-ms").as_deref(), Some("-1"));
}

#[test]
fn another_cluster_is_named_by_a_header_that_no_client_can_set() {
    let workers = rule(1, &with(r#""fallback": {"cluster": "backup"}"#));
    workers.host.foreign_function("clear_route_cache", |_| Ok(Vec::new()));
    let named = |workers: &Workers| {
        let stream = workers.get(0, "/", &[("x-ballast-fallback-cluster", "evil")]);
        assert!(passes(&stream));
        let headers = stream.request().headers;
        stream.response_headers(&[(":status", "200")], true).unwrap();
        stream.finish().unwrap();
        headers.get("x-ballast-fallback-cluster").map(|value| String::from_utf8(value.to_vec()).unwrap())
    };
    assert_eq!(named(&workers), None);
    trip(&workers);
    assert_eq!(named(&workers).as_deref(), Some("backup"));
    workers.roots.iter().for_each(|root| root.tick().unwrap());
    assert_eq!(crate::metric(&workers.host, "calls", ";outcome=success"), 1, "the backup is not judged");
}

#[test]
fn a_probe_is_told_to_the_filters_further_in() {
    let workers = rule(1, FIVE);
    trip(&workers);
    workers.host.advance(10 * A_SECOND);
    let probe = ask(&workers, 0);
    assert!(passes(&probe));
    assert_eq!(probe.filter_state("ballast.circuit-breaker").as_deref(), Some(&b"a,half_open"[..]));
    let full = [ask(&workers, 0), ask(&workers, 0)];
    let reply = full[1].local_reply().unwrap();
    assert_eq!(reply.details, "ballast_circuit_breaker{a,half_open}");
    assert_eq!(header(&reply, "retry-after").as_deref(), Some("1"));
}

#[test]
fn a_missing_key_is_refused_only_where_that_is_asked_for() {
    for (on_missing, expected) in [("skip", None), ("shared", None), ("deny", Some(503))] {
        let rule =
            format!(r#"{{"name": "a", "key": [{{"header": "x-t"}}], "on_missing_key": "{on_missing}"}}"#);
        let workers = Workers::start(&crate::MODULE, 1, &configuration(&rule));
        let status = ask(&workers, 0).local_reply().map(|reply| reply.status);
        assert_eq!(status, expected, "{on_missing}");
    }
}
