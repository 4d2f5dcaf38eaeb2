//! The configuration as it is written. The comments are what the schema says.

use super::global::RawGlobal;
use crate::config::{Mode, Name, OnError};
use crate::http::StatusSet;
use crate::key::{KeySpec, OnMissingKey};
use crate::matching::Matcher;
use crate::trust::{Trust, TrustedHeader};
use crate::units::{Rate, Share, Span};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Limits on which requests of whom may pass.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Whether decisions take effect.
    pub(super) mode: Mode,
    /// What answers tell of the limits.
    pub(super) headers: HeaderStyle,
    /// The limits. Every one that matches a request must admit it, all or nothing.
    pub(super) limits: Vec<RawLimit>,
    /// Requests that no limit is asked for: those that match any of these.
    pub(super) exempt: Vec<Matcher>,
    /// The status of a refusal: 400 to 599.
    pub(super) status: u16,
    /// By how much of itself a `Retry-After` may be later than the truth, so that not all come back at once.
    pub(super) retry_after_jitter: Share,
    /// What a refusal carries besides.
    pub(super) response: RawResponse,
    /// Plugins that name the same one share their limits. Default: the plugin's name.
    pub(super) namespace: Option<Name>,
    /// What happens when something is broken, such as the shared store. Busy is not broken.
    pub(super) on_error: OnError,
    /// Whether the status names the busiest clients by what their keys are made of, such as addresses, and not by a hash.
    pub(super) show_keys: bool,
}

/// What answers tell of the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HeaderStyle {
    /// `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-11.
    #[default]
    #[serde(rename = "draft-11")]
    Draft11,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
    #[serde(rename = "x-ratelimit")]
    XRateLimit,
    /// Nothing.
    #[serde(rename = "none")]
    None,
}

/// What a refusal carries besides.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawResponse {
    /// More headers.
    pub(super) headers: BTreeMap<String, String>,
    /// A body in place of problem details.
    pub(super) body: Option<String>,
}

/// One limit.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimit {
    /// The limit's name. What clients have used up belongs to it.
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
    /// Of which share of the requests its decisions take effect, for a gradual roll-out.
    #[serde(default = "all")]
    pub(super) enforce_share: Share,
    /// How it counts.
    #[serde(default)]
    pub(super) algorithm: RawAlgorithm,
    /// How many in which time, such as `100/s`. Not with `concurrency`.
    pub(super) rate: Option<Rate>,
    /// How many at once. Only with `token_bucket`; default: as many as the rate says.
    pub(super) burst: Option<u64>,
    /// How many at the same time. Only with `concurrency`.
    pub(super) max_concurrent: Option<u32>,
    /// Has a service count it for all proxies, in place of this process. Not with rate, burst, max_concurrent,
    /// algorithm, tiers and charge_when.
    pub(super) global: Option<RawGlobal>,
    /// Other numbers for some.
    pub(super) tiers: Option<RawTiers>,
    /// What a request costs. Default: 1. Not with `concurrency`.
    pub(super) cost: Option<RawCost>,
    /// Which answers count: a request is charged when it comes and gets it back if its answer is another. Default:
    /// all. Not with `concurrency`.
    pub(super) charge_when: Option<RawChargeWhen>,
    /// How the limit tightens while the process is overloaded, as load shedding says. Default: not at all.
    pub(super) elastic: Option<RawElastic>,
    /// How many clients are remembered at the same time: 1 to 16777216.
    #[serde(default = "max_keys")]
    pub(super) max_keys: u32,
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum RawAlgorithm {
    /// A rate with a burst.
    #[default]
    TokenBucket,
    /// So many in any trailing window.
    SlidingWindow,
    /// So many in a window that begins with the first request.
    FixedWindow,
    /// So many at the same time.
    Concurrency,
}

/// Other numbers for some.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawTiers {
    /// What says which plan a client has. Without it, or with an unknown plan, the limit's own numbers hold.
    pub(super) by: TrustedHeader,
    /// The plans by name.
    pub(super) plans: BTreeMap<String, RawPlan>,
}

/// The numbers of a plan.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPlan {
    /// In place of the limit's rate.
    pub(super) rate: Option<Rate>,
    /// In place of the limit's burst. Default: as many as the plan's rate says.
    pub(super) burst: Option<u64>,
    /// In place of the limit's number.
    pub(super) max_concurrent: Option<u32>,
    /// No limit at all.
    pub(super) unlimited: bool,
}

/// How a limit tightens while the process is overloaded: what is left of it at each overload level. Rate, burst and what may
/// be in flight shrink alike; what one request costs can always pass.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawElastic {
    /// At level 1: 1% to 100%. Default: all.
    pub(super) level_1: Option<Share>,
    /// At level 2, at most as much as at level 1. Default: as at level 1.
    pub(super) level_2: Option<Share>,
    /// At level 3, at most as much as at level 2. Default: as at level 2.
    pub(super) level_3: Option<Share>,
    /// How long the limit takes from nothing to the whole when the level falls, evenly: at most 1h; `0s`: at once.
    pub(super) recover_over: Span,
}

/// What a request costs.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawCost {
    /// The header that says so, as a whole number.
    pub(super) header: String,
    /// From whom the header is believed.
    pub(super) trust: Trust,
    /// What it costs without the header: at least 1.
    #[serde(default = "one")]
    pub(super) default: u64,
    /// The most it costs, whatever the header says. Default: what can pass at once.
    pub(super) max: Option<u64>,
}

/// Which answers count.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawChargeWhen {
    /// Answers with one of these statuses.
    pub(super) status: StatusSet,
}

impl Default for RawElastic {
    fn default() -> Self {
        let recover_over = Span(core::time::Duration::from_secs(10));
        Self { level_1: None, level_2: None, level_3: None, recover_over }
    }
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            headers: HeaderStyle::default(),
            limits: Vec::new(),
            exempt: Vec::new(),
            status: 429,
            retry_after_jitter: Share::from_basis_points(1_000),
            response: RawResponse::default(),
            namespace: None,
            on_error: OnError::default(),
            show_keys: false,
        }
    }
}

const fn all() -> Share {
    Share::ALL
}

const fn one() -> u64 {
    1
}

const fn max_keys() -> u32 {
    65_536
}
