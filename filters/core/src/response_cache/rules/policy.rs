//! What operators decide.

use crate::units::Share;
use core::time::Duration;

/// What the rules need to know of the operator's rule for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The methods that are answered from the cache.
    pub methods: Methods,
    /// How long an answer is fresh that does not say so itself, in place of the heuristic.
    pub default_ttl: TtlByStatus,
    /// How long an answer is fresh, whatever it says. What must not be stored still is not.
    pub override_ttl: TtlByStatus,
    /// How long an answer is fresh that only says when it was last modified; `None`: not at all.
    pub heuristic: Option<Heuristic>,
    /// For how long a stale answer may be used while it is fetched anew, where the answer does not say.
    pub stale_while_revalidate: Option<Duration>,
    /// For how long a stale answer may be used in place of a server's error, where the answer does not say.
    pub stale_if_error: Option<Duration>,
    /// For how long a stale answer may be used when no answer comes from upstream.
    pub stale_on_connection_error: Option<Duration>,
    /// Fields that take the place of `Cache-Control` and `Expires`, in lower case: the first valid one (RFC 9213).
    pub targeted: Vec<String>,
    /// Whether the directives of clients are honoured.
    pub honours_request_directives: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            methods: Methods { get: true, head: true, post: false },
            default_ttl: TtlByStatus::default(),
            override_ttl: TtlByStatus::default(),
            heuristic: Some(Heuristic {
                fraction: Share::from_basis_points(1_000),
                max: Duration::from_secs(86_400),
            }),
            stale_while_revalidate: None,
            stale_if_error: None,
            stale_on_connection_error: Some(Duration::from_secs(3_600)),
            targeted: vec!["cdn-cache-control".to_owned()],
            honours_request_directives: true,
        }
    }
}

/// The methods that are answered from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// GET.
    pub get: bool,
    /// HEAD, from what GET stored.
    pub head: bool,
    /// POST: its body belongs into the key, and its answer must say how long it is fresh (RFC 9110, section 9.3.3).
    pub post: bool,
}

/// Times to live by status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TtlByStatus {
    /// For every status that is cacheable by heuristic.
    pub all: Option<Duration>,
    /// For these statuses.
    pub by_status: Vec<(u16, Duration)>,
}

impl TtlByStatus {
    /// The time to live of an answer with that status.
    pub fn of(&self, status: u16) -> Option<Duration> {
        let named = self.by_status.iter().find(|(known, _)| *known == status).map(|(_, ttl)| *ttl);
        named.or_else(|| self.all.filter(|_| super::storable::is_heuristically_cacheable(status)))
    }
}

/// How long an answer is fresh that only says when it was last modified (RFC 9111, section 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heuristic {
    /// The part of its age when it was sent.
    pub fraction: Share,
    /// The most.
    pub max: Duration,
}
