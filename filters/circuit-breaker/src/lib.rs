//! The circuit breaker filter: a request asks its breaker, and its end tells the breaker what came of it.
//!
//! # How
//!
//! A request looks at its rule's watch list, which is empty while all breakers are closed and is read again when a breaker has
//! changed; only if its breaker is on it, the breaker itself is asked. Answers are looked at when their headers come. Outcomes are recorded in one place:
//! a success as soon as nothing that is still to come can change it, which saves a reading of the clock, and all others when the
//! stream is destroyed, which is told anyway and so costs no call into the VM of its own.
//!
//! # Limits
//!
//! Answers that a filter further in sends directly, past the response callbacks, are known by their final status only.
//! A probe of a worker that was declared dead while it was only stalled is not counted as out any more.
//! What a worker changed and died before telling of is seen by the others on their next tick.

mod call;
mod fleet;
mod metrics;
mod operate;
mod record;
mod refusal;
mod rule_state;
mod shown;
mod snapshots;

use ballast_core::circuit_breaker::config::{Config, Fallback, Selected};
use ballast_core::circuit_breaker::operator::{Forced, ORDERS};
use ballast_core::circuit_breaker::{Admission, Admitted, Admitting, LetThrough, StateName, Subject};
use ballast_core::config::{Mode, OnError};
use ballast_core::matching::Needs;
use ballast_core::orders::Refusal as OrderRefusal;
use ballast_core::rewrite::Unfinished;
use ballast_core::slots::{Fingerprint, Secret};
use ballast_core::status::Draft;
use ballast_core::time::MonoTime;
use ballast_core::vms::Member;
use ballast_host::{
    CallAnswer, CallToken, Cx, Filter, Flow, Host, HostRandom, Map, Ordered, ReadPlan, RequestView,
    StartError,
};
use call::{Call, Settled};
use core::time::Duration;
use fleet::Fleet;
use refusal::{Answers, Refusal};
use rule_state::RuleState;

/// What a response says in shadow mode: the breaker that would have refused.
const SHADOW_HEADER: &str = "x-ballast-circuit-breaker-shadow";

/// One configuration of the filter in one VM.
#[derive(Debug)]
pub struct CircuitBreaker {
    config: Config,
    plan: ReadPlan,
    rules: Vec<RuleState>,
    /// What proxies tell each other.
    fleet: Option<Fleet>,
    answers: Answers,
    /// Some rule sends refused requests to another cluster.
    reroutes: bool,
    /// Some rule has breakers that are told apart by a hash.
    hashes: bool,
    looked_at: MonoTime,
}

/// What is remembered about one request.
#[derive(Debug, Default)]
pub struct Stream {
    /// The call whose outcome is to be recorded.
    call: Option<Call>,
    /// The rule that would have refused it.
    shadow: Option<usize>,
    /// The request has no body.
    is_bodiless: bool,
}

