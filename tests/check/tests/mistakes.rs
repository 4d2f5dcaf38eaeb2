//! Mistakes in real configurations are found, each on its line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use ballast_check::{Finding, Severity, check};
use std::path::PathBuf;

/// A mistake: in which sample, what is written in place of what, and what is said about it.
struct Mistake {
    sample: &'static str,
    right: &'static str,
    wrong: &'static str,
    severity: Severity,
    path: &'static str,
    says: &'static str,
}

const fn error(
    sample: &'static str,
    right: &'static str,
    wrong: &'static str,
    path: &'static str,
    says: &'static str,
) -> Mistake {
    Mistake { sample, right, wrong, severity: Severity::Error, path, says }
}

const fn warning(
    sample: &'static str,
    right: &'static str,
    wrong: &'static str,
    path: &'static str,
    says: &'static str,
) -> Mistake {
    Mistake { sample, right, wrong, severity: Severity::Warning, path, says }
}

const MISTAKES: [Mistake; 26] = [
    error("rate-limit", r#""rate": "2/s""#, r#""rate": "2""#, "limits[0].rate", "is not a rate"),
    error("rate-limit", r#""burst": 5"#, r#""brust": 5"#, "limits[0].brust", "unknown field"),
    error("rate-limit", r#""sliding_window""#, r#""sliding""#, "limits[1].algorithm", "unknown variant"),
    error("rate-limit", r#"[401, 403]"#, r#"[401, 1403]"#, "limits[1].charge_when.status[1]", "1403"),
    error("rate-limit", r#"["client_address"]"#, r#"["client_adress"]"#, "limits[0].key[0]", "client_adress"),
    error("rate-limit", r#""limits": ["#, r#""limits": [,"#, "", "expected value"),
    error(
        "rate-limit",
        r#""prefix": "/reports""#,
        r#""regex": "(""#,
        "limits[2].match.path",
        "regular expression",
    ),
    error(
        "circuit-breaker",
        r#""failure_rate": "50%""#,
        r#""failure_rate": 50"#,
        "breakers[2].trip.failure_rate",
        "20%",
    ),
    error("circuit-breaker", r#""for": "30s""#, r#""for": 30"#, "breakers[0].open.for", "250ms"),
    error("circuit-breaker", r#""name": "reports""#, r#""name": "tenants""#, "breakers[1].name", "tenants"),
    error("retry-policy", r#""max_attempts": 3"#, r#""max_attempts": 0"#, "policies[0].max_attempts", "0"),
    error(
        "retry-policy",
        r#""decorrelated_jitter""#,
        r#""decorelated""#,
        "policies[0].backoff.strategy",
        "decorelated",
    ),
    error("response-cache", r#""64MiB""#, r#""64""#, "store.max_bytes", "64"),
    error("response-cache", r#""127.0.0.1/32""#, r#""127.0.0.1/33""#, "purge.allow[0]", "127.0.0.1/33"),
    error("load-shedding", r#""gradient2""#, r#""gradient3""#, "limit.algorithm", "gradient3"),
    error("load-shedding", r#""strategy": "adaptive""#, r#""strategy": "adaptiv""#, "strategy", "adaptiv"),
    warning("rate-limit", r#""mode": "enforce""#, r#""mode": "disabled""#, "mode", "does nothing"),
    warning(
        "rate-limit",
        r#""max_concurrent": 4"#,
        r#""max_concurrent": 5000"#,
        "limits[2].max_concurrent",
        "never reached",
    ),
    warning(
        "rate-limit",
        r#""burst": 5"#,
        r#""enforce_share": "0%""#,
        "limits[0].enforce_share",
        "enforces nothing",
    ),
    warning(
        "retry-policy",
        r#""ratio": "20%""#,
        r#""ratio": "100%""#,
        "policies[0].budget.ratio",
        "doubles the load",
    ),
    warning(
        "retry-policy",
        r#""max_attempts": 2,"#,
        r#""max_attempts": 1,"#,
        "policies[1].max_attempts",
        "no retry",
    ),
    warning(
        "circuit-breaker",
        r#""match": { "path": { "prefix": "/tenants/" } },"#,
        "",
        "breakers[1]",
        "is never reached",
    ),
    warning(
        "response-cache",
        r#""query": {"#,
        r#""host": false, "query": {"#,
        "rules[0].key.host",
        "share one answer",
    ),
    warning("rate-limit", "failure_policy: FAIL_RELOAD", "", "", "FAIL_RELOAD"),
    warning("rate-limit", "use_remote_address: true", "use_remote_address: false", "", "x-forwarded-for"),
    warning("response-cache", "stream_idle_timeout: 15s", "", "", "five minutes"),
];

fn sample(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("envoy").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn found(text: &str) -> Vec<Finding> {
    check(text, None).findings
}

#[test]
fn the_samples_have_no_mistakes() {
    let envoy = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../envoy");
    let mut configurations = 0;
    let entries = ["", "recipes"].map(|directory| std::fs::read_dir(envoy.join(directory)).unwrap());
    for entry in entries.into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let checked = check(&std::fs::read_to_string(&path).unwrap(), None);
            assert_eq!(checked.findings, [], "{}", path.display());
            configurations += checked.configurations;
        }
    }
    assert!(configurations >= 30, "{configurations} configurations are fewer than the samples have");
}

#[test]
fn each_mistake_is_found_on_its_line() {
    for mistake in &MISTAKES {
        let right = sample(&format!("{}.yaml", mistake.sample));
        assert!(right.contains(mistake.right), "{} has no {}", mistake.sample, mistake.right);
        let text = right.replacen(mistake.right, mistake.wrong, 1);
        let findings = found(&text);
        let of_kind: Vec<&Finding> = findings
            .iter()
            .filter(|finding| finding.severity == mistake.severity && finding.path == mistake.path)
            .filter(|finding| finding.message.contains(mistake.says))
            .collect();
        let [finding] = of_kind.as_slice() else {
            panic!("{} as {}: {findings:#?}", mistake.right, mistake.wrong);
        };
        assert_eq!(finding.filter, mistake.sample);
        if !mistake.path.is_empty() {
            let line = text.lines().nth(finding.line - 1).unwrap();
            // What is left out cannot be pointed at; what is there must be.
            let points = mistake.wrong.is_empty() || line.contains(mistake.wrong);
            assert!(points, "{} as {}: line {}: {line}", mistake.right, mistake.wrong, finding.line);
        }
    }
}

#[test]
fn text_that_is_no_json_is_pointed_at_where_it_stops_being_so() {
    let text = sample("rate-limit.yaml").replacen(r#""limits": ["#, r#""limits": [,"#, 1);
    let [finding] = &found(&text)[..] else { panic!("one mistake") };
    let line = text.lines().nth(finding.line - 1).unwrap();
    assert_eq!(line.get(finding.column - 1..), Some(","), "column {} of {line}", finding.column);
}

#[test]
fn a_chain_in_another_order_or_with_several_vm_ids_is_warned_about() {
    let text = sample("all-filters.yaml");
    let says = |text: &str, filter: &str, what: &str| {
        found(text).iter().any(|finding| {
            finding.severity == Severity::Warning
                && finding.filter == filter
                && finding.message.contains(what)
        })
    };
    let moved = text
        .replace("ballast_rate_limit", "ballast_x")
        .replace("ballast_retry_policy", "ballast_rate_limit")
        .replace("ballast_x", "ballast_retry_policy");
    assert!(!says(&text, "rate-limit", "recommended order"));
    // The configurations are another filter's now, which is an error of its own: a chain is judged by what is understood.
    let bare = |text: &str| {
        let mut lines = Vec::new();
        let mut inside = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            if inside.is_some_and(|outer| indent > outer) {
                continue;
            }
            inside = line.trim_start().starts_with("configuration:").then_some(indent);
            if inside.is_none() {
                lines.push(line);
            }
        }
        lines.join("\n")
    };
    assert!(says(&bare(&moved), "rate-limit", "recommended order"), "{:#?}", found(&bare(&moved)));
    let split = text.replacen("vm_id: ballast", "vm_id: other", 1);
    assert!(found(&split).iter().any(|finding| finding.message.contains("do not know of each other")));
}

#[test]
fn istio_and_gateway_manifests_and_bare_json_are_read() {
    let wasm_plugin = "kind: WasmPlugin\nspec:\n  url: oci://example/ballast/rate-limit:1\n  pluginName: rate-limit\n  pluginConfig:\n    mode: off\n";
    let gateway = "kind: EnvoyExtensionPolicy\nspec:\n  wasm:\n    - name: retry-policy\n      code: { type: Image, image: { url: example/ballast-retry-policy:1 } }\n      config:\n        policies: [{ name: a, max_attempts: 0 }]\n";
    let typed_struct = "a:\n  '@type': type.googleapis.com/udpa.type.v1.TypedStruct\n  type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n  value:\n    config:\n      root_id: circuit-breaker\n      vm_config: { code: { local: { filename: /etc/ballast.wasm } } }\n      configuration: { '@type': type.googleapis.com/google.protobuf.Struct, value: { breakers: 3 } }\n";
    let bare = "{\n  \"breakers\": [\n    { \"name\": \"A\" }\n  ]\n}";
    for (text, line, path) in [
        (wasm_plugin, 6, "mode"),
        (gateway, 7, "policies[0].max_attempts"),
        (typed_struct, 8, "breakers"),
        (bare, 3, "breakers[0].name"),
    ] {
        let findings = found(text);
        let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let [finding] = errors.as_slice() else { panic!("{text}: {findings:#?}") };
        assert_eq!((finding.line, finding.path.as_str()), (line, path), "{finding}");
    }
    let quoted = wasm_plugin.replace("mode: off", "mode: \"disabled\"");
    assert!(found(&quoted).iter().all(|finding| finding.severity == Severity::Warning));
    assert!(found(wasm_plugin).iter().any(|finding| finding.message.contains("put it in quotes")));
}

#[test]
fn what_is_no_yaml_says_where() {
    let [finding] = &found("a: [1\nb: 2")[..] else { panic!("one mistake") };
    assert_eq!((finding.line, finding.severity), (2, Severity::Error));
}
