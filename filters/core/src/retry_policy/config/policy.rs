//! One policy, checked.

use super::raw::{
    GrpcName, RawBackoff, RawBudget, RawConditions, RawPolicy, RawStrategy, RawThrottle, RouteRetries, Via,
};
use crate::config::{ConfigError, Mode, Name};
use crate::http::StatusSet;
use crate::matching::{HeaderName, HeaderRule, Matcher};
use crate::plane::Facts;
use crate::random::Random;
use crate::resend::RouteRewrite;
use crate::retry_policy::attempts::Refusal;
use crate::retry_policy::backoff::{Backoff, Jitter, Strategy};
use crate::retry_policy::budget::Budget;
use crate::retry_policy::outcome::Outcome;
use crate::retry_policy::steer::Steering;
use crate::retry_policy::throttle::Throttle;
use crate::units::{Share, Span};
use core::time::Duration;

const IDEMPOTENT: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];
const MOST_BODY_BYTES: u64 = 16 * 1024 * 1024;
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// One policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: Name,
    /// Which requests it is for.
    pub matcher: Matcher,
    /// Whether its decisions take effect.
    pub mode: Mode,
    enforce_share: Share,
    /// Whether requests are replayed; else the router retries.
    pub replays: bool,
    /// Whether routes that change requests must be known: not where the operator has said what they do.
    pub learns_routes: bool,
    methods: Vec<String>,
    idempotency_key: Option<HeaderName>,
    /// On what to retry.
    pub retry_on: Conditions,
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The waits.
    pub backoff: Backoff,
    /// The longest wait that an upstream may ask for; `None`: it is not asked.
    pub respect_retry_after: Option<Duration>,
    /// How long one attempt may take.
    pub per_try_timeout: Option<Duration>,
    /// How long everything may take.
    pub timeout: Option<Duration>,
    /// How many retries all requests together may cause.
    pub budget: Budget,
    /// When too many fail.
    pub throttle: Option<Throttle>,
    /// Larger requests are not replayed, in bytes.
    pub max_body: usize,
    /// Whether retries are retried.
    pub retry_of_retry: bool,
    /// A second request when the first takes long.
    pub hedge: Option<Hedge>,
    /// When retries stop.
    pub stop_when: StopWhen,
    /// How many requests of a worker may wait.
    pub max_waiting: u32,
    /// What the route does.
    pub rewrite: Option<RouteRewrite>,
    /// Where replays go, if not to the route's cluster.
    pub loopback_cluster: Option<String>,
    /// Whether the route retries by itself.
    pub route_retries: RouteRetries,
    /// Whether answers carry the number of attempts.
    pub report_attempts: bool,
    /// What tells the router.
    pub steering: Steering,
}

/// On what to retry.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Statuses of upstreams.
    pub status: StatusSet,
    /// gRPC statuses.
    pub grpc: Vec<u32>,
    /// No connection came about.
    pub connect_failure: bool,
    /// The connection was reset before an answer began.
    pub reset: bool,
    /// An attempt took too long.
    pub timeout: bool,
    /// Any of these headers.
    pub headers: Vec<HeaderRule>,
    /// This text in the body.
    pub body: Option<String>,
}

/// A second request when the first takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// How long the first, and each further one, may take.
    pub after: Duration,
    /// How many more.
    pub max: u32,
}

/// When retries stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopWhen {
    /// While the breaker is open or probing.
    pub breaker_open: bool,
    /// From this level on; 0: never.
    pub overload_level: u8,
    /// Hedges, while the proxy drains.
    pub draining: bool,
}

impl StopWhen {
    /// What the facts about the process say.
    pub const fn overload(&self, facts: Facts) -> Option<Refusal> {
        if self.overload_level > 0 && facts.overload.level() >= self.overload_level {
            Some(Refusal::Overload)
        } else {
            None
        }
    }

