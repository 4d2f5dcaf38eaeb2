//! Metrics with labels.
//!
//! The proxy has no labels: a name is all there is, and it is never freed. So labels are part of the name, as
//! `ballast.<filter>.<metric>;namespace=<namespace>;rule=<rule>`, and the `stats_tags` of the sample configurations
//! take them out again. Every name is made at load time from configuration: nothing a client sends ever enters one.

use crate::context::Cx;
use crate::filter::StartError;
use crate::host::{Host, MetricId, MetricKind};
use ballast_core::catalogue::{Buckets, metric_name};
use ballast_core::vec_map::VecMap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(pub(crate) MetricId);

impl Counter {
    /// Adds `count`; nothing for zero, which the proxy refuses.
    pub fn add(self, host: &impl Host, count: u64) {
        match i64::try_from(count) {
            Ok(offset) if offset > 0 => host.increment(self.0, offset),
            _ => {}
        }
    }

    /// The value over all workers.
    pub fn value(self, host: &impl Host) -> Option<u64> {
        host.metric(self.0).ok()
    }
}

/// A counter for what nearly every request counts: collected in the VM, and added when the filter [flushes](Self::flush) it, on its
/// tick. A VM that dies takes along what it has not added: a tick's worth.
#[derive(Debug)]
pub struct Collected {
    counter: Counter,
    count: Cell<u64>,
}

impl Collected {
    /// Counts one.
    pub fn one(&self) {
        self.count.set(self.count.get().saturating_add(1));
    }

    /// The value over all workers, without what others have not added yet.
    pub fn value(&self, host: &impl Host) -> Option<u64> {
        self.counter.value(host).map(|added| added.saturating_add(self.count.get()))
    }

    /// Adds what was counted since the last time.
    pub fn flush(&self, host: &impl Host) {
        self.counter.add(host, self.count.take());
    }
}

impl From<Counter> for Collected {
    fn from(counter: Counter) -> Self {
        Self { counter, count: Cell::new(0) }
    }
}

/// One value per process: adding is atomic over all workers, and costs a twentieth of a compare-and-swap pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge(MetricId);

impl Gauge {
    /// Adds `change`. Below zero the proxy's value wraps: whoever subtracts must have added.
    pub fn add(self, host: &impl Host, change: i64) {
        if change != 0 {
            host.increment(self.0, change);
        }
    }

    /// Sets the value.
    pub fn set(self, host: &impl Host, value: u64) {
        host.record(self.0, value);
    }

    /// The value over all workers.
    pub fn value(self, host: &impl Host) -> Option<u64> {
        host.metric(self.0).ok()
    }
}

/// What was recorded into a histogram and not yet added to what all roots have: the proxy's own cannot be read.
pub(crate) type Gathered = Rc<RefCell<Buckets>>;

/// Records a distribution.
#[derive(Clone, Debug)]
pub struct Histogram {
    id: MetricId,
    gathered: Gathered,
}

impl Histogram {
    /// Records one value.
    pub fn record(&self, host: &impl Host, value: u64) {
        host.record(self.id, value);
        // Nobody holds it for longer than a line.
        if let Ok(mut gathered) = self.gathered.try_borrow_mut() {
            gathered.record(value);
        }
    }
}

/// A histogram of a few different values that nearly every request records one of: collected in the VM, and recorded when the filter
/// [flushes](Self::flush) it, on its tick. A VM that dies takes along what it has not recorded: a tick's worth.
#[derive(Debug)]
pub struct CollectedHistogram {
    histogram: Histogram,
    counts: RefCell<VecMap<u64, u64>>,
}

impl CollectedHistogram {
    /// Counts one of this value.
    pub fn one(&self, value: u64) {
        // Nobody holds it for longer than a line.
        if let Ok(mut counts) = self.counts.try_borrow_mut() {
            match counts.get_mut(&value) {
                Some(count) => *count += 1,
                None => _ = counts.insert(value, 1),
            }
        }
    }

    /// Records what was counted since the last time.
    pub fn flush(&self, host: &impl Host) {
        let counts = self.counts.try_borrow_mut().map(|mut counts| core::mem::take(&mut *counts));
        for (value, count) in counts.unwrap_or_default().iter() {
            (0..*count).for_each(|_| self.histogram.record(host, *value));
        }
    }
}

impl From<Histogram> for CollectedHistogram {
    fn from(histogram: Histogram) -> Self {
        Self { histogram, counts: RefCell::default() }
    }
}

impl<H: Host> Cx<'_, H> {
    /// A counter of this filter; `labels` are pairs of name and value.
    ///
    /// # Errors
    ///
    /// The proxy does not define it.
    pub fn counter(&self, metric: &str, labels: &[(&str, &str)]) -> Result<Counter, StartError> {
        self.define(MetricKind::Counter, metric, labels).map(|(id, _)| Counter(id))
    }

    /// A gauge of this filter.
    ///
    /// # Errors
    ///
    /// The proxy does not define it.
    pub fn gauge(&self, metric: &str, labels: &[(&str, &str)]) -> Result<Gauge, StartError> {
        self.define(MetricKind::Gauge, metric, labels).map(|(id, _)| Gauge(id))
    }

    /// A histogram of this filter.
    ///
    /// # Errors
    ///
    /// The proxy does not define it.
    pub fn histogram(&self, metric: &str, labels: &[(&str, &str)]) -> Result<Histogram, StartError> {
        let (id, name) = self.define(MetricKind::Histogram, metric, labels)?;
        let defined = self.services.metrics.try_borrow_mut();
        let gathered = defined.map_or_else(|_| Gathered::default(), |mut defined| defined.gathered(&name));
        Ok(Histogram { id, gathered })
    }

    fn define(
        &self,
        kind: MetricKind,
        metric: &str,
        labels: &[(&str, &str)],
    ) -> Result<(MetricId, String), StartError> {
        let name = metric_name(self.services.filter_name, self.scope().namespace(), metric, labels);
        let id = self.host.define_metric(kind, &name);
        let id = id.map_err(|error| StartError::Host { what: "a metric", error })?;
        // Nobody holds it for longer than a line.
        if let Ok(mut defined) = self.services.metrics.try_borrow_mut() {
            defined.add(&name, kind);
        }
        Ok((id, name))
    }
}
