//! The configuration as it is written. The comments are what the schema says.

use crate::config::{Mode, Name, OnError};
use crate::http::StatusSet;
use crate::matching::{HeaderName, HeaderRule, Matcher, Method, Text};
use crate::resend::RouteRewrite;
use crate::units::{ByteSize, Share, Span};
use core::time::Duration;
use serde::Deserialize;

/// Which requests are sent again, when, and how often at the most.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Whether decisions take effect. In `shadow`, what would have been retried is counted.
    pub(super) mode: Mode,
    /// The policies. The first that matches a request is for it.
    pub(super) policies: Vec<RawPolicy>,
    /// How this proxy and the next ones tell each other who has retried.
    pub(super) hops: RawHops,
    /// Plugins that name the same one share their budgets. Default: the plugin's name.
    pub(super) namespace: Option<Name>,
    /// What happens when the shared store is broken: `allow` goes on with what this worker knows, `deny` retries nothing.
    pub(super) on_error: OnError,
}

/// How this proxy and the next ones tell each other who has retried.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHops {
    /// Clusters that lead to proxies with this filter: their `x-ballast-retry: spent` is believed.
    pub(super) trusted_clusters: Vec<String>,
    /// Whether this is the outermost proxy: it removes the mark from answers.
    pub(super) edge: bool,
}

/// Which way retries go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// `replay` where the policy needs what only it can do, else `router`.
    #[default]
    Auto,
    /// The proxy's own router retries.
    Router,
    /// The filter holds the answer and sends the request again.
    Replay,
}

/// Whether the route retries by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteRetries {
    /// It may, so the router is told with each request that it must not.
    #[default]
    Forbid,
    /// It does not, which spares each request a header and the router a second look at its routes.
    None,
}

/// One policy.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    /// The policy's name. The budget belongs to it.
    pub(super) name: Name,
    /// Which requests it is for. Default: all.
    #[serde(default, rename = "match")]
    pub(super) matcher: Matcher,
    /// Whether its decisions take effect.
    #[serde(default)]
    pub(super) mode: Mode,
    /// Of which share of the requests its decisions take effect, for a gradual roll-out.
    #[serde(default = "all")]
    pub(super) enforce_share: Share,
    /// Which way retries go.
    #[serde(default)]
    pub(super) via: Via,
    /// The methods that are retried. Default: GET, HEAD, OPTIONS, PUT and DELETE, the idempotent ones. gRPC calls are POST.
    pub(super) methods: Option<Vec<Method>>,
    /// A request that carries this header is retried whatever its method.
    pub(super) idempotency_key: Option<HeaderName>,
    /// On what to retry. Default: statuses 502, 503 and 504, connect failures and resets.
    pub(super) retry_on: Option<RawConditions>,
    /// Attempts in all, the first included: 1 to 20.
    #[serde(default = "three")]
    pub(super) max_attempts: u32,
    /// How long to wait before a retry. Where it is given, requests are replayed. Default: decorrelated jitter, 25ms to 1s.
    pub(super) backoff: Option<RawBackoff>,
    /// Waits that upstreams ask for are kept, up to a bound: `Retry-After`, `x-ratelimit-reset`, `grpc-retry-pushback-ms`.
    pub(super) respect_retry_after: Option<RawRetryAfter>,
    /// How long one attempt may take.
    pub(super) per_try_timeout: Option<Span>,
    /// How long all attempts and waits may take together.
    pub(super) timeout: Option<Span>,
    /// How many retries all requests together may cause.
    #[serde(default)]
    pub(super) budget: RawBudget,
    /// Stops retries while too many requests fail, as gRPC does.
    pub(super) throttle: Option<RawThrottle>,
    /// Larger requests are not replayed: up to 16MiB.
    #[serde(default = "max_body")]
    pub(super) max_body: ByteSize,
    /// Whether requests that are themselves retries are retried.
    #[serde(default)]
    pub(super) retry_of_retry: bool,
    /// Sends a second request when the first one takes long, and takes the answer that comes first.
    pub(super) hedge: Option<RawHedge>,
    /// When retries stop altogether.
    #[serde(default)]
    pub(super) stop_when: RawStopWhen,
    /// How many requests of a worker may wait for their retry at the same time.
    #[serde(default = "max_waiting")]
    pub(super) max_waiting: u32,
    /// What the route does to requests, where it does anything: a replay skips the route.
    pub(super) rewrite: Option<RouteRewrite>,
    /// A cluster that leads back to this proxy's own listener, so that replays take the route.
    pub(super) loopback_cluster: Option<Text>,
    /// Whether the routes of replayed requests have retry policies of their own. Where `none` turns out to be wrong, they are forbidden to
    /// retry from then on.
    #[serde(default)]
    pub(super) route_retries: RouteRetries,
    /// Whether answers carry the number of attempts as `x-envoy-attempt-count`.
    #[serde(default)]
    pub(super) report_attempts: bool,
}

