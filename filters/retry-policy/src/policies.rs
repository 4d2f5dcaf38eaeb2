//! A policy at work: what the workers share of it, and what this one knows.

use crate::metrics::PolicyMetrics;
use ballast_core::config::OnError;
use ballast_core::retry_policy::attempts::Refusal;
use ballast_core::retry_policy::budget::{Ledger, Roll, Totals};
use ballast_core::retry_policy::config::{Policy, RouteRetries};
use ballast_core::retry_policy::routes::Routes;
use ballast_core::rewrite::Rewrite;
use ballast_host::{About, Cx, Host, LogLevel, StartError};

/// What the circuit breaker leaves behind for a request that it watches: `<rule>,<state>`.
const BREAKER: &str = "ballast.circuit-breaker";

/// One policy at work.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) policy: Policy,
    pub(crate) metrics: PolicyMetrics,
    /// The window, as of the last tick.
    ledger: Ledger,
    /// The store failed, and the configuration retries nothing then.
    is_broken: bool,
    pub(crate) routes: Routes,
    /// The router was seen to retry although no route was to.
    route_has_retried: bool,
    /// Requests of this worker that wait for their retry.
    pub(crate) waiting: u32,
    /// What was told of last: the budget is spent, the throttle is closed.
    pub(crate) told: (bool, bool),
}

impl Running {
    pub(crate) fn new<H: Host>(policy: Policy, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let metrics = PolicyMetrics::define(policy.name.as_str(), cx)?;
        Ok(Self {
            metrics,
            policy,
            ledger: Ledger::default(),
            is_broken: false,
            routes: Routes::default(),
            route_has_retried: false,
            waiting: 0,
            told: (false, false),
        })
    }

    fn totals(&self, host: &impl Host) -> Totals {
        Totals { requests: self.metrics.requests.value(host).unwrap_or(0), retries: self.retries(host) }
    }

    fn retries(&self, host: &impl Host) -> u64 {
        // Below zero the gauge wraps: nothing was spent then.
        let retries = self.metrics.spent.value(host).unwrap_or(0);
        if retries > u64::MAX / 2 { 0 } else { retries }
    }

    /// Begins the part of the window that now is in, for all workers.
    pub(crate) fn roll<H: Host>(&mut self, cx: &mut Cx<'_, H>, on_error: OnError) {
        let (now, totals, budget) = (cx.host.now(), self.totals(cx.host), self.policy.budget);
        let Some(rolled) = self.ledger.rolled(&budget, now, totals) else { return };
        let key = format!("budget/{}", self.policy.name);
        match cx.run(&mut Rewrite::new(key, Roll { budget, now, totals })) {
            Ok(ledger) => {
                self.ledger = ledger;
                self.is_broken = false;
            }
            Err(_) => {
                self.ledger = rolled;
                self.is_broken = on_error == OnError::Deny;
            }
        }
    }

    /// How many retries the budget allows.
    pub(crate) fn budget_left(&self, host: &impl Host) -> u64 {
        if self.is_broken { 0 } else { self.ledger.remaining(&self.policy.budget, self.totals(host)) }
    }

    /// How many of so many retries the budget allows. The requests are asked for only where the floor does not allow all of them.
    pub(crate) fn budgeted(&self, host: &impl Host, wanted: u32) -> u32 {
        if self.is_broken {
            return 0;
        }
        let (budget, retries) = (&self.policy.budget, self.retries(host));
        if self.ledger.remaining_of_floor(budget, retries) >= u64::from(wanted) {
            return wanted;
        }
        let requests = self.metrics.requests.value(host).unwrap_or(0);
        let left = self.ledger.remaining(budget, Totals { requests, retries });
        wanted.min(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Counts a retry, if the budget allows it whoever else counts at the same time.
    pub(crate) fn charge(&self, host: &impl Host) -> bool {
        if self.is_broken {
            return false;
        }
        self.metrics.spent.add(host, 1);
        let mut before = self.totals(host);
        before.retries = before.retries.saturating_sub(1);
        let allowed = self.ledger.remaining(&self.policy.budget, before) > 0;
        if !allowed {
            self.metrics.spent.add(host, -1);
        }
        allowed
    }

    /// A retry that was counted is not made.
    pub(crate) fn take_back(&self, host: &impl Host) {
        self.metrics.spent.add(host, -1);
    }

    /// Whether no route of this policy retries by itself, as far as that is known.
    pub(crate) fn is_route_quiet(&self) -> bool {
        self.policy.route_retries == RouteRetries::None && !self.route_has_retried
    }

    /// An answer asks for a retry: looks whether the route has retried although it was not to.
    pub(crate) fn watch_route<H: Host>(&mut self, cx: &Cx<'_, H>) {
        if !self.is_route_quiet() || attempts_of_router(cx.host) < 2 {
            return;
        }
        self.route_has_retried = true;
        let text = format!(
            "{}: a route has retried by itself although `route_retries` is `none`: from now on that is forbidden",
            self.policy.name
        );
        cx.log_about(LogLevel::Warn, About::rule(self.policy.name.as_str()), &text);
    }

    /// Whether the throttle is closed.
    pub(crate) fn is_throttled(&self, host: &impl Host) -> bool {
        self.policy
            .throttle
            .is_some_and(|throttle| !throttle.allows(self.metrics.tokens_gone.value(host).unwrap_or(0)))
    }

    /// Tells the throttle what came of an attempt.
    pub(crate) fn tell_throttle(&self, host: &impl Host, success: bool) {
        if let Some(throttle) = self.policy.throttle {
            let gone = self.metrics.tokens_gone.value(host).unwrap_or(0);
            self.metrics.tokens_gone.add(host, throttle.change(gone, success));
        }
    }

    /// What the rest of the process says against retries.
    pub(crate) fn stopped<H: Host>(&self, cx: &Cx<'_, H>) -> Option<Refusal> {
        let stop = self.policy.stop_when;
        stop.overload(cx.facts()).or_else(|| {
            let fact = if stop.breaker_open { cx.host.property(BREAKER) } else { None };
            let state = fact.as_deref().and_then(|fact| fact.rsplit(|byte| *byte == b',').next());
            matches!(state, Some(b"open" | b"half_open")).then_some(Refusal::BreakerOpen)
        })
    }
}

/// How many attempts the router has made.
pub(crate) fn attempts_of_router(host: &impl Host) -> u64 {
    let count = host.property("upstream\0request_attempt_count");
    let bytes = count.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    bytes.map_or(1, u64::from_le_bytes).clamp(1, 100)
}

/// How a route is told from others: its name and its cluster.
pub(crate) fn route_of(host: &impl Host) -> Vec<u8> {
    let mut route = host.property("xds\0route_name").unwrap_or_default();
    route.push(0);
    route.extend_from_slice(&host.property("xds\0cluster_name").unwrap_or_default());
    route
}
