//! What one answer looks like.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::StatusCode;

/// One answer: status, headers, when, how much, in which pieces, and where it breaks off.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) delay: Duration,
    pub(crate) body: Content,
    pub(crate) chunks: Option<Chunks>,
    pub(crate) trailers: HeaderMap,
    pub(crate) reset: Option<Reset>,
}

/// What the body consists of.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// The request, described as JSON.
    Echo,
    /// These bytes.
    Given(Bytes),
    /// So many bytes of filling.
    Filling { bytes: u64 },
}

/// A body sent in pieces (over HTTP/1.1 without a content length).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// Size of each piece in bytes; the last may be smaller.
    pub bytes: usize,
    /// Pause between two pieces.
    pub gap: Duration,
}

/// Where the TCP connection is reset (RST, not FIN). Over HTTP/2 this ends every stream of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Before anything of the answer was sent.
    BeforeHeaders,
    /// After the headers, before any byte of the body.
    AfterHeaders,
    /// After so many bytes of the body.
    AmidBody {
        /// Bytes of the body that are sent.
        after_bytes: u64,
    },
}

impl Answer {
    /// 200 with an echo of the request: method, path, version and headers as JSON.
    #[must_use]
    pub fn echo() -> Self {
        let mut echo = Self::with(StatusCode::OK, Content::Echo);
        echo.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        echo
    }

    /// 200 without a body.
    #[must_use]
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// This status without a body.
    ///
    /// # Panics
    /// When `status` is not within 100..=999.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::with(StatusCode::from_u16(status).expect("a status code"), Content::Given(Bytes::new()))
    }

    /// A gRPC answer whose status stands in real trailers; with code 0 one empty message comes before them.
    #[must_use]
    pub fn grpc(code: u32, message: &str) -> Self {
        // A message without compression and of length zero is five zero bytes.
        let frame: &'static [u8] = if code == 0 { &[0; 5] } else { &[] };
        Self::ok()
            .header("content-type", "application/grpc")
            .body(frame)
            .trailer("grpc-status", &code.to_string())
            .trailer("grpc-message", message)
    }

    /// A gRPC answer that consists of headers only: how most servers report errors.
    #[must_use]
    pub fn grpc_trailers_only(code: u32, message: &str) -> Self {
        Self::ok()
            .header("content-type", "application/grpc")
            .header("grpc-status", &code.to_string())
            .header("grpc-message", message)
    }

    /// Adds a header (a name may be given several times).
    ///
    /// # Panics
    /// When the name or the value is not a valid header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = pair(name, value);
        self.headers.append(name, value);
        self
    }

    /// Waits before the headers are sent.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends these bytes as the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Content::Given(body.into());
        self
    }

    /// Sends a body of so many bytes, all of them `x`.
    #[must_use]
    pub fn body_bytes(mut self, bytes: u64) -> Self {
        self.body = Content::Filling { bytes };
        self
    }

    /// Sends the body in pieces of so many bytes with a pause between them.
    ///
    /// # Panics
    /// When `bytes` is zero.
    #[must_use]
    pub fn chunks(mut self, bytes: usize, gap: Duration) -> Self {
        assert!(bytes > 0, "a chunk holds at least one byte");
        self.chunks = Some(Chunks { bytes, gap });
        self
    }

    /// Adds a trailer. Over HTTP/1.1 it reaches only clients that send `te: trailers`.
    ///
    /// # Panics
    /// When the name or the value is not a valid header.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        let (name, value) = pair(name, value);
        self.trailers.append(name, value);
        self
    }

    /// Resets the connection at this point.
    #[must_use]
    pub fn reset(mut self, at: Reset) -> Self {
        self.reset = Some(at);
        self
    }

    /// The size of the body, where it does not depend on the request.
    pub(crate) fn given_body_bytes(&self) -> Option<u64> {
        match &self.body {
            Content::Echo => None,
            Content::Given(bytes) => Some(bytes.len() as u64),
            Content::Filling { bytes } => Some(*bytes),
        }
    }

    fn with(status: StatusCode, body: Content) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            delay: Duration::ZERO,
            body,
            chunks: None,
            trailers: HeaderMap::new(),
            reset: None,
        }
    }
}

fn pair(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
    (name, HeaderValue::from_str(value).expect("a header value"))
}
