//! One rule, checked, and the breaker that a request has by it.

use super::super::operator::Forced;
use super::super::outcome::{FailureRule, GrpcSet};
use super::super::policy::{HalfOpen, MOST_OPEN, OpenWait, Policy, Trip};
use super::super::window::{MOST_BUCKETS, MOST_CALLS, Shape, time_window};
use super::raw::{RawFailure, RawFallback, RawHalfOpen, RawOpen, RawRule, RawShare, RawTrip, RawWindow};
use crate::config::{ConfigError, Mode, Name};
use crate::http::StatusSet;
use crate::key::{KeySpec, OnMissingKey};
use crate::matching::{Matcher, Needs, Request, header_name};
use crate::random::Random;
use crate::slots::{Fingerprint, Secret, Table};
use crate::units::Share;
use core::time::Duration;
use std::rc::Rc;

/// The most breakers that one rule remembers at the same time.
const MOST_KEYS: u32 = 1 << 20;
const DEFAULT_MOST_OPEN: Duration = Duration::from_secs(600);

/// A valid rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// Its name, for shared keys.
    pub shared_name: Rc<str>,
    /// Where its breakers are.
    pub table: Table,
    /// Its numbers.
    pub policy: Rc<Policy>,
    /// Which calls count as failed.
    pub failure: FailureRule,
    /// What a refused request gets.
    pub fallback: Fallback,
    /// Whether an upstream's `Retry-After` counts.
    pub retry_after_counts: bool,
    /// What it is until an operator orders something else.
    pub initial_state: Forced,
    /// Whether other filters are told while it is open.
    pub critical: bool,
    /// Whether all its requests have the same breaker.
    pub is_single: bool,
    /// Whether other proxies are told when it opens.
    pub is_shared: bool,
    matcher: Matcher,
    key: KeySpec,
    on_missing_key: OnMissingKey,
    mode: Mode,
    enforce_share: Share,
}

/// What a refused request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// An answer.
    Answer {
        /// Its status: 200 to 599.
        status: u16,
        /// Its body; `None`: problem details.
        body: Option<String>,
        /// Its headers.
        headers: Vec<(String, String)>,
    },
    /// Another cluster, by its name.
    Cluster(String),
}

/// The breaker of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// It has none.
    Nothing,
    /// This one.
    Breaker {
        /// The number of its rule.
        rule: usize,
        /// Which of the rule's.
        fingerprint: Fingerprint,
        /// Whether a refusal takes effect.
        enforced: bool,
    },
    /// The request lacks a part of the key and is denied.
    Denied {
        /// The number of the rule.
        rule: usize,
    },
}

impl Rule {
    /// Whether its decisions take effect.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Its breaker, if all its requests have the same.
    pub fn single(&self) -> Option<Fingerprint> {
        self.is_single.then_some(SINGLE)
    }

    /// Notes what it can ask of a request.
    pub(super) fn needs(&self, needs: &mut Needs) {
        if self.mode != Mode::Disabled {
            self.matcher.needs(needs);
            if !self.is_single {
                self.key.needs(needs);
            }
        }
    }

    pub(super) fn matches(&self, request: &impl Request) -> bool {
        self.mode != Mode::Disabled && self.matcher.matches(request)
    }

    /// Whether a refusal of the next request counts.
    pub(super) fn is_enforced(&self, random: &mut impl Random) -> bool {
        self.mode == Mode::Enforce
            && (self.enforce_share == Share::ALL || self.enforce_share.admits(random.next_u64()))
    }

    pub(super) fn select(
        &self,
        rule: usize,
        request: &impl Request,
        secret: &Secret,
        enforced: bool,
    ) -> Selected {
        if self.is_single {
            return Selected::Breaker { rule, fingerprint: SINGLE, enforced };
        }
        let mut material = Vec::with_capacity(64);
        match (self.key.extract(request, &mut material), self.on_missing_key) {
            (Ok(()), _) | (Err(_), OnMissingKey::Shared) => {}
            (Err(_), OnMissingKey::Skip) => return Selected::Nothing,
            (Err(_), OnMissingKey::Deny) if enforced => return Selected::Denied { rule },
            (Err(_), OnMissingKey::Deny) => return Selected::Nothing,
        }
        let fingerprint = secret.fingerprint(self.name.as_str(), &material);
        Selected::Breaker { rule, fingerprint, enforced }
    }
}

