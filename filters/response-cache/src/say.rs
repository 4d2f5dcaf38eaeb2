//! Answers that the filter gives itself, and what the cache says about them.

use crate::ResponseCache;
use crate::stream::{Asked, Stream};
use ballast_core::response_cache::config::CacheStatusHeader;
use ballast_core::response_cache::reply::Rendered;
use ballast_core::response_cache::rules::{Answer, CacheStatus, Failure, Forward, Serve, Served};
use ballast_host::{Cx, Host, Map, Reply};

/// How this cache is called in `Cache-Status`.
const NAME: &str = "ballast";
/// The header.
pub(crate) const CACHE_STATUS: &str = "cache-status";
/// The most of a key that is shown.
const MOST_KEY_BYTES: usize = 256;

/// An answer from the store.
pub(crate) fn answer(rendered: Rendered, status: Option<String>, served: Served) -> Reply {
    let Rendered { status: code, mut lines, body } = rendered;
    if let Some(status) = status {
        lines.push(CACHE_STATUS, status);
    }
    let details = match served {
        // Nearly all: nothing is put together for them.
        Served::Fresh => "ballast_response_cache{hit,fresh}".into(),
        _ => ["ballast_response_cache{hit,", served.as_str(), "}"].concat().into(),
    };
    Reply { status: code, details, headers: lines, body, grpc_status: None }
}

/// An error of the cache's own.
pub(crate) fn unavailable(status: u16, why: &str) -> Reply {
    let details = format!("ballast_response_cache{{{why}}}").into();
    let headers = [("cache-control", "no-store")].into_iter().collect();
    Reply { status, details, headers, body: "no answer can be given\n".into(), grpc_status: None }
}

/// Says it on the answer that goes to the client.
pub(crate) fn mark(said: &str, host: &impl Host) {
    // An answer whose headers cannot be changed any more goes on without.
    let _ = host.add_header(Map::ResponseHeaders, CACHE_STATUS, said.as_bytes());
}

/// The state of a stream that is answered so. What has no body loses its media type on the way.
pub(crate) fn answered(reply: &Reply) -> Stream {
    let kind = if reply.body.is_empty() { reply.headers.get("content-type") } else { None };
    Stream::Answered { kind: kind.map(<[u8]>::to_vec) }
}

/// How the upstream failed, by the status of the last answer; 0: there was none.
pub(crate) const fn failure(status: u16) -> Failure {
    if status == 0 { Failure::Connection } else { Failure::Status(status) }
}

impl ResponseCache {
    /// What `Cache-Status` says of an answer from the store (RFC 9211). `forwarded`: why the upstream was asked first, and what it
    /// said.
    pub(crate) fn status_of_hit(
        &self,
        asked: &Asked,
        serve: &Serve,
        collapsed: bool,
        forwarded: Option<(Forward, u16)>,
    ) -> Option<String> {
        if !self.shown() {
            return None;
        }
        let hit =
            CacheStatus { is_collapsed: collapsed, key: self.shown_key(asked), ..CacheStatus::hit(serve) };
        let hit = if asked.is_adopted { CacheStatus { detail: Some("remote"), ..hit } } else { hit };
        let status = match forwarded {
            Some((why, status)) => CacheStatus {
                forwarded: Some(why),
                forward_status: Some(status).filter(|status| *status > 0),
                ..hit
            },
            None => hit,
        };
        Some(status.value(NAME, None))
    }

    /// What it says of an answer from upstream. `status`: of that answer, if it is known; who reads it sees it there, too.
    pub(crate) fn status_of_miss(
        &self,
        asked: &Asked,
        why: Forward,
        status: Option<u16>,
        stored: bool,
    ) -> Option<String> {
        if !self.shown() {
            return None;
        }
        let forwarded = CacheStatus::forwarded(why);
        let detail = forwarded.detail.filter(|_| !asked.is_bypass);
        let key = self.shown_key(asked);
        let said = CacheStatus { forward_status: status, is_stored: stored, key, detail, ..forwarded };
        Some(said.value(NAME, None))
    }

    fn shown(&self) -> bool {
        self.config.cache_status != CacheStatusHeader::Hidden
    }

    fn shown_key<'a>(&self, asked: &'a Asked) -> Option<&'a str> {
        if self.config.cache_status != CacheStatusHeader::WithKey {
            return None;
        }
        let url = core::str::from_utf8(&asked.wanted.target.url).ok()?;
        Some(url.get(..MOST_KEY_BYTES).unwrap_or(url))
    }

    /// A text that separates the parts of an answer that has several, and that nobody who writes bodies can foresee.
    pub(crate) fn boundary<H: Host>(serve: &Serve, cx: &Cx<'_, H>) -> String {
        match &serve.answer {
            Answer::Partial(ranges) if ranges.len() > 1 => format!("{:016x}", cx.host.random()),
            _ => String::new(),
        }
    }
}
