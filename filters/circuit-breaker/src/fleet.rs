//! Trips of other proxies, and what they hear of this one's.
//!
//! # How
//!
//! A worker whose breaker opens publishes that in calls of the root. One worker of the process, who holds a lease, asks
//! the store for each shared rule in turn and warns the others through shared data, which they read on their ticks.
//! Nothing of this is in a request's way.

use crate::CircuitBreaker;
use crate::rule_state::RuleState;
use ballast_core::circuit_breaker::Change;
use ballast_core::circuit_breaker::config::{Config, Fleet as Settings, Rule};
use ballast_core::circuit_breaker::fleet::{Trip, Warn, Warning};
use ballast_core::circuit_breaker::window::Counts;
use ballast_core::remote::{Command, Said, key_of};
use ballast_core::rewrite::{Edit, Edited, Rewrite};
use ballast_core::time::{MonoTime, WallTime};
use ballast_core::vec_map::VecMap;
use ballast_host::{CallAnswer, CallToken, Counter, Cx, Heard, Host, LogLevel, Remote, StartError};
use core::time::Duration;
use std::collections::VecDeque;

/// The lease of whoever asks.
const LEASE: &str = "fleet";
/// Within this another does it if that one is gone.
const TERM: Duration = Duration::from_secs(3);
/// How long a call may take.
const WITHIN: Duration = Duration::from_millis(500);
/// Begins the key of a trip, and stands for its layout.
const KIND: &str = "b1-";
/// How many trips wait to be published; the last ones count.
const MOST_QUEUED: usize = 32;
/// The number by which this process is known to others.
const PROCESS: &str = "fleet/process";

/// The store, and this worker's part in it.
#[derive(Debug)]
pub(crate) struct Fleet {
    settings: Settings,
    remote: Remote,
    /// The key of each shared rule, by the rule's number.
    keys: VecMap<usize, String>,
    next: MonoTime,
    calls: VecMap<CallToken, Doing>,
    to_publish: VecDeque<(usize, Trip)>,
    process: Option<u64>,
    published: Counter,
    warned: Counter,
    failures: Counter,
}

#[derive(Debug)]
enum Doing {
    Reading(usize),
    Publishing(usize),
}

impl Fleet {
    /// `None`: nothing is shared.
    pub(crate) fn new<H: Host>(config: &Config, cx: &Cx<'_, H>) -> Result<Option<Self>, StartError> {
        let shared = config.breakers.iter().enumerate().filter(|(_, rule)| rule.is_shared);
        let keys: VecMap<_, _> =
            shared.map(|(number, rule)| (number, key_of(KIND, rule.name.as_str().as_bytes()))).collect();
        let Some(settings) = config.fleet.clone().filter(|_| !keys.is_empty()) else { return Ok(None) };
        let (store, cluster) = (settings.store.clone(), settings.cluster.clone());
        Ok(Some(Self {
            remote: Remote::new(store, cluster, settings.authorization_env.as_deref(), cx),
            settings,
            keys,
            next: MonoTime::ZERO,
            calls: VecMap::new(),
            to_publish: VecDeque::new(),
            process: None,
            published: cx.counter("fleet_published", &[])?,
            warned: cx.counter("fleet_warnings", &[])?,
            failures: cx.counter("fleet_failures", &[])?,
        }))
    }

    /// Asks or tells; what cannot be is counted.
    fn call<H: Host>(&mut self, command: &Command<'_>, doing: Doing, cx: &mut Cx<'_, H>) {
        if !self.remote.allows(cx) {
            return;
        }
        match self.remote.call(command, WITHIN, cx) {
            Ok(call) => _ = self.calls.insert(call, doing),
            Err(_) => self.failures.add(cx.host, 1),
        }
    }
}

impl CircuitBreaker {
    /// A breaker has opened on these calls: others are told, unless it was only caution that opened it.
    pub(crate) fn tell_fleet<H: Host>(
        &mut self,
        number: usize,
        change: &Change,
        counts: Counts,
        cx: &mut Cx<'_, H>,
    ) {
        let (Some(fleet), Some(rule)) = (&mut self.fleet, self.config.breakers.get(number)) else { return };
        let state = self.rules.get(number);
        let was_cautious = state.is_some_and(|state| state.caution.is_some());
        if !rule.is_shared || (was_cautious && rule.policy.trip.cause(counts, 0).is_none()) {
            return;
        }
        let Some(process) = process(&mut fleet.process, cx) else { return };
        let trip = Trip {
            process,
            rule: rule.name.as_str().to_owned(),
            at: cx.host.wall_time(),
            wait: change.until.since(change.at),
            cause: change.cause,
            counts,
        };
        fleet.to_publish.push_back((number, trip));
        if fleet.to_publish.len() > MOST_QUEUED {
            fleet.to_publish.pop_front();
        }
    }

