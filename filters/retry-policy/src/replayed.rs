//! Requests that the filter retries: the answer is held, the request sent again, and what came put in its place.

use crate::RetryPolicy;
use crate::answers::{self, mark, report};
use crate::policies::route_of;
use crate::stream::{Phase, Replayed};
use ballast_core::retry_policy::attempts::{Decision, Refusal, Said, Situation};
use ballast_core::retry_policy::deadline::attempt_timeout;
use ballast_core::retry_policy::outcome::Outcome;
use ballast_host::{
    Answer, CallAnswer, CallToken, Cx, Flow, Half, Host, HostRandom, Next, Replacement, direct, route_cluster,
};
use core::time::Duration;

/// The number of the timer that ends a wait.
pub(crate) const RETRY_TIMER: u32 = 0;
/// The number of the timer that sends a second request.
pub(crate) const HEDGE_TIMER: u32 = 1;

/// What the access log shows where a replayed answer is a direct reply.
const DETAILS: &str = "ballast_retry_policy{replayed}";

impl RetryPolicy {
    /// The router's answer has come.
    pub(crate) fn first_answered<H: Host>(
        &mut self,
        replayed: &mut Replayed,
        cx: &mut Cx<'_, H>,
        end: bool,
    ) -> Flow {
        if replayed.phase != Phase::Sent {
            return Flow::Continue;
        }
        let Some(running) = self.running.get(replayed.policy) else { return Flow::Continue };
        let status = answers::status(cx.host);
        let is_marked = status >= 400 && answers::is_marked(cx.host);
        if !running.policy.retry_on.may_want(status) && !is_marked {
            replayed.phase = Phase::Done;
            running.tell_throttle(cx.host, true);
            running.metrics.finished(cx.host, 1, false);
            running.metrics.hedges_cancelled.add(cx.host, replayed.hedged.into());
            if running.policy.report_attempts {
                report(cx.host, &mut None, 1);
            }
            return Flow::Continue;
        }
        let (outcome, said) = answers::of_router(&self.config, &running.policy, cx.host, status);
        if let Some(running) = self.running.get_mut(replayed.policy) {
            running.watch_route(cx);
        }
        match self.decide(replayed, outcome, said, cx) {
            Decision::Retry(_) => {
                replayed.held = Some(end);
                Flow::Pause
            }
            Decision::Deliver(_) => {
                self.finish(replayed, outcome, said, None, cx);
                Flow::Continue
            }
        }
    }

    /// A wait is over: the request is sent again.
    pub(crate) fn wait_ended<H: Host>(&mut self, replayed: &mut Replayed, cx: &mut Cx<'_, H>) -> Next {
        if replayed.phase != Phase::Waiting {
            return Next::Stay;
        }
        self.leave_wait(replayed.policy);
        // The level may have risen while it waited.
        let stop = self.running.get(replayed.policy).map(|running| running.policy.stop_when);
        let stopped = stop.and_then(|stop| stop.overload(cx.facts()));
        match stopped.map_or_else(|| self.send(replayed, cx), Err) {
            Ok(call) => {
                replayed.phase = Phase::Called(call);
                Next::Stay
            }
            Err(refusal) => {
                if let Some(running) = self.running.get(replayed.policy) {
                    running.take_back(cx.host);
                    running.metrics.refused(cx.host, refusal);
                }
                let _ = replayed.attempts.refuse(refusal);
                let said = Said { retriable: true, ..Said::default() };
                self.deliver(replayed, Outcome::Refused, said, cx)
            }
        }
    }

    /// A call-out is answered.
    pub(crate) fn call_answered<H: Host>(
        &mut self,
        replayed: &mut Replayed,
        call: CallToken,
        answer: CallAnswer,
        cx: &mut Cx<'_, H>,
    ) -> Next {
        let CallAnswer::Http { headers, body } = answer else { return Next::Stay };
        let Some(running) = self.running.get(replayed.policy) else { return Next::Stay };
        let cluster = replayed.cluster.as_deref().unwrap_or_default();
        let (outcome, said, answer) =
            answers::of_call(&self.config, &running.policy, cx.host, cluster, &headers, body);
        let is_hedge = replayed.hedges.contains(&call);
        replayed.hedges.retain(|hedge| *hedge != call);
        if replayed.phase == Phase::Done || (is_hedge && said.retriable) {
            return Next::Stay;
        }
        if !is_hedge && replayed.phase != Phase::Called(call) {
            return Next::Stay;
        }
        if is_hedge {
            running.metrics.hedges_won.add(cx.host, 1);
            if replayed.phase == Phase::Waiting {
                self.abandon_wait(replayed, cx);
            }
        }
        if answer.is_some() {
            replayed.last = answer;
        }
        match self.decide(replayed, outcome, said, cx) {
            Decision::Retry(_) => Next::Stay,
            Decision::Deliver(_) => self.deliver(replayed, outcome, said, cx),
        }
    }

