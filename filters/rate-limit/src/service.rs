//! Limits that a rate limit service counts: a request's way through them.
//!
//! The process's own limits are asked first, as for any request. Then [`Round`] says which limit is next; it is decided
//! from tokens in hand, by a call that the request waits for, or by what stands in for the service.

use crate::leasing::{question, small};
use crate::{RateLimit, Stream, refusal};
use ballast_core::rate_limit::config::HeaderStyle;
use ballast_core::rate_limit::global::{
    Answer, Change, Counting, Global, Otherwise, Round, Shut, Source, Spent, Told, Why, verdict,
};
use ballast_core::rate_limit::{Admit, Ask, Decision, Said, Trouble, Verdict};
use ballast_core::time::MonoTime;
use ballast_host::{
    CallAnswer, CallToken, Cx, Flow, Half, Host, HostRandom, LogLevel, Map, Next, Reply, RequestView,
};

/// What answers say of who decided.
const SOURCE_HEADER: &str = "x-ballast-rate-limit-source";

/// A request that is on its way through its limits.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) round: Round,
    /// The call that it waits for, and when it was made.
    call: Option<(CallToken, MonoTime)>,
    /// Until when it waits for tokens that somebody asks for.
    pub(crate) waits_until: Option<MonoTime>,
}

/// What one limit said, who decided, and whether that refuses.
pub(crate) type Spoken = (Verdict, Source, bool);

/// What has become of a request.
enum Come {
    /// It waits.
    Held,
    Passes,
    Refused(Box<Reply>),
}

impl From<Come> for Flow {
    fn from(come: Come) -> Self {
        match come {
            Come::Held => Self::Pause,
            Come::Passes => Self::Continue,
            Come::Refused(reply) => Self::Reply(reply),
        }
    }
}

impl From<Come> for Next {
    fn from(come: Come) -> Self {
        match come {
            Come::Held => Self::Stay,
            Come::Passes => Self::Resume(Half::Request),
            Come::Refused(reply) => Self::Reply(reply),
        }
    }
}

impl RateLimit {
    /// Decides a request some of whose limits a service counts.
    pub(crate) fn decide_with_service<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Flow {
        let now = cx.host.now();
        if let ([], [ask]) = (self.asking.asks(), self.asking.remote())
            && let Some(Spent::Tokens(told)) = self.leasing.spend(ask, now)
        {
            let verdict = verdict(ask, Said::Admit, told);
            self.count_remote(&verdict, Source::Lease, cx);
            if self.config.headers != HeaderStyle::None {
                stream.sources = vec![(ask.limit, Source::Lease)];
                stream.decision = Some(Decision { verdicts: vec![verdict], refused_by: None });
            }
            return Flow::Continue;
        }
        let own =
            if self.asking.asks().is_empty() { Decision::default() } else { self.admit(stream, now, cx) };
        let round = Round::new(own, self.asking.remote().to_vec());
        stream.progress = Some(Box::new(Progress { round, ..Progress::default() }));
        self.proceed(stream, now, cx).into()
    }

