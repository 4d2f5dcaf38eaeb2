//! A client for tests: one request, one connection, or one that goes away halfway.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// After this an answer counts as missing, so that a hanging request fails its test.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    /// The connection or the stream broke before the answer was complete.
    #[error("no complete answer: {0}")]
    Broken(#[from] hyper::Error),
    /// No complete answer in time.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
}

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
    protocol: Protocol,
    timeout: Duration,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers; names may be repeated.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers.
    pub trailers: HeaderMap,
}

impl Request {
    /// A request with this method. The URL is `http://address:port/path`.
    ///
    /// # Panics
    /// When the method or URL is none.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.parse().expect("a method"),
            url: url.parse().expect("a URL"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            protocol: Protocol::Http1,
            timeout: TIMEOUT,
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A POST.
    #[must_use]
    pub fn post(url: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", url).body(body)
    }

    /// Adds a header (a name may be given several times). `host` replaces the URL's.
    ///
    /// # Panics
    /// When the name or the value is not a valid header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).expect("a header value"));
        self
    }

    /// Another path (and query) on the same host.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        let mut parts = self.url.into_parts();
        parts.path_and_query = Some(path.parse().expect("a path"));
        self.url = Uri::from_parts(parts).expect("a URL");
        self
    }

    /// Sends this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Uses this protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Uses HTTP/2.
    #[must_use]
    pub fn http2(self) -> Self {
        self.protocol(Protocol::Http2)
    }

    /// Waits so long for the complete answer; 30 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it on a connection of its own.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn send(&self) -> Result<Response, ClientError> {
        Connection::open(&self.url.to_string(), self.protocol).await?.send(self).await
    }

    /// Sends it on a connection of its own without waiting for the answer.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn begin(&self) -> Result<Pending, ClientError> {
        let mut connection = Connection::open(&self.url.to_string(), self.protocol).await?;
        let request = self.clone();
        Ok(Pending(tokio::spawn(async move { connection.send(&request).await })))
    }

    fn to_http(&self) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        match self.protocol {
            Protocol::Http1 => {
                *request.uri_mut() =
                    self.url.path_and_query().map_or("/", |path| path.as_str()).parse().expect("a path");
                if let (false, Some(authority)) = (self.headers.contains_key(HOST), self.url.authority()) {
                    let host = HeaderValue::from_str(authority.as_str()).expect("an authority");
                    request.headers_mut().insert(HOST, host);
                }
            }
            Protocol::Http2 => {
                *request.uri_mut() = self.url.clone();
                *request.version_mut() = hyper::Version::HTTP_2;
                if let Some(host) = request.headers_mut().remove(HOST) {
                    let mut parts = self.url.clone().into_parts();
                    parts.authority = Some(host.as_bytes().try_into().expect("an authority"));
                    *request.uri_mut() = Uri::from_parts(parts).expect("a URL");
                }
            }
        }
        request
    }
}

impl Response {
    /// The first header with this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Every header with this name, as far as they are text.
    #[must_use]
    pub fn headers_all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// The trailer with this name, if it is text.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.get(name)?.to_str().ok()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection that is kept. Dropping it closes it, also amid an answer.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects to the host of the URL, which is an address with a port.
    ///
    /// # Errors
    /// When there is no connection.
    ///
    /// # Panics
    /// When the URL names no address and port.
    pub async fn open(url: &str, protocol: Protocol) -> Result<Self, ClientError> {
        let url: Uri = url.parse().expect("a URL");
        let address: SocketAddr = url
            .authority()
            .and_then(|host| host.as_str().parse().ok())
            .expect("an address and port in the URL");
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        let (sender, task) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                // How it ended shows in the answer.
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Self { sender, task })
    }

    /// Sends a request and reads the complete answer. The request's own protocol is not looked at.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn send(&mut self, request: &Request) -> Result<Response, ClientError> {
        let answer = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    let request = request.clone().protocol(Protocol::Http1).to_http();
                    complete(sender.send_request(request).await?).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    let request = request.clone().protocol(Protocol::Http2).to_http();
                    complete(sender.send_request(request).await?).await
                }
            }
        };
        tokio::time::timeout(request.timeout, answer)
            .await
            .map_err(|_| ClientError::Timeout(request.timeout))?
    }

    /// Sends a request without waiting for the answer. Only HTTP/2 can carry several at a time.
    ///
    /// # Panics
    /// When the connection is another.
    #[must_use]
    pub fn begin(&self, request: &Request) -> Pending {
        let (mut sender, request) = (self.share().expect("an HTTP/2 connection"), request.clone());
        Pending(tokio::spawn(async move { sender.send(&request).await }))
    }

    /// Whether a request could still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Another handle on the same connection; only HTTP/2 can carry several requests at a time.
    pub(crate) fn share(&self) -> Option<SharedSender> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(SharedSender(sender.clone())),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The task owns the socket.
        self.task.abort();
    }
}

/// One of several users of an HTTP/2 connection.
pub(crate) struct SharedSender(http2::SendRequest<Full<Bytes>>);

impl SharedSender {
    pub(crate) async fn send(&mut self, request: &Request) -> Result<Response, ClientError> {
        let answer = async {
            self.0.ready().await?;
            let request = request.clone().protocol(Protocol::Http2).to_http();
            complete(self.0.send_request(request).await?).await
        };
        tokio::time::timeout(request.timeout, answer)
            .await
            .map_err(|_| ClientError::Timeout(request.timeout))?
    }
}

/// A request whose answer is not awaited yet. Dropping it leaves the request running; [`Pending::kill`] does not.
#[derive(Debug)]
pub struct Pending(JoinHandle<Result<Response, ClientError>>);

impl Pending {
    /// Waits for the answer.
    ///
    /// # Errors
    /// When there is no complete answer.
    ///
    /// # Panics
    /// When the request's task did.
    pub async fn answer(self) -> Result<Response, ClientError> {
        self.0.await.expect("the request's task does not panic")
    }

    /// Whether the answer is there, or will not come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// Closes the connection, as a client does that goes away.
    pub fn kill(self) {
        self.0.abort();
    }
}

async fn complete(response: hyper::Response<Incoming>) -> Result<Response, ClientError> {
    let (parts, body) = response.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok(Response {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: collected.to_bytes(),
        trailers,
    })
}
