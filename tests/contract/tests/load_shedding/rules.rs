//! Refusal by success rate, by an upstream's own word, and by what callers have had.

use crate::{MODULE, answer, gauge, goes_on, reason, total};
use ballast_contract::Workers;
use std::collections::BTreeMap;
use std::time::Duration;

/// Sends so many requests with these headers, which the upstream answers like this; counts the reasons of refusals.
fn send(
    workers: &Workers,
    count: usize,
    headers: &[(&str, &str)],
    status: &str,
    more: &[(&str, &str)],
) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for number in 0..count {
        let stream = workers.get(number % 2, "/", headers);
        if goes_on(&stream) {
            answer(&stream, status, more);
        } else {
            *reasons.entry(reason(&stream).unwrap()).or_default() += 1;
            stream.finish().unwrap();
        }
        workers.host.advance(Duration::from_millis(4));
    }
    reasons
}

#[test]
fn an_upstream_that_fails_gets_less_until_it_is_well_again() {
    let configuration =
        r#"{"admission": {"success_rate": "95%", "window": "2s", "min_rps": 5, "max_rejection": "80%"}}"#;
    let workers = Workers::start(&MODULE, 2, configuration);
    assert!(send(&workers, 200, &[], "200", &[]).is_empty());
    send(&workers, 500, &[], "500", &[]);
    let refused = send(&workers, 200, &[], "500", &[]);
    let by_admission = refused.get("admission").copied().unwrap_or(0);
    assert!((120..=190).contains(&by_admission), "four in five at the most: {refused:?}");
    send(&workers, 1_000, &[], "200", &[]);
    assert!(send(&workers, 200, &[], "200", &[]).is_empty(), "the bad time is forgotten");
}

#[test]
fn rules_are_for_the_requests_that_they_match() {
    let configuration = r#"{"admission": [
        {"name": "a", "match": {"headers": [{"name": "x-a", "present": true}]}, "window": "2s"},
        {"name": "rest", "window": "2s", "mode": "shadow"}]}"#;
    let workers = Workers::start(&MODULE, 2, configuration);
    send(&workers, 500, &[], "500", &[]);
    assert!(send(&workers, 100, &[], "500", &[]).is_empty(), "in shadow mode");
    assert!(send(&workers, 100, &[("x-a", "1")], "200", &[]).is_empty());
    send(&workers, 500, &[("x-a", "1")], "500", &[]);
    let stream = std::iter::repeat_with(|| workers.get(0, "/", &[("x-a", "1")])).find(|stream| {
        let refused = !goes_on(stream);
        stream.finish().unwrap();
        refused
    });
    assert_eq!(stream.unwrap().local_reply().unwrap().details, "ballast_load_shedding{a,admission}");
}

#[test]
fn an_upstream_that_says_it_is_overloaded_is_believed() {
    let configuration = r#"{"load_signals": [
        {"response_header": "endpoint-load-metrics", "metric": "cpu_utilization", "threshold": "85%"}]}"#;
    let workers = Workers::start(&MODULE, 2, configuration);
    let calm = [("endpoint-load-metrics", "TEXT cpu_utilization=0.5")];
    assert!(send(&workers, 300, &[], "200", &calm).is_empty());
    let busy = [("endpoint-load-metrics", "TEXT cpu_utilization=1.0")];
    send(&workers, 500, &[], "200", &busy);
    let refused = send(&workers, 300, &[], "200", &busy);
    assert!(refused.get("signal").is_some_and(|count| *count > 50), "{refused:?}");
    assert!(gauge(&workers.host, "level") >= 2);
    workers.host.advance(Duration::from_secs(8));
    assert!(send(&workers, 300, &[], "200", &calm).is_empty());
    assert_eq!(gauge(&workers.host, "level"), 0);
}

/// What a gRPC upstream sends: the base64 of a protobuf with `cpu_utilization` 1.0.
const BUSY: (&str, &str) = ("endpoint-load-metrics-bin", "CQAAAAAAAPA/");

#[test]
fn a_binary_report_in_trailers_is_believed() {
    let configuration = r#"{"load_signals": [
        {"response_header": "endpoint-load-metrics", "metric": "cpu_utilization", "threshold": "85%"}]}"#;
    let workers = Workers::start(&MODULE, 2, configuration);
    let mut refused = 0;
    for number in 0..1_000 {
        let stream = workers.get(number % 2, "/", &[]);
        if goes_on(&stream) {
            crate::answer_grpc(&stream, "0", &[BUSY]);
        } else {
            assert_eq!(reason(&stream).unwrap(), "signal");
            refused += 1;
            stream.finish().unwrap();
        }
        workers.host.advance(Duration::from_millis(4));
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_grpc_call_is_judged_by_the_status_in_its_trailers() {
    for (status, drops, samples) in [("0", 0, 1), ("14", 1, 0), ("8", 1, 0), ("5", 0, 0)] {
        let workers = Workers::start(&MODULE, 1, "{}");
        crate::answer_grpc(&workers.get(0, "/", &[]), status, &[]);
        workers.host.advance(Duration::from_millis(200));
        let seen = (total(&workers.host, "drops"), total(&workers.host, "samples"));
        assert_eq!(seen, (drops, samples), "grpc-status {status}");
    }
}

#[test]
fn a_grpc_call_that_breaks_off_before_its_trailers_has_been_answered() {
    let workers = Workers::start(&MODULE, 1, "{}");
    let stream = workers.get(0, "/", &[]);
    crate::begin_grpc(&stream);
    stream.client_gone().unwrap();
    workers.host.advance(Duration::from_millis(200));
    assert_eq!((total(&workers.host, "drops"), total(&workers.host, "samples")), (0, 1));
    crate::nothing_is_left(&workers);
}

/// A tenant that sends a hundred requests at once where another sends two.
#[test]
fn a_quiet_caller_beside_a_flooding_one_is_served() {
    let configuration = r#"{"limit": {"initial": 10, "min": 10, "max": 10}, "queue": {"max_length": 0},
        "fairness": {"key": [{"header": "x-tenant"}]}}"#;
    let workers = Workers::start(&MODULE, 2, configuration);
    let (mut quiet, mut flooding) = ((0, 0), (0, 0));
    for round in 0..100 {
        let mut streams = Vec::new();
        for number in 0..52 {
            let tenant = if number % 26 == 25 { "quiet" } else { "flood" };
            let stream = workers.get(number % 2, "/", &[("x-tenant", tenant)]);
            // The first rounds are for getting to know them.
            if round >= 20 {
                let count = if tenant == "quiet" { &mut quiet } else { &mut flooding };
                count.0 += usize::from(goes_on(&stream));
                count.1 += 1;
            }
            streams.push(stream);
        }
        workers.host.advance(Duration::from_millis(20));
        for stream in &streams {
            if goes_on(stream) { answer(stream, "200", &[]) } else { stream.finish().unwrap() }
        }
    }
    assert_eq!(quiet.0, quiet.1, "all of the quiet one's");
    assert!(flooding.0 * 3 < flooding.1, "{flooding:?}");
}
