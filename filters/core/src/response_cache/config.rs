//! What operators write about the cache.
//!
//! # How
//!
//! What is written is read as it stands and then checked as a whole: a [`Config`] cannot hold a store that is smaller
//! than what it is to store, or a purge that nobody or anybody may ask for.
//!
//! # Limits
//!
//! The first rule that matches a request holds. What is stored belongs to the URL and not to the rule: two rules of one
//! URL see each other's answers.

mod condition;
mod raw;
mod remote;
mod rule;
mod together;
mod ttl;

pub use condition::Condition;
pub use raw::{CacheStatusHeader, Eviction, RawConfig, RequestDirectives};
pub use remote::Remote;
pub use rule::{Key, Parameter, Query, Rule};
pub use together::{ServeStaleWhen, StopWhen};
pub use ttl::Ttl;

use crate::config::{ConfigError, Mode, Name, OnError, check_unique};
use crate::matching::{Needs, Property, Request};
use crate::trust::Network;
use core::net::IpAddr;
use raw::{RawCompress, RawPurge, RawStore, RawWarm};
use serde::Deserialize;

const MIB: u64 = 1 << 20;
const MOST_RULES: usize = 1_024;
const MOST_URLS: usize = 4_096;

/// A valid configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Whether decisions take effect.
    pub mode: Mode,
    /// Where answers are kept.
    pub store: Store,
    /// The rules; the first that matches holds.
    pub rules: Vec<Rule>,
    /// Who may drop what is stored; `None`: nobody.
    pub purge: Option<Purge>,
    /// What is fetched before anybody asks.
    pub warm: Option<Warm>,
    /// When the cache does no more than it must.
    pub stop_when: StopWhen,
    /// A store that several proxies share; `None`: there is none.
    pub remote: Option<Remote>,
    /// Whether answers carry `Cache-Status`.
    pub cache_status: CacheStatusHeader,
    /// Whose store it is; `None`: the plugin's.
    pub namespace: Option<Name>,
    /// What happens when something is broken.
    pub on_error: OnError,
    /// Whether the status names the busiest URLs, and not a hash of each.
    pub show_keys: bool,
}

/// Where answers are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The most memory that all workers together use, in bytes.
    pub max_bytes: u64,
    /// The most answers.
    pub max_entries: u32,
    /// The largest answer, in bytes.
    pub max_object: u64,
    /// Which answer goes when there is no more room.
    pub eviction: Eviction,
    /// The most memory of each worker besides, in bytes.
    pub local_max_bytes: u64,
    /// Which bodies are kept compressed.
    pub compress: Option<Compress>,
}

/// Which bodies are kept compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compress {
    /// The smallest, in bytes.
    pub min_size: u64,
    types: Vec<String>,
}

/// Who may drop what is stored.
#[derive(Clone, Debug)]
pub struct Purge {
    /// The method of such requests.
    pub method: String,
    /// The environment variable that holds the token.
    pub token_env: Option<String>,
    allow: Vec<Network>,
}

/// What is fetched before anybody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warm {
    /// The paths, with their queries.
    pub urls: Vec<String>,
    /// The host they are for.
    pub host: String,
    /// The cluster that answers.
    pub cluster: String,
    /// How many are fetched at a time.
    pub concurrency: u32,
}

impl Config {
    /// The rule of a request, with its number.
    pub fn rule_of(&self, request: &impl Request) -> Option<(usize, &Rule)> {
        self.rules.iter().enumerate().find(|(_, rule)| rule.matches(request))
    }

    /// Whether it goes by what other filters say about the process.
    pub fn reads_facts(&self) -> bool {
        self.mode != Mode::Disabled
            && (self.stop_when.reads_facts()
                || self.rules.iter().any(|rule| rule.serve_stale_when.reads_facts()))
    }

    /// Notes what rules and conditions can ask of a request.
    pub fn needs(&self, needs: &mut Needs) {
        self.rules.iter().for_each(|rule| rule.needs(needs));
        if self.purge.as_ref().is_some_and(Purge::asks_address) {
            needs.property(Property::SourceAddress);
        }
    }
}

impl Purge {
    /// Whether a client with this address may ask, as far as that goes.
    pub fn allows(&self, client: Option<IpAddr>) -> bool {
        self.allow.is_empty()
            || client.is_some_and(|client| self.allow.iter().any(|network| network.contains(&client)))
    }

    /// Whether the client's address must be known.
    pub const fn asks_address(&self) -> bool {
        !self.allow.is_empty()
    }
}

