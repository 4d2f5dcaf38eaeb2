//! What this filter says about itself, and what operators order.

use crate::ResponseCache;
use crate::stream::Asked;
use ballast_core::orders::{self, Refusal};
use ballast_core::response_cache::operator::{Done, ORDERS, Purge};
use ballast_core::response_cache::status::{Head, Status};
use ballast_core::status::Draft;
use ballast_host::{Cx, Host, Ordered};

/// So many evictions in ten seconds are worth an event.
const MANY_EVICTIONS: u64 = 1_000;

impl ResponseCache {
    /// Counts the key of a request among the busiest.
    pub(crate) fn note(&mut self, asked: &Asked) {
        let Asked { rule, wanted, .. } = asked;
        let show_keys = self.config.show_keys;
        let name = || show_keys.then(|| String::from_utf8_lossy(&wanted.target.url).into_owned());
        self.busiest.count(*rule, wanted.key, name);
    }

    pub(crate) fn draft<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Draft {
        let (shape, now) = (self.storage.shape, cx.host.now());
        let store = self.storage.metrics.shown(cx.host, shape.budget(), shape.entries());
        let [evictions, errors] = &mut self.bursts;
        if let Some(count) = evictions.look(store.evicted, MANY_EVICTIONS, now) {
            cx.event("evictions", "", &format!("{count} in 10 s"), "");
        }
        if let Some(count) = errors.look(store.errors, 1, now) {
            cx.event("store_broken", "", &format!("{count} errors in 10 s"), "");
        }
        let mut draft = Draft::new(&Head { mode: self.config.mode, store });
        for (number, (rule, metrics)) in self.config.rules.iter().zip(&self.metrics).enumerate() {
            let busiest = self.busiest.top(number, cx);
            draft.rule(&Status::new(rule.name.as_str(), rule.mode(), metrics.counted(cx.host), busiest));
        }
        draft
    }

    /// Executes an order. What it purges is gone for all workers when it returns: their own copies are held against the
    /// counts of changes.
    pub(crate) fn execute<H: Host>(
        &mut self,
        cx: &mut Cx<'_, H>,
        ordered: &Ordered,
    ) -> Result<Vec<u8>, Refusal> {
        let order = &ordered.order;
        if !ORDERS.contains(&order.name.as_str()) {
            return Err(format!("unknown order `{}`: there is {}", order.name, ORDERS.join(", ")));
        }
        let purge = Purge::read(&order.arguments)?;
        if !ordered.leads {
            // The store is one for all: who leads has it purged.
            return orders::answer(&Done { purged: 0 });
        }
        // Half of a purge is none: whoever asks must ask again.
        let purged =
            self.purge_what(&purge.ask, &purge.url, cx).ok_or("the store does not answer, ask again")?;
        cx.event("purged", "", &purge.describe(purged), &order.who);
        orders::answer(&Done { purged })
    }
}
