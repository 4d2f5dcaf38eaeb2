//! One load on one fresh Envoy in front of the upstream.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use ballast_harness::{Envoy, Load, Request};
use ballast_upstream::{Answer, Behaviour, Station, Upstream};

use super::{PATIENCE, PLACES, SERVICE_TIME, Tally, WORKERS, Way, Window};

/// Connections to Envoy: enough for the kernel to spread them over the workers.
const CONNECTIONS: usize = 48;
/// Streams on each: enough for all clients that wait at the highest load.
const STREAMS: usize = 64;
/// How often what is in flight is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How often Envoy is asked for its limit.
const ASK: Duration = Duration::from_millis(200);

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
    /// The longest that a task that should run every 10 ms did not: how much the machine disturbed the trial.
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
        let begin = Instant::now();
        let samples = Arc::new(Mutex::new(Vec::new()));
        let limits = Arc::new(Mutex::new(Vec::new()));
        let beside = async {
            tokio::join!(
                look(&station, begin, &samples),
                happen(&station, begin, events),
                ask_limit(&envoy, way, begin, &limits)
            )
        };
        tokio::select! {
            done = load.run() => drop(done?),
            _ = beside => {}
        }
        let stats = match way.stats() {
            Some(pattern) => envoy.stats_matching(pattern).await.into_iter().collect(),
            None => Vec::new(),
        };
        let (observed, samples, limits) = (taken(&seen), taken(&samples), taken(&limits));
        let longest_stall =
            samples.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at)).max().unwrap_or_default();
        Ok(Self { observed, samples, stats, limits, longest_stall })
    }

    /// Writes to standard error what came of some requests and what disturbed the trial.
    pub fn tell(&self, way: Way, what: &str, window: Window, tally: &Tally) {
        let Tally { offered, good, refused, lost, .. } = tally;
        let (p50, p99) = (tally.millis(0.5), tally.millis(0.99));
        let most = self.most_in_flight(window);
        let limit = self.limit(window).map_or(String::new(), |limit| format!(", limit {limit}"));
        let (name, stall) = (way.name(), self.longest_stall);
        eprintln!(
            "{name}: {what}: {offered} offered, {good} good, {refused} refused, {lost} lost; p50 {p50:.0} ms, \
             p99 {p99:.0} ms; most in flight {most}{limit}; longest stall {stall:.0?}"
        );
    }

    /// The most that the upstream had in flight in a window.
    pub fn most_in_flight(&self, window: Window) -> u64 {
        let within = self.samples.iter().filter(|sample| window.contains(sample.at));
        within.map(|sample| sample.in_flight).max().unwrap_or(0)
    }

    /// The median of the limit in a window; `None` for ways that have none.
    pub fn limit(&self, window: Window) -> Option<u64> {
        let mut within: Vec<u64> =
            self.limits.iter().filter(|(at, _)| window.contains(*at)).map(|(_, limit)| *limit).collect();
        within.sort_unstable();
        within.get(within.len() / 2).copied()
    }
}

/// The requests a second that the upstream can do, as a closed loop of twice its places sees it through an Envoy
/// without filters.
///
/// # Errors
/// When Envoy does not start or the load cannot connect.
pub async fn capacity(time: Duration) -> Result<f64> {
    let (upstream, station) = upstream();
    let envoy = Envoy::builder()
        .config(Way::Nothing.bootstrap())
        .concurrency(WORKERS)
        .upstream(upstream.address())
        .start()
        .await?;
    let load = |time| Load::of(&envoy.url("/")).connections(2 * PLACES).time(time).run();
    load(Duration::from_secs(1)).await?;
    let (before, begin) = (station.served(), Instant::now());
    load(time).await?;
    Ok((station.served() - before) as f64 / begin.elapsed().as_secs_f64())
}

fn upstream() -> (Upstream, Station) {
    let (upstream, station) = (Upstream::start(), Station::new(PLACES, SERVICE_TIME));
    upstream.script("/", Behaviour::always(Answer::ok()).station(&station));
    (upstream, station)
}

fn taken<T>(of: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut *of.lock().expect("nobody panics here"))
}

async fn look(station: &Station, begin: Instant, samples: &Mutex<Vec<Sample>>) {
    loop {
        let sample = Sample { at: begin.elapsed(), in_flight: station.in_flight() };
        samples.lock().expect("nobody panics here").push(sample);
        tokio::time::sleep(LOOK).await;
    }
}

async fn happen(station: &Station, begin: Instant, events: &[Event]) {
    for event in events {
        tokio::time::sleep_until((begin + event.at).into()).await;
        station.set_service_time(event.service_time);
    }
}

async fn ask_limit(envoy: &Envoy, way: Way, begin: Instant, limits: &Mutex<Vec<(Duration, u64)>>) {
    let Some(gauge) = way.limit() else { return };
    loop {
        let found = envoy.stats_matching(gauge).await;
        if let Some(limit) = found.into_values().next() {
            limits.lock().expect("nobody panics here").push((begin.elapsed(), limit));
        }
        tokio::time::sleep(ASK).await;
    }
}
