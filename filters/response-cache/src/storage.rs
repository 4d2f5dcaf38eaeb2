//! What is stored, as one worker reaches it: its own copies first, then what all share.

use crate::metrics::StoreMetrics;
use ballast_core::bytes::is_same;
use ballast_core::response_cache::config;
use ballast_core::response_cache::key::{PLAIN_VARIANT, Target, variant_of, vary_of};
use ballast_core::response_cache::ready::Ready;
use ballast_core::response_cache::rules::{Fields, Vary};
use ballast_core::response_cache::store::{
    Candidate, Eviction, Find, Found, Hits, Key, Leadership, Load, Loaded, Local, New, NotStored, Purge, Put,
    Reclaim, SHARDS, Shape, Stored, Target as Purged, Touch, Touching, shard_of,
};
use ballast_core::slots::{Fingerprint, Secret};
use ballast_core::time::MonoTime;
use ballast_host::{Cx, Host, LogLevel, StartError};
use std::rc::Rc;

/// How many sets are told of uses in one tick: a tick must not hold up requests.
const MOST_TOLD: usize = 16;
/// In how many sets little is freed before one set frees what it must.
const GENTLE_SETS: u32 = 8;

/// The store and this worker's part of it.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) shape: Shape,
    pub(crate) metrics: StoreMetrics,
    local: Local<Ready>,
    /// The number of each shard as it was last read.
    numbers: Vec<Option<u64>>,
    hits: Hits,
    /// The set at which the next search for bytes to free begins.
    hand: u32,
}

/// An answer that was found.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The answer itself.
    pub(crate) ready: Rc<Ready>,
    /// Whether a purge has marked it as stale.
    pub(crate) is_stale: bool,
}

/// What is known of a key.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// The variant that the request gets.
    pub(crate) kept: Option<Kept>,
    /// Whether there are others.
    pub(crate) has_others: bool,
    /// What the request has where the latest answer varies.
    pub(crate) latest: Vec<u8>,
    /// The index as it was read, if it was.
    pub(crate) found: Option<Found>,
    /// It is known to be of no use to look.
    pub(crate) is_fruitless: bool,
}

/// What a request is for, hashed.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) target: Target,
    pub(crate) primary: Vec<u8>,
    pub(crate) key: Fingerprint,
}

impl Wanted {
    pub(crate) fn new(target: Target, secret: &Secret) -> Self {
        let primary = target.primary();
        let key = secret.fingerprint("key", &primary);
        Self { target, primary, key }
    }

    /// The tag by which all answers for its URL are found, whatever else their keys say.
    pub(crate) fn url_tag(&self, secret: &Secret) -> Fingerprint {
        secret.fingerprint("url", &self.target.url)
    }
}

impl Storage {
    pub(crate) fn new<H: Host>(store: &config::Store, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let eviction = match store.eviction {
            config::Eviction::Sieve => Eviction::Sieve,
            config::Eviction::Lru => Eviction::Lru,
            config::Eviction::Lfu => Eviction::Lfu,
            config::Eviction::Ttl => Eviction::Ttl,
        };
        Ok(Self {
            shape: Shape::new(store.max_bytes, store.max_entries, store.max_object, eviction),
            metrics: StoreMetrics::define(SHARDS, cx)?,
            local: Local::new(usize::try_from(store.local_max_bytes).unwrap_or(usize::MAX)),
            numbers: vec![None; usize::from(SHARDS)],
            hits: Hits::default(),
            hand: 0,
        })
    }

