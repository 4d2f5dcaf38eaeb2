//! Who may use the endpoints.

use super::{ACT, MODULE, READ, admins, answer, seconds};
use ballast_contract::{Workers, configure};
use ballast_wasm_host::{Host, VmConfig};

fn status(workers: &Workers, method: &str, path: &str, headers: &[(&str, &str)]) -> u32 {
    answer(workers, &workers.request(0, method, path, headers)).0
}

#[test]
fn a_token_gives_its_right_and_probes_need_none() {
    let workers = admins(1, "");
    seconds(&workers, 1);
    let wrong = "Bearer wrong-token-0123456789";
    for (method, path, token, expected) in [
        ("GET", "/ballast/health/live", None, 200),
        ("GET", "/ballast/health/ready", None, 200),
        ("GET", "/ballast/dashboard", None, 200),
        ("GET", "/ballast/health", None, 401),
        ("GET", "/ballast/health", Some(wrong), 401),
        ("GET", "/ballast/health", Some(READ), 200),
        ("GET", "/ballast/health", Some(ACT), 200),
        ("GET", "/ballast/drain", Some(READ), 200),
        ("POST", "/ballast/drain", None, 401),
        ("POST", "/ballast/drain", Some(READ), 403),
        ("POST", "/ballast/drain", Some(ACT), 202),
        ("DELETE", "/ballast/drain", Some(ACT), 200),
    ] {
        let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
        assert_eq!(status(&workers, method, path, &headers), expected, "{method} {path} {token:?}");
    }
}

#[test]
fn a_network_that_fails_too_often_waits_at_every_worker_and_others_do_not() {
    let workers = admins(2, "");
    seconds(&workers, 1);
    let from = |worker: usize, address: &str, token: &str| {
        let stream = workers.roots[worker].stream();
        stream.set_property(&["source", "address"], format!("{address}:4000"));
        let head =
            [(":method", "GET"), (":path", "/ballast/health"), (":authority", "a"), ("authorization", token)];
        stream.request_headers(&head, true).unwrap();
        let reply = stream.local_reply().unwrap();
        stream.finish().unwrap();
        (reply.status, reply.headers.text("retry-after").map(str::to_owned))
    };
    for attempt in 0..10 {
        assert_eq!(
            from(attempt % 2, "192.0.2.7", "Bearer guess-guess-guess-guess").0,
            401,
            "attempt {attempt}"
        );
    }
    // A right token does not help whoever guesses: it is not looked at.
    let (refused, wait) = from(1, "192.0.2.7", READ);
    assert_eq!(refused, 429);
    assert!(wait.is_some_and(|wait| (50..=61).contains(&wait.parse::<u64>().unwrap())));
    assert_eq!(from(0, "192.0.2.8", READ).0, 200);
    seconds(&workers, 61);
    assert_eq!(from(0, "192.0.2.7", READ).0, 200);
}

#[test]
fn only_allowed_networks_are_heard_and_probes_are_open_to_all() {
    let inside = Workers::start(&MODULE, 1, r#"{"access": {"allow": ["192.0.2.0/24"]}}"#);
    let outside = Workers::start(&MODULE, 1, r#"{"access": {"allow": ["10.0.0.0/8"]}}"#);
    for (workers, path, expected) in [
        (&inside, "/ballast/health", 401),
        (&inside, "/ballast/dashboard", 200),
        (&outside, "/ballast/health", 403),
        (&outside, "/ballast/dashboard", 403),
        (&outside, "/ballast/nothing", 403),
        (&outside, "/ballast/health/live", 200),
    ] {
        assert_eq!(status(workers, "GET", path, &[]), expected, "{path}");
    }
}

#[test]
fn a_token_may_come_from_the_environment_and_a_missing_one_is_nobodys() {
    let configuration =
        r#"{"access": {"read": [{"name": "r", "token_env": "T"}, {"name": "s", "token_env": "NONE"}]}}"#;
    let workers = Workers::start_in(&MODULE, 1, configuration, &[("T", "read-token-0123456789")]);
    assert_eq!(status(&workers, "GET", "/ballast/health", &[("authorization", READ)]), 200);
    assert_eq!(status(&workers, "GET", "/ballast/health", &[("authorization", "Bearer ")]), 401);
    assert!(workers.host.logs().iter().any(|line| line.message.contains("access.read[1]: `s` has no token")));
    let host = Host::new();
    let environment = vec![("T".to_owned(), "short".to_owned())];
    let vm = host.vm_with(&MODULE, VmConfig { environment, ..VmConfig::default() }).unwrap();
    let refusal = configure(&vm, configuration).unwrap_err();
    assert!(refusal.says("access.read[0]: a token of 5 bytes: at least 16 are needed"), "{refusal}");
}

#[test]
fn loopback_is_where_no_other_host_can_connect_from() {
    let workers = Workers::start(&MODULE, 1, r#"{"access": {"allow_loopback": true}}"#);
    let from = |source: &str, destination: &str, authority: &str| {
        let stream = workers.roots[0].stream();
        stream.set_property(&["source", "address"], source);
        stream.set_property(&["destination", "address"], destination);
        let head = [
            (":method", "GET"),
            (":path", "/ballast/health"),
            (":authority", authority),
            (":scheme", "http"),
        ];
        stream.request_headers(&head, true).unwrap();
        let reply = stream.local_reply().unwrap();
        stream.finish().unwrap();
        reply.status
    };
    assert_eq!(from("127.0.0.1:4000", "127.0.0.1:10001", "127.0.0.1:10001"), 200);
    assert_eq!(from("[::1]:4000", "[::1]:10001", "localhost:10001"), 200);
    assert_eq!(from("127.0.0.1:4000", "10.0.0.5:10001", "127.0.0.1:10001"), 401, "forged x-forwarded-for");
    assert_eq!(from("10.0.0.6:4000", "127.0.0.1:10001", "127.0.0.1:10001"), 401);
    assert_eq!(from("127.0.0.1:4000", "127.0.0.1:10001", "evil.example"), 401, "a name made to point here");
}

#[test]
fn nothing_secret_is_in_any_answer_or_log() {
    let workers = admins(1, "");
    seconds(&workers, 1);
    let paths =
        ["/health", "/status", "/drain", "/openapi.json", "/events", "/alerts", "/metrics", "/dashboard"];
    for path in paths {
        let stream = workers.request(0, "GET", &format!("/ballast{path}"), &[("authorization", ACT)]);
        let reply = stream.local_reply().unwrap();
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains("0123456789"), "{path}: {text}");
        stream.finish().unwrap();
    }
    status(&workers, "GET", "/ballast/health", &[("authorization", "Bearer wrong-token-0123456789")]);
    assert!(workers.host.logs().iter().all(|line| !line.message.contains("0123456789")));
}