impl Filter for CircuitBreaker {
    const NAME: &'static str = "circuit-breaker";
    const NOTES_ORDERS: &'static [&'static str] = &ORDERS;
    type Config = Config;
    type Stream = Stream;

    fn namespace(config: &Config) -> Option<&str> {
        config.namespace.as_ref().map(|name| name.as_str())
    }

    fn start<H: Host>(config: Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError> {
        let mut needs = Needs::default();
        config.needs(&mut needs);
        let rules = config.breakers.iter().map(|rule| RuleState::new(rule, cx));
        let reroutes = |fallback: &Fallback| matches!(fallback, Fallback::Cluster(_));
        Ok(Self {
            plan: ReadPlan::new(&needs),
            rules: rules.collect::<Result<_, _>>()?,
            fleet: Fleet::new(&config, cx)?,
            answers: Answers::new(&config, cx.host),
            reroutes: config.breakers.iter().any(|rule| reroutes(&rule.fallback)),
            hashes: config.breakers.iter().any(|rule| !rule.is_single),
            looked_at: MonoTime::ZERO,
            config,
        })
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        if self.config.mode == Mode::Disabled {
            return Flow::Continue;
        }
        stream.is_bodiless = end;
        if self.reroutes {
            // Only this filter says where a refused request goes. An absent header is no error.
            let _ = cx.host.remove_header(Map::RequestHeaders, refusal::FALLBACK_HEADER);
        }
        let secret = if self.hashes { cx.secret() } else { Some(Secret([0; 16])) };
        let Some(secret) = secret else { return self.broken(None, cx) };
        let request = RequestView::new(cx.host, &self.plan);
        match self.config.select(&request, &secret, &mut HostRandom(cx.host)) {
            Selected::Nothing => Flow::Continue,
            Selected::Denied { rule } => self.deny(rule, "missing_key", cx),
            Selected::Breaker { rule, fingerprint, enforced } => {
                self.ask(stream, rule, fingerprint, enforced, cx)
            }
        }
    }

    fn on_response_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        if let Some(call) = &mut stream.call
            && let Some(rule) = self.config.breakers.get(call.rule)
            && let Settled::Yes { now } = call.answered(rule, cx.host)
        {
            self.record(stream, now, cx);
        }
        if let Some(rule) = stream.shadow.take().and_then(|rule| self.config.breakers.get(rule)) {
            // An answer whose headers cannot be changed any more goes on without.
            let _ = cx.host.set_header(Map::ResponseHeaders, SHADOW_HEADER, rule.name.as_str().as_bytes());
        }
        Flow::Continue
    }

    fn on_response_trailers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Flow {
        if let Some(call) = &mut stream.call {
            call.trailers_came(cx.host);
        }
        Flow::Continue
    }

    fn on_destroy<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) {
        self.record(stream, None, cx);
    }

    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.rules.iter().for_each(|state| state.metrics.flush(cx.host));
        self.rules.iter_mut().for_each(RuleState::forget_list);
        self.look(cx);
        self.meet_fleet(cx);
    }

    fn on_end<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.rules.iter().for_each(|state| state.metrics.flush(cx.host));
    }

    fn on_message<H: Host>(&mut self, cx: &mut Cx<'_, H>, _: Member, payload: &[u8]) {
        self.take_command(cx, payload);
    }

    fn on_order<H: Host>(&mut self, cx: &mut Cx<'_, H>, ordered: &Ordered) -> Result<Vec<u8>, OrderRefusal> {
        self.execute(cx, ordered)
    }

    fn status<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Option<Draft> {
        Some(self.draft(cx))
    }

    fn on_background_call<H: Host>(&mut self, cx: &mut Cx<'_, H>, call: CallToken, answer: CallAnswer) {
        self.heard_from_fleet(call, answer, cx);
    }
}

