//! A load generator: fixed keep-alive connections, closed or open loop.
//!
//! In the closed loop (no rate) each connection sends its next request when it has the last answer. In the open loop
//! requests have their times in advance, and an answer's latency counts from the time at which its request was due:
//! requests that had to wait for a free connection count as slow, as they were for whoever wanted to send them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::{ClientError, Connection, Protocol, Request, Response, SharedSender};

/// The timer wakes up to a millisecond late, and then some when the machine is busy. A connection that was free and
/// woken at most so late has its latency counted from when it woke: the lateness is ours, not the proxy's.
const TIMER_SLACK: Duration = Duration::from_millis(2);
const MOST_LATENCY_MICROS: u64 = 120_000_000;

/// How long the load goes on.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// So many requests in all.
    Requests(u64),
    /// So long; requests that have begun are finished.
    Time(Duration),
}

type Prepare = dyn Fn(u64, Request) -> Request + Send + Sync;
type Observe = dyn Fn(Outcome) + Send + Sync;

/// What came of one request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The request's number, from 0.
    pub number: u64,
    /// The status of a complete answer.
    pub status: Option<u16>,
    /// From when the request was due to the end of its answer, or until it failed.
    pub latency: Duration,
}

/// A load to be run.
#[derive(Clone)]
pub struct Load {
    request: Request,
    url: String,
    protocol: Protocol,
    prepare: Option<Arc<Prepare>>,
    observe: Option<Arc<Observe>>,
    schedule: Option<Arc<[Duration]>>,
    connections: usize,
    streams: usize,
    amount: Amount,
    per_second: Option<f64>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Report {
    /// Complete answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests without a complete answer.
    pub errors: u64,
    /// The same by what went wrong.
    pub by_error: BTreeMap<String, u64>,
    /// Latencies of complete answers in microseconds.
    pub latency_micros: Histogram<u64>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Load {
    /// GETs of this URL: one connection, HTTP/1.1, 1,000 requests, as fast as the answers come.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self::repeating(Request::get(url), url)
    }

    /// The same request again and again, to the host of this URL.
    #[must_use]
    pub fn repeating(request: Request, url: &str) -> Self {
        Self {
            request,
            url: url.to_owned(),
            protocol: Protocol::Http1,
            prepare: None,
            observe: None,
            schedule: None,
            connections: 1,
            streams: 1,
            amount: Amount::Requests(1_000),
            per_second: None,
        }
    }

    /// Changes each request before it is sent; requests are numbered from 0.
    #[must_use]
    pub fn each(mut self, prepare: impl Fn(u64, Request) -> Request + Send + Sync + 'static) -> Self {
        self.prepare = Some(Arc::new(prepare));
        self
    }

    /// Is told what came of each request, in the order of their ends.
    #[must_use]
    pub fn observe(mut self, observe: impl Fn(Outcome) + Send + Sync + 'static) -> Self {
        self.observe = Some(Arc::new(observe));
        self
    }

    /// Open loop: one request at each of these times after the load's begin, which are in ascending order, and no
    /// others. There must be streams enough for all that are under way together.
    #[must_use]
    pub fn at(mut self, schedule: impl Into<Arc<[Duration]>>) -> Self {
        self.schedule = Some(schedule.into());
        self
    }

    /// So many connections, opened before the first request.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// HTTP/2 with so many requests at a time on each connection.
    #[must_use]
    pub fn http2(mut self, streams: usize) -> Self {
        self.protocol = Protocol::Http2;
        self.streams = streams;
        self
    }

    /// So many requests.
    #[must_use]
    pub fn requests(mut self, requests: u64) -> Self {
        self.amount = Amount::Requests(requests);
        self
    }

    /// So long.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.amount = Amount::Time(time);
        self
    }

    /// Open loop: so many requests a second in all, evenly spread.
    ///
    /// # Panics
    /// When the rate is not above zero.
    #[must_use]
    pub fn per_second(mut self, rate: f64) -> Self {
        assert!(rate > 0.0 && rate.is_finite(), "a rate above zero");
        self.per_second = Some(rate);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// When a connection cannot be opened at the start. Later failures are counted, and broken connections replaced.
    pub async fn run(self) -> Result<Report, ClientError> {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(&self.url, self.protocol).await?);
        }
        let load = Arc::new(self);
        let next = Arc::new(AtomicU64::new(0));
        let begin = Instant::now();
        let mut workers = Vec::new();
        for connection in connections {
            let connection =
                Arc::new(Shared { load: Arc::clone(&load), connection: tokio::sync::Mutex::new(connection) });
            for _ in 0..load.streams {
                let worker = Worker { load: Arc::clone(&load), next: Arc::clone(&next), begin };
                workers.push(tokio::spawn(worker.run(Arc::clone(&connection))));
            }
        }
        let mut report = Report::empty();
        for worker in workers {
            report.add(worker.await.expect("the load's task does not panic"));
        }
        report.elapsed = begin.elapsed();
        Ok(report)
    }
}

