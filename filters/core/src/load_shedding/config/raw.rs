//! The configuration as it is written. The comments are what the schema says.

use super::super::gate::Strategy;
use super::super::queue::Order;
use super::units::{List, Percent, Threshold};
use crate::config::{Mode, Name, OnError};
use crate::key::{KeySpec, OnMissingKey};
use crate::matching::{HeaderName, Matcher, Text};
use crate::trust::Trust;
use crate::units::{Share, Span};
use core::time::Duration;
use serde::Deserialize;
use serde::de::{IntoDeserializer, value};

/// Who goes on, who waits and who is turned away when more comes than the upstream can take.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Whether decisions take effect.
    pub(super) mode: Mode,
    /// How many requests may be in flight.
    pub(super) limit: RawLimit,
    /// Who is important. Default: all alike.
    pub(super) priority: Option<RawPriority>,
    /// Whose requests are counted together, so that one caller's flood is not everybody's. Default: nobody's.
    pub(super) fairness: Option<RawFairness>,
    /// Who goes first when some must go.
    pub(super) strategy: RawStrategy,
    /// Refusal by success rate, one rule or a list of rules, of which the first that matches a request is for it.
    /// Default: none.
    pub(super) admission: List<RawAdmission>,
    /// Who may wait, and how long.
    pub(super) queue: RawQueue,
    /// Caps on what is in flight at the same time, of which the first that matches a request is for it.
    pub(super) bulkheads: Vec<RawBulkhead>,
    /// What upstreams say about their own load.
    pub(super) load_signals: Vec<RawSignal>,
    /// Requests that are neither counted nor refused: those that match any of these.
    pub(super) exempt: Vec<Matcher>,
    /// How a request is refused.
    pub(super) reject: RawReject,
    /// From which load on the process counts as how overloaded, in percent of the limit.
    pub(super) levels: RawLevels,
    /// Of which share of the requests refusals take effect, for a gradual roll-out. Default: all.
    pub(super) enforce_share: All,
    /// Plugins that name the same one share their counts. Default: the plugin's name.
    pub(super) namespace: Option<Name>,
    /// What happens when something is broken, such as the shared store. Busy is not broken.
    pub(super) on_error: OnError,
}

/// A share that is all unless said otherwise.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(super) struct All(pub(super) Share);

impl Default for All {
    fn default() -> Self {
        Self(Share::ALL)
    }
}

/// How many requests may be in flight.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimit {
    /// How the limit is found.
    pub(super) algorithm: RawAlgorithm,
    /// The limit before anything is known; with `fixed`, the limit.
    pub(super) initial: u32,
    /// Never below.
    pub(super) min: u32,
    /// Never above.
    pub(super) max: u32,
    /// How many times the latency of an idle upstream counts as normal: 1 to 10. Only with `gradient2`.
    pub(super) tolerance: Option<f64>,
    /// From this latency on a request counts as dropped. Only with `aimd`; default: 5s.
    pub(super) timeout: Option<Span>,
    /// How long the samples of one step are collected at least: 10ms to 1m.
    pub(super) window: Span,
    /// How many samples one step needs at least.
    pub(super) min_samples: u32,
    /// Which percentile of the latencies of a window counts: 1% to 99%.
    pub(super) percentile: Share,
    /// Requests that are counted, and whose latency says nothing: long-lived streams.
    pub(super) ignore: Vec<Matcher>,
}

impl Default for RawLimit {
    fn default() -> Self {
        Self {
            algorithm: RawAlgorithm::Gradient2,
            initial: 20,
            min: 4,
            max: 1_000,
            tolerance: None,
            timeout: None,
            window: Span(Duration::from_millis(100)),
            min_samples: 16,
            percentile: Share::from_basis_points(5_000),
            ignore: Vec::new(),
        }
    }
}

/// How a limit is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum RawAlgorithm {
    /// The latency against that of an idle upstream.
    Gradient2,
    /// The queue that latencies tell of.
    Vegas,
    /// Drops and time-outs only.
    Aimd,
    /// It is `initial`.
    Fixed,
}

/// Who is important.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawPriority {
    /// What names a request's class; the first that names a known one counts.
    pub(super) by: Vec<RawSource>,
    /// The classes, the most important first. One of them is `default`: the class of requests that name none.
    #[serde(default = "classes")]
    pub(super) classes: Vec<Name>,
    /// The header that tells the upstream the class, so that its own proxy agrees.
    pub(super) propagate: Option<HeaderName>,
}

/// What names a class: a header with whom it is believed from, or a key in the route's metadata.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    /// A header.
    pub(super) header: Option<HeaderName>,
    /// From whom it is believed. From anybody else it makes a request the least important.
    pub(super) trust: Option<Trust>,
    /// A key in the route's filter metadata, in the namespace `ballast`.
    pub(super) route_metadata: Option<Text>,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawFairness {
    /// What a caller is known by. Requests that lack a part of it are one caller.
    pub(super) key: KeySpec,
}

/// Who goes first when some must go.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum RawStrategy {
    /// The least important, and of those who has had more than a fair share.
    #[default]
    Adaptive,
    /// The least important.
    Priority,
    /// Who has had more than a fair share.
    Fair,
    /// Anybody.
    Random,
}

impl From<RawStrategy> for Strategy {
    fn from(raw: RawStrategy) -> Self {
        match raw {
            RawStrategy::Adaptive => Self::Adaptive,
            RawStrategy::Priority => Self::Priority,
            RawStrategy::Fair => Self::Fair,
            RawStrategy::Random => Self::Random,
        }
    }
}

