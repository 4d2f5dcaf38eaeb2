//! What load shedding says about itself, for people.

use super::board::Board;
use super::config::{Bulkhead, Config};
use super::limit::Algorithm;
use crate::config::Mode;
use serde::Serialize;

/// The counters, over all workers since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted<'a> {
    /// How many are in flight.
    pub in_flight: u32,
    /// How many wait.
    pub queued: u32,
    /// Requests that went on.
    pub admitted: u64,
    /// Answers whose latency counted.
    pub samples: u64,
    /// Answers that said that there was too much.
    pub drops: u64,
    /// What could not be decided because something is broken.
    pub errors: u64,
    /// Refusals that are not none: reason, class, how many.
    pub shed: Vec<Shed<'a>>,
    /// Refusals that did not take effect.
    pub shadow_shed: Vec<ShadowShed>,
}

/// Refusals for one reason of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shed<'a> {
    /// Why.
    pub reason: &'static str,
    /// Which class.
    pub class: &'a str,
    /// How many.
    pub count: u64,
}

/// Refusals for one reason that did not take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShadowShed {
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// What it says before its rules.
#[derive(Clone, Debug, Serialize)]
pub struct Head<'a> {
    mode: Mode,
    algorithm: &'static str,
    limit: u32,
    limit_min: u32,
    limit_max: u32,
    in_flight: u32,
    queued: u32,
    level: u8,
    load: f64,
    refused_share: f64,
    floor_us: Option<u64>,
    admitted: u64,
    samples: u64,
    drops: u64,
    errors: u64,
    shed: Vec<Shed<'a>>,
    shadow_shed: Vec<ShadowShed>,
    classes: Vec<&'a str>,
}

/// What a rule says about itself.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rule<'a> {
    /// Refusal by success rate.
    Admission {
        /// Its name.
        name: &'a str,
        /// With which odds it refuses, 0 to 1.
        refuse_odds: f64,
    },
    /// A cap.
    Bulkhead {
        /// Its name.
        name: &'a str,
        /// How many may be in flight for each key.
        max_concurrent: u32,
        /// How many may wait for each key and worker.
        max_queue: u32,
    },
}

impl<'a> Head<'a> {
    /// What there is to say.
    pub fn new(config: &'a Config, board: &Board, counted: Counted<'a>) -> Self {
        let (settings, limit) = (&config.settings, &config.settings.limit);
        let micros = |nanos: f64| Some(nanos / 1_000.0).filter(|micros| micros.is_finite() && *micros >= 0.0);
        Self {
            mode: config.mode,
            algorithm: match limit.algorithm {
                Algorithm::Gradient2(_) => "gradient2",
                Algorithm::Vegas(_) => "vegas",
                Algorithm::Aimd(_) => "aimd",
                Algorithm::Fixed => "fixed",
            },
            limit: board.allowed(settings),
            limit_min: limit.min,
            limit_max: limit.max,
            in_flight: counted.in_flight,
            queued: counted.queued,
            level: board.level().level(),
            load: board.load(),
            refused_share: board.refused_share(),
            // A latency of an idle upstream fits many times.
            floor_us: board.floor().and_then(micros).map(|micros| micros as u64),
            admitted: counted.admitted,
            samples: counted.samples,
            drops: counted.drops,
            errors: counted.errors,
            shed: counted.shed,
            shadow_shed: counted.shadow_shed,
            classes: config.priority.classes.iter().map(|class| class.as_str()).collect(),
        }
    }
}

impl<'a> Rule<'a> {
    /// What there is to say about all rules.
    pub fn all(config: &'a Config, board: &Board) -> Vec<Self> {
        let odds = board.admission_odds(&config.settings);
        let admission = config.admission.iter().zip(odds);
        let admission =
            admission.map(|(rule, refuse_odds)| Self::Admission { name: &rule.name, refuse_odds });
        let bulkhead = |bulkhead: &'a Bulkhead| Self::Bulkhead {
            name: bulkhead.name.as_str(),
            max_concurrent: bulkhead.max_concurrent,
            max_queue: bulkhead.max_queue,
        };
        admission.chain(config.bulkheads.iter().map(bulkhead)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MonoTime;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_says_its_limit_and_what_it_has_shed() {
        let text = br#"{"bulkheads": [{"name": "b", "max_concurrent": 7}]}"#;
        let config: Config = crate::config::parse(text).unwrap();
        let board = Board::new(&config.settings, MonoTime::from_millis(1));
        let shed = vec![Shed { reason: "limit", class: "default", count: 3 }];
        let counted = Counted { in_flight: 5, shed, ..Counted::default() };
        let head = serde_json::to_value(Head::new(&config, &board, counted)).unwrap();
        for (name, value) in [
            ("limit", json!(board.allowed(&config.settings))),
            ("in_flight", json!(5)),
            ("level", json!(0)),
            ("shed", json!([{"reason": "limit", "class": "default", "count": 3}])),
        ] {
            assert_eq!(head[name], value, "{name}");
        }
        let rules = serde_json::to_value(Rule::all(&config, &board)).unwrap();
        assert_eq!((&rules[0]["kind"], &rules[0]["max_concurrent"]), (&json!("bulkhead"), &json!(7)));
    }
}
