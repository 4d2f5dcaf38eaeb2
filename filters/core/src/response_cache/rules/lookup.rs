//! What to do with a request, given what is stored (RFC 9111, section 4).

use super::Now;
use super::fields::Fields;
use super::guard::Bypass;
use super::policy::Policy;
use super::precondition::{Answer, Validator, answer};
use super::range::{ByteRange, Parts, Ranges, parse_ranges};
use super::request::Request;
use super::stale::{Failure, on_failure};
use super::stored::Stored;
use core::time::Duration;

/// A stored answer that matches the request's key and the fields its `Vary` names.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// What is known of it.
    pub stored: &'a Stored,
    /// Its fields.
    pub fields: Fields<'a>,
    /// The length of the whole body in bytes.
    pub length: u64,
    /// Whether a purge marked it as stale.
    pub is_marked_stale: bool,
}

impl<'a> Candidate<'a> {
    /// The one to use of several that match: the latest made (RFC 9111, section 4.1), then the latest received.
    pub fn newest(candidates: impl IntoIterator<Item = Self>) -> Option<Self> {
        candidates
            .into_iter()
            .max_by_key(|candidate| (candidate.stored.date_seconds, candidate.stored.received))
    }

    fn is_fresh(&self, now: Now) -> bool {
        !self.is_marked_stale && self.stored.is_fresh(now)
    }
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Answer it from the store.
    Serve(Serve),
    /// Send it upstream.
    Fetch(Fetch),
    /// Answer 504: the client wants a stored answer or none (section 5.2.1.7).
    Unavailable,
}

/// An answer from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// What the client gets.
    pub answer: Answer,
    /// Why it may be used.
    pub served: Served,
    /// How old it is: the value of `Age`.
    pub age_seconds: u64,
    /// How much freshness is left, negative when it is stale.
    pub ttl_seconds: i64,
}

/// Why a stored answer may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Served {
    /// It is fresh.
    Fresh,
    /// It is stale and within `stale-while-revalidate`: fetch it anew in the background.
    StaleWhileRevalidate,
    /// It is stale and the client takes it so: `max-stale`.
    MaxStale,
    /// It is stale and stands in for an error.
    StaleIfError,
    /// It is stale, and the process is too loaded to ask for another.
    Overloaded,
    /// It is stale, and the upstream's circuit breaker is open.
    BreakerOpen,
    /// It was validated just now.
    Validated,
}

impl Served {
    /// The reason as one word, for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::StaleWhileRevalidate => "stale_while_revalidate",
            Self::MaxStale => "max_stale",
            Self::StaleIfError => "stale_if_error",
            Self::Overloaded => "stale_overloaded",
            Self::BreakerOpen => "stale_breaker_open",
            Self::Validated => "validated",
        }
    }
}

/// A request that goes upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Why.
    pub why: Forward,
    /// Fields of the client's that must not go with it: its own conditions, where the cache asks with its own.
    pub remove: &'static [&'static str],
    /// Fields that go with it: a condition, or the part that is missing.
    pub add: Vec<(&'static str, Vec<u8>)>,
    /// Whether the answer may be stored, as far as the request goes, and others may wait for it.
    pub may_store: bool,
}

/// Why a request goes upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// The cache has no part in it.
    Bypass(Bypass),
    /// The method is not answered from the cache.
    Method,
    /// Nothing is stored for this URL.
    UriMiss,
    /// Something is stored for this URL, for other values of what it varies by.
    VaryMiss,
    /// The client asks for it: `no-cache`, `max-age`, `min-fresh`.
    Request,
    /// What is stored is stale, or must be validated each time.
    Stale,
    /// What is stored is a part that does not answer the request.
    Partial,
}

impl Forward {
    /// The reason as RFC 9211, section 2.2, names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass(_) => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// The client's own conditions.
const CONDITIONS: &[&str] = &["if-none-match", "if-modified-since", "if-range", "range"];

impl Fetch {
    /// As the client sent it.
    pub const fn plain(why: Forward, may_store: bool) -> Self {
        Self { why, remove: &[], add: Vec::new(), may_store }
    }

    /// With the validators of what is stored (RFC 9111, section 4.3.1), in place of the client's conditions. Without any it
    /// goes as the client sent it.
    pub fn validating(why: Forward, fields: Fields<'_>) -> Self {
        let validator = Validator::of(fields);
        if !validator.is_some() {
            return Self::plain(why, true);
        }
        let tag = validator.etag.map(|tag| ("if-none-match", tag.to_vec()));
        let date = validator.last_modified.map(|date| ("if-modified-since", date.to_vec()));
        Self { why, remove: CONDITIONS, add: tag.into_iter().chain(date).collect(), may_store: true }
    }

