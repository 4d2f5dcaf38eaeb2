//! Sending a request again as the router would send it.
//!
//! # Why
//!
//! A call-out skips the route: a path or host that the route rewrites, and headers that it adds, are missing from it.
//! A filter that sends a request again, or sends one like it, must either know what the route does or let the router do it.
//!
//! # How
//!
//! [`headers_of`] makes the headers of a call-out from those that the filter saw, with a [`RouteRewrite`] where the operator
//! has declared what the route does. [`difference`] compares what the filter saw with what the router sent in the end:
//! `None` says that the route changes nothing, so that a call-out without a rewrite is right.
//!
//! # Limits
//!
//! A call-out carries `x-envoy-internal: true`, which the proxy adds, and header values must be UTF-8.

use crate::matching::HeaderName;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Headers that belong to one connection or one attempt (RFC 9110, section 7.6.1), and those by which the router is steered:
/// it removes them before it sends. The proxy writes the length of a call-out's body itself.
const NOT_SENT_AGAIN: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-length",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-attempt-count",
    "x-envoy-is-timeout-retry",
    "x-envoy-internal",
];

/// The request headers by which the router is steered.
pub const ROUTER_HEADERS: [&str; 10] = [
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-stream-duration-ms",
];

/// What a route does to a request, as declared by the operator who wrote the route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RouteRewrite {
    /// The beginning of the path that the route replaces, and by what (`prefix_rewrite`).
    pub prefix: Option<PrefixRewrite>,
    /// The host that the route puts in (`host_rewrite_literal`).
    pub host: Option<String>,
    /// The headers that the route sets (`request_headers_to_add`, overwriting).
    pub headers: BTreeMap<HeaderName, String>,
    /// The headers that the route removes (`request_headers_to_remove`).
    pub remove_headers: Vec<HeaderName>,
}

/// A replaced beginning of the path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PrefixRewrite {
    /// What the route matches.
    pub from: String,
    /// What the upstream gets in its place.
    pub to: String,
}

impl RouteRewrite {
    /// The path as the upstream gets it.
    fn path(&self, path: &str) -> String {
        let rewritten = self.prefix.as_ref().and_then(|prefix| {
            let rest = path.strip_prefix(prefix.from.as_str())?;
            Some(format!("{}{rest}", prefix.to))
        });
        rewritten.unwrap_or_else(|| path.to_owned())
    }
}

/// A header that cannot be part of a call-out: its value is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of `{0}` is not UTF-8")]
pub struct NotText(pub String);

/// The headers of a call-out that is what the router would send.
///
/// `empty_body`: a request that said that its body is empty says so again.
///
/// # Errors
///
/// A header is not UTF-8, which a call-out cannot carry.
pub fn headers_of<'a>(
    seen: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    rewrite: Option<&RouteRewrite>,
    empty_body: bool,
) -> Result<Vec<(String, String)>, NotText> {
    let mut headers = Vec::with_capacity(16);
    for (name, value) in seen {
        let shown = || String::from_utf8_lossy(name).into_owned();
        let name = core::str::from_utf8(name).map_err(|_| NotText(shown()))?;
        let zero_length = empty_body && name == "content-length" && value == b"0";
        if (NOT_SENT_AGAIN.contains(&name) && !zero_length) || ROUTER_HEADERS.contains(&name) {
            continue;
        }
        let text = core::str::from_utf8(value).map_err(|_| NotText(shown()))?;
        let removed = |rewrite: &RouteRewrite| {
            rewrite.remove_headers.iter().chain(rewrite.headers.keys()).any(|gone| gone.as_str() == name)
        };
        if rewrite.is_some_and(removed) {
            continue;
        }
        let text = match (name, rewrite) {
            (":path", Some(rewrite)) => rewrite.path(text),
            (":authority", Some(RouteRewrite { host: Some(host), .. })) => host.clone(),
            _ => text.to_owned(),
        };
        headers.push((name.to_owned(), text));
    }
    if let Some(rewrite) = rewrite {
        headers.extend(rewrite.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())));
    }
    Ok(headers)
}

/// What the router changed between what the filter saw and what it sent: the name of the first header that differs.
///
/// Headers that belong to the attempt (and those that steer the router) are not compared.
pub fn difference<'a, S, R>(seen: S, sent: R) -> Option<String>
where
    S: IntoIterator<Item = (&'a [u8], &'a [u8])>,
    R: IntoIterator<Item = (&'a [u8], &'a [u8])>,
{
    let counts = |(name, _): &(&[u8], &[u8])| {
        let of = |list: &[&str]| list.iter().any(|known| known.as_bytes() == *name);
        !of(&NOT_SENT_AGAIN) && !of(&ROUTER_HEADERS)
    };
    let mut seen: Vec<(&[u8], &[u8])> = seen.into_iter().filter(counts).collect();
    let mut sent: Vec<(&[u8], &[u8])> = sent.into_iter().filter(counts).collect();
    seen.sort_unstable();
    sent.sort_unstable();
    if seen == sent {
        return None;
    }
    let missing = seen.iter().find(|pair| !sent.contains(pair));
    let added = sent.iter().find(|pair| !seen.contains(pair));
    // Neither: the same header another number of times.
    let pair = missing.or(added).or_else(|| seen.first());
    Some(pair.map_or_else(String::new, |(name, _)| String::from_utf8_lossy(name).into_owned()))
}

#[cfg(test)]
mod tests;
