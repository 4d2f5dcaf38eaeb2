//! Each endpoint, against its own description.

use super::{ACT, admins, answer, ask, get, post, seconds};
use ballast_core::admin::route::{Answer, Endpoint, Method, ROUTES};
use serde_json::Value;

/// An endpoint's path with a name that there is not.
fn path_of(path: &str) -> String {
    format!("/ballast{}", path.replace("{name}", "none"))
}

#[test]
fn every_endpoint_answers_with_a_status_and_a_type_that_its_description_names() {
    let workers = admins(2, "");
    seconds(&workers, 2);
    let (status, document) = get(&workers, "/ballast/openapi.json");
    assert_eq!((status, &document["openapi"]), (200, &"3.1.0".into()));
    for route in ROUTES {
        let method = route.method.as_str();
        let operation = &document["paths"][route.path][method.to_ascii_lowercase()];
        assert!(operation.is_object(), "{method} {}", route.path);
        let stream = ask(&workers, 0, method, &path_of(route.path));
        for _ in 0..50 {
            if stream.local_reply().is_none() {
                workers.host.deliver_queues();
                seconds(&workers, 1);
            }
        }
        let reply = stream.local_reply().unwrap_or_else(|| panic!("{method} {}: no answer", route.path));
        let described = &operation["responses"][reply.status.to_string()];
        let kind = reply.headers.text("content-type").unwrap();
        let bare = kind.split(';').next().unwrap();
        if described.is_object() {
            assert!(described["content"][bare].is_object(), "{method} {}: {bare}", route.path);
        } else {
            let problem = &document["components"]["responses"]["problem"]["content"][bare];
            assert!(problem.is_object(), "{method} {}: {} {bare}", route.path, reply.status);
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(body["status"], reply.status, "{method} {}", route.path);
            assert!(body["detail"].is_string(), "{body}");
        }
        assert_eq!(reply.headers.text("cache-control"), Some("no-store"));
        assert_eq!(reply.headers.text("access-control-allow-origin"), None);
        if route.answer == Answer::Json && reply.status == 200 {
            serde_json::from_slice::<Value>(&reply.body).unwrap();
        }
        stream.finish().unwrap();
        // What was begun is called off again.
        if route.endpoint == Endpoint::DrainBegin {
            answer(&workers, &ask(&workers, 0, "DELETE", "/ballast/drain"));
        }
    }
}

#[test]
fn what_is_not_described_is_refused() {
    let workers = admins(1, "");
    seconds(&workers, 1);
    for (method, path, expected) in [
        ("GET", "/ballast", 404),
        ("GET", "/ballast/", 404),
        ("GET", "/ballast/none", 404),
        ("GET", "/ballast/health/", 404),
        ("PATCH", "/ballast/drain", 405),
        ("OPTIONS", "/ballast/drain", 405),
        ("POST", "/ballast/health", 405),
        ("GET", "/ballast/health?verbose=1", 400),
        ("GET", "/ballast/events?limit=many", 400),
        ("GET", "/ballast/events?limit=1&limit=2", 400),
        ("POST", "/ballast/cache/purge", 400),
        ("POST", "/ballast/cache/purge?all=true&tag=a", 400),
        ("POST", "/ballast/cache/purge?group=a", 400),
        ("POST", "/ballast/rate-limits/a/reset?id=1", 400),
        ("POST", "/ballast/circuit-breakers/none/reset", 404),
        ("GET", "/ballast/circuit-breakers/none", 404),
        ("PUT", "/ballast/state", 400),
        ("PUT", "/ballast/state?part=%7B%7D", 400),
        ("PUT", "/ballast/state?from=store", 400),
        ("GET", "/ballast/state?cursor=a", 400),
    ] {
        let (status, body) = answer(&workers, &ask(&workers, 0, method, path));
        assert_eq!(status, expected, "{method} {path}: {body}");
    }
    let reply = ask(&workers, 0, "PATCH", "/ballast/drain").local_reply().unwrap();
    assert_eq!(reply.headers.text("allow"), Some("GET, HEAD, POST, DELETE"));
}

