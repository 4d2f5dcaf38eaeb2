//! What the rules say about themselves, for people.

use super::breaker::{Breaker, Change, State, StateName};
use super::config::Rule;
use super::operator::{Forced, History, Order};
use super::watch::{Entry, Watch};
use super::window::Counts;
use crate::config::Mode;
use crate::slots::Fingerprint;
use crate::time::MonoTime;
use serde::Serialize;

/// How many breakers of one rule are named that are not closed.
pub const MOST_NAMED: usize = 32;

/// What a filter says about itself before its rules.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Head {
    /// Whether decisions take effect.
    pub mode: Mode,
}

/// The counters of one rule, over all workers since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// What calls came to.
    pub calls: Calls,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that would have been, were the rule enforced.
    pub shadow_refused: u64,
    /// Requests that were let through to see.
    pub probes_total: u64,
    /// Requests and outcomes that the shared store lost.
    pub errors: u64,
    /// Breakers that were forgotten although they knew something.
    pub evictions: u64,
    /// Changes of state.
    pub transitions: Transitions,
}

/// What calls came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// They succeeded.
    pub success: u64,
    /// They failed.
    pub failure: u64,
    /// They say nothing about the upstream.
    pub ignored: u64,
    /// They were of a state that had ended.
    pub late: u64,
    /// They were slow, whatever else they were.
    pub slow: u64,
}

/// Changes of state, by the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Transitions {
    /// Breakers opened.
    pub to_open: u64,
    /// Breakers began to try.
    pub to_half_open: u64,
    /// Breakers closed.
    pub to_closed: u64,
}

/// What is known of one rule.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its counters.
    pub counted: Counted,
    /// Its breaker if it has only one, [as it is now](super::Subject::read) with the successes that were gathered.
    pub breaker: Option<&'a Breaker>,
    /// Its breakers that are not closed.
    pub watch: &'a Watch,
    /// Its last changes.
    pub history: &'a History,
    /// What its breakers are to be.
    pub forced: Forced,
    /// What an operator has ordered.
    pub order: Option<Order>,
    /// What the clock shows.
    pub now: MonoTime,
}

/// What a rule says about itself.
#[derive(Clone, Debug, Serialize)]
pub struct Status<'a> {
    name: &'a str,
    mode: Mode,
    keyed: bool,
    critical: bool,
    forced: &'static str,
    forced_since_mono_ns: Option<u64>,
    state: Option<&'static str>,
    since_mono_ns: Option<u64>,
    until_mono_ns: Option<u64>,
    cause: Option<&'static str>,
    openings: u16,
    window: Option<Seen>,
    consecutive_failures: Option<u32>,
    probes: Option<Probes>,
    calls: Calls,
    refused: u64,
    shadow_refused: u64,
    probes_total: u64,
    errors: u64,
    evictions: u64,
    transitions: Transitions,
    not_closed: usize,
    not_closed_overflown: bool,
    breakers: Vec<Named>,
    history: Vec<Changed>,
}

/// What the window holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Seen {
    calls: u32,
    failed: u32,
    slow: u32,
    failure_rate: Option<f64>,
    slow_rate: Option<f64>,
}

/// How the trying goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Probes {
    out: u32,
    succeeded: u32,
    needed: u32,
}

/// A breaker that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Named {
    id: String,
    since_mono_ns: u64,
    until_mono_ns: u64,
    cause: &'static str,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Changed {
    id: String,
    at_mono_ns: u64,
    from: &'static str,
    to: &'static str,
    cause: &'static str,
    until_mono_ns: Option<u64>,
}

