//! What one root does for all.

use crate::Admin;
use crate::alerting::Alerting;
use crate::checking::Checking;
use crate::draining::DRAIN;
use crate::envoy::Looking;
use crate::health::SINCE;
use crate::storing::Moving;
use ballast_core::admin::drain::{Advance, Drain, Phase};
use ballast_core::admin::health::Since;
use ballast_core::rewrite::Rewrite;
use ballast_core::time::MonoTime;
use ballast_host::{CallAnswer, CallToken, Cx, Host, LogLevel};
use core::time::Duration;

const LEASE: &str = "lead";
const LEASE_TERM: Duration = Duration::from_secs(3);
/// How often it is noted how the components are.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// What is remembered while leading.
#[derive(Debug, Default)]
pub(crate) struct Leading {
    leads: bool,
    since: Option<Since>,
    noted_at: Option<MonoTime>,
}

impl Admin {
    /// Does what is to be done once, if this root is the one to do it.
    pub(crate) fn lead<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if cx.lease(LEASE, LEASE_TERM).is_none() {
            if core::mem::take(&mut self.leading.leads) {
                // Another goes on with what is shared; calls under way are answered to nobody.
                self.leading = Leading::default();
                self.checking = Checking::default();
                self.alerting = Alerting::default();
                self.looking = Looking::default();
                self.moving = Moving::default();
            }
            return;
        }
        self.leading.leads = true;
        cx.want_reports();
        self.look_at_envoy(cx);
        self.move_drain(cx);
        self.ask_checks(cx);
        self.look_at_alerts(cx);
        self.note_health(cx);
        self.keep_snapshots(cx);
    }

    fn move_drain<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let progress = self.progress(cx);
        self.metrics.in_flight.set(cx.host, progress.in_flight);
        let phase = self.drain.as_ref().map(|drain| drain.phase);
        self.metrics.drain_phase.set(cx.host, number(phase));
        let Some(drain) = &self.drain else { return };
        let next = drain.step(&progress, self.connections(), &self.config.drain.patience, cx.host.now());
        let Some(next) = next else { return };
        let advance = Advance { from: drain.clone(), to: next.clone() };
        if cx.run(&mut Rewrite::new(DRAIN, advance)) == Ok(true) {
            cx.log(LogLevel::Warn, &said(&next));
            cx.event("drain", "", &said(&next), &next.by);
            let is_over = next.phase == Phase::Finished;
            self.drain = Some(next);
            if is_over {
                self.save(cx);
                if let Some(target) = self.config.drain.web_hook.clone() {
                    self.tell_drained(&target, cx);
                }
            }
        }
    }

    /// Notes since when each component is what it is.
    fn note_health<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let now = cx.host.now();
        if self.leading.noted_at.is_some_and(|at| now.since(at) < NOTE_EVERY) {
            return;
        }
        self.leading.noted_at = Some(now);
        let components = self.all_components(cx);
        let key = cx.scope().key(SINCE);
        let mut since = match self.leading.since.take() {
            Some(since) => since,
            None => {
                let shared = cx.host.shared(&key).ok().and_then(|shared| shared.value);
                Since::read(shared.as_deref())
            }
        };
        if since.update(&components, now) {
            // What is lost is written with the next change.
            let _ = cx.host.put_shared(&key, &since.encode());
        }
        self.leading.since = Some(since);
    }

    /// A call that no stream has made is answered.
    pub(crate) fn on_answer<H: Host>(&mut self, call: CallToken, answer: &CallAnswer, cx: &mut Cx<'_, H>) {
        // Whose it is not it is nobody's: a web hook's, which nobody waits for.
        let _ = self.on_check(call, answer, cx)
            || self.on_envoy(call, answer, cx)
            || self.on_channel(call, answer, cx)
            || self.on_store(call, answer, cx);
    }
}

fn said(drain: &Drain) -> String {
    let phase = drain.phase.as_str();
    match drain.abandoned {
        0 => format!("drain {} is {phase}", drain.number),
        left => format!("drain {} is {phase}, {left} requests are left", drain.number),
    }
}

const fn number(phase: Option<Phase>) -> u64 {
    match phase {
        None => 0,
        Some(Phase::Draining) => 1,
        Some(Phase::Closing) => 2,
        Some(Phase::Finished) => 3,
    }
}
