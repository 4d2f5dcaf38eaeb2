//! How an answer is read, and what it is marked with.

use ballast_core::http::number;
use ballast_core::retry_policy::attempts::Said;
use ballast_core::retry_policy::config::{Config, Policy};
use ballast_core::retry_policy::outcome::Outcome;
use ballast_core::retry_policy::retry_after::{Asked, asked};
use ballast_host::{Answer, Headers, Host, Map, route_cluster};

/// Says of an answer that a hop has retried already, or may not.
const MARK: &str = "x-ballast-retry";
const SPENT: &[u8] = b"spent";
/// What Envoy's router does not retry, so that outer hops that leave retries to it keep to the mark, too.
const NOT_BY_ROUTERS: &str = "x-envoy-ratelimited";
/// The number of attempts, as the proxy itself calls it.
const ATTEMPTS: &str = "x-envoy-attempt-count";

/// The status of the answer that has come.
pub(crate) fn status(host: &impl Host) -> u16 {
    let status = host.header(Map::ResponseHeaders, ":status");
    small(status.as_deref()).unwrap_or(0)
}

/// Whether the answer that has come says that a hop has retried already. That it does not say so costs little to find out.
pub(crate) fn is_marked(host: &impl Host) -> bool {
    host.header(Map::ResponseHeaders, MARK).is_some()
}

/// What came of an attempt that the router made.
pub(crate) fn of_router(config: &Config, policy: &Policy, host: &impl Host, status: u16) -> (Outcome, Said) {
    let headers = host.headers(Map::ResponseHeaders);
    let details = host.property("response\0code_details").unwrap_or_default();
    let grpc = headers.get("grpc-status").and_then(number);
    let outcome = Outcome::of_router(status, grpc, &String::from_utf8_lossy(&details));
    let mark = headers.get(MARK) == Some(SPENT);
    let believed = mark && is_believed(config, host, None);
    if mark && (!believed || config.edge) {
        // Whoever is not believed must not speak through this proxy either.
        let _ = host.remove_header(Map::ResponseHeaders, MARK);
        if believed {
            let _ = host.remove_header(Map::ResponseHeaders, NOT_BY_ROUTERS);
        }
    }
    (outcome, said(policy, outcome, &headers, b"", believed, host))
}

/// What came of an attempt that was a call-out to `cluster`, and the answer without what must not be passed on.
pub(crate) fn of_call(
    config: &Config,
    policy: &Policy,
    host: &impl Host,
    cluster: &str,
    headers: &Headers,
    body: Vec<u8>,
) -> (Outcome, Said, Option<Answer>) {
    let status = small(headers.get(":status"));
    let from_upstream = headers.get("x-envoy-upstream-service-time").is_some();
    let outcome = Outcome::of_call(status, from_upstream, &body);
    let believed = headers.get(MARK) == Some(SPENT) && is_believed(config, host, Some(cluster));
    let said = said(policy, outcome, headers, &body, believed, host);
    let answer = status.map(|_| {
        let is_mark =
            |name: &[u8]| name == MARK.as_bytes() || (believed && name == NOT_BY_ROUTERS.as_bytes());
        let kept = headers.iter().filter(|(name, _)| !is_mark(name) || (believed && !config.edge));
        let headers = kept.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()));
        Answer { headers: headers.collect(), body }
    });
    (outcome, said, answer)
}

fn said(
    policy: &Policy,
    outcome: Outcome,
    headers: &Headers,
    body: &[u8],
    spent: bool,
    host: &impl Host,
) -> Said {
    let find = |name: &str| headers.get(name);
    // Of a marked answer the other header is part of the mark.
    let unmarked = |name: &str| if spent && name == NOT_BY_ROUTERS { None } else { headers.get(name) };
    let retriable = policy.retry_on.wants(outcome, unmarked, body);
    let asked = if retriable && policy.respect_retry_after.is_some() {
        asked(find, host.wall_time())
    } else {
        Asked::Nothing
    };
    Said { retriable, spent, asked }
}

fn is_believed(config: &Config, host: &impl Host, cluster: Option<&str>) -> bool {
    if config.trusted_clusters.is_empty() {
        return false;
    }
    let trusted = |cluster: &str| config.trusted_clusters.iter().any(|known| known == cluster);
    match cluster {
        Some(cluster) => trusted(cluster),
        None => route_cluster(host).is_some_and(|cluster| trusted(&cluster)),
    }
}

/// Tells outer hops not to retry this failing answer.
pub(crate) fn mark(config: &Config, host: &impl Host, headers: &mut Option<&mut Answer>) {
    if config.edge {
        return;
    }
    set(host, headers, MARK, SPENT);
    set(host, headers, NOT_BY_ROUTERS, b"true");
}

/// Tells the client how many attempts it took.
pub(crate) fn report(host: &impl Host, headers: &mut Option<&mut Answer>, attempts: u64) {
    set(host, headers, ATTEMPTS, attempts.to_string().as_bytes());
}

/// Sets a header of an answer that is to be sent, or of the one that has come.
fn set(host: &impl Host, answer: &mut Option<&mut Answer>, name: &str, value: &[u8]) {
    match answer {
        Some(answer) => {
            answer.headers.retain(|(known, _)| known != name);
            answer.headers.push((name.to_owned(), value.to_vec()));
        }
        // An answer whose headers cannot be changed any more goes on without.
        None => drop(host.set_header(Map::ResponseHeaders, name, value)),
    }
}

/// A number that a status can be.
fn small(value: Option<&[u8]>) -> Option<u16> {
    number(value?)?.try_into().ok()
}
