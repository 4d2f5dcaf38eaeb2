//! More than there is room for.

use super::invariants::{self, Tokens};
use super::scene::Scene;
use super::{Outcome, Scale};
use crate::{Check, watch};
use anyhow::Result;
use ballast_harness::{Load, Request};
use ballast_upstream::Answer;

/// What the chain for chaos allows the cache, and an object of each worker that is on its way.
const STORE_BYTES: u64 = (2 << 20) + 2 * (64 << 10);
/// Two places for each client that the table is for.
const CLIENTS: u64 = 2 * 1_024;
/// What a full table may add to the process from one half of the flood to the other.
const GROWTH_BYTES: u64 = 8 << 20;

/// Far more clients and pages than fit; one client is at its limit before, and must be afterwards.
pub(super) async fn flood(scale: Scale) -> Result<Outcome> {
    let count = scale.of(60_000, 6_000);
    let mut scene = Scene::start("full-store", Answer::ok()).await?;
    scene.begin().await;
    let in_use = Request::get(&scene.envoy.url("/cached/flood/in-use")).header("x-key", "in-use");
    let mut before = Vec::new();
    for _ in 0..4 {
        before.push(in_use.send().await?.status);
    }
    let (base, pid) = (scene.envoy.url(""), scene.envoy.pid().await);
    let (reports, half, whole) = scene
        .during(async {
            let first = pages(&base, 0, count / 2).run().await?;
            let half = watch::resident_bytes(pid);
            let second = pages(&base, count / 2, count - count / 2).run().await?;
            anyhow::Ok(([first, second], half, watch::resident_bytes(pid)))
        })
        .await?;
    let good: u64 = reports.iter().map(|report| report.status(200)).sum();
    let after = in_use.send().await?.status;
    let (keys, bytes) = (
        scene.metric("rate_limit", "keys", ";rule=flood").await,
        scene.metric("response_cache", "bytes", "").await,
    );
    scene.end().await;
    // It tells only so many paths apart.
    scene.upstream.reset_counts();
    let mut checks = vec![
        Check::new(
            "the client in use, before",
            "[200, 200, 200, 429]",
            format!("{before:?}"),
            before == [200, 200, 200, 429],
        ),
        Check::new("the client in use, after the flood", 429, after, after == 429),
        Check::same("good answers in the flood", count, good),
        Check::new(
            "clients that the limit keeps",
            format!("at most {CLIENTS}"),
            keys,
            (1..=CLIENTS).contains(&keys),
        ),
        Check::new(
            "bytes that the cache keeps",
            format!("at most {STORE_BYTES}"),
            bytes,
            (1..=STORE_BYTES).contains(&bytes),
        ),
        Check::new(
            "growth of the process over the second half, in bytes",
            format!("at most {GROWTH_BYTES}"),
            format!("{half} to {whole}"),
            whole <= half + GROWTH_BYTES,
        ),
        Check::same("requests of the quiet load that failed", 0, scene.failed()),
    ];
    checks.extend(invariants::all(&scene, Tokens::All).await);
    Ok(scene.outcome(checks))
}

/// Pages that nobody has asked for, each by another client.
fn pages(base: &str, from: u64, count: u64) -> Load {
    let base = base.to_owned();
    Load::of(&format!("{base}/")).connections(8).requests(count).each(move |number, _| {
        let number = from + number;
        let size = [100, 2_000, 20_000, 80_000][usize::try_from(number % 4).expect("less than four")];
        Request::get(&format!("{base}/cached/flood/{number}"))
            .header("x-key", format!("client-{number}"))
            .header("x-upstream", format!("header=cache-control:max-age=600; body={size}"))
    })
}