impl CircuitBreaker {
    /// Asks the breaker of a request.
    fn ask<H: Host>(
        &mut self,
        stream: &mut Stream,
        number: usize,
        fingerprint: Fingerprint,
        enforced: bool,
        cx: &mut Cx<'_, H>,
    ) -> Flow {
        let (Some(rule), Some(state)) = (self.config.breakers.get(number), self.rules.get_mut(number)) else {
            return Flow::Continue;
        };
        let forced = state.forced();
        let enforced = enforced && forced != Forced::MetricsOnly;
        match forced {
            Forced::ForcedClosed => return Flow::Continue,
            Forced::ForcedOpen => {
                let wait = Some(rule.policy.open.wait);
                return self.refuse(stream, number, enforced, Forced::ForcedOpen.as_str(), wait, cx);
            }
            Forced::Closed | Forced::MetricsOnly => {}
        }
        let Ok(watched) = state.watched(fingerprint, cx.host) else { return self.broken(Some(number), cx) };
        let call =
            |let_through, started| Some(Call::new(number, fingerprint, let_through, started, watched.events));
        if watched.is_closed {
            // The clock is read after the list: what closes later than this dropped nothing of this call.
            let at = cx.host.now();
            stream.call = call(LetThrough::Closed { at }, at);
            return Flow::Continue;
        }
        let now = cx.host.now();
        if let Some(wait) = watched.entry.and_then(|listed| state.remains_open(&listed, now)) {
            return self.refuse(stream, number, enforced, StateName::Open.as_str(), Some(wait), cx);
        }
        let mut subject = Subject::new(&rule.shared_name, rule.table, fingerprint, state.policy(rule));
        subject.reset_at = state.reset_at();
        let (me, view) = (cx.member(), cx.view().clone());
        let admitted = cx.run(&mut Admitting { subject, now, me, view }.converse());
        let Admitted { admission, change, closed_since } = match admitted {
            Ok(admitted) => admitted,
            // Busy is not broken: whoever cannot ask is not let through.
            Err(Unfinished::Contended) => {
                state.metrics.errors.add(cx.host, 1);
                return self.refuse(stream, number, enforced, "contended", None, cx);
            }
            Err(Unfinished::Failed) => return self.broken(Some(number), cx),
        };
        if let Some(change) = change {
            state.has_changed(cx.host);
            self.changed(number, fingerprint, &change, cx);
        }
        match (admission, me) {
            (Admission::Pass, _) => {
                let at = cx.host.now();
                if let Some(since) = closed_since {
                    self.tidy(number, watched.entry.as_ref(), since, now, cx);
                }
                stream.call = call(LetThrough::Closed { at }, at);
                Flow::Continue
            }
            (Admission::Probe { since }, Some(by)) => {
                self.count(number, |metrics| metrics.probes.add(cx.host, 1));
                if let Some(rule) = self.config.breakers.get(number) {
                    refusal::state(rule.name.as_str(), "half_open", cx);
                }
                stream.call = call(LetThrough::Probe { since, by }, now);
                Flow::Continue
            }
            // Nobody without an identity is given a probe.
            (Admission::Probe { .. }, None) => self.broken(Some(number), cx),
            (Admission::Refuse { state, wait }, _) => {
                if let (StateName::Open, Some(listed), Some(wait)) = (state, watched.entry, wait)
                    && let Some(known) = self.rules.get_mut(number)
                {
                    known.found_open(listed, now.after(wait));
                }
                self.refuse(stream, number, enforced, state.as_str(), wait, cx)
            }
        }
    }

    fn refuse<H: Host>(
        &self,
        stream: &mut Stream,
        number: usize,
        enforced: bool,
        reason: &str,
        wait: Option<Duration>,
        cx: &Cx<'_, H>,
    ) -> Flow {
        let Some(rule) = self.config.breakers.get(number) else { return Flow::Continue };
        if !enforced {
            self.count(number, |metrics| metrics.shadow_refused.add(cx.host, 1));
            stream.shadow = Some(number);
            return Flow::Continue;
        }
        self.count(number, |metrics| metrics.refused.add(cx.host, 1));
        let refusal = Refusal { rule: rule.name.as_str(), reason, wait, is_bodiless: stream.is_bodiless };
        refusal::fall_back(&self.config, &self.answers, rule, refusal, cx)
    }

    fn deny<H: Host>(&self, number: usize, reason: &str, cx: &Cx<'_, H>) -> Flow {
        self.count(number, |metrics| metrics.refused.add(cx.host, 1));
        let rule = self.config.breakers.get(number).map_or("", |rule| rule.name.as_str());
        refusal::deny(
            &self.config,
            &self.answers,
            Refusal { rule, reason, wait: None, is_bodiless: false },
            cx,
        )
    }

    /// The shared store does not answer, for one rule or at all.
    fn broken<H: Host>(&self, number: Option<usize>, cx: &Cx<'_, H>) -> Flow {
        let concerned = |rule: &usize| number.is_none_or(|number| number == *rule);
        let states = self.rules.iter().enumerate().filter(|(rule, _)| concerned(rule));
        states.for_each(|(_, state)| state.metrics.errors.add(cx.host, 1));
        match self.config.on_error {
            OnError::Deny if self.config.mode == Mode::Enforce => {
                let rule = number.and_then(|number| self.config.breakers.get(number));
                let rule = rule.map_or("", |rule| rule.name.as_str());
                let refusal = Refusal { rule, reason: "error", wait: None, is_bodiless: false };
                refusal::deny(&self.config, &self.answers, refusal, cx)
            }
            _ => Flow::Continue,
        }
    }

    fn count(&self, number: usize, add: impl FnOnce(&metrics::RuleMetrics)) {
        if let Some(state) = self.rules.get(number) {
            add(&state.metrics);
        }
    }
}
