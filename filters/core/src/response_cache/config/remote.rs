//! The store that several proxies share.

use super::raw::RawCompress;
use super::{Compress, MIB, compress, error};
use crate::config::ConfigError;
use crate::remote::{Store, Via};
use crate::units::{ByteSize, Span};
use core::ops::RangeInclusive;
use core::time::Duration;
use serde::Deserialize;

/// For how long a lock holds where nothing is written.
const LOCK_TTL: Duration = Duration::from_secs(10);

/// A store that several proxies share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The cluster that reaches it.
    pub cluster: String,
    /// How it is spoken to. What it wants as `authorization` is not known yet.
    pub store: Store,
    /// The environment variable that holds that.
    pub authorization_env: Option<String>,
    /// How long a request waits for one answer of the store.
    pub timeout: Duration,
    /// The largest record, in bytes.
    pub max_object: u64,
    /// For how long who fetches keeps others from it; `None`: not at all.
    pub lock_ttl: Option<Duration>,
    /// Within this a purge reaches all proxies.
    pub sync_interval: Duration,
    /// Which bodies are sent compressed.
    pub compress: Option<Compress>,
}

/// A store that several proxies share.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawRemote {
    /// The cluster that reaches it.
    cluster: String,
    /// `webdis`: Redis, through its HTTP front. `http`: objects by GET, PUT and DELETE.
    #[serde(default)]
    via: Via,
    /// What all keys begin with: words of letters, digits, `-` and `_`, with `:` between them, for `http` with `/`. At most 64 bytes.
    #[serde(default = "prefix")]
    prefix: String,
    /// What requests call the host. Default: the cluster's name.
    #[serde(default)]
    authority: Option<String>,
    /// The environment variable of the plugin's VM that holds the value of `authorization`. Default: none is sent.
    #[serde(default)]
    authorization_env: Option<String>,
    /// How long a request waits for one answer of the store: 1ms to 5s.
    #[serde(default = "remote_timeout")]
    timeout: Span,
    /// The largest record: 1KiB to 64MiB.
    #[serde(default = "remote_object")]
    max_object: ByteSize,
    /// For how long who fetches keeps others of the fleet from it, if it does not say that it is done: 100ms to 5m; `0s`: each
    /// proxy fetches for itself. Default: 10s, for `http` 0s, since it needs a store that knows `If-None-Match` on PUT.
    #[serde(default)]
    lock_ttl: Option<Span>,
    /// Within this a purge at one proxy reaches all others: 200ms to 1m.
    #[serde(default = "sync_interval")]
    sync_interval: Span,
    /// Which bodies are sent compressed. `null`: none.
    #[serde(default = "remote_compress")]
    compress: Option<RawCompress>,
}

pub(super) fn remote(raw: RawRemote) -> Result<Remote, ConfigError> {
    let store = Store::checked("remote", raw.via, raw.prefix, &raw.cluster, raw.authority)?;
    let max_object = raw.max_object.0;
    if !(1_024..=64 * MIB).contains(&max_object) {
        return Err(error("remote.max_object", format!("`{}` is not within 1KiB and 64MiB", raw.max_object)));
    }
    if raw.authorization_env.as_ref().is_some_and(|name| name.is_empty() || name.contains(['=', '\0'])) {
        let reason = "this is not the name of an environment variable".to_owned();
        return Err(error("remote.authorization_env", reason));
    }
    let second = Duration::from_secs(1);
    let lock_ttl = match (raw.lock_ttl, raw.via) {
        (None, Via::Webdis) => Some(LOCK_TTL),
        (None, Via::Http) => None,
        (Some(none), _) if none.0.is_zero() => None,
        (Some(lock_ttl), _) => Some(within("remote.lock_ttl", lock_ttl, second / 10..=second * 300)?),
    };
    Ok(Remote {
        store,
        cluster: raw.cluster,
        authorization_env: raw.authorization_env,
        timeout: within("remote.timeout", raw.timeout, second / 1_000..=second * 5)?,
        max_object,
        lock_ttl,
        sync_interval: within("remote.sync_interval", raw.sync_interval, second / 5..=second * 60)?,
        compress: compress("remote.compress", raw.compress)?,
    })
}

fn within(path: &str, span: Span, allowed: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
    if allowed.contains(&span.0) {
        return Ok(span.0);
    }
    let (first, last) = (Span(*allowed.start()), Span(*allowed.end()));
    Err(error(path, format!("`{span}` is not within {first} and {last}")))
}

fn prefix() -> String {
    "ballast".to_owned()
}

const fn remote_timeout() -> Span {
    Span(Duration::from_millis(20))
}

const fn remote_object() -> ByteSize {
    ByteSize(1 << 20)
}

const fn sync_interval() -> Span {
    Span(Duration::from_secs(1))
}

#[expect(clippy::unnecessary_wraps, reason = "the field's type; null turns it off")]
fn remote_compress() -> Option<RawCompress> {
    Some(RawCompress::default())
}
