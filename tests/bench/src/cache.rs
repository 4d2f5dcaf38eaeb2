//! The response cache's store over a trace of requests, without a proxy.

use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::random::{Random, SplitMix};
use ballast_core::response_cache::store::{
    Backing, Eviction, Find, Hits, Key, Load, Loaded, Local, New, Object, Put, SHARDS, Shape, shard_of,
    store, tell_hits,
};
use ballast_core::slots::{Fingerprint, Secret};
use ballast_core::time::MonoTime;
use core::time::Duration;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// How many workers share the store.
const WORKERS: usize = 4;
/// What each worker's first level holds unless told otherwise.
pub const LOCAL_BYTES: usize = 4 << 20;
/// How much time passes between two requests: 10,000 a second.
const REQUEST_NANOS: u64 = 100_000;
/// How often a worker ticks, and how many sets it tells of uses then.
const TICK_NANOS: u64 = 100_000_000;
const TELLS: u32 = 64;

/// A request for one of the answers.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which.
    pub object: u32,
    /// How large its body is, in bytes.
    pub size: u32,
}

impl Request {
    /// How long its answer is good: longer than any trace, and not the same for all, so that the TTL policy has something to
    /// order by.
    pub fn lifetime(self) -> Duration {
        Duration::from_secs(60_000 + 1_000 * (u64::from(self.object) % 60))
    }
}

/// Requests by the law of Zipf: the n-th most wanted answer is asked for in proportion to n^-exponent.
#[derive(Debug)]
pub struct Trace {
    cumulative: Vec<f64>,
    seed: u64,
}

impl Trace {
    /// A trace that `seed` determines.
    pub fn zipf(objects: u32, exponent: f64, seed: u64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=objects)
            .map(|rank| {
                sum += f64::from(rank).powf(-exponent);
                sum
            })
            .collect();
        Self { cumulative, seed }
    }

    /// The requests, without an end.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        let mut random = SplitMix::new(self.seed);
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        core::iter::repeat_with(move || {
            let unit = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            let rank = self.cumulative.partition_point(|sum| *sum < unit * total);
            let object = u32::try_from(rank).unwrap_or(u32::MAX);
            // Sizes do not follow from ranks: between 1 and 64 KiB, each doubling as likely as the next.
            let bits = SplitMix::new(u64::from(object)).next_u64();
            let size = 1_024_u32 << (bits % 7);
            Request {
                object,
                size: size - (size >> 2) + u32::try_from((bits >> 32) % u64::from(size >> 1)).unwrap_or(0),
            }
        })
    }
}

/// The shared map, as the proxy has it.
#[derive(Default)]
struct Shared {
    values: HashMap<Key, (Vec<u8>, u32)>,
    version: u32,
    count: i64,
    numbers: [u64; SHARDS as usize],
    bytes: u64,
    most_bytes: u64,
    draws: u64,
}

impl Backing for Shared {
    fn run<M: Machine<Key = Key>>(&mut self, machine: &mut M) -> M::Output {
        let mut input = Input::Start;
        loop {
            input = match machine.resume(input) {
                Step::Done(output) => return output,
                Step::Get(key) => match self.values.get(&key) {
                    Some((value, version)) => Input::Value {
                        value: (!value.is_empty()).then(|| value.clone()),
                        version: Version::Of(*version),
                    },
                    None => Input::Value { value: None, version: Version::Absent },
                },
                Step::Swap { key, value, .. } => {
                    self.version += 1;
                    let new = value.len() as u64;
                    let old = self.values.insert(key, (value, self.version));
                    self.bytes = self.bytes + new - old.map_or(0, |(old, _)| old.len() as u64);
                    self.most_bytes = self.most_bytes.max(self.bytes);
                    Input::Swapped(true)
                }
                Step::Send { .. } => Input::Sent(false),
            };
        }
    }

    fn bytes(&mut self) -> u64 {
        u64::try_from(self.count).unwrap_or(0)
    }

    fn add_bytes(&mut self, change: i64) {
        self.count += change;
    }

    fn raise(&mut self, shard: Option<u8>) {
        for (number, value) in (0..).zip(&mut self.numbers) {
            *value += u64::from(shard.is_none_or(|shard| shard == number));
        }
    }

    fn random(&mut self) -> u64 {
        self.draws += 1;
        SplitMix::new(self.draws).next_u64()
    }
}

struct Worker {
    local: Local<Object>,
    hits: Hits,
}

/// Workers that serve requests from one store.
pub struct Shop {
    shape: Shape,
    shared: Shared,
    workers: Vec<Worker>,
    turn: SplitMix,
    now: u64,
    requests: u64,
    hits: u64,
    stored: u64,
}

impl Shop {
    /// Nothing is stored yet.
    pub fn new(max_bytes: u64, max_entries: u32, eviction: Eviction, seed: u64) -> Self {
        Self::with_local(LOCAL_BYTES, max_bytes, max_entries, eviction, seed)
    }