/// Refusal by success rate.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAdmission {
    /// The rule's name, for code details and metrics. Default: `default`.
    pub(super) name: Option<Name>,
    /// Which requests it is for. Default: all.
    #[serde(rename = "match")]
    pub(super) matcher: Matcher,
    /// Whether its decisions take effect.
    pub(super) mode: Mode,
    /// Below this share of successes requests are refused: more than 0%.
    pub(super) success_rate: Share,
    /// What counts is this long: 1s to 1h.
    pub(super) window: Span,
    /// How fast refusals set in: 1 is in proportion to what is missing, more is faster. 0.1 to 10.
    pub(super) aggression: f64,
    /// The share that is refused at the most.
    pub(super) max_rejection: Share,
    /// With fewer requests a second nobody is refused.
    pub(super) min_rps: u32,
}

impl Default for RawAdmission {
    fn default() -> Self {
        Self {
            name: None,
            matcher: Matcher::default(),
            mode: Mode::default(),
            success_rate: Share::from_basis_points(9_500),
            window: Span(Duration::from_secs(30)),
            aggression: 1.0,
            max_rejection: Share::from_basis_points(8_000),
            min_rps: 5,
        }
    }
}

/// Who may wait, and how long.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawQueue {
    /// How many may wait, over all workers; 0: nobody. At most 10000.
    pub(super) max_length: u32,
    /// How long waiting is no sign of overload. Under overload twice that is all there is.
    pub(super) target_delay: Span,
    /// How long a request waits at the most: up to 1m.
    pub(super) max_wait: Span,
    /// In which order equals are served.
    pub(super) order: RawOrder,
}

impl Default for RawQueue {
    fn default() -> Self {
        Self {
            max_length: 100,
            target_delay: Span(Duration::from_millis(5)),
            max_wait: Span(Duration::from_millis(200)),
            order: RawOrder::AdaptiveLifo,
        }
    }
}

/// In which order equals are served.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum RawOrder {
    /// The oldest first.
    Fifo,
    /// The newest first.
    Lifo,
    /// The oldest first, and the newest first under overload.
    AdaptiveLifo,
}

impl From<RawOrder> for Order {
    fn from(raw: RawOrder) -> Self {
        match raw {
            RawOrder::Fifo => Self::Fifo,
            RawOrder::Lifo => Self::Lifo,
            RawOrder::AdaptiveLifo => Self::AdaptiveLifo,
        }
    }
}

/// A cap on what is in flight at the same time.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawBulkhead {
    /// Its name.
    pub(super) name: Name,
    /// Which requests it is for. Default: all.
    #[serde(default, rename = "match")]
    pub(super) matcher: Matcher,
    /// Whom it counts separately. Default: nobody, all requests together.
    #[serde(default)]
    pub(super) key: KeySpec,
    /// What happens when a part of the key is missing.
    #[serde(default)]
    pub(super) on_missing_key: OnMissingKey,
    /// Whether its decisions take effect.
    #[serde(default)]
    pub(super) mode: Mode,
    /// How many may be in flight for each key: at least 1.
    pub(super) max_concurrent: u32,
    /// How many may wait for each key and worker. Default: 0.
    #[serde(default)]
    pub(super) max_queue: u32,
    /// How long they wait: up to 1m. Default: 100ms.
    #[serde(default = "bulkhead_wait")]
    pub(super) max_wait: Span,
    /// How many keys are told apart: 1 to 65536. Two keys may fall together, and then share one cap.
    #[serde(default = "max_keys")]
    pub(super) max_keys: u32,
}

/// What an upstream says about its own load.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignal {
    /// The header of its answers, or of the trailers of gRPC. With a metric, the header with `-bin` behind its name is looked
    /// at, too, for the binary form.
    pub(super) response_header: HeaderName,
    /// The metric in an ORCA report, such as `cpu_utilization` or `named_metrics.queue`. Without it the header is a number.
    pub(super) metric: Option<Text>,
    /// Above this it counts as overloaded: a number, or a share such as `85%`, which is 0.85.
    pub(super) threshold: Threshold,
}

/// How a request is refused.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawReject {
    /// The status: 400 to 599.
    pub(super) status: u16,
    /// When to come back.
    pub(super) retry_after: Span,
    /// By how much of itself that may be later, so that not all come back at once.
    pub(super) retry_after_jitter: Share,
    /// The last part of the URI that names the kind of problem: 1 to 63 of `a-z`, `0-9` and `-`.
    pub(super) problem_type: ProblemType,
}

/// The kind of problem.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProblemType {
    /// Of draft-ietf-httpapi-ratelimit-headers: the server cannot serve all, whoever asks.
    TemporaryReducedCapacity,
    /// `about:blank`: what the status says and no more.
    #[serde(rename = "about:blank")]
    AboutBlank,
}

impl Default for RawReject {
    fn default() -> Self {
        Self {
            status: 503,
            retry_after: Span(Duration::from_secs(1)),
            retry_after_jitter: Share::from_basis_points(5_000),
            problem_type: ProblemType::TemporaryReducedCapacity,
        }
    }
}

/// From which load on the process counts as how overloaded.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLevels {
    /// Elective work should wait.
    pub(super) elevated: Percent,
    /// Low priorities are turned away.
    pub(super) high: Percent,
    /// Only what is critical is served.
    pub(super) critical: Percent,
}

impl Default for RawLevels {
    fn default() -> Self {
        Self { elevated: Percent(0.8), high: Percent(0.95), critical: Percent(1.1) }
    }
}

pub(super) fn classes() -> Vec<Name> {
    // They are names.
    let name = |text: &str| Name::deserialize(IntoDeserializer::<value::Error>::into_deserializer(text)).ok();
    ["critical", "high", super::DEFAULT_CLASS, "sheddable"].into_iter().filter_map(name).collect()
}

const fn bulkhead_wait() -> Span {
    Span(Duration::from_millis(100))
}

const fn max_keys() -> u32 {
    4_096
}
