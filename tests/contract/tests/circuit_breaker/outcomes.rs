//! What counts as what.

use crate::{ask, metric, passes, rule};
use ballast_contract::Workers;
use ballast_wasm_host::Stream;

const COUNTING: &str = r#"{"name": "a", "key": [], "trip": {"consecutive_failures": 1000},
    "failure": {"ignore_status": [501]}}"#;

fn origin(stream: &Stream, details: &str, flags: u64) {
    stream.set_property(&["response", "code_details"], details);
    stream.set_property(&["response", "flags"], flags.to_le_bytes());
}

/// Successes, failures, and calls that say nothing.
fn counted(workers: &Workers) -> (u64, u64, u64) {
    // Successes are added on a worker's tick.
    workers.roots.iter().for_each(|root| root.tick().unwrap());
    let calls = |outcome: &str| metric(&workers.host, "calls", &format!(";outcome={outcome}"));
    (calls("success"), calls("failure"), calls("ignored"))
}

#[test]
fn an_answer_counts_once_and_by_where_it_came_from() {
    let workers = rule(1, COUNTING);
    let ended = |headers: &[(&str, &str)], details: &str, flags: u64| {
        let stream = ask(&workers, 0);
        assert!(passes(&stream));
        origin(&stream, details, flags);
        stream.response_headers(headers, true).unwrap();
        stream.finish().unwrap();
        counted(&workers)
    };
    let grpc = |status| [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status)];
    let up = "via_upstream";
    let reset = "upstream_reset_before_response_started{connection_termination}";
    assert_eq!(ended(&[(":status", "200")], up, 0), (1, 0, 0));
    assert_eq!(ended(&[(":status", "404")], up, 0), (2, 0, 0));
    assert_eq!(ended(&[(":status", "503")], up, 0), (2, 1, 0));
    assert_eq!(ended(&[(":status", "503")], reset, 0x20), (2, 2, 0), "refused");
    assert_eq!(ended(&[(":status", "504")], "upstream_response_timeout", 0x4), (2, 3, 0));
    assert_eq!(ended(&[(":status", "429")], "request_rate_limited", 0x800), (2, 3, 1), "not the upstream's");
    assert_eq!(ended(&[(":status", "503")], "ballast_load_shedding{x,full}", 0), (2, 3, 2));
    assert_eq!(ended(&[(":status", "501")], up, 0), (2, 3, 3));
    assert_eq!(ended(&grpc("14"), up, 0), (2, 4, 3), "trailers-only");
    assert_eq!(ended(&grpc("5"), up, 0), (3, 4, 3), "not found is an answer");
    assert_eq!(ended(&grpc("0"), up, 0), (4, 4, 3));
    assert_eq!(ended(&[(":status", "200")], reset, 0x20), (5, 4, 3), "a retry that helped");
}

#[test]
fn a_success_counts_once_its_headers_have_come_and_a_failure_when_it_has_ended() {
    let workers = rule(1, COUNTING);
    let answered = |status: &str| {
        let stream = ask(&workers, 0);
        origin(&stream, "via_upstream", 0);
        stream.response_headers(&[(":status", status)], false).unwrap();
        stream
    };
    let (good, bad) = (answered("200"), answered("503"));
    assert_eq!(counted(&workers), (1, 0, 0), "both still have bodies to come");
    bad.finish().unwrap();
    origin(&good, "upstream_reset", 0x10);
    good.finish().unwrap();
    assert_eq!(counted(&workers), (1, 1, 0), "what breaks off after its headers counts by its status");
}

#[test]
fn the_status_of_a_grpc_call_is_the_one_in_its_trailers() {
    let unknown = COUNTING.replacen(
        r#""failure": {"#,
        r#""failure": {"grpc": ["unknown", "unavailable", "internal"], "#,
        1,
    );
    let workers = rule(1, &unknown);
    let call = |trailers: Option<&str>| {
        let stream = ask(&workers, 0);
        origin(&stream, "via_upstream", 0);
        let headers = [(":status", "200"), ("content-type", "application/grpc+proto")];
        stream.response_headers(&headers, false).unwrap();
        if let Some(status) = trailers {
            stream.response_trailers(&[("grpc-status", status)]).unwrap();
        }
        stream.finish().unwrap();
        counted(&workers)
    };
    for (trailers, expected) in [
        (Some("14"), (0, 1, 0)),
        (Some("0"), (1, 1, 0)),
        (Some("13"), (1, 2, 0)),
        (Some("5"), (2, 2, 0)),
        // One that breaks off is UNKNOWN, as it is to its client.
        (None, (2, 3, 0)),
    ] {
        assert_eq!(call(trailers), expected, "{trailers:?}");
    }
}

#[test]
fn a_call_without_an_answer_fails_unless_its_client_left() {
    let workers = rule(1, COUNTING);
    let gone = ask(&workers, 0);
    origin(&gone, "downstream_remote_disconnect", 0x4000);
    gone.client_gone().unwrap();
    assert_eq!(counted(&workers), (0, 0, 1));
    let reset = ask(&workers, 0);
    origin(&reset, "upstream_reset", 0x10);
    reset.finish().unwrap();
    assert_eq!(counted(&workers), (0, 1, 1));
}

#[test]
fn a_request_that_never_reached_the_breaker_has_no_outcome() {
    let workers = rule(1, COUNTING);
    workers.roots[0].stream().finish().unwrap();
    workers.roots[0].stream().client_gone().unwrap();
    assert_eq!(counted(&workers), (0, 0, 0));
}

#[test]
fn an_upgrade_is_a_success_when_it_begins_and_nothing_when_it_ends() {
    let workers = rule(1, COUNTING);
    let stream = ask(&workers, 0);
    stream.response_headers(&[(":status", "101")], false).unwrap();
    assert_eq!(counted(&workers), (1, 0, 0));
    workers.host.advance(std::time::Duration::from_secs(3_600));
    origin(&stream, "upstream_reset", 0x10);
    stream.finish().unwrap();
    assert_eq!(counted(&workers), (1, 0, 0));
}

#[test]
fn a_retry_after_keeps_it_open_that_long_only_if_it_is_the_upstreams() {
    for (details, flags, seconds) in [("via_upstream", 0_u64, "40"), ("request_rate_limited", 0x800, "10")] {
        let workers =
            rule(1, &crate::FIVE.replacen(r#""key": []"#, r#""key": [], "retry_after_counts": true"#, 1));
        let stream = ask(&workers, 0);
        origin(&stream, details, flags);
        stream.response_headers(&[(":status", "429"), ("retry-after", "40")], true).unwrap();
        stream.finish().unwrap();
        crate::trip(&workers);
        let refused = ask(&workers, 0).local_reply().unwrap();
        assert_eq!(refused.headers.get("retry-after"), Some(seconds.as_bytes()), "{details}");
    }
}
