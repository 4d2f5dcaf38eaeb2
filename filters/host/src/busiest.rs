//! The busiest keys of a filter's rules, as all workers have seen them.

use crate::context::Cx;
use crate::host::Host;
use ballast_core::busiest::{self, Counting, Key, Merging};
use ballast_core::rewrite::Rewrite;
use ballast_core::slots::Fingerprint;
use ballast_core::status::WRITE_EVERY;
use ballast_core::time::MonoTime;

/// What this root has counted, by rule, until it is added to what all have: on a tick, and only while somebody wants to see it.
#[derive(Debug)]
pub struct Busiest {
    /// The name of each rule's shared value, and what was counted.
    rules: Vec<(String, Counting)>,
    merged: MonoTime,
}

impl Busiest {
    /// Of rules with these names.
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a str>) -> Self {
        let rules = rules.into_iter().map(|rule| (format!("busiest/{rule}"), Counting::default()));
        Self { rules: rules.collect(), merged: MonoTime::ZERO }
    }

    /// A request of this key has come. `name` says what the key is called, if that may be shown, and is asked only rarely.
    pub fn count(&mut self, rule: usize, key: Fingerprint, name: impl FnOnce() -> Option<String>) {
        let Some((_, counting)) = self.rules.get_mut(rule) else { return };
        if counting.count(key)
            && let Some(name) = name()
        {
            counting.name(key, &name);
        }
    }

    /// A request of this key was refused.
    pub fn refused(&mut self, rule: usize, key: Fingerprint) {
        if let Some((_, counting)) = self.rules.get_mut(rule) {
            counting.refused(key);
        }
    }

    /// Forgets what this root has counted.
    pub fn clear(&mut self) {
        self.rules.iter_mut().for_each(|(_, counting)| counting.clear());
    }

    /// To be called on each tick.
    pub fn tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let now = cx.host.now();
        if !cx.is_reported() {
            self.rules.iter_mut().for_each(|(_, counting)| counting.fade(now));
            return;
        }
        if now.since(self.merged) < WRITE_EVERY {
            return;
        }
        self.merged = now;
        for (key, counting) in &mut self.rules {
            let counted = counting.take();
            if !counted.is_empty() {
                // What could not be added is gone: it was to be about the last minute.
                let _ = cx.run(&mut Rewrite::new(key.as_str(), Merging { counted, now }));
            }
        }
    }

    /// The busiest keys of a rule, over all workers.
    pub fn top<H: Host>(&self, rule: usize, cx: &Cx<'_, H>) -> Vec<Key> {
        let value = self.rules.get(rule).and_then(|(key, _)| cx.host.shared(&cx.scope().key(key)).ok());
        busiest::Busiest::read(value.and_then(|shared| shared.value).as_deref()).top()
    }
}
