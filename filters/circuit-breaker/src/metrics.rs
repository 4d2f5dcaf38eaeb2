//! What is counted for each rule.

use ballast_core::circuit_breaker::status::{Calls, Counted, Transitions};
use ballast_core::circuit_breaker::{Change, StateName};
use ballast_host::{Collected, Counter, Cx, Gauge, Host, StartError};

/// The metrics of one rule.
#[derive(Debug)]
pub(crate) struct RuleMetrics {
    /// Calls that succeeded, failed, and that say nothing.
    pub(crate) succeeded: Collected,
    pub(crate) failed: Counter,
    pub(crate) ignored: Counter,
    /// Outcomes of a state that had ended.
    pub(crate) late: Counter,
    /// Calls that were slow, whatever else they were.
    pub(crate) slow: Counter,
    /// Requests that it refused.
    pub(crate) refused: Counter,
    /// Requests that it would have refused were it enforced.
    pub(crate) shadow_refused: Counter,
    /// Requests that were let through to see.
    pub(crate) probes: Counter,
    /// Requests and outcomes that the shared store lost.
    pub(crate) errors: Counter,
    /// Breakers that had to be forgotten although they knew something.
    pub(crate) evictions: Counter,
    /// Breakers that are open or half-open.
    pub(crate) open: Gauge,
    to_closed: Counter,
    to_open: Counter,
    to_half_open: Counter,
}

impl RuleMetrics {
    pub(crate) fn define<H: Host>(rule: &str, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let labels = [("rule", rule)];
        let calls = |outcome| cx.counter("calls", &[("rule", rule), ("outcome", outcome)]);
        let transitions = |to| cx.counter("transitions", &[("rule", rule), ("to", to)]);
        Ok(Self {
            succeeded: calls("success")?.into(),
            failed: calls("failure")?,
            ignored: calls("ignored")?,
            late: calls("late")?,
            slow: cx.counter("slow_calls", &labels)?,
            refused: cx.counter("refused", &labels)?,
            shadow_refused: cx.counter("shadow_refused", &labels)?,
            probes: cx.counter("probes", &labels)?,
            errors: cx.counter("errors", &labels)?,
            evictions: cx.counter("evictions", &labels)?,
            open: cx.gauge("open", &labels)?,
            to_closed: transitions(StateName::Closed.as_str())?,
            to_open: transitions(StateName::Open.as_str())?,
            to_half_open: transitions(StateName::HalfOpen.as_str())?,
        })
    }

    /// What was counted by all workers.
    pub(crate) fn counted(&self, host: &impl Host) -> Counted {
        let read = |counter: Counter| counter.value(host).unwrap_or(0);
        Counted {
            calls: Calls {
                success: self.succeeded.value(host).unwrap_or(0),
                failure: read(self.failed),
                ignored: read(self.ignored),
                late: read(self.late),
                slow: read(self.slow),
            },
            refused: read(self.refused),
            shadow_refused: read(self.shadow_refused),
            probes_total: read(self.probes),
            errors: read(self.errors),
            evictions: read(self.evictions),
            transitions: Transitions {
                to_open: read(self.to_open),
                to_half_open: read(self.to_half_open),
                to_closed: read(self.to_closed),
            },
        }
    }

    /// Adds what was only counted here so far.
    pub(crate) fn flush(&self, host: &impl Host) {
        self.succeeded.flush(host);
    }

    pub(crate) fn changed(&self, host: &impl Host, change: &Change) {
        let counter = match change.to {
            StateName::Closed => self.to_closed,
            StateName::Open => self.to_open,
            StateName::HalfOpen => self.to_half_open,
        };
        counter.add(host, 1);
    }
}
