//! Metrics with labels.
//!
//! The proxy has no labels: a name is all there is, and it is never freed. So labels are part of the name, as
//! `ballast.<filter>.<metric>;namespace=<namespace>;rule=<rule>`, and the `stats_tags` of the sample configurations
//! take them out again. Every name is made at load time from configuration: nothing a client sends ever enters one.

use crate::context::Cx;
use crate::filter::StartError;
use crate::host::{Host, MetricId, MetricKind};
use core::fmt::Write;

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

/// Records a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram(MetricId);

impl Histogram {
    /// Records one value.
    pub fn record(self, host: &impl Host, value: u64) {
        host.record(self.0, value);
    }
}

impl<H: Host> Cx<'_, H> {
    /// A counter of this filter; `labels` are pairs of name and value.
    ///
    /// # Errors
    ///
    /// The proxy does not define it.
    pub fn counter(&self, metric: &str, labels: &[(&str, &str)]) -> Result<Counter, StartError> {
        self.define(MetricKind::Counter, metric, labels).map(Counter)
    }

    /// A gauge of this filter.
    ///
    /// # Errors
    ///
    /// The proxy does not define it.
    pub fn gauge(&self, metric: &str, labels: &[(&str, &str)]) -> Result<Gauge, StartError> {
        self.define(MetricKind::Gauge, metric, labels).map(Gauge)
    }

    /// A histogram of this filter.
    ///
    /// # Errors
    ///
    /// The proxy does not define it.
    pub fn histogram(&self, metric: &str, labels: &[(&str, &str)]) -> Result<Histogram, StartError> {
        self.define(MetricKind::Histogram, metric, labels).map(Histogram)
    }

    fn define(
        &self,
        kind: MetricKind,
        metric: &str,
        labels: &[(&str, &str)],
    ) -> Result<MetricId, StartError> {
        let name = name(self.services.filter_name, self.scope().namespace(), metric, labels);
        self.host.define_metric(kind, &name).map_err(|error| StartError::Host { what: "a metric", error })
    }
}

/// The proxy's name of a metric.
fn name(filter: &str, namespace: &str, metric: &str, labels: &[(&str, &str)]) -> String {
    let mut name = format!("ballast.{}.{metric};namespace={}", filter.replace('-', "_"), label(namespace));
    for (key, value) in labels {
        // Writing to a string cannot fail.
        let _ = write!(name, ";{key}={}", label(value));
    }
    name
}

/// A label's value without what separates labels.
fn label(value: &str) -> String {
    value.replace([';', '=', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_part_of_the_name_and_cannot_forge_others() {
        let labels = [("rule", "per-client")];
        let expected = "ballast.rate_limit.allowed;namespace=default;rule=per-client";
        assert_eq!(name("rate-limit", "default", "allowed", &labels), expected);
        assert_eq!(name("x", "a;rule=b", "m", &[]), "ballast.x.m;namespace=a_rule_b");
    }
}
