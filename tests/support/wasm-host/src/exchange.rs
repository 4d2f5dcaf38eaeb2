//! One request and its response as the filter may see them at the moment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::cost::Cost;
use crate::headers::HeaderMap;
use crate::reply::LocalReply;
use crate::status::Status;

/// What a callback decided about the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Hold until resumed; also what a callback's answer turns into when it sent a reply.
    Pause,
}

/// A point at which a filter can hold a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Request headers.
    RequestHeaders,
    /// Request body.
    RequestBody,
    /// Request trailers.
    RequestTrailers,
    /// Response headers.
    ResponseHeaders,
    /// Response body.
    ResponseBody,
    /// Response trailers.
    ResponseTrailers,
}

/// A request or a response as the filter left it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// The headers.
    pub headers: HeaderMap,
    /// What the filter has let pass of the body.
    pub body: Vec<u8>,
    /// The trailers, if there are any.
    pub trailers: Option<HeaderMap>,
}

/// What a filter may hold of a body, `per_connection_buffer_limit_bytes` of Envoy.
pub(crate) const BUFFER_LIMIT_BYTES: usize = 1024 * 1024;

/// One direction of a stream. The `_visible` flags follow Envoy's pointers: set before a callback, cleared when it
/// answers `Continue` or when the stream is resumed, so a paused filter can still reach what it holds.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    pub(crate) message: Message,
    pub(crate) headers_visible: bool,
    pub(crate) trailers_visible: bool,
    /// The part of the body that is with the filter: a chunk, or all that was buffered.
    pub(crate) chunk: Vec<u8>,
    pub(crate) chunk_visible: bool,
    pub(crate) buffering: bool,
    pub(crate) paused: Option<Phase>,
    /// Whether the filter has resumed it since it last held it.
    pub(crate) resumed: bool,
}

impl Direction {
    /// Lets the held part of the body pass.
    pub(crate) fn pass_chunk(&mut self) {
        self.message.body.append(&mut self.chunk);
        self.buffering = false;
    }

    fn trailers_or_new(&mut self, end_of_stream: bool) -> Option<&mut HeaderMap> {
        if !self.trailers_visible && self.chunk_visible && end_of_stream {
            self.trailers_visible = true;
            self.message.trailers.get_or_insert_default();
        }
        if self.trailers_visible { self.message.trailers.as_mut() } else { None }
    }
}

/// Filter state belongs to the request: all filters on it share one.
pub(crate) type FilterState = Rc<RefCell<BTreeMap<Vec<u8>, Vec<u8>>>>;

#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) root: u32,
    /// Whether the VM has a context for this stream.
    pub(crate) in_vm: bool,
    pub(crate) destroyed: bool,
    pub(crate) request: Direction,
    pub(crate) response: Direction,
    pub(crate) end_of_stream: bool,
    /// `allow_on_headers_stop_iteration`: the body of a request whose headers are held is shown to the filter.
    pub(crate) shows_held_bodies: bool,
    pub(crate) log_phase: bool,
    /// Whether an answer, upstream's or a filter's, is on its way to the client.
    pub(crate) response_started: bool,
    pub(crate) response_headers_sent: bool,
    /// The body of a reply whose headers the filter holds.
    pub(crate) reply_body: Option<Vec<u8>>,
    pub(crate) replies: Vec<LocalReply>,
    /// Nothing more can come: a reply has replaced upstream's answer.
    pub(crate) answered: bool,
    /// The VM died under this stream and Envoy answered for it.
    pub(crate) failed: bool,
    pub(crate) reset: bool,
    pub(crate) response_code: Option<u32>,
    pub(crate) code_details: Option<String>,
    pub(crate) response_flags: u64,
    pub(crate) started_wall_nanos: u64,
    pub(crate) started_nanos: u64,
    pub(crate) duration_nanos: Option<u64>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) filter_state: FilterState,
    pub(crate) last_cost: Cost,
}

