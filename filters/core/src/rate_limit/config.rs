//! What operators write about limits.
//!
//! # How
//!
//! What is written is read as it stands and then checked as a whole: a [`Config`] cannot hold a limit
//! without a rate, or a cost that can never pass. [`Config::ask`] turns a request into what its limits are asked.
//!
//! # Limits
//!
//! A client's state belongs to the limit's name, the plan and the client: a limit that is renamed begins anew, one
//! whose rate changes goes on with the share that the client has used up. Another `max_keys` puts clients elsewhere
//! in the table.

mod asking;
mod elastic;
mod global;
mod limit;
mod numbers;
mod raw;

pub use asking::Asking;
pub use limit::{Asked, Cost, Limit, Plan};
pub use raw::{HeaderStyle, RawConfig};

use super::global::Counting;
use super::token_lease::Leases;
use super::{Charges, Settle};
use crate::config::{ConfigError, Mode, Name, OnError, check_unique};
use crate::key::MissingPart;
use crate::matching::{Matcher, Needs, Request, header_name};
use crate::plane::Overload;
use crate::random::Random;
use crate::slots::{Secret, Table};
use crate::time::MonoTime;
use crate::units::Share;
use serde::Deserialize;

/// A valid configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Whether decisions take effect.
    pub mode: Mode,
    /// What answers tell of the limits.
    pub headers: HeaderStyle,
    /// The limits, by number.
    pub limits: Vec<Limit>,
    /// Requests that no limit is asked for.
    pub exempt: Vec<Matcher>,
    /// The status of a refusal.
    pub status: u16,
    /// By how much of itself a `Retry-After` may be later than the truth.
    pub retry_after_jitter: Share,
    /// What a refusal carries besides.
    pub response_headers: Vec<(String, String)>,
    /// The body of a refusal, in place of problem details.
    pub response_body: Option<String>,
    /// Whose limits these are; `None`: the plugin's.
    pub namespace: Option<Name>,
    /// What happens when something is broken.
    pub on_error: OnError,
    /// Whether the status names clients by what their keys are made of, and not by a hash.
    pub show_keys: bool,
}

impl Config {
    /// Checks that nothing has to be read from responses or written to them, for a module that does not see any.
    ///
    /// # Errors
    ///
    /// Names the first field that asks for it.
    pub fn check_requests_only(&self) -> Result<(), ConfigError> {
        const MODULE: &str = "this module does not see responses; ballast_rate_limit.wasm does";
        let wants = |path: String, reason: &str| Err(ConfigError::new(path, format!("{reason}: {MODULE}")));
        if self.headers != HeaderStyle::None {
            return wants("headers".to_owned(), "only `none` is possible here");
        }
        if self.mode == Mode::Shadow {
            return wants("mode".to_owned(), "`shadow` marks responses");
        }
        for (number, limit) in self.limits.iter().enumerate() {
            let at = |field: &str| format!("limits[{number}].{field}");
            if limit.charge_when.is_some() {
                return wants(at("charge_when"), "it depends on the response");
            }
            if limit.global.is_some() {
                return wants(at("global"), "responses say who decided");
            }
            if limit.marks_responses() {
                return wants(at("mode"), "`shadow` and `enforce_share` below 100% mark responses");
            }
        }
        Ok(())
    }
}

/// A request that lacks a part of a limit's key, under a limit that denies such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The number of the limit.
    pub limit: u16,
    /// What is missing.
    pub missing: MissingPart,
}

