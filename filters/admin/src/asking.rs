//! A request to an endpoint, from its head until it is known what is asked and by whom.

use crate::Admin;
use crate::answer;
use crate::stream::{Asked, Stream};
use ballast_core::admin::access::{Asker, Failed, Who, waits};
use ballast_core::admin::params::Params;
use ballast_core::admin::refusal::Refusal;
use ballast_core::admin::route::{Body, Class, Found, Method, below, find};
use ballast_core::rewrite::Rewrite;
use ballast_host::{Buffer, Cx, Flow, Headers, Host, LogLevel, Next};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// The key of who has failed.
const FAILURES: &str = "failures";
/// The longest body of parameters, and of a part of a snapshot.
const MOST_PARAMETERS: usize = 64 * 1_024;
const MOST_SNAPSHOT: usize = 1_024 * 1_024;
/// How long a body may take to begin: one that is not shown never does.
const BODY_WAIT: Duration = Duration::from_secs(2);
/// How long it may take as a whole.
const WHOLE_BODY_WAIT: Duration = Duration::from_secs(10);
const TIMER_BEGIN: u32 = 1;
const TIMER_WHOLE: u32 = 2;

impl Admin {
    /// A request whose path may be one of the endpoints'; `None`: it is not.
    pub(crate) fn ask<H: Host>(
        &mut self,
        stream: &mut Stream,
        headers: &Headers,
        end: bool,
        cx: &mut Cx<'_, H>,
    ) -> Option<Flow> {
        let (path, query) = below(&self.config.prefix, headers.get(":path")?)?;
        let found = self.admit(headers, path, cx);
        let (found, who) = match found {
            Ok(found) => found,
            Err(refusal) => return Some(self.refused(&refusal, cx)),
        };
        let asked =
            Asked { found, who, query: query.to_vec(), accept: headers.get("accept").map(<[u8]>::to_vec) };
        // A body that nothing is to be learnt from is not waited for.
        if end || asked.found.route.method == Method::Get {
            return Some(self.understand(&asked, b"", cx));
        }
        let announced =
            headers.get("content-length").and_then(|length| core::str::from_utf8(length).ok()?.parse().ok());
        let most_bytes = most_bytes(&asked);
        if announced.is_some_and(|length: usize| length > most_bytes) {
            return Some(self.refused(&Refusal::TooLarge { most_bytes }, cx));
        }
        stream.body = Some(Box::new(asked));
        cx.set_timer(BODY_WAIT, TIMER_BEGIN);
        cx.set_timer(WHOLE_BODY_WAIT, TIMER_WHOLE);
        Some(Flow::Pause)
    }

    /// Which endpoint it is, and who asks.
    fn admit<H: Host>(
        &self,
        headers: &Headers,
        path: &[u8],
        cx: &mut Cx<'_, H>,
    ) -> Result<(Found, Who), Refusal> {
        let source = address(cx.host, "source\0address");
        let found = find(headers.get(":method").unwrap_or_default(), path);
        let class = found.as_ref().map_or(Class::Read, |found| found.route.class);
        let is_open = class == Class::Probe && !self.config.access.guard_probes;
        if !is_open && !self.config.access.admits(source) {
            return Err(Refusal::Forbidden("the endpoints are not for this network"));
        }
        let found = found?;
        let asker = Asker {
            source,
            destination: self
                .rights
                .allow_loopback
                .then(|| address(cx.host, "destination\0address"))
                .flatten(),
            authorization: headers.get("authorization"),
            authority: headers.get(":authority"),
            scheme: headers.get(":scheme"),
            origin: headers.get("origin"),
            fetch_site: headers.get("sec-fetch-site"),
        };
        let shows_token = asker.authorization.is_some() && class != Class::Page && !is_open;
        let limit = self.config.access.failures;
        let now = cx.host.now();
        if shows_token {
            let failures = cx.host.shared(&cx.scope().key(FAILURES)).ok().and_then(|shared| shared.value);
            if let Some(wait) = waits(failures.as_deref(), source, limit, now) {
                let retry_after_seconds = wait.as_secs() + 1;
                return Err(Refusal::TooMany { retry_after_seconds });
            }
        }
        match self.rights.check(class, &asker) {
            Ok(who) => Ok((found, who)),
            Err(refusal) => {
                if shows_token && refusal == Refusal::Unauthorized {
                    let failed = Failed { address: source, limit, now };
                    // One that is not counted is refused all the same.
                    let _ = cx.run(&mut Rewrite::new(FAILURES, failed));
                    cx.log(LogLevel::Warn, &format!("a wrong token for {}", found.route.path));
                    cx.event("login_failed", "", found.route.path, "");
                }
                Err(refusal)
            }
        }
    }

