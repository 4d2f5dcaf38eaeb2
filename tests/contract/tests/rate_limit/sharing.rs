//! Who counts together: one namespace, whatever plugin, root or configuration; and one client, whatever its bytes.

use crate::{MODULE, configuration, limits, passed, passed_until_all_refuse};
use ballast_contract::{Workers, status};
use ballast_wasm_host::{PluginConfig, Root};

const TEN: &str = r#"{"name": "a", "rate": "1/d", "burst": 10}"#;

fn namespaced(namespace: &str) -> String {
    format!(r#"{{"namespace": "{namespace}", "limits": [{TEN}]}}"#)
}

/// How many of ten requests pass.
fn passed_at(root: &Root) -> usize {
    let request = |_: &i32| {
        let stream = root.stream();
        stream.request_headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")], true).unwrap();
        status(&stream) == 200
    };
    (0..10).filter(request).count()
}

#[test]
fn plugins_share_a_count_if_and_only_if_they_have_one_namespace() {
    let rows = [
        ("one plugin twice", ("p", configuration(TEN)), ("p", configuration(TEN)), 10),
        ("two plugins", ("p", configuration(TEN)), ("q", configuration(TEN)), 20),
        ("two plugins that name one", ("p", namespaced("n")), ("q", namespaced("n")), 10),
        ("one plugin that names two", ("p", namespaced("n")), ("p", namespaced("m")), 20),
        ("one that names the other", ("p", namespaced("q")), ("q", configuration(TEN)), 10),
    ];
    for (why, first, second, expected) in rows {
        let workers = limits(2, r#"{"name": "unused", "rate": "1/s"}"#);
        for vm_of_second in [0, 1] {
            let namespace_of_round = |(name, configuration): &(&str, String)| {
                let limit = format!(r#""name": "a{vm_of_second}""#);
                PluginConfig::new(name, configuration.replace(r#""name": "a""#, &limit))
            };
            let first = workers.vms[0].configure(namespace_of_round(&first)).unwrap();
            let second = workers.vms[vm_of_second].configure(namespace_of_round(&second)).unwrap();
            workers.host.advance(crate::A_TICK);
            let total = passed_at(&first) + passed_at(&second);
            assert_eq!(total, expected, "{why}, the second in VM {vm_of_second}");
        }
    }
}

#[test]
fn a_reload_goes_on_counting_while_the_old_configuration_drains() {
    let mut workers = limits(2, TEN);
    assert_eq!(passed(&workers, 0, "/", 4), 4);
    let old = workers.roots.clone();
    workers.reload(&configuration(&format!(r#"{{"name": "other", "rate": "1000/s"}}, {TEN}"#)));
    assert_eq!(passed(&workers, 1, "/", 3), 3);
    assert_eq!(passed_at(&old[0]) + passed_until_all_refuse(&workers, "/"), 3);
    old.iter().for_each(|root| root.shut_down().unwrap());
    assert_eq!(passed_until_all_refuse(&workers, "/"), 0);
}

#[test]
fn an_exhausted_client_stays_so_when_a_rate_is_lowered_or_raised() {
    let with = |rate| configuration(&format!(r#"{{"name": "a", "rate": "{rate}", "burst": 10}}"#));
    let mut workers = limits(2, r#"{"name": "a", "rate": "2/d", "burst": 10}"#);
    assert_eq!(passed_until_all_refuse(&workers, "/"), 10);
    for rate in ["1/d", "2/d", "1000/d"] {
        workers.reload(&with(rate));
        assert_eq!(passed_until_all_refuse(&workers, "/"), 0, "{rate}");
    }
    workers.reload(&configuration(r#"{"name": "a", "algorithm": "sliding_window", "rate": "10/d"}"#));
    let passed = passed_until_all_refuse(&workers, "/");
    assert_eq!(passed, 10, "another algorithm begins anew");
}

#[test]
fn while_a_faster_rate_replaces_a_slower_one_the_two_do_not_reset_each_other() {
    let mut workers = limits(2, r#"{"name": "a", "rate": "1/d", "burst": 10}"#);
    let old = workers.roots.clone();
    workers.reload(&configuration(r#"{"name": "a", "rate": "2/d", "burst": 10}"#));
    let mut passed = 0;
    for _ in 0..20 {
        passed += passed_at(&old[0]) + passed_at(&old[1]) + passed_until_all_refuse(&workers, "/");
    }
    assert_eq!(passed, 10);
}

#[test]
fn a_refused_reload_changes_nothing() {
    let workers = limits(2, TEN);
    assert_eq!(passed(&workers, 0, "/", 4), 4);
    let refusal =
        ballast_contract::configure(&workers.vms[0], configuration(r#"{"name": "a"}"#)).unwrap_err();
    assert!(refusal.says("limits[0]"), "{refusal}");
    workers.host.advance(std::time::Duration::from_secs(12));
    assert_eq!(passed_until_all_refuse(&workers, "/"), 6);
}

#[test]
fn keys_are_bytes() {
    let limit = r#"{"name": "a", "key": [{"header": "x-key"}], "rate": "1/d", "burst": 2}"#;
    let workers = limits(2, limit);
    let keys: [&[u8]; 7] =
        [b"\xff", b"\xfe", b"\xff\xff", b"\xc3\x28", "\u{fffd}".as_bytes(), b"a", b"a\xff"];
    let request = |worker: usize, key: &[u8]| {
        let stream = workers.roots[worker].stream();
        let headers = [(":method", &b"GET"[..]), (":path", b"/"), (":authority", b"a"), ("x-key", key)];
        stream.request_headers(&headers, true).unwrap();
        status(&stream)
    };
    for key in keys {
        let statuses = [0, 1, 0].map(|worker| request(worker, key));
        assert_eq!(statuses, [200, 200, 429], "{key:?}");
    }
}

#[test]
fn a_path_that_is_no_text_is_matched_and_counted_like_any_other() {
    let workers = Workers::start(
        &MODULE,
        1,
        &configuration(
            r#"{"name": "a", "match": {"path": {"prefix": "/api/"}}, "key": ["path"], "rate": "1/d"}"#,
        ),
    );
    let request = |path: &[u8]| {
        let stream = workers.roots[0].stream();
        stream
            .request_headers(&[(":method", &b"GET"[..]), (":path", path), (":authority", b"a")], true)
            .unwrap();
        status(&stream)
    };
    assert_eq!(
        [&b"/api/\xff"[..], b"/api/\xff", b"/api/\xfe", b"/\xff", b"/\xff"].map(request),
        [200, 429, 200, 200, 200]
    );
}
