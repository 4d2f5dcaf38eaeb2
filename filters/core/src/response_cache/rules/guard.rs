//! Requests with which a client could poison what others get.
//!
//! # Why
//!
//! An origin that heeds a field which is not part of the key can be made to give an answer that replaces everybody
//! else's. Fields with which a client asks for another method than the request's make the cache stay out of it. Fields
//! that ask for another host, path or scheme are set by honest proxies too: they become part of the key, so that whoever
//! sends them only meets himself.

use super::fields::trim;
use super::request::Request;

/// Why the cache has no part in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bypass {
    /// CONNECT, or a protocol upgrade.
    Upgrade,
    /// gRPC: its end is in trailers.
    Grpc,
    /// A GET or HEAD with content, which is not part of the key.
    Body,
    /// A field asks for another method than the request's.
    MethodOverride,
    /// `If-Match` or `If-Unmodified-Since`: for the origin alone to evaluate (RFC 9111, section 4.3.2).
    Precondition,
    /// The request has no host, path or method that a key could be made of.
    NoTarget,
}

impl Bypass {
    /// The reason as one word, for metrics and `Cache-Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Grpc => "grpc",
            Self::Body => "body",
            Self::MethodOverride => "method_override",
            Self::Precondition => "precondition",
            Self::NoTarget => "no_target",
        }
    }
}

/// Whether a request with a field of this name needs a closer look before it is answered from a cache.
pub(super) fn is_looked_at(name: &[u8]) -> bool {
    // Most names end here.
    if !matches!(name, [b'c' | b'i' | b'u', ..] | [b'x', b'-', b'h' | b'm' | b'o', ..]) {
        return false;
    }
    matches!(name, b"upgrade" | b"content-type" | b"if-match" | b"if-unmodified-since")
        || is_method_override(name)
}

/// Whether a field of this name can ask for another method than the request's.
fn is_method_override(name: &[u8]) -> bool {
    matches!(name, b"x-http-method" | b"x-http-method-override" | b"x-method-override" | b"x-original-method")
}

/// Whether a field of this name can ask for another target than the request's: fields by which origins are known to build
/// URLs, or to choose what they serve.
pub fn is_target_override(name: &[u8]) -> bool {
    // Most names end here.
    if !matches!(name, [b'f', ..] | [b'x', b'-', b'f' | b'h' | b'o' | b'r' | b's' | b'u', ..]) {
        return false;
    }
    matches!(
        name,
        b"forwarded"
            | b"front-end-https"
            | b"x-forwarded-host"
            | b"x-forwarded-path"
            | b"x-forwarded-port"
            | b"x-forwarded-prefix"
            | b"x-forwarded-proto"
            | b"x-forwarded-protocol"
            | b"x-forwarded-scheme"
            | b"x-forwarded-server"
            | b"x-forwarded-ssl"
            | b"x-host"
            | b"x-http-host-override"
            | b"x-original-host"
            | b"x-original-uri"
            | b"x-original-url"
            | b"x-override-url"
            | b"x-rewrite-url"
            | b"x-scheme"
            | b"x-url-scheme"
    )
}

/// Why the cache has no part in it. `is_looked_at`: a field is there that needs a closer look.
pub(super) fn bypass(request: &Request<'_>, is_looked_at: bool, has_body: bool) -> Option<Bypass> {
    if request.method == b"CONNECT" {
        return Some(Bypass::Upgrade);
    }
    let is_host = request.authority.is_some_and(|authority| !authority.is_empty());
    let is_path = request.path.is_some_and(|path| path.starts_with(b"/"));
    if request.method.is_empty() || !is_host || !is_path {
        return Some(Bypass::NoTarget);
    }
    if has_body && (request.is_get() || request.is_head()) {
        return Some(Bypass::Body);
    }
    if !is_looked_at {
        return None;
    }
    request.fields.iter().find_map(|(name, value)| match name {
        b"upgrade" => Some(Bypass::Upgrade),
        b"content-type" => crate::http::is_grpc(Some(value)).then_some(Bypass::Grpc),
        b"if-match" | b"if-unmodified-since" => Some(Bypass::Precondition),
        _ if is_method_override(name) => (trim(value) != request.method).then_some(Bypass::MethodOverride),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fields::{Fields, Line};
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bypass_of(method: &str, more: &[(&str, &str)], has_body: bool) -> Option<Bypass> {
        let mut lines: Vec<Line<'_>> =
            vec![(b":method", method.as_bytes()), (b":authority", b"a.example"), (b":path", b"/p")];
        lines.extend(more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        Request::read(Fields::new(&lines), has_body, true).bypass
    }

    #[test]
    fn the_cache_stays_out_of_what_it_cannot_answer_for() {
        for (method, more, has_body, expected) in [
            ("GET", &[][..], false, None),
            ("GET", &[], true, Some(Bypass::Body)),
            ("HEAD", &[], true, Some(Bypass::Body)),
            ("POST", &[], true, None),
            ("CONNECT", &[], false, Some(Bypass::Upgrade)),
            ("GET", &[("upgrade", "websocket")], false, Some(Bypass::Upgrade)),
            ("POST", &[("content-type", "application/grpc+proto")], true, Some(Bypass::Grpc)),
            ("POST", &[("content-type", "application/json")], true, None),
            ("GET", &[("if-match", "\"a\"")], false, Some(Bypass::Precondition)),
            ("GET", &[("if-unmodified-since", "x")], false, Some(Bypass::Precondition)),
            ("GET", &[("x-http-method-override", "POST")], false, Some(Bypass::MethodOverride)),
            ("GET", &[("x-http-method-override", " get")], false, Some(Bypass::MethodOverride)),
            ("GET", &[("x-method-override", "DELETE")], false, Some(Bypass::MethodOverride)),
            ("GET", &[("x-http-method", "HEAD")], false, Some(Bypass::MethodOverride)),
            ("GET", &[("x-http-method", "GET")], false, None),
            ("GET", &[("x-forwarded-host", "evil.example")], false, None),
        ] {
            assert_eq!(bypass_of(method, more, has_body), expected, "{method} {more:?}");
        }
    }

    #[test]
    fn fields_that_ask_for_another_target_are_part_of_the_key() {
        let overrides = |name: &str, value: &str| {
            let lines: [Line<'_>; 4] = [
                (name.as_bytes(), value.as_bytes()),
                (b":scheme", b"https"),
                (b":authority", b"a.example"),
                (b":path", b"/p"),
            ];
            Request::read(Fields::new(&lines), false, true).has_target_override
        };
        for name in [
            "forwarded",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-forwarded-scheme",
            "x-host",
            "x-original-url",
            "x-rewrite-url",
        ] {
            assert!(overrides(name, "evil.example"), "{name}");
        }
        assert!(overrides("x-forwarded-proto", "http"));
        for (name, value) in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-request-id", "1"),
            ("host", "b"),
        ] {
            assert!(!overrides(name, value), "{name}");
        }
    }

    #[test]
    fn without_a_target_there_is_no_key() {
        for lines in [
            &[(&b":method"[..], &b"GET"[..]), (b":path", b"/")][..],
            &[(b":method", b"GET"), (b":authority", b"a"), (b":path", b"*")],
            &[(b":method", b"GET"), (b":authority", b""), (b":path", b"/")],
            &[(b":authority", b"a"), (b":path", b"/")],
        ] {
            let request = Request::read(Fields::new(lines), false, true);
            assert_eq!(request.bypass, Some(Bypass::NoTarget));
        }
    }
}
