//! What holds after every kind of trouble.

use super::scene::Scene;
use crate::Check;
use ballast_harness::{Load, Report, Request};
use std::time::{Duration, Instant};

/// What a crashed VM held comes back once it counts as dead, after 10 s; the machine may be busy besides.
const SOON: Duration = Duration::from_secs(40);
const ALLOWED: u64 = 100;
const PLACES: u64 = 4;
const PAGES: u64 = 20;

/// Whether something that happened may have taken tokens with it that were held in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    /// Every one is accounted for.
    All,
    /// Some may be lost with a VM: fewer pass, never more.
    SomeMayBeLost,
}

/// All of them. The quiet load has ended.
pub(super) async fn all(scene: &Scene, tokens: Tokens) -> Vec<Check> {
    let mut checks = vec![breaker_recovers(scene).await];
    checks.push(limit_used_meanwhile(scene, tokens).await);
    checks.push(fresh_limit(scene).await);
    checks.extend(places(scene).await);
    checks.extend(nothing_is_left(scene).await);
    checks.extend(cache(scene).await);
    checks
}

/// What holds of a process that has only just begun.
pub(super) async fn of_a_new_process(scene: &Scene) -> Vec<Check> {
    let mut checks = vec![breaker_recovers(scene).await];
    checks.push(fresh_limit(scene).await);
    checks.extend(places(scene).await);
    checks.extend(nothing_is_left(scene).await);
    checks.extend(cache(scene).await);
    checks
}

/// Waits until it is so; says how long that took, or that it was in vain.
pub(super) async fn becomes(name: &str, wanted: &str, mut so: impl AsyncFnMut() -> bool) -> Check {
    let begin = Instant::now();
    while !so().await {
        if begin.elapsed() > SOON {
            return Check::new(name, wanted, format!("not within {SOON:?}"), false);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Check::new(name, wanted, format!("after {:.1} s", begin.elapsed().as_secs_f64()), true)
}

/// Requests pass again, twenty in a row, and no breaker is open.
pub(super) async fn breaker_recovers(scene: &Scene) -> Check {
    becomes("the breaker recovers", "20 good answers in a row, none open", async || {
        for number in 0..20 {
            let url = scene.envoy.url(&format!("/live/after-{number}"));
            if !Request::get(&url).send().await.is_ok_and(|answer| answer.status == 200) {
                return false;
            }
        }
        scene.metric("circuit_breaker", "open", ";rule=upstream").await == 0
    })
    .await
}

/// No permit is held and nothing counts as in flight.
async fn nothing_is_left(scene: &Scene) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, filter, metric, labels) in [
        ("entries of the limit on what is in flight", "rate_limit", "keys", ";rule=slots"),
        ("requests that shedding still counts", "load_shedding", "in_flight", ""),
        ("requests that shedding still keeps waiting", "load_shedding", "queued", ""),
    ] {
        checks.push(becomes(name, "0", async || scene.metric(filter, metric, labels).await == 0).await);
    }
    checks
}

/// So many GETs of a path at the same time as there are connections.
async fn load(scene: &Scene, path: &str, requests: u64, connections: usize) -> Option<Report> {
    let load = Load::of(&scene.envoy.url(path)).requests(requests).connections(connections);
    load.run().await.ok()
}

/// The limit that the quiet load used all the time, used up: never more than a hundred in all.
async fn limit_used_meanwhile(scene: &Scene, tokens: Tokens) -> Check {
    let name = "requests through a limit of 100 that was in use all the time";
    // Tokens that a worker holds in advance are given back on its tick.
    for _ in 0..3 {
        if load(scene, "/exact/during", 2 * ALLOWED, 8).await.is_none() {
            return Check::new(name, ALLOWED, "the proxy does not answer", false);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let passed = scene.metric("rate_limit", "allowed", ";rule=exact").await;
    match tokens {
        Tokens::All => Check::same(name, ALLOWED, passed),
        Tokens::SomeMayBeLost => {
            Check::new(name, format!("at most {ALLOWED}"), passed, (1..=ALLOWED).contains(&passed))
        }
    }
}

/// A limit that nobody has used lets exactly a hundred through.
async fn fresh_limit(scene: &Scene) -> Check {
    let name = "requests through a fresh limit of 100";
    let mut passed = 0;
    for _ in 0..3 {
        let Some(report) = load(scene, "/exact/afterwards", 2 * ALLOWED, 8).await else {
            return Check::new(name, ALLOWED, "the proxy does not answer", false);
        };
        if report.status(200) + report.status(429) != report.answers() || report.errors > 0 {
            return Check::new(name, ALLOWED, report, false);
        }
        passed += report.status(200);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Check::same(name, ALLOWED, passed)
}

/// All places can be had again, and no more.
async fn places(scene: &Scene) -> Vec<Check> {
    let slow = Request::get(&scene.envoy.url("/slots/afterwards")).header("x-upstream", "delay=1500ms");
    let load = Load::repeating(slow, &scene.envoy.url("/")).requests(2 * PLACES).connections(8);
    // What a crashed VM held comes back once it counts as dead.
    let had = becomes("all places of a limit of 4 in flight can be had", "4 of 8 at once", async || {
        let report = load.clone().run().await;
        report.is_ok_and(|report| report.status(200) == PLACES && report.status(429) == PLACES)
    });
    let had = had.await;
    let most = scene.upstream.most_in_flight_at("/slots/afterwards");
    vec![had, Check::same("the most of those at the upstream at a time", PLACES, most)]
}

/// What was stored is served, from the store, and is what the upstream sent.
async fn cache(scene: &Scene) -> Vec<Check> {
    let (mut right, mut from_the_store) = (0, 0);
    for page in 0..PAGES {
        let path = format!("/cached/afterwards-{page}");
        let get =
            Request::get(&scene.envoy.url(&path)).header("x-upstream", "header=cache-control:max-age=600");
        let expected = format!("\"{path}\"");
        for _ in 0..3 {
            let answer = get.send().await;
            right += u64::from(
                answer.is_ok_and(|answer| answer.status == 200 && answer.text().contains(&expected)),
            );
        }
        from_the_store += u64::from(scene.upstream.received_at(&path) == 1);
    }
    vec![
        Check::same("right bytes of pages that were asked for three times", 3 * PAGES, right),
        Check::same("of those pages, fetched once", PAGES, from_the_store),
        Check::same("wrong bytes that the quiet load got", 0, scene.wrong_bytes()),
    ]
}