    /// Finds the variant of a key that a request gets. `None`: the store does not answer.
    pub(crate) fn find<H: Host>(
        &mut self,
        wanted: &Wanted,
        request: Fields<'_>,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Option<Looked> {
        let number = self.number(wanted.key, cx);
        if let Some(candidates) = self.local.candidates(wanted.key, &wanted.primary, number, now) {
            let choice = choose(candidates, wanted, request);
            let choice = choice.map(|candidate| (candidate.set, candidate.stamp, candidate.is_stale));
            if let Some((set, stamp, is_stale)) = choice
                && let Some(ready) = self.local.copy(wanted.key, stamp)
            {
                self.hits.add(set, stamp, now);
                let kept = Some(Kept { ready, is_stale });
                return Some(Looked { kept, has_others: true, ..Looked::default() });
            }
        }
        let found = cx.run(&mut Find::new(self.shape, wanted.key, now)).ok()?;
        self.local.know(wanted.key, &wanted.primary, number, now, &found.candidates);
        let kept = choose(&found.candidates, wanted, request).and_then(|candidate| {
            let ready = match self.local.copy(wanted.key, candidate.stamp) {
                Some(ready) => ready,
                None => self.load(wanted, candidate, cx)?,
            };
            self.hits.add(candidate.set, candidate.stamp, now);
            Some(Kept { ready, is_stale: candidate.is_stale })
        });
        let latest = latest(&found.candidates, wanted, request);
        self.local.tidy(wanted.key);
        let has_others = !found.candidates.is_empty();
        Some(Looked { kept, has_others, latest, found: Some(found), is_fruitless: false })
    }

    /// The number of a key's shard, as it is now or was some time before. That is enough where nothing is known of the key yet: what is
    /// read of it then is held against this number, and counts as changed if the number has risen before it was read.
    fn number<H: Host>(&mut self, key: Fingerprint, cx: &Cx<'_, H>) -> u64 {
        let shard = shard_of(key);
        let last = self.numbers.get_mut(usize::from(shard));
        if let Some(Some(number)) = last.as_deref()
            && !self.local.has(key)
        {
            return *number;
        }
        let number = self.metrics.changes(cx.host, shard);
        if let Some(last) = last {
            *last = number;
        }
        number.unwrap_or(u64::MAX)
    }

