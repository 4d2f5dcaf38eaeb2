//! What is counted for each limit.

use ballast_core::rate_limit::config::Limit;
use ballast_core::rate_limit::status::Counted;
use ballast_core::rate_limit::{Said, Verdict};
use ballast_core::units::Share;
use ballast_host::{Counter, Cx, Gauge, Host, StartError};

/// The metrics of one limit.
#[derive(Debug)]
pub(crate) struct LimitMetrics {
    /// Requests that it let through.
    allowed: Counter,
    /// Requests that it refused.
    pub(crate) limited: Counter,
    /// Requests that it would have refused were it enforced.
    shadow_limited: Counter,
    /// Requests that it could not decide.
    pub(crate) errors: Counter,
    /// Clients that had to be forgotten although they had used something up.
    evictions: Counter,
    /// Entries in its table. A client that equals a new one counts until its set is next written.
    pub(crate) keys: Gauge,
    /// What overload leaves of an elastic limit, in percent.
    left_percent: Option<Gauge>,
}

impl LimitMetrics {
    pub(crate) fn define<H: Host>(limit: &Limit, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let labels = [("rule", limit.name.as_str())];
        let left_percent = limit.elastic.map(|_| cx.gauge("left_percent", &labels)).transpose()?;
        Ok(Self {
            left_percent,
            allowed: cx.counter("allowed", &labels)?,
            limited: cx.counter("limited", &labels)?,
            shadow_limited: cx.counter("shadow_limited", &labels)?,
            errors: cx.counter("errors", &labels)?,
            evictions: cx.counter("evictions", &labels)?,
            keys: cx.gauge("keys", &labels)?,
        })
    }

    /// What was counted by all workers.
    pub(crate) fn counted(&self, host: &impl Host) -> Counted {
        let read = |counter: Counter| counter.value(host).unwrap_or(0);
        // Below zero for a moment, while one worker has forgotten what another has not yet counted.
        let keys = self.keys.value(host).unwrap_or(0).cast_signed().max(0);
        Counted {
            allowed: read(self.allowed),
            limited: read(self.limited),
            shadow_limited: read(self.shadow_limited),
            errors: read(self.errors),
            evictions: read(self.evictions),
            keys_in_use: keys.unsigned_abs(),
        }
    }

    /// So much is left of an elastic limit.
    pub(crate) fn left(&self, host: &impl Host, share: Share) {
        if let Some(gauge) = &self.left_percent {
            gauge.set(host, share.percent());
        }
    }

    pub(crate) fn decided(&self, host: &impl Host, verdict: &Verdict) {
        match verdict.said {
            Said::Admit => self.allowed.add(host, 1),
            Said::Refuse { .. } if verdict.ask.enforced => self.limited.add(host, 1),
            Said::Refuse { .. } => self.shadow_limited.add(host, 1),
            Said::Trouble(_) => self.errors.add(host, 1),
            Said::NotAsked | Said::TakenBack | Said::WouldAdmit => {}
        }
        if verdict.evicted_live {
            self.evictions.add(host, 1);
        }
        self.keys.add(host, verdict.stored);
    }
}
