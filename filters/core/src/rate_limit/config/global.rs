//! What operators write about limits that a service counts.

use super::super::Algorithm;
use super::super::global::{Counting, Global, Lease, Otherwise};
use super::super::token_bucket::TokenBucket;
use super::raw::RawLimit;
use crate::config::ConfigError;
use crate::units::{Rate, Span};
use core::time::Duration;
use serde::Deserialize;

/// What fits the proxy's way to name a gRPC service.
const MOST_CLUSTER_BYTES: usize = 123;
const MOST_DOMAIN_BYTES: usize = 255;
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(10));
const AGES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3_600));
const MOST_TOKENS: u32 = 1_000_000;

/// A limit that a rate limit service counts for all proxies (`envoy.service.ratelimit.v3`). Its numbers are in the
/// service's configuration.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawGlobal {
    /// The cluster of the service, which speaks gRPC.
    cluster: String,
    /// What the service's configuration calls the set of limits.
    #[serde(default = "domain")]
    domain: String,
    /// How long a request waits for the service at the most: 1ms to 10s.
    #[serde(default = "timeout")]
    timeout: Span,
    /// How the service is asked.
    #[serde(default)]
    mode: RawCounting,
    /// How tokens are leased. Only with mode `leased`.
    lease: Option<RawLease>,
    /// Who decides while the service does not answer.
    #[serde(default)]
    on_error: RawOtherwise,
    /// The limit of this process that decides then. Only with on_error `local`, which needs it.
    local: Option<RawLocal>,
}

/// How the service is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum RawCounting {
    /// For each request, which waits for the answer.
    #[default]
    Exact,
    /// In blocks of tokens, which the workers of this process then spend.
    Leased,
}

/// How tokens are leased.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
struct RawLease {
    /// The most tokens in a block: 1 to 1000000.
    size: u32,
    /// For how long tokens may be spent, and for how long a refusal is believed: 10ms to 1h.
    max_age: Span,
}

/// Who decides while the service does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum RawOtherwise {
    /// A limit of this process.
    #[default]
    Local,
    /// Every request passes.
    Allow,
    /// No request passes.
    Deny,
}

/// The limit of this process that stands in for the service.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawLocal {
    /// How many in which time, such as `20/s`.
    rate: Rate,
    /// How many at once. Default: as many as the rate says.
    burst: Option<u64>,
}

impl Default for RawLease {
    fn default() -> Self {
        Self { size: 50, max_age: Span(Duration::from_secs(1)) }
    }
}

impl RawGlobal {
    /// The valid limit; `path` is the limit's.
    pub(super) fn check(self, path: &str) -> Result<Global, ConfigError> {
        let at = |field: &str, reason: String| ConfigError::new(format!("{path}.global.{field}"), reason);
        for (field, text, most) in
            [("cluster", &self.cluster, MOST_CLUSTER_BYTES), ("domain", &self.domain, MOST_DOMAIN_BYTES)]
        {
            if text.is_empty() || text.len() > most {
                let shown: String = text.chars().take(most).collect();
                return Err(at(field, format!("`{shown}` is not 1 to {most} bytes long")));
            }
        }
        let within = |(least, most), span: Span| span.0 >= least && span.0 <= most;
        let (timeout, whole) = (self.timeout, self.timeout.0.subsec_nanos().is_multiple_of(1_000_000));
        if !within(TIMEOUTS, timeout) || !whole {
            return Err(at("timeout", format!("`{timeout}` is not 1ms to 10s in whole milliseconds")));
        }
        let counting = match (self.mode, self.lease) {
            (RawCounting::Exact, None) => Counting::Exact,
            (RawCounting::Exact, Some(_)) => {
                return Err(at("lease", "needs mode `leased`; `exact` asks for each request".to_owned()));
            }
            (RawCounting::Leased, lease) => {
                let RawLease { size, max_age } = lease.unwrap_or_default();
                if !(1..=MOST_TOKENS).contains(&size) {
                    return Err(at("lease.size", format!("`{size}` is not 1 to {MOST_TOKENS}")));
                }
                if !within(AGES, max_age) {
                    return Err(at("lease.max_age", format!("`{max_age}` is not 10ms to 1h")));
                }
                Counting::Leased(Lease { size, max_age: max_age.0 })
            }
        };
        let otherwise = match (self.on_error, self.local) {
            (RawOtherwise::Local, Some(local)) => {
                Otherwise::Local(local.check().map_err(|reason| at("local.burst", reason))?)
            }
            (RawOtherwise::Local, None) => {
                let reason = "missing: on_error `local` needs it, like `{\"rate\": \"20/s\"}`";
                return Err(at("local", reason.to_owned()));
            }
            (_, Some(_)) => return Err(at("local", "needs on_error `local`".to_owned())),
            (RawOtherwise::Allow, None) => Otherwise::Allow,
            (RawOtherwise::Deny, None) => Otherwise::Deny,
        };
        let (cluster, domain) = (self.cluster, self.domain);
        Ok(Global { cluster, domain, timeout: timeout.0, counting, otherwise })
    }
}

impl RawLocal {
    fn check(&self) -> Result<Algorithm, String> {
        let burst = self.burst.unwrap_or(self.rate.count());
        let bucket = TokenBucket::new(self.rate.count(), self.rate.per(), burst).filter(|_| burst > 0);
        bucket.map(Algorithm::TokenBucket).ok_or_else(|| {
            let rate = &self.rate;
            format!("`{burst}` at `{rate}` is not at least 1, or takes longer than 146 years to fill")
        })
    }
}

/// Refuses what only limits of this process can have.
pub(super) fn check_alone(raw: &RawLimit, path: &str) -> Result<(), ConfigError> {
    let numbers = "not with `global`: the service's configuration has the numbers";
    let refunds = "not with `global`: what a service has counted cannot be taken back";
    let plans = "not with `global`: make the plan a part of the key, and give it numbers in the service's configuration";
    let wrong = [
        ("rate", raw.rate.is_some(), numbers),
        ("burst", raw.burst.is_some(), numbers),
        ("max_concurrent", raw.max_concurrent.is_some(), numbers),
        ("algorithm", raw.algorithm != super::raw::RawAlgorithm::default(), numbers),
        ("tiers", raw.tiers.is_some(), plans),
        ("charge_when", raw.charge_when.is_some(), refunds),
        ("elastic", raw.elastic.is_some(), numbers),
    ];
    match wrong.into_iter().find(|(_, is_there, _)| *is_there) {
        Some((field, _, reason)) => Err(ConfigError::new(format!("{path}.{field}"), reason.to_owned())),
        None => Ok(()),
    }
}

fn domain() -> String {
    "ballast".to_owned()
}

const fn timeout() -> Span {
    Span(Duration::from_millis(20))
}
