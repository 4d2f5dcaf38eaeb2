//! A discrete-event simulation: workers that shed, in front of an upstream of fixed capacity.
//!
//! Requests come at random (Poisson) to workers at random. The upstream serves a few at a time in the order of arrival, the
//! rest waits there. Clients leave after half a second; the upstream works on what it has received all the same. Answers take
//! a little longer to be noticed, by chance, as timers and schedulers have it.

mod outcome;

use ballast_core::load_shedding::board::Board;
use ballast_core::load_shedding::worker::{Arrival, Counters, Expelled, Turn, Verdict, Worker};
use ballast_core::load_shedding::{Reason, Settings};
use ballast_core::random::{Random, SplitMix};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// Clients leave after this.
pub(crate) const PATIENCE_MS: f64 = 500.0;
const TICK_MS: f64 = 100.0;
/// The proxy's finest tick.
const FAST_TICK_MS: f64 = 4.0;
/// How long a message to another worker takes.
const POKE_MS: f64 = 0.3;
/// How late an answer is noticed at the most.
const NOTICED_WITHIN_MS: f64 = 2.0;

#[derive(Default)]
struct Shared {
    in_flight: Cell<i64>,
    queued: Cell<i64>,
}

impl Counters for Shared {
    fn in_flight(&self) -> u32 {
        u32::try_from(self.in_flight.get()).unwrap()
    }
    fn add_in_flight(&self, change: i64) {
        self.in_flight.set(self.in_flight.get() + change);
    }
    fn queued(&self) -> u32 {
        u32::try_from(self.queued.get()).unwrap()
    }
    fn add_queued(&self, change: i64) {
        self.queued.set(self.queued.get() + change);
    }
}

/// A kind of client: how often it comes, its class and its name.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    pub(crate) per_second: f64,
    pub(crate) class: u8,
    pub(crate) caller: u64,
}

/// What is simulated.
pub(crate) struct Scenario {
    pub(crate) settings: Settings,
    pub(crate) workers: usize,
    pub(crate) servers: usize,
    /// How long the upstream takes at a time, both in milliseconds.
    pub(crate) service_ms: fn(f64) -> f64,
    pub(crate) sources: Vec<Source>,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
    /// Once a second, at random, nothing runs for so long: neither workers nor the upstream. Requests come all the same.
    pub(crate) stall_ms: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize),
    Served(u32),
    Noticed(u32),
    Tick(usize),
    Poked(usize),
    Leave(u32),
    Stall,
}

/// One request.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) source: usize,
    pub(crate) came_ms: f64,
    /// When it was answered by the upstream; `None`: it was refused or left.
    pub(crate) answered_ms: Option<f64>,
    pub(crate) refused: Option<Reason>,
    worker: usize,
    entered: Option<(f64, u32)>,
    done: bool,
}

/// The state at a tick of the first worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    pub(crate) at_ms: f64,
    pub(crate) upstream: usize,
}

pub(crate) struct Outcome {
    pub(crate) requests: Vec<Request>,
    pub(crate) glances: Vec<Glance>,
    pub(crate) most_in_flight: i64,
    pub(crate) left_in_flight: i64,
    pub(crate) left_queued: i64,
}

pub(crate) fn run(scenario: &Scenario) -> Outcome {
    Simulation::new(scenario).run()
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    settings: Rc<Settings>,
    random: SplitMix,
    shared: Shared,
    board: Board,
    workers: Vec<Worker<u32>>,
    merged_ms: Vec<f64>,
    next_tick: Vec<f64>,
    /// When the next request of each source comes.
    due: Vec<f64>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    requests: Vec<Request>,
    serving: usize,
    backlog: VecDeque<u32>,
    glances: Vec<Glance>,
    most_in_flight: i64,
    stalled_until: f64,
    now: f64,
}

