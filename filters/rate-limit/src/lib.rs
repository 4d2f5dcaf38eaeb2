//! The rate limit filter: a request comes, [`Admit`] decides, the proxy acts.
//!
//! # How
//!
//! A request's limits are asked when its headers come, and what was charged is kept in the stream. The answer is told about
//! the limits on its way out, also if it is this filter's own refusal. The end of the stream settles: permits are
//! released, and what does not count is refunded. What could not be settled is tried again on the next tick. A worker
//! that was declared dead while it was only stalled adds the permits of its requests again when it is back.
//!
//! Limits that a service counts for all proxies are in `service` and `leasing`; nothing of them is on the way of a
//! request that has none.
//!
//! # Limits
//!
//! Answers that a filter further in sends directly, past the response callbacks, carry no `RateLimit` headers.

mod in_flight;
mod leasing;
mod metrics;
mod operate;
mod refusal;
mod service;
mod snapshots;

use ballast_core::config::{Mode, OnError};
use ballast_core::events::Burst;
use ballast_core::matching::Needs;
use ballast_core::orders::Refusal;
use ballast_core::plane::Overload;
use ballast_core::rate_limit::config::{Asking, Config, Denied, HeaderStyle};
use ballast_core::rate_limit::global::Source;
use ballast_core::rate_limit::headers::Teller;
use ballast_core::rate_limit::operator::ORDERS;
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{
    Admit, Admitted, Algorithm, Charges, Decision, Named, Said, Settle, Situation, admit_from_lease,
    give_back,
};
use ballast_core::status::Draft;
use ballast_core::time::MonoTime;
use ballast_core::vms::Member;
use ballast_host::{
    Busiest, CallAnswer, CallToken, Cx, Filter, Flow, Host, HostRandom, LogLevel, Map, Next, Ordered,
    ReadPlan, RequestView, StartError, sees_responses,
};
use in_flight::{InFlight, Pending};
use leasing::Leasing;
use metrics::LimitMetrics;
use operate::note_clients;
use service::Progress;

/// One configuration of the filter in one VM.
#[derive(Debug)]
pub struct RateLimit {
    config: Config,
    plan: ReadPlan,
    metrics: Vec<LimitMetrics>,
    teller: Teller,
    leases: Leases,
    /// The asks of the request that is decided.
    asking: Asking,
    /// Charges whose settling failed.
    unsettled: Vec<Charges>,
    holds_permits: bool,
    /// Requests that hold permits.
    in_flight: InFlight,
    /// The busiest clients of each limit.
    busiest: Busiest,
    /// What is looked at for events, for each limit: evictions and errors.
    bursts: Vec<[Burst; 2]>,
    /// What belongs to limits that a service counts.
    leasing: Leasing,
}

/// What is remembered about one request.
#[derive(Debug, Default)]
pub struct Stream {
    /// What the limits said, if clients are to be told.
    decision: Option<Decision>,
    /// What the end of the request has a say in.
    charges: Pending,
    /// The answer's status.
    status: Option<u16>,
    /// How far it has come with limits that a service counts.
    progress: Option<Box<Progress>>,
    /// Who decided those, if clients are to be told.
    sources: Vec<(u16, Source)>,
}

