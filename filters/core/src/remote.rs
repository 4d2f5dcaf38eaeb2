//! A store outside of the proxy, shared by a fleet, as filters reach it: plain HTTP calls.
//!
//! # Why
//!
//! A filter can make HTTP calls and nothing else, so what several proxies share lies behind HTTP: Redis through its
//! front Webdis, or any store of objects that takes GET and PUT.
//!
//! # How
//!
//! A [`Store`] turns a [`Command`] into a [`Request`], and what came back into a [`Said`]. It keeps no state and reads no
//! clock. [`Guard`] says whether the store is worth asking at all.
//!
//! # Limits
//!
//! An object store keeps what it is given until its own rules remove it: whoever reads must check how old a value is.
//! [`Command::Lock`] needs `If-None-Match: *` on PUT there; a store that ignores it gives the lock to everybody.
//! [`Command::Append`] needs Redis: an object is read, extended and put instead.

mod guard;
mod said;

pub use guard::Guard;
pub use said::Said;

use crate::config::ConfigError;
use core::fmt::Write as _;
use core::time::Duration;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// How the store is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Redis, through Webdis.
    #[default]
    Webdis,
    /// A store of objects: GET, PUT and DELETE.
    Http,
}

/// Where a store is and how its keys begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// How it is reached.
    pub via: Via,
    /// What all keys begin with.
    pub prefix: String,
    /// What requests call the host.
    pub authority: String,
    /// The value of `authorization`, if the store asks for one.
    pub authorization: Option<String>,
}

/// What is asked of a store. Keys are made of letters, digits, `-` and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The value of a key. `unless`: the tag of the value that is known already.
    Get {
        /// The key.
        key: &'a str,
        /// The tag of the value that is known already.
        unless: Option<&'a str>,
    },
    /// Sets a value.
    Put {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a [u8],
        /// After which the store may forget it; `None`: never.
        keep: Option<Duration>,
    },
    /// Adds to the end of a value, in one step. Redis only: see [`Store::can_append`].
    Append {
        /// The key.
        key: &'a str,
        /// What is added.
        value: &'a [u8],
    },
    /// Takes a lock, if nobody has it.
    Lock {
        /// The key.
        key: &'a str,
        /// Who takes it.
        token: u64,
        /// After which it is free again by itself.
        keep: Duration,
    },
    /// Gives a lock back.
    Unlock {
        /// The key.
        key: &'a str,
        /// Who has taken it.
        token: u64,
    },
}

/// An HTTP request to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its headers, those with a colon first.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a command of Redis cannot hold between its slashes.
const ARGUMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b':');

/// Deletes a key if it has a value. Whoever's lock has expired must not give back that of the next.
const DELETE_IF: &str =
    "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

impl Store {
    /// A store as operators name it; `authority`: by default the cluster's name. What it wants as `authorization` is not
    /// known yet.
    ///
    /// # Errors
    ///
    /// `<path>.<field>` cannot be what it says.
    pub fn checked(
        path: &str,
        via: Via,
        prefix: String,
        cluster: &str,
        authority: Option<String>,
    ) -> Result<Self, ConfigError> {
        let error = |field: &str, reason: String| ConfigError::new(format!("{path}.{field}"), reason);
        if cluster.is_empty() {
            return Err(error("cluster", "a cluster is needed".to_owned()));
        }
        if !is_prefix(via, &prefix) {
            let separator = match via {
                Via::Webdis => ':',
                Via::Http => '/',
            };
            let reason = format!(
                "`{prefix}` is not a prefix: words of letters, digits, `-` and `_` with `{separator}` between them, at most 64 bytes"
            );
            return Err(error("prefix", reason));
        }
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let authority = authority.unwrap_or_else(|| cluster.to_owned());
        if !plain(&authority) {
            return Err(error("authority", format!("`{authority}` is not a host")));
        }
        Ok(Self { via, prefix, authority, authorization: None })
    }

    /// Whether [`Command::Append`] is possible.
    pub const fn can_append(&self) -> bool {
        matches!(self.via, Via::Webdis)
    }

    /// Whether locks end by themselves. Where they do not, who has waited for long enough takes them away.
    pub const fn expires_locks(&self) -> bool {
        matches!(self.via, Via::Webdis)
    }