    /// On each tick: takes warnings in, publishes, and asks when it is time.
    pub(crate) fn meet_fleet<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(fleet) = &mut self.fleet else { return };
        let now = cx.host.now();
        for number in fleet.keys.keys() {
            if let (Some(state), Some(rule)) =
                (self.rules.get_mut(*number), self.config.breakers.get(*number))
            {
                state.read_warning(rule, fleet.settings.cautious_evidence, now, cx.host);
            }
        }
        while let Some((number, trip)) = fleet.to_publish.pop_front() {
            let Some(key) = fleet.keys.get(&number).cloned() else { continue };
            let (value, keep) = (trip.encode(), Some(fleet.settings.cautious_for));
            fleet.call(&Command::Put { key: &key, value: &value, keep }, Doing::Publishing(number), cx);
        }
        if cx.lease(LEASE, TERM).is_none() || now < fleet.next {
            return;
        }
        fleet.next = now.after(fleet.settings.sync_interval);
        let busy = |number: usize| {
            fleet.calls.values().any(|doing| matches!(doing, Doing::Reading(known) if *known == number))
        };
        let due: Vec<_> = fleet
            .keys
            .iter()
            .filter(|(number, _)| !busy(**number))
            .map(|(n, key)| (*n, key.clone()))
            .collect();
        for (number, key) in due {
            fleet.call(&Command::Get { key: &key, unless: None }, Doing::Reading(number), cx);
        }
    }

    /// The store has answered.
    pub(crate) fn heard_from_fleet<H: Host>(
        &mut self,
        call: CallToken,
        answer: CallAnswer,
        cx: &mut Cx<'_, H>,
    ) {
        let Some(fleet) = &mut self.fleet else { return };
        let Some(doing) = fleet.calls.remove(&call) else { return };
        let heard = Heard::from(answer);
        let (Doing::Reading(number) | Doing::Publishing(number)) = doing;
        let Some(key) = fleet.keys.get(&number) else { return };
        let command = match doing {
            Doing::Reading(_) => Command::Get { key, unless: None },
            Doing::Publishing(_) => Command::Put { key, value: b"", keep: None },
        };
        let value = match (fleet.remote.said(&command, &heard, cx), doing) {
            (Said::Failed, _) => return fleet.failures.add(cx.host, 1),
            (_, Doing::Publishing(_)) => return fleet.published.add(cx.host, 1),
            (Said::Value(value, _), Doing::Reading(_)) => value.to_vec(),
            _ => return,
        };
        let (Some(rule), Some(trip)) = (self.config.breakers.get(number), Trip::decode(&value)) else {
            return;
        };
        let Some(process) = process(&mut fleet.process, cx) else { return };
        let (now, wall): (MonoTime, WallTime) = (cx.host.now(), cx.host.wall_time());
        let Some(left) = trip.warns(process, rule.name.as_str(), fleet.settings.cautious_for, wall) else {
            return;
        };
        let warn = Warn { until: now.after(left), now };
        if cx.run(&mut Rewrite::new(warning_key(rule), warn)) == Ok(true) {
            fleet.warned.add(cx.host, 1);
            let Counts { total, failed, slow } = trip.counts;
            let text = format!(
                "{}: another proxy has opened ({}, {failed} failed and {slow} slow of {total}): cautious for {} ms",
                rule.name,
                trip.cause.as_str(),
                left.as_millis()
            );
            cx.log(LogLevel::Info, &text);
        }
    }
}

impl RuleState {
    /// Looks whether another proxy has opened, and needs less evidence while that holds.
    fn read_warning(
        &mut self,
        rule: &Rule,
        evidence: ballast_core::units::Share,
        now: MonoTime,
        host: &impl Host,
    ) {
        let value = host.shared(&self.warning_key).ok().and_then(|shared| shared.value);
        let holds = Warning::read(value.as_deref(), now).holds(now);
        if holds != self.caution.is_some() {
            self.caution = holds.then(|| rule.policy.cautious(evidence).into());
            // What was known was that a success trips nothing by the other policy.
            if let Some(gather) = &mut self.gather {
                gather.known = None;
            }
        }
    }
}

/// The name of a rule's warning.
pub(crate) fn warning_key(rule: &Rule) -> String {
    format!("fleet/{}", rule.shared_name)
}

/// The number of this process, made by whoever asks first.
fn process<H: Host>(known: &mut Option<u64>, cx: &mut Cx<'_, H>) -> Option<u64> {
    if known.is_none() {
        let number = Number(cx.host.random());
        *known = cx.run(&mut Rewrite::new(PROCESS, number)).ok();
    }
    *known
}

/// Keeps the number that is there.
struct Number(u64);

impl Edit for Number {
    type Output = u64;

    fn edit(&self, old: Option<&[u8]>) -> Edited<u64> {
        match old.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes) {
            Some(known) => Edited::Keep(known),
            None => Edited::Replace(self.0.to_le_bytes().to_vec(), self.0),
        }
    }
}
