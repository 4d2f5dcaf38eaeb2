//! How a request is refused.

use ballast_core::http::{Problem, accepts_problem, is_grpc, retry_after_seconds};
use ballast_core::load_shedding::Reason;
use ballast_core::load_shedding::config::Config;
use ballast_host::{Cx, Host, HostRandom, LogLevel, Map, Reply};

/// RESOURCE_EXHAUSTED.
const RESOURCE_EXHAUSTED: u8 = 8;
/// UNAVAILABLE.
const UNAVAILABLE: u8 = 14;

/// The answer of a refusal. `rule` is the bulkhead's or the admission rule's name, or the class.
pub(crate) fn reply<H: Host>(config: &Config, reason: Reason, rule: &str, cx: &Cx<'_, H>) -> Box<Reply> {
    let host = cx.host;
    let state = format!("{rule},{}", reason.as_str());
    mark(&state, cx);
    let reject = &config.reject;
    let seconds = retry_after_seconds(reject.retry_after, reject.retry_after_jitter, &mut HostRandom(host));
    let mut headers = vec![("retry-after".to_owned(), seconds.to_string().into_bytes())];
    let request = host.headers(Map::RequestHeaders);
    let problem = reject.problem(reason);
    let grpc = is_grpc(request.get("content-type"));
    let body = if grpc {
        problem.title.as_bytes().to_vec()
    } else if accepts_problem(request.get("accept")) {
        headers.push(("content-type".to_owned(), Problem::MEDIA_TYPE.into()));
        problem.to_json()
    } else {
        format!("{}\n", problem.title).into_bytes()
    };
    let grpc_status = if reason == Reason::Bulkhead { RESOURCE_EXHAUSTED } else { UNAVAILABLE };
    Box::new(Reply {
        status: if grpc { 200 } else { reject.status },
        details: format!("ballast_load_shedding{{{state}}}"),
        headers,
        body,
        grpc_status: grpc.then_some(grpc_status),
    })
}

/// Says in the filter state what was decided, or in shadow mode would have been.
pub(crate) fn mark<H: Host>(state: &str, cx: &Cx<'_, H>) {
    if let Err(error) = cx.host.set_filter_state("ballast.load-shedding", state.as_bytes()) {
        cx.log(LogLevel::Debug, &format!("no filter state: {error}"));
    }
}
