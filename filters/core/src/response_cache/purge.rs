//! Who may drop what is stored, and what a request asks to be dropped.
//!
//! # How
//!
//! A purge is a request with a method of its own, to the URL that it is about. Headers say more:
//!
//! | header | drops |
//! |---|---|
//! | none, or `x-purge: url` | all variants of the URL |
//! | `x-purge: prefix` | everything of the host whose path begins so |
//! | `x-purge: all` | everything |
//! | `surrogate-key: a b`, `cache-tag: a,b` | what carries one of these tags, of any host |
//! | `cache-groups: "a", "b"` | what is in one of these groups of the host (RFC 9875) |
//! | `x-purge-mode: soft` | nothing: what it would drop is stale from now on |
//!
//! # Limits
//!
//! How long a token is can be measured; what it is cannot: it is compared in the same time wherever it differs.

use crate::key::source_address;
use crate::matching::Request;
use crate::response_cache::config;
use crate::response_cache::rules::strings;
use subtle::ConstantTimeEq;

/// The most tags or groups that one request can name.
const MOST_NAMES: usize = 256;

/// What a request asks to be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All variants of the URL.
    Url,
    /// Everything of the host whose path begins so.
    Prefix,
    /// What carries one of these tags.
    Tags(Vec<Vec<u8>>),
    /// What is in one of these groups of the host.
    Groups(Vec<Vec<u8>>),
    /// Everything.
    All,
}

/// What a permitted request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What it is about.
    pub target: Target,
    /// Whether what it is about becomes stale instead of being dropped.
    pub soft: bool,
}

/// Why nothing is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Whoever asks may not.
    Forbidden,
    /// What is asked for cannot be understood.
    Malformed,
}

/// Reads a request whose method is that of purges. `token`: what the environment variable holds; `None`: nothing, and
/// then nobody knows it.
///
/// # Errors
///
/// Whoever asks may not, or asks for something that there is not. Then nothing may be dropped.
pub fn ask(purge: &config::Purge, token: Option<&[u8]>, request: &impl Request) -> Result<Ask, Refused> {
    let address = purge.asks_address().then(|| source_address(request)).flatten();
    let knows = purge.token_env.is_none() || knows_token(token, request);
    if !purge.allows(address) || !knows {
        return Err(Refused::Forbidden);
    }
    let soft = match request.header("x-purge-mode").as_deref().map(<[u8]>::trim_ascii) {
        None | Some(b"hard") => false,
        Some(b"soft") => true,
        Some(_) => return Err(Refused::Malformed),
    };
    Ok(Ask { target: target(request).ok_or(Refused::Malformed)?, soft })
}

fn knows_token(token: Option<&[u8]>, request: &impl Request) -> bool {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return false };
    let given = request.header("authorization").unwrap_or_default();
    let scheme = given.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    let given = given.get(7..).unwrap_or_default().trim_ascii();
    scheme && bool::from(given.ct_eq(token))
}

/// One kind of target only: who says two things might mean either.
fn target(request: &impl Request) -> Option<Target> {
    let by_kind = match request.header("x-purge").as_deref().map(<[u8]>::trim_ascii) {
        None => None,
        Some(b"url") => Some(Target::Url),
        Some(b"prefix") => Some(Target::Prefix),
        Some(b"all") => Some(Target::All),
        Some(_) => return None,
    };
    let tags = |name: &str, separator: fn(&u8) -> bool| {
        let names = |value: &[u8]| {
            value
                .split(separator)
                .map(<[u8]>::trim_ascii)
                .map(<[u8]>::to_vec)
                .filter(|tag| !tag.is_empty())
                .collect()
        };
        request.header(name).map(|value| bounded(names(&value)).map(Target::Tags))
    };
    let groups = request.header("cache-groups").map(|value| {
        bounded(strings(&value)?.into_iter().map(String::into_bytes).collect()).map(Target::Groups)
    });
    let candidates = [
        by_kind.map(Some),
        tags("surrogate-key", |byte| *byte == b' ' || *byte == b','),
        tags("cache-tag", |byte| *byte == b','),
        groups,
    ];
    let mut given = candidates.into_iter().flatten();
    let first = given.next().unwrap_or(Some(Target::Url));
    if given.next().is_some() { None } else { first }
}