    /// What the facts about the process say of a second request beside the first.
    pub const fn hedge(&self, facts: Facts) -> Option<Refusal> {
        if self.draining && facts.draining { Some(Refusal::Draining) } else { self.overload(facts) }
    }
}

impl Conditions {
    /// Whether an outcome is to be retried; `header` brings a header of the answer.
    pub fn wants<'a>(
        &self,
        outcome: Outcome,
        header: impl Fn(&str) -> Option<&'a [u8]>,
        body: &[u8],
    ) -> bool {
        let by_answer = || {
            // What a limit or an overloaded proxy further in refuses is refused again.
            header("x-envoy-ratelimited").is_none()
                && header("x-envoy-overloaded").is_none()
                && (self.headers.iter().any(|rule| rule.holds(header(rule.name())))
                    || self.body.as_ref().is_some_and(|text| contains(body, text.as_bytes())))
        };
        match outcome {
            Outcome::ConnectFailure => self.connect_failure,
            Outcome::Reset => self.reset,
            Outcome::Timeout => self.timeout,
            Outcome::Refused => false,
            Outcome::Grpc(code) => self.grpc.contains(&code) || by_answer(),
            Outcome::Answer(status) => {
                let refused =
                    header("x-envoy-ratelimited").is_some() || header("x-envoy-overloaded").is_some();
                (self.status.contains(status) && !refused) || by_answer()
            }
        }
    }

    /// Whether an answer with this status may have to be retried, so that more of it must be read.
    pub fn may_want(&self, status: u16) -> bool {
        let by_proxy = match status {
            503 => self.connect_failure || self.reset,
            504 => self.timeout,
            _ => false,
        };
        by_proxy || !self.headers.is_empty() || self.status.contains(status)
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len().max(1)).any(|part| part == text)
}

impl Policy {
    /// Whether a request may be sent twice.
    pub fn may_repeat(&self, method: &[u8], has_header: impl Fn(&str) -> bool) -> bool {
        self.methods.iter().any(|known| known.as_bytes() == method)
            || self.idempotency_key.as_ref().is_some_and(|name| has_header(name.as_str()))
    }

    pub(super) fn reads_facts(&self) -> bool {
        let stop = self.stop_when;
        stop.overload_level > 0 || (stop.draining && self.hedge.is_some())
    }

    /// Whether decisions take effect for this request.
    pub fn is_enforced(&self, random: &mut impl Random) -> bool {
        self.mode == Mode::Enforce
            && (self.enforce_share == Share::ALL || self.enforce_share.admits(random.next_u64()))
    }