    /// The answer to a call that the request waits for.
    pub(crate) fn answered<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        call: CallToken,
        answer: &CallAnswer,
    ) -> Next {
        let waits =
            stream.progress.as_mut().filter(|progress| progress.call.is_some_and(|(token, _)| token == call));
        let Some(progress) = waits else { return Next::Stay };
        progress.call = None;
        let Some(ask) = progress.round.next().copied() else { return Next::Stay };
        let now = cx.host.now();
        let spoken = match self.judge(ask.limit, answer, cx) {
            Some(Answer { passes: true, told }) => (verdict(&ask, Said::Admit, told), Source::Service, false),
            Some(Answer { passes: false, told }) => {
                (verdict(&ask, Said::Refuse { wait: told.reset }, told), Source::Service, true)
            }
            None => self.otherwise(&ask, stream, now, cx),
        };
        self.said(stream, spoken);
        self.proceed(stream, now, cx).into()
    }

    /// The request has been woken since something has come for it, or has waited for too long.
    pub(crate) fn go_on<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Next {
        let Some(until) = stream.progress.as_ref().and_then(|progress| progress.waits_until) else {
            return Next::Stay;
        };
        let now = cx.host.now();
        if now >= until {
            let ask = stream.progress.as_mut().and_then(|progress| {
                progress.waits_until = None;
                progress.round.next().copied()
            });
            let Some(ask) = ask else { return Next::Stay };
            self.leasing.forget(cx.stream_number());
            let spoken = self.otherwise(&ask, stream, now, cx);
            self.said(stream, spoken);
        }
        self.proceed(stream, now, cx).into()
    }

    /// Goes on until the request waits for something or is decided.
    fn proceed<H: Host>(&mut self, stream: &mut Stream, now: MonoTime, cx: &mut Cx<'_, H>) -> Come {
        loop {
            let next = stream.progress.as_ref().and_then(|progress| progress.round.next().copied());
            let Some(ask) = next else { return self.conclude(stream, now, cx) };
            let counting = self.global(ask.limit).map(|global| global.counting);
            let spoken = match counting {
                Some(Counting::Leased(lease)) => self.lease(&ask, lease, stream, now, cx),
                Some(Counting::Exact) if self.call(&ask, stream, now, cx) => None,
                _ => Some(self.otherwise(&ask, stream, now, cx)),
            };
            let Some(spoken) = spoken else { return Come::Held };
            self.said(stream, spoken);
        }
    }

    fn said(&mut self, stream: &mut Stream, (verdict, source, refuses): Spoken) {
        if let Some(progress) = &mut stream.progress {
            progress.waits_until = None;
            progress.round.said(verdict, source, refuses);
        }
    }

    /// Asks the service for this request. `false`: it is not asked.
    fn call<H: Host>(&mut self, ask: &Ask, stream: &mut Stream, now: MonoTime, cx: &mut Cx<'_, H>) -> bool {
        if !self.leasing.health(ask.limit).is_some_and(|health| health.may_ask(now)) {
            return false;
        }
        let Some(limit) = self.config.limit(ask.limit) else { return false };
        let Some(global) = &limit.global else { return false };
        let entries = limit.descriptor(&RequestView::new(cx.host, &self.plan));
        let call = question(global, &entries, small(ask.cost));
        if let Some(health) = self.leasing.health(ask.limit) {
            health.asked(now);
        }
        self.count_call(ask.limit, cx);
        match cx.call_grpc(&call) {
            Ok(token) => {
                if let Some(progress) = &mut stream.progress {
                    progress.call = Some((token, now));
                }
                true
            }
            Err(_) => {
                self.failed(ask.limit, "it cannot be called", now, cx);
                false
            }
        }
    }

    /// What an answer comes to, which also tells how the service is. `None`: nothing that decides.
    pub(crate) fn judge<H: Host>(
        &mut self,
        limit: u16,
        answer: &CallAnswer,
        cx: &mut Cx<'_, H>,
    ) -> Option<Answer> {
        let now = cx.host.now();
        let CallAnswer::Grpc { status, message } = answer else { return None };
        let read = if *status == 0 { Answer::read(message) } else { None };
        match read {
            Some(_) => {
                let change = self.leasing.health(limit).map(|health| health.answered());
                if change == Some(Change::Returned) {
                    let text = format!("{}: the rate limit service is back", self.config.name_of(limit));
                    cx.log(LogLevel::Info, &text);
                }
            }
            None if *status == 0 => self.failed(limit, "its answer is none", now, cx),
            None => self.failed(limit, &format!("gRPC status {status}"), now, cx),
        }
        read
    }

    /// The service has failed.
    pub(crate) fn failed<H: Host>(&mut self, limit: u16, why: &str, now: MonoTime, cx: &mut Cx<'_, H>) {
        self.count(limit, |metrics| {
            if let Some(metrics) = &metrics.remote {
                metrics.failures.add(cx.host, 1);
            }
        });
        let change = self.leasing.health(limit).map(|health| health.failed(now, &mut HostRandom(cx.host)));
        if change == Some(Change::Failed) {
            let name = self.config.name_of(limit);
            cx.log(
                LogLevel::Warn,
                &format!("{name}: the rate limit service fails ({why}), decided without it"),
            );
        }
    }

    /// Decides without the service.
    pub(crate) fn otherwise<H: Host>(
        &mut self,
        ask: &Ask,
        stream: &mut Stream,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Spoken {
        let trouble = verdict(ask, Said::Trouble(Trouble::Service), Told::default());
        match self.global(ask.limit).map(|global| &global.otherwise) {
            Some(Otherwise::Local(algorithm)) => {
                let ask = Ask { algorithm: *algorithm, refundable: true, ..*ask };
                let situation = self.situation(None, now, cx);
                let admit = Admit::new([ask], situation, core::mem::take(&mut self.leases));
                let (mut decision, charges) = self.converse(admit, cx);
                stream.charges.add(charges);
                let refuses = !decision.passes();
                match decision.verdicts.pop() {
                    Some(verdict) => (verdict, Source::Local, refuses),
                    None => (trouble, Source::Error, false),
                }
            }
            Some(Otherwise::Deny) => (trouble, Source::Error, true),
            Some(Otherwise::Allow) | None => (trouble, Source::Error, false),
        }
    }

    /// What a pool that gives nothing means for a request.
    pub(crate) fn shut<H: Host>(
        &mut self,
        ask: &Ask,
        (shut, told): (Shut, Told),
        stream: &mut Stream,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Spoken {
        match shut.why {
            Why::Failing => self.otherwise(ask, stream, now, cx),
            Why::Exhausted => {
                let wait = told.reset.or(Some(shut.until.since(now)));
                (verdict(ask, Said::Refuse { wait }, told), Source::Lease, true)
            }
        }
    }

    /// The request is decided.
    fn conclude<H: Host>(&mut self, stream: &mut Stream, now: MonoTime, cx: &mut Cx<'_, H>) -> Come {
        let (decision, sources) = stream.progress.take().unwrap_or_default().round.end();
        if !decision.passes() {
            let charges = stream.charges.take();
            let settle = charges.settle(|_| false, &mut self.leases, now);
            self.settle(settle, cx);
        }
        for verdict in &decision.verdicts {
            match sources.iter().find(|(limit, _)| *limit == verdict.ask.limit) {
                Some((_, source)) => self.count_remote(verdict, *source, cx),
                None => self.count(verdict.ask.limit, |metrics| metrics.decided(cx.host, verdict)),
            }
            let leased = sources.contains(&(verdict.ask.limit, Source::Lease));
            if leased && verdict.said == Said::TakenBack {
                self.leasing.put_back(&verdict.ask, now);
            }
        }
        let come = if decision.passes() {
            Come::Passes
        } else {
            match refusal::over_limit(&self.config, &decision, cx) {
                Flow::Reply(reply) => Come::Refused(reply),
                Flow::Continue | Flow::Pause => Come::Passes,
            }
        };
        let told = self.config.headers != HeaderStyle::None;
        if told {
            stream.sources = sources;
        }
        stream.decision = (told || refusal::is_marked(&decision)).then_some(decision);
        come
    }

    /// Tells the client who decided.
    pub(crate) fn tell_sources<H: Host>(&self, stream: &mut Stream, cx: &Cx<'_, H>) {
        let sources = core::mem::take(&mut stream.sources);
        if sources.is_empty() {
            return;
        }
        let one =
            |(limit, source): &(u16, Source)| format!("{}={}", self.config.name_of(*limit), source.as_str());
        let text = sources.iter().map(one).collect::<Vec<_>>().join(", ");
        // An answer whose headers cannot be changed any more goes on without.
        let _ = cx.host.set_header(Map::ResponseHeaders, SOURCE_HEADER, text.as_bytes());
    }

    fn global(&self, limit: u16) -> Option<&Global> {
        self.config.limit(limit)?.global.as_ref()
    }

    fn count_remote<H: Host>(&self, verdict: &Verdict, source: Source, cx: &Cx<'_, H>) {
        self.count(verdict.ask.limit, |metrics| {
            metrics.decided(cx.host, verdict);
            if let Some(remote) = &metrics.remote {
                remote.decided(cx.host, source);
            }
        });
    }

    pub(crate) fn count_call<H: Host>(&self, limit: u16, cx: &Cx<'_, H>) {
        self.count(limit, |metrics| {
            if let Some(metrics) = &metrics.remote {
                metrics.calls.add(cx.host, 1);
            }
        });
    }
}
