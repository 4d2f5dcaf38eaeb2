//! The retry policy filter: a request comes, its policy says which way retries go, and what comes of each attempt decides.
//!
//! # How
//!
//! By way of the router, the request's headers tell Envoy's own router what to retry, and the budget is charged
//! with what it did (`routed`). By replay, the first attempt goes through the router, an answer that asks for a retry is held
//! back, the wait is a timer, further attempts are call-outs, and the last answer is put in the held one's place
//! (`replayed`).
//!
//! # Limits
//!
//! A replay's answer is buffered whole and has no trailers. A held answer that is only headers cannot be given a body in place: then
//! the new one is a direct reply, which outer filters do not see. What the route adds to responses is missing from replayed ones.

mod answers;
mod metrics;
mod policies;
mod replayed;
mod requests;
mod routed;
mod shown;
mod stream;
mod waiting;

use ballast_core::config::Mode;
use ballast_core::matching::Needs;
use ballast_core::retry_policy::attempts::Attempts;
use ballast_core::retry_policy::config::Config;
use ballast_core::retry_policy::deadline::attempt_timeout;
use ballast_core::status::Draft;
use ballast_core::time::MonoTime;
use ballast_host::{
    CallAnswer, CallToken, CapturedRequest, Cx, Filter, Flow, Host, HostRandom, LogLevel, Next, ReadPlan,
    RequestView, StartError, sees_log,
};
use metrics::PolicyMetrics;
use policies::{Running, route_of};
use replayed::{HEDGE_TIMER, RETRY_TIMER};
use requests::{Asked, forbid};
use stream::{Phase, Replayed, Stream};
use waiting::Waiting;

/// One configuration of the filter in one VM.
#[derive(Debug)]
pub struct RetryPolicy {
    config: Config,
    plan: ReadPlan,
    running: Vec<Running>,
    waiting: Waiting,
}

impl Filter for RetryPolicy {
    const NAME: &'static str = "retry-policy";
    type Config = Config;
    type Stream = Stream;

    fn namespace(config: &Config) -> Option<&str> {
        config.namespace.as_ref().map(|name| name.as_str())
    }

    fn reads_facts(&self) -> bool {
        self.config.reads_facts()
    }

    fn start<H: Host>(config: Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError> {
        if !sees_log() {
            config.check_declared()?;
        }
        let mut needs = Needs::default();
        config.needs(&mut needs);
        let running = config.policies.iter().map(|policy| Running::new(policy.clone(), cx));
        Ok(Self {
            plan: ReadPlan::new(&needs).with_whole_map(),
            running: running.collect::<Result<_, _>>()?,
            waiting: Waiting::default(),
            config,
        })
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        if self.config.mode == Mode::Disabled {
            return Flow::Continue;
        }
        let view = RequestView::new(cx.host, &self.plan);
        let Some(number) = self.config.policy_for(&view) else { return Flow::Continue };
        let headers = view.into_headers();
        let Some(running) = self.running.get_mut(number) else { return Flow::Continue };
        let policy = &running.policy;
        let asked = Asked::read(policy, &headers);
        if policy.mode == Mode::Disabled || asked.is_upgrade {
            return Flow::Continue;
        }
        running.metrics.requests.one();
        let is_enforced = self.config.mode == Mode::Enforce && policy.is_enforced(&mut HostRandom(cx.host));
        let may_retry = asked.may_repeat && (!asked.is_retry || policy.retry_of_retry);
        let request = CapturedRequest::new(headers, end);
        let replays = policy.replays && may_retry && !asked.is_grpc && running.may_replay(cx);
        if !is_enforced && may_retry {
            *stream = watched(number, request);
        } else if is_enforced && !replays {
            if let Some(routed) = self.steer_router(number, &asked, request, cx) {
                *stream = Stream::Routed(Box::new(routed));
            }
        } else if is_enforced {
            return self.begin_replay(number, &asked, request, stream, cx);
        }
        Flow::Continue
    }

    fn on_request_body<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> Flow {
        if let Stream::Replayed(replayed) = stream
            && let Some(running) = self.running.get(replayed.policy)
            && running.policy.replays
        {
            replayed.request.tee(cx.host, size, end, running.policy.max_body);
        }
        Flow::Continue
    }

    fn on_response_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        match stream {
            Stream::Free => Flow::Continue,
            Stream::Routed(routed) => self.router_answered(routed, cx),
            Stream::Replayed(replayed) => self.first_answered(replayed, cx, end),
        }
    }

