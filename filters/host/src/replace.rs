//! One answer in the place of another that is held back.
//!
//! # Why
//!
//! A reply in the response phase goes straight to the client: what outer filters do to answers is lost. Rewritten in place, the
//! held answer passes them as any other. But an answer that is only headers cannot be given a body.
//!
//! # How
//!
//! The filter has paused in the response headers. [`Replacement::begin`] puts the new headers in and says how to go on;
//! the filter then gives each response body and trailers callback to the [`Replacement`], which puts the new body in
//! place of the first piece and nothing in that of the others.

use crate::context::Cx;
use crate::filter::{Flow, Next};
use crate::host::{Buffer, Half, Host, LogLevel, Map, Reply};

/// An answer to put in place of a held one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Headers with `:status`.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The status; 0 where there is none.
    pub fn status(&self) -> u16 {
        let status = self.headers.iter().find(|(name, _)| name == ":status");
        status.and_then(|(_, value)| core::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
    }
}

/// What is still to be done to the held answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacement {
    body: Vec<u8>,
}

impl Replacement {
    /// Puts the new answer's headers in. `header_only`: the held answer has no body. `code_details`: what the access
    /// log shows where only a direct reply can carry the answer.
    ///
    /// Returns how the stream goes on, and what is to be done to its body; nothing where none comes.
    pub fn begin<H: Host>(
        cx: &Cx<'_, H>,
        header_only: bool,
        answer: Answer,
        code_details: &str,
    ) -> (Next, Option<Self>) {
        if header_only && !answer.body.is_empty() {
            return (Next::Reply(Box::new(direct(answer, code_details))), None);
        }
        let length = answer.body.len().to_string();
        let mut pairs: Vec<(&str, &[u8])> = Vec::with_capacity(answer.headers.len() + 1);
        let kept = |name: &str| header_only || (name != "content-length" && name != "transfer-encoding");
        pairs.extend(
            answer
                .headers
                .iter()
                .filter(|(name, _)| kept(name))
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        );
        if !header_only && !has_no_body(answer.status()) {
            pairs.push(("content-length", length.as_bytes()));
        }
        if let Err(error) = cx.host.set_headers(Map::ResponseHeaders, &pairs) {
            cx.log(LogLevel::Error, &format!("a held answer cannot be replaced: {error}"));
            return (Next::Reply(Box::new(direct(answer, code_details))), None);
        }
        (Next::Resume(Half::Response), (!header_only).then_some(Self { body: answer.body }))
    }

    /// A piece of the held answer's body has come.
    pub fn on_body<H: Host>(&mut self, cx: &Cx<'_, H>, size: usize) -> Flow {
        let body = core::mem::take(&mut self.body);
        if (size > 0 || !body.is_empty())
            && let Err(error) = cx.host.set_buffer(Buffer::ResponseBody, 0, size, &body)
        {
            cx.log(LogLevel::Error, &format!("a held answer's body cannot be replaced: {error}"));
        }
        Flow::Continue
    }

    /// The held answer's trailers have come: they are not those of the new one.
    pub fn on_trailers<H: Host>(&mut self, cx: &Cx<'_, H>) -> Flow {
        if let Err(error) = cx.host.set_headers(Map::ResponseTrailers, &[]) {
            cx.log(LogLevel::Error, &format!("a held answer's trailers cannot be removed: {error}"));
        }
        Flow::Continue
    }
}

/// Whether an answer with this status never has a body (RFC 9110, section 6.4.1).
const fn has_no_body(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// The answer as a reply of the filter: in the response phase it goes straight to the client, in the request phase it
/// passes the outer filters.
pub fn direct(answer: Answer, code_details: &str) -> Reply {
    let status = answer.status();
    let own = |name: &str| name.starts_with(':') || name == "content-length" || name == "transfer-encoding";
    let headers = answer.headers.into_iter().filter(|(name, _)| !own(name)).collect();
    Reply {
        status,
        details: code_details.to_owned().into(),
        headers,
        body: answer.body.into(),
        grpc_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> Answer {
        let headers = [(":status", status), ("content-length", "9"), ("x-a", "1")];
        Answer {
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_direct_reply_carries_the_answer_without_what_the_proxy_writes() {
        let reply = direct(answer("200", "hello"), "d");
        assert_eq!((reply.status, reply.body.as_slice()), (200, b"hello".as_slice()));
        assert_eq!(reply.headers, [("x-a", "1")].into_iter().collect());
    }

    #[test]
    fn an_answer_without_a_status_is_seen() {
        assert_eq!(Answer::default().status(), 0);
        assert_eq!(answer("503", "").status(), 503);
    }
}
