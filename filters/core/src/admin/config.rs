//! What operators write about health, status and actions.
//!
//! What is written is read as it stands and then checked as a whole: a [`Config`] cannot hold an alert on a check that
//! there is not, or a token that is too short.

mod check;
mod raw;

pub use raw::{ChannelKind, Endpoints, RawConfig};

use super::access::FailureLimit;
use super::alerts::{Alert, Severity};
use super::checks::Thresholds;
use super::drain::Patience;
use crate::config::{Mode, Name};
use crate::http::StatusSet;
use crate::matching::{Matcher, Needs, Property};
use crate::trust::Network;
use core::net::IpAddr;
use core::time::Duration;
use serde::Deserialize;

/// The namespace of all plugins that name none: they are one process.
pub const NAMESPACE: &str = "admin";

/// A valid configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Whether a drain refuses new work.
    pub mode: Mode,
    /// Whether this place serves the endpoints.
    pub endpoints: Endpoints,
    /// The path that all endpoints are below.
    pub prefix: String,
    /// Who may use the endpoints.
    pub access: Access,
    /// How the process is emptied.
    pub drain: DrainConfig,
    /// What is asked whether it answers.
    pub checks: Vec<CheckConfig>,
    /// The proxy's own administration interface.
    pub envoy_admin: Option<EnvoyAdmin>,
    /// Conditions that somebody should hear of.
    pub alerts: Vec<Alert>,
    /// Who is told of alerts.
    pub channels: Vec<Channel>,
    /// Where snapshots are kept.
    pub snapshots: Option<Snapshots>,
    /// From which size on the memory of a VM counts as degraded, in bytes.
    pub memory_limit_bytes: u64,
    /// Whose state this is.
    pub namespace: Option<Name>,
}

/// Where a token is found.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// In the configuration.
    Written(Vec<u8>),
    /// In this environment variable.
    Environment(String),
}

impl core::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Written(_) => f.write_str("Written"),
            Self::Environment(name) => f.debug_tuple("Environment").field(name).finish(),
        }
    }
}

/// A credential as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialConfig {
    /// Its name.
    pub name: Name,
    /// Where its token is found.
    pub source: TokenSource,
}

/// Who may use the endpoints.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who may read.
    pub read: Vec<CredentialConfig>,
    /// Who may act.
    pub act: Vec<CredentialConfig>,
    allow: Vec<Network>,
    /// Whether those on the same host may do what no token is configured for.
    pub allow_loopback: bool,
    /// Whether probes need the right to read.
    pub guard_probes: bool,
    /// How often a network may fail.
    pub failures: FailureLimit,
}

impl Access {
    /// Whether somebody from there may ask at all.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        let within =
            |address: IpAddr| self.allow.iter().any(|network| network.contains(&address.to_canonical()));
        self.allow.is_empty() || address.is_some_and(within)
    }
}

/// How the process is emptied.
#[derive(Clone, Debug)]
pub struct DrainConfig {
    /// How long things may take.
    pub patience: Patience,
    /// The status of what is refused.
    pub status: u16,
    /// When to come back.
    pub retry_after: Duration,
    /// Requests that are served all the same.
    pub exempt: Vec<Matcher>,
    /// Who is told that it has finished.
    pub web_hook: Option<Target>,
}

/// Where an HTTP request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The cluster.
    pub cluster: String,
    /// The path.
    pub path: String,
    /// The `:authority`.
    pub authority: String,
    /// The environment variable that holds a bearer token for it.
    pub token_env: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Something that is asked whether it answers.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// Its name.
    pub name: Name,
    /// Where it is asked.
    pub target: Target,
    /// Which answers are well.
    pub expect: StatusSet,
    /// How often it is asked.
    pub interval: Duration,
    /// How many answers make a verdict.
    pub thresholds: Thresholds,
    /// Whether the process is not ready while it fails.
    pub essential: bool,
}

/// The proxy's own administration interface.
#[derive(Clone, Debug)]
pub struct EnvoyAdmin {
    /// The cluster that leads to it.
    pub cluster: String,
    /// How often it is looked at.
    pub interval: Duration,
    /// Whether a drain makes the proxy fail its health checks.
    pub drain_connections: bool,
}

/// Who is told of alerts.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: Name,
    /// What is spoken there.
    pub kind: ChannelKind,
    /// Where it is.
    pub target: Target,
    /// What is bad enough.
    pub min_severity: Severity,
    /// How long changes are collected.
    pub group_wait: Duration,
    /// How often what fires is told again.
    pub repeat: Option<Duration>,
    /// Labels of every alert.
    pub labels: Vec<(String, String)>,
}

/// Where snapshots are kept.
#[derive(Clone, Debug)]
pub struct Snapshots {
    /// The store.
    pub store: Target,
    /// How often a snapshot is put there.
    pub every: Option<Duration>,
    /// Whether it is loaded when the process starts.
    pub load_at_start: bool,
}

impl Config {
    /// What requests during a drain are asked for, and no others.
    pub fn needs(&self, needs: &mut Needs) {
        self.drain.exempt.iter().for_each(|matcher| matcher.needs(needs));
        if self.endpoints == Endpoints::Enabled {
            needs.property(Property::SourceAddress);
        }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.namespace.as_ref().map_or(NAMESPACE, Name::as_str)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Admin".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawConfig::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
