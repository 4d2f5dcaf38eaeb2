//! When the cache goes by what other filters say about the process.

use super::raw::{RawServeStaleWhen, RawStopWhen};
use crate::config::ConfigError;
use crate::plane::Facts;

/// When stale answers are used before the upstream has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeStaleWhen {
    /// From this overload level on; 0: never.
    overload_level: u8,
    /// In place of what a circuit breaker refuses.
    pub breaker_open: bool,
}

/// When the cache does no more than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopWhen {
    draining: bool,
    /// From this overload level on; 0: never.
    overload_level: u8,
}

impl ServeStaleWhen {
    /// Whether the upstream is to be spared what a stale answer can do.
    pub const fn is_overloaded(&self, facts: Facts) -> bool {
        self.overload_level > 0 && facts.overload.level() >= self.overload_level
    }

    /// Whether it goes by the facts about the process at all.
    pub(super) const fn reads_facts(&self) -> bool {
        self.overload_level > 0
    }

    pub(super) fn new(raw: RawServeStaleWhen, path: &str) -> Result<Self, ConfigError> {
        let overload_level = level(raw.overload_level, &format!("{path}.serve_stale_when"))?;
        Ok(Self { overload_level, breaker_open: raw.breaker_open })
    }
}

impl StopWhen {
    /// Whether answers are stored no more.
    pub const fn stores_nothing(&self, facts: Facts) -> bool {
        self.draining && facts.draining
    }

    /// Whether nothing is fetched that no client waits for.
    pub const fn fetches_nothing(&self, facts: Facts) -> bool {
        self.stores_nothing(facts)
            || (self.overload_level > 0 && facts.overload.level() >= self.overload_level)
    }

    /// Whether it goes by the facts about the process at all.
    pub(super) const fn reads_facts(&self) -> bool {
        self.draining || self.overload_level > 0
    }

    pub(super) fn new(raw: RawStopWhen) -> Result<Self, ConfigError> {
        Ok(Self { draining: raw.draining, overload_level: level(raw.overload_level, "stop_when")? })
    }
}

fn level(level: u8, path: &str) -> Result<u8, ConfigError> {
    if level > 3 {
        return Err(ConfigError::new(format!("{path}.overload_level"), format!("`{level}` is not 0 to 3")));
    }
    Ok(level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Overload;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn facts(level: u8, draining: bool) -> Facts {
        Facts { overload: Overload::from_level(level).unwrap(), draining, ..Facts::default() }
    }

    #[test]
    fn stale_answers_spare_the_upstream_from_the_level_on() {
        for (from, level, expected) in
            [(2, 1, false), (2, 2, true), (2, 3, true), (0, 0, false), (0, 3, false)]
        {
            let when = ServeStaleWhen { overload_level: from, breaker_open: false };
            assert_eq!(when.is_overloaded(facts(level, false)), expected, "from {from} at {level}");
            assert_eq!(when.reads_facts(), from > 0);
        }
    }

    #[test]
    fn draining_stops_stores_and_fetches_and_overload_only_fetches() {
        for ((draining, from), (level, drains), expected) in [
            ((true, 2), (0, false), (false, false)),
            ((true, 2), (0, true), (true, true)),
            ((true, 2), (1, false), (false, false)),
            ((true, 2), (2, false), (false, true)),
            ((false, 2), (3, true), (false, true)),
            ((false, 0), (3, true), (false, false)),
            ((true, 0), (3, false), (false, false)),
        ] {
            let (when, facts) = (StopWhen { draining, overload_level: from }, facts(level, drains));
            let found = (when.stores_nothing(facts), when.fetches_nothing(facts));
            assert_eq!(found, expected, "{when:?} {facts:?}");
            assert_eq!(when.reads_facts(), draining || from > 0);
        }
    }
}