    /// The same with first levels of this size.
    pub fn with_local(
        local_bytes: usize,
        max_bytes: u64,
        max_entries: u32,
        eviction: Eviction,
        seed: u64,
    ) -> Self {
        let workers = || Worker { local: Local::new(local_bytes), hits: Hits::default() };
        Self {
            shape: Shape::new(max_bytes, max_entries, 1 << 20, eviction),
            shared: Shared::default(),
            workers: core::iter::repeat_with(workers).take(WORKERS).collect(),
            turn: SplitMix::new(!seed),
            now: 1,
            requests: 0,
            hits: 0,
            stored: 0,
        }
    }

    /// One of the workers serves a request.
    pub fn serve(&mut self, request: Request) {
        let before = self.now / TICK_NANOS;
        self.now += REQUEST_NANOS;
        let now = MonoTime::from_nanos(self.now);
        if self.now / TICK_NANOS > before {
            for worker in &mut self.workers {
                tell_hits(&mut self.shared, self.shape, &mut worker.hits, TELLS, now);
            }
        }
        let at = usize::try_from(self.turn.below(WORKERS as u64)).unwrap_or(0);
        let Some(worker) = self.workers.get_mut(at) else { return };
        self.requests += 1;
        if worker.serve(&mut self.shared, self.shape, request, now) {
            self.hits += 1;
        } else {
            self.stored += u64::from(request.size);
        }
    }

    /// How many of the requests were hits.
    pub fn hit_ratio(&self) -> f64 {
        self.hits as f64 / self.requests.max(1) as f64
    }

    /// How many bytes of bodies were stored, one after the other.
    pub const fn stored_bytes(&self) -> u64 {
        self.stored
    }

    /// The most bytes that all shared values ever took together, without their keys.
    pub const fn most_bytes(&self) -> u64 {
        self.shared.most_bytes
    }

    /// What the store may fill.
    pub const fn budget(&self) -> u64 {
        self.shape.budget()
    }
}

impl Worker {
    /// Serves a request; whether it was a hit. What was missing is stored.
    fn serve(&mut self, shared: &mut Shared, shape: Shape, request: Request, now: MonoTime) -> bool {
        let material = format!("https://shop.example/{}", request.object).into_bytes();
        let key = Secret([1; 16]).fingerprint("key", &material);
        let number = shared.numbers.get(usize::from(shard_of(key))).copied().unwrap_or(0);
        let mut ticket = None;
        let known = self.local.candidates(key, &material, number, now).map(<[_]>::to_vec);
        let candidates = known.unwrap_or_else(|| {
            let Ok(found) = shared.run(&mut Find::new(shape, key, now)) else { return Vec::new() };
            self.local.know(key, &material, number, now, &found.candidates);
            ticket = Some(found.ticket);
            found.candidates
        });
        if let Some(candidate) = candidates.first() {
            if self.local.copy(key, candidate.stamp).is_some() {
                self.hits.add(candidate.set, candidate.stamp, now);
                return true;
            }
            if let Ok(Loaded::Object(object)) = shared.run(&mut Load::new(candidate, &material)) {
                self.hits.add(candidate.set, candidate.stamp, now);
                self.local.keep(key, candidate.stamp, object.size(), Rc::new(object));
                return true;
            }
        }
        self.local.forget(key);
        self.store(shared, shape, (key, material), request, now);
        false
    }

    fn store(
        &mut self,
        shared: &mut Shared,
        shape: Shape,
        (key, material): (Fingerprint, Vec<u8>),
        request: Request,
        now: MonoTime,
    ) {
        let Ok(found) = shared.run(&mut Find::new(shape, key, now)) else { return };
        let url = material.clone();
        let object = Object { key: material, body: vec![0; request.size as usize], ..Object::default() };
        let dead_at = now.after(request.lifetime());
        let new = New { key, object, url: &url, tags: &[], dead_at, ticket: found.ticket };
        if let Ok(put) = Put::new(shape, new, now) {
            // What is refused is fetched again next time, which is what the hit ratio is to say.
            let _ = store(shared, shape, key, put, &mut self.hits, now);
        }
    }
}

/// Least recently used over one queue, which every use reaches at once.
#[derive(Debug)]
pub struct PerfectLru {
    most_bytes: u64,
    bytes: u64,
    clock: u64,
    used: HashMap<u32, (u64, u32)>,
    order: BTreeMap<u64, u32>,
    requests: u64,
    hits: u64,
}

impl PerfectLru {
    /// Holds at most `most_bytes` of bodies.
    pub fn new(most_bytes: u64) -> Self {
        let (used, order) = (HashMap::new(), BTreeMap::new());
        Self { most_bytes, bytes: 0, clock: 0, used, order, requests: 0, hits: 0 }
    }

    /// Serves a request, and stores what was missing.
    pub fn serve(&mut self, request: Request) {
        self.clock += 1;
        self.requests += 1;
        match self.used.insert(request.object, (self.clock, request.size)) {
            Some((before, _)) => {
                self.order.remove(&before);
                self.hits += 1;
            }
            None => self.bytes += u64::from(request.size),
        }
        self.order.insert(self.clock, request.object);
        while self.bytes > self.most_bytes {
            let Some((_, object)) = self.order.pop_first() else { return };
            if let Some((_, size)) = self.used.remove(&object) {
                self.bytes -= u64::from(size);
            }
        }
    }

    /// How many of the requests were hits.
    pub fn hit_ratio(&self) -> f64 {
        self.hits as f64 / self.requests.max(1) as f64
    }
}