/// The only breaker of a rule has no key to be known by.
const SINGLE: Fingerprint = Fingerprint(0);

impl Rule {
    pub(super) fn new(number: usize, raw: RawRule) -> Result<Self, ConfigError> {
        let path = format!("breakers[{number}]");
        if !(1..=MOST_KEYS).contains(&raw.max_keys) {
            return Err(at(&path, "max_keys", format!("`{}` is not 1 to {MOST_KEYS}", raw.max_keys)));
        }
        let (window, min_calls) = window(raw.window, &path)?;
        let policy = Policy {
            window,
            trip: trip(raw.trip, min_calls, &path)?,
            open: open(raw.open, &path)?,
            half_open: half_open(raw.half_open, &path)?,
        };
        let key = raw.key.unwrap_or_else(KeySpec::cluster);
        // A single breaker needs no key to be read: what the rule matches fixes it.
        let is_single = key.is_fixed_by(&raw.matcher);
        let is_shared = raw.share == RawShare::Fleet;
        if is_shared && !is_single {
            let reason = "`fleet` is for a rule with one breaker: match one cluster, or give a key that is the same for all";
            return Err(at(&path, "share", reason.to_owned()));
        }
        Ok(Self {
            shared_name: raw.name.as_str().into(),
            name: raw.name,
            table: if is_single { Table::for_keys(1) } else { Table::for_keys(raw.max_keys) },
            policy: Rc::new(policy),
            failure: failure(raw.failure),
            fallback: fallback(raw.fallback, &path)?,
            retry_after_counts: raw.retry_after_counts,
            initial_state: raw.initial_state,
            critical: raw.critical,
            is_single,
            is_shared,
            matcher: raw.matcher,
            key,
            on_missing_key: raw.on_missing_key,
            mode: raw.mode,
            enforce_share: raw.enforce_share,
        })
    }
}

fn window(raw: RawWindow, path: &str) -> Result<(Shape, u32), ConfigError> {
    let (shape, min_calls) = match raw {
        RawWindow::Time { size, buckets, min_calls } => {
            if !(1..=MOST_BUCKETS).contains(&buckets) {
                return Err(at(path, "window.buckets", format!("`{buckets}` is not 1 to {MOST_BUCKETS}")));
            }
            if size.0 < Duration::from_millis(1) || size.0 > MOST_OPEN {
                return Err(at(path, "window.size", format!("`{size}` is not 1ms to 24h")));
            }
            let shape = time_window(size.0, buckets);
            let short = || at(path, "window.size", format!("`{size}` is too short for {buckets} buckets"));
            (shape.ok_or_else(short)?, min_calls)
        }
        RawWindow::Count { size, min_calls } => {
            if !(1..=MOST_CALLS).contains(&size) {
                return Err(at(path, "window.size", format!("`{size}` is not 1 to {MOST_CALLS} calls")));
            }
            if min_calls > u32::from(size) {
                let reason = format!("`{min_calls}` calls never fit into a window of {size}");
                return Err(at(path, "window.min_calls", reason));
            }
            (Shape::Count { size }, min_calls)
        }
    };
    if min_calls == 0 {
        return Err(at(path, "window.min_calls", "`0` would judge no calls at all: at least 1".to_owned()));
    }
    Ok((shape, min_calls))
}

fn trip(raw: RawTrip, min_calls: u32, path: &str) -> Result<Trip, ConfigError> {
    for (field, rate) in
        [("trip.failure_rate", raw.failure_rate), ("trip.slow_call_rate", raw.slow_call_rate)]
    {
        if rate == Some(Share::NONE) {
            return Err(at(path, field, "`0%` would open it at once: leave it out or give more".to_owned()));
        }
    }
    if raw.consecutive_failures == Some(0) {
        let reason = "`0` would open it at once: leave it out or give at least 1".to_owned();
        return Err(at(path, "trip.consecutive_failures", reason));
    }
    let slow_call = match (raw.slow_call_rate, raw.slow_call) {
        (Some(_), None) => {
            let reason = "missing: slow_call_rate needs it, such as `2s`".to_owned();
            return Err(at(path, "trip.slow_call", reason));
        }
        (None, Some(span)) => {
            let reason = format!("`{span}` has no effect without slow_call_rate");
            return Err(at(path, "trip.slow_call", reason));
        }
        (Some(_), Some(span)) if span.0.is_zero() => {
            return Err(at(path, "trip.slow_call", format!("`{span}` would make every call slow")));
        }
        (_, span) => span.map_or(Duration::MAX, |span| span.0),
    };
    let unsaid = raw == RawTrip::default();
    Ok(Trip {
        failure_rate: if unsaid { Some(Share::from_basis_points(5_000)) } else { raw.failure_rate },
        slow_call_rate: raw.slow_call_rate,
        slow_call,
        consecutive_failures: raw.consecutive_failures,
        min_calls,
    })
}

