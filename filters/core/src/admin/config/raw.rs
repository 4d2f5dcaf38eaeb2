//! The configuration as it is written. The comments are what the schema says.

use crate::admin::alerts::{FactName, Severity};
use crate::config::{Mode, Name};
use crate::http::StatusSet;
use crate::matching::Matcher;
use crate::trust::Network;
use crate::units::{ByteSize, Span};
use crate::vec_map::VecMap;
use core::time::Duration;
use serde::Deserialize;

/// Health, status and operator actions.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Whether a drain refuses new work: `shadow` counts and marks what it would refuse.
    pub(super) mode: Mode,
    /// Whether this place serves the endpoints. Where clients come in it does not.
    pub(super) endpoints: Endpoints,
    /// The path that all endpoints are below. Begins with `/` and does not end with one.
    pub(super) prefix: String,
    /// Who may use the endpoints.
    pub(super) access: RawAccess,
    /// How the process is emptied before it ends.
    pub(super) drain: RawDrain,
    /// What is asked whether it answers.
    pub(super) checks: Vec<RawCheck>,
    /// The proxy's own administration interface, through a cluster that leads to it.
    pub(super) envoy_admin: Option<RawEnvoyAdmin>,
    /// Conditions that somebody should hear of.
    pub(super) alerts: Vec<RawAlert>,
    /// Who is told of alerts.
    pub(super) channels: Vec<RawChannel>,
    /// Where snapshots are kept.
    pub(super) snapshots: Option<RawSnapshots>,
    /// From which size on the memory of a VM counts as degraded: at least 1MiB.
    pub(super) memory_limit: ByteSize,
    /// Plugins that name the same one share drain, alerts and checks. Default: `admin`, whatever the plugin is called.
    pub(super) namespace: Option<Name>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            endpoints: Endpoints::default(),
            prefix: "/ballast".to_owned(),
            access: RawAccess::default(),
            drain: RawDrain::default(),
            checks: Vec::new(),
            envoy_admin: None,
            alerts: Vec::new(),
            channels: Vec::new(),
            snapshots: None,
            memory_limit: ByteSize(64 << 20),
            namespace: None,
        }
    }
}

/// Whether a place serves the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Endpoints {
    /// It does.
    #[default]
    Enabled,
    /// It does not: it refuses new work during a drain, and counts what is in flight.
    Disabled,
}

/// Who may use the endpoints.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAccess {
    /// Who may read.
    pub(super) read: Vec<RawCredential>,
    /// Who may act, and so read, too.
    pub(super) act: Vec<RawCredential>,
    /// From where anybody may ask at all, probes left out. Default: from everywhere.
    pub(super) allow: Vec<Network>,
    /// Whether those on the same host may do what no token is configured for.
    pub(super) allow_loopback: bool,
    /// Whether `/health/live` and `/health/ready` need the right to read.
    pub(super) guard_probes: bool,
    /// How often a network may fail to show a right.
    pub(super) failures: RawFailures,
}

/// A token, or where it is found.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredential {
    /// What it is called, in events and logs.
    pub(super) name: Name,
    /// The token: at least 16 visible ASCII characters. A configuration is no place for secrets: better `token_env`.
    pub(super) token: Option<String>,
    /// The environment variable of the plugin's VM that holds the token.
    pub(super) token_env: Option<String>,
}

/// How often a network may fail.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawFailures {
    /// So many: 1 to 1000.
    pub(super) most: u32,
    /// In this time: 1s to 1d.
    pub(super) within: Span,
}

impl Default for RawFailures {
    fn default() -> Self {
        Self { most: 10, within: Span(Duration::from_secs(60)) }
    }
}

/// How the process is emptied before it ends.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawDrain {
    /// How long what is in flight may take: up to 1h.
    pub(super) timeout: Span,
    /// How long connections may take to close: up to 10m.
    pub(super) close_timeout: Span,
    /// After which it has finished, whatever is left: up to 2h.
    pub(super) force_after: Span,
    /// The status of what is refused: 400 to 599.
    pub(super) status: u16,
    /// When to come back, for what is refused: up to 1h.
    pub(super) retry_after: Span,
    /// Requests that are served all the same: those that match any of these.
    pub(super) exempt: Vec<Matcher>,
    /// Who is told that it has finished.
    pub(super) web_hook: Option<RawTarget>,
}

impl Default for RawDrain {
    fn default() -> Self {
        Self {
            timeout: Span(Duration::from_secs(30)),
            close_timeout: Span(Duration::from_secs(5)),
            force_after: Span(Duration::from_secs(60)),
            status: 503,
            retry_after: Span(Duration::from_secs(5)),
            exempt: Vec::new(),
            web_hook: None,
        }
    }
}

/// Where an HTTP request goes.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget {
    /// The cluster.
    pub(super) cluster: String,
    /// The path, with a query if there is one.
    pub(super) path: String,
    /// The `:authority`. Default: the cluster's name.
    pub(super) authority: Option<String>,
    /// The environment variable of the plugin's VM that holds a bearer token for it.
    pub(super) token_env: Option<String>,
    /// How long it may take: 1ms to 1m. Default: 5s.
    #[serde(default = "call_timeout")]
    pub(super) timeout: Span,
}

