//! The one place where outcomes are recorded.

use crate::call::Call;
use crate::{CircuitBreaker, Stream};
use ballast_core::circuit_breaker::gather::Known;
use ballast_core::circuit_breaker::operator::{Forced, Remember};
use ballast_core::circuit_breaker::outcome::Verdict;
use ballast_core::circuit_breaker::watch::{Delist, Entry};
use ballast_core::circuit_breaker::{Change, Key, LetThrough, Record, StateName, Subject, What};
use ballast_core::rewrite::Rewrite;
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_host::{About, Cx, Host, LogLevel};
use std::rc::Rc;

impl CircuitBreaker {
    /// Records what the call of a stream came to, if that has not been done. `now` if the clock was read in this callback.
    pub(crate) fn record<H: Host>(&mut self, stream: &mut Stream, now: Option<MonoTime>, cx: &mut Cx<'_, H>) {
        let Some(mut call) = stream.call.take() else { return };
        let Some(rule) = self.config.breakers.get(call.rule) else { return };
        let verdict = call.verdict(rule, cx.host);
        self.count(call.rule, |metrics| {
            match verdict {
                Verdict::Success => metrics.succeeded.one(),
                Verdict::Failure => metrics.failed.add(cx.host, 1),
                Verdict::Ignored => metrics.ignored.add(cx.host, 1),
            }
            if call.is_slow() && verdict != Verdict::Ignored {
                metrics.slow.add(cx.host, 1);
            }
        });
        if verdict == Verdict::Ignored && !call.matters_if_ignored() {
            return;
        }
        let now = now.unwrap_or_else(|| cx.host.now());
        if verdict == Verdict::Success && call.is_plain() {
            match self.gather(&call, now, cx) {
                Gathered::Yes => {}
                Gathered::No => self.swap(&call, verdict, now, cx),
                // It is among the gathered ones, but something happened: whoever comes last judges.
                Gathered::Judge => self.swap(&call, Verdict::Ignored, now, cx),
            }
            return;
        }
        self.swap(&call, verdict, now, cx);
    }

    /// Counts a success without a shared write, if what is known of its breaker allows that.
    fn gather<H: Host>(&self, call: &Call, now: MonoTime, cx: &Cx<'_, H>) -> Gathered {
        let state = self.rules.get(call.rule).zip(self.config.breakers.get(call.rule));
        let Some((policy, gather)) =
            state.and_then(|(state, rule)| state.gather.as_ref().map(|gather| (state.policy(rule), gather)))
        else {
            return Gathered::No;
        };
        let (Some(known), LetThrough::Closed { at }) = (&gather.known, call.let_through) else {
            return Gathered::No;
        };
        let is_so = |events: u64| known.may_gather(events, at, now);
        let unasked = call.events.is_some_and(|events| known.may_gather_unasked(policy, events, at, now));
        if !unasked && !gather.events.value(cx.host).is_some_and(is_so) {
            return Gathered::No;
        }
        gather.gathered.add(cx.host, 1);
        let after = gather.events.value(cx.host);
        if after.is_some_and(|after| known.is_current(after)) { Gathered::Yes } else { Gathered::Judge }
    }