    pub(super) fn new(number: usize, raw: RawPolicy) -> Result<Self, ConfigError> {
        let path = format!("policies[{number}]");
        let replay_reason = needs_replay(&raw);
        let replays = match (raw.via, replay_reason) {
            (Via::Router, Some((field, why))) => {
                return Err(at(
                    &path,
                    field,
                    format!("{why}, which the router cannot do: take `via: replay`"),
                ));
            }
            (Via::Router, None) | (Via::Auto, None) => false,
            (Via::Replay, _) | (Via::Auto, Some(_)) => true,
        };
        if !replays && (raw.rewrite.is_some() || raw.loopback_cluster.is_some()) {
            let field = if raw.rewrite.is_some() { "rewrite" } else { "loopback_cluster" };
            return Err(at(
                &path,
                field,
                "the router takes the route anyway: only with `via: replay`".to_owned(),
            ));
        }
        if !replays && raw.route_retries == RouteRetries::None {
            let reason = "the router is told how often anyway: only with `via: replay`".to_owned();
            return Err(at(&path, "route_retries", reason));
        }
        if !(1..=20).contains(&raw.max_attempts) {
            return Err(at(&path, "max_attempts", format!("`{}` is not 1 to 20", raw.max_attempts)));
        }
        if raw.max_body.0 > MOST_BODY_BYTES {
            return Err(at(&path, "max_body", format!("`{}` is more than 16MiB", raw.max_body)));
        }
        let per_try_timeout = span(raw.per_try_timeout, &path, "per_try_timeout")?;
        let timeout = span(raw.timeout, &path, "timeout")?;
        if raw.stop_when.overload_level > 3 {
            let reason = format!("`{}` is not 0 to 3", raw.stop_when.overload_level);
            return Err(at(&path, "stop_when.overload_level", reason));
        }
        let methods = raw.methods.map_or_else(
            || IDEMPOTENT.iter().map(|method| (*method).to_owned()).collect(),
            |methods| methods.into_iter().map(|method| method.0).collect(),
        );
        let retry_on = raw.retry_on.map_or_else(default_conditions, Conditions::from);
        let hedge = raw.hedge.map(|hedge| {
            let after = span(Some(hedge.after), &path, "hedge.after")?.unwrap_or_default();
            if !(1..=3).contains(&hedge.max) {
                return Err(at(&path, "hedge.max", format!("`{}` is not 1 to 3", hedge.max)));
            }
            Ok(Hedge { after, max: hedge.max })
        });
        let respected = raw.respect_retry_after.map(|respect| respect.max);
        Ok(Self {
            learns_routes: replays && raw.rewrite.is_none() && raw.loopback_cluster.is_none(),
            replays,
            steering: Steering::new(&retry_on, per_try_timeout, timeout),
            methods,
            idempotency_key: raw.idempotency_key,
            retry_on,
            max_attempts: raw.max_attempts,
            backoff: backoff(raw.backoff.unwrap_or_default(), &path)?,
            respect_retry_after: span(respected, &path, "respect_retry_after.max")?,
            per_try_timeout,
            timeout,
            budget: budget(&raw.budget, &path)?,
            throttle: raw.throttle.map(|raw| throttle(&raw, &path)).transpose()?,
            max_body: usize::try_from(raw.max_body.0).unwrap_or(usize::MAX),
            retry_of_retry: raw.retry_of_retry,
            hedge: hedge.transpose()?,
            stop_when: StopWhen {
                breaker_open: raw.stop_when.breaker_open,
                overload_level: raw.stop_when.overload_level,
                draining: raw.stop_when.draining,
            },
            max_waiting: raw.max_waiting,
            rewrite: raw.rewrite,
            loopback_cluster: raw.loopback_cluster.map(|text| text.0),
            route_retries: raw.route_retries,
            report_attempts: raw.report_attempts,
            name: raw.name,
            matcher: raw.matcher,
            mode: raw.mode,
            enforce_share: raw.enforce_share,
        })
    }
}

/// The setting that only a replay can carry out, and what it asks for.
fn needs_replay(raw: &RawPolicy) -> Option<(&'static str, &'static str)> {
    let on = raw.retry_on.as_ref();
    let has = |holds: fn(&RawConditions) -> bool| on.is_some_and(holds);
    let replayed = [
        (raw.backoff.is_some(), "backoff", "it sets waits"),
        (raw.respect_retry_after.is_some(), "respect_retry_after", "it sets waits"),
        (raw.hedge.is_some(), "hedge", "it sends a second request"),
        (has(|on| on.body.is_some()), "retry_on.body", "it looks at bodies"),
        (
            has(|on| on.headers.iter().any(|rule| !rule.is_presence())),
            "retry_on.headers",
            "it looks at the values of headers",
        ),
        (
            raw.per_try_timeout.is_some() && has(|on| on.timeout != on.reset),
            "retry_on.timeout",
            "it tells time-outs from resets",
        ),
    ];
    replayed.into_iter().find(|(needs, _, _)| *needs).map(|(_, field, why)| (field, why))
}

fn default_conditions() -> Conditions {
    let status = serde_json::from_value(serde_json::json!([502, 503, 504])).unwrap_or_default();
    Conditions { status, connect_failure: true, reset: true, ..Conditions::default() }
}

