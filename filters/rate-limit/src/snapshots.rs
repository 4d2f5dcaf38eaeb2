//! What clients have used up, out of this process and into another.

use crate::RateLimit;
use ballast_core::orders::snapshot::{self, Restored};
use ballast_core::orders::{self, Refusal};
use ballast_core::rate_limit::config::Asking;
use ballast_core::rate_limit::snapshot::{Cursor, OfLimit, Part, SETS_AT_ONCE, is_full, take};
use ballast_core::rate_limit::{Algorithm, NamedKey};
use ballast_core::rewrite::Rewrite;
use ballast_host::{Cx, Host, Ordered};

const SILENT: &str = "the shared store does not answer, ask again";

impl RateLimit {
    /// The next part of what all clients have used up.
    pub(crate) fn export<H: Host>(&self, cx: &mut Cx<'_, H>, arguments: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Cursor { limit: first, mut set } = snapshot::cursor(arguments)?;
        let (secret, now) = (cx.secret().ok_or(SILENT)?, cx.host.now());
        let mut part = Part {
            taken_unix_ms: cx.host.wall_time().as_unix_nanos() / 1_000_000,
            seed: snapshot::seed(&secret),
            limits: Vec::new(),
        };
        let mut looked_at = 0;
        for (number, limit) in (0_u16..).zip(&self.config.limits).skip(first.into()) {
            part.limits.push(OfLimit { name: limit.name.to_string(), clients: Vec::new() });
            let is_empty = matches!(limit.algorithm, Algorithm::Concurrency { .. } | Algorithm::Elsewhere);
            while !is_empty && set < limit.table.sets() {
                if looked_at >= SETS_AT_ONCE || is_full(&part) {
                    return snapshot::exported(&part, Some(Cursor { limit: number, set }));
                }
                let key = cx.scope().key(NamedKey { limit: limit.name.as_str(), set });
                let value = cx.host.shared(&key).map_err(|_| SILENT)?.value;
                if let Some(of_limit) = part.limits.last_mut() {
                    take(of_limit, limit.algorithm, value.as_deref(), now);
                }
                (set, looked_at) = (set + 1, looked_at + 1);
            }
            set = 0;
        }
        snapshot::exported(&part, None::<Cursor>)
    }

    /// Puts a part back. Who leads writes; every worker goes by the secret that the part was made with.
    pub(crate) fn restore<H: Host>(
        &mut self,
        cx: &mut Cx<'_, H>,
        ordered: &Ordered,
    ) -> Result<Vec<u8>, Refusal> {
        let part: Part = snapshot::part(&ordered.order.arguments)?;
        let secret = snapshot::secret(&part.seed)?;
        if cx.secret().ok_or(SILENT)? != secret {
            if !cx.adopt_secret(secret, ordered.leads) {
                return Err(SILENT.to_owned());
            }
            // What is remembered of clients was known under the other one.
            self.asking = Asking::default();
            self.busiest.clear();
        }
        let mut done = Restored::default();
        if ordered.leads {
            let age = snapshot::age(part.taken_unix_ms, cx.host.wall_time());
            for (number, set, putting) in part.puttings(&self.config, age, cx.host.now()) {
                let key = NamedKey { limit: self.config.name_of(number), set };
                if let Some(stored) = cx.run(&mut Rewrite::new(key, putting)).map_err(|_| SILENT)? {
                    done.restored += 1;
                    self.count(number, |metrics| metrics.keys.add(cx.host, stored));
                }
            }
            done.skipped = part.clients().saturating_sub(done.restored);
        }
        orders::answer(&done)
    }
}
