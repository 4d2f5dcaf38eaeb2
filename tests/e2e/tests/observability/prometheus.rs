//! Metrics, rules and dashboard queries against a Prometheus that scrapes a running Envoy.

use super::scraper::{Scraper, sample};
use super::{SOON, get};
use ballast_harness::{Envoy, Request, eventually};
use ballast_upstream::{Answer, Upstream};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

#[test]
fn every_alert_fires_when_it_should_and_none_for_a_healthy_proxy() {
    let promtool = ballast_setup::tools::prometheus().unwrap().promtool;
    for arguments in [
        ["check", "rules", "ballast.rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["check", "config", "admin.yml"],
        ["test", "rules", "ballast.test.yml"],
    ] {
        let run = Command::new(&promtool).args(arguments).current_dir(sample("prometheus")).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "promtool {arguments:?}: {said}");
    }
    // A rule without a case would be tested by nobody.
    let text = |file: &str| std::fs::read_to_string(sample(&format!("prometheus/{file}"))).unwrap();
    let cases = text("ballast.test.yml");
    for alert in text("ballast.rules.yml").lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(cases.contains(&format!("  - name: {alert}\n")), "{alert} has no case");
    }
}

/// Waits for a first scrape, in which nothing may be wrong. One that was not answered in time says nothing of what is scraped.
async fn is_scraped(prometheus: &Scraper) {
    let scraped = eventually("a first scrape", SOON, async || {
        let targets = prometheus.targets().await;
        let was_read =
            |(health, error): &(String, String)| health != "unknown" && !error.contains("deadline exceeded");
        (!targets.is_empty() && targets.iter().all(was_read)).then_some(targets)
    });
    assert_eq!(scraped.await, [("up".to_owned(), String::new())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_admin_filter_exports_is_scraped_under_the_names_of_envoys_own() {
    let upstream = Upstream::start();
    let envoy =
        Envoy::builder().sample("all-filters.yaml").upstream(upstream.address()).start().await.unwrap();
    let prometheus = Scraper::of_filter(&envoy).await;
    is_scraped(&prometheus).await;
    get(&envoy.url("/api/"), &[]).await;
    for query in [
        // A counter, a gauge, and a histogram.
        "ballast_rate_limit_allowed{namespace=\"rate-limit\", rule=\"per-client\"} > 0",
        "ballast_load_shedding_limit{namespace=\"load-shedding\"} > 0",
        "ballast_retry_policy_attempts_bucket{rule=\"reads\", le=\"+Inf\"} > 0",
    ] {
        eventually(query, SOON, async || (!prometheus.query(query).await.is_empty()).then_some(())).await;
    }
    assert_eq!(prometheus.query("{__name__=~\"ballast_.+_total\"}").await, [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_exports_is_scraped_without_an_error_and_alerts_fire_in_an_incident() {
    let upstream = Upstream::start();
    let envoy =
        Envoy::builder().sample("all-filters.yaml").upstream(upstream.address()).start().await.unwrap();
    let prometheus = Scraper::start(&envoy).await;
    is_scraped(&prometheus).await;
    // What was scraped is asked for a moment later.
    let many = "scrape_samples_scraped > 300";
    eventually(many, SOON, async || (!prometheus.query(many).await.is_empty()).then_some(())).await;

    // Before anything is wrong.
    eventually("each rule to be evaluated", SOON, async || prometheus.has_evaluated().await.then_some(()))
        .await;
    assert_eq!(prometheus.firing().await, [""; 0]);

    // The upstream fails, a client asks too often, and somebody purges without the right to.
    upstream.script("/", Answer::status(503));
    let expected = ["BallastBreakerOpen", "BallastPurgeRefused", "BallastRateLimited"];
    eventually("the alerts of the incident", Duration::from_secs(60), async || {
        for _ in 0..4 {
            get(&envoy.url("/api/"), &[]).await;
            get(&envoy.url("/"), &[]).await;
        }
        Request::new("PURGE", &envoy.url("/page")).send().await.unwrap();
        let firing = prometheus.firing().await;
        expected.iter().all(|alert| firing.iter().any(|fires| fires == alert)).then_some(())
    })
    .await;
}

/// The queries of a dashboard's panels, with what Grafana would put in.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        panel["targets"].as_array().into_iter().flatten().map(move |target| (title, target))
    });
    let filled = |query: &str| {
        let query = query.replace("$__rate_interval", "1m");
        query.replace("\"$instance\"", "\".*\"").replace("\"$namespace\"", "\".*\"")
    };
    targets.map(|(title, target)| (title.to_owned(), filled(target["expr"].as_str().unwrap()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_dashboard_finds_what_a_running_envoy_exports() {
    let upstream = Upstream::start();
    let envoy =
        Envoy::builder().sample("all-filters.yaml").upstream(upstream.address()).start().await.unwrap();
    let prometheus = Scraper::start(&envoy).await;
    get(&envoy.url("/api/"), &[]).await;
    let text = std::fs::read_to_string(sample("grafana/ballast.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let queries = queries(&dashboard);
    assert!(queries.len() > 50, "{}", queries.len());
    for (title, query) in queries {
        assert!(!query.contains('$'), "{title}: {query} holds a variable that is not filled in");
        eventually(&format!("{title}: {query}"), SOON, async || {
            (!prometheus.query(&query).await.is_empty()).then_some(())
        })
        .await;
    }
}
