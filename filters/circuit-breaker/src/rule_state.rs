//! What a worker keeps for one rule.

use crate::fleet::warning_key;
use crate::metrics::RuleMetrics;
use ballast_core::circuit_breaker::config::Rule;
use ballast_core::circuit_breaker::gather::Known;
use ballast_core::circuit_breaker::operator::{Forced, Order};
use ballast_core::circuit_breaker::policy::Policy;
use ballast_core::circuit_breaker::watch::{Entry, Watch};
use ballast_core::circuit_breaker::{Key, What};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_host::{Cx, Gauge, Host, HostError, StartError};
use core::time::Duration;
use std::rc::Rc;

#[derive(Debug)]
pub(crate) struct RuleState {
    pub(crate) metrics: RuleMetrics,
    /// The full keys of what is read often.
    pub(crate) watch_key: String,
    pub(crate) warning_key: String,
    /// What it needs less evidence by, while another proxy has opened.
    pub(crate) caution: Option<Rc<Policy>>,
    order_key: String,
    pub(crate) order: Option<Order>,
    initial: Forced,
    pub(crate) gather: Option<Gather>,
    /// Grows with each change of a breaker's state, after the change.
    changes: Gauge,
    /// The watch list as it was last read.
    listed: Option<Listed>,
    /// The breaker that was last found open, as it stands on the watch list, and until when it is.
    known_open: Option<(Entry, MonoTime)>,
}

/// The watch list, and what there had been before it was read or known to be as it was.
#[derive(Debug)]
struct Listed {
    changes: u64,
    /// Of a rule with one breaker: nothing has changed while nothing has happened.
    events: Option<u64>,
    watch: Watch,
}

/// What the watch list says of one breaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    /// The events of a rule with one breaker, read before the list.
    pub(crate) events: Option<u64>,
    /// It is certainly closed.
    pub(crate) is_closed: bool,
    /// Its entry.
    pub(crate) entry: Option<Entry>,
}

impl Watched {
    fn on(watch: &Watch, fingerprint: Fingerprint, events: Option<u64>) -> Self {
        let (is_closed, entry) = (watch.proves_closed(fingerprint), watch.entry(fingerprint).copied());
        Self { events, is_closed, entry }
    }
}

/// The counters of a rule with one breaker: see the core's `gather`.
#[derive(Debug)]
pub(crate) struct Gather {
    pub(crate) events: Gauge,
    pub(crate) gathered: Gauge,
    pub(crate) known: Option<Known>,
}

impl RuleState {
    pub(crate) fn new<H: Host>(rule: &Rule, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let key = |what| cx.scope().key(Key { rule: Rc::clone(&rule.shared_name), what });
        let labels = [("rule", rule.name.as_str())];
        let gather = if rule.is_single {
            let (events, gathered) = (cx.gauge("events", &labels)?, cx.gauge("gathered", &labels)?);
            Some(Gather { events, gathered, known: None })
        } else {
            None
        };
        Ok(Self {
            metrics: RuleMetrics::define(rule.name.as_str(), cx)?,
            watch_key: key(What::Watch),
            warning_key: cx.scope().key(warning_key(rule)),
            caution: None,
            order_key: key(What::Order),
            order: None,
            initial: rule.initial_state,
            gather,
            changes: cx.gauge("changes", &labels)?,
            listed: None,
            known_open: None,
        })
    }

    /// The numbers by which its breakers are judged now.
    pub(crate) fn policy<'a>(&'a self, rule: &'a Rule) -> &'a Rc<Policy> {
        self.caution.as_ref().unwrap_or(&rule.policy)
    }

    /// What the rule's breakers are to be.
    pub(crate) fn forced(&self) -> Forced {
        self.order.map_or(self.initial, |order| order.forced)
    }

    /// When an operator closed all breakers of the rule; the origin if none ever did.
    pub(crate) fn reset_at(&self) -> MonoTime {
        self.order.map_or(MonoTime::ZERO, |order| order.reset_at)
    }

    /// What the watch list says of a breaker. While no breaker changes, and until the next tick, what was read once is still so: whether
    /// there was a change is asked at a tenth of the price.
    ///
    /// # Errors
    ///
    /// The list cannot be read.
    pub(crate) fn watched(
        &mut self,
        fingerprint: Fingerprint,
        host: &impl Host,
    ) -> Result<Watched, HostError> {
        // Before the list is read: what changes later is seen next time.
        let events = self.gather.as_ref().and_then(|gather| gather.events.value(host));
        if let Some(listed) =
            self.listed.as_ref().filter(|listed| events.is_some() && listed.events == events)
        {
            return Ok(Watched::on(&listed.watch, fingerprint, events));
        }
        let changes = self.changes.value(host);
        if let Some(listed) = self.listed.as_mut().filter(|listed| Some(listed.changes) == changes) {
            listed.events = events;
            return Ok(Watched::on(&listed.watch, fingerprint, events));
        }
        let watch = Watch::read(host.shared(&self.watch_key)?.value.as_deref());
        let watched = Watched::on(&watch, fingerprint, events);
        self.listed = changes.map(|changes| Listed { changes, events, watch });
        Ok(watched)
    }

    /// A breaker has changed: the list is read again by all workers, and what they know of the breaker is old.
    pub(crate) fn has_changed(&self, host: &impl Host) {
        // `changes` first: whoever sees new events looks at it next.
        self.changes.add(host, 1);
        if let Some(gather) = &self.gather {
            gather.events.add(host, 1);
        }
    }

    /// On each tick: the list is read again, in case a worker died between a change and telling of it.
    pub(crate) fn forget_list(&mut self) {
        self.listed = None;
    }

    /// How long a breaker remains open that was found open before: nothing but time and an operator ends that, and whoever closes
    /// it takes it off the list.
    pub(crate) fn remains_open(&self, listed: &Entry, now: MonoTime) -> Option<Duration> {
        let (entry, until) = self.known_open.as_ref()?;
        (entry == listed && now < *until).then(|| until.since(now))
    }

    /// A breaker was found open.
    pub(crate) const fn found_open(&mut self, listed: Entry, until: MonoTime) {
        self.known_open = Some((listed, until));
    }

    /// Takes an order in; what was known of the breaker before it is worth nothing.
    pub(crate) fn obey(&mut self, order: Order) {
        if self.order != Some(order) {
            self.order = Some(order);
            self.known_open = None;
            if let Some(gather) = &mut self.gather {
                gather.known = None;
            }
        }
    }

    /// Looks whether there is a new order.
    pub(crate) fn read_order(&mut self, host: &impl Host) {
        let value = host.shared(&self.order_key).ok().and_then(|shared| shared.value);
        if let Some(order) = value.as_deref().and_then(Order::decode) {
            self.obey(order);
        }
    }
}
