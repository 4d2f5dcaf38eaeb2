//! What the cache says about itself, for people.

use crate::busiest::Key;
use crate::config::Mode;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is counted by a label.
pub type ByLabel = BTreeMap<&'static str, u64>;

/// What the cache says before its rules.
#[derive(Clone, Debug, Serialize)]
pub struct Head {
    /// Whether decisions take effect.
    pub mode: Mode,
    /// The store.
    pub store: Store,
}

/// The store that all workers share.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Store {
    /// What entries and their answers take.
    pub bytes: u64,
    /// What they may take.
    pub bytes_limit: u64,
    /// The one as a share of the other.
    pub fill: f64,
    /// How many answers there can be.
    pub entries_limit: u64,
    /// Entries that had to go for others.
    pub evicted: u64,
    /// Records that could not be read.
    pub damaged: u64,
    /// Entries that purges dropped or marked.
    pub purged: u64,
    /// Purges that were refused.
    pub purges_refused: u64,
    /// What could not be done because something is broken.
    pub errors: u64,
}

/// The counters of one rule, over all workers since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that were answered from the store, by kind.
    pub hits: ByLabel,
    /// Requests that went upstream, by reason.
    pub misses: ByLabel,
    /// Answers that were not stored, by reason.
    pub refused: ByLabel,
    /// Answers that were stored, those of validations included.
    pub stored: u64,
    /// Requests that waited for another's answer and got it.
    pub coalesced: u64,
    /// Validations that found the stored answer unchanged.
    pub revalidated: u64,
    /// Fetches in the background.
    pub background: u64,
    /// Answers that unsafe requests, or changes that HEAD has shown, made go.
    pub invalidated: u64,
}

/// What a rule says about itself.
#[derive(Clone, Debug, Serialize)]
pub struct Status<'a> {
    name: &'a str,
    mode: Mode,
    hits: ByLabel,
    misses: ByLabel,
    refused: ByLabel,
    hit_ratio: Option<f64>,
    stored: u64,
    coalesced: u64,
    revalidated: u64,
    background: u64,
    invalidated: u64,
    busiest: Vec<Key>,
}

impl<'a> Status<'a> {
    /// What there is to say about a rule.
    pub fn new(name: &'a str, mode: Mode, counted: Counted, busiest: Vec<Key>) -> Self {
        let sum = |by: &ByLabel| by.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let (hits, misses) = (sum(&counted.hits), sum(&counted.misses));
        let all = hits.saturating_add(misses);
        let some = |mut by: ByLabel| {
            by.retain(|_, count| *count > 0);
            by
        };
        Self {
            name,
            mode,
            hits: some(counted.hits),
            misses: some(counted.misses),
            refused: some(counted.refused),
            hit_ratio: (all > 0).then(|| hits as f64 / all as f64),
            stored: counted.stored,
            coalesced: counted.coalesced,
            revalidated: counted.revalidated,
            background: counted.background,
            invalidated: counted.invalidated,
            busiest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_rule_says_how_much_it_answers_and_leaves_out_what_never_happened() {
        let counted = Counted {
            hits: [("fresh", 6), ("validated", 0)].into(),
            misses: [("uri-miss", 1), ("stale", 1)].into(),
            ..Counted::default()
        };
        let status = serde_json::to_value(Status::new("a", Mode::Enforce, counted, Vec::new())).unwrap();
        assert_eq!((&status["hit_ratio"], &status["hits"]), (&json!(0.75), &json!({"fresh": 6})));
        let unused = serde_json::to_value(Status::new("a", Mode::Shadow, Counted::default(), Vec::new()));
        assert_eq!(unused.unwrap()["hit_ratio"], json!(null));
    }
}
