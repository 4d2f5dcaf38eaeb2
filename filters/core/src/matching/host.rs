//! Hosts, as they are written and as they are asked for.

use core::net::Ipv6Addr;
use serde::Deserialize;

/// A host without port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String")]
pub(super) enum Host {
    /// This one.
    Exact(String),
    /// Everything that ends so: with the dot.
    Below(String),
}

impl Host {
    /// Whether it is the host that [`host_of`] found.
    pub(super) fn matches(&self, host: &[u8]) -> bool {
        match self {
            Self::Exact(name) => host == name.as_bytes(),
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_bytes()),
        }
    }
}

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let host = text.to_ascii_lowercase();
        let parsed = match host.strip_prefix('*') {
            Some(suffix) => {
                is_name(suffix.strip_prefix('.').unwrap_or("")).then(|| Self::Below(suffix.to_owned()))
            }
            None => (is_name(&host) || is_ipv6(&host)).then(|| Self::Exact(host.clone())),
        };
        let allowed = "write `shop.example` or `*.shop.example`, without port";
        parsed.ok_or_else(|| format!("`{text}` is not a host: {allowed}"))
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed) && !text.starts_with('.') && !text.ends_with('.')
}

fn is_ipv6(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// The host in an authority: without port, without the final dot that names the same host, in lower case.
///
/// So nobody gets around a rule by another spelling of the host.
pub(crate) fn host_of(authority: &[u8]) -> Vec<u8> {
    let host = without_port(authority);
    host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase()
}

/// The brackets of an IPv6 address keep its colons apart from that of the port.
fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !authority.get(colon..).is_some_and(|rest| rest.contains(&b']')) => {
            authority.get(..colon).unwrap_or(authority)
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_spelling_of_a_host_is_the_same_host() {
        for (authority, host) in [
            ("a.b:80", "a.b"),
            ("A.b", "a.b"),
            ("a.b.", "a.b"),
            ("a.b.:80", "a.b"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
            (".", ""),
            (":", ""),
        ] {
            assert_eq!(host_of(authority.as_bytes()), host.as_bytes(), "{authority}");
        }
    }

    #[test]
    fn a_wildcard_is_every_host_below_and_not_the_host_itself() {
        let host = |text: &str| Host::try_from(text.to_owned());
        let below = host("*.Shop.example").unwrap();
        for (asked, expected) in [
            ("eu.shop.example", true),
            ("a.eu.shop.example", true),
            ("shop.example", false),
            (".shop.example", false),
            ("evilshop.example", false),
        ] {
            assert_eq!(below.matches(asked.as_bytes()), expected, "{asked}");
        }
        for text in [
            "*",
            "*.",
            "*.*.example",
            "a.*.b",
            "*shop.example",
            "a:80",
            "[::1]:80",
            "::1",
            "a/b",
            "a b",
            "a.",
            "ü.example",
            "",
        ] {
            assert!(host(text).is_err(), "{text:?}");
        }
        assert!(host("[::1]").unwrap().matches(b"[::1]") && host("10.0.0.1").is_ok());
    }
}
