//! What operators order: a purge, as a request with the purge method asks for it, and without one.

use super::purge::{Ask, Target};
use crate::orders::{self, Refusal};
use serde::{Deserialize, Serialize};

/// The names of the orders.
pub const ORDERS: [&str; 1] = ["purge"];

/// A purge that is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// What it is about.
    pub ask: Ask,
    /// `:scheme`, `:authority` and `:path` of the URL that it is about; empty if it is about none.
    pub url: [String; 3],
}

/// What has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Entries that were dropped or marked.
    pub purged: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    what: String,
    value: String,
    origin: String,
    soft: bool,
}

impl Purge {
    /// The purge of an order with these arguments.
    ///
    /// # Errors
    ///
    /// The arguments are wrong.
    pub fn read(arguments: &[u8]) -> Result<Self, Refusal> {
        let Arguments { what, value, origin, soft } = orders::arguments(arguments)?;
        let invalid = |name: &str, reason: String| format!("invalid arguments: {name}: {reason}");
        let url = |name: &str, text: &str| {
            split(text).ok_or_else(|| invalid(name, format!("`{text}` is no URL like `https://host/path`")))
        };
        let named = || match value.as_str() {
            "" => Err(invalid("value", format!("missing: the {what}"))),
            value => Ok(vec![value.as_bytes().to_vec()]),
        };
        let (target, url) = match what.as_str() {
            "all" => (Target::All, Default::default()),
            "url" => (Target::Url, url("value", &value)?),
            "prefix" => (Target::Prefix, url("value", &value)?),
            "tag" => (Target::Tags(named()?), Default::default()),
            "group" => (Target::Groups(named()?), url("origin", &origin)?),
            other => {
                return Err(invalid("what", format!("`{other}` is none of url, prefix, tag, group, all")));
            }
        };
        Ok(Self { ask: Ask { target, soft }, url })
    }

    /// What it does, for people.
    pub fn describe(&self, purged: u64) -> String {
        let what = match self.ask.target {
            Target::Url => "url",
            Target::Prefix => "prefix",
            Target::Tags(_) => "tag",
            Target::Groups(_) => "group",
            Target::All => "all",
        };
        format!("{what}, {}, {purged} entries", if self.ask.soft { "soft" } else { "hard" })
    }
}

/// The parts of a URL: scheme, authority and path with its query.
fn split(url: &str) -> Option<[String; 3]> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let known = matches!(scheme.as_str(), "http" | "https");
    let fits = known && !authority.is_empty() && plain(authority) && plain(path) && !path.contains('#');
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    fits.then(|| [scheme, authority.to_owned(), path])
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(arguments: &str) -> Result<Purge, Refusal> {
        Purge::read(arguments.as_bytes())
    }

    #[test]
    fn a_purge_names_a_url_a_prefix_a_tag_a_group_or_all() {
        let url = |scheme: &str, authority: &str, path: &str| [scheme, authority, path].map(str::to_owned);
        let none = || <[String; 3]>::default();
        for (arguments, target, expected, soft) in [
            (r#"{"what": "all"}"#, Target::All, none(), false),
            (
                r#"{"what": "url", "value": "HTTPS://a.example:8443/b?c"}"#,
                Target::Url,
                url("https", "a.example:8443", "/b?c"),
                false,
            ),
            (
                r#"{"what": "url", "value": "http://a.example?c"}"#,
                Target::Url,
                url("http", "a.example", "/?c"),
                false,
            ),
            (
                r#"{"what": "prefix", "value": "http://a.example", "soft": true}"#,
                Target::Prefix,
                url("http", "a.example", "/"),
                true,
            ),
            (r#"{"what": "tag", "value": "t"}"#, Target::Tags(vec![b"t".to_vec()]), none(), false),
            (
                r#"{"what": "group", "value": "g", "origin": "https://a"}"#,
                Target::Groups(vec![b"g".to_vec()]),
                url("https", "a", "/"),
                false,
            ),
        ] {
            let ask = Ask { target, soft };
            assert_eq!(read(arguments), Ok(Purge { ask, url: expected }), "{arguments}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_purges_nothing() {
        for (arguments, reason) in [
            ("", "what: `` is none of"),
            (r#"{"what": "everything"}"#, "what: `everything` is none of"),
            (r#"{"what": "url", "value": "/path"}"#, "value: `/path` is no URL"),
            (r#"{"what": "url", "value": "ftp://a/b"}"#, "value: `ftp://a/b` is no URL"),
            (r#"{"what": "url", "value": "http://a/b c"}"#, "value: `http://a/b c` is no URL"),
            (r#"{"what": "url", "value": "http:///b"}"#, "value: `http:///b` is no URL"),
            (r#"{"what": "tag"}"#, "value: missing: the tag"),
            (r#"{"what": "group", "value": "g"}"#, "origin: `` is no URL"),
            (r#"{"what": "all", "force": true}"#, "unknown field `force`"),
        ] {
            let refused = read(arguments).unwrap_err();
            assert!(refused.starts_with(&format!("invalid arguments: {reason}")), "{refused}");
        }
    }
}