    /// The first request takes long: another one is sent beside it.
    pub(crate) fn hedge<H: Host>(&mut self, replayed: &mut Replayed, cx: &mut Cx<'_, H>) -> Next {
        let Some(running) = self.running.get(replayed.policy) else { return Next::Stay };
        let Some(hedge) = running.policy.hedge else { return Next::Stay };
        if replayed.phase != Phase::Sent || replayed.hedged >= hedge.max {
            return Next::Stay;
        }
        let stopped = running.policy.stop_when.hedge(cx.facts());
        if let Some(refusal) = stopped.or_else(|| self.obstacle(replayed, cx)) {
            self.count(replayed.policy, |metrics| metrics.refused(cx.host, refusal));
            return Next::Stay;
        }
        let Some(running) = self.running.get(replayed.policy) else { return Next::Stay };
        if running.is_throttled(cx.host) || !running.charge(cx.host) {
            running.metrics.refused(cx.host, Refusal::Budget);
            return Next::Stay;
        }
        match self.send(replayed, cx) {
            Ok(call) => {
                replayed.hedged += 1;
                replayed.hedges.push(call);
                self.count(replayed.policy, |metrics| metrics.hedges.add(cx.host, 1));
                if replayed.hedged < hedge.max {
                    cx.set_timer(hedge.after, HEDGE_TIMER);
                }
            }
            Err(refusal) => {
                if let Some(running) = self.running.get(replayed.policy) {
                    running.take_back(cx.host);
                    running.metrics.refused(cx.host, refusal);
                }
            }
        }
        Next::Stay
    }