    /// The request that carries a command.
    pub fn request(&self, command: &Command<'_>) -> Request {
        match self.via {
            Via::Webdis => self.webdis(command),
            Via::Http => self.http(command),
        }
    }

    fn webdis(&self, command: &Command<'_>) -> Request {
        let name = |key: &str| format!("{}:{key}", self.prefix);
        match *command {
            Command::Get { key, unless } => {
                let mut request = self.head("GET", format!("/GET/{}.bin", name(key)), b"");
                request.headers.extend(unless.map(|tag| ("if-none-match", tag.to_owned())));
                request
            }
            Command::Put { key, value, keep: Some(keep) } => {
                self.head("PUT", format!("/SETEX/{}/{}", name(key), whole_seconds(keep)), value)
            }
            Command::Put { key, value, keep: None } => self.head("PUT", format!("/SET/{}", name(key)), value),
            Command::Append { key, value } => self.head("PUT", format!("/APPEND/{}", name(key)), value),
            Command::Lock { key, token, keep } => {
                let millis = keep.as_millis().max(1);
                let body = format!("SET/{}/{token:016x}/NX/PX/{millis}", name(key));
                self.head("POST", "/".to_owned(), body.as_bytes())
            }
            Command::Unlock { key, token } => {
                let script = utf8_percent_encode(DELETE_IF, ARGUMENT);
                let body = format!("EVAL/{script}/1/{}/{token:016x}", name(key));
                self.head("POST", "/".to_owned(), body.as_bytes())
            }
        }
    }

    fn http(&self, command: &Command<'_>) -> Request {
        let path = |key: &str| format!("/{}/{key}", self.prefix);
        match *command {
            Command::Get { key, unless } => {
                let mut request = self.head("GET", path(key), b"");
                request.headers.extend(unless.map(|tag| ("if-none-match", tag.to_owned())));
                request
            }
            Command::Put { key, value, keep } => {
                let mut request = self.head("PUT", path(key), value);
                let lasts = keep.map(|keep| format!("max-age={}", whole_seconds(keep)));
                request.headers.extend(lasts.map(|lasts| ("cache-control", lasts)));
                request
            }
            // Not one step: only for who has read the value.
            Command::Append { key, value } => self.head("PUT", path(key), value),
            Command::Lock { key, token, .. } => {
                let mut request = self.head("PUT", path(key), format!("{token:016x}").as_bytes());
                request.headers.push(("if-none-match", "*".to_owned()));
                request
            }
            Command::Unlock { key, .. } => self.head("DELETE", path(key), b""),
        }
    }

    fn head(&self, method: &str, path: String, body: &[u8]) -> Request {
        let mut headers = vec![
            (":method", method.to_owned()),
            (":path", path),
            (":authority", self.authority.clone()),
            (":scheme", "http".to_owned()),
        ];
        if method != "GET" {
            headers.push(("content-type", "application/octet-stream".to_owned()));
            // The proxy adds none to what it sends for a filter.
            headers.push(("content-length", body.len().to_string()));
        }
        headers.extend(self.authorization.as_ref().map(|value| ("authorization", value.clone())));
        Request { headers, body: body.to_vec() }
    }

    /// What the answer to a command says. `status` 0: none came.
    pub fn said<'a>(
        &self,
        command: &Command<'_>,
        status: u16,
        tag: Option<&'a [u8]>,
        body: &'a [u8],
    ) -> Said<'a> {
        match (self.via, command) {
            (_, Command::Get { .. }) => Said::to_get(status, tag, body),
            (Via::Webdis, _) => Said::by_webdis(status, body),
            (Via::Http, _) => Said::to_put(status),
        }
    }
}

/// In whole seconds, at least one: rounded up, since who reads checks the age anyway.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}

/// A key that names something by its hash: a letter for its kind, a number for its layout, and 128 bits.
pub fn key_of(kind: &str, material: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(material);
    let mut key = kind.to_owned();
    for byte in hash.iter().take(16) {
        // Writing into a `String` cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// Whether keys can begin with this. `Http`: in directories, too.
fn is_prefix(via: Via, prefix: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let part = |part: &str| !part.is_empty() && part.bytes().all(plain);
    let separator = match via {
        Via::Webdis => ':',
        Via::Http => '/',
    };
    prefix.len() <= 64 && prefix.split(separator).all(part)
}

#[cfg(test)]
mod tests;