    /// Whether others with the same key may wait for its answer: it may be stored, and asks for the whole, so that what
    /// comes is not shaped by this client's own conditions.
    pub fn may_be_waited_for(&self, request: &Request<'_>) -> bool {
        let asks_for_part = self.add.iter().any(|(name, _)| *name == "range");
        self.may_store && !asks_for_part && (!request.is_conditional || !self.remove.is_empty())
    }

    /// Whether a 304 to it is about what is stored.
    pub fn is_validating(&self) -> bool {
        self.add.iter().any(|(name, _)| matches!(*name, "if-none-match" | "if-modified-since"))
    }
}

/// What to do with a request. `candidate`: the stored answer that matches it. `has_other_variants`: without one, whether
/// the URL has answers for other requests.
pub fn lookup(
    request: &Request<'_>,
    candidate: Option<Candidate<'_>>,
    has_other_variants: bool,
    policy: &Policy,
    now: Now,
) -> Lookup {
    if let Some(why) = request.bypass {
        return Lookup::Fetch(Fetch::plain(Forward::Bypass(why), false));
    }
    let Methods { is_answered, is_stored } = Methods::of(request, policy);
    if !is_answered {
        return Lookup::Fetch(Fetch::plain(Forward::Method, false));
    }
    let may_store = is_stored && !request.directives.no_store;
    let found = candidate.map(|candidate| with_candidate(request, &candidate, now));
    match found {
        Some(Lookup::Serve(serve)) => Lookup::Serve(serve),
        _ if request.directives.only_if_cached => Lookup::Unavailable,
        Some(Lookup::Fetch(fetch)) => {
            Lookup::Fetch(Fetch { may_store: fetch.may_store && may_store, ..fetch })
        }
        Some(Lookup::Unavailable) => Lookup::Unavailable,
        None => {
            let why = if has_other_variants { Forward::VaryMiss } else { Forward::UriMiss };
            Lookup::Fetch(Fetch::plain(why, may_store))
        }
    }
}

/// The stale answer that spares the upstream a request which [`lookup`] sends on; `None`: it must be asked. The same forbids
/// it as forbids an answer in place of a failure, and a client that asks for another has its way.
pub fn spared(request: &Request<'_>, candidate: &Candidate<'_>, fetch: &Fetch, now: Now) -> Option<Serve> {
    let asked = &request.directives;
    let may = fetch.why == Forward::Stale
        && !asked.max_age.is_present()
        && !asked.min_fresh.is_present()
        && on_failure(request, candidate.stored, Failure::NotAsked, now);
    may.then(|| serve(request, candidate, Served::Overloaded, now))
}

struct Methods {
    is_answered: bool,
    is_stored: bool,
}

impl Methods {
    fn of(request: &Request<'_>, policy: &Policy) -> Self {
        let methods = policy.methods;
        let (is_answered, is_stored) = match request.method {
            b"GET" => (methods.get, methods.get),
            b"HEAD" => (methods.head, false),
            b"POST" => (methods.post, methods.post),
            _ => (false, false),
        };
        Self { is_answered, is_stored }
    }
}

fn with_candidate(request: &Request<'_>, candidate: &Candidate<'_>, now: Now) -> Lookup {
    if let Some(parts) = &candidate.stored.parts {
        return with_parts(request, candidate, parts, now);
    }
    match usable(request, candidate, now) {
        Ok(served) => Lookup::Serve(serve(request, candidate, served, now)),
        Err(why) => Lookup::Fetch(Fetch::validating(why, candidate.fields)),
    }
}

/// An answer from the store. Also for one that was just validated, or that stands in for an error.
pub fn serve(request: &Request<'_>, candidate: &Candidate<'_>, served: Served, now: Now) -> Serve {
    let Candidate { stored, fields, length, .. } = *candidate;
    Serve {
        answer: answer(request, stored, fields, length, now),
        served,
        age_seconds: stored.age(now).as_secs(),
        ttl_seconds: stored.ttl_seconds(now),
    }
}

/// Whether a stored answer may be used as it is, and why; or why it must be fetched.
fn usable(request: &Request<'_>, candidate: &Candidate<'_>, now: Now) -> Result<Served, Forward> {
    let (asked, stored) = (&request.directives, candidate.stored);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    if stored.always_validate {
        return Err(Forward::Stale);
    }
    // Section 5.2.1.4.
    if asked.no_cache.is_whole() || !asked.no_cache.fields().is_empty() {
        return Err(Forward::Request);
    }
    let is_fresh = candidate.is_fresh(now);
    // Section 5.2.1.3. What it says wrongly asks for more than there is.
    let is_fresh_enough = match asked.min_fresh {
        super::Seconds::Absent => true,
        super::Seconds::Given(least) => stored.age(now).saturating_add(seconds(least)) <= stored.lifetime,
        super::Seconds::Invalid => false,
    };
    // Section 5.2.1.1. RFC 8246, section 2: what does not change is not asked for again because of a reload.
    let is_young_enough = match asked.max_age {
        super::Seconds::Absent => true,
        _ if stored.is_immutable && is_fresh => true,
        super::Seconds::Given(most) => stored.age(now) <= seconds(most),
        super::Seconds::Invalid => false,
    };
    if is_fresh {
        return if is_fresh_enough && is_young_enough { Ok(Served::Fresh) } else { Err(Forward::Request) };
    }
    if stored.terms.is_forbidden {
        return Err(Forward::Stale);
    }
    let staleness = stored.staleness(now);
    // Section 5.2.1.2: the client takes what is stale for so long, if it is not too old for its `max-age`.
    if let Some(most) = asked.max_stale.given() {
        let is_wanted = is_young_enough && !asked.min_fresh.is_present();
        if is_wanted && staleness <= seconds(most) && !candidate.is_marked_stale {
            return Ok(Served::MaxStale);
        }
    }
    // A client that names its own limits does not take what is stale (section 5.2.1.1).
    let takes_stale = !asked.max_age.is_present() && !asked.min_fresh.is_present();
    if takes_stale && !stored.terms.while_revalidate.is_zero() && staleness <= stored.terms.while_revalidate {
        return Ok(Served::StaleWhileRevalidate);
    }
    Err(Forward::Stale)
}

/// What to do with a request if only parts of the answer are stored (sections 3.3 and 3.4).
fn with_parts(request: &Request<'_>, candidate: &Candidate<'_>, parts: &Parts, now: Now) -> Lookup {
    let length = parts.complete_length;
    if !request.is_get() {
        return Lookup::Fetch(Fetch::plain(Forward::Partial, true));
    }
    match (usable(request, candidate, now), request.fields.joined("range")) {
        (Ok(Served::Fresh), Some(range)) => {
            let serve = serve(request, candidate, Served::Fresh, now);
            let is_there = |range: &ByteRange| parts.position(*range).is_some();
            let is_stored = match &serve.answer {
                Answer::Full => false,
                Answer::Partial(ranges) => ranges.iter().all(is_there),
                Answer::NotModified | Answer::NotSatisfiable => true,
            };
            if is_stored {
                return Lookup::Serve(serve);
            }
            match parse_ranges(&range, length) {
                Ranges::Ignored => complete(request, candidate, parts),
                Ranges::NotSatisfiable | Ranges::Satisfiable(_) => {
                    Lookup::Fetch(Fetch::plain(Forward::Partial, true))
                }
            }
        }
        (Ok(Served::Fresh), None) => {
            let serve = serve(request, candidate, Served::Fresh, now);
            if serve.answer == Answer::NotModified {
                return Lookup::Serve(serve);
            }
            complete(request, candidate, parts)
        }
        // Parts are not validated: whoever needs them anew asks for them anew.
        (Ok(_), _) => Lookup::Fetch(Fetch::plain(Forward::Stale, true)),
        (Err(why), _) => Lookup::Fetch(Fetch::plain(why, true)),
    }
}

/// Asks for what is missing, if that is one part and the whole is told apart by a strong entity tag.
fn complete(request: &Request<'_>, candidate: &Candidate<'_>, parts: &Parts) -> Lookup {
    let strong = Validator::of(candidate.fields).strong();
    // A client with a condition of its own gets its own answer.
    let gap = parts.only_gap().filter(|_| !request.is_conditional);
    let (Some(tag), Some(gap)) = (strong, gap) else {
        return Lookup::Fetch(Fetch::plain(Forward::Partial, true));
    };
    let range = format!("bytes={}-{}", gap.first, gap.last).into_bytes();
    let add = vec![("range", range), ("if-range", tag.to_vec())];
    Lookup::Fetch(Fetch { why: Forward::Partial, remove: CONDITIONS, add, may_store: true })
}

#[cfg(test)]
mod tests;