/// On what to retry.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConditions {
    /// Statuses of upstreams.
    pub(super) status: StatusSet,
    /// gRPC statuses: cancelled, deadline-exceeded, internal, resource-exhausted, unavailable. Left to the router.
    pub(super) grpc: Vec<GrpcName>,
    /// No connection came about.
    pub(super) connect_failure: bool,
    /// The connection was reset before an answer began.
    pub(super) reset: bool,
    /// An attempt took longer than `per_try_timeout`.
    pub(super) timeout: bool,
    /// Answers with any of these headers.
    pub(super) headers: Vec<HeaderRule>,
    /// Answers with this text in their body. The first attempt of such a policy is a call-out, too, and only for requests without a body.
    pub(super) body: Option<Text>,
}

/// A gRPC status by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum GrpcName {
    /// 1.
    Cancelled,
    /// 4.
    #[serde(alias = "deadline-exceeded")]
    DeadlineExceeded,
    /// 8.
    #[serde(alias = "resource-exhausted")]
    ResourceExhausted,
    /// 13.
    Internal,
    /// 14.
    Unavailable,
}

/// How waits grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum RawStrategy {
    /// `base`.
    Fixed,
    /// `base * n`.
    Linear,
    /// `base * 2^(n-1)`.
    Exponential,
    /// `base` times 1, 1, 2, 3, 5, 8...
    Fibonacci,
    /// Between `base` and three times the wait before.
    #[default]
    DecorrelatedJitter,
}

/// How long to wait before a retry.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawBackoff {
    /// How waits grow.
    pub(super) strategy: RawStrategy,
    /// The unit of all waits.
    pub(super) base: Span,
    /// No wait is longer.
    pub(super) max: Span,
    /// What chance does to a wait: `none`, `full`, `equal` or a share like `20%`. Default: `full`; decorrelated jitter has its own.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub(super) jitter: Option<String>,
}

/// Waits that upstreams ask for.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetryAfter {
    /// Whoever asks for a longer one gets no retry.
    pub(super) max: Span,
}

/// How many retries all requests together may cause: the larger of a share of the requests and a floor.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawBudget {
    /// Retries in relation to requests.
    pub(super) ratio: Share,
    /// Retries per second that are always allowed.
    pub(super) min_per_second: u32,
    /// Over how long both are counted: 1s to 1h.
    pub(super) window: Span,
}

/// Stops retries while too many requests fail (gRPC proposal A6).
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawThrottle {
    /// Tokens when nothing fails: 1 to 1000. A failure takes one; retries need more than half of them.
    pub(super) max_tokens: u32,
    /// What a success gives back: 0.001 to 1000.
    pub(super) token_ratio: f64,
}

/// A second request when the first one takes long.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawHedge {
    /// How long the first one may take.
    pub(super) after: Span,
    /// How many more requests: 1 to 3, each after the same time.
    #[serde(default = "one")]
    pub(super) max: u32,
}

/// When retries stop altogether.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawStopWhen {
    /// While the request's circuit breaker is open or probing.
    pub(super) breaker_open: bool,
    /// From this overload level on: 1 to 3; 0 is never.
    pub(super) overload_level: u8,
    /// While the proxy drains: hedges only, since a retry may be what lets a request in flight end well.
    pub(super) draining: bool,
}

impl Default for RawBackoff {
    fn default() -> Self {
        Self {
            strategy: RawStrategy::default(),
            base: Span(Duration::from_millis(25)),
            max: Span(Duration::from_secs(1)),
            jitter: None,
        }
    }
}

impl Default for RawBudget {
    fn default() -> Self {
        Self {
            ratio: Share::from_basis_points(2_000),
            min_per_second: 3,
            window: Span(Duration::from_secs(10)),
        }
    }
}

impl Default for RawStopWhen {
    fn default() -> Self {
        Self { breaker_open: true, overload_level: 1, draining: true }
    }
}

const fn all() -> Share {
    Share::ALL
}

const fn one() -> u32 {
    1
}

const fn three() -> u32 {
    3
}

const fn max_body() -> ByteSize {
    ByteSize(64 * 1024)
}

const fn max_waiting() -> u32 {
    1_000
}