impl<'a> Status<'a> {
    /// What there is to say about a rule.
    pub fn new(rule: &'a Rule, facts: &Facts<'_>) -> Self {
        let Facts { counted, breaker, watch, history, forced, order, now } = *facts;
        let single = rule.is_single.then_some(breaker);
        let known = single.flatten();
        let state = single.map(|breaker| breaker.map_or(StateName::Closed, Breaker::name));
        let (mut window, mut consecutive, mut probes, mut until) = (None, None, None, None);
        match known.map(|breaker| &breaker.state) {
            Some(State::Closed(closed)) => {
                window = Some(closed.window.counts(now).into());
                consecutive = Some(closed.consecutive);
            }
            Some(State::Open { until: at }) => until = Some(*at),
            Some(State::HalfOpen { until: at, successes, probes: out }) => {
                until = Some(*at);
                let needed = rule.policy.half_open.success_threshold;
                probes = Some(Probes { out: out.in_flight(), succeeded: *successes, needed });
            }
            None if single.is_some() => (window, consecutive) = (Some(Counts::default().into()), Some(0)),
            None => {}
        }
        let last = history.changes().last().map(|(_, change)| change.cause.as_str());
        Self {
            name: rule.name.as_str(),
            mode: rule.mode(),
            keyed: !rule.is_single,
            critical: rule.critical,
            forced: forced.as_str(),
            forced_since_mono_ns: order.map(|order| order.at.as_nanos()),
            state: state.map(StateName::as_str),
            since_mono_ns: known.map(|breaker| breaker.since.as_nanos()),
            until_mono_ns: until.map(MonoTime::as_nanos),
            cause: state.and(last),
            openings: known.map_or(0, |breaker| breaker.openings),
            window,
            consecutive_failures: consecutive,
            probes,
            calls: counted.calls,
            refused: counted.refused,
            shadow_refused: counted.shadow_refused,
            probes_total: counted.probes_total,
            errors: counted.errors,
            evictions: counted.evictions,
            transitions: counted.transitions,
            not_closed: watch.entries().len(),
            not_closed_overflown: watch.is_overflown(),
            breakers: watch.entries().iter().take(MOST_NAMED).map(Named::from).collect(),
            history: history.changes().map(Changed::from).collect(),
        }
    }
}

impl From<Counts> for Seen {
    fn from(Counts { total, failed, slow }: Counts) -> Self {
        let rate = |part: u32| (total > 0).then(|| f64::from(part) / f64::from(total));
        Self { calls: total, failed, slow, failure_rate: rate(failed), slow_rate: rate(slow) }
    }
}

impl From<&Entry> for Named {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.fingerprint.to_string(),
            since_mono_ns: entry.since.as_nanos(),
            until_mono_ns: entry.until.as_nanos(),
            cause: entry.cause.as_str(),
        }
    }
}

