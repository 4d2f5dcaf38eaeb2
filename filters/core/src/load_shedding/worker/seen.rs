//! What a worker has seen, and what it makes of what all have seen.

use super::{Counters, Worker};
use crate::load_shedding::board::{Board, Report};
use core::time::Duration;

/// A client that leaves after so many times the latency of an idle upstream has given up.
const GIVEN_UP: f64 = 2.0;
/// One that leaves after so many times it or more has waited for about as long as an idle upstream takes, or is thought to take.
const ABOUT: f64 = 0.75;

impl<T: Copy + Eq> Worker<T> {
    /// The upstream has answered with an error. One that came fast says nothing about how fast it works.
    pub fn erred(&mut self, latency: Duration, in_flight: u32) {
        if self.floor.is_some_and(|floor| latency.as_nanos() as f64 > floor) {
            self.report.samples.success(latency, in_flight);
        }
    }

    /// The upstream has answered a request that went on as the `in_flight`th.
    pub fn sample(&mut self, latency: Duration, in_flight: u32) {
        self.report.samples.success(latency, in_flight);
    }

    /// A client has left before the upstream answered. Who left at once says nothing. Who had to wait for longer than an
    /// idle upstream takes says that the answer would have taken at least that long: without those the answered ones, who
    /// are the quick ones, would look like all. Who waited for much longer says that there was too much.
    pub fn client_left(&mut self, latency: Duration, in_flight: u32) {
        let Some(floor) = self.floor else { return };
        let waited = latency.as_nanos() as f64;
        if waited > GIVEN_UP * floor {
            self.report.samples.drop(in_flight);
        } else if waited > ABOUT * floor {
            self.report.samples.left(latency, in_flight);
        }
    }

    /// The upstream has dropped a request.
    pub fn dropped(&mut self, in_flight: u32) {
        self.report.samples.drop(in_flight);
    }

    /// What the upstream has made of a request of an admission rule.
    pub fn outcome(&mut self, rule: usize, success: bool) {
        if let Some(tally) = self.report.tallies.get_mut(rule) {
            tally.count(success);
        }
    }

    /// An answer says how loaded the upstream is: `over` its threshold by so much of it, below zero if under.
    pub fn signal(&mut self, over: f64) {
        self.report.signals.0 += over.max(0.0);
        self.report.signals.1 = self.report.signals.1.saturating_add(1);
    }

    pub(super) fn refused(&mut self) {
        self.report.refused = self.report.refused.saturating_add(1);
    }

    /// What was seen since the last report.
    pub fn report(&mut self, counters: &impl Counters) -> Report {
        let mut report = core::mem::replace(&mut self.report, Report::new(&self.settings));
        report.in_flight = counters.in_flight();
        report.queued = counters.queued();
        self.last_seen = report.in_flight;
        self.looks = 0;
        report
    }

    /// A report that did not reach the board: it is part of the next one.
    pub fn keep(&mut self, report: &Report) {
        self.report.samples.add(&report.samples);
        self.report.arrived = self.report.arrived.saturating_add(report.arrived);
        self.report.refused = self.report.refused.saturating_add(report.refused);
    }

    /// Decides by this board from now on.
    pub fn learn(&mut self, board: &Board) {
        self.allowed = board.allowed(&self.settings);
        self.gate = board.gate(&self.settings);
        self.overloaded = board.is_overloaded();
        self.floor = board.floor();
        self.admission_odds = board.admission_odds(&self.settings);
        if self.settings.strategy.by_caller() {
            self.callers.clone_from(board.callers());
        }
    }
}
