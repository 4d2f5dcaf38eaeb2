//! What this filter counts of itself.

use ballast_core::admin::refusal::Refusal;
use ballast_host::{Counter, Cx, Gauge, Host, StartError};

#[derive(Debug)]
pub(crate) struct Metrics {
    /// Requests that a drain has refused.
    pub(crate) drain_refused: Counter,
    /// Requests that it would have refused.
    pub(crate) shadow_refused: Counter,
    /// Requests in flight over all workers, written by who leads.
    pub(crate) in_flight: Gauge,
    /// 0: no drain, 1: draining, 2: closing, 3: finished; written by who leads.
    pub(crate) drain_phase: Gauge,
    /// Requests to endpoints that were answered.
    pub(crate) answered: Counter,
    /// Requests to endpoints that were refused, by reason.
    refused: Vec<(&'static str, Counter)>,
}

impl Metrics {
    pub(crate) fn new<H: Host>(cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let refused = Refusal::REASONS.iter().map(|reason| {
            Ok::<_, StartError>((*reason, cx.counter("endpoint_refused", &[("reason", reason)])?))
        });
        Ok(Self {
            drain_refused: cx.counter("drain_refused", &[])?,
            shadow_refused: cx.counter("drain_shadow_refused", &[])?,
            in_flight: cx.gauge("in_flight", &[])?,
            drain_phase: cx.gauge("drain_phase", &[])?,
            answered: cx.counter("endpoint_answered", &[])?,
            refused: refused.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn refused(&self, host: &impl Host, reason: &str) {
        if let Some((_, counter)) = self.refused.iter().find(|(known, _)| *known == reason) {
            counter.add(host, 1);
        }
    }
}