fn open(raw: RawOpen, path: &str) -> Result<OpenWait, ConfigError> {
    let wait = raw.wait.0;
    if wait.is_zero() || wait > MOST_OPEN {
        return Err(at(path, "open.for", format!("`{}` is not more than 0s and at most 24h", raw.wait)));
    }
    if !(1.0..=100.0).contains(&raw.multiplier) {
        return Err(at(path, "open.multiplier", format!("`{}` is not 1 to 100", raw.multiplier)));
    }
    let most = raw.max.map_or(DEFAULT_MOST_OPEN.max(wait), |max| max.0);
    if most < wait || most > MOST_OPEN {
        let shown = raw.max.unwrap_or(raw.wait);
        return Err(at(path, "open.max", format!("`{shown}` is not `for` ({}) to 24h", raw.wait)));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1,000 and 100,000, as checked above"
    )]
    let multiplier_thousandths = (raw.multiplier * 1_000.0).round() as u32;
    Ok(OpenWait { wait, multiplier_thousandths, most, jitter: raw.jitter })
}

fn half_open(raw: RawHalfOpen, path: &str) -> Result<HalfOpen, ConfigError> {
    let at_least_one = |field: &str, value: u32| match value {
        0 => Err(at(path, field, "`0` would never close it: at least 1".to_owned())),
        value => Ok(value),
    };
    if raw.max_duration.0.is_zero() || raw.max_duration.0 > MOST_OPEN {
        let reason = format!("`{}` is not more than 0s and at most 24h", raw.max_duration);
        return Err(at(path, "half_open.max_duration", reason));
    }
    Ok(HalfOpen {
        max_calls: at_least_one("half_open.max_calls", raw.max_calls)?,
        success_threshold: at_least_one("half_open.success_threshold", raw.success_threshold)?,
        max_duration: raw.max_duration.0,
    })
}

fn failure(raw: RawFailure) -> FailureRule {
    FailureRule {
        status: raw.status.unwrap_or_else(StatusSet::server_errors),
        grpc: GrpcSet::of(raw.grpc.into_iter().map(|status| status as u32)),
        no_response: raw.no_response,
        ignore_status: raw.ignore_status.unwrap_or_default(),
    }
}

fn fallback(raw: RawFallback, path: &str) -> Result<Fallback, ConfigError> {
    if let Some(cluster) = raw.cluster {
        if raw.status.is_some() || raw.body.is_some() || !raw.headers.is_empty() {
            let reason = format!("`{cluster}` leaves nothing for status, body or headers to say");
            return Err(at(path, "fallback.cluster", reason));
        }
        if cluster.is_empty() || !cluster.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(at(path, "fallback.cluster", format!("`{cluster}` is no cluster's name")));
        }
        return Ok(Fallback::Cluster(cluster));
    }
    let status = raw.status.unwrap_or(503);
    if !(200..=599).contains(&status) {
        return Err(at(path, "fallback.status", format!("`{status}` is not 200 to 599")));
    }
    let headers = raw.headers.into_iter().map(|(name, value)| {
        let wrong = |reason| at(path, &format!("fallback.headers.{name}"), reason);
        let plain = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
        let value =
            plain.then_some(value).ok_or_else(|| wrong("control characters are not allowed".to_owned()))?;
        Ok((header_name(&name).map_err(wrong)?, value))
    });
    Ok(Fallback::Answer { status, body: raw.body, headers: headers.collect::<Result<_, _>>()? })
}

fn at(path: &str, field: &str, reason: String) -> ConfigError {
    ConfigError::new(format!("{path}.{field}"), reason)
}