    fn on_response_body<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        _: bool,
    ) -> Flow {
        match stream {
            Stream::Replayed(replayed) => {
                replayed.replacement.as_mut().map_or(Flow::Continue, |new| new.on_body(cx, size))
            }
            _ => Flow::Continue,
        }
    }

    fn on_response_trailers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Flow {
        match stream {
            Stream::Replayed(replayed) => {
                replayed.replacement.as_mut().map_or(Flow::Continue, |new| new.on_trailers(cx))
            }
            _ => Flow::Continue,
        }
    }

    fn on_timer<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, timer: u32) -> Next {
        match (stream, timer) {
            (Stream::Replayed(replayed), RETRY_TIMER) => self.wait_ended(replayed, cx),
            (Stream::Replayed(replayed), HEDGE_TIMER) => self.hedge(replayed, cx),
            _ => Next::Stay,
        }
    }

    fn on_call<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        call: CallToken,
        answer: CallAnswer,
    ) -> Next {
        match stream {
            Stream::Replayed(replayed) => self.call_answered(replayed, call, answer, cx),
            _ => Next::Stay,
        }
    }

    /// The only callback in which what was sent can be seen.
    fn on_log<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) {
        match stream {
            Stream::Free => {}
            Stream::Routed(routed) => {
                if let Some(seen) = routed.seen.take() {
                    self.learn_route(routed.policy, &seen, cx);
                }
            }
            Stream::Replayed(replayed) => self.learn_route(replayed.policy, &replayed.request, cx),
        }
    }

    fn on_destroy<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) {
        match stream {
            Stream::Routed(routed) => {
                self.count_router_attempts(routed, cx);
            }
            Stream::Replayed(replayed) if replayed.phase == Phase::Waiting => {
                self.abandon_wait(replayed, cx);
            }
            Stream::Free | Stream::Replayed(_) => {}
        }
    }

    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let on_error = self.config.on_error;
        self.running.iter().for_each(|running| running.metrics.flush(cx.host));
        self.running.iter_mut().for_each(|running| running.roll(cx, on_error));
        let waiting = self.running.iter().map(|running| running.waiting).sum();
        self.waiting.show(waiting, cx);
    }

    fn on_end<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.running.iter().for_each(|running| running.metrics.flush(cx.host));
    }

    fn status<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Option<Draft> {
        Some(self.draft(cx))
    }
}

impl RetryPolicy {
    /// The request goes on to the router, once; what comes back may be held. A policy that looks at bodies makes the first
    /// attempt itself, too, where the request has none.
    fn begin_replay<H: Host>(
        &mut self,
        number: usize,
        asked: &Asked,
        request: CapturedRequest,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
    ) -> Flow {
        let Some(running) = self.running.get(number) else { return Flow::Continue };
        let policy = &running.policy;
        // The clock is a call, and most policies ask for nothing that needs it.
        let needs_now =
            asked.has_deadline(policy) || (policy.learns_routes && policy.retry_on.body.is_some());
        let now = if needs_now { cx.host.now() } else { MonoTime::ZERO };
        let deadline = asked.deadline(policy, now);
        let bounded = policy.per_try_timeout.is_some() || deadline.is_some();
        let timeout = attempt_timeout(policy.per_try_timeout, deadline, now).filter(|_| bounded);
        let knows_route = !policy.learns_routes || !running.routes.wants_look(now);
        let calls_first = policy.retry_on.body.is_some() && request.is_complete() && knows_route;
        let (hedge, is_route_quiet) = (policy.hedge, running.is_route_quiet());
        let mut replayed = Replayed::new(number, true, request, Attempts::new(deadline));
        if calls_first && let Ok(call) = self.send(&mut replayed, cx) {
            replayed.phase = Phase::Called(call);
            *stream = Stream::Replayed(Box::new(replayed));
            return Flow::Pause;
        }
        forbid(cx.host, replayed.request.headers(), asked, timeout, is_route_quiet);
        if let Some(hedge) = hedge {
            Self::set_hedge_timer(cx, hedge.after);
        }
        *stream = Stream::Replayed(Box::new(replayed));
        Flow::Continue
    }

    fn count(&self, policy: usize, add: impl FnOnce(&PolicyMetrics)) {
        if let Some(running) = self.running.get(policy) {
            add(&running.metrics);
        }
    }

    /// What the access log shows.
    fn leave_state<H: Host>(&self, cx: &Cx<'_, H>, state: &str) {
        if let Err(error) = cx.host.set_filter_state("ballast.retry-policy", state.as_bytes()) {
            cx.log(LogLevel::Debug, &format!("no filter state: {error}"));
        }
    }
}

impl Running {
    /// Whether a request may be held for replay, as far as the route is known.
    fn may_replay<H: Host>(&mut self, cx: &Cx<'_, H>) -> bool {
        !self.policy.learns_routes
            || (!self.routes.is_empty()
                && (!self.routes.is_mixed() || self.routes.is_plain(&route_of(cx.host))))
    }
}

/// A request whose answer is only looked at.
fn watched(number: usize, request: CapturedRequest) -> Stream {
    Stream::Replayed(Box::new(Replayed::new(number, false, request, Attempts::new(None))))
}
