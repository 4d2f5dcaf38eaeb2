//! How a request is refused.

use ballast_core::circuit_breaker::config::{Config, Fallback, Rule};
use ballast_core::http::{Lines, Problem, accepts_problem, is_grpc, retry_after_seconds};
use ballast_core::random::{Random, SplitMix};
use ballast_host::{Cx, Flow, Host, LogLevel, Map, Reply};
use core::cell::Cell;
use core::time::Duration;

/// The status of a refusal that no rule has one for.
const BROKEN: u16 = 503;
/// UNAVAILABLE.
const UNAVAILABLE: u8 = 14;
/// What a route matches to send a refused request elsewhere.
pub(crate) const FALLBACK_HEADER: &str = "x-ballast-fallback-cluster";
/// The fact by which other filters, and the access log, know what the breaker said.
pub(crate) const FACT: &str = "circuit-breaker";

/// What a refusal says to people.
const TITLE: &str = "Upstream is being left alone";

/// What refusals are made of, prepared once: what is refused must cost little.
#[derive(Debug)]
pub(crate) struct Answers {
    /// The problem details for each status that refusals have.
    problems: Vec<(u16, Vec<u8>)>,
    /// For jitter: a sequence of its own, since the proxy's randomness is a call.
    random: Cell<SplitMix>,
}

impl Answers {
    pub(crate) fn new(config: &Config, host: &impl Host) -> Self {
        let answers = config.breakers.iter().filter_map(|rule| match &rule.fallback {
            Fallback::Answer { status, .. } => Some(*status),
            Fallback::Cluster(_) => None,
        });
        Self {
            problems: answers.chain([BROKEN]).map(|status| (status, problem(status))).collect(),
            random: Cell::new(SplitMix::new(host.random())),
        }
    }

    fn problem(&self, status: u16) -> Vec<u8> {
        let known = self.problems.iter().find(|(known, _)| *known == status);
        known.map_or_else(|| problem(status), |(_, json)| json.clone())
    }
}

impl Random for &Answers {
    fn next_u64(&mut self) -> u64 {
        let mut random = self.random.get();
        let bits = random.next_u64();
        self.random.set(random);
        bits
    }
}

fn problem(status: u16) -> Vec<u8> {
    Problem { kind: "about:blank", title: TITLE, status, more: Default::default() }.to_json()
}

/// Why a request is refused, for the access log and other filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'a> {
    /// The rule's name.
    pub(crate) rule: &'a str,
    /// The state that refuses, or what is wrong.
    pub(crate) reason: &'a str,
    /// For how long, as far as that is known.
    pub(crate) wait: Option<Duration>,
    /// The request is known to have no body.
    pub(crate) is_bodiless: bool,
}

/// States what the breaker said about the request of this stream.
pub(crate) fn state<H: Host>(rule: &str, reason: &str, cx: &Cx<'_, H>) {
    if let Err(error) = cx.set_fact(FACT, [rule, ",", reason].concat().as_bytes()) {
        cx.log(LogLevel::Debug, &format!("no filter state: {error}"));
    }
}

/// Sends the request where its rule says: an answer, or another cluster.
pub(crate) fn fall_back<H: Host>(
    config: &Config,
    answers: &Answers,
    rule: &Rule,
    refusal: Refusal<'_>,
    cx: &Cx<'_, H>,
) -> Flow {
    state(refusal.rule, refusal.reason, cx);
    match &rule.fallback {
        Fallback::Answer { status, body, headers } => {
            answer(config, answers, *status, body.as_deref(), headers, refusal, cx)
        }
        Fallback::Cluster(cluster) => reroute(cluster, cx),
    }
}

/// The shared store does not answer, or the request lacks its key.
pub(crate) fn deny<H: Host>(
    config: &Config,
    answers: &Answers,
    refusal: Refusal<'_>,
    cx: &Cx<'_, H>,
) -> Flow {
    state(refusal.rule, refusal.reason, cx);
    answer(config, answers, BROKEN, None, &[], refusal, cx)
}

fn reroute<H: Host>(cluster: &str, cx: &Cx<'_, H>) -> Flow {
    let set = cx.host.set_header(Map::RequestHeaders, FALLBACK_HEADER, cluster.as_bytes());
    // Some proxies do it by themselves when a header changes.
    let cleared = cx.host.foreign_function("clear_route_cache", b"");
    if let Err(error) = set.and(cleared.map(drop)) {
        cx.log(LogLevel::Warn, &format!("a request could not be sent to `{cluster}`: {error}"));
    }
    Flow::Continue
}

fn answer<H: Host>(
    config: &Config,
    answers: &Answers,
    status: u16,
    body: Option<&str>,
    more: &[(String, String)],
    refusal: Refusal<'_>,
    cx: &Cx<'_, H>,
) -> Flow {
    let host = cx.host;
    // Most requests have at most one of the two, and what is absent costs little. A gRPC call always has a body, if an empty one.
    let of_request = |name| host.header(Map::RequestHeaders, name);
    let grpc = !refusal.is_bodiless && is_grpc(of_request("content-type").as_deref());
    let mut headers = Lines::with_capacity(5 + more.len(), 160);
    // Whoever called through a proxy of its own must not have it retried there.
    headers.push("x-envoy-ratelimited", "true");
    if grpc {
        headers.push("grpc-retry-pushback-ms", "-1");
    }
    let wait = refusal.wait.unwrap_or(Duration::from_secs(1));
    let seconds = retry_after_seconds(wait, config.retry_after_jitter, &mut &*answers);
    headers.push("retry-after", seconds.to_string());
    // Whatever its status is: it is no answer of the upstream's, and no cache keeps it.
    headers.push("cache-control", "no-store");
    headers.extend(more.iter().map(|(name, value)| (name, value)));
    let body = match body {
        Some(text) => text.as_bytes().to_vec(),
        None if grpc => TITLE.as_bytes().to_vec(),
        None if accepts_problem(of_request("accept").as_deref()) => {
            headers.push("content-type", Problem::MEDIA_TYPE);
            answers.problem(status)
        }
        None => [TITLE, "\n"].concat().into_bytes(),
    };
    Flow::Reply(Box::new(Reply {
        status: if grpc { 200 } else { status },
        details: ["ballast_circuit_breaker{", refusal.rule, ",", refusal.reason, "}"].concat().into(),
        headers,
        body: body.into(),
        grpc_status: grpc.then_some(UNAVAILABLE),
    }))
}