impl Compress {
    /// Whether bodies of this media type, as in `Content-Type`, are.
    pub fn covers(&self, content_type: &[u8]) -> bool {
        let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        self.types.iter().any(|known| match known.strip_suffix('*') {
            Some(prefix) => {
                media.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
            }
            None => media.eq_ignore_ascii_case(known.as_bytes()),
        })
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;

    fn try_from(raw: RawConfig) -> Result<Self, ConfigError> {
        check_unique("rules", raw.rules.iter().map(|rule| &rule.name))?;
        if raw.rules.len() > MOST_RULES {
            return Err(error("rules", format!("{} are too many: at most {MOST_RULES}", raw.rules.len())));
        }
        let rules = raw.rules.into_iter().enumerate().map(|(number, rule)| Rule::new(number, rule));
        Ok(Self {
            mode: raw.mode,
            store: store(raw.store)?,
            rules: rules.collect::<Result<_, _>>()?,
            purge: raw.purge.map(purge).transpose()?,
            warm: raw.warm.map(warm).transpose()?,
            stop_when: StopWhen::new(raw.stop_when)?,
            remote: raw.remote.map(remote::remote).transpose()?,
            cache_status: raw.cache_status,
            namespace: raw.namespace,
            on_error: raw.on_error,
            show_keys: raw.show_keys,
        })
    }
}

fn error(path: &str, reason: String) -> ConfigError {
    ConfigError::new(path.to_owned(), reason)
}

fn store(raw: RawStore) -> Result<Store, ConfigError> {
    let (max_bytes, max_object, local) = (raw.max_bytes.0, raw.max_object.0, raw.local.max_bytes);
    if !(MIB..=2 << 30).contains(&max_bytes) {
        return Err(error("store.max_bytes", format!("`{}` is not within 1MiB and 2GiB", raw.max_bytes)));
    }
    if !(64..=1 << 20).contains(&raw.max_entries) {
        return Err(error(
            "store.max_entries",
            format!("`{}` is not within 64 and 1048576", raw.max_entries),
        ));
    }
    if max_object < 1_024 || max_object > max_bytes / 4 || max_object > 64 * MIB {
        let reason = format!("`{}` is not within 1KiB, a quarter of max_bytes and 64MiB", raw.max_object);
        return Err(error("store.max_object", reason));
    }
    if local.0 > 256 * MIB {
        return Err(error("store.local.max_bytes", format!("`{local}` is more than 256MiB")));
    }
    Ok(Store {
        max_bytes,
        max_entries: raw.max_entries,
        max_object,
        eviction: raw.eviction,
        local_max_bytes: local.0,
        compress: compress("store.compress", raw.compress)?,
    })
}

fn compress(path: &str, raw: Option<RawCompress>) -> Result<Option<Compress>, ConfigError> {
    let Some(raw) = raw else { return Ok(None) };
    let valid = |kind: &String| {
        let part = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
        };
        kind.split_once('/').is_some_and(|(main, sub)| part(main) && (sub == "*" || part(sub)))
    };
    if let Some(at) = raw.types.iter().position(|kind| !valid(kind)) {
        let shown = raw.types.get(at).map_or("", String::as_str);
        let reason = format!("`{shown}` is not a media type: write it like `application/json` or `text/*`");
        return Err(error(&format!("{path}.types[{at}]"), reason));
    }
    Ok(Some(Compress { min_size: raw.min_size.0, types: raw.types }))
}

fn purge(raw: RawPurge) -> Result<Purge, ConfigError> {
    let token = |byte: u8| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_';
    if raw.method.is_empty() || !raw.method.bytes().all(token) {
        let reason = format!("`{}` is not a method: write it in capitals, like PURGE", raw.method);
        return Err(error("purge.method", reason));
    }
    if ["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "TRACE"].contains(&raw.method.as_str()) {
        let reason = format!("`{}` asks for something else: take a method of its own", raw.method);
        return Err(error("purge.method", reason));
    }
    if raw.allow.is_empty() && raw.token_env.is_none() {
        return Err(error("purge", "everybody may purge: name allow or token_env".to_owned()));
    }
    if raw.token_env.as_ref().is_some_and(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Err(error("purge.token_env", "this is not the name of an environment variable".to_owned()));
    }
    Ok(Purge { method: raw.method, token_env: raw.token_env, allow: raw.allow })
}

fn warm(raw: RawWarm) -> Result<Warm, ConfigError> {
    if raw.urls.len() > MOST_URLS {
        return Err(error("warm.urls", format!("{} are too many: at most {MOST_URLS}", raw.urls.len())));
    }
    let plain = |url: &String| {
        url.starts_with('/') && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    if let Some(at) = raw.urls.iter().position(|url| !plain(url)) {
        let shown = raw.urls.get(at).map_or("", String::as_str);
        return Err(error(&format!("warm.urls[{at}]"), format!("`{shown}` is not a path like `/a?b=c`")));
    }
    if raw.cluster.is_empty() {
        return Err(error("warm.cluster", "a cluster is needed".to_owned()));
    }
    if !(1..=64).contains(&raw.concurrency) {
        return Err(error("warm.concurrency", format!("`{}` is not within 1 and 64", raw.concurrency)));
    }
    let host = raw.host.unwrap_or_else(|| raw.cluster.clone());
    Ok(Warm { urls: raw.urls, host, cluster: raw.cluster, concurrency: raw.concurrency })
}

impl<'de> Deserialize<'de> for CacheStatusHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl serde::de::Visitor<'_> for HeaderVisitor {
            type Value = CacheStatusHeader;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or \"debug\"")
            }

            fn visit_bool<E>(self, shown: bool) -> Result<CacheStatusHeader, E> {
                Ok(if shown { CacheStatusHeader::Shown } else { CacheStatusHeader::Hidden })
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CacheStatusHeader, E> {
                match text {
                    "debug" => Ok(CacheStatusHeader::WithKey),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(HeaderVisitor)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{CacheStatusHeader, Config, RawConfig};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    impl JsonSchema for Config {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "ResponseCache".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            RawConfig::json_schema(generator)
        }
    }

    impl JsonSchema for CacheStatusHeader {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "CacheStatusHeader".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "enum": [true, false, "debug"] })
        }
    }
}

#[cfg(test)]
mod tests;
