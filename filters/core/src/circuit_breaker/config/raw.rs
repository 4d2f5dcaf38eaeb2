//! The configuration as it is written. The comments are what the schema says.

use super::super::operator::Forced;
use crate::config::{Mode, Name, OnError};
use crate::http::StatusSet;
use crate::key::{KeySpec, OnMissingKey};
use crate::matching::Matcher;
use crate::remote::Via;
use crate::units::{Share, Span};
use core::time::Duration;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Breakers, which leave an upstream alone that fails or is slow.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Whether decisions take effect.
    pub(super) mode: Mode,
    /// The breakers. The first that matches a request is its breaker.
    pub(super) breakers: Vec<RawRule>,
    /// A store that several proxies share, for the breakers that say `share: fleet`. Default: none.
    pub(super) fleet: Option<RawFleet>,
    /// By how much of itself a `Retry-After` may be later than the truth, so that not all come back at once.
    pub(super) retry_after_jitter: Share,
    /// Plugins that name the same one share their breakers. Default: the plugin's name.
    pub(super) namespace: Option<Name>,
    /// What happens when something is broken, such as the shared store. Busy is not broken.
    pub(super) on_error: OnError,
}

/// One breaker, or one for each key.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    /// The breaker's name. Its state belongs to it.
    pub(super) name: Name,
    /// Which requests it is for. Default: all.
    #[serde(default, rename = "match")]
    pub(super) matcher: Matcher,
    /// What has a breaker of its own. Default: each cluster.
    pub(super) key: Option<KeySpec>,
    /// What happens when a part of the key is missing.
    #[serde(default)]
    pub(super) on_missing_key: OnMissingKey,
    /// Whether its decisions take effect.
    #[serde(default)]
    pub(super) mode: Mode,
    /// Of which share of the requests its decisions take effect, for a gradual roll-out.
    #[serde(default = "all")]
    pub(super) enforce_share: Share,
    /// What the rates are taken over.
    #[serde(default)]
    pub(super) window: RawWindow,
    /// When it opens. Default: at a failure rate of 50%.
    #[serde(default)]
    pub(super) trip: RawTrip,
    /// Which calls count as failed.
    #[serde(default)]
    pub(super) failure: RawFailure,
    /// How long it stays open.
    #[serde(default)]
    pub(super) open: RawOpen,
    /// How it is tried after that.
    #[serde(default)]
    pub(super) half_open: RawHalfOpen,
    /// What a refused request gets.
    #[serde(default)]
    pub(super) fallback: RawFallback,
    /// Whether the `Retry-After` of an upstream's 429 or 503 keeps it open at least that long, up to `open.max`.
    #[serde(default)]
    pub(super) retry_after_counts: bool,
    /// What it is until an operator orders something else.
    #[serde(default)]
    pub(super) initial_state: Forced,
    /// Whether other filters are told while it is open, as a fact about the whole process.
    #[serde(default)]
    pub(super) critical: bool,
    /// Who is told when it opens: `fleet` makes the same breakers of other proxies cautious for a while. Only for a rule that
    /// has one breaker.
    #[serde(default)]
    pub(super) share: RawShare,
    /// How many breakers are remembered at the same time: 1 to 1048576.
    #[serde(default = "max_keys")]
    pub(super) max_keys: u32,
}

/// Who is told when a breaker opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum RawShare {
    /// The workers of this proxy.
    #[default]
    Process,
    /// Other proxies, too.
    Fleet,
}

/// A store that several proxies share.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawFleet {
    /// The cluster that reaches it.
    pub(super) cluster: String,
    /// `webdis`: Redis, through its HTTP front. `http`: objects by GET and PUT.
    #[serde(default)]
    pub(super) via: Via,
    /// What all keys begin with: words of letters, digits, `-` and `_`, with `:` between them, for `http` with `/`. At most 64 bytes.
    #[serde(default = "prefix")]
    pub(super) prefix: String,
    /// What requests call the host. Default: the cluster's name.
    #[serde(default)]
    pub(super) authority: Option<String>,
    /// The environment variable of the plugin's VM that holds the value of `authorization`. Default: none is sent.
    #[serde(default)]
    pub(super) authorization_env: Option<String>,
    /// How often it is asked whether others have opened: 200ms to 1m.
    #[serde(default = "sync_interval")]
    pub(super) sync_interval: Span,
    /// For how long after another proxy has opened a breaker is cautious: 1s to 1h.
    #[serde(default = "cautious_for")]
    pub(super) cautious_for: Span,
    /// How much of its own evidence a cautious breaker needs: 1% to 100%.
    #[serde(default = "cautious_evidence")]
    pub(super) cautious_evidence: Share,
}

