//! A client that shows every byte (HTTP/1.1) or every frame (HTTP/2) of an answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Body;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};

use ballast_upstream::Upstream;

/// What was read before the connection broke, and how it broke.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) seen: String,
    pub(crate) error: io::Error,
}

pub(crate) fn connect(upstream: &Upstream) -> TcpStream {
    let stream = TcpStream::connect(upstream.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

/// Everything until the server closes.
pub(crate) fn rest(mut stream: TcpStream) -> Result<String, Broken> {
    let mut seen = Vec::new();
    let read = stream.read_to_end(&mut seen);
    let seen = String::from_utf8(seen).unwrap();
    match read {
        Ok(_) => Ok(seen),
        Err(error) => Err(Broken { seen, error }),
    }
}

pub(crate) fn get(upstream: &Upstream, path: &str) -> Result<String, Broken> {
    get_with(upstream, path, "")
}

pub(crate) fn get_with(upstream: &Upstream, path: &str, headers: &str) -> Result<String, Broken> {
    let mut stream = connect(upstream);
    let request = format!("GET {path} HTTP/1.1\r\nhost: u\r\nconnection: close, te\r\n{headers}\r\n");
    send(&mut stream, request.as_bytes());
    rest(stream)
}

/// Waits for a condition.
pub(crate) fn until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the condition did not come true within 10 s");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[derive(Debug)]
pub(crate) struct Answered {
    headers: HeaderMap,
    trailers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) ended_with_headers: bool,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The answer over HTTP/2, or where it broke off.
pub(crate) async fn http2(upstream: &Upstream, path: &str) -> Result<Answered, String> {
    let stream = tokio::net::TcpStream::connect(upstream.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(upstream.url(path)).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.map_err(|_| "before the headers".to_owned())?;
    let (parts, mut body) = response.into_parts();
    let ended_with_headers = body.is_end_stream();
    let (mut seen, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| format!("after {} bytes", seen.len()))?;
        match frame.into_data() {
            Ok(data) => seen.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap(),
        }
    }
    Ok(Answered { headers: parts.headers, trailers, body: seen.into(), ended_with_headers })
}
