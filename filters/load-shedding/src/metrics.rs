//! What is counted and shown.

use ballast_core::config::Name;
use ballast_core::load_shedding::Reason;
use ballast_core::load_shedding::config::Config;
use ballast_core::load_shedding::status::{Counted, ShadowShed, Shed};
use ballast_host::{Counter, Cx, Gauge, Histogram, Host, StartError};
use core::time::Duration;

/// The metrics of one root. What grows with each request is collected here and added on the tick.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// How many may be in flight.
    pub(crate) limit: Gauge,
    /// How overloaded the process is, 0 to 3.
    pub(crate) level: Gauge,
    /// How long requests waited until they went on, in microseconds.
    queue_delay: Histogram,
    admitted: (Counter, u64),
    samples: (Counter, u64),
    drops: (Counter, u64),
    pub(crate) errors: Counter,
    /// Refusals by reason, each by class.
    rejected: Vec<Vec<Counter>>,
    /// Refusals that did not take effect.
    shadow_rejected: Vec<Counter>,
}

impl Metrics {
    pub(crate) fn define<H: Host>(config: &Config, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let mut rejected = Vec::with_capacity(Reason::ALL.len());
        let mut shadow_rejected = Vec::with_capacity(Reason::ALL.len());
        for reason in Reason::ALL {
            let by_class = config.priority.classes.iter().map(|class| {
                cx.counter("rejected", &[("reason", reason.as_str()), ("class", class.as_str())])
            });
            rejected.push(by_class.collect::<Result<Vec<_>, _>>()?);
            shadow_rejected.push(cx.counter("shadow_rejected", &[("reason", reason.as_str())])?);
        }
        Ok(Self {
            limit: cx.gauge("limit", &[])?,
            level: cx.gauge("level", &[])?,
            queue_delay: cx.histogram("queue_delay_us", &[])?,
            admitted: (cx.counter("admitted", &[])?, 0),
            samples: (cx.counter("samples", &[])?, 0),
            drops: (cx.counter("drops", &[])?, 0),
            errors: cx.counter("errors", &[])?,
            rejected,
            shadow_rejected,
        })
    }

    pub(crate) const fn admitted(&mut self) {
        self.admitted.1 += 1;
    }

    pub(crate) const fn sampled(&mut self) {
        self.samples.1 += 1;
    }

    pub(crate) const fn dropped(&mut self) {
        self.drops.1 += 1;
    }

    pub(crate) fn waited(&self, host: &impl Host, waited: Duration) {
        self.queue_delay.record(host, u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn rejected(&self, host: &impl Host, reason: Reason, class: u8, enforced: bool) {
        let at = Reason::ALL.iter().position(|one| *one == reason).unwrap_or(0);
        let counter = if enforced {
            self.rejected.get(at).and_then(|by_class| by_class.get(usize::from(class)))
        } else {
            self.shadow_rejected.get(at)
        };
        if let Some(counter) = counter {
            counter.add(host, 1);
        }
    }

    /// What was counted by all workers.
    pub(crate) fn counted<'a>(&self, host: &impl Host, config: &'a Config) -> Counted<'a> {
        let read = |counter: Counter| counter.value(host).unwrap_or(0);
        let of_reason = |(reason, by_class): (Reason, &Vec<Counter>)| -> Vec<Shed<'a>> {
            let classes = config.priority.classes.iter().zip(by_class);
            let shed = |(class, counter): (&'a Name, &Counter)| {
                let (reason, class, count) = (reason.as_str(), class.as_str(), read(*counter));
                (count > 0).then_some(Shed { reason, class, count })
            };
            classes.filter_map(shed).collect()
        };
        let shadow = |(reason, counter): (Reason, &Counter)| {
            let (reason, count) = (reason.as_str(), read(*counter));
            (count > 0).then_some(ShadowShed { reason, count })
        };
        Counted {
            admitted: read(self.admitted.0),
            samples: read(self.samples.0),
            drops: read(self.drops.0),
            errors: read(self.errors),
            shed: Reason::ALL.into_iter().zip(&self.rejected).flat_map(of_reason).collect(),
            shadow_shed: Reason::ALL.into_iter().zip(&self.shadow_rejected).filter_map(shadow).collect(),
            ..Counted::default()
        }
    }

    /// Adds what was collected.
    pub(crate) fn flush(&mut self, host: &impl Host) {
        for (counter, collected) in [&mut self.admitted, &mut self.samples, &mut self.drops] {
            counter.add(host, core::mem::take(collected));
        }
    }
}
