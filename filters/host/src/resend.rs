//! Requests that are sent again, or elsewhere, as the router would send them.
//!
//! # How
//!
//! A filter keeps a [`CapturedRequest`] from its request callbacks: in the response phase the request can no longer be read. The body is
//! teed while it streams on, up to a bound. [`CapturedRequest::call`] makes the call-out from it, for the cluster that
//! the route has chosen ([`route_cluster`]), for a named one, or with what the route does to requests as declared.
//! [`CapturedRequest::rewritten_by_route`] tells, in [`crate::Filter::on_log`], whether the route does anything that a
//! call-out would miss.
//!
//! # Limits
//!
//! A call-out is buffered whole, so it is not for bodies without bounds. Request trailers are not seen: such a request never becomes
//! complete.

use crate::host::{Buffer, Headers, Host, HostError, HttpCall, Map};
use ballast_core::resend::{RouteRewrite, difference, headers_of};
use core::time::Duration;

/// What a filter has seen of a request.
#[derive(Clone, Debug, Default)]
pub struct CapturedRequest {
    headers: Headers,
    body: Body,
}

#[derive(Clone, Debug, Default)]
enum Body {
    /// More is to come.
    #[default]
    Open,
    /// More is to come after these.
    Part(Vec<u8>),
    /// This is all.
    Whole(Vec<u8>),
    /// It was longer than what is kept.
    TooLong,
}

impl CapturedRequest {
    /// A request whose headers have come; `end`: it has no body.
    pub fn new(headers: Headers, end: bool) -> Self {
        Self { headers, body: if end { Body::Whole(Vec::new()) } else { Body::Open } }
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Tees `size` bytes that the request body callback is about. A body that is longer than `most` is let go.
    pub fn tee(&mut self, host: &impl Host, size: usize, end: bool, most: usize) {
        let mut body = match core::mem::take(&mut self.body) {
            Body::Open => Vec::new(),
            Body::Part(body) => body,
            done => {
                self.body = done;
                return;
            }
        };
        if body.len().saturating_add(size) > most {
            self.body = Body::TooLong;
            return;
        }
        if size > 0 {
            match host.buffer(Buffer::RequestBody, 0, size) {
                Ok(piece) if piece.len() == size && body.is_empty() => body = piece,
                Ok(piece) if piece.len() == size => body.extend_from_slice(&piece),
                // What is not whole must not be sent again.
                _ => {
                    self.body = Body::TooLong;
                    return;
                }
            }
        }
        self.body = if end { Body::Whole(body) } else { Body::Part(body) };
    }

    /// Gives the body up: it will not be sent again.
    pub fn forget_body(&mut self) {
        self.body = Body::TooLong;
    }

    /// Whether all of it was seen and kept, so that it can be sent again.
    pub fn is_complete(&self) -> bool {
        matches!(self.body, Body::Whole(_))
    }

    /// The whole body; `None`: not all of it was seen and kept.
    pub fn body(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Whole(body) => Some(body),
            _ => None,
        }
    }

    /// Whether its body is longer than what is kept.
    pub fn is_too_long(&self) -> bool {
        matches!(self.body, Body::TooLong)
    }

    /// The call that sends it to `cluster`. `None`: it is not complete, or a header is not text.
    pub fn call(&self, cluster: &str, rewrite: Option<&RouteRewrite>, timeout: Duration) -> Option<HttpCall> {
        let Body::Whole(body) = &self.body else { return None };
        let headers = headers_of(self.headers.iter(), rewrite, body.is_empty()).ok()?;
        Some(HttpCall { cluster: cluster.to_owned(), headers, body: body.clone(), timeout })
    }

    /// In [`crate::Filter::on_log`]: the first header that the route has changed on the way to the upstream.
    ///
    /// # Errors
    ///
    /// The request that was sent cannot be read.
    pub fn rewritten_by_route(&self, host: &impl Host) -> Result<Option<String>, HostError> {
        let sent = host.headers(Map::RequestHeaders);
        if sent.is_empty() {
            return Err(HostError::NotFound);
        }
        Ok(difference(self.headers.iter(), sent.iter()))
    }
}

/// The cluster that the route of the stream leads to.
pub fn route_cluster(host: &impl Host) -> Option<String> {
    let name = host.property("xds\0cluster_name")?;
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}