impl<'a> Simulation<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let settings = Rc::new(scenario.settings.clone());
        let board = Board::new(&settings, MonoTime::ZERO);
        Self {
            workers: (0..scenario.workers).map(|_| Worker::new(Rc::clone(&settings))).collect(),
            merged_ms: vec![0.0; scenario.workers],
            next_tick: vec![0.0; scenario.workers],
            due: vec![0.0; scenario.sources.len()],
            settings,
            scenario,
            random: SplitMix::new(scenario.seed),
            shared: Shared::default(),
            board,
            events: BinaryHeap::new(),
            sequence: 0,
            requests: Vec::new(),
            serving: 0,
            backlog: VecDeque::new(),
            glances: Vec::new(),
            most_in_flight: 0,
            stalled_until: 0.0,
            now: 0.0,
        }
    }

    fn at(&mut self, at_ms: f64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse(((at_ms * 1e6) as u64, self.sequence, event)));
    }

    fn mono(&self) -> MonoTime {
        MonoTime::from_nanos((self.now * 1e6) as u64 + 1_000_000_000)
    }

    fn run(mut self) -> Outcome {
        for source in 0..self.scenario.sources.len() {
            self.schedule(source);
        }
        for worker in 0..self.workers.len() {
            let first = 3.0 + worker as f64 * 23.0;
            self.tick_at(worker, first);
        }
        if self.scenario.stall_ms > 0.0 {
            self.at(0.0, Event::Stall);
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.now = (at as f64 / 1e6).max(self.stalled_until);
            if self.now > self.scenario.seconds * 1e3 + 2.0 * PATIENCE_MS {
                break;
            }
            match event {
                Event::Arrive(source) => self.arrive(source),
                Event::Served(request) => self.served(request),
                Event::Noticed(request) => self.noticed(request),
                Event::Tick(worker) => self.tick(worker),
                Event::Poked(worker) => self.admit(worker),
                Event::Leave(request) => self.client_leaves(request),
                Event::Stall => self.stall(),
            }
            self.most_in_flight = self.most_in_flight.max(self.shared.in_flight.get());
        }
        Outcome {
            requests: self.requests,
            glances: self.glances,
            most_in_flight: self.most_in_flight,
            left_in_flight: self.shared.in_flight.get(),
            left_queued: self.shared.queued.get(),
        }
    }

    fn stall(&mut self) {
        self.stalled_until = self.now + self.scenario.stall_ms;
        let next = self.now + 500.0 + self.random.unit() * 1_000.0;
        self.at(next, Event::Stall);
    }

    fn schedule(&mut self, source: usize) {
        let rate = self.scenario.sources[source].per_second;
        let wait = -(1.0 - self.random.unit()).ln() / rate * 1e3;
        self.due[source] += wait;
        if self.due[source] < self.scenario.seconds * 1e3 {
            self.at(self.due[source], Event::Arrive(source));
        }
    }

    fn tick_at(&mut self, worker: usize, at: f64) {
        self.next_tick[worker] = at;
        self.at(at, Event::Tick(worker));
    }

    fn arrive(&mut self, source: usize) {
        self.schedule(source);
        let worker = self.random.below(self.workers.len() as u64) as usize;
        let number = self.requests.len() as u32;
        self.requests.push(Request {
            source,
            came_ms: self.now,
            answered_ms: None,
            refused: None,
            worker,
            entered: None,
            done: false,
        });
        let Source { class, caller, .. } = self.scenario.sources[source];
        // Which callers share counters is chance, as it is with the filter's secret.
        let mut hash = SplitMix::new(self.scenario.seed.rotate_left(32) ^ caller);
        let caller = Fingerprint(u128::from(hash.next_u64()) << 64 | u128::from(hash.next_u64()));
        let arrival = Arrival { class, caller: Some(caller) };
        let now = self.mono();
        let (verdict, expelled) =
            self.workers[worker].arrive(&arrival, number, &self.shared, now, &mut self.random);
        match verdict {
            Verdict::Enter(in_flight) => self.enter(number, in_flight),
            Verdict::Wait => {
                if self.next_tick[worker] > self.now + FAST_TICK_MS {
                    self.tick_at(worker, self.now + FAST_TICK_MS);
                }
            }
            Verdict::Refuse(reason) => self.refuse(number, reason),
        }
        if let Some(Expelled { ticket, reason, .. }) = expelled {
            self.refuse(ticket, reason);
        }
        self.at(self.now + PATIENCE_MS, Event::Leave(number));
    }

    fn refuse(&mut self, request: u32, reason: Reason) {
        let request = &mut self.requests[request as usize];
        request.refused = Some(reason);
        request.done = true;
    }

    fn enter(&mut self, request: u32, in_flight: u32) {
        self.requests[request as usize].entered = Some((self.now, in_flight));
        if self.serving < self.scenario.servers {
            self.serve(request);
        } else {
            self.backlog.push_back(request);
        }
    }

    fn serve(&mut self, request: u32) {
        self.serving += 1;
        let takes = (self.scenario.service_ms)(self.now);
        self.at(self.now + takes, Event::Served(request));
    }

    fn served(&mut self, number: u32) {
        self.serving -= 1;
        if let Some(next) = self.backlog.pop_front() {
            self.serve(next);
        }
        let late = self.random.unit() * NOTICED_WITHIN_MS;
        self.at(self.now + late, Event::Noticed(number));
    }

    fn noticed(&mut self, number: u32) {
        let request = self.requests[number as usize];
        if request.done {
            return;
        }
        let (entered, in_flight) = request.entered.unwrap();
        self.requests[number as usize].answered_ms = Some(self.now);
        self.requests[number as usize].done = true;
        let latency = Duration::from_nanos(((self.now - entered) * 1e6) as u64);
        let worker = &mut self.workers[request.worker];
        if worker.wants_a_look() {
            worker.sample(latency, in_flight);
        }
        self.release(request.worker);
    }

    fn release(&mut self, worker: usize) {
        match self.workers[worker].release(&self.shared, &mut self.random) {
            Turn::Nobody => {}
            Turn::Mine => self.admit(worker),
            Turn::Others => {
                let waiting: Vec<usize> = (0..self.workers.len())
                    .filter(|other| *other != worker)
                    .flat_map(|other| vec![other; self.workers[other].waiting()])
                    .collect();
                if !waiting.is_empty() {
                    let to = waiting[self.random.below(waiting.len() as u64) as usize];
                    self.at(self.now + POKE_MS, Event::Poked(to));
                }
            }
        }
    }

    fn admit(&mut self, worker: usize) {
        let now = self.mono();
        for entered in self.workers[worker].admit_waiting(&self.shared, now) {
            self.enter(entered.ticket, entered.in_flight);
        }
    }

    fn client_leaves(&mut self, number: u32) {
        let request = self.requests[number as usize];
        if request.done {
            return;
        }
        self.requests[number as usize].done = true;
        if let Some((entered, in_flight)) = request.entered {
            let latency = Duration::from_nanos(((self.now - entered) * 1e6) as u64);
            self.workers[request.worker].client_left(latency, in_flight);
            self.release(request.worker);
        } else {
            assert!(self.workers[request.worker].abandon(number, &self.shared));
        }
    }

    fn tick(&mut self, worker: usize) {
        if self.next_tick[worker] > self.now + 1e-3 {
            return;
        }
        let now = self.mono();
        if self.now - self.merged_ms[worker] >= 50.0 {
            self.merged_ms[worker] = self.now;
            let report = self.workers[worker].report(&self.shared);
            let noise = self.random.next_u64();
            self.board.add(&self.settings, &report, now, noise);
            let decoded = Board::decode(&self.board.encode()).unwrap();
            self.workers[worker].learn(&decoded);
            if worker == 0 {
                self.glances.push(Glance { at_ms: self.now, upstream: self.serving + self.backlog.len() });
            }
        }
        for expelled in self.workers[worker].expire(&self.shared, now) {
            self.refuse(expelled.ticket, expelled.reason);
        }
        self.admit(worker);
        let next = if self.workers[worker].waiting() > 0 { FAST_TICK_MS } else { TICK_MS };
        self.tick_at(worker, self.now + next);
    }
}
