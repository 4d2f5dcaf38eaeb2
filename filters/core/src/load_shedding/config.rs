//! What operators write about load shedding.
//!
//! # How
//!
//! What is written is read as it stands and then checked as a whole: a [`Config`] cannot hold a limit below one, classes
//! without a default, or a rate that refuses everybody. What a request is, by these rules, is [`Config::class`],
//! [`Config::caller`] and [`Bulkhead::key`].
//!
//! # Limits
//!
//! Counts and limits belong to the namespace, bulkheads to their names: a new configuration goes on with them.

mod check;
mod raw;
mod units;

pub use raw::RawConfig;

use super::Settings;
use super::signal::Signal;
use crate::config::{Mode, Name, OnError};
use crate::http::Problem;
use crate::key::{KeySpec, OnMissingKey};
use crate::matching::{HeaderName, Matcher, Needs, Property, Request};
use crate::slots::{Fingerprint, Secret};
use crate::trust::Trust;
use crate::units::Share;
use core::time::Duration;
use serde::Deserialize;
use std::rc::Rc;

/// The class of requests that name none.
pub const DEFAULT_CLASS: &str = "default";

/// A valid configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Whether decisions take effect.
    pub mode: Mode,
    /// The numbers that decide.
    pub settings: Rc<Settings>,
    /// Requests that are neither counted nor refused.
    pub exempt: Vec<Matcher>,
    /// Requests whose latency says nothing.
    pub ignore: Vec<Matcher>,
    /// Who is important.
    pub priority: Priority,
    /// Whose requests are counted together.
    pub fairness: Option<KeySpec>,
    /// The rules of refusal by success rate.
    pub admission: Vec<Admission>,
    /// The caps.
    pub bulkheads: Vec<Bulkhead>,
    /// What upstreams say about their load.
    pub signals: Vec<Signal>,
    /// How a request is refused.
    pub reject: Reject,
    /// Of which share of the requests refusals take effect.
    pub enforce_share: Share,
    /// Whose counts these are; `None`: the plugin's.
    pub namespace: Option<Name>,
    /// What happens when something is broken.
    pub on_error: OnError,
}

/// Who is important.
#[derive(Clone, Debug)]
pub struct Priority {
    sources: Vec<Source>,
    /// The classes, the most important first.
    pub classes: Vec<Name>,
    default: u8,
    /// The header that tells the upstream the class.
    pub propagate: Option<HeaderName>,
}

#[derive(Clone, Debug)]
enum Source {
    Header(HeaderName, Trust),
    Property(Property),
}

/// A rule of refusal by success rate.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Its name.
    pub name: String,
    matcher: Matcher,
    mode: Mode,
}

/// A cap.
#[derive(Clone, Debug)]
pub struct Bulkhead {
    /// Its name.
    pub name: Name,
    matcher: Matcher,
    key: KeySpec,
    on_missing_key: OnMissingKey,
    mode: Mode,
    /// How many may be in flight for each key.
    pub max_concurrent: u32,
    /// How many may wait for each key and worker.
    pub max_queue: u32,
    /// How long they wait.
    pub max_wait: Duration,
    max_keys: u32,
}

/// What a bulkhead says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkheadKey {
    /// It is not for it.
    None,
    /// It is counted under this name.
    Counted(String),
    /// The request lacks a part of the key and is denied.
    Denied,
}

/// How a request is refused.
#[derive(Clone, Debug)]
pub struct Reject {
    /// The status.
    pub status: u16,
    /// When to come back.
    pub retry_after: Duration,
    /// By how much of itself that may be later.
    pub retry_after_jitter: Share,
    problem: &'static str,
}

impl Reject {
    /// The problem details of a refusal for this reason.
    pub fn problem(&self, reason: super::Reason) -> Problem {
        let mut more = serde_json::Map::new();
        more.insert("reason".to_owned(), reason.as_str().into());
        Problem { kind: self.problem, title: self.title(), status: self.status, more }
    }

    /// What a refusal says to people.
    pub const fn title(&self) -> &'static str {
        "The service is overloaded and cannot serve this request now"
    }
}

