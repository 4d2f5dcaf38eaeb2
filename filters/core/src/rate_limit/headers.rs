//! What clients are told of their limits.
//!
//! Two ways: `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-11 has them, with every
//! limit that was asked, and the older `X-RateLimit-*` with the one that has least left. A limit that is not
//! enforced is not told of.
//!
//! A token bucket is told as its burst in the time that an empty bucket takes to fill, which is its rate. "Until"
//! is when the client's state will equal a fresh one; of a limit that refuses, when it would admit. Numbers are
//! advice: another worker may be spending the same tokens.

use super::config::HeaderStyle;
use super::{Algorithm, Decision, Said, Trouble, Verdict};
use crate::http::Problem;
use core::time::Duration;
use serde_json::Value;
use sfv::{Integer, ItemSerializer, KeyRef, StringRef};
use std::borrow::Cow;

/// The draft's names, here only: later drafts may rename them.
mod names {
    use super::{KeyRef, StringRef};

    pub(super) const POLICY_HEADER: &str = "ratelimit-policy";
    pub(super) const LIMIT_HEADER: &str = "ratelimit";
    pub(super) const QUOTA: &KeyRef = KeyRef::constant("q");
    pub(super) const UNIT: &KeyRef = KeyRef::constant("qu");
    pub(super) const WINDOW: &KeyRef = KeyRef::constant("w");
    pub(super) const AVAILABLE: &KeyRef = KeyRef::constant("r");
    pub(super) const UNTIL: &KeyRef = KeyRef::constant("t");
    pub(super) const CONCURRENT: &StringRef = StringRef::constant("concurrent-requests");
    pub(super) const NAMELESS: &StringRef = StringRef::constant("");
    pub(super) const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
    pub(super) const REDUCED_CAPACITY: &str =
        "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
    pub(super) const VIOLATED: &str = "violated-policies";
}

/// What stands between the members of a list (RFC 9651, section 4.1.1).
const LIST_SEPARATOR: &str = ", ";

/// Why a request was refused, as code details and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The limit is used up.
    OverLimit,
    /// The request costs more than could ever pass.
    TooCostly,
    /// The request lacks a part of the limit's key.
    MissingKey,
    /// The limit's shared value is written too often at the same time.
    Contended,
    /// The limit could not decide for a technical reason.
    Error,
}

impl Reason {
    /// The reason as one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OverLimit => "over_limit",
            Self::TooCostly => "too_costly",
            Self::MissingKey => "missing_key",
            Self::Contended => "contended",
            Self::Error => "error",
        }
    }

    /// Why a verdict refuses, or would; `None`: it does not.
    pub fn of(verdict: &Verdict) -> Option<Self> {
        match verdict.said {
            Said::Refuse { .. } if verdict.ask.cost > verdict.ask.algorithm.most() => Some(Self::TooCostly),
            Said::Refuse { .. } => Some(Self::OverLimit),
            Said::Trouble(Trouble::Contended) => Some(Self::Contended),
            Said::Trouble(_) => Some(Self::Error),
            Said::NotAsked | Said::Admit | Said::TakenBack | Said::WouldAdmit => None,
        }
    }
}

/// How one limit is told of: what does not change from answer to answer, serialized once.
#[derive(Clone, Debug)]
struct Told {
    name: String,
    algorithm: Algorithm,
    policy: String,
    /// Up to where the number that is left belongs.
    available: String,
}

/// How the limits of a configuration are told of.
#[derive(Clone, Debug)]
pub struct Teller {
    style: HeaderStyle,
    limits: Vec<Told>,
    /// What stands before the number of seconds.
    until: String,
}

