//! Answers that the filter gives itself, and what the cache says about them.

use crate::ResponseCache;
use crate::stream::{Asked, Stream};
use ballast_core::response_cache::config::CacheStatusHeader;
use ballast_core::response_cache::reply::Rendered;
use ballast_core::response_cache::rules::{Answer, Failure, Serve};
use ballast_host::{Cx, Host, Reply};
use core::fmt::Write;

/// How this cache is called in `Cache-Status`.
const NAME: &str = "ballast";
/// The header.
pub(crate) const CACHE_STATUS: &str = "cache-status";
/// The most of a key that is shown.
const MOST_KEY_CHARS: usize = 256;

/// An answer from the store.
pub(crate) fn answer(rendered: Rendered, status: Option<String>, kind: &str) -> Reply {
    let Rendered { status: code, mut lines, body } = rendered;
    if let Some(status) = status {
        lines.push((CACHE_STATUS.to_owned(), status.into_bytes()));
    }
    let details = format!("ballast_response_cache{{hit,{kind}}}");
    Reply { status: code, details, headers: lines, body, grpc_status: None }
}

/// An error of the cache's own.
pub(crate) fn unavailable(status: u16, why: &str) -> Reply {
    let details = format!("ballast_response_cache{{{why}}}");
    let headers = vec![("cache-control".to_owned(), b"no-store".to_vec())];
    Reply { status, details, headers, body: b"no answer can be given\n".to_vec(), grpc_status: None }
}

/// The state of a stream that is answered so. What has no body loses its media type on the way.
pub(crate) fn answered(reply: &Reply) -> Stream {
    let kind = reply.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.clone());
    Stream::Answered { kind: kind.filter(|_| reply.body.is_empty()) }
}

/// How the upstream failed, by the status of the last answer; 0: there was none.
pub(crate) const fn failure(status: u16) -> Failure {
    if status == 0 { Failure::Connection } else { Failure::Status(status) }
}

impl ResponseCache {
    /// What `Cache-Status` says of an answer from the store (RFC 9211).
    pub(crate) fn status_of_hit(&self, asked: &Asked, serve: &Serve, collapsed: bool) -> Option<String> {
        let mut text = self.status_begin()?;
        // Writing to a string cannot fail.
        let _ = write!(text, "; hit; ttl={}", serve.ttl_seconds);
        if collapsed {
            text.push_str("; collapsed");
        }
        self.status_end(text, asked)
    }

    /// What it says of an answer from upstream.
    pub(crate) fn status_of_miss(
        &self,
        asked: &Asked,
        why: &str,
        status: u16,
        stored: bool,
    ) -> Option<String> {
        let mut text = self.status_begin()?;
        let _ = write!(text, "; fwd={why}; fwd-status={status}");
        if stored {
            text.push_str("; stored");
        }
        self.status_end(text, asked)
    }

    fn status_begin(&self) -> Option<String> {
        (self.config.cache_status != CacheStatusHeader::Hidden).then(|| NAME.to_owned())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the end of a chain")]
    fn status_end(&self, mut text: String, asked: &Asked) -> Option<String> {
        if self.config.cache_status == CacheStatusHeader::WithKey {
            text.push_str("; key=\"");
            let url = String::from_utf8_lossy(&asked.wanted.target.url);
            for character in url.chars().take(MOST_KEY_CHARS) {
                match character {
                    '"' | '\\' => text.extend(['\\', character]),
                    ' '..='~' => text.push(character),
                    _ => text.push('?'),
                }
            }
            text.push('"');
        }
        Some(text)
    }

    /// A text that separates the parts of an answer that has several, and that nobody who writes bodies can foresee.
    pub(crate) fn boundary<H: Host>(serve: &Serve, cx: &Cx<'_, H>) -> String {
        match &serve.answer {
            Answer::Partial(ranges) if ranges.len() > 1 => format!("{:016x}", cx.host.random()),
            _ => String::new(),
        }
    }
}
