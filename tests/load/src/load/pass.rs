//! One run of a scenario's load against one proxy.

use super::drive::drive;
use super::form::{Form, time, users_at};
use super::table::{PLACES, SERVICE, Scenario, Step};
use crate::chain;
use crate::recorder::{Recorder, Second};
use crate::watch::{Look, look};
use anyhow::Result;
use ballast_harness::{Envoy, eventually};
use ballast_upstream::{Answer, Behaviour, Station, Upstream};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

const WORKERS: u32 = 2;
/// How often the progress is told.
const TELL: Duration = Duration::from_secs(5);
/// What is in flight has come to its end after so long.
const QUIET: Duration = Duration::from_secs(15);
/// Whoever reads the report can follow a long run at this grain.
const STDOUT_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
/// The log is made, and not kept: a soak's would fill the disk.
const NO_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n                      path: /dev/null";

/// Whether the filters are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The recommended chain.
    With,
    /// None of it.
    Without,
}

/// What one run saw.
#[derive(Debug, Serialize)]
pub struct Pass {
    /// All of it together; latencies are of good answers.
    pub whole: Second,
    /// Its last fifth.
    pub end: Second,
    /// Its last third.
    pub top: Second,
    /// How many seconds the last third has.
    pub top_seconds: usize,
    /// Each second.
    pub seconds: Vec<Second>,
    /// Users in each second, as planned.
    pub users: Vec<u64>,
    /// Each operation by itself.
    pub operations: BTreeMap<String, Second>,
    /// Complete answers by status, as clients saw them.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that clients sent.
    pub sent: u64,
    /// Requests that goose counted.
    pub counted_by_goose: u64,
    /// Failures by what went wrong.
    pub failures: BTreeMap<String, u64>,
    /// What the proxy said of itself meanwhile.
    pub looks: Vec<Look>,
    /// The proxy's counters in the end.
    pub counters: BTreeMap<String, u64>,
    /// Requests that reached the upstream.
    pub upstream: u64,
}

/// Runs it.
///
/// # Errors
///
/// When the proxy or goose does not start.
pub(crate) async fn run(scenario: &Scenario, form: Form, way: Way) -> Result<Pass> {
    let upstream = Upstream::start();
    let station = Station::new(PLACES, SERVICE);
    upstream.script("/work", Behaviour::always(Answer::ok().body("worked")).station(&station));
    let (text, called) = match way {
        Way::With => (chain::under_load(), "with filters"),
        Way::Without => (chain::without_filters(), "without"),
    };
    let envoy = Envoy::builder()
        .config(text)
        .replacing(STDOUT_LOG, NO_LOG)
        .upstream(upstream.address())
        .concurrency(WORKERS)
        .name(&format!("load-{}", scenario.name))
        .start()
        .await?;
    let steps = form.steps(scenario, way == Way::Without);
    let recorder = Recorder::start();
    let mut looks = Vec::new();
    let counted_by_goose = {
        let url = envoy.url("");
        let load = drive(&url, scenario, &steps, &recorder);
        let progress = tell(format!("{} {called}", scenario.name), &steps, &recorder);
        let watching = watch(&envoy, form, &recorder, &mut looks);
        tokio::select! {
            counted = load => counted?,
            () = progress => unreachable!("it goes on until it is dropped"),
            () = watching => unreachable!("it goes on until it is dropped"),
        }
    };
    let active = "http.ingress.downstream_rq_active";
    eventually("everything to be answered", QUIET, async || {
        envoy.stat(active).await.filter(|left| *left == 0)
    })
    .await;
    // Counters of a worker are added up when its turn comes.
    eventually("the counters to stand still", QUIET, async || {
        let total = "http.ingress.downstream_rq_completed";
        let before = envoy.stat(total).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        (before == envoy.stat(total).await).then_some(())
    })
    .await;
    looks.push(look(&envoy, recorder.elapsed()).await);
    let seconds = recorder.seconds();
    let count = seconds.len();
    Ok(Pass {
        whole: recorder.whole(),
        end: recorder.between(count * 4 / 5, count),
        top: recorder.between(count * 2 / 3, count),
        top_seconds: count - count * 2 / 3,
        users: (0..count as u64).map(|second| users_at(&steps, second)).collect(),
        seconds,
        operations: recorder.operations(),
        statuses: recorder.statuses(),
        sent: recorder.begun(),
        counted_by_goose,
        failures: recorder.failures(),
        looks,
        counters: envoy.stats_matching("^(http.ingress|cluster.upstream|wasmcustom)").await,
        upstream: upstream.received(),
    })
}

/// Looks at the proxy from time to time.
async fn watch(envoy: &Envoy, form: Form, recorder: &Recorder, looks: &mut Vec<Look>) {
    loop {
        tokio::time::sleep(form.look_every()).await;
        looks.push(look(envoy, recorder.elapsed()).await);
    }
}

/// Says how it goes.
async fn tell(what: String, steps: &[Step], recorder: &Recorder) {
    let whole = time(steps).as_secs();
    let mut told = 0;
    loop {
        tokio::time::sleep(TELL).await;
        let now = usize::try_from(recorder.elapsed().as_secs()).expect("a number of seconds");
        let seen = recorder.between(told, now);
        let rate = seen.all() as f64 / (now - told).max(1) as f64;
        println!(
            "{what:<26} {now:>5} of {whole} s  {:>4} users  {rate:>6.0}/s  p50 {:>6.1} ms  p99 {:>6.1} ms  refused {:>5.1}%  failed {}",
            users_at(steps, now as u64),
            seen.p50_ms,
            seen.p99_ms,
            100.0 * seen.refused_share(),
            seen.failed
        );
        told = now;
    }
}
