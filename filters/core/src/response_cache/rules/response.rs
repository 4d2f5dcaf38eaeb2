//! What an answer from upstream means for the store (RFC 9111, sections 3, 3.2, 4.3.3 to 4.3.5).

use super::Now;
use super::control::{Control, control};
use super::fields::{Fields, Line};
use super::freshness::{self, Lifetime, initial_age, lifetime};
use super::guard::Bypass;
use super::policy::Policy;
use super::precondition::{Validator, strong_match, weak_match};
use super::range::{ContentRange, Parts};
use super::request::{Method, Request, Seen};
use super::stale::StaleTerms;
use super::storable::{Refused, is_cacheable, may_store, permits};
use super::stored::Stored;
use super::strip::{stored_fields, updated_fields};
use super::vary::Vary;
use crate::time::MonoTime;
use std::borrow::Cow;

/// A request and the head of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The request as the client sent it.
    pub request: &'a Request<'a>,
    /// The answer's status.
    pub status: u16,
    /// The answer's fields.
    pub response: Fields<'a>,
    /// When the request was sent upstream.
    pub sent: MonoTime,
    /// When the head of the answer arrived.
    pub now: Now,
}

/// How an answer is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'a> {
    /// What is known of it.
    pub stored: Stored,
    /// Its fields, with a `Date` if it had none.
    pub fields: Vec<(&'a [u8], Cow<'a, [u8]>)>,
    /// What it varies by.
    pub vary: Vary,
    /// What directs it.
    pub control: Control,
    /// Whether it can be validated by what is stored of it.
    pub has_validator: bool,
    /// Whether its bytes may be changed on the way, as by compression: no `no-transform`.
    pub may_transform: bool,
}

/// How an answer is stored, or why it is not.
///
/// # Errors
///
/// Why it is not stored.
pub fn on_response<'a>(exchange: &Exchange<'a>, policy: &Policy) -> Result<Plan<'a>, Refused> {
    let Exchange { request, status, response, sent, now } = *exchange;
    let seen = request.seen();
    let control = admit(&seen, status, response, policy)?;
    plan(&seen, (status, response), control, (sent, now), policy)
}

/// The first half of [`on_response`]: what can be said without a clock, and that is mostly all there is to say of an answer that is not
/// stored. What directs the answer, for the second half.
///
/// # Errors
///
/// Why it is not stored.
pub fn admit(request: &Seen, status: u16, response: Fields<'_>, policy: &Policy) -> Result<Control, Refused> {
    if let Some(why) = request.bypass {
        return Err(Refused::Bypass(why));
    }
    let is_stored = match request.method {
        Method::Get => policy.methods.get,
        Method::Post => policy.methods.post,
        Method::Other => false,
    };
    if !is_stored {
        return Err(Refused::Method);
    }
    if response.has("upgrade") {
        return Err(Refused::Bypass(Bypass::Upgrade));
    }
    if crate::http::is_grpc(response.get("content-type")) {
        return Err(Refused::Bypass(Bypass::Grpc));
    }
    let control = control(response, &policy.targeted);
    permits(request, status, &control)?;
    Ok(control)
}

/// The second half of [`on_response`]: how an answer of this `status` that [`admit`] lets through is stored, whose request was `sent` then.
///
/// # Errors
///
/// Why it is not stored.
pub fn plan<'a>(
    request: &Seen,
    (status, response): (u16, Fields<'a>),
    control: Control,
    (sent, now): (MonoTime, Now),
    policy: &Policy,
) -> Result<Plan<'a>, Refused> {
    let lifetime = lifetime(status, response, &control, policy, now);
    is_cacheable(request, status, &control, lifetime)?;
    let vary = Vary::parse(response).ok_or(Refused::Vary)?;
    let parts = if status == 206 { Some(parts(request, response)?) } else { None };
    let age = initial_age(response, sent, now);
    let stored = described(status, response, &control, lifetime, age, policy, now);
    let stored = Stored { parts: parts.filter(|parts| !parts.is_complete()), ..stored };
    let has_validator = Validator::of(response).is_some();
    let is_fresh = stored.is_fresh(now) && !stored.always_validate;
    if !is_fresh && !has_validator && !stored.terms.allow_any() {
        return Err(Refused::Useless);
    }
    let may_transform = !control.directives.no_transform;
    let lines = stored_fields(response.lines(), &control.directives);
    // What `no-cache` or `private` names is not stored.
    let has_validator = has_validator && Validator::of(Fields::new(&lines)).is_some();
    Ok(Plan { fields: with_date(&lines, status, now), stored, vary, control, has_validator, may_transform })
}