impl Config {
    /// Notes what it can ask of every request.
    pub fn needs(&self, needs: &mut Needs) {
        if self.mode == Mode::Disabled {
            return;
        }
        self.exempt.iter().chain(&self.ignore).for_each(|matcher| matcher.needs(needs));
        for source in &self.priority.sources {
            match source {
                Source::Header(name, trust) => {
                    needs.header(name.as_str());
                    trust.needs(needs);
                }
                Source::Property(property) => needs.property(property.clone()),
            }
        }
        if let Some(key) = &self.fairness {
            key.needs(needs);
        }
        self.admission.iter().for_each(|rule| rule.matcher.needs(needs));
        for bulkhead in self.bulkheads.iter().filter(|bulkhead| bulkhead.mode != Mode::Disabled) {
            bulkhead.matcher.needs(needs);
            bulkhead.key.needs(needs);
        }
    }

    /// Whether a request is neither counted nor refused.
    pub fn is_exempt(&self, request: &impl Request) -> bool {
        self.exempt.iter().any(|matcher| matcher.matches(request))
    }

    /// Whether a request's latency says nothing.
    pub fn is_ignored(&self, request: &impl Request) -> bool {
        self.ignore.iter().any(|matcher| matcher.matches(request))
    }

    /// The number of a request's class.
    pub fn class(&self, request: &impl Request) -> u8 {
        self.priority.class(request)
    }

    /// The name of a class by number.
    pub fn class_name(&self, class: u8) -> &str {
        self.priority.classes.get(usize::from(class)).map_or(DEFAULT_CLASS, Name::as_str)
    }

    /// Who has sent a request, where that matters. All that lack a part of the key are one.
    pub fn caller(&self, request: &impl Request, secret: &Secret) -> Option<Fingerprint> {
        let key = self.fairness.as_ref()?;
        let mut material = Vec::with_capacity(64);
        // A part that is missing is written as missing.
        let _ = key.extract(request, &mut material);
        Some(secret.fingerprint("fairness", &material))
    }

    /// The number of the admission rule that is for a request, and whether its refusals take effect.
    pub fn admission_rule(&self, request: &impl Request) -> Option<(usize, bool)> {
        let found = self.admission.iter().enumerate().find(|(_, rule)| rule.matcher.matches(request));
        let (number, rule) = found.filter(|(_, rule)| rule.mode != Mode::Disabled)?;
        Some((number, rule.mode == Mode::Enforce))
    }

    /// The bulkhead that is for a request.
    pub fn bulkhead(&self, request: &impl Request) -> Option<&Bulkhead> {
        let found = self.bulkheads.iter().find(|bulkhead| bulkhead.matcher.matches(request));
        found.filter(|bulkhead| bulkhead.mode != Mode::Disabled)
    }
}

impl Priority {
    /// The class of requests that name none.
    pub const fn default_class(&self) -> u8 {
        self.default
    }

    fn class(&self, request: &impl Request) -> u8 {
        for source in &self.sources {
            let value = match source {
                Source::Header(name, trust) => {
                    let Some(value) = request.header(name.as_str()) else { continue };
                    if !trust.trusts(request) {
                        return self.least();
                    }
                    value
                }
                Source::Property(property) => {
                    let Some(value) = request.property(property) else { continue };
                    value
                }
            };
            if let Some(class) = self.number(&value) {
                return class;
            }
        }
        self.default
    }

    fn number(&self, name: &[u8]) -> Option<u8> {
        let at = self.classes.iter().position(|class| class.as_str().as_bytes() == name)?;
        u8::try_from(at).ok()
    }

    /// The least important class.
    fn least(&self) -> u8 {
        u8::try_from(self.classes.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }
}

impl Bulkhead {
    /// Whether its refusals take effect.
    pub fn is_enforced(&self) -> bool {
        self.mode == Mode::Enforce
    }

    /// Under which name it counts a request.
    pub fn key(&self, request: &impl Request, secret: &Secret) -> BulkheadKey {
        if self.key.is_empty() {
            return BulkheadKey::Counted(format!("bulkhead/{}", self.name));
        }
        let mut material = Vec::with_capacity(64);
        match (self.key.extract(request, &mut material), self.on_missing_key) {
            (Ok(()), _) | (Err(_), OnMissingKey::Shared) => {}
            (Err(_), OnMissingKey::Skip) => return BulkheadKey::None,
            (Err(_), OnMissingKey::Deny) => return BulkheadKey::Denied,
        }
        // The upper bits pick one of a fixed number of counters: nothing that a client sends is in a name.
        let bits = u64::try_from(secret.fingerprint(self.name.as_str(), &material).0 >> 96).unwrap_or(0);
        let place = (bits * u64::from(self.max_keys)) >> 32;
        BulkheadKey::Counted(format!("bulkhead/{}/{place}", self.name))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoadShedding".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawConfig::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