/// What the rates are taken over.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RawWindow {
    /// The calls of the last so and so long.
    Time {
        /// How long.
        #[serde(default = "window_size")]
        size: Span,
        /// In how many steps it moves on: 1 to 60.
        #[serde(default = "buckets")]
        buckets: u8,
        /// How many calls it must hold before the rates say anything.
        #[serde(default = "min_calls")]
        min_calls: u32,
    },
    /// The last so many calls.
    Count {
        /// How many: 1 to 1000.
        #[serde(default = "window_calls")]
        size: u16,
        /// How many calls it must hold before the rates say anything: at most `size`.
        #[serde(default = "min_calls")]
        min_calls: u32,
    },
}

/// When a breaker opens: at the first of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTrip {
    /// At this share of failed calls.
    pub(super) failure_rate: Option<Share>,
    /// At this share of slow calls, whether they failed or not. Needs `slow_call`.
    pub(super) slow_call_rate: Option<Share>,
    /// From which time to response headers on a call is slow.
    pub(super) slow_call: Option<Span>,
    /// At so many failed calls in a row.
    pub(super) consecutive_failures: Option<u32>,
}

/// Which calls count as failed.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawFailure {
    /// Answers with one of these statuses. Default: 500 to 599.
    pub(super) status: Option<StatusSet>,
    /// gRPC answers with one of these statuses.
    pub(super) grpc: Vec<RawGrpcStatus>,
    /// No answer: refused, reset, timed out.
    pub(super) no_response: bool,
    /// Answers that count neither as failed nor as succeeded.
    pub(super) ignore_status: Option<StatusSet>,
}

/// A gRPC status by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum RawGrpcStatus {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// How long a breaker stays open.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawOpen {
    /// The first time.
    #[serde(rename = "for")]
    pub(super) wait: Span,
    /// By how much longer each time in a row: 1 to 100.
    pub(super) multiplier: f64,
    /// The longest, before jitter: at most 24h. Default: 10m, or `for` where that is longer.
    pub(super) max: Option<Span>,
    /// By how much of itself a wait may be longer.
    pub(super) jitter: Share,
}

/// How a breaker is tried.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHalfOpen {
    /// How many probes are out at the same time, over all workers.
    pub(super) max_calls: u32,
    /// How many must succeed before it closes.
    pub(super) success_threshold: u32,
    /// After which it opens again without a verdict.
    pub(super) max_duration: Span,
}

/// What a refused request gets: an answer, or another cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawFallback {
    /// The answer's status: 200 to 599. Default: 503.
    pub(super) status: Option<u16>,
    /// The answer's body. Default: problem details.
    pub(super) body: Option<String>,
    /// The answer's headers.
    pub(super) headers: BTreeMap<String, String>,
    /// The request goes on, with the header `x-ballast-fallback-cluster` that says this name, for a route to match.
    pub(super) cluster: Option<String>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            breakers: Vec::new(),
            fleet: None,
            retry_after_jitter: Share::from_basis_points(1_000),
            namespace: None,
            on_error: OnError::default(),
        }
    }
}

impl Default for RawWindow {
    fn default() -> Self {
        Self::Time { size: window_size(), buckets: buckets(), min_calls: min_calls() }
    }
}

impl Default for RawFailure {
    fn default() -> Self {
        let grpc = vec![RawGrpcStatus::Unavailable, RawGrpcStatus::Internal, RawGrpcStatus::DeadlineExceeded];
        Self { status: None, grpc, no_response: true, ignore_status: None }
    }
}

impl Default for RawOpen {
    fn default() -> Self {
        Self {
            wait: Span(Duration::from_secs(60)),
            multiplier: 2.0,
            max: None,
            jitter: Share::from_basis_points(2_000),
        }
    }
}

impl Default for RawHalfOpen {
    fn default() -> Self {
        Self { max_calls: 3, success_threshold: 2, max_duration: Span(Duration::from_secs(30)) }
    }
}

const fn all() -> Share {
    Share::ALL
}

const fn window_size() -> Span {
    Span(Duration::from_secs(30))
}

const fn window_calls() -> u16 {
    100
}

const fn buckets() -> u8 {
    10
}

const fn min_calls() -> u32 {
    20
}

const fn max_keys() -> u32 {
    65_536
}

fn prefix() -> String {
    "ballast".to_owned()
}

const fn sync_interval() -> Span {
    Span(Duration::from_secs(1))
}

const fn cautious_for() -> Span {
    Span(Duration::from_secs(30))
}

const fn cautious_evidence() -> Share {
    Share::from_basis_points(5_000)
}
