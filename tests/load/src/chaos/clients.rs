//! Trouble that clients make.

use super::invariants::{self, Tokens, becomes};
use super::scene::Scene;
use super::{Outcome, Scale};
use crate::Check;
use anyhow::{Context, Result};
use ballast_harness::{Connection, Load, Pending, Protocol, Request};
use ballast_upstream::Answer;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Clients that leave in each round.
const LEAVING: usize = 40;
/// Connections that are opened at the same time.
const AT_A_TIME: usize = 100;

/// Clients ask for what takes long, and leave.
pub(super) async fn vanish(scale: Scale) -> Result<Outcome> {
    let mut scene = Scene::start("vanishing-clients", Answer::ok()).await?;
    scene.begin().await;
    let url = scene.envoy.url("");
    let left = scene.during(vanish_again_and_again(&url, scale.of(20, 4))).await?;
    scene.end().await;
    let mut checks = vec![Check::new("clients that left", "some", left, left > 0)];
    let active = "http.ingress.downstream_rq_active";
    checks.push(
        becomes("requests under way for nobody", "0", async || scene.envoy.stat(active).await == Some(0))
            .await,
    );
    checks.push(Check::same("requests of the quiet load that failed", 0, scene.failed()));
    checks.extend(invariants::all(&scene, Tokens::All).await);
    Ok(scene.outcome(checks))
}

async fn vanish_again_and_again(base: &str, rounds: u64) -> Result<usize> {
    let mut left = 0;
    for round in 0..rounds {
        let mut pending: Vec<Pending> = Vec::new();
        for client in 0..LEAVING {
            // Some wait for a place, some for a page that several want, some amid a body.
            let (path, how) = match client % 4 {
                0 => (format!("/slots/{client}"), "delay=10s"),
                1 => (format!("/cached/leaving-{round}"), "header=cache-control:max-age=60; delay=10s"),
                2 => (format!("/live/leaving-{client}"), "delay=10s"),
                _ => (format!("/leaving-{client}"), "body=100000; chunk=1000; gap=50ms"),
            };
            pending.push(Request::get(&format!("{base}{path}")).header("x-upstream", how).begin().await?);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        left += pending.iter().filter(|one| !one.is_over()).count();
        pending.into_iter().for_each(Pending::kill);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(left)
}

/// Thousands of connections that stay, each with a request.
pub(super) async fn crowd(scale: Scale) -> Result<Outcome> {
    let count = scale.of(10_000, 1_000);
    allow_files(count as u64 + 1_000)?;
    let mut scene = Scene::start("connections", Answer::ok()).await?;
    scene.begin().await;
    let url = scene.envoy.url("/exempt");
    let connections = scene.during(open(&url, count)).await?;
    let active = scene.envoy.stat("http.ingress.downstream_cx_active").await.unwrap_or(0);
    let open = format!("at least {count}");
    let mut checks =
        vec![Check::new("connections open at the same time", open, active, active >= count as u64)];
    let beside = Load::of(&scene.envoy.url("/live/beside")).connections(8).requests(400).run().await?;
    checks.push(Check::new("requests beside them", "400 good ones", &beside, beside.status(200) == 400));
    drop(connections);
    let left = "http.ingress.downstream_cx_active";
    checks.push(
        becomes("connections that are gone are closed", "fewer than 100 open", async || {
            scene.envoy.stat(left).await.is_some_and(|open| open < 100)
        })
        .await,
    );
    scene.end().await;
    checks.push(Check::same("requests of the quiet load that failed", 0, scene.failed()));
    checks.extend(invariants::all(&scene, Tokens::All).await);
    Ok(scene.outcome(checks))
}

/// Opens them all, with one answered request on each.
async fn open(url: &str, count: usize) -> Result<Vec<Connection>> {
    let gate = Arc::new(Semaphore::new(AT_A_TIME));
    let one = |_| {
        let (gate, url) = (Arc::clone(&gate), url.to_owned());
        tokio::spawn(async move {
            let _turn = gate.acquire_owned().await?;
            let mut connection = Connection::open(&url, Protocol::Http1).await?;
            // A refusal is an answer, too: shedding may have its hands full.
            connection.send(&Request::get(&url)).await?;
            anyhow::Ok(connection)
        })
    };
    let opening: Vec<_> = (0..count).map(one).collect();
    let mut connections = Vec::new();
    for connection in opening {
        connections.push(connection.await??);
    }
    Ok(connections)
}

/// A connection is an open file of this process, and one of the proxy's.
fn allow_files(wanted: u64) -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|now| now >= wanted) {
        return Ok(());
    }
    let more = Rlimit { current: Some(wanted), maximum };
    setrlimit(Resource::Nofile, more)
        .with_context(|| format!("{wanted} open files: raise the limit (ulimit -n)"))
}
