//! Events on their way to the ring that all filters share.

use crate::context::Cx;
use crate::drive::drive;
use crate::host::Host;
use crate::reports::shared_scope;
use crate::services::Services;
use ballast_core::events::{Event, Noting, Ring};
use ballast_core::rewrite::Rewrite;

/// The key of the ring.
const RING: &str = "events";

impl<H: Host> Cx<'_, H> {
    /// Notes something rare that an operator wants to know of; it is in the ring after the next tick. `kind` is in snake case,
    /// `what` is for people; `who` is the name of an operator's credential, or empty. Too many in a short time are dropped
    /// and counted.
    pub fn event(&mut self, kind: &'static str, rule: &str, what: &str, who: &str) {
        let Services { filter_name, scope, notebook, .. } = self.services;
        notebook.note(Event {
            number: 0,
            at: self.host.now(),
            filter: (*filter_name).to_owned(),
            namespace: scope.namespace().to_owned(),
            rule: rule.to_owned(),
            kind: kind.to_owned(),
            what: what.to_owned(),
            who: who.to_owned(),
        });
    }

    /// The last events of all filters, the oldest first. One host call that returns all of them.
    pub fn events(&self) -> Vec<Event> {
        let value = self.host.shared(&shared_scope().key(RING)).ok().and_then(|shared| shared.value);
        Ring::read(value.as_deref()).into_events()
    }

    /// Adds what was noted to the ring.
    pub(crate) fn flush_events(&mut self) {
        let events = self.services.notebook.take();
        if !events.is_empty() {
            let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
            let mut noting = Rewrite::new(RING, Noting(events));
            if drive(self.host, &shared_scope(), &mut noting, |_, _| false).is_err() {
                self.services.notebook.lost(count);
            }
        }
        let dropped = self.services.notebook.take_dropped();
        if dropped > 0 {
            // Defined once: the proxy gives another number each time.
            let known = self.services.events_dropped.or_else(|| self.counter("events_dropped", &[]).ok());
            self.services.events_dropped = known;
            if let Some(counter) = known {
                counter.add(self.host, dropped);
            }
        }
    }
}