/// A connection with its users: one over HTTP/1.1, several over HTTP/2.
struct Shared {
    load: Arc<Load>,
    connection: tokio::sync::Mutex<Connection>,
}

impl Shared {
    async fn send(
        &self,
        sender: &mut Option<SharedSender>,
        request: &Request,
    ) -> Result<Response, ClientError> {
        if let Some(sender) = sender {
            let answer = sender.send(request).await;
            if answer.is_ok() {
                return answer;
            }
            let mut connection = self.connection.lock().await;
            // Another stream's user may have renewed it already.
            if !connection.is_open() {
                self.renew(&mut connection).await;
            }
            if let Some(renewed) = connection.share() {
                *sender = renewed;
            }
            return answer;
        }
        let mut connection = self.connection.lock().await;
        let answer = connection.send(request).await;
        // After a failure the rest of an answer may still be on its way.
        if answer.is_err() || !connection.is_open() {
            self.renew(&mut connection).await;
        }
        answer
    }

    async fn renew(&self, connection: &mut Connection) {
        if let Ok(fresh) = Connection::open(&self.load.url, self.load.protocol).await {
            *connection = fresh;
        }
    }
}

struct Worker {
    load: Arc<Load>,
    next: Arc<AtomicU64>,
    begin: Instant,
}

impl Worker {
    async fn run(self, connection: Arc<Shared>) -> Report {
        let mut report = Report::empty();
        let mut sender = connection.connection.lock().await.share();
        while let Some((number, due)) = self.take() {
            let begun = match due {
                Some(due) => start_at(due).await,
                None => Instant::now(),
            };
            let request = self.load.request.clone();
            let request = self
                .load
                .prepare
                .as_ref()
                .map_or_else(|| request.clone(), |each| each(number, request.clone()));
            let answer = connection.send(&mut sender, &request).await;
            let latency = begun.elapsed();
            if let Some(observe) = &self.load.observe {
                observe(Outcome {
                    number,
                    status: answer.as_ref().ok().map(|answer| answer.status),
                    latency,
                });
            }
            match answer {
                Ok(response) => report.answer(response.status, latency),
                Err(error) => report.error(&error),
            }
        }
        report
    }

    /// The next request's number and when it is due, until there are enough.
    fn take(&self) -> Option<(u64, Option<Instant>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(schedule) = &self.load.schedule {
            let due = schedule.get(usize::try_from(number).ok()?)?;
            return Some((number, Some(self.begin + *due)));
        }
        let due = self.load.per_second.map(|rate| self.begin + Duration::from_secs_f64(number as f64 / rate));
        let enough = match self.load.amount {
            Amount::Requests(most) => number >= most,
            Amount::Time(time) => due.unwrap_or_else(Instant::now) >= self.begin + time,
        };
        (!enough).then_some((number, due))
    }
}

/// Waits until a request is due and says from when on its latency counts.
async fn start_at(due: Instant) -> Instant {
    if Instant::now() >= due {
        return due;
    }
    tokio::time::sleep_until(due.into()).await;
    let woken = Instant::now();
    if woken.duration_since(due) <= TIMER_SLACK { woken } else { due }
}

impl Report {
    /// Complete answers with this status.
    #[must_use]
    pub fn status(&self, status: u16) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    /// Complete answers.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// Complete answers a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share (0 to 1) of the complete answers did not exceed.
    #[must_use]
    pub fn latency(&self, share: f64) -> Duration {
        Duration::from_micros(self.latency_micros.value_at_quantile(share))
    }

    fn empty() -> Self {
        let latency_micros =
            Histogram::new_with_bounds(1, MOST_LATENCY_MICROS, 3).expect("bounds of a histogram");
        Self {
            by_status: BTreeMap::new(),
            errors: 0,
            by_error: BTreeMap::new(),
            latency_micros,
            elapsed: Duration::ZERO,
        }
    }

    fn answer(&mut self, status: u16, latency: Duration) {
        *self.by_status.entry(status).or_default() += 1;
        self.latency_micros.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    fn error(&mut self, error: &ClientError) {
        self.errors += 1;
        *self.by_error.entry(error.to_string()).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        for (status, count) in other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
        for (error, count) in other.by_error {
            *self.by_error.entry(error).or_default() += count;
        }
        self.errors += other.errors;
        self.latency_micros.add(&other.latency_micros).expect("histograms of the same bounds");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} answers in {:.2?} ({:.0}/s):", self.answers(), self.elapsed, self.per_second())?;
        for (status, count) in &self.by_status {
            write!(out, " {status} x {count}")?;
        }
        for (error, count) in &self.by_error {
            write!(out, "; {count} x {error}")?;
        }
        write!(out, "; p50 {:.2?}, p99 {:.2?}", self.latency(0.5), self.latency(0.99))
    }
}
