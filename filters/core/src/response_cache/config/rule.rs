//! One rule, checked.

use super::condition::Condition;
use super::raw::{RawKey, RawQuery, RawRule, RequestDirectives};
use super::together::ServeStaleWhen;
use super::ttl::Ttl;
use crate::config::{ConfigError, Mode, Name};
use crate::matching::{Matcher, Needs, Request};
use crate::random::Random;
use crate::response_cache::rules::{Heuristic, Methods, Policy, TtlByStatus};
use crate::units::Share;
use core::time::Duration;

/// The longest that a request waits for another's answer.
const MOST_WAIT: Duration = Duration::from_secs(300);

/// A valid rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// What tells answers apart.
    pub key: Key,
    /// The methods whose answers are kept.
    pub methods: Methods,
    /// How long an answer is fresh that does not say so itself.
    pub default_ttl: Option<Ttl>,
    /// How long an answer is fresh, whatever it says.
    pub override_ttl: Option<Ttl>,
    /// How long an answer is fresh that only says when it was last modified.
    pub heuristic: Option<Heuristic>,
    /// For how long a stale answer may be used while it is fetched anew, where the answer does not say.
    pub stale_while_revalidate: Option<Duration>,
    /// For how long a stale answer may be used in place of a 5xx, where the answer does not say.
    pub stale_if_error: Option<Duration>,
    /// For how long a stale answer may be used when the upstream cannot be reached, where the answer does not say.
    pub stale_on_connection_error: Option<Duration>,
    /// When stale answers are used before the upstream has failed.
    pub serve_stale_when: ServeStaleWhen,
    /// Fields that take the place of `Cache-Control`, in lower case.
    pub targeted: Vec<String>,
    /// Whether clients have a say.
    pub request_directives: RequestDirectives,
    /// How long a request waits for another's answer; `None`: each fetches for itself.
    pub max_wait: Option<Duration>,
    /// By how much of itself a time to live is shortened at random.
    pub ttl_jitter: Share,
    /// Requests that are not answered from the cache.
    pub bypass: Vec<Condition>,
    /// Requests whose answers are not stored.
    pub no_store: Vec<Condition>,
    matcher: Matcher,
    mode: Mode,
    enforce_share: Share,
}

/// What tells answers apart, besides the path and what `Vary` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// The host.
    pub host: bool,
    /// Which parameters of the query.
    pub query: Query,
    /// Headers, in lower case.
    pub headers: Vec<String>,
    /// Cookies.
    pub cookies: Vec<String>,
}

/// Which parameters of the query tell answers apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only these; `None`: all.
    pub include: Option<Vec<Parameter>>,
    /// All but these.
    pub exclude: Vec<Parameter>,
    /// Whether their order makes no difference.
    pub sort: bool,
}

/// Parameters by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// This one.
    Exact(String),
    /// All that begin so.
    Prefix(String),
}

impl Key {
    /// Whether more than the URL is part of it.
    pub fn is_split(&self) -> bool {
        !self.headers.is_empty() || !self.cookies.is_empty()
    }
}

