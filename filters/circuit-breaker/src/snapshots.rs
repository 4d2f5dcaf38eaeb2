//! What breakers know, out of this process and into another.

use crate::CircuitBreaker;
use ballast_core::circuit_breaker::snapshot::{Cursor, OfRule, Part, SETS_AT_ONCE};
use ballast_core::circuit_breaker::{Key, What};
use ballast_core::orders::snapshot::{self, Restored};
use ballast_core::orders::{self, Refusal};
use ballast_host::{Cx, Host, Ordered};
use std::rc::Rc;

const SILENT: &str = "the shared store does not answer, ask again";

impl CircuitBreaker {
    /// The next part of what all breakers know.
    pub(crate) fn export<H: Host>(&self, cx: &mut Cx<'_, H>, arguments: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Cursor { rule: first, mut set } = snapshot::cursor(arguments)?;
        let (secret, now) = (cx.secret().ok_or(SILENT)?, cx.host.now());
        let mut part = Part {
            taken_unix_ms: cx.host.wall_time().as_unix_nanos() / 1_000_000,
            seed: snapshot::seed(&secret),
            rules: Vec::new(),
        };
        let mut looked_at = 0;
        for (number, (rule, state)) in self.config.breakers.iter().zip(&self.rules).enumerate().skip(first) {
            part.rules.push(OfRule::new(rule.name.as_str(), state.order));
            while set < rule.table.sets() {
                if looked_at >= SETS_AT_ONCE || part.is_full() {
                    return snapshot::exported(&part, Some(Cursor { rule: number, set }));
                }
                let key = Key { rule: Rc::clone(&rule.shared_name), what: What::Set(set) };
                let value = cx.host.shared(&cx.scope().key(key)).map_err(|_| SILENT)?.value;
                if let Some(of_rule) = part.rules.last_mut() {
                    of_rule.take(value.as_deref(), now);
                }
                (set, looked_at) = (set + 1, looked_at + 1);
            }
            set = 0;
        }
        snapshot::exported(&part, None::<Cursor>)
    }

    /// Puts a part back. Who leads writes; every worker goes by the secret that the part was made with, and by what was ordered.
    pub(crate) fn restore<H: Host>(
        &mut self,
        cx: &mut Cx<'_, H>,
        ordered: &Ordered,
    ) -> Result<Vec<u8>, Refusal> {
        let part: Part = snapshot::part(&ordered.order.arguments)?;
        let secret = snapshot::secret(&part.seed)?;
        if cx.secret().ok_or(SILENT)? != secret && !cx.adopt_secret(secret, ordered.leads) {
            return Err(SILENT.to_owned());
        }
        for of_rule in &part.rules {
            if let (Some(number), Some(forced)) = (self.number_of(&of_rule.name), of_rule.forced) {
                self.force(number, forced, ordered.issued, cx).map_err(|_| SILENT)?;
            }
        }
        let mut done = Restored::default();
        if ordered.leads {
            let age = snapshot::age(part.taken_unix_ms, cx.host.wall_time());
            // After what was just ordered: a reset forgets what is from before it.
            let now = cx.host.now().max(ordered.issued.after(core::time::Duration::from_nanos(2)));
            for putting in part.puttings(&self.config, age, now) {
                let state = self.rules.iter().zip(&self.config.breakers);
                let mut state =
                    state.filter(|(_, rule)| putting.is_of(rule.name.as_str())).map(|(state, _)| state);
                let state = state.next();
                let gather = state.and_then(|state| state.gather.as_ref());
                let gathered = gather.and_then(|gather| gather.gathered.value(cx.host));
                if let Some(mut enlisting) = putting.enlisting() {
                    cx.run(&mut enlisting).map_err(|_| SILENT)?;
                }
                if cx.run(&mut putting.converse(gathered)).map_err(|_| SILENT)? {
                    done.restored += 1;
                    state.into_iter().for_each(|state| state.has_changed(cx.host));
                    if let Some(gather) = gather {
                        // What others believe of the breaker is no longer so.
                        gather.events.add(cx.host, 1);
                    }
                }
            }
            let all = u64::try_from(part.breakers()).unwrap_or(u64::MAX);
            done.skipped = all.saturating_sub(done.restored);
        }
        orders::answer(&done)
    }
}
