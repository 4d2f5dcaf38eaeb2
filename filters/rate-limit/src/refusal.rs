//! How a request is refused.

use ballast_core::http::{Lines, Problem, accepts_problem, is_grpc, retry_after_seconds};
use ballast_core::rate_limit::config::Config;
use ballast_core::rate_limit::headers::{Reason, problem};
use ballast_core::rate_limit::{Algorithm, Decision, Verdict};
use ballast_host::{Cx, Flow, Host, HostRandom, LogLevel, Map, Reply};
use core::time::Duration;

/// RESOURCE_EXHAUSTED.
const RESOURCE_EXHAUSTED: u8 = 8;
/// UNAVAILABLE.
const UNAVAILABLE: u8 = 14;

/// What a response says in shadow mode: the limits that would have refused.
const SHADOW_HEADER: &str = "x-ballast-rate-limit-shadow";

/// A limit is in the way.
pub(crate) fn over_limit<H: Host>(config: &Config, decision: &Decision, cx: &Cx<'_, H>) -> Flow {
    let refused_by = decision.refused_by.and_then(|index| decision.verdicts.get(index));
    let reason = refused_by.and_then(Reason::of).unwrap_or(Reason::Error);
    let limit = refused_by.map_or("", |verdict| config.name_of(verdict.ask.limit));
    let wait = decision.wait().or_else(|| awaits_release(refused_by).then_some(Duration::ZERO));
    let body = problem(config.status, decision, |limit| config.name_of(limit));
    refuse(config, cx, &Refusal { limit, reason, wait, grpc_status: RESOURCE_EXHAUSTED, body })
}

/// The request lacks a part of a key, and the limit denies such.
pub(crate) fn missing_key<H: Host>(config: &Config, limit: u16, cx: &Cx<'_, H>) -> Flow {
    let (limit, reason) = (config.name_of(limit), Reason::MissingKey);
    let title = "Request lacks what it is to be counted by";
    let body = Problem { kind: "about:blank", title, status: config.status, more: Default::default() };
    refuse(config, cx, &Refusal { limit, reason, wait: None, grpc_status: RESOURCE_EXHAUSTED, body })
}

/// No limit can decide, and the configuration denies then.
pub(crate) fn broken<H: Host>(config: &Config, cx: &Cx<'_, H>) -> Flow {
    let body = problem(config.status, &Decision::default(), |_| "");
    refuse(
        config,
        cx,
        &Refusal { limit: "", reason: Reason::Error, wait: None, grpc_status: UNAVAILABLE, body },
    )
}

/// Whether a limit that is not enforced would have refused.
pub(crate) fn is_marked(decision: &Decision) -> bool {
    decision.verdicts.iter().any(would_refuse)
}

/// The header that says so.
pub(crate) fn shadow_mark(config: &Config, decision: &Decision) -> Option<(&'static str, String)> {
    let names: Vec<&str> = decision
        .verdicts
        .iter()
        .filter(|verdict| would_refuse(verdict))
        .map(|verdict| config.name_of(verdict.ask.limit))
        .collect();
    (!names.is_empty()).then(|| (SHADOW_HEADER, names.join(",")))
}

fn would_refuse(verdict: &Verdict) -> bool {
    !verdict.ask.enforced && Reason::of(verdict).is_some()
}

/// Whether a release, and not time, is what the request waits for: a second is as good a guess as any.
fn awaits_release(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(|verdict| matches!(verdict.ask.algorithm, Algorithm::Concurrency { .. }))
}

struct Refusal<'a> {
    limit: &'a str,
    reason: Reason,
    wait: Option<Duration>,
    grpc_status: u8,
    body: Problem,
}

fn refuse<H: Host>(config: &Config, cx: &Cx<'_, H>, refusal: &Refusal<'_>) -> Flow {
    let host = cx.host;
    let state = format!("{},{}", refusal.limit, refusal.reason.as_str());
    if let Err(error) = host.set_filter_state("ballast.rate-limit", state.as_bytes()) {
        cx.log(LogLevel::Debug, &format!("no filter state: {error}"));
    }
    let mut headers = Lines::with_capacity(3, 96);
    headers.push("x-envoy-ratelimited", "true");
    if let Some(wait) = refusal.wait {
        let seconds = retry_after_seconds(wait, config.retry_after_jitter, &mut HostRandom(host));
        headers.push("retry-after", seconds.to_string());
    }
    let added = config.response_headers.iter();
    headers.extend(added.map(|(name, value)| (name, value)));
    let grpc = is_grpc(host.header(Map::RequestHeaders, "content-type").as_deref());
    let body = match &config.response_body {
        Some(text) => text.clone().into_bytes(),
        None if grpc => refusal.body.title.as_bytes().to_vec(),
        None if accepts_problem(host.header(Map::RequestHeaders, "accept").as_deref()) => {
            headers.push("content-type", Problem::MEDIA_TYPE);
            refusal.body.to_json()
        }
        None => format!("{}\n", refusal.body.title).into_bytes(),
    };
    Flow::Reply(Box::new(Reply {
        status: if grpc { 200 } else { config.status },
        details: format!("ballast_rate_limit{{{state}}}").into(),
        headers,
        body: body.into(),
        grpc_status: grpc.then_some(refusal.grpc_status),
    }))
}