fn bounded(names: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    (!names.is_empty() && names.len() <= MOST_NAMES).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::matching::{Property, Sample};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn purge(text: &str) -> config::Purge {
        let config: config::Config = parse(format!(r#"{{"purge": {text}}}"#).as_bytes()).unwrap();
        config.purge.unwrap()
    }

    fn asked(headers: &[(&str, &str)]) -> Result<Ask, Refused> {
        let request =
            headers.iter().fold(Sample::get("/a"), |request, (name, value)| request.with(name, value));
        let request = request.with("authorization", "Bearer s3cret");
        ask(&purge(r#"{"token_env": "T"}"#), Some(b"s3cret"), &request)
    }

    #[test]
    fn a_purge_drops_what_its_headers_say() {
        let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        for (headers, target) in [
            (&[][..], Target::Url),
            (&[("x-purge", "url")], Target::Url),
            (&[("x-purge", "prefix")], Target::Prefix),
            (&[("x-purge", "all")], Target::All),
            (&[("surrogate-key", "a  b")], Target::Tags(names(&["a", "b"]))),
            (&[("cache-tag", "a b, c")], Target::Tags(names(&["a b", "c"]))),
            (&[("cache-groups", r#""a", "b c""#)], Target::Groups(names(&["a", "b c"]))),
        ] {
            assert_eq!(asked(headers), Ok(Ask { target, soft: false }), "{headers:?}");
        }
        assert_eq!(asked(&[("x-purge-mode", "soft")]), Ok(Ask { target: Target::Url, soft: true }));
    }

    #[test]
    fn what_is_not_understood_drops_nothing() {
        for headers in [
            &[("x-purge", "everything")][..],
            &[("x-purge-mode", "gentle")],
            &[("surrogate-key", " ")],
            &[("cache-groups", "a")],
            &[("cache-groups", "\"a")],
            &[("x-purge", "all"), ("surrogate-key", "a")],
            &[("surrogate-key", "a"), ("cache-tag", "b")],
        ] {
            assert_eq!(asked(headers), Err(Refused::Malformed), "{headers:?}");
        }
        let many = "a ".repeat(MOST_NAMES + 1);
        assert_eq!(asked(&[("surrogate-key", &many)]), Err(Refused::Malformed));
    }

    #[test]
    fn only_who_is_allowed_and_knows_the_token_may() {
        let both = r#"{"allow": ["192.0.2.0/24"], "token_env": "T"}"#;
        let (inside, outside) = (Some("192.0.2.7:1"), Some("198.51.100.1:1"));
        for (who, address, authorization, token, may) in [
            (both, inside, Some("Bearer s3cret"), Some("s3cret"), true),
            (both, inside, Some("bearer s3cret"), Some("s3cret"), true),
            (both, outside, Some("Bearer s3cret"), Some("s3cret"), false),
            (both, None, Some("Bearer s3cret"), Some("s3cret"), false),
            (both, inside, Some("Bearer s3cre"), Some("s3cret"), false),
            (both, inside, Some("Bearer s3cret2"), Some("s3cret"), false),
            (both, inside, Some("s3cret"), Some("s3cret"), false),
            (both, inside, None, Some("s3cret"), false),
            // The variable is not set: nobody knows the token, an empty one neither.
            (both, inside, Some("Bearer "), None, false),
            (both, inside, Some("Bearer "), Some(""), false),
            (r#"{"allow": ["192.0.2.0/24"]}"#, inside, None, None, true),
            (r#"{"allow": ["192.0.2.0/24"]}"#, outside, None, None, false),
            (r#"{"token_env": "T"}"#, outside, Some("Bearer s3cret"), Some("s3cret"), true),
        ] {
            let mut request = Sample::get("/");
            if let Some(value) = authorization {
                request = request.with("authorization", value);
            }
            if let Some(value) = address {
                request = request.knows(Property::SourceAddress, value);
            }
            let result = ask(&purge(who), token.map(str::as_bytes), &request);
            let expected =
                if may { Ok(Ask { target: Target::Url, soft: false }) } else { Err(Refused::Forbidden) };
            assert_eq!(result, expected, "{who} {address:?} {authorization:?} {token:?}");
        }
    }
}
