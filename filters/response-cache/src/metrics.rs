//! What is counted, for each rule and for the store.

use ballast_core::response_cache::rules::{Bypass, Forward, Refused, Served};
use ballast_core::response_cache::status::{ByLabel, Counted, Store};
use ballast_host::{Collected, Counter, Cx, Gauge, Host, StartError};

/// Counters by a label that has few values, each defined at the start.
#[derive(Debug)]
pub(crate) struct Labelled(Vec<(&'static str, Collected)>);

impl Labelled {
    /// One counter for each value of `label`, besides the labels that are the same for all.
    pub(crate) fn define<H: Host>(
        metric: &str,
        labels: &[(&str, &str)],
        label: &str,
        values: &[&'static str],
        cx: &Cx<'_, H>,
    ) -> Result<Self, StartError> {
        let define = |value: &&'static str| {
            let labels = [labels, &[(label, *value)]].concat();
            Ok((*value, cx.counter(metric, &labels)?.into()))
        };
        values.iter().map(define).collect::<Result<_, _>>().map(Self)
    }

    fn read(&self, host: &impl Host) -> ByLabel {
        self.0.iter().map(|(value, counter)| (*value, counter.value(host).unwrap_or(0))).collect()
    }

    /// Counts one of this value.
    fn one(&self, value: &str) {
        if let Some(counter) = self.of(value) {
            counter.one();
        }
    }

    /// Counts one of this value, of what is rare, for all to see at once.
    pub(crate) fn add(&self, host: &impl Host, value: &str) {
        if let Some(counter) = self.of(value) {
            counter.one();
            counter.flush(host);
        }
    }

    fn of(&self, value: &str) -> Option<&Collected> {
        self.0.iter().find(|(known, _)| *known == value).map(|(_, counter)| counter)
    }

    fn flush(&self, host: &impl Host) {
        self.0.iter().for_each(|(_, counter)| counter.flush(host));
    }
}

/// The metrics of one rule.
#[derive(Debug)]
pub(crate) struct RuleMetrics {
    hits: Labelled,
    misses: Labelled,
    refused: Labelled,
    /// Answers that were stored, those of validations included.
    pub(crate) stored: Collected,
    /// Requests that waited for another's answer and got it.
    pub(crate) coalesced: Counter,
    /// Validations that found the stored answer unchanged.
    pub(crate) revalidated: Counter,
    /// Fetches in the background.
    pub(crate) background: Counter,
    /// Answers that unsafe requests, or changes that HEAD has shown, made go.
    pub(crate) invalidated: Counter,
}

/// What a hit is called in shadow mode: it would have been one.
pub(crate) const SHADOW: &str = "shadow";
/// The miss of a request that the operator wants past the cache.
pub(crate) const OPERATOR: &str = "operator";
/// Longer than `max_object`.
pub(crate) const TOO_LARGE: &str = "too_large";
/// A purge came between the fetch and the store.
pub(crate) const PURGED: &str = "purged";
/// The store did not take it.
pub(crate) const STORE: &str = "store";
/// The proxy drains.
pub(crate) const DRAINING: &str = "draining";
/// Its end never came, or was trailers.
pub(crate) const INCOMPLETE: &str = "incomplete";

impl RuleMetrics {
    pub(crate) fn define<H: Host>(rule: &str, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let labels = [("rule", rule)];
        let hits = [
            Served::Fresh,
            Served::StaleWhileRevalidate,
            Served::MaxStale,
            Served::StaleIfError,
            Served::Overloaded,
            Served::BreakerOpen,
            Served::Validated,
        ];
        let hits: Vec<_> = hits.iter().map(|served| served.as_str()).chain([SHADOW]).collect();
        let misses = [
            Forward::Bypass(Bypass::Body),
            Forward::Method,
            Forward::UriMiss,
            Forward::VaryMiss,
            Forward::Request,
            Forward::Stale,
            Forward::Partial,
        ];
        let misses: Vec<_> = misses.iter().map(|why| why.as_str()).chain([OPERATOR]).collect();
        let refused = [
            Refused::Method,
            Refused::Status,
            Refused::NotUnderstood,
            Refused::NoStore,
            Refused::Private,
            Refused::RequestNoStore,
            Refused::Authorization,
            Refused::Vary,
            Refused::Partial,
            Refused::NotCacheable,
            Refused::Useless,
        ];
        let refused: Vec<_> = refused
            .iter()
            .map(|why| why.as_str())
            .chain([OPERATOR, TOO_LARGE, PURGED, STORE, DRAINING, INCOMPLETE])
            .collect();
        Ok(Self {
            hits: Labelled::define("hits", &labels, "kind", &hits, cx)?,
            misses: Labelled::define("misses", &labels, "reason", &misses, cx)?,
            refused: Labelled::define("refused", &labels, "reason", &refused, cx)?,
            stored: cx.counter("stored", &labels)?.into(),
            coalesced: cx.counter("coalesced", &labels)?,
            revalidated: cx.counter("revalidated", &labels)?,
            background: cx.counter("background", &labels)?,
            invalidated: cx.counter("invalidated", &labels)?,
        })
    }

    /// What was counted by all workers.
    pub(crate) fn counted(&self, host: &impl Host) -> Counted {
        let read = |counter: Counter| counter.value(host).unwrap_or(0);
        Counted {
            hits: self.hits.read(host),
            misses: self.misses.read(host),
            refused: self.refused.read(host),
            stored: self.stored.value(host).unwrap_or(0),
            coalesced: read(self.coalesced),
            revalidated: read(self.revalidated),
            background: read(self.background),
            invalidated: read(self.invalidated),
        }
    }

    /// An answer from the store.
    pub(crate) fn hit(&self, kind: &str) {
        self.hits.one(kind);
    }

    /// A request that goes upstream.
    pub(crate) fn miss(&self, reason: &str) {
        self.misses.one(reason);
    }

    /// An answer that is not stored.
    pub(crate) fn refused(&self, reason: &str) {
        self.refused.one(reason);
    }

    /// Adds what nearly every request counts to what all workers have counted.
    pub(crate) fn flush(&self, host: &impl Host) {
        [&self.hits, &self.misses, &self.refused].into_iter().for_each(|counters| counters.flush(host));
        self.stored.flush(host);
    }
}

/// The metrics of the store.
#[derive(Debug)]
pub(crate) struct StoreMetrics {
    /// What entries and their answers take, over all workers. The bound is kept by it.
    pub(crate) bytes: Gauge,
    /// Entries that had to go for others.
    pub(crate) evicted: Counter,
    /// Records that could not be read.
    pub(crate) damaged: Counter,
    /// Entries that purges dropped or marked.
    pub(crate) purged: Counter,
    /// Purges that were refused.
    pub(crate) purges_refused: Counter,
    /// What could not be done because something is broken.
    pub(crate) errors: Counter,
    /// Changes, by shard: what copies in the workers' own memory are held against.
    changes: Vec<Gauge>,
}

impl StoreMetrics {
    pub(crate) fn define<H: Host>(shards: u8, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let changes = (0..shards).map(|shard| cx.gauge("changes", &[("shard", &shard.to_string())]));
        Ok(Self {
            bytes: cx.gauge("bytes", &[])?,
            evicted: cx.counter("evicted", &[])?,
            damaged: cx.counter("damaged", &[])?,
            purged: cx.counter("purged", &[])?,
            purges_refused: cx.counter("purges_refused", &[])?,
            errors: cx.counter("errors", &[])?,
            changes: changes.collect::<Result<_, _>>()?,
        })
    }

    /// What was counted by all workers, of a store that may take so much.
    pub(crate) fn shown(&self, host: &impl Host, bytes_limit: u64, entries_limit: u64) -> Store {
        let read = |counter: Counter| counter.value(host).unwrap_or(0);
        // Below zero for a moment, while one worker has freed what another has not yet charged.
        let bytes = self.bytes.value(host).unwrap_or(0).cast_signed().max(0).unsigned_abs();
        Store {
            bytes,
            bytes_limit,
            fill: bytes as f64 / bytes_limit.max(1) as f64,
            entries_limit,
            evicted: read(self.evicted),
            damaged: read(self.damaged),
            purged: read(self.purged),
            purges_refused: read(self.purges_refused),
            errors: read(self.errors),
        }
    }

    /// How often something has changed in a shard.
    pub(crate) fn changes(&self, host: &impl Host, shard: u8) -> Option<u64> {
        self.changes.get(usize::from(shard))?.value(host)
    }

    /// Something has changed in a shard.
    pub(crate) fn changed(&self, host: &impl Host, shard: u8) {
        if let Some(changes) = self.changes.get(usize::from(shard)) {
            changes.add(host, 1);
        }
    }

    /// Something may have changed anywhere.
    pub(crate) fn changed_everywhere(&self, host: &impl Host) {
        self.changes.iter().for_each(|changes| changes.add(host, 1));
    }
}