/// Something that is asked whether it answers.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawCheck {
    /// Its name.
    pub(super) name: Name,
    /// The cluster.
    pub(super) cluster: String,
    /// The path. Default: `/`.
    #[serde(default = "root")]
    pub(super) path: String,
    /// The `:authority`. Default: the cluster's name.
    pub(super) authority: Option<String>,
    /// Which answers are well. Default: 200 to 299.
    #[serde(default)]
    pub(super) expect: StatusSet,
    /// How often it is asked: 1s to 1h. Default: 10s.
    #[serde(default = "check_interval")]
    pub(super) interval: Span,
    /// How long an answer may take: 1ms to 1m. Default: 2s.
    #[serde(default = "check_timeout")]
    pub(super) timeout: Span,
    /// How many failures in a row make it fail: 1 to 100. Default: 3.
    #[serde(default = "unhealthy_after")]
    pub(super) unhealthy_after: u32,
    /// How many successes in a row make it pass again: 1 to 100. Default: 2.
    #[serde(default = "healthy_after")]
    pub(super) healthy_after: u32,
    /// Whether the process is not ready, and unhealthy, while it fails. Default: no, it is degraded.
    #[serde(default)]
    pub(super) essential: bool,
}

/// The proxy's own administration interface.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnvoyAdmin {
    /// The cluster that leads to it.
    pub(super) cluster: String,
    /// How often it is looked at: 1s to 10m. Default: 5s.
    #[serde(default = "look_interval")]
    pub(super) interval: Span,
    /// Whether a drain also makes the proxy fail its health checks, which has it close connections as it answers.
    /// Default: yes.
    #[serde(default = "yes")]
    pub(super) drain_connections: bool,
}

/// Conditions that somebody should hear of.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlert {
    /// Its name.
    pub(super) name: Name,
    /// How bad it is. Default: `warning`.
    #[serde(default = "warning")]
    pub(super) severity: Severity,
    /// What is to be told. Default: nothing but the name.
    #[serde(default)]
    pub(super) summary: String,
    /// When it holds.
    pub(super) when: RawCondition,
    /// For how long it must hold: up to 1d. Default: not at all.
    #[serde(default, rename = "for")]
    pub(super) hold: Span,
}

/// What is read, one of `metric`, `status`, `fact` and `check`, and one of `above` and `below`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCondition {
    /// The name of a metric as `/metrics` shows it to Prometheus: the sum of its series.
    pub(super) metric: Option<String>,
    /// Only series with these labels.
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<String, String>"))]
    pub(super) labels: VecMap<String, String>,
    /// Not the metric itself, but how much it grows in a second, over this time: 1s to 1d.
    pub(super) per_second_over: Option<Span>,
    /// A figure of what a filter says of itself.
    pub(super) status: Option<RawFigure>,
    /// A fact about the process.
    pub(super) fact: Option<FactName>,
    /// The name of a check: it holds while that has failed. Without a bound.
    pub(super) check: Option<Name>,
    /// More than this.
    pub(super) above: Option<f64>,
    /// Less than this.
    pub(super) below: Option<f64>,
}

/// A figure of what a filter says of itself.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawFigure {
    /// The filter.
    pub(super) filter: Name,
    /// Its namespace. Default: any.
    pub(super) namespace: Option<Name>,
    /// Where in its status, such as `/rules/*/keys_fill`; `*` is every element.
    pub(super) pointer: String,
}

/// Who is told of alerts.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawChannel {
    /// Its name.
    pub(super) name: Name,
    /// What is spoken there.
    pub(super) kind: ChannelKind,
    /// The cluster.
    pub(super) cluster: String,
    /// The path. Default: `/api/v2/alerts` for Alertmanager, else `/`.
    pub(super) path: Option<String>,
    /// The `:authority`. Default: the cluster's name.
    pub(super) authority: Option<String>,
    /// The environment variable of the plugin's VM that holds a bearer token for it.
    pub(super) token_env: Option<String>,
    /// What is bad enough. Default: `warning`.
    #[serde(default = "warning")]
    pub(super) min_severity: Severity,
    /// How long changes are collected to be told together: up to 10m. Default: 5s.
    #[serde(default = "group_wait")]
    pub(super) group_wait: Span,
    /// How often what fires is told again: 10s to 1d. Only with `alertmanager`; default: 1m.
    pub(super) repeat: Option<Span>,
    /// Labels of every alert. Only with `alertmanager`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<String, String>"))]
    pub(super) labels: VecMap<String, String>,
}

/// What a channel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A JSON object of its own.
    WebHook,
    /// Alertmanager's API, version 2.
    Alertmanager,
}

/// Where snapshots are kept: an HTTP store that takes PUT and GET below a path.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawSnapshots {
    /// The store.
    pub(super) store: RawTarget,
    /// How often a snapshot is put there: 1s to 1d. Default: only at the end of a drain.
    pub(super) every: Option<Span>,
    /// Whether it is loaded when the process starts. Default: no.
    #[serde(default)]
    pub(super) load_at_start: bool,
}

fn root() -> String {
    "/".to_owned()
}

const fn call_timeout() -> Span {
    Span(Duration::from_secs(5))
}

const fn check_interval() -> Span {
    Span(Duration::from_secs(10))
}

const fn check_timeout() -> Span {
    Span(Duration::from_secs(2))
}

const fn look_interval() -> Span {
    Span(Duration::from_secs(5))
}

const fn group_wait() -> Span {
    Span(Duration::from_secs(5))
}

const fn unhealthy_after() -> u32 {
    3
}

const fn healthy_after() -> u32 {
    2
}

const fn yes() -> bool {
    true
}

const fn warning() -> Severity {
    Severity::Warning
}