    /// A piece of a body that is waited for. It is shown from its beginning each time.
    pub(crate) fn on_body<H: Host>(
        &mut self,
        stream: &mut Stream,
        size: usize,
        end: bool,
        cx: &mut Cx<'_, H>,
    ) -> Flow {
        let Some(asked) = &stream.body else {
            // What is held for its answer must not go on with its body.
            return if stream.counted { Flow::Continue } else { Flow::Pause };
        };
        stream.body_seen = true;
        let most_bytes = most_bytes(asked);
        if size > most_bytes {
            stream.body = None;
            return self.refused(&Refusal::TooLarge { most_bytes }, cx);
        }
        if !end {
            return Flow::Pause;
        }
        let Some(asked) = stream.body.take() else { return Flow::Pause };
        match cx.host.buffer(Buffer::RequestBody, 0, size) {
            Ok(body) if body.len() == size => self.understand(&asked, &body, cx),
            // A body without any byte cannot be read.
            _ if size == 0 => self.understand(&asked, b"", cx),
            _ => self.refused(&Refusal::Unavailable("the body cannot be read".to_owned()), cx),
        }
    }

    /// The time for a body is up.
    pub(crate) fn on_no_body<H: Host>(
        &mut self,
        stream: &mut Stream,
        timer: u32,
        cx: &mut Cx<'_, H>,
    ) -> Next {
        let late = stream.body.is_some() && (timer == TIMER_WHOLE || !stream.body_seen);
        if !late {
            return Next::Stay;
        }
        stream.body = None;
        let detail = match stream.body_seen {
            true => "the body has not come in time",
            false => {
                "no body is seen here: say it in the query, or set allow_on_headers_stop_iteration for this plugin"
            }
        };
        Next::Reply(Box::new(self.refusal(&Refusal::body(detail), cx)))
    }

    /// All of a request is there.
    fn understand<H: Host>(&mut self, asked: &Asked, body: &[u8], cx: &mut Cx<'_, H>) -> Flow {
        let route = asked.found.route;
        let (for_parameters, rest) = match route.body {
            Body::Parameters => (body, &b""[..]),
            Body::Snapshot => (&b""[..], body),
        };
        let outcome = Params::read(route.parameters, &asked.query, for_parameters)
            .and_then(|params| self.act(asked, &params, rest, cx));
        match outcome {
            Ok(flow) => {
                self.metrics.answered.add(cx.host, 1);
                flow
            }
            Err(refusal) => self.refused(&refusal, cx),
        }
    }

    pub(crate) fn refused<H: Host>(&self, refusal: &Refusal, cx: &Cx<'_, H>) -> Flow {
        Flow::Reply(Box::new(self.refusal(refusal, cx)))
    }

    pub(crate) fn refusal<H: Host>(&self, refusal: &Refusal, cx: &Cx<'_, H>) -> ballast_host::Reply {
        self.metrics.refused(cx.host, refusal.reason());
        answer::refusal(refusal)
    }
}

const fn most_bytes(asked: &Asked) -> usize {
    match asked.found.route.body {
        Body::Parameters => MOST_PARAMETERS,
        Body::Snapshot => MOST_SNAPSHOT,
    }
}

/// An address that the proxy knows, without its port.
fn address(host: &impl Host, property: &str) -> Option<IpAddr> {
    let text = host.property(property)?;
    core::str::from_utf8(&text).ok()?.parse::<SocketAddr>().ok().map(|address| address.ip())
}
