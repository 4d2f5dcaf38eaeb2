//! What others say about the process stops retries and hedges.

use crate::{A_WAIT, REPLAY, get, metric, policy, received, the_call, upstream_answer};
use ballast_contract::Herald;
use ballast_wasm_host::Action;
use std::time::Duration;

/// The upstream's own 503.
fn fails(stream: &ballast_wasm_host::Stream) -> Action {
    stream.set_property(&["response", "code_details"], "via_upstream");
    stream.response_headers(&[(":status", "503"), ("x-envoy-upstream-service-time", "1")], true).unwrap()
}

#[test]
fn within_two_ticks_of_overload_a_failed_request_is_not_sent_again() {
    for (level, from, retried) in [(0, 1, true), (1, 1, false), (1, 2, true), (2, 2, false), (3, 0, true)] {
        let stop = format!(r#"{REPLAY}, "stop_when": {{"overload_level": {from}}}"#);
        let workers = policy(1, &stop);
        Herald::new(&workers.host).says(level, false);
        let stream = get(&workers);
        let expected = if retried { Action::Pause } else { Action::Continue };
        assert_eq!(fails(&stream), expected, "level {level}, from {from}");
        assert_eq!(metric(&workers.host, "refused/overload"), u64::from(!retried));
    }
}

#[test]
fn the_router_is_told_to_retry_nothing() {
    for (level, retries) in [(0, "2"), (1, "0")] {
        let workers = policy(1, r#""via": "router""#);
        Herald::new(&workers.host).says(level, false);
        let stream = get(&workers);
        assert_eq!(stream.request().headers.text("x-envoy-max-retries"), Some(retries), "level {level}");
    }
}

#[test]
fn a_retry_that_waits_when_the_level_rises_is_not_made_and_its_budget_comes_back() {
    let slow = REPLAY.replace("20ms", "500ms");
    let workers = policy(1, &slow);
    let herald = Herald::new(&workers.host);
    let stream = get(&workers);
    assert_eq!(fails(&stream), Action::Pause);
    assert_eq!(metric(&workers.host, "spent"), 1);
    herald.says(1, false);
    workers.host.advance(Duration::from_millis(500));
    assert!(workers.host.http_calls().is_empty());
    assert_eq!(received(&stream).0, "503");
    assert_eq!((metric(&workers.host, "spent"), metric(&workers.host, "refused/overload")), (0, 1));
}

#[test]
fn while_the_proxy_drains_nothing_is_hedged_and_retries_go_on() {
    for (draining, field, hedged) in [(false, "true", true), (true, "true", false), (true, "false", true)] {
        let fields =
            format!(r#"{REPLAY}, "hedge": {{"after": "50ms"}}, "stop_when": {{"draining": {field}}}"#);
        let workers = policy(1, &fields);
        Herald::new(&workers.host).says(0, draining);
        let stream = get(&workers);
        workers.host.advance(Duration::from_millis(70));
        assert_eq!(workers.host.http_calls().len(), usize::from(hedged), "{draining} {field}");
        assert_eq!(metric(&workers.host, "refused/draining"), u64::from(!hedged));
        if !hedged {
            assert_eq!(fails(&stream), Action::Pause);
            workers.host.advance(A_WAIT);
            the_call(&workers.host).answer(&upstream_answer("200", &[]), "second").unwrap();
            assert_eq!(received(&stream), ("200".to_owned(), "second".to_owned()));
        }
    }
}
