//! What others say: stale answers before the upstream has failed, and a cache that does no more than it must.

use crate::{FRESH, Upstream, answer, answered, assert_hit, assert_miss, get};
use ballast_contract::{Herald, Workers, filter};
use ballast_wasm_host::Stream;
use std::time::Duration;

/// What a circuit breaker further in answers.
const REFUSED: Upstream<'static> = Upstream {
    status: "503",
    headers: &[("retry-after", "5"), ("cache-control", "no-store")],
    body: "Upstream is being left alone\n",
};

/// An answer that was fresh for ten seconds, ten seconds ago.
fn old(control: &str) -> Vec<(&str, &str)> {
    vec![("cache-control", control), ("age", "20"), ("etag", "\"a\"")]
}

/// Two workers under one rule with these fields, with more beside the rules.
fn rule(fields: &str, more: &str) -> Workers {
    let comma = |text: &str| if text.is_empty() { "" } else { "," };
    let rule = format!(r#"{{"name": "all"{} {fields}}}"#, comma(fields));
    Workers::start(&filter("response-cache"), 2, &format!(r#"{{"rules": [{rule}]{} {more}}}"#, comma(more)))
}

fn store(workers: &Workers, path: &str, control: &str) {
    get(workers, 0, path, answer(&old(control), "old"));
}

/// A request for a path that the breaker refuses.
fn refused(workers: &Workers, path: &str) -> crate::Got {
    let stream = request(workers, path);
    stream.set_filter_state("ballast.circuit-breaker", "upstream,open");
    stream.set_property(&["response", "code_details"], "ballast_circuit_breaker{upstream,open}");
    answered(stream, REFUSED)
}

fn request(workers: &Workers, path: &str) -> Stream {
    let stream = workers.roots[0].stream();
    stream.set_property(&["xds", "cluster_name"], "upstream");
    let headers =
        [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "service.example")];
    stream.request_headers(&headers, true).unwrap();
    stream
}

#[test]
fn a_stale_answer_takes_the_place_of_what_an_open_breaker_refuses_where_that_is_allowed() {
    for (fields, control, expected) in [
        ("", "max-age=10", (200, "old")),
        (r#""serve_stale_when": {"breaker_open": false}"#, "max-age=10", (503, REFUSED.body)),
        (r#""stale_on_connection_error": null"#, "max-age=10", (503, REFUSED.body)),
        (r#""stale_on_connection_error": null"#, "max-age=10, stale-if-error=60", (200, "old")),
        ("", "max-age=10, must-revalidate", (503, REFUSED.body)),
        ("", "max-age=10, proxy-revalidate", (503, REFUSED.body)),
        ("", "s-maxage=10", (503, REFUSED.body)),
        ("", "max-age=10, no-cache", (503, REFUSED.body)),
    ] {
        let workers = rule(fields, "");
        store(&workers, "/a", control);
        let got = refused(&workers, "/a");
        assert_eq!((got.status, got.body.as_str()), expected, "{fields} {control}");
        assert!(got.asked, "the breaker is asked each time: it may be closed again");
        if got.status == 200 {
            assert!(got.said.contains("stale_breaker_open"), "{}", got.said);
        }
        let nothing = refused(&workers, "/never-stored");
        assert_eq!(nothing.status, 503, "where the cache holds nothing the breaker's word stands");
        assert_miss(&workers, 0, "/never-stored");
    }
}

#[test]
fn a_probe_that_cannot_connect_is_no_refusal() {
    let workers = rule(r#""serve_stale_when": {"breaker_open": false}"#, "");
    store(&workers, "/a", "max-age=10");
    let stream = request(&workers, "/a");
    stream.set_filter_state("ballast.circuit-breaker", "upstream,half_open");
    stream.set_property(
        &["response", "code_details"],
        "upstream_reset_before_response_started{connection_failure}",
    );
    let got = answered(stream, Upstream { status: "503", headers: &[], body: "no healthy upstream" });
    assert_eq!((got.status, got.body.as_str()), (200, "old"), "stale_on_connection_error is for that");
    assert!(got.said.contains("stale_if_error"), "{}", got.said);
}

#[test]
fn within_two_ticks_of_overload_a_stale_answer_spares_the_upstream() {
    let level = r#""serve_stale_when": {"overload_level": 2}"#;
    for (fields, at, control, asked) in [
        (level, 2, "max-age=10", false),
        (level, 3, "max-age=10", false),
        (level, 1, "max-age=10", true),
        ("", 3, "max-age=10", true),
        (level, 3, "max-age=10, must-revalidate", true),
        (level, 3, "s-maxage=10", true),
    ] {
        let workers = rule(fields, "");
        store(&workers, "/a", control);
        let herald = Herald::new(&workers.host);
        herald.says(at, false);
        let got = get(&workers, 1, "/a", FRESH);
        assert_eq!(got.asked, asked, "{fields} {at} {control}");
        assert_eq!(got.body, if asked { "fresh" } else { "old" });
        assert_eq!(got.said.contains("stale_overloaded"), !asked, "{}", got.said);
        if !asked {
            herald.says(0, false);
            assert!(get(&workers, 0, "/a", FRESH).asked, "the level has fallen");
        }
    }
}

#[test]
fn while_the_proxy_drains_nothing_is_stored_that_is_not_already() {
    for (more, stores) in [("", false), (r#""stop_when": {"draining": false}"#, true)] {
        let workers = rule("", more);
        get(&workers, 0, "/before", FRESH);
        let herald = Herald::new(&workers.host);
        let in_flight = request(&workers, "/in-flight");
        herald.says(0, true);
        answered(in_flight, FRESH);
        get(&workers, 0, "/after", FRESH);
        assert_hit(&workers, 1, "/before", "fresh");
        for path in ["/in-flight", "/after"] {
            if stores {
                assert_hit(&workers, 1, path, "fresh");
            } else {
                assert_miss(&workers, 1, path);
            }
        }
    }
}

#[test]
fn nobody_fetches_in_the_background_while_the_proxy_drains_or_is_overloaded() {
    let revalidates = "max-age=10, stale-while-revalidate=1000";
    for (more, level, draining, fetched) in [
        ("", 0, false, 1),
        ("", 0, true, 0),
        ("", 1, false, 1),
        ("", 2, false, 0),
        (r#""stop_when": {"draining": false}"#, 0, true, 1),
        (r#""stop_when": {"overload_level": 0}"#, 3, false, 1),
    ] {
        let workers = rule("", more);
        workers.host.add_cluster("upstream");
        store(&workers, "/a", revalidates);
        let herald = Herald::new(&workers.host);
        herald.says(level, draining);
        assert_eq!(answered(request(&workers, "/a"), FRESH).body, "old");
        workers.host.advance(Duration::from_millis(200));
        assert_eq!(workers.host.http_calls().len(), fetched, "{more} level {level}, draining {draining}");
    }
}

#[test]
fn nothing_is_warmed_while_the_proxy_drains_and_all_of_it_afterwards() {
    let warm = r#""warm": {"urls": ["/a", "/b"], "cluster": "upstream"}"#;
    let workers = Workers::start(&filter("response-cache"), 0, r#"{"rules": [{"name": "all"}]}"#);
    let herald = Herald::new(&workers.host);
    herald.says(0, true);
    let config =
        ballast_wasm_host::VmConfig { vm_id: ballast_contract::VM_ID.to_owned(), ..Default::default() };
    let vm = workers.host.vm_with(&filter("response-cache"), config).unwrap();
    workers.host.add_cluster("upstream");
    let _root =
        ballast_contract::configure(&vm, format!(r#"{{"rules": [{{"name": "all"}}], {warm}}}"#)).unwrap();
    workers.host.advance(Duration::from_millis(500));
    assert!(workers.host.http_calls().is_empty());
    herald.says(0, false);
    workers.host.advance(Duration::from_millis(500));
    assert_eq!(workers.host.http_calls().len(), 2);
}
