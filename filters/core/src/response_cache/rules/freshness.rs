//! How long an answer is fresh, and how old it is (RFC 9111, section 4.2).

use super::Now;
use super::control::Control;
use super::date::parse_date;
use super::directives::{MAX_SECONDS, Seconds};
use super::fields::{Fields, digits, members};
use super::policy::Policy;
use super::storable::is_heuristically_cacheable;
use crate::time::MonoTime;
use core::time::Duration;

/// How long an answer is fresh from its birth at the origin, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The span; zero where nothing usable is said.
    pub span: Duration,
    /// Who says so.
    pub source: Source,
}

/// Who says how long an answer is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operator, against the answer.
    Override,
    /// `s-maxage`.
    SMaxAge,
    /// `max-age`.
    MaxAge,
    /// `Expires`.
    Expires,
    /// The operator, for want of anything else.
    Default,
    /// The part of its age that the operator allows.
    Heuristic,
    /// Nobody.
    Nobody,
}

/// How long an answer is fresh in a shared cache: the first of `s-maxage`, `max-age`, `Expires` that is there, valid or
/// not (section 4.2.1), then what the operator sets, then the heuristic (section 4.2.2).
pub fn lifetime(status: u16, response: Fields<'_>, control: &Control, policy: &Policy, now: Now) -> Lifetime {
    let directives = &control.directives;
    let of = |span, source| Lifetime { span, source };
    let seconds = |seconds: Seconds| Duration::from_secs(seconds.given().unwrap_or(0).into());
    if let Some(span) = policy.override_ttl.of(status) {
        return of(span, Source::Override);
    }
    if directives.s_maxage.is_present() {
        return of(seconds(directives.s_maxage), Source::SMaxAge);
    }
    if directives.max_age.is_present() {
        return of(seconds(directives.max_age), Source::MaxAge);
    }
    if !control.is_targeted && response.has("expires") {
        let expires = response.only("expires").ok().flatten();
        let expires = expires.and_then(|text| parse_date(text, now.unix_seconds()));
        return of(expires.map_or(Duration::ZERO, |at| span(date(response, now), at)), Source::Expires);
    }
    if let Some(span) = policy.default_ttl.of(status) {
        return of(span, Source::Default);
    }
    let may_guess = is_heuristically_cacheable(status) || directives.public;
    match policy.heuristic.filter(|_| may_guess) {
        Some(heuristic) => {
            let modified = response.only("last-modified").ok().flatten();
            let modified = modified.and_then(|text| parse_date(text, now.unix_seconds()));
            let age = modified.map_or(Duration::ZERO, |modified| span(modified, date(response, now)));
            let part = heuristic.fraction.of(age.as_secs());
            let span = Duration::from_secs(part).min(heuristic.max);
            if span.is_zero() { of(span, Source::Nobody) } else { of(span, Source::Heuristic) }
        }
        None => of(Duration::ZERO, Source::Nobody),
    }
}

/// From one second to another; nothing if it lies before, and never more than can be told apart.
fn span(from: i64, to: i64) -> Duration {
    let seconds = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
    Duration::from_secs(seconds.min(MAX_SECONDS.into()))
}

/// When the origin made the answer, in seconds since the Unix epoch: what `Date` says, or when it came if that says
/// nothing (RFC 9110, section 6.6.1).
pub(super) fn date(response: Fields<'_>, now: Now) -> i64 {
    let date = response.only("date").ok().flatten();
    date.and_then(|text| parse_date(text, now.unix_seconds())).unwrap_or_else(|| now.unix_seconds())
}

/// What `Age` says: of a list the first member counts, and what is no number is ignored (RFC 9111, section 5.1).
pub fn parse_age(response: Fields<'_>) -> Duration {
    let first = response.get("age").and_then(|value| members(value).next());
    let seconds = first.and_then(digits).unwrap_or(0);
    Duration::from_secs(seconds.min(MAX_SECONDS.into()))
}

/// How old an answer was when it arrived (section 4.2.3, `corrected_initial_age`). `sent`: when its request was.
pub fn initial_age(response: Fields<'_>, sent: MonoTime, now: Now) -> Duration {
    let apparent = span(date(response, now), now.unix_seconds());
    let delay = now.mono.since(sent);
    apparent.max(parse_age(response).saturating_add(delay))
}

#[cfg(test)]
mod tests;
