//! What may be done with a stale answer (RFC 9111, section 4.2.4, and RFC 5861).

use super::control::Control;
use super::freshness::Lifetime;
use super::policy::Policy;
use super::request::Request;
use super::stored::Stored;
use super::{Now, Seconds};
use core::time::Duration;

/// How long past its freshness an answer may still be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StaleTerms {
    /// Whether the answer itself forbids all of it: `must-revalidate`, `proxy-revalidate`, `s-maxage`, `no-cache`.
    pub is_forbidden: bool,
    /// While it is fetched anew in the background.
    pub while_revalidate: Duration,
    /// In place of a server's error.
    pub if_error: Duration,
    /// When no answer comes from upstream.
    pub on_connection_error: Duration,
}

impl StaleTerms {
    /// What an answer and the operator allow. An answer that says nothing of its freshness, or that it has none, is not
    /// used on the operator's word: nobody said that it may be shared for any time.
    pub(super) fn of(control: &Control, lifetime: Lifetime, policy: &Policy) -> Self {
        let directives = &control.directives;
        let is_forbidden = directives.must_revalidate
            || directives.proxy_revalidate
            || directives.s_maxage.is_present()
            || directives.no_cache.is_whole();
        let was_fresh = !lifetime.span.is_zero();
        let own = |seconds: Seconds, default: Option<Duration>| match seconds {
            Seconds::Given(seconds) => Duration::from_secs(seconds.into()),
            Seconds::Absent if was_fresh => default.unwrap_or_default(),
            Seconds::Absent | Seconds::Invalid => Duration::ZERO,
        };
        Self {
            is_forbidden,
            while_revalidate: own(directives.stale_while_revalidate, policy.stale_while_revalidate),
            if_error: own(directives.stale_if_error, policy.stale_if_error),
            on_connection_error: own(Seconds::Absent, policy.stale_on_connection_error),
        }
    }

    /// Whether they allow anything at all.
    pub(super) fn allow_any(&self) -> bool {
        let longest = self.while_revalidate.max(self.if_error).max(self.on_connection_error);
        !self.is_forbidden && !longest.is_zero()
    }
}

/// How upstream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It answered with this status.
    Status(u16),
    /// No answer came: refused, reset, timed out.
    Connection,
    /// It was not asked: its circuit breaker is open, or the process is overloaded.
    NotAsked,
}

/// Whether a stored answer stands in for a failure.
///
/// A client that asks for validation with `no-cache` is told of the failure, unless it says `stale-if-error` itself. Its
/// `max-age` and `min-fresh` are not held against what is better than an error.
pub fn on_failure(request: &Request<'_>, stored: &Stored, failure: Failure, now: Now) -> bool {
    if stored.terms.is_forbidden || stored.parts.is_some() {
        return false;
    }
    let asked = request.directives.stale_if_error.given().map(|seconds| Duration::from_secs(seconds.into()));
    if request.directives.no_cache.is_whole() && asked.is_none() {
        return false;
    }
    let window = match failure {
        // RFC 5861, section 4: what counts as an error.
        Failure::Status(500 | 502 | 503 | 504) => stored.terms.if_error,
        Failure::Status(_) => return false,
        Failure::Connection | Failure::NotAsked => {
            stored.terms.if_error.max(stored.terms.on_connection_error)
        }
    };
    stored.staleness(now) <= window.max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests;
