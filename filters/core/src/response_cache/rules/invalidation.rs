//! What an unsafe request drops from the store (RFC 9111, section 4.4, and RFC 9875).

use super::fields::{Fields, trim};
use super::policy::Policy;
use super::request::Request;
use super::structured::strings;

/// What to drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalidation {
    /// Paths with their queries on the request's own origin, all variants of each.
    pub paths: Vec<Vec<u8>>,
    /// Cache groups of the request's own origin (RFC 9875, section 3).
    pub groups: Vec<String>,
}

/// What the answer to a request drops: nothing if the method is safe or the answer an error. Else the request's target,
/// and what `Location` and `Content-Location` name on the same origin. Methods that are not known are unsafe.
///
/// A POST whose answers the operator has stored is taken as a question, not as a change.
pub fn invalidates(
    request: &Request<'_>,
    status: u16,
    response: Fields<'_>,
    policy: &Policy,
) -> Invalidation {
    let is_question = request.method == b"POST" && policy.methods.post;
    if is_safe(request.method) || is_question || !matches!(status, 200..=399) {
        return Invalidation::default();
    }
    let Some(target) = Target::of(request) else { return Invalidation::default() };
    let mut paths = vec![target.path.to_vec()];
    for name in ["location", "content-location"] {
        let named = response.only(name).ok().flatten().and_then(|reference| target.resolve(reference));
        if let Some(path) = named.filter(|path| !paths.contains(path)) {
            paths.push(path);
        }
    }
    let groups = response.joined("cache-group-invalidation").and_then(|value| strings(&value));
    Invalidation { paths, groups: groups.unwrap_or_default() }
}

/// The methods that are registered as safe. They are told apart by case (RFC 9110, section 9.1).
fn is_safe(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PROPFIND" | b"REPORT" | b"SEARCH" | b"QUERY"
    )
}

/// What a request is for.
struct Target<'a> {
    scheme: &'a [u8],
    authority: &'a [u8],
    /// With the query.
    path: &'a [u8],
}

impl<'a> Target<'a> {
    fn of(request: &Request<'a>) -> Option<Self> {
        let fields = request.fields;
        // What the first proxy saw, where another one ends TLS.
        let scheme = fields.get("x-forwarded-proto").map(trim).or_else(|| fields.get(":scheme"));
        let (authority, path) = (fields.get(":authority")?, fields.get(":path")?);
        // `OPTIONS *` and CONNECT have no path that anything could be stored for.
        if !path.starts_with(b"/") {
            return None;
        }
        Some(Self { scheme: scheme.unwrap_or(b"http"), authority, path: without_fragment(path) })
    }

    /// The path and query of a URI reference (RFC 3986, section 5.2), if it is on the same origin.
    fn resolve(&self, reference: &[u8]) -> Option<Vec<u8>> {
        let reference = without_fragment(trim(reference));
        let (scheme, rest) = match scheme_of(reference) {
            Some((scheme, rest)) => (scheme, rest),
            None => (self.scheme, reference),
        };
        if !scheme.eq_ignore_ascii_case(self.scheme) {
            return None;
        }
        let has_scheme = rest.len() < reference.len();
        if let Some(hierarchy) = rest.strip_prefix(b"//") {
            let end =
                hierarchy.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(hierarchy.len());
            let (authority, path) = hierarchy.split_at(end);
            let is_same = host_and_port(authority, scheme) == host_and_port(self.authority, self.scheme);
            return is_same.then(|| rooted(path));
        }
        // `http:path` is no reference that means the same to everybody.
        if has_scheme {
            return None;
        }
        let (path, query) = split_query(rest);
        let (base, base_query) = split_query(self.path);
        let directory = base.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let merged = match path {
            [] => {
                let query = if query.is_empty() { base_query } else { query };
                return Some([base, query].concat());
            }
            [b'/', ..] => path.to_vec(),
            _ => [base.get(..directory).unwrap_or_default(), path].concat(),
        };
        Some([without_dots(&merged).as_slice(), query].concat())
    }
}

fn without_fragment(uri: &[u8]) -> &[u8] {
    uri.split(|byte| *byte == b'#').next().unwrap_or_default()
}

/// A reference's scheme and what follows its colon.
fn scheme_of(reference: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = reference.iter().position(|byte| matches!(byte, b':' | b'/' | b'?'))?;
    let (scheme, rest) = reference.split_at(at);
    let rest = rest.strip_prefix(b":")?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    (scheme.first()?.is_ascii_alphabetic() && scheme.iter().all(is_part)).then_some((scheme, rest))
}

/// The path, and the query with its question mark.
fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().position(|byte| *byte == b'?').unwrap_or(path.len()))
}

/// A path behind an authority: never empty.
fn rooted(path: &[u8]) -> Vec<u8> {
    let (path, query) = split_query(path);
    let path = if path.is_empty() { b"/".to_vec() } else { without_dots(path) };
    [path.as_slice(), query].concat()
}

/// A path without its `.` and `..` segments (RFC 3986, section 5.2.4).
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let segments: Vec<&[u8]> = path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/').collect();
    let last = segments.len().saturating_sub(1);
    for (number, segment) in segments.into_iter().enumerate() {
        match segment {
            b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
        // A path that ends in dots ends in a slash.
        if number == last && matches!(segment, b"." | b"..") {
            kept.push(b"");
        }
    }
    [b"/", kept.join(&b'/').as_slice()].concat()
}

/// A host in lower case and its port. `None`: it cannot be read.
fn host_and_port(authority: &[u8], scheme: &[u8]) -> Option<(Vec<u8>, u16)> {
    if authority.is_empty() {
        return None;
    }
    let port_at = authority.iter().rposition(|byte| *byte == b':').filter(|at| {
        // The colons of an IPv6 address are inside of brackets.
        !authority.get(*at..).unwrap_or_default().contains(&b']')
    });
    let (host, port) = match port_at {
        Some(at) => (authority.get(..at)?, authority.get(at + 1..)?),
        None => (authority, &[][..]),
    };
    let port = match port {
        [] if scheme.eq_ignore_ascii_case(b"https") => 443,
        [] => 80,
        _ => u16::try_from(super::fields::digits(port)?).ok()?,
    };
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests;