    /// The index as it is now, for what is fetched.
    pub(crate) fn read_index<H: Host>(
        &self,
        wanted: &Wanted,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Option<Found> {
        cx.run(&mut Find::new(self.shape, wanted.key, now)).ok()
    }

    fn load<H: Host>(
        &mut self,
        wanted: &Wanted,
        candidate: &Candidate,
        cx: &mut Cx<'_, H>,
    ) -> Option<Rc<Ready>> {
        let ready = match cx.run(&mut Load::new(candidate, &wanted.primary)).ok()? {
            Loaded::Object(object) => Ready::new(object),
            Loaded::Gone | Loaded::OtherKey => return None,
            Loaded::Damaged => None,
        };
        let Some(ready) = ready else {
            self.metrics.damaged.add(cx.host, 1);
            return None;
        };
        let (size, ready) = (ready.size(), Rc::new(ready));
        self.local.keep(wanted.key, candidate.stamp, size, Rc::clone(&ready));
        Some(ready)
    }

    /// Stores an answer, and makes room for it.
    pub(crate) fn put<H: Host>(
        &mut self,
        new: New<'_>,
        leadership: Option<Leadership>,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Result<Stored, NotStored> {
        let key = new.key;
        let mut put = Put::new(self.shape, new, now)?;
        let charge = put.charge();
        let signed = i64::try_from(charge).unwrap_or(i64::MAX);
        self.metrics.bytes.add(cx.host, signed);
        let (set, hits) = (put.set(), self.hits.take(put.set()));
        let excess = self.excess(cx);
        put = put.freeing(excess).with_hits(hits);
        if let Some(leadership) = leadership {
            put = put.finishing(leadership);
        }
        let stored = cx.run(&mut put);
        match &stored {
            Ok(stored) => {
                self.freed(stored.freed, cx);
                self.metrics.evicted.add(cx.host, stored.evicted.into());
                self.local.forget(key);
                if stored.invalidates {
                    self.metrics.changed(cx.host, shard_of(key));
                }
                // What others have added since, they free.
                if excess > stored.freed {
                    self.reclaim(set, now, cx);
                }
            }
            Err(_) => self.metrics.bytes.add(cx.host, -signed),
        }
        stored
    }

    fn excess<H: Host>(&self, cx: &Cx<'_, H>) -> u64 {
        self.metrics.bytes.value(cx.host).unwrap_or(0).saturating_sub(self.shape.budget())
    }

    fn freed<H: Host>(&self, bytes: u64, cx: &Cx<'_, H>) {
        self.metrics.bytes.add(cx.host, -i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Frees in other sets what is over the budget: first where little is lost by it, then anywhere.
    fn reclaim<H: Host>(&mut self, except: u32, now: MonoTime, cx: &mut Cx<'_, H>) {
        for round in 0..self.shape.sets().saturating_add(GENTLE_SETS) {
            let excess = self.excess(cx);
            if excess == 0 {
                return;
            }
            self.hand = (self.hand + 1) % self.shape.sets().max(1);
            if self.hand == except && self.shape.sets() > 1 {
                continue;
            }
            let reclaim = if round < GENTLE_SETS { Reclaim::gently } else { Reclaim::firmly };
            let hits = self.hits.take(self.hand);
            match cx.run(&mut reclaim(self.shape, self.hand, excess, now).with_hits(hits)) {
                Ok(reclaimed) => {
                    self.freed(reclaimed.freed, cx);
                    self.metrics.evicted.add(cx.host, reclaimed.evicted.into());
                }
                Err(_) => return,
            }
        }
    }

    /// Drops or marks what a purge names. `None`: the store does not answer, and nothing may be said to be purged.
    pub(crate) fn purge<H: Host>(
        &mut self,
        target: Purged,
        soft: bool,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Option<u64> {
        let shard = match &target {
            Purged::Key(key) => Some(shard_of(*key)),
            _ => None,
        };
        let mut purge = Purge::new(self.shape, target, soft, now);
        let purged = cx.run(&mut purge);
        // Also after a purge that came to no end: what it has done is seen by all.
        match shard {
            Some(shard) => self.metrics.changed(cx.host, shard),
            None => self.metrics.changed_everywhere(cx.host),
        }
        match purged {
            Ok(purged) => {
                self.freed(purged.freed, cx);
                self.metrics.purged.add(cx.host, purged.entries);
                Some(purged.entries)
            }
            Err(error) => {
                self.freed(purge.so_far().freed, cx);
                self.metrics.errors.add(cx.host, 1);
                cx.log(LogLevel::Error, &format!("a purge came to no end: {error}"));
                None
            }
        }
    }

    /// Tells the sets which of their entries were used.
    pub(crate) fn flush<H: Host>(&mut self, now: MonoTime, cx: &mut Cx<'_, H>) {
        for _ in 0..MOST_TOLD {
            let Some((set, hits)) = self.hits.next_set() else { return };
            // What cannot be told makes the next eviction a little less wise.
            let _ = cx
                .run(&mut Touch::new(Key::Set(set), Touching { eviction: self.shape.eviction(), hits, now }));
        }
    }
}

/// The variant of a list that a request gets.
fn choose<'a>(candidates: &'a [Candidate], wanted: &Wanted, request: Fields<'_>) -> Option<&'a Candidate> {
    // Mostly all answers of a URL vary by the same.
    let mut last: Option<(Vary, Option<Vec<u8>>)> = None;
    let is_plain = wanted.target.overrides.is_empty();
    candidates.iter().find(|candidate| {
        if candidate.variant == PLAIN_VARIANT {
            return is_plain;
        }
        let Some(vary) = vary_of(&candidate.variant) else { return false };
        if last.as_ref().is_none_or(|(known, _)| *known != vary) {
            let variant = variant_of(request, &wanted.target, &vary);
            last = Some((vary, variant));
        }
        let own = last.as_ref().and_then(|(_, variant)| variant.as_deref());
        own.is_some_and(|own| is_same(own, &candidate.variant))
    })
}

/// What the request has where the latest answer varies: those that have the same can wait for one answer.
fn latest(candidates: &[Candidate], wanted: &Wanted, request: Fields<'_>) -> Vec<u8> {
    let vary = candidates.iter().find_map(|candidate| vary_of(&candidate.variant));
    vary.and_then(|vary| variant_of(request, &wanted.target, &vary)).unwrap_or_default()
}
