//! How a request is refused.

use ballast_core::http::{Lines, Problem, accepts_problem, is_grpc, retry_after_seconds};
use ballast_core::load_shedding::Reason;
use ballast_core::load_shedding::config::Config;
use ballast_host::{Cx, Host, HostRandom, LogLevel, Map, Reply};

/// RESOURCE_EXHAUSTED.
const RESOURCE_EXHAUSTED: u8 = 8;
/// UNAVAILABLE.
const UNAVAILABLE: u8 = 14;

/// The problem details of each reason, written once: what is refused must cost little.
#[derive(Debug)]
pub(crate) struct Problems(Vec<(Reason, Vec<u8>)>);

impl Problems {
    pub(crate) fn new(config: &Config) -> Self {
        let problem = |reason: &Reason| (*reason, config.reject.problem(*reason).to_json());
        Self(Reason::ALL.iter().map(problem).collect())
    }

    fn of(&self, reason: Reason) -> Vec<u8> {
        self.0.iter().find(|(known, _)| *known == reason).map(|(_, json)| json.clone()).unwrap_or_default()
    }
}

/// The answer of a refusal. `rule` is the bulkhead's or the admission rule's name, or the class.
pub(crate) fn reply<H: Host>(
    config: &Config,
    problems: &Problems,
    reason: Reason,
    rule: &str,
    cx: &Cx<'_, H>,
) -> Box<Reply> {
    let host = cx.host;
    let state = [rule, ",", reason.as_str()].concat();
    mark(&state, cx);
    let reject = &config.reject;
    let seconds = retry_after_seconds(reject.retry_after, reject.retry_after_jitter, &mut HostRandom(host));
    let mut headers = Lines::with_capacity(2, 64);
    headers.push("retry-after", seconds.to_string());
    // Most requests have at most one of the two, and what is absent costs little.
    let of_request = |name| host.header(Map::RequestHeaders, name);
    let grpc = is_grpc(of_request("content-type").as_deref());
    let body = if grpc {
        reject.title().as_bytes().to_vec()
    } else if accepts_problem(of_request("accept").as_deref()) {
        headers.push("content-type", Problem::MEDIA_TYPE);
        problems.of(reason)
    } else {
        [reject.title(), "\n"].concat().into_bytes()
    };
    let grpc_status = if reason == Reason::Bulkhead { RESOURCE_EXHAUSTED } else { UNAVAILABLE };
    Box::new(Reply {
        status: if grpc { 200 } else { reject.status },
        details: ["ballast_load_shedding{", &state, "}"].concat().into(),
        headers,
        body: body.into(),
        grpc_status: grpc.then_some(grpc_status),
    })
}

/// Says in the filter state what was decided, or in shadow mode would have been.
pub(crate) fn mark<H: Host>(state: &str, cx: &Cx<'_, H>) {
    if let Err(error) = cx.host.set_filter_state("ballast.load-shedding", state.as_bytes()) {
        cx.log(LogLevel::Debug, &format!("no filter state: {error}"));
    }
}
