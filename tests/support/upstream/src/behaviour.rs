//! How a path behaves over many requests: interruptions, capacity, and which script a path gets.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Answer, Station};

/// What a path does with its requests. An [`Answer`] alone is a behaviour too.
#[derive(Clone, Debug)]
pub struct Behaviour {
    answer: Answer,
    interruptions: Vec<(When, Answer)>,
    capacity: Option<Capacity>,
    station: Option<Station>,
}

#[derive(Clone, Debug)]
enum When {
    EveryNth(NonZeroU64),
    First(u64),
    While(Switch),
    Share { percent: f64, seed: u64 },
}

/// Something a test turns on and off while requests run.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<AtomicBool>);

/// How many requests a path works on at a time, and for how long on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Requests in service at a time.
    pub at_a_time: usize,
    /// How long each is in service, before the answer's own delay.
    pub service_time: Duration,
    /// Where the others wait, in the order of their arrival.
    pub queue: Queue,
}

/// How many requests may wait for a free place; further ones get 503 with `x-upstream-queue: full` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// As many as come.
    Unbounded,
    /// At most so many.
    AtMost(usize),
}

impl From<Answer> for Behaviour {
    fn from(answer: Answer) -> Self {
        Self { answer, interruptions: Vec::new(), capacity: None, station: None }
    }
}

impl Behaviour {
    /// Answers every request like this.
    #[must_use]
    pub fn always(answer: Answer) -> Self {
        answer.into()
    }

    /// Answers the n-th, 2n-th, 3n-th... request of this path like that instead.
    ///
    /// # Panics
    /// When `n` is zero.
    #[must_use]
    pub fn every(mut self, n: u64, answer: Answer) -> Self {
        let n = NonZeroU64::new(n).expect("every n-th request, n at least 1");
        self.interruptions.push((When::EveryNth(n), answer));
        self
    }

    /// Answers the first `n` requests of this path like that instead.
    #[must_use]
    pub fn first(mut self, n: u64, answer: Answer) -> Self {
        self.interruptions.push((When::First(n), answer));
        self
    }

    /// Answers like that instead while the switch is on.
    #[must_use]
    pub fn while_on(mut self, switch: &Switch, answer: Answer) -> Self {
        self.interruptions.push((When::While(switch.clone()), answer));
        self
    }

    /// Answers this share of the requests like that instead, in an order that looks random and that the seed determines.
    #[must_use]
    pub fn share(mut self, percent: f64, seed: u64, answer: Answer) -> Self {
        self.interruptions.push((When::Share { percent, seed }, answer));
        self
    }

    /// Works on so many requests at a time.
    #[must_use]
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// Has its requests served by this station, before the answer's own delay.
    #[must_use]
    pub fn station(mut self, station: &Station) -> Self {
        self.station = Some(station.clone());
        self
    }
}

impl Switch {
    /// A switch that is off.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Turns it on or off; requests that arrive afterwards see it.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::SeqCst);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// All scripts of an upstream; the longest prefix of the path wins.
#[derive(Debug, Default)]
pub(crate) struct Scripts(Mutex<Vec<(String, Arc<Script>)>>);

/// A behaviour at work.
#[derive(Debug)]
pub(crate) struct Script {
    behaviour: Behaviour,
    seen: AtomicU64,
    places: Option<Places>,
}

#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicU64>,
    most_waiting: u64,
    service_time: Duration,
}

/// A place in service, held until the answer's headers are ready to go.
pub(crate) struct Served(Option<OwnedSemaphorePermit>);

/// Nobody may wait any more.
pub(crate) struct QueueFull;

impl Scripts {
    pub(crate) fn set(&self, prefix: &str, behaviour: Behaviour) {
        let script = Arc::new(Script::new(behaviour));
        let mut all = self.0.lock().unwrap();
        all.retain(|(known, _)| known != prefix);
        all.push((prefix.to_owned(), script));
        all.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    pub(crate) fn find(&self, path: &str) -> Option<Arc<Script>> {
        let all = self.0.lock().unwrap();
        all.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, script)| Arc::clone(script))
    }
}

impl Script {
    fn new(behaviour: Behaviour) -> Self {
        let places = behaviour.capacity.map(|capacity| Places {
            free: Arc::new(Semaphore::new(capacity.at_a_time)),
            waiting: Arc::default(),
            most_waiting: match capacity.queue {
                Queue::Unbounded => u64::MAX,
                Queue::AtMost(n) => n as u64,
            },
            service_time: capacity.service_time,
        });
        Self { behaviour, seen: AtomicU64::new(0), places }
    }

    /// The answer that the next request gets.
    pub(crate) fn next_answer(&self) -> &Answer {
        let nth = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let applies = |when: &When| match when {
            When::EveryNth(n) => nth.is_multiple_of(n.get()),
            When::First(n) => nth <= *n,
            When::While(switch) => switch.is_on(),
            When::Share { percent, seed } => unit(seed.wrapping_add(nth)) * 100.0 < *percent,
        };
        let interruption = self.behaviour.interruptions.iter().find(|(when, _)| applies(when));
        interruption.map_or(&self.behaviour.answer, |(_, answer)| answer)
    }

    /// Waits for a place, works for the service time, and says whether it could.
    pub(crate) async fn serve(&self) -> Result<Served, QueueFull> {
        if let Some(station) = &self.behaviour.station {
            station.serve().await;
        }
        let Some(places) = &self.places else { return Ok(Served(None)) };
        let permit = match Arc::clone(&places.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => places.wait().await?,
        };
        tokio::time::sleep(places.service_time).await;
        Ok(Served(Some(permit)))
    }
}

/// A number from 0 up to 1 that looks random (`SplitMix64`).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn unit(number: u64) -> f64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

impl Served {
    /// Gives the place to the next request.
    pub(crate) fn done(self) {
        drop(self.0);
    }
}

impl Places {
    async fn wait(&self) -> Result<OwnedSemaphorePermit, QueueFull> {
        let mut before = self.waiting.load(Ordering::SeqCst);
        loop {
            if before >= self.most_waiting {
                return Err(QueueFull);
            }
            match self.waiting.compare_exchange(before, before + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => break,
                Err(now) => before = now,
            }
        }
        // A client that goes away drops this future: the guard takes it out of the queue.
        let _waiting = Waiting(Arc::clone(&self.waiting));
        Ok(Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed"))
    }
}

struct Waiting(Arc<AtomicU64>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
