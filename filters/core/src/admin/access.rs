//! Who may use the endpoints.
//!
//! # How
//!
//! In this order: the address must be one of the allowed networks; whoever has failed too often from there waits; what
//! is asked for must need no right, or a bearer token must give it. Where no token is configured for a right, nobody has
//! it, but for those on the same host if `allow_loopback` says so. What acts must not come from another site's page.
//!
//! # Limits
//!
//! The address is the proxy's idea of the client: without `use_remote_address: true` it is whatever
//! `x-forwarded-for` says. So being on the same host needs more: the connection itself must end at a loop-back address,
//! which no other host can reach, and the request must be for one by name, so that a page whose name was made to point
//! here gains nothing.

mod failures;

pub use failures::{Failed, FailureLimit, Failures, waits};

use super::refusal::Refusal;
use super::route::Class;
use core::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq;

/// Who has asked, for events and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody in particular.
    Anybody,
    /// Somebody on the same host.
    Loopback,
    /// Who knows the token of this name.
    Credential(String),
}

impl Who {
    /// The name that events show.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Anybody => "anybody",
            Self::Loopback => "loopback",
            Self::Credential(name) => name,
        }
    }
}

/// A token with what it is called.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name, which is no secret.
    pub name: String,
    /// The token. Never shown.
    token: Vec<u8>,
}

impl core::fmt::Debug for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The shortest token, in bytes.
pub const LEAST_TOKEN_BYTES: usize = 16;

impl Credential {
    /// A credential, if the token is one: at least 16 visible characters of ASCII.
    ///
    /// # Errors
    ///
    /// Why it is none. The token is not in it.
    pub fn new(name: &str, token: &[u8]) -> Result<Self, String> {
        if token.len() < LEAST_TOKEN_BYTES {
            return Err(format!("a token of {} bytes: at least {LEAST_TOKEN_BYTES} are needed", token.len()));
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err("a token is of visible ASCII characters without spaces".to_owned());
        }
        Ok(Self { name: name.to_owned(), token: token.to_vec() })
    }
}

/// Who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Who may read.
    pub read: Vec<Credential>,
    /// Who may act, and so read, too.
    pub act: Vec<Credential>,
    /// Whether those on the same host may do what no token is configured for.
    pub allow_loopback: bool,
    /// Whether probes need the right to read.
    pub guard_probes: bool,
}

/// What a request shows of who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// The client's address as the proxy has it.
    pub source: Option<IpAddr>,
    /// The address at which the client's connection ends.
    pub destination: Option<IpAddr>,
    /// The `authorization` header.
    pub authorization: Option<&'a [u8]>,
    /// The `:authority`.
    pub authority: Option<&'a [u8]>,
    /// The `:scheme`.
    pub scheme: Option<&'a [u8]>,
    /// The `origin` header.
    pub origin: Option<&'a [u8]>,
    /// The `sec-fetch-site` header.
    pub fetch_site: Option<&'a [u8]>,
}

impl Rights {
    /// Who asks, if that one may.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unauthorized`]: no token, or none that gives the right. [`Refusal::Forbidden`]: a token that gives
    /// less, or another site's page.
    pub fn check(&self, class: Class, asker: &Asker<'_>) -> Result<Who, Refusal> {
        if class == Class::Act && !asker.is_same_origin() {
            return Err(Refusal::Forbidden("actions are not taken from another site's page"));
        }
        match class {
            Class::Page => return Ok(Who::Anybody),
            Class::Probe if !self.guard_probes => return Ok(Who::Anybody),
            _ => {}
        }
        let reader = known(&self.read, asker);
        let actor = known(&self.act, asker);
        let who = match class {
            Class::Act => actor,
            _ => actor.or(reader),
        };
        if let Some(credential) = who {
            return Ok(Who::Credential(credential.name.clone()));
        }
        let configured = match class {
            Class::Act => !self.act.is_empty(),
            _ => !self.read.is_empty(),
        };
        match reader {
            Some(_) => Err(Refusal::Forbidden("the token gives the right to read, not to act")),
            // Who sends a token wants it to count.
            None if !configured
                && self.allow_loopback
                && asker.authorization.is_none()
                && asker.is_local() =>
            {
                Ok(Who::Loopback)
            }
            None => Err(Refusal::Unauthorized),
        }
    }
}

/// The credential whose token was sent. Every token is compared, and in the same time wherever it differs.
fn known<'c>(credentials: &'c [Credential], asker: &Asker<'_>) -> Option<&'c Credential> {
    let header = asker.authorization?;
    let (scheme, token) = header.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    let token = token.trim_ascii();
    credentials.iter().fold(None, |found, credential| {
        let equal = bool::from(token.ct_eq(&credential.token));
        if equal { Some(credential) } else { found }
    })
}

impl Asker<'_> {
    /// Whether a request that acts comes from no page, or from a page of its own origin (RFC 6454).
    fn is_same_origin(&self) -> bool {
        let fetched = self.fetch_site.is_none_or(|site| matches!(site, b"same-origin" | b"none"));
        let origin = self.origin.is_none_or(|origin| {
            let (Some(scheme), Some(authority)) = (self.scheme, self.authority) else { return false };
            origin
                .strip_prefix(scheme)
                .and_then(|rest| rest.strip_prefix(b"://"))
                .is_some_and(|host| host.eq_ignore_ascii_case(authority))
        });
        fetched && origin
    }

    fn is_local(&self) -> bool {
        let loopback =
            |address: Option<IpAddr>| address.is_some_and(|address| address.to_canonical().is_loopback());
        loopback(self.source) && loopback(self.destination) && self.authority.is_some_and(names_loopback)
    }
}

/// Whether a host, with or without a port, is a loop-back address or `localhost`.
fn names_loopback(authority: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(authority) else { return false };
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.contains(':') => host,
        _ => text,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