impl Teller {
    /// `limits`: each limit's name and its numbers for a client without a plan, by number.
    pub fn new<'a>(style: HeaderStyle, limits: impl IntoIterator<Item = (&'a str, Algorithm)>) -> Self {
        let limits = limits.into_iter().map(|(name, algorithm)| Told::new(name, algorithm)).collect();
        Self { style, limits, until: format!(";{}=", names::UNTIL.as_str()) }
    }

    /// Puts the headers on an answer to a request that was decided so, with their names in lower case.
    pub fn tell(&self, decision: &Decision, mut put: impl FnMut(&'static str, &str)) {
        let told = decision.verdicts.iter().filter(|verdict| is_told(verdict));
        match self.style {
            HeaderStyle::None => {}
            HeaderStyle::Draft11 => self.draft_11(told, put),
            HeaderStyle::XRateLimit => {
                let tightest = told.min_by_key(|verdict| (verdict.remaining, verdict.ask.algorithm.most()));
                for (name, value) in tightest.map(x_rate_limit).into_iter().flatten() {
                    put(name, &value);
                }
            }
        }
    }

    fn draft_11<'v>(&self, told: impl Iterator<Item = &'v Verdict>, mut put: impl FnMut(&'static str, &str)) {
        // The policy of a single limit is never copied.
        let (mut policies, mut limits) = (Cow::Borrowed(""), String::with_capacity(96));
        let mut number = itoa::Buffer::new();
        for verdict in told {
            let Some(told) = self.limits.get(usize::from(verdict.ask.limit)) else { continue };
            let same = told.algorithm == verdict.ask.algorithm;
            let own = if same { None } else { Some(policy(&told.name, verdict.ask.algorithm)) };
            let policy = own.map_or(Cow::Borrowed(told.policy.as_str()), Cow::Owned);
            if policies.is_empty() {
                policies = policy;
            } else {
                policies.to_mut().push_str(LIST_SEPARATOR);
                policies.to_mut().push_str(&policy);
                limits.push_str(LIST_SEPARATOR);
            }
            limits.push_str(&told.available);
            limits.push_str(number.format(integer(verdict.remaining)));
            if verdict.ask.algorithm.window().is_some() {
                limits.push_str(&self.until);
                limits.push_str(number.format(integer(seconds(until(verdict)))));
            }
        }
        if !policies.is_empty() {
            put(names::POLICY_HEADER, &policies);
            put(names::LIMIT_HEADER, &limits);
        }
    }
}

impl Told {
    fn new(name: &str, algorithm: Algorithm) -> Self {
        // A name is lower case letters, digits and hyphens: always a string.
        let string = StringRef::from_str(name).unwrap_or(names::NAMELESS);
        let mut available = ItemSerializer::new().bare_item(string).parameter(names::AVAILABLE, 0).finish();
        available.pop();
        Self { name: name.to_owned(), algorithm, policy: policy(name, algorithm), available }
    }
}

/// A limit's policy.
fn policy(name: &str, algorithm: Algorithm) -> String {
    let name = StringRef::from_str(name).unwrap_or(names::NAMELESS);
    let quota = Integer::try_from(algorithm.most()).unwrap_or(Integer::MAX);
    let mut policy = ItemSerializer::new().bare_item(name).parameter(names::QUOTA, quota);
    if matches!(algorithm, Algorithm::Concurrency { .. }) {
        policy = policy.parameter(names::UNIT, names::CONCURRENT);
    }
    if let Some(window) = algorithm.window() {
        let seconds = Integer::try_from(seconds(window).max(1)).unwrap_or(Integer::MAX);
        policy = policy.parameter(names::WINDOW, seconds);
    }
    policy.finish()
}

/// The body of a refusal. With nothing violated, something is wrong on this side.
pub fn problem<'a>(status: u16, decision: &Decision, name_of: impl Fn(u16) -> &'a str) -> Problem {
    let violated = |verdict: &&Verdict| matches!(verdict.said, Said::Refuse { .. });
    let policies: Vec<Value> =
        decision.violated().filter(violated).map(|verdict| name_of(verdict.ask.limit).into()).collect();
    if policies.is_empty() {
        let title = "Request cannot be satisfied due to temporary server capacity constraints";
        return Problem { kind: names::REDUCED_CAPACITY, title, status, more: serde_json::Map::new() };
    }
    let title = "Request cannot be satisfied as assigned quota has been exceeded";
    let more = [(names::VIOLATED.to_owned(), policies.into())].into_iter().collect();
    Problem { kind: names::QUOTA_EXCEEDED, title, status, more }
}

const fn is_told(verdict: &Verdict) -> bool {
    verdict.ask.enforced
        && !matches!(verdict.said, Said::NotAsked | Said::Trouble(_))
        && !matches!(verdict.ask.algorithm, Algorithm::Elsewhere)
}

fn x_rate_limit(verdict: &Verdict) -> [(&'static str, String); 3] {
    [
        ("x-ratelimit-limit", verdict.ask.algorithm.most().to_string()),
        ("x-ratelimit-remaining", verdict.remaining.to_string()),
        ("x-ratelimit-reset", seconds(until(verdict)).to_string()),
    ]
}

fn until(verdict: &Verdict) -> Duration {
    match verdict.said {
        Said::Refuse { wait: Some(wait) } => wait,
        _ => verdict.reset,
    }
}

/// Whole seconds, rounded up.
const fn seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(if span.subsec_nanos() > 0 { 1 } else { 0 })
}

/// What a structured field can say has fifteen digits; more is cut to that.
fn integer(number: u64) -> u64 {
    number.min(999_999_999_999_999)
}

#[cfg(test)]
mod tests;
