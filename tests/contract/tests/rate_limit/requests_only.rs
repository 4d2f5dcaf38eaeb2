//! The module that sees no responses: the same limits, and no configuration that needs more.

use ballast_contract::{Workers, configure, filter, status};
use ballast_wasm_host::{Host, Module};
use std::sync::LazyLock;

static REQUESTS: LazyLock<Module> = LazyLock::new(|| filter("rate-limit-requests"));

#[test]
fn it_limits_like_the_whole_module_and_gives_permits_back() {
    let limits = r#"{"headers": "none", "limits": [
        {"name": "a", "key": ["client_address"], "rate": "1/d", "burst": 3},
        {"name": "b", "algorithm": "concurrency", "max_concurrent": 1}]}"#;
    let workers = Workers::start(&REQUESTS, 2, limits);
    let first = workers.get(0, "/", &[]);
    assert_eq!(status(&workers.get(1, "/", &[])), 429, "one is in flight");
    assert_eq!(status(&first), 200);
    let passed = (0..6).filter(|number| status(&workers.get(number % 2, "/", &[])) == 200).count();
    assert_eq!(passed, 2, "of three, one is used up");
}

#[test]
fn what_needs_a_response_is_refused_by_name() {
    for (fields, path) in [
        (r#""limits": [{"name": "a", "rate": "1/s"}]"#, "headers: only `none`"),
        (
            r#""headers": "none", "mode": "shadow", "limits": [{"name": "a", "rate": "1/s"}]"#,
            "mode: `shadow`",
        ),
        (
            r#""headers": "none", "limits": [{"name": "a", "rate": "1/s"},
                {"name": "b", "rate": "1/s", "charge_when": {"status": [401]}}]"#,
            "limits[1].charge_when: it depends",
        ),
        (
            r#""headers": "none", "limits": [
                {"name": "a", "global": {"cluster": "ratelimit", "local": {"rate": "20/s"}}}]"#,
            "limits[0].global: ",
        ),
        (
            r#""headers": "none", "limits": [{"name": "a", "rate": "1/s", "mode": "shadow"}]"#,
            "limits[0].mode: ",
        ),
        (
            r#""headers": "none", "limits": [{"name": "a", "rate": "1/s", "enforce_share": "5%"}]"#,
            "limits[0].mode: ",
        ),
    ] {
        let vm = Host::new().vm(&REQUESTS).unwrap();
        let refusal = configure(&vm, format!("{{{fields}}}")).unwrap_err();
        let text = format!("rate-limit: invalid configuration: {path}");
        assert!(refusal.says(&text), "{fields}: {refusal}");
        assert!(refusal.says("ballast_rate_limit.wasm"), "{refusal}");
    }
}
