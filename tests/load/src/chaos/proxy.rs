//! Trouble of the proxy itself.

use super::invariants::{self, Tokens, becomes};
use super::scene::Scene;
use super::{Outcome, Scale};
use crate::watch::admin_url;
use crate::{Check, chain};
use anyhow::{Context, Result, ensure};
use ballast_e2e::with_trap;
use ballast_harness::{Connection, Envoy, EnvoyBuilder, Load, Pending, Protocol, Request};
use ballast_modules::TRAP_BODY;
use ballast_upstream::{Answer, Upstream};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
/// Filters whose VMs are brought down, the one with the most to lose first.
const CRASHING: [&str; 4] = ["rate-limit", "load-shedding", "circuit-breaker", "response-cache"];

/// A VM traps while it holds permits, is asked for tokens and serves pages; for one filter after the other.
pub(super) async fn crash(scale: Scale) -> Result<Outcome> {
    let mut all = Outcome::default();
    for filter in &CRASHING[..scale.of(CRASHING.len(), 1)] {
        let one = crash_of(filter).await?;
        let named = |check: Check| Check { name: format!("{filter}: {}", check.name), ..check };
        all.checks.extend(one.checks.into_iter().map(named));
        all.seconds.extend(one.seconds);
        all.failures.extend(one.failures.into_iter().map(|(why, count)| (format!("{filter}: {why}"), count)));
        all.trouble = all.trouble.or(one.trouble);
    }
    Ok(all)
}

async fn crash_of(filter: &str) -> Result<Outcome> {
    let change = |builder: EnvoyBuilder, _: &Upstream| with_trap(filter, builder);
    let mut scene = Scene::start_with(&format!("vm-crash-{filter}"), Answer::ok(), change).await?;
    scene.begin().await;
    // On one connection, and so at one worker: its VM holds three of the four places when it traps.
    let url = |path: &str| scene.envoy.url(path);
    let connection = Connection::open(&url("/"), Protocol::Http2).await?;
    let slow = |number: usize| {
        Request::get(&url(&format!("/slots/{number}"))).header("x-upstream", "delay=2s").timeout(SOON).http2()
    };
    let held: Vec<Pending> = (0..3).map(|number| connection.begin(&slow(number))).collect();
    let crash = Request::post(&url("/crash"), TRAP_BODY).http2();
    let crashed = scene
        .during(async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            connection.begin(&crash).answer().await
        })
        .await;
    let mut checks = vec![Check::new(
        "the request that brings a VM down is not answered with 200",
        "another status, or none",
        crashed.as_ref().map_or_else(ToString::to_string, |answer| answer.status.to_string()),
        crashed.as_ref().map_or(true, |answer| answer.status != 200),
    )];
    checks.push(
        becomes("the VM that trapped is replaced", "a reload that succeeded", async || {
            let reloads = scene.envoy.stats_matching("vm_reload_success").await;
            reloads.values().sum::<u64>() > 0
        })
        .await,
    );
    for request in held {
        // That they end is what counts.
        let _ = request.answer().await;
    }
    checks.push(invariants::breaker_recovers(&scene).await);
    scene.end().await;
    checks.extend(invariants::all(&scene, Tokens::SomeMayBeLost).await);
    Ok(scene.outcome(checks))
}

