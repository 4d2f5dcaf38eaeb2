//! Which fields of a request choose among the answers of one URL (RFC 9111, section 4.1).
//!
//! # How
//!
//! [`Vary::parse`] reads what an answer names, [`Vary::key`] what a request has there: the values in a normal form where
//! the field's grammar says that two spellings mean the same. Names are sorted, so that the order in which an origin
//! names them makes no difference, and every value has its length before it, so that no value can pose as two.

use super::fields::{Fields, is_token, members, split, trim};
use std::borrow::Cow;

/// The most fields that an answer may name.
const MOST_NAMES: usize = 32;

/// What an answer varies by: names in lower case, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vary(Vec<String>);

impl Vary {
    /// What an answer's `Vary` lines say. `None`: it matches no other request: `*`, a name that is none, or too many.
    pub fn parse(response: Fields<'_>) -> Option<Self> {
        let mut names = Vec::new();
        for name in response.all("vary").flat_map(members) {
            // `*` is a token too.
            if name == b"*" || !is_token(name) {
                return None;
            }
            names.push(String::from_utf8_lossy(name).to_ascii_lowercase());
        }
        names.sort_unstable();
        names.dedup();
        (names.len() <= MOST_NAMES).then_some(Self(names))
    }

    /// These names, as [`names`](Self::names) gave them.
    pub fn from_names(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// Whether it varies by nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names in lower case, sorted.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Appends what the request has in the fields that are named: two requests match if these bytes are equal.
    pub fn key(&self, request: Fields<'_>, key: &mut Vec<u8>) {
        for name in &self.0 {
            put(key, name.as_bytes());
            // What Envoy keeps as `:authority` is the field `Host`.
            let field = if name == "host" { ":authority" } else { name };
            match request.joined(field) {
                // Absent is not empty.
                None => key.push(0),
                Some(value) => {
                    key.push(1);
                    put(key, &normalised(name, &value));
                }
            }
        }
    }

    /// The bytes of [`key`](Self::key).
    pub fn key_of(&self, request: Fields<'_>) -> Vec<u8> {
        let mut key = Vec::new();
        self.key(request, &mut key);
        key
    }
}

pub(super) fn put(key: &mut Vec<u8>, value: &[u8]) {
    key.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    key.extend_from_slice(value);
}

/// A field's value in a form that is the same for all spellings that mean the same.
fn normalised<'a>(name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    match name {
        "accept" => weighted(value, |range| {
            // A parameter's value may be sensitive to case, its name and the type are not.
            let mut parts = split(range, b';').map(trim).filter(|part| !part.is_empty());
            let mut text = parts.next().unwrap_or_default().to_ascii_lowercase();
            for part in parts {
                let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
                let (parameter, value) = part.split_at(at);
                text.push(b';');
                text.extend(trim(parameter).to_ascii_lowercase());
                text.extend_from_slice(value);
            }
            text
        }),
        "accept-encoding" => weighted(value, |coding| {
            let coding = coding.to_ascii_lowercase();
            // RFC 9110, section 8.4.1: these are other names.
            match coding.as_slice() {
                b"x-gzip" => b"gzip".to_vec(),
                b"x-compress" => b"compress".to_vec(),
                _ => coding,
            }
        }),
        "accept-charset" | "accept-language" => weighted(value, <[u8]>::to_ascii_lowercase),
        _ => Cow::Borrowed(trim(value)),
    }
}

/// A list of weighted members (RFC 9110, section 12.4.2): by falling weight, then by what they say; the order in which
/// they come means nothing.
fn weighted(value: &[u8], normalise: impl Fn(&[u8]) -> Vec<u8>) -> Cow<'static, [u8]> {
    let mut list: Vec<(core::cmp::Reverse<u16>, Vec<u8>)> = Vec::new();
    for member in members(value) {
        let weight = split(member, b';').map(trim).enumerate().skip(1).find_map(|(_, part)| weight(part));
        let (text, weight) = match weight {
            Some(Ok(weight)) => (without_weight(member), weight),
            None => (Cow::Borrowed(member), 1_000),
            // What is no weight makes the value what it is, to the byte.
            Some(Err(())) => return Cow::Owned([b"?", trim(value)].concat()),
        };
        list.push((core::cmp::Reverse(weight), normalise(trim(&text))));
    }
    list.sort_unstable();
    list.dedup();
    // Lengths keep what a client writes from posing as the end of a member.
    let mut normal = b"=".to_vec();
    for (core::cmp::Reverse(weight), text) in list {
        put(&mut normal, &text);
        normal.extend_from_slice(&weight.to_le_bytes());
    }
    Cow::Owned(normal)
}

/// A member without its weight.
fn without_weight(member: &[u8]) -> Cow<'_, [u8]> {
    let parts = split(member, b';').map(trim).filter(|part| weight(part).is_none());
    Cow::Owned(parts.collect::<Vec<_>>().join(&b';'))
}

/// A weight in thousandths. `None`: this is none; `Err`: it should be one and is not.
fn weight(part: &[u8]) -> Option<Result<u16, ()>> {
    let [b'q' | b'Q', rest @ ..] = part else { return None };
    let number = trim(trim(rest).strip_prefix(b"=")?);
    let (whole, decimals) = match number {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] => (whole, decimals),
        _ => return Some(Err(())),
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return Some(Err(()));
    }
    let scale = [100, 10, 1].into_iter().zip(decimals);
    let thousandths: u16 = scale.map(|(scale, digit)| scale * u16::from(digit - b'0')).sum();
    let sum = u16::from(whole - b'0') * 1_000 + thousandths;
    Some(if sum <= 1_000 { Ok(sum) } else { Err(()) })
}

#[cfg(test)]
mod tests;
