//! How many requests wait, as the metrics show it.
//!
//! Each worker sets a gauge of its own, so that a worker that crashed takes nothing along: whoever sees that it is gone
//! sets its gauge to zero.

use ballast_host::{Cx, Gauge, Host};
use std::collections::{BTreeMap, BTreeSet};

/// The gauges of the workers.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    gauges: BTreeMap<u8, Gauge>,
    seen: BTreeSet<u8>,
    shown: Option<(u8, u32)>,
}

impl Waiting {
    /// Shows how many requests of this worker wait, and that none do of workers that are gone.
    pub(crate) fn show<H: Host>(&mut self, waiting: u32, cx: &mut Cx<'_, H>) {
        let Some(me) = cx.member() else { return };
        let alive: BTreeSet<u8> = cx.view().members().map(|member| member.slot).collect();
        let gone: Vec<u8> = self.seen.difference(&alive).copied().filter(|slot| *slot != me.slot).collect();
        self.seen = alive;
        for slot in gone {
            self.set(slot, 0, cx);
        }
        if self.shown != Some((me.slot, waiting)) {
            self.set(me.slot, waiting, cx);
            self.shown = Some((me.slot, waiting));
        }
    }

    fn set<H: Host>(&mut self, slot: u8, waiting: u32, cx: &Cx<'_, H>) {
        let gauge = match self.gauges.get(&slot) {
            Some(gauge) => Some(*gauge),
            None => cx.gauge("waiting", &[("worker", &slot.to_string())]).ok(),
        };
        if let Some(gauge) = gauge {
            self.gauges.insert(slot, gauge);
            gauge.set(cx.host, waiting.into());
        }
    }
}