/// Another configuration every second.
pub(super) async fn reload(scale: Scale) -> Result<Outcome> {
    let change = |builder: EnvoyBuilder, _: &Upstream| builder.dynamic_listeners();
    let mut scene = Scene::start_with("reload-every-second", Answer::ok(), change).await?;
    let updates = "listener_manager.lds.update_success";
    let before = scene.envoy.stat(updates).await.unwrap_or(0);
    scene.begin().await;
    let (text, count) = (chain::under_chaos(), scale.of(15, 4));
    ensure!(text.contains("\"max\": 500"), "the chain has another limit");
    let envoy = &scene.envoy;
    let changing = async {
        for number in 0..count {
            envoy.replace_config(&text.replace("\"max\": 500", &format!("\"max\": {}", 501 + number)));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let from = scene.elapsed();
    changing.await;
    let to = scene.elapsed();
    let mut checks = vec![
        becomes("configurations taken over", &format!("{count} more"), async || {
            scene.envoy.stat(updates).await.is_some_and(|now| now >= before + count)
        })
        .await,
        Check::same(
            "configurations refused",
            0,
            scene.envoy.stat("listener_manager.lds.update_rejected").await.unwrap_or(0),
        ),
    ];
    scene.end().await;
    checks.push(Check::same("requests of the quiet load that failed", 0, scene.failed()));
    checks.extend(invariants::all(&scene, Tokens::All).await);
    Ok(Outcome { trouble: Some((from, to)), ..scene.outcome(checks) })
}

/// Stopped for longer than it takes a VM to count as dead, in the long form; then it goes on.
pub(super) async fn paused(scale: Scale) -> Result<Outcome> {
    let mut scene = Scene::start("envoy-stopped", Answer::ok()).await?;
    scene.begin().await;
    let pid =
        i32::try_from(scene.envoy.pid().await).ok().and_then(Pid::from_raw).context("a process number")?;
    kill_process(pid, Signal::STOP)?;
    scene.during(tokio::time::sleep(scale.trouble() + Duration::from_secs(2))).await;
    kill_process(pid, Signal::CONT)?;
    let mut checks = vec![invariants::breaker_recovers(&scene).await];
    scene.end().await;
    checks.extend(invariants::all(&scene, Tokens::SomeMayBeLost).await);
    Ok(scene.outcome(checks))
}

/// A process with one worker, then one with four, then one with two; each takes over the state of the one before.
pub(super) async fn workers(_: Scale) -> Result<Outcome> {
    let upstream = Upstream::start();
    let (mut passed, mut parts, mut last) = (0, Vec::new(), None);
    let mut checks = Vec::new();
    for (workers, requests) in [(1, 40), (4, 40), (2, 200)] {
        let envoy = Envoy::builder()
            .config(chain::under_chaos())
            .upstream(upstream.address())
            .concurrency(workers)
            .name("chaos-worker-count")
            .start()
            .await?;
        all_filters_report(&envoy).await?;
        for part in &parts {
            let put = Request::new("PUT", &admin(&envoy, "/state")?).body(Vec::clone(part)).send().await?;
            ensure!(put.status == 200, "the state is not taken over: {} {}", put.status, put.text());
        }
        let load = Load::of(&envoy.url("/exact/handed-over")).connections(8).requests(requests).run().await?;
        passed += load.status(200);
        let told = format!("answered by a process with {workers} workers");
        checks.push(Check::new(&told, requests, &load, load.status(200) + load.status(429) == requests));
        // What its workers hold in advance goes back before it is asked.
        tokio::time::sleep(Duration::from_secs(1)).await;
        parts = state(&envoy).await?;
        if let Some(mut before) = last.replace(envoy) {
            before.stop().await;
        }
    }
    let name = "requests through a limit of 100, by three processes one after the other";
    checks.push(Check::same(name, 100, passed));
    let envoy = last.context("the last one")?;
    let scene = Scene::of(upstream, envoy);
    checks.extend(invariants::of_a_new_process(&scene).await);
    Ok(scene.outcome(checks))
}

fn admin(envoy: &Envoy, path: &str) -> Result<String> {
    admin_url(envoy, path).context("the chain has a listener for the admin filter")
}

/// Waits until every filter of the chain says how it is: only then does it take orders.
async fn all_filters_report(envoy: &Envoy) -> Result<()> {
    let url = admin(envoy, "/status")?;
    let seen = becomes("filters that report", "at least 5", async || {
        let Ok(answer) = Request::get(&url).send().await else { return false };
        let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        status["filters"].as_array().is_some_and(|filters| filters.len() >= 5)
    })
    .await;
    ensure!(!seen.failed(), "{seen}");
    Ok(())
}

/// What limits and breakers know, in parts.
async fn state(envoy: &Envoy) -> Result<Vec<Vec<u8>>> {
    let (mut parts, mut cursor) = (Vec::new(), String::new());
    loop {
        let url = admin(envoy, &format!("/state{cursor}"))?;
        let part = Request::get(&url).timeout(SOON).send().await?;
        ensure!(part.status == 200, "no state: {} {}", part.status, part.text());
        let next: Value = serde_json::from_slice(&part.body)?;
        parts.push(part.body.to_vec());
        match next["next"].as_str() {
            Some(next) => {
                let encoded: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
                cursor = format!("?cursor={encoded}");
            }
            None => return Ok(parts),
        }
    }
}