/// What is known of an answer, but for its parts.
fn described(
    status: u16,
    response: Fields<'_>,
    control: &Control,
    lifetime: Lifetime,
    initial_age: core::time::Duration,
    policy: &Policy,
    now: Now,
) -> Stored {
    Stored {
        status: if status == 206 { 200 } else { status },
        received: now.mono,
        initial_age,
        lifetime: lifetime.span,
        date_seconds: freshness::date(response, now),
        terms: StaleTerms::of(control, lifetime, policy),
        always_validate: control.directives.no_cache.is_whole(),
        is_immutable: control.directives.immutable,
        parts: None,
    }
}

/// The part that a 206 holds, if it can be used: one, of a known whole, with a strong entity tag (section 3.3). Who asked
/// for it, the client or the cache itself, makes no difference.
fn parts(request: &Seen, response: Fields<'_>) -> Result<Parts, Refused> {
    let range = response.only("content-range").ok().flatten().and_then(ContentRange::parse);
    let strong = Validator::of(response).strong();
    let (Some(range), Some(_), true) = (range, strong, request.method == Method::Get) else {
        return Err(Refused::Partial);
    };
    let complete = range.complete_length.ok_or(Refused::Partial)?;
    Parts::one(range.range, complete).ok_or(Refused::Partial)
}

/// The fields as they are stored: with the time it came as its `Date` if it has none (RFC 9110, section 6.6.1), and of a
/// part without what describes the part.
fn with_date<'a>(lines: &[Line<'a>], status: u16, now: Now) -> Vec<(&'a [u8], Cow<'a, [u8]>)> {
    let is_of_part = |name: &[u8]| status == 206 && matches!(name, b"content-range" | b"content-length");
    let kept = lines.iter().filter(|(name, _)| !is_of_part(name));
    let mut fields: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::with_capacity(lines.len() + 1);
    fields.extend(kept.map(|(name, value)| (*name, Cow::Borrowed(*value))));
    if !fields.iter().any(|(name, _)| *name == b"date") {
        let today = super::date::date_bytes(now.unix_seconds());
        fields.push((b"date".as_slice(), Cow::Owned(today.to_vec())));
    }
    fields
}

