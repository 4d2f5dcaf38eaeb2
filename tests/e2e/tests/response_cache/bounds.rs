//! Memory and hit ratio under a flood.

use super::rules;
use ballast_bench::cache::{Shop, Trace};
use ballast_bench::proxied::{Bounds, hit_ratio};
use ballast_core::response_cache::store::Eviction;
use ballast_harness::{Load, Request};
use ballast_upstream::{Answer, Upstream};
use std::time::Duration;

const BYTES: &str = "wasmcustom.ballast.response_cache.bytes;namespace=response-cache";

#[tokio::test]
async fn a_flood_of_urls_variants_and_huge_objects_evicts_and_never_grows() {
    let upstream = Upstream::start();
    let config = r#"{"store": {"max_bytes": "4MiB", "max_entries": 1024, "max_object": "256KiB", "local": {"max_bytes": "256KiB"}},
                     "rules": [{"name": "all", "coalesce": null}]}"#;
    let envoy =
        ballast_e2e::sample_with(super::SAMPLE, config, &upstream).concurrency(4).start().await.unwrap();
    let base = envoy.url("/");
    let mut most = 0;
    for round in 0..4_u64 {
        let base = base.clone();
        let load = Load::of(&envoy.url("/")).connections(16).requests(2_000).each(move |number, _| {
            let (path, vary) = match number % 3 {
                // One URL with ever new variants, and ever new URLs.
                0 => ("one".to_owned(), "; header=vary:x-variant"),
                _ => (format!("{round}-{number}"), ""),
            };
            let size = [100, 10_000, 200_000, 300_000][usize::try_from(number % 4).unwrap()];
            let answer = format!("header=cache-control:max-age=600; body={size}{vary}");
            Request::get(&format!("{base}{path}"))
                .header("x-variant", number.to_string())
                .header("x-upstream", answer)
        });
        let report = load.run().await.unwrap();
        assert_eq!(report.status(200), 2_000, "{report}");
        most = most.max(envoy.stat(BYTES).await.unwrap());
    }
    // One object of each worker more, at the most.
    assert!(most <= (4 << 20) + 4 * (256 << 10), "{most} bytes");
    assert!(most >= 2 << 20, "and it is used: {most} bytes");
}

#[tokio::test]
async fn an_answer_that_is_too_large_streams_on_untouched() {
    let upstream = Upstream::start();
    let large = Answer::ok().header("cache-control", "max-age=600").body_bytes(5 << 20);
    upstream.script("/large", large.chunks(100_000, Duration::ZERO));
    let envoy = rules(r#"[{"name": "all"}]"#, &upstream).start().await.unwrap();
    for _ in 0..2 {
        let answer = Request::get(&envoy.url("/large")).send().await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 5 << 20));
    }
    assert_eq!(upstream.received_at("/large"), 2);
}

/// A short form of what `bench-cache --envoy` measures.
#[tokio::test]
async fn the_hit_ratio_is_that_of_the_core_on_the_same_trace() {
    let bounds = Bounds { max_bytes: 4 << 20, max_entries: 512, local_bytes: 256 << 10 };
    let requests: Vec<_> = Trace::zipf(6_250, 1.0, 7).requests().take(5_000).collect();
    let mut core =
        Shop::with_local(bounds.local_bytes, bounds.max_bytes, bounds.max_entries, Eviction::Sieve, 7);
    requests.iter().for_each(|request| core.serve(*request));
    let (core, through) = (core.hit_ratio(), hit_ratio(bounds, "sieve", &requests).await.unwrap());
    println!("core {core:.4}, Envoy {through:.4}");
    assert!(core > 0.5 && (core - through).abs() <= 0.02, "core {core:.4}, Envoy {through:.4}");
}
