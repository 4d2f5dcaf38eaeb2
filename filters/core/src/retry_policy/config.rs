//! What operators write about retries.
//!
//! # How
//!
//! What is written is read as it stands and then checked as a whole: a [`Config`] cannot hold a policy that asks the router for what
//! only a replay can do, or a wait that is longer than its bound.
//!
//! # Limits
//!
//! A budget belongs to the policy's name: a policy that is renamed begins anew.

mod policy;
mod raw;

pub use policy::{Conditions, Hedge, Policy, StopWhen};
pub use raw::{RawConfig, RouteRetries, Via};

use crate::config::{ConfigError, Mode, Name, OnError, check_unique};
use crate::matching::{Needs, Request};
use serde::Deserialize;

/// A valid configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Whether decisions take effect.
    pub mode: Mode,
    /// The policies, by number.
    pub policies: Vec<Policy>,
    /// Clusters whose `x-ballast-retry: spent` is believed.
    pub trusted_clusters: Vec<String>,
    /// Whether this is the outermost proxy.
    pub edge: bool,
    /// Whose budgets these are; `None`: the plugin's.
    pub namespace: Option<Name>,
    /// What happens when something is broken.
    pub on_error: OnError,
}

impl Config {
    /// Checks that nothing has to be learnt about routes, for a module that does not see what was sent.
    ///
    /// # Errors
    ///
    /// Names the first policy that leaves open what its routes do.
    pub fn check_declared(&self) -> Result<(), ConfigError> {
        let Some(number) = self.policies.iter().position(|policy| policy.learns_routes) else {
            return Ok(());
        };
        let reason = "what the routes of replayed requests do must be declared, here or by `loopback_cluster`: this module does not \
            see what was sent; ballast_retry_policy.wasm does";
        Err(ConfigError::new(format!("policies[{number}].rewrite"), reason.to_owned()))
    }

    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        self.policies.iter().for_each(|policy| policy.matcher.needs(needs));
    }

    /// Whether a policy goes by what the process is told: its overload level, or that it drains.
    pub fn reads_facts(&self) -> bool {
        self.mode != Mode::Disabled && self.policies.iter().any(Policy::reads_facts)
    }

    /// The number of the policy that a request is for.
    pub fn policy_for(&self, request: &impl Request) -> Option<usize> {
        self.policies.iter().position(|policy| policy.matcher.matches(request))
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        check_unique("policies", raw.policies.iter().map(|policy| &policy.name))?;
        let policies = (0..).zip(raw.policies).map(|(number, policy)| Policy::new(number, policy));
        Ok(Self {
            mode: raw.mode,
            policies: policies.collect::<Result<_, _>>()?,
            trusted_clusters: raw.hops.trusted_clusters,
            edge: raw.hops.edge,
            namespace: raw.namespace,
            on_error: raw.on_error,
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RetryPolicy".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawConfig::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
