//! A load that keeps a proxy busy: a few connections, and a client that never sleeps.
//!
//! # Why
//!
//! Who writes to a socket whose reader sleeps is charged for waking it, and in a virtual machine that takes as long as a filter
//! does. A client that sleeps between answers is woken the more often the slower the proxy is, so a filter would be charged for
//! wake-ups that the proxy without it is spared. This client reads its sockets again and again: it is never asleep, and the proxy
//! always finds another connection's request when it has answered one.
//!
//! # Limits
//!
//! It takes one core for itself. GETs without bodies over HTTP/1.1; answers say how long they are, or have no body.

use crate::cores::take_last;
use crate::cpu::cpu_nanos;
use anyhow::{Context, Result, bail, ensure};
use ballast_harness::Envoy;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The requests before the first round: a VM compiles anew what is called often.
pub const WARM_UP: u64 = 20_000;
const CONNECTIONS: usize = 16;
/// Without any answer for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most headers of an answer.
const MOST_HEADERS: usize = 32;

/// How many answers there were of each status.
pub type Statuses = BTreeMap<u16, u64>;

/// Sends so many requests, each as `request` makes it from its number: a path, and header lines that end with CRLF. Goes on while
/// other tasks of the runtime do.
///
/// # Errors
/// When a connection fails or is closed, an answer is none, or there are no answers any more.
pub fn saturate(
    url: &str,
    requests: u64,
    request: impl Fn(u64) -> (String, String) + Send,
) -> Result<Statuses> {
    let client = || {
        take_last()?;
        run(url, requests, request)
    };
    tokio::task::block_in_place(|| std::thread::scope(|scope| scope.spawn(client).join()))
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// CPU microseconds per request of a proxy, each of whose answers must have this status.
///
/// # Errors
/// When one has another, or the load fails.
pub(crate) async fn cpu_per_request(
    envoy: &Envoy,
    status: u16,
    requests: u64,
    request: impl Fn(u64) -> (String, String) + Send,
) -> Result<f64> {
    let pid = envoy.pid().await;
    let before = cpu_nanos(pid);
    let statuses = saturate(&envoy.url("/"), requests, request)?;
    let took = cpu_nanos(pid) - before;
    ensure!(statuses == Statuses::from([(status, requests)]), "not all {status}: {statuses:?}");
    Ok(took as f64 / requests as f64 / 1_000.0)
}

fn run(url: &str, requests: u64, request: impl Fn(u64) -> (String, String)) -> Result<Statuses> {
    let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).context("a URL")?;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(address)?);
    }
    let mut statuses = Statuses::new();
    let (mut sent, mut done) = (0, 0);
    let mut last = Instant::now();
    while done < requests {
        let mut is_idle = true;
        for client in &mut clients {
            if client.waits {
                let Some(status) = client.poll()? else { continue };
                *statuses.entry(status).or_default() += 1;
                done += 1;
                is_idle = false;
            }
            if sent < requests {
                let (path, headers) = request(sent);
                client.send(&format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n"))?;
                sent += 1;
            }
        }
        if !is_idle {
            last = Instant::now();
        }
        ensure!(last.elapsed() < PATIENCE, "{done} of {requests} requests were answered, and then none");
    }
    Ok(statuses)
}

/// One connection.
struct Client {
    stream: TcpStream,
    /// What has come of the answer so far.
    answer: Vec<u8>,
    /// A request is under way.
    waits: bool,
}

impl Client {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, answer: Vec::new(), waits: false })
    }

    fn send(&mut self, request: &str) -> Result<()> {
        self.waits = true;
        // A request is far smaller than what a socket takes at once.
        self.stream.write_all(request.as_bytes()).context("a request cannot be sent")
    }

    /// The status of the answer, once it is there as a whole.
    fn poll(&mut self) -> Result<Option<u16>> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => bail!("the connection was closed"),
            Ok(size) => self.answer.extend_from_slice(&chunk[..size]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("an answer cannot be read"),
        }
        let Some((status, size)) = measure(&self.answer)? else { return Ok(None) };
        if self.answer.len() < size {
            return Ok(None);
        }
        ensure!(self.answer.len() == size, "more came than was asked for");
        self.answer.clear();
        self.waits = false;
        Ok(Some(status))
    }
}

/// Status and length of the answer that begins here, once its headers are there.
fn measure(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(size) = head.parse(answer)? else { return Ok(None) };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = length
        .map_or(Ok(0), |header| std::str::from_utf8(header.value)?.parse::<usize>().context("a length"))?;
    Ok(Some((head.code.context("a status")?, size + body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_head_and_its_body() {
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(measure(head.as_bytes()).unwrap(), Some((503, head.len() + 5)));
        assert_eq!(measure(&head.as_bytes()[..40]).unwrap(), None);
        let bare = "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n";
        assert_eq!(measure(bare.as_bytes()).unwrap(), Some((200, bare.len())));
        assert!(measure(b"no answer\r\n\r\n").is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_request_is_sent_once_and_every_answer_counted() {
        let upstream = ballast_upstream::Upstream::start();
        upstream.script("/", ballast_upstream::Answer::ok().body_bytes(20_000));
        upstream.script("/bad", ballast_upstream::Answer::status(503));
        let url = format!("http://{}/", upstream.address());
        let statuses = saturate(&url, 200, |number| {
            (if number % 4 == 0 { "/bad" } else { "/" }.to_owned(), "x-key: a\r\n".to_owned())
        })
        .unwrap();
        assert_eq!(statuses, Statuses::from([(200, 150), (503, 50)]));
        assert_eq!((upstream.received(), upstream.received_at("/bad")), (200, 50));
    }
}
