//! What a root keeps for all its streams.

use crate::drive::Scope;
use crate::host::Host;
use crate::membership::Membership;
use crate::queues::Queues;
use crate::timers::Timers;
use ballast_core::slots::Secret;
use ballast_core::time::MonoTime;
use core::time::Duration;
use std::collections::BTreeMap;

/// The shared mechanisms, as one root sees them.
#[derive(Debug)]
pub struct Services {
    /// The filter's name, for log lines.
    pub(crate) filter_name: &'static str,
    /// Where the filter's shared state lives.
    pub(crate) scope: Scope,
    pub(crate) queues: Queues,
    pub(crate) membership: Membership,
    pub(crate) secret: Option<Secret>,
    pub(crate) timers: Timers,
    /// The stream that each call under way was made for.
    pub(crate) calls: BTreeMap<u32, u32>,
    /// Set when the stream whose callback runs must be found again by its number.
    pub(crate) keep_reachable: bool,
    tick_period: Duration,
}

impl Services {
    pub(crate) fn new(filter_name: &'static str, scope: Scope) -> Self {
        Self {
            filter_name,
            scope,
            queues: Queues::default(),
            membership: Membership::default(),
            secret: None,
            timers: Timers::default(),
            calls: BTreeMap::new(),
            keep_reachable: false,
            tick_period: Duration::ZERO,
        }
    }

    /// Asks for the tick that the next timer needs, if it is not what is set already.
    pub(crate) fn adjust_tick(&mut self, host: &impl Host, now: MonoTime) {
        let period = self.timers.period(now);
        if period != self.tick_period {
            self.tick_period = period;
            host.set_tick_period(period);
        }
    }

    /// A stream has ended.
    pub(crate) fn forget(&mut self, stream: u32) {
        self.timers.forget(stream);
        self.calls.retain(|_, of| *of != stream);
    }
}