    /// Swaps an outcome into its breaker.
    fn swap<H: Host>(&mut self, call: &Call, verdict: Verdict, now: MonoTime, cx: &mut Cx<'_, H>) {
        let (Some(rule), Some(state)) = (self.config.breakers.get(call.rule), self.rules.get_mut(call.rule))
        else {
            return;
        };
        if state.forced() == Forced::ForcedClosed {
            // It never trips; what was under way when that was ordered is not judged either.
            return;
        }
        let mut subject = Subject::new(&rule.shared_name, rule.table, call.fingerprint, state.policy(rule));
        subject.reset_at = state.reset_at();
        // Both are read before the breaker is; `events` first.
        let events = state.gather.as_ref().and_then(|gather| gather.events.value(cx.host));
        let gathered = state.gather.as_ref().and_then(|gather| gather.gathered.value(cx.host));
        let outcome = call.outcome(verdict, gathered, subject.reset_at);
        let policy = Rc::clone(state.policy(rule));
        let noted = match cx.run(&mut Record::new(subject, outcome, now)) {
            Ok(noted) => noted,
            Err(unfinished) => {
                state.metrics.errors.add(cx.host, 1);
                let text = format!("an outcome is lost: {unfinished}");
                cx.log_about(LogLevel::Warn, About::rule(rule.name.as_str()), &text);
                return;
            }
        };
        if noted.change.is_some() {
            // First of all: until then other workers go by the list that they know.
            state.has_changed(cx.host);
        }
        if noted.late {
            state.metrics.late.add(cx.host, 1);
        }
        if noted.put.evicted_live {
            state.metrics.evictions.add(cx.host, 1);
        }
        let mut judge_again = false;
        if let Some((gather, gathered)) = state.gather.as_mut().zip(gathered) {
            gather.known = noted
                .closed
                .zip(events)
                .and_then(|((counts, since), events)| Known::after(&policy, counts, since, events, now));
            let happened = verdict == Verdict::Failure || (verdict == Verdict::Success && !call.is_plain());
            // A change has raised `events`.
            if happened && noted.change.is_none() {
                gather.events.add(cx.host, 1);
            }
            if happened || noted.change.is_some() {
                let can_trip = noted.closed.is_some_and(|(counts, _)| policy.trip.success_can_trip(counts));
                let grown = || gather.gathered.value(cx.host).is_some_and(|value| value > gathered);
                judge_again = can_trip && grown();
            }
        }
        if let Some(change) = noted.change {
            self.changed(call.rule, call.fingerprint, &change, cx);
            if let Some(counts) = noted.evidence {
                self.tell_fleet(call.rule, &change, counts, cx);
            }
        }
        if judge_again {
            // Successes came between the two readings: whoever comes last judges, and that is this call.
            self.swap(call, Verdict::Ignored, now, cx);
        }
    }

    /// Publishes a change of state, which the other workers have been told of ([`RuleState::has_changed`](crate::rule_state::RuleState::has_changed)).
    pub(crate) fn changed<H: Host>(
        &mut self,
        number: usize,
        fingerprint: Fingerprint,
        change: &Change,
        cx: &mut Cx<'_, H>,
    ) {
        let Some(rule) = self.config.breakers.get(number) else { return };
        self.count(number, |metrics| metrics.changed(cx.host, change));
        let key = Key { rule: Rc::clone(&rule.shared_name), what: What::History };
        // The breaker has changed, whether the history could be written or not.
        let _ = cx.run(&mut Rewrite::new(key, Remember { fingerprint, change: *change }));
        let Change { from, to, cause, until, at } = change;
        let about = About::rule(rule.name.as_str()).because(cause.as_str());
        let mut text = format!("{} -> {} ({})", from.as_str(), to.as_str(), cause.as_str());
        if *to == StateName::Open {
            text = format!("{text} for {} ms", until.since(*at).as_millis());
        }
        cx.log_about(LogLevel::Info, about, &text);
        let kind = match to {
            StateName::Open => "breaker_opened",
            StateName::HalfOpen => "breaker_half_open",
            StateName::Closed => "breaker_closed",
        };
        cx.event(kind, rule.name.as_str(), cause.as_str(), "");
        self.show(number, cx);
    }

    /// Takes a breaker off the watch list that is found closed and has no business there.
    pub(crate) fn tidy<H: Host>(
        &self,
        number: usize,
        entry: Option<&Entry>,
        closed_since: MonoTime,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) {
        let (Some(rule), Some(entry)) = (self.config.breakers.get(number), entry) else { return };
        if entry.is_stale(closed_since, now) {
            let key = Key { rule: Rc::clone(&rule.shared_name), what: What::Watch };
            let delist =
                Delist { fingerprint: entry.fingerprint, closed_since: closed_since.max(entry.since) };
            // What is left on the list is found again by the next request.
            let _ = cx.run(&mut Rewrite::new(key, delist));
            if let Some(state) = self.rules.get(number) {
                state.has_changed(cx.host);
            }
            self.show(number, cx);
        }
    }
}

/// What became of a success.
enum Gathered {
    Yes,
    No,
    Judge,
}