#[test]
fn actions_take_their_parameters_from_a_body_where_it_is_shown() {
    let workers = admins(1, "");
    seconds(&workers, 1);
    let head = |method: &'static str, path: &'static str| {
        let stream = workers.roots[0].stream();
        stream.show_held_bodies();
        stream.set_property(&["source", "address"], "192.0.2.1:40000");
        let head = [(":method", method), (":path", path), (":authority", "a"), ("authorization", ACT)];
        stream.request_headers(&head, false).unwrap();
        stream
    };
    let whole = head("POST", "/ballast/cache/purge");
    whole.request_body(r#"{"all": tr"#, false).unwrap();
    whole.request_body("ue, \"mode\": \"gentle\"}", true).unwrap();
    let (status, body) = answer(&workers, &whole);
    assert_eq!((status, body["parameter"].as_str()), (400, Some("mode")), "{body}");
    let not_json = head("POST", "/ballast/cache/purge");
    not_json.request_body("{", true).unwrap();
    assert_eq!(answer(&workers, &not_json).0, 400);
    let large = head("POST", "/ballast/cache/purge");
    large.request_body(vec![b' '; 65_537], false).unwrap();
    assert_eq!(answer(&workers, &large).0, 413);
    let announced = workers.roots[0].stream();
    let head = [
        (":method", "PUT"),
        (":path", "/ballast/state"),
        (":authority", "a"),
        ("authorization", ACT),
        ("content-length", "104857600"),
    ];
    announced.request_headers(&head, false).unwrap();
    assert_eq!(answer(&workers, &announced).0, 413);
}

#[test]
fn a_body_that_is_not_shown_is_said_to_be_and_nothing_is_done() {
    let workers = admins(1, "");
    seconds(&workers, 1);
    let stream = workers.roots[0].stream();
    let head =
        [(":method", "POST"), (":path", "/ballast/drain"), (":authority", "a"), ("authorization", ACT)];
    stream.request_headers(&head, false).unwrap();
    assert!(stream.local_reply().is_none());
    let (status, body) = answer(&workers, &stream);
    assert_eq!(status, 400);
    assert!(body["detail"].as_str().unwrap().contains("allow_on_headers_stop_iteration"), "{body}");
    assert_eq!(get(&workers, "/ballast/drain").1["phase"], "none");
}

#[test]
fn metrics_are_text_in_the_format_that_is_asked_for() {
    let workers = admins(1, "");
    seconds(&workers, 2);
    let text = |accept: &str| {
        let stream =
            workers.request(0, "GET", "/ballast/metrics", &[("authorization", ACT), ("accept", accept)]);
        let reply = stream.local_reply().unwrap();
        stream.finish().unwrap();
        (reply.headers.text("content-type").unwrap().to_owned(), String::from_utf8(reply.body).unwrap())
    };
    let (kind, plain) = text("text/plain");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(plain.contains("# TYPE ballast_admin_endpoint_answered counter\n"), "{plain}");
    assert!(
        plain.contains("ballast_admin_endpoint_refused{namespace=\"admin\",reason=\"forbidden\"} 0\n"),
        "{plain}"
    );
    let (kind, open) = text("application/openmetrics-text; version=1.0.0, text/plain; q=0.5");
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(
        open.contains("ballast_admin_endpoint_answered_total{namespace=\"admin\"}")
            && open.ends_with("# EOF\n")
    );
}

#[test]
fn what_is_not_below_the_prefix_is_not_touched() {
    let workers = admins(1, "");
    for path in ["/", "/ballastic", "/x/ballast/health", "/Ballast/health"] {
        assert!(workers.get(0, path, &[]).local_reply().is_none(), "{path}");
    }
    assert!(ROUTES.iter().any(|route| route.method == Method::Put));
}

#[test]
fn what_a_decision_costs_is_measured_for_every_filter_that_decides() {
    let workers = admins(1, "");
    let (status, body) = post(&workers, "/ballast/benchmark?rounds=10");
    assert_eq!((status, &body["rounds"]), (200, &10.into()));
    let measured = |of: &str| body[of].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let decisions = [
        "circuit_breaker_window",
        "load_shedding_gate",
        "rate_limit_token_bucket",
        "response_cache_control",
        "retry_policy_backoff",
    ];
    assert_eq!(measured("decisions"), decisions);
    assert!(measured("host_calls").len() >= 10, "{body}");
}
