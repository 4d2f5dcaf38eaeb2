//! How many requests wait, as the metrics show it.
//!
//! Each worker sets a gauge of its own, so that a worker that crashed takes nothing along: whoever sees that it is gone
//! sets its gauge to zero.

use ballast_core::vec_map::VecMap;
use ballast_host::{Cx, Gauge, Host};

/// The gauges of the workers.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    gauges: VecMap<u8, Gauge>,
    seen: Vec<u8>,
    shown: Option<(u8, u32)>,
}

impl Waiting {
    /// Shows how many requests of this worker wait, and that none do of workers that are gone.
    pub(crate) fn show<H: Host>(&mut self, waiting: u32, cx: &mut Cx<'_, H>) {
        let Some(me) = cx.member() else { return };
        let alive: Vec<u8> = cx.view().members().map(|member| member.slot).collect();
        for slot in core::mem::replace(&mut self.seen, alive) {
            if slot != me.slot && !self.seen.contains(&slot) {
                self.set(slot, 0, cx);
            }
        }
        if self.shown != Some((me.slot, waiting)) {
            self.set(me.slot, waiting, cx);
            self.shown = Some((me.slot, waiting));
        }
    }

    /// How many requests wait, over all workers that are there.
    pub(crate) fn total<H: Host>(&mut self, cx: &Cx<'_, H>) -> u64 {
        let slots: Vec<u8> = cx.view().members().map(|member| member.slot).collect();
        let waiting = |slot: u8| self.gauge(slot, cx).and_then(|gauge| gauge.value(cx.host)).unwrap_or(0);
        slots.into_iter().map(waiting).fold(0, u64::saturating_add)
    }

    fn set<H: Host>(&mut self, slot: u8, waiting: u32, cx: &Cx<'_, H>) {
        if let Some(gauge) = self.gauge(slot, cx) {
            gauge.set(cx.host, waiting.into());
        }
    }

    fn gauge<H: Host>(&mut self, slot: u8, cx: &Cx<'_, H>) -> Option<Gauge> {
        if let Some(gauge) = self.gauges.get(&slot) {
            return Some(*gauge);
        }
        let gauge = cx.gauge("waiting", &[("worker", &slot.to_string())]).ok()?;
        self.gauges.insert(slot, gauge);
        Some(gauge)
    }
}
