//! One load on one fresh Envoy in front of the upstream.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::{Answer, Behaviour, Station, Upstream};

use super::{PATIENCE, PLACES, SERVICE_TIME, WORKERS, Way};

/// Connections to Envoy: enough for the kernel to spread them over the workers.
const CONNECTIONS: usize = 48;
/// Streams on each: enough for all clients that wait at the highest load.
const STREAMS: usize = 64;
/// How often what is in flight is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What came of one request, and when it was due.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Its number.
    pub number: u64,
    /// When it was due, from the begin.
    pub due: Duration,
    /// The status of the answer, if there was one before the client left.
    pub status: Option<u16>,
    /// From when it was due to the answer.
    pub latency: Duration,
}

/// What was in flight at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The moment, from the begin.
    pub at: Duration,
    /// Requests that the upstream had received and not done, also of clients that had left.
    pub in_flight: u64,
}

/// The requests of a load.
pub struct Traffic {
    /// When each is due, from the begin, in order.
    pub due: Arc<[Duration]>,
    /// Path and headers of each, by its number.
    pub each: Arc<dyn Fn(u64, Request) -> Request + Send + Sync>,
}

/// Something that happens to the upstream.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When, from the begin.
    pub at: Duration,
    /// How long each request takes from then on.
    pub service_time: Duration,
}

/// What was seen.
pub struct Trial {
    /// Every request.
    pub observed: Vec<Observed>,
    /// What the upstream had in flight, over time.
    pub samples: Vec<Sample>,
    /// The gauges and counters of the filters at the end.
    pub stats: Vec<(String, u64)>,
    /// Envoy's limit over time, where the way has one.
    pub limits: Vec<(Duration, u64)>,
    /// The longest that a task that should run every [`LOOK`] did not: how much the machine disturbed the trial.
    pub longest_stall: Duration,
}

impl Trial {
    /// Runs it: a fresh upstream, a fresh Envoy, one load.
    ///
    /// # Errors
    /// When Envoy does not start or the load cannot connect.
    ///
    /// # Panics
    /// When a task of the trial does.
    pub async fn run(way: Way, traffic: Traffic, events: &[Event]) -> Result<Self> {
        let (upstream, station) = upstream();
        let envoy = Envoy::builder()
            .config(way.bootstrap())
            .concurrency(WORKERS)
            .upstream(upstream.address())
            .name(way.name())
            .start()
            .await?;
        let seen = Arc::new(Mutex::new(Vec::with_capacity(traffic.due.len())));
        let (observed, due) = (Arc::clone(&seen), Arc::clone(&traffic.due));
        let each = Arc::clone(&traffic.each);
        let url = envoy.url("/");
        let request = Request::get(&url).timeout(PATIENCE);
        let load = Load::repeating(request, &url)
            .connections(CONNECTIONS)
            .http2(STREAMS)
            .at(Arc::clone(&traffic.due))
            .each(move |number, request| each(number, request))
            .observe(move |outcome| {
                let due = due[usize::try_from(outcome.number).expect("a number of the schedule")];
                observed.lock().expect("nobody panics here").push(Observed {
                    number: outcome.number,
                    due,
                    status: outcome.status,
                    latency: outcome.latency,
                });
            });
        let begin = tokio::time::Instant::now();
        let watch = tokio::spawn(watch(station.clone(), begin));
        let events = tokio::spawn(happen(station, begin, events.to_vec()));
        let load = tokio::spawn(load.run());
        let limits = limits_until(&envoy, way, begin, &load).await;
        load.await.expect("the load does not panic")?;
        events.abort();
        watch.abort();
        let samples = watch_result(watch).await;
        let stats = envoy.stats_matching(way.stats()).await.into_iter().collect();
        let observed = std::mem::take(&mut *seen.lock().expect("nobody panics here"));
        let longest_stall =
            samples.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default();
        Ok(Self { observed, samples, stats, limits, longest_stall })
    }
}
