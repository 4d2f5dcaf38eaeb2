//! Cache directives (RFC 9111, section 5.2).
//!
//! # How
//!
//! One reading serves requests and responses. A directive that permits something must be well-formed; one that
//! restricts is heeded wherever it can be told apart, in any case and among malformed neighbours: `max-age=60; No-Store`
//! forbids storing and gives no freshness. A freshness directive that is given but says nothing usable is
//! [`Seconds::Invalid`], which is stale (section 4.2.1).

use super::fields::{digits, is_token, members, quoted_length, unquote};
use crate::bytes::is_same;
use std::borrow::Cow;

/// The largest number of seconds that is told apart (RFC 9111, section 1.2.2).
pub const MAX_SECONDS: u32 = 1 << 31;

/// What a directive with a number of seconds says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seconds {
    /// It is not there.
    #[default]
    Absent,
    /// So many seconds, at most [`MAX_SECONDS`].
    Given(u32),
    /// It is there, but not as a number, or as different ones.
    Invalid,
}

impl Seconds {
    /// What delta-seconds say (RFC 9111, section 1.2.2): too large a number is the largest.
    pub(super) fn parse(text: &[u8]) -> Self {
        digits(text).map_or(Self::Invalid, |number| {
            Self::Given(u32::try_from(number).unwrap_or(MAX_SECONDS).min(MAX_SECONDS))
        })
    }

    /// The number, if it is usable.
    pub const fn given(self) -> Option<u32> {
        match self {
            Self::Given(seconds) => Some(seconds),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// Whether the directive is there at all.
    pub const fn is_present(self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// Another occurrence: what differs is invalid (section 4.2.1).
    fn again(&mut self, other: Self) {
        *self = match *self {
            Self::Absent => other,
            known if known == other => known,
            Self::Given(_) | Self::Invalid => Self::Invalid,
        };
    }
}

/// A directive that may be limited to some fields: `no-cache` and `private`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// It is not there.
    #[default]
    Absent,
    /// It is for these fields only, in lower case.
    Fields(Vec<String>),
    /// It is for the whole answer.
    Whole,
}

impl Scope {
    /// Whether it is for the whole answer.
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// The fields it is limited to.
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Fields(fields) => fields,
            Self::Absent | Self::Whole => &[],
        }
    }

    /// Another occurrence, with an argument or without. An argument that names no fields limits nothing.
    fn again(&mut self, argument: Option<&[u8]>) {
        let named: Option<Vec<String>> = argument.and_then(|names| {
            let name = |name| is_token(name).then(|| String::from_utf8_lossy(name).to_ascii_lowercase());
            members(names).map(name).collect()
        });
        match (named, &mut *self) {
            (_, Self::Whole) => {}
            (Some(named), Self::Fields(known)) if !named.is_empty() => known.extend(named),
            (Some(named), Self::Absent) if !named.is_empty() => *self = Self::Fields(named),
            _ => *self = Self::Whole,
        }
    }
}

/// The directives of a message. Those that are not known are ignored (section 5.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `max-age`, of requests and responses.
    pub max_age: Seconds,
    /// `s-maxage`: the lifetime in shared caches; forbids to serve stale.
    pub s_maxage: Seconds,
    /// `stale-while-revalidate` (RFC 5861, section 3).
    pub stale_while_revalidate: Seconds,
    /// `stale-if-error` (RFC 5861, section 4), of requests and responses.
    pub stale_if_error: Seconds,
    /// `max-stale` of a request; [`MAX_SECONDS`] where no limit is given.
    pub max_stale: Seconds,
    /// `min-fresh` of a request.
    pub min_fresh: Seconds,
    /// `no-cache`.
    pub no_cache: Scope,
    /// `private`.
    pub private: Scope,
    /// `no-store`.
    pub no_store: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `public`.
    pub public: bool,
    /// `immutable` (RFC 8246).
    pub immutable: bool,
    /// `only-if-cached` of a request.
    pub only_if_cached: bool,
}