impl From<RawConditions> for Conditions {
    fn from(raw: RawConditions) -> Self {
        let code = |name: &GrpcName| match name {
            GrpcName::Cancelled => 1,
            GrpcName::DeadlineExceeded => 4,
            GrpcName::ResourceExhausted => 8,
            GrpcName::Internal => 13,
            GrpcName::Unavailable => 14,
        };
        Self {
            status: raw.status,
            grpc: raw.grpc.iter().map(code).collect(),
            connect_failure: raw.connect_failure,
            reset: raw.reset,
            timeout: raw.timeout,
            headers: raw.headers,
            body: raw.body.map(|text| text.0),
        }
    }
}

fn backoff(raw: RawBackoff, path: &str) -> Result<Backoff, ConfigError> {
    let strategy = match raw.strategy {
        RawStrategy::Fixed => Strategy::Fixed,
        RawStrategy::Linear => Strategy::Linear,
        RawStrategy::Exponential => Strategy::Exponential,
        RawStrategy::Fibonacci => Strategy::Fibonacci,
        RawStrategy::DecorrelatedJitter => Strategy::DecorrelatedJitter,
    };
    let base = span(Some(raw.base), path, "backoff.base")?.unwrap_or_default();
    let max = span(Some(raw.max), path, "backoff.max")?.unwrap_or_default();
    if max < base {
        return Err(at(path, "backoff.max", format!("`{}` is less than base, `{}`", raw.max, raw.base)));
    }
    let jitter = match (strategy, raw.jitter.as_deref()) {
        (Strategy::DecorrelatedJitter, None) => Jitter::None,
        (Strategy::DecorrelatedJitter, Some(jitter)) => {
            let reason = format!("`{jitter}` is one too many: decorrelated_jitter has its own");
            return Err(at(path, "backoff.jitter", reason));
        }
        (_, None | Some("full")) => Jitter::Full,
        (_, Some("none")) => Jitter::None,
        (_, Some("equal")) => Jitter::Equal,
        (_, Some(share)) => Jitter::Share(share.parse().map_err(|_| {
            let reason = format!("`{share}` is not none, full, equal or a share like `20%`");
            at(path, "backoff.jitter", reason)
        })?),
    };
    Ok(Backoff { strategy, jitter, base, max })
}

fn budget(raw: &RawBudget, path: &str) -> Result<Budget, ConfigError> {
    if raw.window.0 < Duration::from_secs(1) || raw.window.0 > LONGEST {
        return Err(at(path, "budget.window", format!("`{}` is not 1s to 1h", raw.window)));
    }
    Ok(Budget { ratio: raw.ratio, min_per_second: raw.min_per_second, window: raw.window.0 })
}

fn throttle(raw: &RawThrottle, path: &str) -> Result<Throttle, ConfigError> {
    if !(1..=1_000).contains(&raw.max_tokens) {
        return Err(at(path, "throttle.max_tokens", format!("`{}` is not 1 to 1000", raw.max_tokens)));
    }
    if !(0.001..=1_000.0).contains(&raw.token_ratio) {
        return Err(at(path, "throttle.token_ratio", format!("`{}` is not 0.001 to 1000", raw.token_ratio)));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 1,000,000 after rounding, as checked above"
    )]
    let success_millitokens = (raw.token_ratio * 1_000.0).round() as u32;
    Ok(Throttle { max_tokens: raw.max_tokens, success_millitokens })
}

/// A span of at least a millisecond, the finest that the proxy's time-outs know, and at most an hour.
fn span(span: Option<Span>, path: &str, field: &str) -> Result<Option<Duration>, ConfigError> {
    match span {
        Some(span) if span.0 < Duration::from_millis(1) || span.0 > LONGEST => {
            Err(at(path, field, format!("`{span}` is not 1ms to 1h")))
        }
        span => Ok(span.map(|span| span.0)),
    }
}

fn at(path: &str, field: &str, reason: String) -> ConfigError {
    ConfigError::new(format!("{path}.{field}"), reason)
}