impl Config {
    /// Notes what it can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        if self.mode == Mode::Disabled {
            return;
        }
        self.exempt.iter().for_each(|matcher| matcher.needs(needs));
        self.limits.iter().for_each(|limit| limit.needs(needs));
    }

    /// Finds out what the limits of a request are to be asked, which `asking` holds then. None: it passes.
    ///
    /// # Errors
    ///
    /// The request lacks a part of a key, and an enforced limit denies such.
    pub fn ask(
        &self,
        request: &impl Request,
        secret: &Secret,
        random: &mut impl Random,
        asking: &mut Asking,
    ) -> Result<(), Denied> {
        asking.clear();
        if self.mode == Mode::Disabled || self.exempt.iter().any(|matcher| matcher.matches(request)) {
            return Ok(());
        }
        for (number, limit) in (0..).zip(&self.limits) {
            let enforced = self.mode == Mode::Enforce && limit.is_enforced(random);
            match limit.ask(number, request, secret, enforced, asking) {
                Asked::Nothing => {}
                Asked::Ask(ask) if limit.global.is_some() => asking.push_remote(ask),
                Asked::Ask(ask) => asking.push(ask),
                Asked::Denied(missing) if enforced => return Err(Denied { limit: number, missing }),
                Asked::Denied(_) => {}
            }
        }
        if !asking.remote().is_empty() {
            asking.may_be_refused_elsewhere(|ask| self.is_leased(ask.limit));
        }
        Ok(())
    }

    /// Whether a limit goes by the overload level of the process.
    pub fn is_elastic(&self) -> bool {
        self.mode != Mode::Disabled && self.limits.iter().any(|limit| limit.elastic.is_some())
    }

    /// Goes by the overload level of the process. `changed` gets the number of each limit that is tighter or wider from now
    /// on, and the share that is left of it.
    pub fn follow(&mut self, overload: Overload, now: MonoTime, mut changed: impl FnMut(u16, Share)) {
        for (number, limit) in (0..).zip(&mut self.limits) {
            if let Some(share) = limit.follow(overload, now) {
                changed(number, share);
            }
        }
    }

    fn is_leased(&self, number: u16) -> bool {
        let global = self.limit(number).and_then(|limit| limit.global.as_ref());
        global.is_some_and(|global| matches!(global.counting, Counting::Leased(_)))
    }

    /// A limit by number.
    pub fn limit(&self, number: u16) -> Option<&Limit> {
        self.limits.get(usize::from(number))
    }

    /// A limit's name by number, for keys, headers and metrics.
    pub fn name_of(&self, number: u16) -> &str {
        self.limit(number).map_or("", |limit| limit.name.as_str())
    }

    /// Who a request counts for under a limit, as it is shown.
    pub fn shown(&self, number: u16, request: &impl Request) -> String {
        self.limit(number).map_or_else(String::new, |limit| limit.shown(request))
    }

    /// A limit's table by number.
    pub fn table_of(&self, number: u16) -> Option<Table> {
        self.limit(number).map(|limit| limit.table)
    }

    /// Settles a request that was answered with a status; `None`: it was not answered.
    pub fn settle(
        &self,
        charges: Charges,
        status: Option<u16>,
        leases: &mut Leases,
        now: MonoTime,
    ) -> Settle {
        let counts = |number| self.limit(number).is_none_or(|limit| limit.counts(status));
        charges.settle(counts, leases, now)
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        check_unique("limits", raw.limits.iter().map(|limit| &limit.name))?;
        if u16::try_from(raw.limits.len()).is_err() {
            return Err(error("limits", format!("{} are too many: at most 65535", raw.limits.len())));
        }
        if !(400..=599).contains(&raw.status) {
            return Err(error("status", format!("`{}` refuses nothing: 400 to 599", raw.status)));
        }
        let limits = (0..).zip(raw.limits).map(|(number, limit)| Limit::new(number, limit));
        let headers = raw.response.headers.into_iter().map(|(name, value)| {
            let at = |reason| error(&format!("response.headers.{name}"), reason);
            let plain = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
            let value =
                plain.then_some(value).ok_or_else(|| at("control characters are not allowed".to_owned()))?;
            Ok((header_name(&name).map_err(at)?, value))
        });
        Ok(Self {
            mode: raw.mode,
            headers: raw.headers,
            limits: limits.collect::<Result<_, _>>()?,
            exempt: raw.exempt,
            status: raw.status,
            retry_after_jitter: raw.retry_after_jitter,
            response_headers: headers.collect::<Result<_, _>>()?,
            response_body: raw.response.body,
            namespace: raw.namespace,
            on_error: raw.on_error,
            show_keys: raw.show_keys,
        })
    }
}

fn error(path: &str, reason: String) -> ConfigError {
    ConfigError::new(path.to_owned(), reason)
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RateLimit".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawConfig::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
