//! What a refused client is told, and what operators see of it.

use crate::{MODULE, NO_QUEUE, PRIORITY, fixed, gauge, goes_on, name, nothing_is_left, total};
use ballast_contract::Workers;
use ballast_wasm_host::Stream;

/// A request that finds the one place taken.
fn refused(workers: &Workers, headers: &[(&str, &str)]) -> Stream {
    let _held = workers.get(0, "/", &[]);
    workers.get(0, "/", headers)
}

#[test]
fn a_refusal_says_why_and_when_to_come_back() {
    let more = format!(r#"{NO_QUEUE}, "reject": {{"retry_after": "10s", "retry_after_jitter": "50%"}}"#);
    let workers = fixed(1, 1, &more);
    let stream = refused(&workers, &[("accept", "application/problem+json")]);
    let reply = stream.local_reply().unwrap();
    assert_eq!((reply.status, reply.details.as_str()), (503, "ballast_load_shedding{default,limit}"));
    assert_eq!(reply.headers.text("content-type"), Some("application/problem+json"));
    let seconds: u64 = reply.headers.text("retry-after").unwrap().parse().unwrap();
    assert!((10..=15).contains(&seconds), "{seconds}");
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity");
    assert_eq!((&problem["status"], &problem["reason"]), (&503.into(), &"limit".into()));
    assert_eq!(stream.filter_state("ballast.load-shedding").unwrap(), b"default,limit");
    let counter = name("rejected", ";reason=limit;class=default");
    assert_eq!(workers.host.counter(&counter), Some(1));
}

#[test]
fn clients_get_what_they_understand() {
    let workers = fixed(1, 1, &format!(r#"{NO_QUEUE}, "reject": {{"status": 429}}"#));
    let text = refused(&workers, &[("accept", "text/html")]).local_reply().unwrap();
    assert_eq!((text.status, text.headers.text("content-type")), (429, None));
    let grpc = workers.get(0, "/", &[("content-type", "application/grpc")]).local_reply().unwrap();
    assert_eq!((grpc.status, grpc.grpc_status), (200, Some(14)));
}

#[test]
fn shadow_mode_counts_and_marks_and_refuses_nobody() {
    let workers = fixed(1, 1, &format!(r#"{NO_QUEUE}, "mode": "shadow""#));
    let streams: Vec<Stream> = (0..3).map(|_| workers.get(0, "/", &[])).collect();
    assert!(streams.iter().all(goes_on));
    assert_eq!(gauge(&workers.host, "in_flight"), 3);
    assert_eq!(streams[2].filter_state("ballast.load-shedding").unwrap(), b"shadow,limit");
    assert_eq!((total(&workers.host, "shadow_rejected"), total(&workers.host, "rejected")), (2, 0));
    streams.iter().for_each(|stream| stream.finish().unwrap());
    nothing_is_left(&workers);
}

#[test]
fn disabled_means_nothing_is_counted() {
    let workers = fixed(1, 1, &format!(r#"{NO_QUEUE}, "mode": "disabled""#));
    let streams: Vec<Stream> = (0..3).map(|_| workers.get(0, "/", &[])).collect();
    assert!(streams.iter().all(goes_on));
    assert_eq!(gauge(&workers.host, "in_flight"), 0);
    streams.iter().for_each(|stream| stream.finish().unwrap());
    nothing_is_left(&workers);
}

#[test]
fn exempt_requests_pass_and_are_not_counted() {
    let workers = fixed(1, 1, &format!(r#"{NO_QUEUE}, "exempt": [{{"path": {{"exact": "/healthz"}}}}]"#));
    let held = workers.get(0, "/", &[]);
    let probes: Vec<Stream> = (0..3).map(|_| workers.get(0, "/healthz", &[])).collect();
    assert!(probes.iter().all(goes_on));
    assert_eq!(gauge(&workers.host, "in_flight"), 1);
    probes.iter().chain([&held]).for_each(|stream| stream.finish().unwrap());
    nothing_is_left(&workers);
}

#[test]
fn the_class_is_told_to_the_upstream_and_believed_from_the_trusted_only() {
    let trusting = |trusted: &str| {
        format!(
            r#"{NO_QUEUE}, "priority": {{"propagate": "x-class",
                "by": [{{"header": "x-priority", "trust": {{"client_addresses": ["{trusted}"]}}}}, {{"route_metadata": "priority"}}]}}"#
        )
    };
    for (trusted, header, metadata, expected) in [
        ("192.0.2.1", Some("critical"), None, "critical"),
        ("192.0.2.1", Some("unheard-of"), None, "default"),
        ("192.0.2.1", None, None, "default"),
        ("192.0.2.1", None, Some("high"), "high"),
        ("192.0.2.1", Some("critical"), Some("high"), "critical"),
        ("192.0.2.2", Some("critical"), Some("high"), "sheddable"),
        ("192.0.2.2", None, None, "default"),
    ] {
        let workers = fixed(1, 1, &trusting(trusted));
        let stream = workers.roots[0].stream();
        stream.set_property(&["source", "address"], "192.0.2.1:40000");
        if let Some(class) = metadata {
            let path = ["xds", "route_metadata", "filter_metadata", "ballast", "priority"];
            stream.set_property(&path, class);
        }
        let mut headers =
            vec![(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-class", "forged")];
        headers.extend(header.map(|value| ("x-priority", value)));
        stream.request_headers(&headers, true).unwrap();
        let told = stream.request().headers.text("x-class").map(str::to_owned);
        assert_eq!(told.as_deref(), Some(expected), "{trusted} {header:?} {metadata:?}");
        stream.finish().unwrap();
    }
}

#[test]
fn refusals_are_counted_by_class() {
    let workers = fixed(1, 1, &format!("{NO_QUEUE}, {PRIORITY}"));
    let _held = workers.get(0, "/", &[]);
    for class in ["critical", "high", "high"] {
        workers.get(0, "/", &[("x-priority", class)]).finish().unwrap();
    }
    let of = |class| workers.host.counter(&name("rejected", &format!(";reason=limit;class={class}")));
    assert_eq!((of("critical"), of("high"), of("default")), (Some(1), Some(2), Some(0)));
}

#[test]
fn wrong_configurations_are_refused_by_name() {
    for (configuration, expected) in [
        (r#"{"limit": {"initial": 0}}"#, "limit.initial: `0` is not 4 to 1000"),
        (r#"{"limit": {"tolerance": 0.5}}"#, "limit.tolerance: `0.5` is not 1 to 10"),
        (
            r#"{"limit": {"algorithm": "aimd", "tolerance": 2}}"#,
            "limit.tolerance: `2` is for algorithm `gradient2` only",
        ),
        (r#"{"limit": {"algorithm": "bbr"}}"#, "limit.algorithm: unknown variant `bbr`"),
        (r#"{"queue": {"max_wait": "2m"}}"#, "queue.max_wait: `2m` is not 1ms to 1m"),
        (r#"{"queue": {"max_wait": 200}}"#, "queue.max_wait: "),
        (r#"{"priority": {"by": [{"header": "x-p"}]}}"#, "priority.by[0].trust: missing"),
        (r#"{"priority": {"by": []}}"#, "priority.by: "),
        (
            r#"{"priority": {"by": [{"route_metadata": "p"}], "classes": ["a", "b"]}}"#,
            "priority.classes: none is called `default`",
        ),
        (
            r#"{"priority": {"by": [{"route_metadata": "p"}], "classes": ["default", "default"]}}"#,
            "priority.classes[1]: `default` is named twice",
        ),
        (r#"{"admission": {"success_rate": "0%"}}"#, "admission[0].success_rate: `0%`"),
        (r#"{"admission": [{"name": "a"}, {}]}"#, "admission[1].name: missing"),
        (
            r#"{"bulkheads": [{"name": "a", "max_concurrent": 0}]}"#,
            "bulkheads[0].max_concurrent: `0` is not 1 to 1000000",
        ),
        (
            r#"{"bulkheads": [{"name": "a", "max_concurrent": 1}, {"name": "a", "max_concurrent": 1}]}"#,
            "bulkheads[1].name: ",
        ),
        (
            r#"{"load_signals": [{"response_header": "x", "threshold": 0}]}"#,
            "load_signals[0].threshold: `0` is not more than 0",
        ),
        (
            r#"{"load_signals": [{"response_header": "x", "threshold": "much"}]}"#,
            "load_signals[0].threshold: `much` is neither",
        ),
        (r#"{"reject": {"status": 200}}"#, "reject.status: `200` refuses nothing"),
        (
            r#"{"levels": {"elevated": "99%", "high": "95%"}}"#,
            "levels: each level is at least the one before",
        ),
        (r#"{"levels": {"high": "0.95"}}"#, "levels.high: `0.95` is not a percentage"),
        (r#"{"fairness": {"key": ["tenant"]}}"#, "fairness.key[0]: "),
        (r#"{"stratgy": "fair"}"#, "stratgy: unknown field `stratgy`"),
    ] {
        let host = ballast_wasm_host::Host::new();
        let vm = host.vm(&MODULE).unwrap();
        assert!(ballast_contract::configure(&vm, configuration).is_err(), "{configuration}");
        let said: Vec<String> = host.logs().into_iter().map(|line| line.message).collect();
        let expected = format!("load-shedding: invalid configuration: {expected}");
        assert!(said.iter().any(|line| line.starts_with(&expected)), "{expected}\n{said:?}");
    }
}