impl Directives {
    /// What the values of all `Cache-Control` lines say together.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut directives = Self::default();
        for value in values {
            directives.read(value);
        }
        directives
    }

    fn read(&mut self, value: &[u8]) {
        let mut is_inside_open_quote = false;
        let has_quotes = value.contains(&b'"');
        for member in members(value) {
            // What follows a quote that is never closed may be part of it: it restricts at most.
            is_inside_open_quote = is_inside_open_quote || has_quotes && has_open_quote(member);
            match well_formed(member).filter(|_| !is_inside_open_quote) {
                Some((name, argument)) => self.well_formed(name, argument.as_deref()),
                None => self.malformed(member),
            }
        }
    }

    /// One directive that is written as it should be.
    pub(super) fn well_formed(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let seconds = || argument.map_or(Seconds::Invalid, Seconds::parse);
        let Some(directive) = Directive::of(name) else { return };
        match directive {
            Directive::MaxAge => self.max_age.again(seconds()),
            Directive::SMaxage => self.s_maxage.again(seconds()),
            Directive::StaleWhileRevalidate => self.stale_while_revalidate.again(seconds()),
            Directive::StaleIfError => self.stale_if_error.again(seconds()),
            Directive::MaxStale => {
                self.max_stale.again(argument.map_or(Seconds::Given(MAX_SECONDS), Seconds::parse));
            }
            Directive::MinFresh => self.min_fresh.again(seconds()),
            Directive::Public => self.public = true,
            Directive::Immutable => self.immutable = true,
            Directive::OnlyIfCached => self.only_if_cached = true,
            Directive::NoCache => self.no_cache.again(argument),
            Directive::Private => self.private.again(argument),
            Directive::NoStore => self.no_store = true,
            Directive::NoTransform => self.no_transform = true,
            Directive::MustRevalidate => self.must_revalidate = true,
            Directive::ProxyRevalidate => self.proxy_revalidate = true,
            Directive::MustUnderstand => self.must_understand = true,
        }
    }

    /// A member that is no directive: restrictions in it are heeded, and freshness that it mentions is invalid.
    fn malformed(&mut self, member: &[u8]) {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        for word in member.split(|byte| !is_word(byte)) {
            let Some(directive) = Directive::of(word) else { continue };
            match directive {
                Directive::MaxAge => self.max_age = Seconds::Invalid,
                Directive::SMaxage => self.s_maxage = Seconds::Invalid,
                Directive::MinFresh => self.min_fresh = Seconds::Invalid,
                Directive::MaxStale => self.max_stale = Seconds::Invalid,
                Directive::StaleWhileRevalidate => self.stale_while_revalidate = Seconds::Invalid,
                Directive::StaleIfError => self.stale_if_error = Seconds::Invalid,
                Directive::NoCache => self.no_cache = Scope::Whole,
                Directive::Private => self.private = Scope::Whole,
                Directive::NoStore => self.no_store = true,
                Directive::NoTransform => self.no_transform = true,
                Directive::MustRevalidate => self.must_revalidate = true,
                Directive::ProxyRevalidate => self.proxy_revalidate = true,
                // These permit: `must-understand` can lift `no-store`.
                Directive::MustUnderstand
                | Directive::Public
                | Directive::Immutable
                | Directive::OnlyIfCached => {}
            }
        }
    }
}

/// The directives that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    MaxAge,
    SMaxage,
    StaleWhileRevalidate,
    StaleIfError,
    MaxStale,
    MinFresh,
    Public,
    Immutable,
    OnlyIfCached,
    NoCache,
    Private,
    NoStore,
    NoTransform,
    MustRevalidate,
    ProxyRevalidate,
    MustUnderstand,
}

impl Directive {
    /// The directive of this name, in any case.
    fn of(name: &[u8]) -> Option<Self> {
        // Hardly any two are of the same length, so hardly any name is compared twice.
        let candidates: &[(&str, Self)] = match name.len() {
            6 => &[("public", Self::Public)],
            7 => &[("max-age", Self::MaxAge), ("private", Self::Private)],
            8 => &[("no-store", Self::NoStore), ("no-cache", Self::NoCache), ("s-maxage", Self::SMaxage)],
            9 => &[
                ("max-stale", Self::MaxStale),
                ("min-fresh", Self::MinFresh),
                ("immutable", Self::Immutable),
            ],
            12 => &[("no-transform", Self::NoTransform)],
            14 => &[("stale-if-error", Self::StaleIfError), ("only-if-cached", Self::OnlyIfCached)],
            15 => &[("must-revalidate", Self::MustRevalidate), ("must-understand", Self::MustUnderstand)],
            16 => &[("proxy-revalidate", Self::ProxyRevalidate)],
            22 => &[("stale-while-revalidate", Self::StaleWhileRevalidate)],
            _ => &[],
        };
        // Mostly it is written in lower case, and then it is compared eight bytes at a time.
        let lower = candidates.iter().find(|(known, _)| is_same(known.as_bytes(), name));
        let any_case = || candidates.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        let known = lower.or_else(any_case);
        known.map(|(_, directive)| *directive)
    }
}

/// What stands behind a directive's `=`, if there is one.
type Argument<'a> = Option<Cow<'a, [u8]>>;

/// A directive's name and argument, which may be written as a token or as a quoted string (RFC 9111, section 5.2).
fn well_formed(member: &[u8]) -> Option<(&[u8], Argument<'_>)> {
    let (name, argument) = match member.iter().position(|byte| *byte == b'=') {
        Some(at) => (member.get(..at)?, Some(member.get(at + 1..)?)),
        None => (member, None),
    };
    if !is_token(name) {
        return None;
    }
    match argument {
        None => Some((name, None)),
        Some(token) if is_token(token) => Some((name, Some(Cow::Borrowed(token)))),
        Some(quoted) => Some((name, Some(unquote(quoted)?))),
    }
}

/// Whether a quoted string begins in it and does not end.
fn has_open_quote(member: &[u8]) -> bool {
    let mut rest = member;
    while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
        let quoted = rest.get(at..).unwrap_or_default();
        let Some(length) = quoted_length(quoted) else { return true };
        rest = quoted.get(length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests;