impl Filter for RateLimit {
    const NAME: &'static str = "rate-limit";
    const NOTES_ORDERS: &'static [&'static str] = &ORDERS;
    type Config = Config;
    type Stream = Stream;

    fn namespace(config: &Config) -> Option<&str> {
        config.namespace.as_ref().map(|name| name.as_str())
    }

    fn reads_facts(&self) -> bool {
        self.config.is_elastic()
    }

    fn start<H: Host>(config: Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError> {
        if !sees_responses() {
            config.check_requests_only()?;
        }
        let mut needs = Needs::default();
        config.needs(&mut needs);
        let metrics = config.limits.iter().map(|limit| LimitMetrics::define(limit, cx));
        let told = config.limits.iter().map(|limit| (limit.name.as_str(), limit.algorithm));
        let concurrency = |algorithm| matches!(algorithm, Algorithm::Concurrency { .. });
        Ok(Self {
            plan: ReadPlan::new(&needs),
            teller: Teller::new(config.headers, told),
            metrics: metrics.collect::<Result<_, _>>()?,
            leases: Leases::new(),
            asking: Asking::default(),
            unsettled: Vec::new(),
            holds_permits: config.limits.iter().any(|limit| concurrency(limit.algorithm)),
            in_flight: InFlight::default(),
            busiest: Busiest::of(config.limits.iter().map(|limit| limit.name.as_str())),
            bursts: vec![[Burst::default(); 2]; config.limits.len()],
            leasing: Leasing::new(&config),
            config,
        })
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        if self.config.mode == Mode::Disabled {
            return Flow::Continue;
        }
        let Some(secret) = cx.secret() else { return self.broken(cx) };
        let request = RequestView::new(cx.host, &self.plan);
        match self.config.ask(&request, &secret, &mut HostRandom(cx.host), &mut self.asking) {
            Ok(()) if !self.asking.remote().is_empty() => {
                note_clients(&self.config, &self.asking, &request, &mut self.busiest);
                self.decide_with_service(stream, cx)
            }
            Ok(()) if self.asking.asks().is_empty() => Flow::Continue,
            Ok(()) => {
                note_clients(&self.config, &self.asking, &request, &mut self.busiest);
                self.decide(stream, cx)
            }
            Err(Denied { limit, .. }) => {
                self.count(limit, |metrics| metrics.limited.add(cx.host, 1));
                refusal::missing_key(&self.config, limit, cx)
            }
        }
    }

    fn on_response_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        if !stream.charges.is_empty() {
            let status = cx.host.header(Map::ResponseHeaders, ":status");
            stream.status = status.and_then(|text| core::str::from_utf8(&text).ok()?.parse().ok());
        }
        if let Some(decision) = stream.decision.take() {
            let put = |name: &'static str, value: &str| {
                // An answer whose headers cannot be changed any more goes on without.
                let _ = cx.host.set_header(Map::ResponseHeaders, name, value.as_bytes());
            };
            self.teller.tell(&decision, put);
            if let Some((name, value)) = refusal::shadow_mark(&self.config, &decision) {
                put(name, &value);
            }
        }
        if !stream.sources.is_empty() {
            self.tell_sources(stream, cx);
        }
        Flow::Continue
    }

    fn on_destroy<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) {
        if stream.progress.is_some() {
            self.leasing.forget(cx.stream_number());
        }
        let charges = stream.charges.take();
        if !charges.is_empty() {
            let settle = self.config.settle(charges, stream.status, &mut self.leases, cx.host.now());
            self.settle(settle, cx);
        }
    }

    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let now = cx.host.now();
        self.metrics.iter().for_each(|metrics| metrics.flush(cx.host));
        self.follow(cx.facts().overload, now, cx);
        self.give_back(cx, now);
        self.empty_purse(now, cx);
        // Usually a message to itself was faster.
        self.ask_for_blocks(cx);
        for charges in core::mem::take(&mut self.unsettled) {
            // Whatever is in here was to be taken back: no status makes it count.
            let again = charges.settle(|_| false, &mut self.leases, now);
            self.settle(again, cx);
        }
        self.in_flight.forget_ended();
        self.busiest.tick(cx);
    }

    fn on_order<H: Host>(&mut self, cx: &mut Cx<'_, H>, ordered: &Ordered) -> Result<Vec<u8>, Refusal> {
        self.execute(cx, ordered)
    }

    fn status<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Option<Draft> {
        Some(self.draft(cx))
    }

    fn on_rejoin<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(me) = cx.member() else { return };
        let (view, now) = (cx.view().clone(), cx.host.now());
        let mut most_over = 0;
        for (before, pending) in self.in_flight.renamed(me) {
            let rejoin = pending.take().rejoin(before, me, view.clone(), now);
            let rejoined = cx.run(&mut Named::new(rejoin, |limit| self.config.name_of(limit)));
            for (limit, change) in rejoined.stored {
                self.count(limit, |metrics| metrics.keys.add(cx.host, change));
            }
            most_over = rejoined.over.max(most_over);
            pending.set(rejoined.charges);
        }
        if most_over > 0 {
            let text = format!("this worker was stalled: {most_over} more than allowed are in flight");
            cx.log(LogLevel::Warn, &text);
        }
    }

    fn on_end<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.metrics.iter().for_each(|metrics| metrics.flush(cx.host));
        self.give_back(cx, cx.host.now());
        self.empty_purse(cx.host.now(), cx);
    }

    fn on_call<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        call: CallToken,
        answer: CallAnswer,
    ) -> Next {
        self.answered(stream, cx, call, &answer)
    }

    fn on_background_call<H: Host>(&mut self, cx: &mut Cx<'_, H>, call: CallToken, answer: CallAnswer) {
        self.block_answered(call, &answer, cx);
    }

    fn on_nudge<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.nudged(cx);
    }

    fn on_wake<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: u32) -> Next {
        self.go_on(stream, cx)
    }

    fn on_timer<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: u32) -> Next {
        self.go_on(stream, cx)
    }
}

