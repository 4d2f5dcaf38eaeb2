//! What the cache did, for people and tools (RFC 9211).

use super::lookup::{Forward, Serve, Served};
use sfv::{Integer, KeyRef, ListSerializer, StringRef, TokenRef};

const HIT: &KeyRef = KeyRef::constant("hit");
const FWD: &KeyRef = KeyRef::constant("fwd");
const FWD_STATUS: &KeyRef = KeyRef::constant("fwd-status");
const TTL: &KeyRef = KeyRef::constant("ttl");
const STORED: &KeyRef = KeyRef::constant("stored");
const COLLAPSED: &KeyRef = KeyRef::constant("collapsed");
const KEY: &KeyRef = KeyRef::constant("key");
const DETAIL: &KeyRef = KeyRef::constant("detail");
const NAMELESS: &TokenRef = TokenRef::constant("cache");

/// What the cache did with a request: one member of `Cache-Status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    /// Why it went upstream; `None`: it did not, the store answered.
    pub forwarded: Option<Forward>,
    /// The status that came from upstream, where that is not the client's.
    pub forward_status: Option<u16>,
    /// How much freshness is left in seconds, negative when stale.
    pub ttl_seconds: Option<i64>,
    /// Whether the answer was stored.
    pub is_stored: bool,
    /// Whether the request waited for another's answer.
    pub is_collapsed: bool,
    /// The key, where it is to be shown; what no structured field can say is left out.
    pub key: Option<&'a str>,
    /// More, as one word: why it was not stored, or why it is served though stale.
    pub detail: Option<&'a str>,
}

impl<'a> CacheStatus<'a> {
    /// An answer from the store.
    pub fn hit(serve: &Serve) -> Self {
        let detail = match serve.served {
            Served::Fresh => None,
            other => Some(other.as_str()),
        };
        Self { ttl_seconds: Some(serve.ttl_seconds), detail, ..Self::default() }
    }

    /// An answer from upstream.
    pub fn forwarded(why: Forward) -> Self {
        let detail = if let Forward::Bypass(reason) = why { Some(reason.as_str()) } else { None };
        Self { forwarded: Some(why), detail, ..Self::default() }
    }

    /// The value of the field: the members of caches that are closer to the origin, then this one's.
    pub fn value(&self, name: &str, earlier: Option<&[u8]>) -> String {
        let name = TokenRef::from_str(name).unwrap_or(NAMELESS);
        let mut list = ListSerializer::new();
        let mut member = list.bare_item(name);
        member = match self.forwarded {
            None => member.parameter(HIT, true),
            Some(why) => {
                let why = TokenRef::from_str(why.as_str()).unwrap_or(NAMELESS);
                member.parameter(FWD, why)
            }
        };
        if let Some(status) = self.forward_status {
            member = member.parameter(FWD_STATUS, Integer::from(status));
        }
        if let Some(ttl) = self.ttl_seconds {
            let told = if ttl < 0 { Integer::MIN } else { Integer::MAX };
            member = member.parameter(TTL, Integer::try_from(ttl).unwrap_or(told));
        }
        if self.is_stored {
            member = member.parameter(STORED, true);
        }
        if self.is_collapsed {
            member = member.parameter(COLLAPSED, true);
        }
        if let Some(key) = self.key.and_then(|key| StringRef::from_str(key).ok()) {
            member = member.parameter(KEY, key);
        }
        if let Some(detail) = self.detail.and_then(|detail| TokenRef::from_str(detail).ok()) {
            member = member.parameter(DETAIL, detail);
        }
        let _ = member;
        let own = list.finish().unwrap_or_default();
        match earlier.map(String::from_utf8_lossy).filter(|earlier| !earlier.trim().is_empty()) {
            Some(earlier) => format!("{earlier}, {own}"),
            None => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::Bypass;
    use super::super::precondition::Answer;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn hit(served: Served, ttl_seconds: i64) -> CacheStatus<'static> {
        CacheStatus::hit(&Serve { answer: Answer::Full, served, age_seconds: 1, ttl_seconds })
    }

    #[test]
    fn rfc_9211_2_a_member_says_what_was_done_and_why() {
        let miss = CacheStatus::forwarded(Forward::UriMiss);
        for (status, expected) in [
            (hit(Served::Fresh, 30), "ballast;hit;ttl=30"),
            (hit(Served::StaleWhileRevalidate, -3), "ballast;hit;ttl=-3;detail=stale_while_revalidate"),
            (miss, "ballast;fwd=uri-miss"),
            (
                CacheStatus { is_stored: true, ttl_seconds: Some(60), ..miss },
                "ballast;fwd=uri-miss;ttl=60;stored",
            ),
            (CacheStatus { is_collapsed: true, ..miss }, "ballast;fwd=uri-miss;collapsed"),
            (
                CacheStatus { forward_status: Some(304), ..CacheStatus::forwarded(Forward::Stale) },
                "ballast;fwd=stale;fwd-status=304",
            ),
            (CacheStatus { key: Some("a \"b\""), ..miss }, r#"ballast;fwd=uri-miss;key="a \"b\"""#),
            (CacheStatus { key: Some("\u{e9}"), ..miss }, "ballast;fwd=uri-miss"),
            (CacheStatus { detail: Some("no_store"), ..miss }, "ballast;fwd=uri-miss;detail=no_store"),
            (CacheStatus::forwarded(Forward::VaryMiss), "ballast;fwd=vary-miss"),
            (CacheStatus::forwarded(Forward::Method), "ballast;fwd=method"),
            (CacheStatus::forwarded(Forward::Request), "ballast;fwd=request"),
            (CacheStatus::forwarded(Forward::Partial), "ballast;fwd=partial"),
            (CacheStatus::forwarded(Forward::Bypass(Bypass::Body)), "ballast;fwd=bypass;detail=body"),
        ] {
            assert_eq!(status.value("ballast", None), expected);
        }
    }

    #[test]
    fn rfc_9211_2_the_cache_closest_to_the_client_comes_last() {
        let status = CacheStatus::forwarded(Forward::UriMiss);
        assert_eq!(status.value("ballast", Some(b"Origin;hit")), "Origin;hit, ballast;fwd=uri-miss");
        assert_eq!(status.value("ballast", Some(b" ")), "ballast;fwd=uri-miss");
        assert_eq!(status.value("no token", None), "cache;fwd=uri-miss");
    }
}
