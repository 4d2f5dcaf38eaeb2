//! The configuration as it is written. The comments are what the schema says.

use super::remote::RawRemote;
use super::ttl::Ttl;
use crate::config::{Mode, Name, OnError};
use crate::matching::{HeaderName, Matcher};
use crate::trust::Network;
use crate::units::{ByteSize, Share, Span};
use serde::Deserialize;

/// Which answers are kept, for how long, and who may have them dropped.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Whether decisions take effect. In shadow mode everything is decided, stored and counted, and every request goes on.
    pub(super) mode: Mode,
    /// Where answers are kept, and how many.
    pub(super) store: RawStore,
    /// Which requests may be answered from the cache, and how. The first rule that matches a request holds.
    pub(super) rules: Vec<RawRule>,
    /// Who may drop what is stored. Default: nobody.
    pub(super) purge: Option<RawPurge>,
    /// What is fetched before anybody asks. Default: nothing.
    pub(super) warm: Option<RawWarm>,
    /// When the cache does no more than it must.
    pub(super) stop_when: RawStopWhen,
    /// A store that several proxies share, behind the own one. Default: none.
    pub(super) remote: Option<RawRemote>,
    /// Whether answers carry `Cache-Status` (RFC 9211); `debug` adds the key.
    pub(super) cache_status: CacheStatusHeader,
    /// Plugins that name the same one share what they store. Default: the plugin's name.
    pub(super) namespace: Option<Name>,
    /// What happens when something is broken, such as the shared store. Purging is always refused then.
    pub(super) on_error: OnError,
    /// Whether the status names the busiest URLs, and not a hash of each.
    pub(super) show_keys: bool,
}

/// Whether answers carry `Cache-Status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheStatusHeader {
    /// They do.
    #[default]
    Shown,
    /// They do not.
    Hidden,
    /// They do, with the cache key.
    WithKey,
}

/// Where answers are kept.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawStore {
    /// The most memory that all workers together use: bodies and what is known of them. 1MiB to 2GiB.
    pub(super) max_bytes: ByteSize,
    /// The most answers: 64 to 1048576.
    pub(super) max_entries: u32,
    /// The largest answer that is kept, headers and body together. At most a quarter of `max_bytes`, and 64MiB.
    pub(super) max_object: ByteSize,
    /// Which answer goes when there is no more room.
    pub(super) eviction: Eviction,
    /// What each worker keeps in its own memory besides.
    pub(super) local: RawLocal,
    /// Which bodies are kept compressed. What clients get is the same to the byte. Default: none.
    pub(super) compress: Option<RawCompress>,
}

/// Which answer goes when there is no more room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Eviction {
    /// The oldest that has not been used since it was last looked at.
    #[default]
    Sieve,
    /// The least recently used.
    Lru,
    /// The least frequently used (W-TinyLFU).
    Lfu,
    /// The first to become stale.
    Ttl,
}

/// What each worker keeps in its own memory.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLocal {
    /// The most memory of each worker; `0B`: nothing is kept there. At most 256MiB.
    pub(super) max_bytes: ByteSize,
}