impl RateLimit {
    fn decide<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Flow {
        let now = cx.host.now();
        if let [ask] = self.asking.asks()
            && let Some(verdict) = admit_from_lease(ask, &mut self.leases, now)
        {
            self.count(ask.limit, |metrics| metrics.decided(cx.host, &verdict));
            if self.config.headers != HeaderStyle::None {
                stream.decision = Some(Decision { verdicts: vec![verdict], refused_by: None });
            }
            return Flow::Continue;
        }
        let decision = self.admit(stream, now, cx);
        for verdict in &decision.verdicts {
            self.count(verdict.ask.limit, |metrics| metrics.decided(cx.host, verdict));
            if matches!(verdict.said, Said::Refuse { .. }) {
                self.busiest.refused(verdict.ask.limit.into(), verdict.ask.client);
            }
        }
        let flow =
            if decision.passes() { Flow::Continue } else { refusal::over_limit(&self.config, &decision, cx) };
        let told = self.config.headers != HeaderStyle::None || refusal::is_marked(&decision);
        stream.decision = told.then_some(decision);
        flow
    }

    /// Tightens and widens what is elastic. What was taken in advance at another price goes back on the same tick.
    fn follow<H: Host>(&mut self, overload: Overload, now: MonoTime, cx: &Cx<'_, H>) {
        let metrics = &self.metrics;
        self.config.follow(overload, now, |limit, share| {
            if let Some(metrics) = metrics.get(usize::from(limit)) {
                metrics.left(cx.host, share);
            }
        });
    }

    /// Asks the process's own limits.
    fn admit<H: Host>(&mut self, stream: &mut Stream, now: MonoTime, cx: &mut Cx<'_, H>) -> Decision {
        let me = if self.holds_permits { cx.member() } else { None };
        let situation = self.situation(me, now, cx);
        let leases = core::mem::take(&mut self.leases);
        let admit = Admit::new(self.asking.asks().iter().copied(), situation, leases);
        let (decision, charges) = self.converse(admit, cx);
        stream.charges = Pending::new(charges);
        if let Some(me) = me {
            self.in_flight.add(me, &stream.charges);
        }
        decision
    }

    fn situation<H: Host>(&self, me: Option<Member>, now: MonoTime, cx: &Cx<'_, H>) -> Situation {
        let view = cx.view().clone();
        let workers = view.members().count().try_into().unwrap_or(u64::MAX);
        let allow_on_error = self.config.on_error == OnError::Allow;
        Situation { now, me, workers, view, allow_on_error, name_all: true }
    }

    /// Runs an admission to which this worker's leases were lent.
    fn converse<H: Host>(&mut self, admit: Admit, cx: &mut Cx<'_, H>) -> (Decision, Charges) {
        let mut named = Named::new(admit, |limit| self.config.name_of(limit));
        let Admitted { decision, charges, leases } = cx.run(&mut named);
        self.leases = leases;
        (decision, charges)
    }

    fn count(&self, limit: u16, add: impl FnOnce(&LimitMetrics)) {
        if let Some(metrics) = self.metrics.get(usize::from(limit)) {
            add(metrics);
        }
    }

    fn settle<H: Host>(&mut self, settle: Settle, cx: &mut Cx<'_, H>) {
        if settle.is_empty() {
            return;
        }
        let settled = cx.run(&mut Named::new(settle, |limit| self.config.name_of(limit)));
        for (limit, change) in settled.stored {
            self.count(limit, |metrics| metrics.keys.add(cx.host, change));
        }
        if !settled.failed.is_empty() {
            self.unsettled.push(settled.failed);
        }
    }

    fn give_back<H: Host>(&mut self, cx: &mut Cx<'_, H>, now: MonoTime) {
        let settle = give_back(&mut self.leases, |limit| self.config.table_of(limit), now);
        self.settle(settle, cx);
    }

    /// The shared store does not answer at all.
    fn broken<H: Host>(&self, cx: &mut Cx<'_, H>) -> Flow {
        self.metrics.iter().for_each(|metrics| metrics.errors.add(cx.host, 1));
        match self.config.on_error {
            OnError::Deny if self.config.mode == Mode::Enforce => refusal::broken(&self.config, cx),
            _ => Flow::Continue,
        }
    }
}