    /// Takes in what came of an attempt. A retry is charged for, and its timer set.
    fn decide<H: Host>(
        &mut self,
        replayed: &mut Replayed,
        outcome: Outcome,
        said: Said,
        cx: &mut Cx<'_, H>,
    ) -> Decision {
        let obstacle = if said.retriable { self.obstacle(replayed, cx) } else { None };
        let Some(running) = self.running.get_mut(replayed.policy) else { return Decision::Deliver(None) };
        running.tell_throttle(cx.host, !said.retriable);
        let situation = Situation {
            now: cx.host.now(),
            obstacle,
            budget: if said.retriable { running.budget_left(cx.host) } else { 0 },
            throttled: said.retriable && running.is_throttled(cx.host),
        };
        let mut random = HostRandom(cx.host);
        let mut decision = replayed.attempts.ended(&running.policy, outcome, said, &situation, &mut random);
        if let Decision::Retry(wait) = decision {
            if !replayed.is_enforced {
                running.metrics.shadow_retries.add(cx.host, 1);
                decision = Decision::Deliver(None);
            } else if running.charge(cx.host) {
                running.waiting += 1;
                running.metrics.retried(cx.host, outcome);
                running.metrics.wait_ms.record(cx.host, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                replayed.phase = Phase::Waiting;
                cx.set_timer(wait, RETRY_TIMER);
            } else {
                decision = replayed.attempts.refuse(Refusal::Budget);
            }
        }
        if let Decision::Deliver(Some(refusal)) = decision
            && let Some(running) = self.running.get(replayed.policy)
        {
            running.metrics.refused(cx.host, refusal);
        }
        decision
    }

    /// What stands in the way of sending the request again, whatever came of it.
    fn obstacle<H: Host>(&mut self, replayed: &mut Replayed, cx: &mut Cx<'_, H>) -> Option<Refusal> {
        let running = self.running.get_mut(replayed.policy)?;
        if !running.policy.replays {
            // Only looked at: the router would send it.
            return running.stopped(cx);
        }
        if !replayed.request.is_complete() {
            return Some(Refusal::Body);
        }
        if running.policy.learns_routes && !running.routes.is_plain(&route_of(cx.host)) {
            return Some(Refusal::Route);
        }
        if running.waiting >= running.policy.max_waiting {
            return Some(Refusal::Waiting);
        }
        running.stopped(cx)
    }

    /// Makes the call-out.
    pub(crate) fn send<H: Host>(
        &mut self,
        replayed: &mut Replayed,
        cx: &mut Cx<'_, H>,
    ) -> Result<CallToken, Refusal> {
        let running = self.running.get(replayed.policy).ok_or(Refusal::Call)?;
        let policy = &running.policy;
        let deadline = replayed.attempts.deadline();
        let timeout =
            attempt_timeout(policy.per_try_timeout, deadline, cx.host.now()).ok_or(Refusal::Deadline)?;
        let cluster = match (&policy.loopback_cluster, replayed.cluster.take()) {
            (Some(cluster), _) => cluster.clone(),
            (None, Some(cluster)) => cluster,
            (None, None) => route_cluster(cx.host).ok_or(Refusal::Route)?,
        };
        let call = replayed.request.call(&cluster, policy.rewrite.as_ref(), timeout);
        replayed.cluster = Some(cluster);
        let mut call = call.ok_or(Refusal::Body)?;
        let attempt = replayed.attempts.made().saturating_add(replayed.hedged).saturating_add(1);
        call.headers.push(("x-envoy-attempt-count".to_owned(), attempt.to_string()));
        cx.call_http(&call).map_err(|_| Refusal::Call)
    }

    /// Gives the client what came last.
    fn deliver<H: Host>(
        &mut self,
        replayed: &mut Replayed,
        outcome: Outcome,
        said: Said,
        cx: &mut Cx<'_, H>,
    ) -> Next {
        let mut last = replayed.last.take();
        self.finish(replayed, outcome, said, last.as_mut(), cx);
        match (last, replayed.held) {
            (Some(answer), Some(header_only)) => {
                let (next, replacement) = Replacement::begin(cx, header_only, answer, DETAILS);
                replayed.replacement = replacement;
                next
            }
            // No answer has come from the router: this one is the first, and outer filters see it.
            (Some(answer), None) => Next::Reply(Box::new(direct(answer, DETAILS))),
            (None, Some(_)) => Next::Resume(Half::Response),
            (None, None) => {
                let headers = vec![(":status".to_owned(), b"503".to_vec())];
                Next::Reply(Box::new(direct(Answer { headers, body: Vec::new() }, DETAILS)))
            }
        }
    }

    /// Counts and marks the answer that the client gets.
    fn finish<H: Host>(
        &mut self,
        replayed: &mut Replayed,
        outcome: Outcome,
        said: Said,
        mut answer: Option<&mut Answer>,
        cx: &mut Cx<'_, H>,
    ) {
        replayed.phase = Phase::Done;
        let Some(running) = self.running.get(replayed.policy) else { return };
        let attempts = u64::from(replayed.attempts.made().saturating_add(replayed.hedged).max(1));
        running.metrics.finished(cx.host, attempts, outcome.is_success());
        let cancelled = u64::try_from(replayed.hedges.len()).unwrap_or(0);
        running.metrics.hedges_cancelled.add(cx.host, cancelled);
        if said.retriable && replayed.is_enforced && (replayed.attempts.is_spent() || said.spent) {
            mark(&self.config, cx.host, &mut answer);
        }
        if running.policy.report_attempts {
            report(cx.host, &mut answer, attempts);
        }
        if attempts > 1 || replayed.attempts.refused().is_some() {
            self.leave_state(cx, &replayed.attempts.summary(running.policy.name.as_str()));
        }
    }

    fn leave_wait(&mut self, policy: usize) {
        if let Some(running) = self.running.get_mut(policy) {
            running.waiting = running.waiting.saturating_sub(1);
        }
    }

    /// The request no longer waits, and is not sent again.
    pub(crate) fn abandon_wait<H: Host>(&mut self, replayed: &mut Replayed, cx: &Cx<'_, H>) {
        self.leave_wait(replayed.policy);
        replayed.phase = Phase::Done;
        if let Some(running) = self.running.get(replayed.policy) {
            running.take_back(cx.host);
        }
    }

    /// The timer of the first second request.
    pub(crate) fn set_hedge_timer<H: Host>(cx: &mut Cx<'_, H>, after: Duration) {
        cx.set_timer(after, HEDGE_TIMER);
    }
}
