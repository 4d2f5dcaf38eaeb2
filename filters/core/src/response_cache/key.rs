//! What tells stored answers apart.
//!
//! # Why
//!
//! A cache key that leaves out what the origin looks at serves one client's answer to another; one that takes in what makes no
//! difference never hits. The URL, the method's kind and what operators name make the *primary* key, which is what a
//! purge names. What `Vary` names makes the *variant* of it, and so do fields by which a client asks for another target
//! than the request's own (`X-Forwarded-Host` and its kin): whoever sends them only meets himself.
//!
//! # How
//!
//! Every part has its kind and its length before it, so that no value can pose as two. Paths are taken as they come:
//! the proxy's `normalize_path` and `merge_slashes` make one spelling of them before anybody looks.
//!
//! # Limits
//!
//! A POST is told apart by the SHA-256 of its body; all else is compared whole.

use super::config::{Key, Query};
use super::rules::{Fields, Line, Request, Vary, is_target_override};
use crate::wire::{Reader, Writer};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The most bytes of a variant: what the index holds. What is longer is not stored.
const MOST_VARIANT_BYTES: usize = 1_024;

/// Kinds of parts; never changed, since they are in stored keys.
const URL: u8 = 1;
const HEADER: u8 = 2;
const COOKIE: u8 = 3;
const BODY: u8 = 4;
const ABSENT: u8 = 0;

/// What a request is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Scheme, host and path with the parameters that count: what purges name.
    pub url: Vec<u8>,
    /// What else the operator has named, and a body.
    pub more: Vec<u8>,
    /// Fields that ask for another target than the request's own.
    pub overrides: Vec<u8>,
}

impl Target {
    /// The target of a request. `body_hash`: of what a POST sends.
    pub fn of(request: &Request<'_>, key: &Key, body_hash: Option<&[u8; 32]>) -> Self {
        let Request { scheme, authority, path, fields, .. } = *request;
        let url = url((scheme, authority), key, path.unwrap_or_default());
        let overrides = if request.has_target_override { overrides(fields) } else { Vec::new() };
        Self { url, more: more(fields, key, body_hash), overrides }
    }

    /// The same for another path and query of the same origin.
    #[must_use]
    pub fn at(&self, request: Fields<'_>, key: &Key, path: &[u8]) -> Self {
        let origin = (request.get(":scheme"), request.get(":authority"));
        Self { url: url(origin, key, path), more: Vec::new(), overrides: Vec::new() }
    }

    /// The whole primary key.
    pub fn primary(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.url.len() + self.more.len() + 5);
        writer.u8(URL);
        writer.bytes(&self.url);
        writer.raw(&self.more);
        writer.finish()
    }

    /// Whether answers for this URL may be under other primary keys too.
    pub fn is_split(&self) -> bool {
        !self.more.is_empty()
    }

    /// The origin: scheme and host.
    pub fn origin(&self) -> &[u8] {
        self.url
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .nth(2)
            .map_or(&self.url, |(at, _)| self.url.get(..at).unwrap_or_default())
    }
}

/// By what a body is told apart from others.
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// `scheme://host/path?query`. Without a host where that is not part of the key.
fn url((scheme, host): (Option<&[u8]>, Option<&[u8]>), key: &Key, path: &[u8]) -> Vec<u8> {
    let scheme = scheme.unwrap_or(b"http");
    let host = if key.host { host.unwrap_or_default() } else { b"*" };
    let mut url = Vec::with_capacity(scheme.len() + host.len() + path.len() + 3);
    url.extend_from_slice(scheme);
    url.extend_from_slice(b"://");
    put_host(&mut url, scheme, host);
    let (path, query) = match path.iter().position(|byte| *byte == b'?') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..)),
        None => (path, None),
    };
    url.extend_from_slice(path);
    if let Some(query) = query {
        // An empty query is another URL than none (RFC 3986, section 6.2.3) until parameters are left out.
        let (kept, is_filtered) = normal_query(query, &key.query);
        if !(is_filtered && kept.is_empty()) {
            url.push(b'?');
            url.extend_from_slice(&kept);
        }
    }
    url
}

