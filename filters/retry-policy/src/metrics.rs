//! What is counted for each policy.

use ballast_core::retry_policy::attempts::Refusal;
use ballast_core::retry_policy::outcome::Outcome;
use ballast_core::retry_policy::status::Counted;
use ballast_host::{Collected, CollectedHistogram, Counter, Cx, Gauge, Histogram, Host, StartError};

/// Why an attempt was retried.
const REASONS: [&str; 4] = ["status", "connect_failure", "reset", "timeout"];

/// The metrics of one policy.
#[derive(Debug)]
pub(crate) struct PolicyMetrics {
    /// Requests that the policy is for; the budget is a share of it.
    pub(crate) requests: Collected,
    /// Retries ever counted against the budget; what was counted and not made is taken back.
    pub(crate) spent: Gauge,
    /// Thousandths of the throttle's tokens that are gone.
    pub(crate) tokens_gone: Gauge,
    /// Attempts of each request.
    attempts: CollectedHistogram,
    /// Retries that the filter made, by [`REASONS`].
    retries: [Counter; 4],
    /// Retries that the router made.
    router_retries: Counter,
    /// Requests that a retry made succeed.
    success_after_retry: Counter,
    /// Retries that were not made, by [`Refusal::ALL`].
    refused: Vec<(Refusal, Counter)>,
    /// Retries that would have been made.
    pub(crate) shadow_retries: Counter,
    /// Waits before retries, in milliseconds.
    pub(crate) wait_ms: Histogram,
    /// Second requests that were sent while the first one took long.
    pub(crate) hedges: Counter,
    /// Those whose answer came first.
    pub(crate) hedges_won: Counter,
    /// Those that were given up when another answer came first.
    pub(crate) hedges_cancelled: Counter,
}

impl PolicyMetrics {
    pub(crate) fn define<H: Host>(policy: &str, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let labels = [("rule", policy)];
        let by = |metric: &str, reason: &str| cx.counter(metric, &[("rule", policy), ("reason", reason)]);
        let refused = Refusal::ALL.iter().map(|refusal| Ok((*refusal, by("refused", refusal.as_str())?)));
        let [status, connect, reset, timeout] = REASONS;
        Ok(Self {
            requests: cx.counter("requests", &labels)?.into(),
            spent: cx.gauge("spent", &labels)?,
            tokens_gone: cx.gauge("millitokens_gone", &labels)?,
            attempts: cx.histogram("attempts", &labels)?.into(),
            retries: [
                by("retries", status)?,
                by("retries", connect)?,
                by("retries", reset)?,
                by("retries", timeout)?,
            ],
            router_retries: by("retries", "router")?,
            success_after_retry: cx.counter("success_after_retry", &labels)?,
            refused: refused.collect::<Result<_, StartError>>()?,
            shadow_retries: cx.counter("shadow_retries", &labels)?,
            wait_ms: cx.histogram("wait_ms", &labels)?,
            hedges: cx.counter("hedges", &labels)?,
            hedges_won: cx.counter("hedges_won", &labels)?,
            hedges_cancelled: cx.counter("hedges_cancelled", &labels)?,
        })
    }

    /// What was counted by all workers, but for what the budget says.
    pub(crate) fn counted(&self, host: &impl Host) -> Counted {
        let read = |counter: Counter| counter.value(host).unwrap_or(0);
        // Below zero for a moment, while one worker has taken back what another has not yet counted.
        let signed = |gauge: Gauge| gauge.value(host).unwrap_or(0).cast_signed();
        let retries = REASONS.iter().zip(self.retries).chain([(&"router", self.router_retries)]);
        Counted {
            requests: self.requests.value(host).unwrap_or(0),
            budget_left: 0,
            budget_spent: signed(self.spent).max(0).unsigned_abs(),
            millitokens_gone: signed(self.tokens_gone),
            retries: retries.map(|(reason, counter)| (*reason, read(counter))).collect(),
            refused: self.refused.iter().map(|(why, counter)| (why.as_str(), read(*counter))).collect(),
            success_after_retry: read(self.success_after_retry),
            shadow_retries: read(self.shadow_retries),
            hedges: read(self.hedges),
            hedges_won: read(self.hedges_won),
            hedges_cancelled: read(self.hedges_cancelled),
        }
    }

    /// Adds what was only counted here so far.
    pub(crate) fn flush(&self, host: &impl Host) {
        self.requests.flush(host);
        self.attempts.flush(host);
    }

    pub(crate) fn refused(&self, host: &impl Host, refusal: Refusal) {
        if let Some((_, counter)) = self.refused.iter().find(|(known, _)| *known == refusal) {
            counter.add(host, 1);
        }
    }

    /// A retry that the filter makes because of this.
    pub(crate) fn retried(&self, host: &impl Host, because: Outcome) {
        let [status, connect, reset, timeout] = self.retries;
        let counter = match because {
            Outcome::ConnectFailure => connect,
            Outcome::Reset => reset,
            Outcome::Timeout => timeout,
            Outcome::Answer(_) | Outcome::Grpc(_) | Outcome::Refused => status,
        };
        counter.add(host, 1);
    }

    pub(crate) fn router_retried(&self, host: &impl Host, count: u64) {
        self.router_retries.add(host, count);
    }

    /// A request has its answer.
    pub(crate) fn finished(&self, host: &impl Host, attempts: u64, success: bool) {
        self.attempts.one(attempts);
        if success && attempts > 1 {
            self.success_after_retry.add(host, 1);
        }
    }
}
