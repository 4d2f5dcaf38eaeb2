//! Requests that the proxy's router retries: told when they come, counted when they end.

use crate::RetryPolicy;
use crate::answers::{self, mark, report};
use crate::policies::{attempts_of_router, route_of};
use crate::requests::{Asked, forbid, pass_on, steer};
use crate::stream::Routed;
use ballast_core::retry_policy::attempts::Refusal;
use ballast_host::{CapturedRequest, Cx, Flow, Host};

impl RetryPolicy {
    /// The request's headers have come.
    pub(crate) fn steer_router<H: Host>(
        &mut self,
        number: usize,
        asked: &Asked,
        request: CapturedRequest,
        cx: &mut Cx<'_, H>,
    ) -> Option<Routed> {
        let running = self.running.get(number)?;
        let policy = &running.policy;
        let headers = request.headers();
        if !asked.may_repeat || (asked.is_retry && !policy.retry_of_retry) {
            forbid(cx.host, headers, asked, policy.timeout, running.is_route_quiet());
            if asked.is_retry {
                pass_on(cx.host);
            }
            return None;
        }
        let left = running.budgeted(cx.host, policy.max_attempts.saturating_sub(1));
        let closed = || running.is_throttled(cx.host).then_some(Refusal::Throttle);
        let refused = running.stopped(cx).or_else(closed).or((left == 0).then_some(Refusal::Budget));
        let retries = if refused.is_some() { 0 } else { left };
        steer(cx.host, headers, asked, policy, retries);
        let learns = policy.learns_routes && running.routes.wants_look(cx.host.now());
        Some(Routed { policy: number, refused, is_counted: false, seen: learns.then_some(request) })
    }

    /// The answer has come, after all attempts.
    pub(crate) fn router_answered<H: Host>(&mut self, routed: &mut Routed, cx: &mut Cx<'_, H>) -> Flow {
        let attempts = self.count_router_attempts(routed, cx);
        let Some(running) = self.running.get(routed.policy) else { return Flow::Continue };
        let policy = &running.policy;
        let is_news = attempts > 1 || routed.refused.is_some() || policy.throttle.is_some();
        if is_news || answers::is_marked(cx.host) {
            let status = answers::status(cx.host);
            let (outcome, said) = answers::of_router(&self.config, policy, cx.host, status);
            running.tell_throttle(cx.host, !said.retriable);
            running.metrics.finished(cx.host, attempts, outcome.is_success());
            if said.retriable && (attempts > 1 || routed.refused.is_some() || said.spent) {
                mark(&self.config, cx.host, &mut None);
            }
            let refused = routed.refused.filter(|_| said.retriable);
            if let Some(refusal) = refused {
                running.metrics.refused(cx.host, refusal);
            }
            if attempts > 1 || refused.is_some() {
                let name = &policy.name;
                let why = refused.map_or(String::new(), |refusal| format!(",{}", refusal.as_str()));
                self.leave_state(cx, &format!("{name},{attempts}x+{outcome}{why}"));
            }
        } else {
            running.metrics.finished(cx.host, attempts, false);
        }
        if policy.report_attempts {
            report(cx.host, &mut None, attempts);
        }
        Flow::Continue
    }

    /// Looks at what was sent, and compares it with what came.
    pub(crate) fn learn_route<H: Host>(&mut self, policy: usize, seen: &CapturedRequest, cx: &mut Cx<'_, H>) {
        let Some(running) = self.running.get_mut(policy) else { return };
        if !running.policy.learns_routes {
            return;
        }
        let now = cx.host.now();
        if !running.routes.wants_look(now) {
            return;
        }
        // A request that never reached an upstream tells nothing about the route.
        if cx.host.property("upstream\0address").is_none() {
            return;
        }
        if let Ok(changed) = seen.rewritten_by_route(cx.host) {
            running.routes.learn(route_of(cx.host), changed.is_some(), now);
        }
    }

    /// Charges the budget for the retries that the router made, once: with the answer, or at the end if none came. The number
    /// of attempts.
    pub(crate) fn count_router_attempts<H: Host>(&mut self, routed: &mut Routed, cx: &Cx<'_, H>) -> u64 {
        if routed.is_counted {
            return 1;
        }
        routed.is_counted = true;
        let attempts = attempts_of_router(cx.host);
        if let Some(running) = self.running.get(routed.policy)
            && attempts > 1
        {
            let retries = attempts - 1;
            running.metrics.router_retried(cx.host, retries);
            running.metrics.spent.add(cx.host, i64::try_from(retries).unwrap_or(0));
        }
        attempts
    }
}