/// Which bodies are kept compressed.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCompress {
    /// The smallest body that is worth it.
    pub(super) min_size: ByteSize,
    /// The media types, such as `application/json` or `text/*`. Default: texts and JSON.
    pub(super) types: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    /// The rule's name.
    pub(super) name: Name,
    /// Which requests it is for. Default: all.
    #[serde(default, rename = "match")]
    pub(super) matcher: Matcher,
    /// Whether its decisions take effect.
    #[serde(default)]
    pub(super) mode: Mode,
    /// Of which share of the requests its decisions take effect, for a gradual roll-out.
    #[serde(default = "all")]
    pub(super) enforce_share: Share,
    /// What tells answers apart, besides the path and what `Vary` names.
    #[serde(default)]
    pub(super) key: RawKey,
    /// The methods whose answers are kept: GET, HEAD and POST. A POST's body is part of its key, and its answer must say how long
    /// it is fresh.
    #[serde(default = "safe_methods")]
    pub(super) methods: Vec<String>,
    /// How long an answer is fresh that does not say so itself: one span, or one for each status. Default: as RFC 9111 says.
    #[serde(default)]
    pub(super) default_ttl: Option<Ttl>,
    /// How long an answer is fresh, whatever it says itself: one span, or one for each status. What must not be stored still is not.
    #[serde(default)]
    pub(super) override_ttl: Option<Ttl>,
    /// How long an answer is fresh that only says when it was last modified. `null`: not at all.
    #[serde(default = "heuristic")]
    pub(super) heuristic: Option<RawHeuristic>,
    /// For how long a stale answer may be used while it is fetched anew, where the answer does not say.
    #[serde(default)]
    pub(super) stale_while_revalidate: Option<Span>,
    /// For how long a stale answer may be used in place of a 5xx, where the answer does not say.
    #[serde(default)]
    pub(super) stale_if_error: Option<Span>,
    /// For how long a stale answer may be used when the upstream cannot be reached, where the answer does not say. `null`: not at all.
    #[serde(default = "one_hour")]
    pub(super) stale_on_connection_error: Option<Span>,
    /// When stale answers are used before the upstream has failed, for as long as `stale_on_connection_error` and
    /// `stale_if_error` allow.
    #[serde(default)]
    pub(super) serve_stale_when: RawServeStaleWhen,
    /// Fields that take the place of `Cache-Control` and `Expires`, the first valid one (RFC 9213).
    #[serde(default = "targeted")]
    pub(super) targeted: Vec<HeaderName>,
    /// Whether clients have a say through `Cache-Control` and `Pragma`.
    #[serde(default)]
    pub(super) request_directives: RequestDirectives,
    /// Whether one request fetches for all that ask for the same. `null`: each fetches for itself.
    #[serde(default = "coalesce")]
    pub(super) coalesce: Option<RawCoalesce>,
    /// By how much of itself a time to live is shortened at random, so that not all become stale at once.
    #[serde(default)]
    pub(super) ttl_jitter: Share,
    /// Requests that are not answered from the cache: those to which any of these applies. Their answers are stored.
    #[serde(default)]
    pub(super) bypass: Vec<RawCondition>,
    /// Requests whose answers are not stored: those to which any of these applies.
    #[serde(default)]
    pub(super) no_store: Vec<RawCondition>,
}

/// What tells answers apart.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawKey {
    /// The host. Only for one application under many names: without it they share their answers.
    pub(super) host: bool,
    /// Which parameters of the query.
    pub(super) query: RawQuery,
    /// The values of these headers.
    pub(super) headers: Vec<HeaderName>,
    /// The values of these cookies.
    pub(super) cookies: Vec<String>,
}

/// Which parameters of the query tell answers apart.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawQuery {
    /// Only these; a name may end in `*`. Default: all.
    pub(super) include: Option<Vec<String>>,
    /// All but these; a name may end in `*`.
    pub(super) exclude: Vec<String>,
    /// Whether their order makes no difference. That of several values of one name always does.
    pub(super) sort: bool,
}

/// How long an answer is fresh that only says when it was last modified.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHeuristic {
    /// The part of its age when it was sent.
    pub(super) fraction: Share,
    /// The most.
    pub(super) max: Span,
}

/// How one request fetches for all.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCoalesce {
    /// How long the others wait before they fetch for themselves: 1ms to 5m.
    pub(super) max_wait: Span,
}

/// Whether clients have a say through `Cache-Control` and `Pragma`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestDirectives {
    /// They have.
    #[default]
    Honour,
    /// They have not.
    Ignore,
}

/// Something that a request has: a header, a cookie or a parameter, exactly one of them.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    /// A header by name.
    pub(super) header: Option<HeaderName>,
    /// A cookie by name.
    pub(super) cookie: Option<String>,
    /// A parameter of the query by name.
    pub(super) query: Option<String>,
    /// Its whole value. Default: any.
    pub(super) value: Option<String>,
}