impl From<&(Fingerprint, Change)> for Changed {
    fn from((of, change): &(Fingerprint, Change)) -> Self {
        Self {
            id: of.to_string(),
            at_mono_ns: change.at.as_nanos(),
            from: change.from.as_str(),
            to: change.to.as_str(),
            cause: change.cause.as_str(),
            until_mono_ns: (change.to != StateName::Closed).then(|| change.until.as_nanos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::breaker::{Asker, LetThrough, Outcome, admit, record};
    use super::super::config::Config;
    use super::super::window::Call;
    use super::*;
    use crate::random::SplitMix;
    use crate::vms::{Member, View};
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: MonoTime = MonoTime::from_millis(60_000);

    fn rule(key: &str) -> Rule {
        let text = format!(
            r#"{{"breakers": [{{"name": "a", "key": {key}, "trip": {{"consecutive_failures": 2}}}}]}}"#
        );
        crate::config::parse::<Config>(text.as_bytes()).unwrap().breakers.remove(0)
    }

    fn status(rule: &Rule, breaker: Option<&Breaker>) -> Value {
        let (watch, history) = (Watch::default(), History::default());
        let counted = Counted { refused: 7, ..Counted::default() };
        let (watch, history) = (&watch, &history);
        let forced = Forced::Closed;
        let facts = Facts { counted, breaker, watch, history, forced, order: None, now: NOW };
        serde_json::to_value(Status::new(rule, &facts)).unwrap()
    }

    fn failed(rule: &Rule, breaker: Option<&Breaker>) -> Option<Breaker> {
        let call = Some(Call { failed: true, slow: false });
        let let_through = LetThrough::Closed { at: NOW };
        let reset_at = MonoTime::ZERO;
        let outcome = Outcome { let_through, call, retry_after: None, gathered: None, reset_at };
        record(&rule.policy, breaker, &outcome, NOW, &mut SplitMix::new(1)).breaker
    }

    #[test]
    fn a_single_breaker_says_its_state_and_what_it_has_counted() {
        let rule = rule("[]");
        let unknown = status(&rule, None);
        assert_eq!((&unknown["state"], &unknown["window"]["calls"]), (&json!("closed"), &json!(0)));
        assert_eq!((&unknown["window"]["failure_rate"], &unknown["refused"]), (&Value::Null, &json!(7)));
        let one = failed(&rule, None);
        let closed = status(&rule, one.as_ref());
        assert_eq!(
            (&closed["window"]["failure_rate"], &closed["consecutive_failures"]),
            (&json!(1.0), &json!(1))
        );
        let open = failed(&rule, one.as_ref()).unwrap();
        let shown = status(&rule, Some(&open));
        assert_eq!(
            (&shown["state"], &shown["openings"], &shown["window"]),
            (&json!("open"), &json!(1), &Value::Null)
        );
        let State::Open { until } = open.state else { panic!("must be open") };
        assert_eq!(shown["until_mono_ns"], json!(until.as_nanos()));
        let asker = Asker { me: Some(Member { slot: 0, epoch: 1 }), view: &View::default() };
        let (tried, ..) = admit(&rule.policy, Some(&open), asker, until, &mut SplitMix::new(1));
        let shown = status(&rule, tried.as_ref());
        assert_eq!((&shown["state"], &shown["probes"]["out"]), (&json!("half_open"), &json!(1)));
    }

    #[test]
    fn a_rule_with_many_breakers_names_those_that_are_not_closed() {
        let rule = rule(r#"[{"header": "x-tenant"}]"#);
        let mut watch: Option<Vec<u8>> = None;
        for number in 1..=40 {
            use super::super::watch::Enlist;
            use crate::rewrite::{Edit, Edited};
            let cause = super::super::policy::Cause::FailureRate;
            let entry = Entry { fingerprint: Fingerprint(number), since: NOW, until: NOW, cause };
            let Edited::Replace(bytes, ()) = Enlist(entry).edit(watch.as_deref()) else { panic!("listed") };
            watch = Some(bytes);
        }
        let watch = Watch::read(watch.as_deref());
        let (counted, history) = (Counted::default(), History::default());
        let forced = Forced::MetricsOnly;
        let facts =
            Facts { counted, breaker: None, watch: &watch, history: &history, forced, order: None, now: NOW };
        let shown = serde_json::to_value(Status::new(&rule, &facts)).unwrap();
        assert_eq!(
            (&shown["keyed"], &shown["state"], &shown["not_closed"]),
            (&json!(true), &Value::Null, &json!(40))
        );
        assert_eq!(shown["breakers"].as_array().map(Vec::len), Some(MOST_NAMED));
        assert_eq!(shown["breakers"][0]["id"], json!("00000000000000000000000000000001"));
        assert_eq!(shown["forced"], json!("metrics_only"));
    }

    #[test]
    fn what_was_gathered_counts_before_an_outcome_takes_it_in() {
        let rule = rule("[]");
        let one = failed(&rule, None).unwrap();
        let seen = one.with_gathered(Some(3), NOW);
        let shown = status(&rule, Some(&seen));
        assert_eq!((&shown["window"]["calls"], &shown["consecutive_failures"]), (&json!(4), &json!(0)));
    }
}
