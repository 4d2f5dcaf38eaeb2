//! Validators, and the conditions of clients (RFC 9110, sections 8.8 and 13; RFC 9111, section 4.3.2).

use super::Now;
use super::date::parse_date;
use super::fields::{Fields, trim};
use super::range::{ByteRange, Ranges, parse_ranges};
use super::request::Request;
use super::stored::Stored;

/// What a stored answer is told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validator<'a> {
    /// Its entity tag, if that is well-formed.
    pub etag: Option<&'a [u8]>,
    /// Its `Last-Modified`, as it is sent.
    pub last_modified: Option<&'a [u8]>,
}

impl<'a> Validator<'a> {
    /// The validators of an answer. What says different things twice is none.
    pub fn of(response: Fields<'a>) -> Self {
        let only = |name| response.only(name).ok().flatten();
        Self { etag: only("etag").filter(|tag| is_etag(tag)), last_modified: only("last-modified") }
    }

    /// Whether there is any.
    pub const fn is_some(self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// The entity tag, if it is a strong one.
    pub fn strong(self) -> Option<&'a [u8]> {
        self.etag.filter(|tag| !tag.starts_with(b"W/"))
    }
}

/// Whether it is an entity tag: a quoted string without escapes, perhaps marked as weak.
pub(super) fn is_etag(text: &[u8]) -> bool {
    let opaque = text.strip_prefix(b"W/").unwrap_or(text);
    let [b'"', inner @ .., b'"'] = opaque else { return false };
    inner.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))
}

/// The strong comparison (section 8.8.3.2): equal, and neither is weak.
pub fn strong_match(one: &[u8], other: &[u8]) -> bool {
    one == other && !one.starts_with(b"W/")
}

/// The weak comparison (section 8.8.3.2): equal but for the marks.
pub fn weak_match(one: &[u8], other: &[u8]) -> bool {
    let opaque = |tag: &'_ [u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    one == other || opaque(one) == opaque(other)
}

/// The entity tags of a list. An entity tag may hold commas and knows no escapes, so this is no ordinary list.
fn etags(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    core::iter::from_fn(move || {
        loop {
            rest = trim(rest);
            rest = match rest {
                [b',', tail @ ..] => tail,
                _ => break,
            };
        }
        let open = if rest.starts_with(b"W/") { 2 } else { 0 };
        let inner = rest.get(open..)?.strip_prefix(b"\"")?;
        let length = inner.iter().position(|byte| *byte == b'"')?;
        let (tag, tail) = rest.split_at_checked(open + length + 2)?;
        rest = tail;
        Some(tag)
    })
}

/// How a stored answer is given to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it is; for HEAD, its head.
    Full,
    /// 304: the client has it already.
    NotModified,
    /// 206 with these parts of the body, in the order that was asked for.
    Partial(Vec<ByteRange>),
    /// 416: nothing of what was asked for exists.
    NotSatisfiable,
}

/// How a stored answer is given to a request: the client's conditions in the order of RFC 9110, section 13.2.2.
///
/// `length`: that of the whole body in bytes. `stored` is whole, or else only its parts may be asked for.
pub fn answer(request: &Request<'_>, stored: &Stored, fields: Fields<'_>, length: u64, now: Now) -> Answer {
    // Section 13.2.1: conditions are for what would be a success.
    if !request.is_conditional || !matches!(stored.status, 200..=299) {
        return Answer::Full;
    }
    let validator = Validator::of(fields);
    if is_not_modified(request, stored, validator, now) {
        return Answer::NotModified;
    }
    let Some(range) = request.fields.joined("range").filter(|_| request.is_get() && stored.status == 200)
    else {
        return Answer::Full;
    };
    if !if_range_holds(request, validator, fields, now) {
        return Answer::Full;
    }
    match parse_ranges(&range, length) {
        Ranges::Ignored => Answer::Full,
        Ranges::NotSatisfiable => Answer::NotSatisfiable,
        Ranges::Satisfiable(ranges) => Answer::Partial(ranges),
    }
}

/// Whether the client's copy is the stored one. `If-None-Match` counts alone where it is there.
fn is_not_modified(request: &Request<'_>, stored: &Stored, validator: Validator<'_>, now: Now) -> bool {
    if !(request.is_get() || request.is_head()) {
        return false;
    }
    if let Some(list) = request.fields.joined("if-none-match") {
        if trim(&list) == b"*" {
            return true;
        }
        return validator.etag.is_some_and(|known| etags(&list).any(|tag| weak_match(tag, known)));
    }
    let Ok(Some(since)) = request.fields.only("if-modified-since") else { return false };
    let Some(since) = parse_date(since, now.unix_seconds()) else { return false };
    // RFC 9111, section 4.3.2: without a `Last-Modified` the date of the answer stands in.
    let modified = match validator.last_modified {
        Some(text) => parse_date(text, now.unix_seconds()),
        None => Some(stored.date_seconds),
    };
    modified.is_some_and(|modified| modified <= since)
}

/// Whether `If-Range` lets a range through (RFC 9110, section 13.1.5): the strong comparison, or the very same date.
fn if_range_holds(request: &Request<'_>, validator: Validator<'_>, fields: Fields<'_>, now: Now) -> bool {
    let condition = match request.fields.only("if-range") {
        Ok(None) => return true,
        Ok(Some(condition)) => condition,
        Err(_) => return false,
    };
    if is_etag(condition) {
        return validator.etag.is_some_and(|known| strong_match(condition, known));
    }
    let date = |text| parse_date(text, now.unix_seconds());
    let asked = date(condition);
    let is_strong = is_strong_date(fields, now);
    is_strong && asked.is_some() && validator.last_modified.and_then(date) == asked
}

/// Whether `Last-Modified` is a strong validator (section 8.8.2.2): the answer was made at least a second later.
fn is_strong_date(fields: Fields<'_>, now: Now) -> bool {
    let date = |name| fields.only(name).ok().flatten().and_then(|text| parse_date(text, now.unix_seconds()));
    match (date("last-modified"), date("date")) {
        (Some(modified), Some(made)) => made > modified,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