/// When stale answers are used before the upstream has failed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawServeStaleWhen {
    /// From this overload level on, as load shedding says: 1 to 3; 0 is never.
    pub(super) overload_level: u8,
    /// In place of what a circuit breaker further in refuses.
    pub(super) breaker_open: bool,
}

/// When the cache does no more than it must.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawStopWhen {
    /// While the proxy drains: nothing is stored, and nothing fetched in the background.
    pub(super) draining: bool,
    /// From this overload level on nothing is fetched in the background: 1 to 3; 0 is never.
    pub(super) overload_level: u8,
}

/// Who may drop what is stored.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawPurge {
    /// The method of such requests.
    #[serde(default = "purge_method")]
    pub(super) method: String,
    /// The networks that may, such as `127.0.0.1/32`. Default: all that know the token.
    #[serde(default)]
    pub(super) allow: Vec<Network>,
    /// The environment variable of the plugin's VM that holds the token: such requests say `authorization: Bearer <token>`.
    pub(super) token_env: Option<String>,
}

/// What is fetched before anybody asks.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawWarm {
    /// The paths, with their queries.
    pub(super) urls: Vec<String>,
    /// The host they are for, as clients name it. Default: the cluster's name.
    pub(super) host: Option<String>,
    /// The cluster that answers.
    pub(super) cluster: String,
    /// How many are fetched at a time: 1 to 64.
    #[serde(default = "concurrency")]
    pub(super) concurrency: u32,
}

impl Default for RawServeStaleWhen {
    fn default() -> Self {
        Self { overload_level: 0, breaker_open: true }
    }
}

impl Default for RawStopWhen {
    fn default() -> Self {
        Self { draining: true, overload_level: 2 }
    }
}

impl Default for RawStore {
    fn default() -> Self {
        Self {
            max_bytes: ByteSize(64 << 20),
            max_entries: 8_192,
            max_object: ByteSize(1 << 20),
            eviction: Eviction::default(),
            local: RawLocal::default(),
            compress: None,
        }
    }
}

impl Default for RawLocal {
    fn default() -> Self {
        Self { max_bytes: ByteSize(4 << 20) }
    }
}

impl Default for RawCompress {
    fn default() -> Self {
        let types = ["text/*", "application/json"].map(str::to_owned).to_vec();
        Self { min_size: ByteSize(4 << 10), types }
    }
}

impl Default for RawKey {
    fn default() -> Self {
        Self { host: true, query: RawQuery::default(), headers: Vec::new(), cookies: Vec::new() }
    }
}

impl Default for RawHeuristic {
    fn default() -> Self {
        let max = Span(core::time::Duration::from_secs(24 * 60 * 60));
        Self { fraction: Share::from_basis_points(1_000), max }
    }
}

impl Default for RawCoalesce {
    fn default() -> Self {
        Self { max_wait: Span(core::time::Duration::from_secs(5)) }
    }
}

const fn all() -> Share {
    Share::ALL
}

fn safe_methods() -> Vec<String> {
    ["GET", "HEAD"].map(str::to_owned).to_vec()
}

#[expect(clippy::unnecessary_wraps, reason = "the field's type; null turns it off")]
fn heuristic() -> Option<RawHeuristic> {
    Some(RawHeuristic::default())
}

#[expect(clippy::unnecessary_wraps, reason = "the field's type; null turns it off")]
const fn one_hour() -> Option<Span> {
    Some(Span(core::time::Duration::from_secs(60 * 60)))
}

fn targeted() -> Vec<HeaderName> {
    HeaderName::try_from("cdn-cache-control".to_owned()).into_iter().collect()
}

#[expect(clippy::unnecessary_wraps, reason = "the field's type; null turns it off")]
fn coalesce() -> Option<RawCoalesce> {
    Some(RawCoalesce::default())
}

fn purge_method() -> String {
    "PURGE".to_owned()
}

const fn concurrency() -> u32 {
    4
}
