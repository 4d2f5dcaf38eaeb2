//! What is counted for each limit.

use ballast_core::rate_limit::config::Limit;
use ballast_core::rate_limit::global::Source;
use ballast_core::rate_limit::status::Counted;
use ballast_core::rate_limit::{Said, Verdict};
use ballast_core::units::Share;
use ballast_host::{Collected, Counter, Cx, Gauge, Host, StartError};

/// The metrics of one limit.
#[derive(Debug)]
pub(crate) struct LimitMetrics {
    /// Requests that it let through.
    allowed: Collected,
    /// Requests that it refused.
    pub(crate) limited: Counter,
    /// Requests that it would have refused were it enforced.
    shadow_limited: Counter,
    /// Requests that it could not decide.
    pub(crate) errors: Counter,
    /// Clients that had to be forgotten although they had used something up.
    pub(crate) evictions: Counter,
    /// Entries in its table. A client that equals a new one counts until its set is next written.
    pub(crate) keys: Gauge,
    /// What overload leaves of an elastic limit, in percent.
    left_percent: Option<Gauge>,
    /// Of a limit that a service counts.
    pub(crate) remote: Option<RemoteMetrics>,
}

/// The metrics of a limit that a service counts.
#[derive(Debug)]
pub(crate) struct RemoteMetrics {
    /// Calls to the service.
    pub(crate) calls: Counter,
    /// Calls that failed, came too late or were answered with nothing that decides.
    pub(crate) failures: Counter,
    /// Decisions by who made them.
    decided_by: [Counter; Source::ALL.len()],
}

impl RemoteMetrics {
    fn define<H: Host>(limit: &str, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let labels = [("rule", limit)];
        let by = |source: Source| cx.counter("decided", &[("rule", limit), ("source", source.as_str())]);
        let [service, lease, local, error] = Source::ALL.map(by);
        Ok(Self {
            calls: cx.counter("service_calls", &labels)?,
            failures: cx.counter("service_failures", &labels)?,
            decided_by: [service?, lease?, local?, error?],
        })
    }

    pub(crate) fn decided(&self, host: &impl Host, source: Source) {
        let place = Source::ALL.iter().position(|other| *other == source);
        if let Some(counter) = place.and_then(|place| self.decided_by.get(place)) {
            counter.add(host, 1);
        }
    }
}

impl LimitMetrics {
    pub(crate) fn define<H: Host>(limit: &Limit, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let name = limit.name.as_str();
        let labels = [("rule", name)];
        let left_percent = limit.elastic.map(|_| cx.gauge("left_percent", &labels)).transpose()?;
        let remote = limit.global.is_some();
        Ok(Self {
            left_percent,
            allowed: cx.counter("allowed", &labels)?.into(),
            limited: cx.counter("limited", &labels)?,
            shadow_limited: cx.counter("shadow_limited", &labels)?,
            errors: cx.counter("errors", &labels)?,
            evictions: cx.counter("evictions", &labels)?,
            keys: cx.gauge("keys", &labels)?,
            remote: if remote { Some(RemoteMetrics::define(name, cx)?) } else { None },
        })
    }

    /// What was counted by all workers.
    pub(crate) fn counted(&self, host: &impl Host) -> Counted {
        let read = |counter: Counter| counter.value(host).unwrap_or(0);
        // Below zero for a moment, while one worker has forgotten what another has not yet counted.
        let keys = self.keys.value(host).unwrap_or(0).cast_signed().max(0);
        Counted {
            allowed: self.allowed.value(host).unwrap_or(0),
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
            Said::Admit => self.allowed.one(),
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

    /// Adds what is collected between ticks.
    pub(crate) fn flush(&self, host: &impl Host) {
        self.allowed.flush(host);
    }
}
