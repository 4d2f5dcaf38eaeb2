//! What this filter says about itself.

use crate::{BOARD, LoadShedding};
use ballast_core::load_shedding::board::Board;
use ballast_core::load_shedding::status::{Head, Rule};
use ballast_core::plane::Overload;
use ballast_core::status::Draft;
use ballast_host::{Cx, Host};

impl LoadShedding {
    pub(crate) fn draft<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Draft {
        let (host, now) = (cx.host, cx.host.now());
        let value = host.shared(&cx.scope().key(BOARD)).ok().and_then(|shared| shared.value);
        let board = Board::read(value.as_deref(), &self.config.settings, now);
        let mut counted = self.metrics.counted(host, &self.config);
        (counted.in_flight, counted.queued) = self.counts.now(host);
        if let Some(count) = self.errors.look(counted.errors, 1, now) {
            cx.event("store_broken", "", &format!("{count} errors in 10 s"), "");
        }
        let mut draft = Draft::new(&Head::new(&self.config, &board, counted));
        Rule::all(&self.config, &board).iter().for_each(|rule| draft.rule(rule));
        draft
    }

    /// Leaves an event of a change of level. One root does so for all; one that has just become it has nothing to tell yet.
    pub(crate) fn tell_level<H: Host>(&mut self, level: Overload, leads: bool, cx: &mut Cx<'_, H>) {
        let before = self.told_level.replace(level);
        if !leads {
            self.told_level = None;
        } else if let Some(before) = before.filter(|before| *before != level) {
            cx.event("level_changed", "", &format!("{} -> {}", before.level(), level.level()), "");
        }
    }
}
