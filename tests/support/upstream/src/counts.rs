//! What an upstream has received.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex};

use hyper::header::HeaderMap;
use hyper::http::{Method, Version};

/// Distinct paths counted by name; further ones share the name `(other)`, so that memory stays bounded.
const MOST_PATHS: usize = 10_000;
/// Requests remembered with their headers.
const MOST_REMEMBERED: usize = 256;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Its path with the query.
    pub path: String,
    /// The protocol it came by.
    pub version: Version,
    /// Its headers.
    pub headers: HeaderMap,
    /// The size of its body; `None` until the body has come to its end.
    pub body_bytes: Option<u64>,
    /// The [`body_hash`] of its body; `None` until the body has come to its end.
    pub body_hash: Option<u64>,
}

/// The hash that [`Received::body_hash`] holds, to ask whether a large body arrived intact.
#[must_use]
pub fn body_hash(body: &[u8]) -> u64 {
    let mut hasher = BodyHash::default();
    hasher.add(body);
    hasher.finish()
}

/// Hashes a body that arrives in pieces.
#[derive(Default)]
pub(crate) struct BodyHash(DefaultHasher);

impl BodyHash {
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.0.write(piece);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// Requests of one path, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) received: u64,
    pub(crate) in_flight: u64,
    pub(crate) most_in_flight: u64,
}

impl Tally {
    fn begin(&mut self) {
        self.received += 1;
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    all: Tally,
    paths: BTreeMap<String, Tally>,
    connections: u64,
    connections_open: u64,
    /// Numbers requests for good: unlike the tallies it never starts anew.
    last_number: u64,
    remembered: VecDeque<(u64, Received)>,
}

/// A request in flight; dropping it ends it, however it ends.
pub(crate) struct InFlight {
    counts: Arc<Counts>,
    path: String,
    number: u64,
}

/// An open connection; dropping it closes it in the count.
pub(crate) struct Open(Arc<Counts>);

impl Counts {
    pub(crate) fn begin(self: &Arc<Self>, received: Received) -> InFlight {
        let mut inner = self.0.lock().unwrap();
        let path = received.path.split('?').next().unwrap_or_default();
        let known = inner.paths.contains_key(path) || inner.paths.len() < MOST_PATHS;
        let path = if known { path.to_owned() } else { "(other)".to_owned() };
        inner.all.begin();
        inner.paths.entry(path.clone()).or_default().begin();
        inner.last_number += 1;
        let number = inner.last_number;
        if inner.remembered.len() == MOST_REMEMBERED {
            inner.remembered.pop_front();
        }
        inner.remembered.push_back((number, received));
        InFlight { counts: Arc::clone(self), path, number }
    }

    pub(crate) fn open(self: &Arc<Self>) -> Open {
        let mut inner = self.0.lock().unwrap();
        inner.connections += 1;
        inner.connections_open += 1;
        Open(Arc::clone(self))
    }

    pub(crate) fn all(&self) -> Tally {
        self.0.lock().unwrap().all
    }

    pub(crate) fn path(&self, path: &str) -> Tally {
        self.0.lock().unwrap().paths.get(path).copied().unwrap_or_default()
    }

    pub(crate) fn connections(&self) -> (u64, u64) {
        let inner = self.0.lock().unwrap();
        (inner.connections, inner.connections_open)
    }

    pub(crate) fn remembered(&self) -> Vec<Received> {
        self.0.lock().unwrap().remembered.iter().map(|(_, received)| received.clone()).collect()
    }

    /// Forgets everything but what is in flight and open.
    pub(crate) fn reset(&self) {
        let mut inner = self.0.lock().unwrap();
        let restart = |tally: &mut Tally| {
            *tally = Tally { received: 0, in_flight: tally.in_flight, most_in_flight: tally.in_flight };
        };
        restart(&mut inner.all);
        inner.paths.retain(|_, tally| tally.in_flight > 0);
        inner.paths.values_mut().for_each(restart);
        inner.connections = inner.connections_open;
        inner.remembered.clear();
    }
}

impl InFlight {
    pub(crate) fn body_ended(&self, bytes: u64, hash: u64) {
        let mut inner = self.counts.0.lock().unwrap();
        let mine = inner.remembered.iter_mut().find(|(number, _)| *number == self.number);
        if let Some((_, received)) = mine {
            received.body_bytes = Some(bytes);
            received.body_hash = Some(hash);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut inner = self.counts.0.lock().unwrap();
        inner.all.in_flight -= 1;
        if let Some(tally) = inner.paths.get_mut(&self.path) {
            tally.in_flight -= 1;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().connections_open -= 1;
    }
}
