//! What the limits say about themselves, for people.

use super::Algorithm;
use super::config::Limit;
use crate::busiest::Key;
use crate::config::Mode;
use serde::Serialize;

/// What a filter says about itself before its limits.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Head {
    /// Whether decisions take effect.
    pub mode: Mode,
}

/// The numbers of one limit, over all workers since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that it let through.
    pub allowed: u64,
    /// Requests that it refused.
    pub limited: u64,
    /// Requests that it would have refused, were it enforced.
    pub shadow_limited: u64,
    /// Requests that it could not decide.
    pub errors: u64,
    /// Clients that were forgotten although they had used something up.
    pub evictions: u64,
    /// Clients in its table.
    pub keys_in_use: u64,
}

/// What a limit says about itself.
#[derive(Clone, Debug, Serialize)]
pub struct Status<'a> {
    name: &'a str,
    mode: Mode,
    algorithm: &'static str,
    limit: u64,
    window_ms: Option<u64>,
    keys_in_use: u64,
    keys_capacity: u64,
    keys_fill: f64,
    evictions: u64,
    allowed: u64,
    limited: u64,
    shadow_limited: u64,
    errors: u64,
    limited_ratio: Option<f64>,
    busiest: Vec<Key>,
}

impl<'a> Status<'a> {
    /// What there is to say about a limit.
    pub fn new(limit: &'a Limit, counted: Counted, busiest: Vec<Key>) -> Self {
        let keys_capacity = limit.table.capacity();
        let asked = counted.allowed.saturating_add(counted.limited).saturating_add(counted.shadow_limited);
        let refused = counted.limited.saturating_add(counted.shadow_limited);
        let window = limit.algorithm.window();
        Self {
            name: limit.name.as_str(),
            mode: limit.mode(),
            algorithm: match limit.algorithm {
                Algorithm::TokenBucket(_) => "token_bucket",
                Algorithm::SlidingWindow(_) => "sliding_window",
                Algorithm::FixedWindow(_) => "fixed_window",
                Algorithm::Concurrency { .. } => "concurrency",
                Algorithm::Elsewhere => "global",
            },
            limit: limit.algorithm.most(),
            window_ms: window.map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX)),
            keys_in_use: counted.keys_in_use,
            keys_capacity,
            keys_fill: counted.keys_in_use as f64 / keys_capacity as f64,
            evictions: counted.evictions,
            allowed: counted.allowed,
            limited: counted.limited,
            shadow_limited: counted.shadow_limited,
            errors: counted.errors,
            limited_ratio: (asked > 0).then(|| refused as f64 / asked as f64),
            busiest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_limit_says_how_it_counts_and_what_it_has_counted() {
        let text = r#"{"limits": [
            {"name": "a", "rate": "100/s", "burst": 50, "max_keys": 8},
            {"name": "b", "algorithm": "concurrency", "max_concurrent": 4, "mode": "shadow"}
        ]}"#;
        let config: Config = crate::config::parse(text.as_bytes()).unwrap();
        let counted = Counted { allowed: 6, limited: 2, keys_in_use: 4, ..Counted::default() };
        let status = |at: usize, counted| {
            serde_json::to_value(Status::new(&config.limits[at], counted, Vec::new())).unwrap()
        };
        let bucket = status(0, counted);
        for (name, value) in [
            ("algorithm", json!("token_bucket")),
            ("limit", json!(50)),
            ("window_ms", json!(500)),
            ("keys_capacity", json!(16)),
            ("keys_fill", json!(0.25)),
            ("limited_ratio", json!(0.25)),
        ] {
            assert_eq!(bucket[name], value, "{name}");
        }
        let concurrency = status(1, Counted::default());
        for (name, value) in [
            ("algorithm", json!("concurrency")),
            ("mode", json!("shadow")),
            ("limit", json!(4)),
            ("window_ms", json!(null)),
            ("limited_ratio", json!(null)),
        ] {
            assert_eq!(concurrency[name], value, "{name}");
        }
    }
}
