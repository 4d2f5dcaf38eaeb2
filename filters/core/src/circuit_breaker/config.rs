//! What operators write about breakers.
//!
//! # How
//!
//! What is written is read as it stands and then checked as a whole: a [`Config`] cannot hold a breaker that nothing
//! trips, or a probe count of zero. The first rule that matches a request is its breaker's.
//!
//! # Limits
//!
//! A breaker's state belongs to the rule's name and the key: a rule that is renamed begins anew. Another window forgets
//! what was counted, and keeps whether the breaker is open. Another `max_keys` puts breakers elsewhere in the table.

mod fleet;
mod raw;
mod rule;

pub use fleet::Fleet;
pub use raw::RawConfig;
pub use rule::{Fallback, Rule, Selected};

use crate::config::{ConfigError, Mode, Name, OnError, check_unique};
use crate::matching::{Needs, Request};
use crate::random::Random;
use crate::slots::Secret;
use crate::units::Share;
use serde::Deserialize;

/// Each shared breaker is asked for once in an interval.
const MOST_SHARED: usize = 32;

/// A valid configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Whether decisions take effect.
    pub mode: Mode,
    /// The rules, by number.
    pub breakers: Vec<Rule>,
    /// The store through which proxies tell each other of trips; `None`: they do not.
    pub fleet: Option<Fleet>,
    /// By how much of itself a `Retry-After` may be later than the truth.
    pub retry_after_jitter: Share,
    /// Whose breakers these are; `None`: the plugin's.
    pub namespace: Option<Name>,
    /// What happens when something is broken.
    pub on_error: OnError,
}

impl Config {
    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        if self.mode != Mode::Disabled {
            self.breakers.iter().for_each(|rule| rule.needs(needs));
        }
    }

    /// The breaker of a request.
    pub fn select(&self, request: &impl Request, secret: &Secret, random: &mut impl Random) -> Selected {
        if self.mode == Mode::Disabled {
            return Selected::Nothing;
        }
        let matching = self.breakers.iter().enumerate().find(|(_, rule)| rule.matches(request));
        let Some((number, rule)) = matching else { return Selected::Nothing };
        let enforced = self.mode == Mode::Enforce && rule.is_enforced(random);
        rule.select(number, request, secret, enforced)
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        check_unique("breakers", raw.breakers.iter().map(|rule| &rule.name))?;
        let rules = raw.breakers.into_iter().enumerate().map(|(number, rule)| Rule::new(number, rule));
        let breakers: Vec<Rule> = rules.collect::<Result<_, _>>()?;
        let fleet = raw.fleet.map(fleet::fleet).transpose()?;
        let mut shared = breakers.iter().enumerate().filter(|(_, rule)| rule.is_shared);
        if let (None, Some((number, _))) = (&fleet, shared.next()) {
            let reason = "`fleet` needs a store: name it in `fleet`".to_owned();
            return Err(ConfigError::new(format!("breakers[{number}].share"), reason));
        }
        if let Some((number, _)) = shared.nth(MOST_SHARED - 1) {
            let reason = format!("more than {MOST_SHARED} breakers are shared");
            return Err(ConfigError::new(format!("breakers[{number}].share"), reason));
        }
        Ok(Self {
            mode: raw.mode,
            breakers,
            fleet,
            retry_after_jitter: raw.retry_after_jitter,
            namespace: raw.namespace,
            on_error: raw.on_error,
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CircuitBreaker".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawConfig::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