/// Appends a host in lower case and without the scheme's own port (RFC 9110, section 4.2.3).
fn put_host(url: &mut Vec<u8>, scheme: &[u8], host: &[u8]) {
    let port: &[u8] = if scheme == b"https" { b":443" } else { b":80" };
    let begin = url.len();
    url.extend_from_slice(host.strip_suffix(port).unwrap_or(host));
    if let Some(host) = url.get_mut(begin..) {
        host.make_ascii_lowercase();
    }
}

/// The parameters that count, and whether any may have been left out.
fn normal_query<'a>(query: &'a [u8], rule: &Query) -> (Cow<'a, [u8]>, bool) {
    let is_filtered = rule.include.is_some() || !rule.exclude.is_empty();
    if !is_filtered && !rule.sort {
        return (Cow::Borrowed(query), false);
    }
    let name = |parameter: &'a [u8]| parameter.split(|byte| *byte == b'=').next().unwrap_or_default();
    let counts = |parameter: &&'a [u8]| {
        let name = name(parameter);
        let names = |list: &[super::config::Parameter]| list.iter().any(|known| known.names(name));
        rule.include.as_ref().is_none_or(|list| names(list)) && !names(&rule.exclude)
    };
    let mut kept: Vec<&[u8]> = query.split(|byte| *byte == b'&').filter(counts).collect();
    if rule.sort {
        // Stable: several values of one name keep their order.
        kept.sort_by_key(|parameter| name(parameter));
    }
    (Cow::Owned(kept.join(&b'&')), is_filtered)
}

fn more(request: Fields<'_>, key: &Key, body_hash: Option<&[u8; 32]>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(0);
    let mut put = |kind: u8, name: &str, value: Option<&[u8]>| {
        writer.u8(kind);
        writer.bytes(name.as_bytes());
        match value {
            // Absent is not empty.
            None => writer.u8(ABSENT),
            Some(value) => {
                writer.u8(1);
                writer.bytes(value);
            }
        }
    };
    for name in &key.headers {
        put(HEADER, name, request.joined(name).as_deref());
    }
    for name in &key.cookies {
        put(COOKIE, name, cookie(request, name));
    }
    if let Some(hash) = body_hash {
        put(BODY, "", Some(hash));
    }
    writer.finish()
}

/// The first cookie of that name (RFC 6265, section 5.4: the one that servers should heed).
fn cookie<'a>(request: Fields<'a>, name: &str) -> Option<&'a [u8]> {
    let cookies =
        request.all("cookie").flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    cookies.into_iter().find_map(|cookie| cookie.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

fn overrides(request: Fields<'_>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(0);
    // The proxy itself says in `x-forwarded-proto` what the scheme is.
    let says_nothing = |value: &[u8]| request.get(":scheme") == Some(value);
    let asks = |(name, value): &Line<'_>| {
        is_target_override(name) && !(*name == b"x-forwarded-proto" && says_nothing(value))
    };
    let mut lines: Vec<_> = request.iter().filter(asks).collect();
    lines.sort_unstable();
    for (name, value) in lines {
        writer.bytes(name);
        writer.bytes(value);
    }
    writer.finish()
}

/// What tells an answer from others of the same primary key: what a request has in the fields by which the answer varies, and
/// in those that ask for another target. `None`: more than the index holds.
pub fn variant_of(request: Fields<'_>, target: &Target, vary: &Vary) -> Option<Vec<u8>> {
    let mut writer = Writer::with_capacity(64);
    let names = vary.names();
    // There are 32 at the most.
    writer.u8(u8::try_from(names.len()).ok()?);
    names.iter().for_each(|name| writer.bytes(name.as_bytes()));
    writer.bytes(&target.overrides);
    writer.raw(&vary.key_of(request));
    let variant = writer.finish();
    (variant.len() <= MOST_VARIANT_BYTES).then_some(variant)
}

/// The variant of an answer that varies by nothing, for a request that asks for no other target: what most have.
pub const PLAIN_VARIANT: [u8; 5] = [0; 5];

/// What an answer with this variant varies by. `None`: these bytes are none.
pub fn vary_of(variant: &[u8]) -> Option<Vary> {
    let mut reader = Reader::new(variant);
    let count = reader.u8()?;
    let name = |_| Some(core::str::from_utf8(reader.bytes()?).ok()?.to_owned());
    let names = (0..count).map(name).collect::<Option<Vec<_>>>()?;
    Some(Vary::from_names(names))
}

#[cfg(test)]
mod tests;
