//! What this filter says about itself, and what operators order.

use crate::RateLimit;
use ballast_core::matching::Request;
use ballast_core::orders::{self, Refusal};
use ballast_core::rate_limit::Named;
use ballast_core::rate_limit::config::{Asking, Config};
use ballast_core::rate_limit::operator::{Done, ORDERS, Reset};
use ballast_core::rate_limit::status::{Head, Status};
use ballast_core::status::Draft;
use ballast_host::{Busiest, Cx, Host, Ordered};

/// So many evictions in ten seconds are worth an event.
const MANY_EVICTIONS: u64 = 100;

impl RateLimit {
    pub(crate) fn draft<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Draft {
        let (mut draft, now) = (Draft::new(&Head { mode: self.config.mode }), cx.host.now());
        let limits = self.config.limits.iter().zip(&self.metrics).zip(&mut self.bursts);
        for (number, ((limit, metrics), [evictions, errors])) in limits.enumerate() {
            let counted = metrics.counted(cx.host);
            if let Some(count) = evictions.look(counted.evictions, MANY_EVICTIONS, now) {
                cx.event("evictions", limit.name.as_str(), &format!("{count} in 10 s"), "");
            }
            if let Some(count) = errors.look(counted.errors, 1, now) {
                cx.event("store_broken", limit.name.as_str(), &format!("{count} errors in 10 s"), "");
            }
            draft.rule(&Status::new(limit, counted, self.busiest.top(number, cx)));
        }
        draft
    }

    /// Executes an order that has come to every worker.
    pub(crate) fn execute<H: Host>(
        &mut self,
        cx: &mut Cx<'_, H>,
        ordered: &Ordered,
    ) -> Result<Vec<u8>, Refusal> {
        let order = &ordered.order;
        match order.name.as_str() {
            "reset" => self.reset(cx, ordered),
            "export" => self.export(cx, &order.arguments),
            "restore" => self.restore(cx, ordered),
            other => Err(format!("unknown order `{other}`: there are {}, export", ORDERS.join(", "))),
        }
    }

    fn reset<H: Host>(&mut self, cx: &mut Cx<'_, H>, ordered: &Ordered) -> Result<Vec<u8>, Refusal> {
        let order = &ordered.order;
        let named = (0_u16..).zip(&self.config.limits).find(|(_, limit)| limit.name.as_str() == order.rule);
        let (number, limit) = named.ok_or_else(|| format!("unknown rule `{}`", order.rule))?;
        let secret = cx.secret().ok_or("the shared store does not answer, ask again")?;
        let reset = Reset::read(limit, &order.arguments, &secret)?;
        // What is held in advance of what is forgotten would be spent beside it.
        let leases_dropped = self.leases.drop_of(number, |client| reset.concerns(client));
        let (mut cleared, mut next) = (0, None);
        if ordered.leads {
            let (conversations, rest) = reset.conversations(number, limit);
            next = rest;
            let forgotten = conversations.into_iter().try_for_each(|conversation| {
                let mut named = Named::new(conversation, |limit| self.config.name_of(limit));
                cx.run(&mut named).map(|forgotten| cleared += forgotten)
            });
            self.count(number, |metrics| {
                metrics.keys.add(cx.host, -i64::try_from(cleared).unwrap_or(0));
            });
            forgotten.map_err(|error| format!("not all is forgotten, ask again: {error}"))?;
        }
        orders::answer(&Done { rule: &order.rule, cleared, leases_dropped, next })
    }
}

/// Counts the clients of a request among the busiest.
pub(crate) fn note_clients(config: &Config, asking: &Asking, request: &impl Request, busiest: &mut Busiest) {
    for ask in asking.asks().iter().chain(asking.remote()) {
        let name = || config.show_keys.then(|| config.shown(ask.limit, request));
        busiest.count(ask.limit.into(), ask.client, name);
    }
}
