//! The recommended chain with the numbers of a run, and the same proxy without a filter.

use ballast_e2e::{filter_configured, text_of};

/// The sample that everything here runs.
const SAMPLE: &str = "all-filters.yaml";
/// What the sample allows each client, which is little so that its reader sees a refusal.
const SAMPLE_LIMIT: &str = "\"rate\": \"2/s\",\n                                  \"burst\": 5,";
/// What a busy client needs.
const BUSY_LIMIT: &str = "\"rate\": \"50/s\",\n                                  \"burst\": 100,";

/// The chain under load: the sample, in which each client may ask 50 times a second instead of twice.
///
/// # Panics
///
/// When the sample has no such limit any more.
pub(crate) fn under_load() -> String {
    let text = text_of(SAMPLE);
    assert!(text.contains(SAMPLE_LIMIT), "{SAMPLE} has another limit for each client");
    text.replace(SAMPLE_LIMIT, BUSY_LIMIT)
}

/// The same proxy without any of Ballast's filters.
pub(crate) fn without_filters() -> String {
    let mut kept = Vec::new();
    let mut skipped: Option<usize> = None;
    for line in text_of(SAMPLE).lines() {
        let indent = line.len() - line.trim_start().len();
        if let Some(item) = skipped
            && (line.trim().is_empty() || indent > item || line.trim_start().starts_with('#'))
        {
            continue;
        }
        skipped = line.trim_start().starts_with("- name: ballast.").then_some(indent);
        if skipped.is_none() {
            kept.push(line.to_owned());
        }
    }
    kept.join("\n") + "\n"
}

/// The chain under chaos: every filter with rules of which each breach would show.
///
/// - `/exact/…`: 100 requests in all for each path, to the request.
/// - `/slots`: four at a time.
/// - `/cached/…`: kept as long as the upstream says, stale where it is gone.
/// - everything: a breaker for the upstream, closed again after a second without trouble; `/live` is retried once.
pub(crate) fn under_chaos() -> String {
    let configurations = [
        (
            "load-shedding",
            r#"{"limit": {"algorithm": "gradient2", "initial": 100, "min": 50, "max": 500},
               "exempt": [{"path": {"exact": "/crash"}}]}"#,
        ),
        (
            "rate-limit",
            r#"{"limits": [
                {"name": "exact", "match": {"path": {"prefix": "/exact"}}, "key": ["path"], "rate": "1/d", "burst": 100},
                {"name": "slots", "match": {"path": {"prefix": "/slots"}}, "algorithm": "concurrency", "max_concurrent": 4},
                {"name": "flood", "match": {"path": {"prefix": "/cached/flood"}}, "key": [{"header": "x-key"}],
                 "rate": "3/h", "burst": 3, "max_keys": 1024}
            ]}"#,
        ),
        (
            "response-cache",
            r#"{"store": {"max_bytes": "2MiB", "max_entries": 512, "max_object": "64KiB", "local": {"max_bytes": "128KiB"}},
               "rules": [{"name": "cached", "match": {"path": {"prefix": "/cached"}},
                          "stale_on_connection_error": "1h", "serve_stale_when": {"breaker_open": true},
                          "coalesce": {"max_wait": "2s"}}]}"#,
        ),
        (
            "circuit-breaker",
            r#"{"breakers": [{"name": "upstream", "match": {"cluster": "upstream"},
                "trip": {"failure_rate": "50%", "consecutive_failures": 10},
                "open": {"for": "1s", "multiplier": 1, "max": "1s", "jitter": "0%"}}]}"#,
        ),
        (
            "retry-policy",
            r#"{"policies": [{"name": "live", "match": {"path": {"prefix": "/live"}}, "max_attempts": 2,
                "backoff": {"base": "25ms", "max": "100ms"}, "per_try_timeout": "500ms", "timeout": "1200ms",
                "stop_when": {"breaker_open": true}}]}"#,
        ),
    ];
    configurations.iter().fold(text_of(SAMPLE), |text, (filter, configuration)| {
        filter_configured(&text, filter, configuration)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_filters_only_the_filters_are_gone() {
        let (with, without) = (text_of(SAMPLE), without_filters());
        let code = |text: &str, word: &str| {
            text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains(word)).count()
        };
        assert_eq!(code(&without, "dist/ballast_"), 0);
        for word in
            ["envoy.filters.http.router", "socket_address", "stat_prefix", "prefix: \"/\"", "access_log:"]
        {
            assert_eq!(code(&without, word), code(&with, word), "{word}");
        }
    }

    #[test]
    fn under_load_only_the_limit_of_a_client_is_another() {
        let (sample, load) = (text_of(SAMPLE), under_load());
        let changed = sample.lines().zip(load.lines()).filter(|(before, after)| before != after).count();
        assert_eq!((changed, sample.lines().count()), (2, load.lines().count()));
    }
}
