//! Trouble of the upstream.

use super::invariants::{self, Tokens, becomes};
use super::scene::Scene;
use super::{Outcome, Scale};
use crate::Check;
use anyhow::Result;
use ballast_upstream::{Answer, Reset};
use std::time::Duration;

/// Connections are reset and refused.
pub(super) async fn kill(scale: Scale) -> Result<Outcome> {
    let mut scene = Scene::start("upstream-kill", Answer::ok()).await?;
    scene.begin().await;
    scene.upstream.refuse_connections();
    scene.during(tokio::time::sleep(scale.trouble())).await;
    let opened = opened(&scene).await;
    scene.upstream.accept_connections();
    after(scene, vec![opened]).await
}

/// Requests are received and not answered.
pub(super) async fn hang(scale: Scale) -> Result<Outcome> {
    let instead = Answer::ok().delay(Duration::from_secs(60));
    let mut scene = Scene::start("upstream-hang", instead).await?;
    scene.begin().await;
    scene.trouble(scale).await;
    after(scene, Vec::new()).await
}

/// Byte by byte: headers at once, then a byte each 50 ms.
pub(super) async fn drip(scale: Scale) -> Result<Outcome> {
    let instead = Answer::ok().header("cache-control", "max-age=1").body_bytes(400);
    let mut scene = Scene::start("slow-drip", instead.chunks(1, Duration::from_millis(50))).await?;
    scene.begin().await;
    scene.trouble(scale).await;
    after(scene, Vec::new()).await
}

/// Connections are reset at each point of an answer, one after the other.
pub(super) async fn resets(scale: Scale) -> Result<Outcome> {
    let body = || Answer::ok().header("cache-control", "max-age=1").body_bytes(100_000);
    let mut scene = Scene::start("reset-storm", body().reset(Reset::BeforeHeaders)).await?;
    scene.begin().await;
    scene.trouble(scale).await;
    let opened = opened(&scene).await;
    for reset in [Reset::AfterHeaders, Reset::AmidBody { after_bytes: 50_000 }] {
        let storm = ballast_harness::Load::of(&scene.envoy.url("/live/storm")).connections(16).requests(400);
        scene.upstream.script("/live/storm", body().reset(reset));
        // Whatever they get: that it ends is what counts.
        let _ = storm.run().await?;
    }
    scene.upstream.script("/live/storm", Answer::echo());
    after(scene, vec![opened]).await
}

/// The breaker has opened: who fails is left alone.
async fn opened(scene: &Scene) -> Check {
    becomes("the breaker opens", "at least once", async || {
        scene.metric("circuit_breaker", "transitions", ";rule=upstream;to=open").await > 0
    })
    .await
}

async fn after(mut scene: Scene, mut checks: Vec<Check>) -> Result<Outcome> {
    checks.push(invariants::breaker_recovers(&scene).await);
    scene.end().await;
    checks.extend(invariants::all(&scene, Tokens::All).await);
    Ok(scene.outcome(checks))
}
