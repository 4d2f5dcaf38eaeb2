//! Which fields are stored (RFC 9111, section 3.1), and which a validation replaces (section 3.2).

use super::directives::{Directives, Scope};
use super::fields::{Fields, Line, members};

/// Fields that are for one connection or for a proxy (section 3.1), that are made anew for each answer, or that end with
/// the connection.
fn is_never_stored(name: &[u8]) -> bool {
    // Most names end here.
    if !matches!(
        name,
        [b':' | b'k' | b'p' | b't' | b'u' | b'a', ..] | [b'c', b'o', b'n', b'n', ..] | [b'x', b'-', b'e', ..]
    ) {
        return false;
    }
    name.starts_with(b":")
        || matches!(
            name,
            b"connection"
                | b"keep-alive"
                | b"proxy-connection"
                | b"te"
                | b"trailer"
                | b"transfer-encoding"
                | b"upgrade"
                | b"proxy-authenticate"
                | b"proxy-authentication-info"
                | b"proxy-authorization"
                | b"age"
                | b"x-envoy-upstream-service-time"
        )
}

/// Fields of an answer that are stored: not those of one connection, not those that `Connection` names, not those that
/// `no-cache` or `private` names.
pub fn stored_fields<'a>(response: &[Line<'a>], directives: &Directives) -> Vec<Line<'a>> {
    let named: Vec<&[u8]> = Fields::new(response).all("connection").flat_map(members).collect();
    let is_named = |name: &[u8]| named.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_in = |scope: &Scope, name: &[u8]| scope.fields().iter().any(|known| known.as_bytes() == name);
    let is_withheld = |name: &[u8]| is_in(&directives.no_cache, name) || is_in(&directives.private, name);
    let is_kept = |name: &[u8]| !is_never_stored(name) && !is_named(name) && !is_withheld(name);
    let mut kept = Vec::with_capacity(response.len());
    kept.extend(response.iter().copied().filter(|(name, _)| is_kept(name)));
    kept
}

/// Fields that describe the stored bytes: those of another message would not fit them.
fn describes_stored_bytes(name: &[u8]) -> bool {
    matches!(name, b"content-length" | b"content-encoding" | b"content-range")
}

/// The fields of a stored answer with those of a newer message about it: each field there replaces all lines of its name.
pub fn updated_fields<'a>(stored: &[Line<'a>], newer: &[Line<'a>]) -> Vec<Line<'a>> {
    let news = || newer.iter().copied().filter(|(name, _)| !describes_stored_bytes(name));
    let is_replaced = |name: &[u8]| news().any(|(newer, _)| newer == name);
    stored.iter().copied().filter(|(name, _)| !is_replaced(name)).chain(news()).collect()
}

#[cfg(test)]
mod tests;
