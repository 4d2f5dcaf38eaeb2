//! Which answers may be stored (RFC 9111, section 3).

use super::control::Control;
use super::freshness::{Lifetime, Source};
use super::guard::Bypass;
use super::request::{Method, Seen};

/// Why an answer is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The cache has no part in its request.
    Bypass(Bypass),
    /// The request's method is not one whose answers are stored.
    Method,
    /// The status is not final, must not be stored, or hangs on what is not part of the key.
    Status,
    /// The status is not known, and the answer must be understood.
    NotUnderstood,
    /// The answer says `no-store`.
    NoStore,
    /// The answer is for one user.
    Private,
    /// The request says `no-store`.
    RequestNoStore,
    /// The request was authorized and the answer does not allow others to get it (section 3.5).
    Authorization,
    /// `Vary` is `*`, or cannot be read.
    Vary,
    /// Part of a representation that could not be used: several parts, no strong validator, no known length.
    Partial,
    /// Nothing says that it is cacheable.
    NotCacheable,
    /// It could never be used again: it is stale on arrival and can neither be validated nor served stale.
    Useless,
}

impl Refused {
    /// Whether the same answer to any other request would not be stored either.
    pub const fn is_of_answer_alone(self) -> bool {
        match self {
            Self::NotUnderstood
            | Self::NoStore
            | Self::Private
            | Self::Vary
            | Self::NotCacheable
            | Self::Useless => true,
            // Many a status is the client's doing: that of its own condition, of its range, of its rate.
            Self::Status
            | Self::Bypass(_)
            | Self::Method
            | Self::RequestNoStore
            | Self::Authorization
            | Self::Partial => false,
        }
    }

    /// The reason as one word, for metrics and `Cache-Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass(why) => why.as_str(),
            Self::Method => "method",
            Self::Status => "status",
            Self::NotUnderstood => "not_understood",
            Self::NoStore => "no_store",
            Self::Private => "private",
            Self::RequestNoStore => "request_no_store",
            Self::Authorization => "authorization",
            Self::Vary => "vary",
            Self::Partial => "partial",
            Self::NotCacheable => "not_cacheable",
            Self::Useless => "useless",
        }
    }
}

/// Whether RFC 9110, section 15.1, or RFC 7725 calls a status cacheable by heuristic. 206 is too, but a part is decided on
/// its own.
pub(super) const fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 451 | 501)
}

/// Whether the status is known here with what it means for caches.
const fn is_understood(status: u16) -> bool {
    matches!(status, 200..=206 | 300..=305 | 307 | 308 | 400..=417 | 421..=426 | 451 | 500..=505 | 507)
}

/// Whether an answer with that status is never stored: interim ones, 304, those that RFC 6585 and RFC 8470 forbid, and
/// those that are about fields of the request which are not part of the key.
const fn is_never_stored(status: u16) -> bool {
    matches!(status, 0..=199 | 304 | 412 | 416 | 417 | 425 | 428 | 429 | 431 | 511 | 600..)
}

/// Whether section 3 and the request allow that an answer is stored. `lifetime`: what [`super::lifetime`] says of it.
pub(super) fn may_store(
    request: &Seen,
    status: u16,
    control: &Control,
    lifetime: Lifetime,
) -> Result<(), Refused> {
    permits(request, status, control)?;
    is_cacheable(request, status, control, lifetime)
}

/// Whether nothing forbids that an answer is stored, however long it is fresh.
pub(super) fn permits(request: &Seen, status: u16, control: &Control) -> Result<(), Refused> {
    let directives = &control.directives;
    if is_never_stored(status) {
        return Err(Refused::Status);
    }
    // Section 5.2.2.3: who must understand and does may look past `no-store`.
    if directives.must_understand && !is_understood(status) {
        return Err(Refused::NotUnderstood);
    }
    if directives.no_store && !directives.must_understand {
        return Err(Refused::NoStore);
    }
    if directives.private.is_whole() {
        return Err(Refused::Private);
    }
    if request.directives.no_store {
        return Err(Refused::RequestNoStore);
    }
    let is_for_all = directives.public || directives.must_revalidate || directives.s_maxage.is_present();
    if request.has_authorization && !is_for_all {
        return Err(Refused::Authorization);
    }
    Ok(())
}

/// Whether anything says that an answer which nothing forbids to store is cacheable.
pub(super) fn is_cacheable(
    request: &Seen,
    status: u16,
    control: &Control,
    lifetime: Lifetime,
) -> Result<(), Refused> {
    let is_explicit = matches!(
        lifetime.source,
        Source::Override | Source::SMaxAge | Source::MaxAge | Source::Expires | Source::Default
    );
    if !(request.method == Method::Get || is_explicit && !lifetime.span.is_zero()) {
        // RFC 9110, section 9.3.3: an answer to POST needs explicit freshness, and to be found again by GET
        // `Content-Location`; here it is found by its body.
        return Err(Refused::NotCacheable);
    }
    let cacheable = is_explicit || control.directives.public || is_heuristically_cacheable(status);
    if cacheable { Ok(()) } else { Err(Refused::NotCacheable) }
}

#[cfg(test)]
mod tests;