/// The maps of a stream, numbered as in the ABI.
pub(crate) const REQUEST_HEADERS: u32 = 0;
pub(crate) const REQUEST_TRAILERS: u32 = 1;
pub(crate) const RESPONSE_HEADERS: u32 = 2;
pub(crate) const RESPONSE_TRAILERS: u32 = 3;

impl Exchange {
    /// A map to read. While logging, everything that arrived can be read, except request trailers.
    pub(crate) fn map(&self, kind: u32) -> Option<&HeaderMap> {
        let (request, response) = (&self.request, &self.response);
        match kind {
            REQUEST_HEADERS => self.request_headers(),
            REQUEST_TRAILERS if !self.log_phase && request.trailers_visible => {
                request.message.trailers.as_ref()
            }
            RESPONSE_HEADERS => self.response_headers(),
            RESPONSE_TRAILERS if self.log_phase || response.trailers_visible => {
                response.message.trailers.as_ref()
            }
            _ => None,
        }
    }

    pub(crate) fn request_headers(&self) -> Option<&HeaderMap> {
        let readable = self.request.headers_visible || self.log_phase && self.has_request();
        readable.then_some(&self.request.message.headers)
    }

    pub(crate) fn response_headers(&self) -> Option<&HeaderMap> {
        let readable = self.response.headers_visible || self.log_phase && self.response_started;
        readable.then_some(&self.response.message.headers)
    }

    fn has_request(&self) -> bool {
        !self.request.message.headers.is_empty()
    }

    /// A map to change. Trailers come into being when asked for at the end of a body.
    pub(crate) fn map_mut(&mut self, kind: u32) -> Option<&mut HeaderMap> {
        let end_of_stream = self.end_of_stream;
        match kind {
            REQUEST_HEADERS if self.request.headers_visible => Some(&mut self.request.message.headers),
            RESPONSE_HEADERS if self.response.headers_visible => Some(&mut self.response.message.headers),
            REQUEST_TRAILERS => self.request.trailers_or_new(end_of_stream),
            RESPONSE_TRAILERS => self.response.trailers_or_new(end_of_stream),
            _ => None,
        }
    }

    /// After a filter asked to resume, in whichever direction, it can no longer reach the request.
    pub(crate) fn hide_request(&mut self) {
        self.request.headers_visible = false;
        self.request.trailers_visible = false;
        self.request.chunk_visible = false;
    }

    /// Whether another reply or a resumption can still have an effect.
    pub(crate) fn is_over(&self) -> bool {
        self.destroyed || self.failed || self.reset
    }
}

/// Writes into a body as Envoy's buffers allow it: in front, over the front, over all, or at the end.
pub(crate) fn write_into(body: &mut Vec<u8>, start: usize, length: usize, data: &[u8]) -> Result<(), Status> {
    if start == 0 {
        body.splice(..length.min(body.len()), data.iter().copied());
        Ok(())
    } else if start >= body.len() {
        body.extend_from_slice(data);
        Ok(())
    } else {
        Err(Status::BadArgument)
    }
}

#[cfg(test)]
mod tests {
    use super::write_into;
    use crate::status::Status;

    #[test]
    fn a_body_can_be_written_in_front_over_and_behind_but_not_amid() {
        type Written = Result<&'static [u8], Status>;
        let rows: [(usize, usize, Written); 6] = [
            (0, 0, Ok(b"XYabcd")),
            (0, 2, Ok(b"XYcd")),
            (0, 4, Ok(b"XY")),
            (0, usize::MAX, Ok(b"XY")),
            (4, 0, Ok(b"abcdXY")),
            (2, 1, Err(Status::BadArgument)),
        ];
        for (start, length, expected) in rows {
            let mut body = b"abcd".to_vec();
            let result = write_into(&mut body, start, length, b"XY").map(|()| body.as_slice());
            assert_eq!(result, expected, "start {start}, length {length}");
        }
    }
}