/// What a 304 to the cache's own condition means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validated<'a> {
    /// What is stored is good again, with these fields.
    Freshened(Box<Plan<'a>>),
    /// What is stored is good for this request, but must not be kept: the answer says so now.
    UseOnce(Refused, Vec<Line<'a>>),
    /// It is about something else than what is stored: ask again without conditions.
    Mismatch,
}

/// What a 304 to the cache's own condition means for the answer that is stored (section 4.3.4).
pub fn on_not_modified<'a>(
    exchange: &Exchange<'a>,
    stored_lines: Fields<'a>,
    old: &Stored,
    policy: &Policy,
) -> Validated<'a> {
    let Exchange { request, response, sent, now, .. } = *exchange;
    if !is_same(Validator::of(stored_lines), Validator::of(response)) {
        return Validated::Mismatch;
    }
    let news = stored_fields(response.lines(), &super::Directives::default());
    let mut updated = updated_fields(stored_lines.lines(), &news);
    // A 304 without a date was made when it came; the old date would make its age and its freshness disagree.
    if !response.has("date") {
        updated.retain(|(name, _)| *name != b"date");
    }
    let today = super::date::format_date(now.unix_seconds());
    let mut dated: Vec<Line<'_>> = updated.clone();
    if !response.has("date") {
        dated.push((b"date", today.as_bytes()));
    }
    // Freshness is told by the updated fields; its age by the 304 alone.
    let merged = Fields::new(&dated);
    let control = control(merged, &policy.targeted);
    let lifetime = lifetime(old.status, merged, &control, policy, now);
    let refused = may_store(&request.seen(), old.status, &control, lifetime).err();
    let Some(vary) = Vary::parse(merged) else { return Validated::UseOnce(Refused::Vary, updated) };
    if let Some(why) = refused {
        return Validated::UseOnce(why, updated);
    }
    let age = initial_age(response, sent, now);
    let stored = Stored {
        parts: old.parts.clone(),
        ..described(old.status, merged, &control, lifetime, age, policy, now)
    };
    let may_transform = !control.directives.no_transform;
    let kept = stored_fields(&updated, &control.directives);
    Validated::Freshened(Box::new(Plan {
        fields: with_date(&kept, old.status, now),
        stored,
        vary,
        control,
        has_validator: Validator::of(Fields::new(&kept)).is_some(),
        may_transform,
    }))
}

/// Whether a 304 with these validators can be about an answer with those: it must not name another one.
fn is_same(stored: Validator<'_>, newer: Validator<'_>) -> bool {
    match (stored.etag, newer.etag) {
        (Some(one), Some(other)) => weak_match(one, other),
        (None, Some(_)) => false,
        _ => match (stored.last_modified, newer.last_modified) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        },
    }
}

/// What the answer to a HEAD says of the stored answer to GET (section 4.3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Headed<'a> {
    /// It is the same, and good again with these fields.
    Freshened(Box<Plan<'a>>),
    /// It has changed: what is stored is stale.
    Changed,
    /// Nothing.
    Nothing,
}

/// What the answer to a HEAD says of the stored answer to GET (section 4.3.5): other validators or another length show a
/// change; the same freshen it.
pub fn on_head<'a>(
    exchange: &Exchange<'a>,
    stored_lines: Fields<'a>,
    old: &Stored,
    length: u64,
    policy: &Policy,
) -> Headed<'a> {
    if exchange.status != 200 || old.status != 200 {
        // An answer of another status tells nothing of the representation, unless it is gone.
        let is_gone = matches!(exchange.status, 404 | 410) && old.status == 200;
        return if is_gone { Headed::Changed } else { Headed::Nothing };
    }
    let (one, other) = (Validator::of(stored_lines), Validator::of(exchange.response));
    let said = exchange.response.only("content-length");
    let said = said.ok().flatten().and_then(super::fields::digits);
    let has_other_tag = match (one.etag, other.etag) {
        (Some(one), Some(other)) => !weak_match(one, other),
        (one, other) => one.is_some() != other.is_some(),
    };
    let has_other_date = one.last_modified != other.last_modified;
    if has_other_tag || has_other_date || said.is_some_and(|said| said != length) {
        return Headed::Changed;
    }
    if !other.is_some() {
        return Headed::Nothing;
    }
    match on_not_modified(exchange, stored_lines, old, policy) {
        Validated::Freshened(plan) => Headed::Freshened(plan),
        Validated::UseOnce(..) | Validated::Mismatch => Headed::Changed,
    }
}

/// Whether a stored part and a new one are of the same representation (section 3.4): the same strong entity tag.
pub fn may_combine(stored: Fields<'_>, newer: Fields<'_>) -> bool {
    match (Validator::of(stored).strong(), Validator::of(newer).strong()) {
        (Some(one), Some(other)) => strong_match(one, other),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