impl Parameter {
    /// Whether it names this one.
    pub fn names(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(text) => name == text.as_bytes(),
            Self::Prefix(text) => name.starts_with(text.as_bytes()),
        }
    }

    fn parse(text: String) -> Result<Self, String> {
        let (name, prefix) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"&=#?*".contains(&byte);
        if !name.bytes().all(allowed) || name.is_empty() {
            return Err(format!(
                "`{text}` is not a parameter's name as it is sent, such as `page` or `utm_*`"
            ));
        }
        Ok(if prefix { Self::Prefix(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }
}

impl Rule {
    /// Whether the rule is for this request.
    pub fn matches(&self, request: &impl Request) -> bool {
        self.mode != Mode::Disabled && self.matcher.matches(request)
    }

    /// Whether its decisions take effect.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the next request may be answered from the cache.
    pub fn is_enforced(&self, random: &mut impl Random) -> bool {
        self.mode == Mode::Enforce
            && (self.enforce_share == Share::ALL || self.enforce_share.admits(random.next_u64()))
    }

    /// Notes what it can ask of a request to know whether it applies, and how.
    pub fn needs(&self, needs: &mut Needs) {
        if self.mode == Mode::Disabled {
            return;
        }
        self.matcher.needs(needs);
        self.bypass.iter().chain(&self.no_store).for_each(|condition| condition.needs(needs));
    }

    /// What the rules of HTTP need to know of it.
    pub fn policy(&self) -> Policy {
        let by_status = |ttl: &Option<Ttl>| match ttl {
            None => TtlByStatus::default(),
            Some(Ttl::All(ttl)) => TtlByStatus { all: Some(*ttl), by_status: Vec::new() },
            Some(Ttl::ByStatus(spans)) => TtlByStatus {
                all: None,
                by_status: spans.iter().map(|(status, ttl)| (*status, *ttl)).collect(),
            },
        };
        Policy {
            methods: self.methods,
            default_ttl: by_status(&self.default_ttl),
            override_ttl: by_status(&self.override_ttl),
            heuristic: self.heuristic,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            stale_on_connection_error: self.stale_on_connection_error,
            targeted: self.targeted.clone(),
            honours_request_directives: self.request_directives == RequestDirectives::Honour,
        }
    }

    pub(super) fn new(number: usize, raw: RawRule) -> Result<Self, ConfigError> {
        let error =
            |field: &str, reason: String| ConfigError::new(format!("rules[{number}].{field}"), reason);
        let conditions = |field: &str, list: Vec<super::raw::RawCondition>| {
            let checked = list.into_iter().enumerate().map(|(at, raw)| {
                Condition::try_from(raw).map_err(|reason| error(&format!("{field}[{at}]"), reason.to_owned()))
            });
            checked.collect::<Result<Vec<_>, _>>()
        };
        let max_wait = raw.coalesce.map(|coalesce| coalesce.max_wait);
        if let Some(wait) = max_wait.filter(|wait| wait.0.as_millis() == 0 || wait.0 > MOST_WAIT) {
            return Err(error("coalesce.max_wait", format!("`{wait}` is not within 1ms and 5m")));
        }
        Ok(Self {
            methods: methods(raw.methods).map_err(|reason| error("methods", reason))?,
            key: key(raw.key).map_err(|(field, reason)| error(&format!("key.{field}"), reason))?,
            bypass: conditions("bypass", raw.bypass)?,
            no_store: conditions("no_store", raw.no_store)?,
            max_wait: max_wait.map(|span| span.0),
            name: raw.name,
            matcher: raw.matcher,
            mode: raw.mode,
            enforce_share: raw.enforce_share,
            default_ttl: raw.default_ttl,
            override_ttl: raw.override_ttl,
            heuristic: raw.heuristic.map(|raw| Heuristic { fraction: raw.fraction, max: raw.max.0 }),
            stale_while_revalidate: raw.stale_while_revalidate.map(|span| span.0),
            stale_if_error: raw.stale_if_error.map(|span| span.0),
            stale_on_connection_error: raw.stale_on_connection_error.map(|span| span.0),
            serve_stale_when: ServeStaleWhen::new(raw.serve_stale_when, &format!("rules[{number}]"))?,
            targeted: raw.targeted.iter().map(|name| name.as_str().to_owned()).collect(),
            request_directives: raw.request_directives,
            ttl_jitter: raw.ttl_jitter,
        })
    }
}

fn methods(names: Vec<String>) -> Result<Methods, String> {
    let mut methods = Methods::default();
    for name in names {
        match name.as_str() {
            "GET" => methods.get = true,
            "HEAD" => methods.head = true,
            "POST" => methods.post = true,
            _ => return Err(format!("`{name}` is not one of GET, HEAD and POST")),
        }
    }
    if methods == Methods::default() {
        return Err("an empty list stores nothing: leave the rule out".to_owned());
    }
    Ok(methods)
}

fn key(raw: RawKey) -> Result<Key, (String, String)> {
    let RawQuery { include, exclude, sort } = raw.query;
    let parameters = |field: &str, names: Vec<String>| {
        let parsed = names.into_iter().enumerate().map(|(at, name)| {
            Parameter::parse(name).map_err(|reason| (format!("query.{field}[{at}]"), reason))
        });
        parsed.collect::<Result<Vec<_>, _>>()
    };
    let allowed = |name: &String| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"=;,".contains(&byte))
    };
    if let Some(at) = raw.cookies.iter().position(|name| !allowed(name)) {
        return Err((format!("cookies[{at}]"), "this is not the name of a cookie".to_owned()));
    }
    Ok(Key {
        host: raw.host,
        query: Query {
            include: include.map(|names| parameters("include", names)).transpose()?,
            exclude: parameters("exclude", exclude)?,
            sort,
        },
        headers: raw.headers.iter().map(|name| name.as_str().to_owned()).collect(),
        cookies: raw.cookies,
    })
}
