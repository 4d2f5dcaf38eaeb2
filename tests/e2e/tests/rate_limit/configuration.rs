//! Wrong configurations are refused by name; a reload keeps counting.

use super::{SAMPLE, SOON, limits, statuses};
use ballast_e2e::{configured, sample_with};
use ballast_harness::Request;
use ballast_upstream::Upstream;

/// A wrong configuration, and what Envoy's refusal must say: the path, the value, what is allowed.
const WRONG: [(&str, &[&str]); 20] = [
    ("nonsense", &["a JSON object"]),
    (r#"{"limts": []}"#, &["limts", "unknown field", "`limits`"]),
    (r#"{"mode": "of"}"#, &["mode", "`of`", "`enforce`", "`shadow`", "`disabled`"]),
    (r#"{"mode": false}"#, &["mode", "quotes"]),
    (r#"{"headers": "draft-3"}"#, &["headers", "`draft-3`", "`draft-11`"]),
    (r#"{"limits": [{"rate": "1/s"}]}"#, &["limits[0]", "name"]),
    (r#"{"limits": [{"name": "A b", "rate": "1/s"}]}"#, &["limits[0].name", "`A b`", "a-z"]),
    (
        r#"{"limits": [{"name": "a", "rate": "1/s"}, {"name": "a", "rate": "1/s"}]}"#,
        &["limits[1].name", "`a`", "unique"],
    ),
    (r#"{"limits": [{"name": "a", "rate": 100}]}"#, &["limits[0].rate", "100", "/s"]),
    (r#"{"limits": [{"name": "a", "rate": "100"}]}"#, &["limits[0].rate", "`100`", "/s"]),
    (r#"{"limits": [{"name": "a", "rate": "0/s"}]}"#, &["limits[0].rate", "`0/s`"]),
    (r#"{"limits": [{"name": "a"}]}"#, &["limits[0]", "rate"]),
    (r#"{"limits": [{"name": "a", "rate": "1/s", "burst": 0}]}"#, &["limits[0]", "burst", "0"]),
    (
        r#"{"limits": [{"name": "a", "rate": "1/s", "algorithm": "leaky"}]}"#,
        &["limits[0].algorithm", "`leaky`", "`token_bucket`"],
    ),
    (r#"{"limits": [{"name": "a", "algorithm": "concurrency"}]}"#, &["limits[0]", "max_concurrent"]),
    (
        r#"{"limits": [{"name": "a", "algorithm": "concurrency", "max_concurrent": 2, "rate": "1/s"}]}"#,
        &["limits[0]", "rate", "concurrency"],
    ),
    (
        r#"{"limits": [{"name": "a", "rate": "1/s", "key": ["client"]}]}"#,
        &["limits[0].key[0]", "`client`", "client_address"],
    ),
    (
        r#"{"limits": [{"name": "a", "rate": "1/s", "match": {"path": {"regex": "("}}}]}"#,
        &["limits[0].match", "regular expression"],
    ),
    (
        r#"{"limits": [{"name": "a", "rate": "1/s", "tiers": {"by": {"header": "x", "trust": {}}, "plans": {}}}]}"#,
        &["limits[0].tiers.by", "trust"],
    ),
    (
        r#"{"limits": [{"name": "a", "rate": "1/s", "burst": 5, "cost": {"header": "x", "max": 9, "trust": {"peers": ["spiffe://mesh/a"]}}}]}"#,
        &["limits[0]", "cost", "9", "5"],
    ),
];

#[tokio::test]
async fn wrong_configurations_are_refused_with_path_value_and_what_is_allowed() {
    let upstream = Upstream::start();
    for (configuration, said) in WRONG {
        let refusal = sample_with(SAMPLE, configuration, &upstream).expect_refusal().await;
        assert!(refusal.contains("rate-limit: invalid configuration: "), "{configuration}: {refusal}");
        for word in said {
            assert!(refusal.contains(word), "{configuration}: does not say {word}: {refusal}");
        }
    }
}

#[tokio::test]
async fn a_reload_keeps_counting_where_it_was() {
    let upstream = Upstream::start();
    let two = r#"{"limits": [{"name": "all", "rate": "1/d", "burst": 4}]}"#;
    let envoy = sample_with(SAMPLE, two, &upstream).dynamic_listeners().start().await.unwrap();
    assert_eq!(statuses(&Request::get(&envoy.url("/")), 3).await, [200; 3]);

    let changed =
        r#"{"limits": [{"name": "new", "rate": "100/s"}, {"name": "all", "rate": "1/d", "burst": 4}]}"#;
    let updates = "listener_manager.lds.update_success";
    let before = envoy.stat(updates).await.unwrap();
    envoy.replace_config(&configured(SAMPLE, changed));
    envoy.wait_for_stat(updates, |count| count > before, SOON).await;
    envoy
        .wait_for_stat("wasmcustom.ballast.rate_limit.allowed;namespace=rate-limit;rule=new", |_| true, SOON)
        .await;
    assert_eq!(statuses(&Request::get(&envoy.url("/")), 3).await, [200, 429, 429], "one of four was left");
}

#[tokio::test]
async fn a_refused_reload_leaves_the_running_configuration_in_force() {
    let upstream = Upstream::start();
    let good = r#"{"limits": [{"name": "all", "rate": "1/d", "burst": 1}]}"#;
    let envoy = sample_with(SAMPLE, good, &upstream).dynamic_listeners().start().await.unwrap();
    envoy.replace_config(&configured(SAMPLE, r#"{"limits": [{"name": "all", "rate": "many"}]}"#));
    envoy.wait_for_stat("listener_manager.lds.update_rejected", |count| count == 1, SOON).await;
    assert_eq!(statuses(&Request::get(&envoy.url("/")), 2).await, [200, 429]);
    assert!(envoy.log().contains("limits[0].rate: `many`"));
}

#[tokio::test]
async fn a_struct_configures_like_json() {
    let upstream = Upstream::start();
    let text = configured(SAMPLE, "@@");
    let (before, rest) =
        text.split_once("\"@type\": type.googleapis.com/google.protobuf.StringValue").unwrap();
    let after = rest.split_once("@@\n").unwrap().1;
    let fields = r#""@type": type.googleapis.com/google.protobuf.Struct
                          value: { limits: [{ name: all, rate: 1/d, burst: 2 }] }
"#;
    let envoy = ballast_harness::Envoy::builder().config(format!("{before}{fields}{after}"));
    let envoy = envoy.upstream(upstream.address()).start().await.unwrap();
    assert_eq!(statuses(&Request::get(&envoy.url("/")), 3).await, [200, 200, 429]);
}

#[tokio::test]
async fn a_missing_key_part_follows_its_policy() {
    let upstream = Upstream::start();
    for (policy, expected) in [("skip", [200, 200]), ("shared", [200, 429]), ("deny", [429, 429])] {
        let limit = format!(
            r#"[{{"name": "a", "key": [{{"header": "x-key"}}], "rate": "1/d", "on_missing_key": "{policy}"}}]"#
        );
        let envoy = limits(&limit, &upstream).start().await.unwrap();
        assert_eq!(statuses(&Request::get(&envoy.url("/")), 2).await, expected, "{policy}");
        let key = Request::get(&envoy.url("/")).header("x-key", b"\xff\xfe not utf-8");
        assert_eq!(statuses(&key, 2).await, [200, 429], "a header that is not UTF-8 is a key like any other");
    }
}
