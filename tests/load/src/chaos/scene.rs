//! A proxy with an upstream, and a quiet load beside whatever is done to them.

use super::{Outcome, Scale};
use crate::recorder::{Came, Recorder};
use crate::{Check, chain};
use anyhow::Result;
use ballast_harness::{Envoy, EnvoyBuilder, Request};
use ballast_upstream::{Answer, Behaviour, Switch, Upstream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

pub(super) const WORKERS: u32 = 2;
/// Clients of the quiet load.
const CLIENTS: u64 = 6;
/// How long each waits between two requests.
const PAUSE: Duration = Duration::from_millis(30);
/// A client leaves after so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before the trouble and after it.
const CALM: Duration = Duration::from_secs(1);
/// Pages that the quiet load reads.
const PAGES: u64 = 20;

/// A proxy with its upstream.
pub(super) struct Scene {
    pub(super) upstream: Upstream,
    pub(super) envoy: Envoy,
    /// On: the upstream does what the scenario wants instead of answering.
    pub(super) trouble: Switch,
    quiet: Option<Quiet>,
    during: Option<(Duration, Duration)>,
}

/// The quiet load.
struct Quiet {
    recorder: Recorder,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Scene {
    /// The chain for chaos, in front of an upstream that does `instead` while the trouble is on.
    pub(super) async fn start(name: &str, instead: Answer) -> Result<Self> {
        Self::start_with(name, instead, |builder, _| builder).await
    }

    /// The same with something changed about the proxy.
    pub(super) async fn start_with(
        name: &str,
        instead: Answer,
        change: impl FnOnce(EnvoyBuilder, &Upstream) -> EnvoyBuilder,
    ) -> Result<Self> {
        let (upstream, trouble) = (Upstream::start(), Switch::off());
        let behaves = |answer: Answer| Behaviour::always(answer).while_on(&trouble, instead.clone());
        upstream.script("/", behaves(Answer::echo()));
        upstream.script("/live", behaves(Answer::echo()));
        // Fresh for a moment: the upstream's trouble is the cache's, too.
        upstream.script("/cached", behaves(Answer::echo().header("cache-control", "max-age=1")));
        let builder = Envoy::builder()
            .config(chain::under_chaos())
            .upstream(upstream.address())
            .concurrency(WORKERS)
            .name(&format!("chaos-{name}"));
        let envoy = change(builder, &upstream).start().await?;
        Ok(Self { upstream, envoy, trouble, quiet: None, during: None })
    }

    /// A proxy that is there already, without a quiet load.
    pub(super) fn of(upstream: Upstream, envoy: Envoy) -> Self {
        Self { upstream, envoy, trouble: Switch::off(), quiet: None, during: None }
    }

    /// Begins the quiet load, and waits until it has been calm for a while.
    pub(super) async fn begin(&mut self) {
        let recorder = Recorder::start();
        let (stop, numbers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let base = self.envoy.url("");
        let client = |_| {
            let (recorder, stop, numbers, base) =
                (recorder.clone(), Arc::clone(&stop), Arc::clone(&numbers), base.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    ask(&base, numbers.fetch_add(1, Ordering::Relaxed), &recorder).await;
                    tokio::time::sleep(PAUSE).await;
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        self.quiet = Some(Quiet { recorder, stop, clients });
        tokio::time::sleep(CALM).await;
    }

    /// How long the quiet load has been going.
    pub(super) fn elapsed(&self) -> Duration {
        self.quiet.as_ref().map_or(Duration::ZERO, |quiet| quiet.recorder.elapsed())
    }

    /// Turns the upstream's trouble on for as long as the scale says.
    pub(super) async fn trouble(&mut self, scale: Scale) {
        let trouble = self.trouble.clone();
        let time = scale.trouble();
        self.during(async {
            trouble.set(true);
            tokio::time::sleep(time).await;
            trouble.set(false);
        })
        .await;
    }

    /// Does something amid the quiet load, and notes from when to when.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let from = self.elapsed();
        let done = work.await;
        self.during = Some((from, self.elapsed()));
        done
    }

    /// Ends the quiet load after another calm while; whatever it had under way has ended.
    pub(super) async fn end(&mut self) {
        tokio::time::sleep(CALM).await;
        if let Some(quiet) = &mut self.quiet {
            quiet.stop.store(true, Ordering::Relaxed);
            for client in quiet.clients.drain(..) {
                client.await.expect("clients do not panic");
            }
        }
    }

    /// Requests of the quiet load that failed.
    pub(super) fn failed(&self) -> u64 {
        self.quiet.as_ref().map_or(0, |quiet| quiet.recorder.whole().failed)
    }

    /// Answers of the quiet load with the right status and wrong bytes.
    pub(super) fn wrong_bytes(&self) -> u64 {
        let failures = self.quiet.as_ref().map(|quiet| quiet.recorder.failures()).unwrap_or_default();
        failures.iter().filter(|(why, _)| why.contains("wrong bytes")).map(|(_, count)| count).sum()
    }

    /// What is handed back.
    pub(super) fn outcome(&self, checks: Vec<Check>) -> Outcome {
        let recorder = self.quiet.as_ref().map(|quiet| &quiet.recorder);
        Outcome {
            checks,
            seconds: recorder.map(Recorder::seconds).unwrap_or_default(),
            failures: recorder.map(Recorder::failures).unwrap_or_default(),
            trouble: self.during,
        }
    }

    /// A counter or gauge of a filter.
    pub(super) async fn metric(&self, filter: &str, metric: &str, labels: &str) -> u64 {
        let namespace = filter.replace('_', "-");
        let name = format!("wasmcustom.ballast.{filter}.{metric};namespace={namespace}{labels}");
        self.envoy.stat(&name).await.unwrap_or(0)
    }
}

/// One request of the quiet load: a page, something live, or one of a limit that has a hundred.
async fn ask(base: &str, number: u64, recorder: &Recorder) {
    let (operation, path) = match number % 4 {
        0 | 2 => ("cached", format!("/cached/page-{}", number % PAGES)),
        1 => ("live", format!("/live/{number}")),
        _ => ("exact", "/exact/during".to_owned()),
    };
    recorder.begin();
    let begun = Instant::now();
    let answer = Request::get(&format!("{base}{path}")).timeout(PATIENCE).send().await;
    let (came, status, why) = match answer {
        Ok(answer) => {
            let refuses = matches!(answer.status, 429 | 503) && answer.header("retry-after").is_some();
            // The upstream's echo names the path.
            let right = answer.text().contains(&format!("\"{path}\""));
            match answer.status {
                200 if right => (Came::Good, Some(200), String::new()),
                200 => (Came::Failed, Some(200), "wrong bytes".to_owned()),
                status if refuses => (Came::Refused, Some(status), String::new()),
                status => (Came::Failed, Some(status), format!("status {status}")),
            }
        }
        Err(error) => (Came::Failed, None, error.to_string()),
    };
    recorder.end(operation, came, status, begun.elapsed(), &why);
}
