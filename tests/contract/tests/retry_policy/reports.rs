//! What the filter says about itself.

use crate::{A_WAIT, REPLAY, get, policy, received, the_call, upstream_answer};
use ballast_contract::Operator;
use serde_json::json;

const FILTER: &str = "retry-policy";

#[test]
fn a_policy_says_what_it_has_done_and_may_still_do() {
    let workers = policy(1, REPLAY);
    let operator = Operator::join(&workers);
    let stream = get(&workers);
    stream.response_headers(&upstream_answer("503", &[]), true).unwrap();
    workers.host.advance(A_WAIT);
    let call = the_call(&workers.host);
    call.answer(&upstream_answer("200", &[]), "fine").unwrap();
    assert_eq!(received(&stream).0, "200");
    stream.finish().unwrap();
    let report = operator.report(FILTER);
    let shown = &report["rules"][0];
    assert_eq!(
        (&shown["name"], &shown["via"], &report["waiting"]),
        (&json!("a"), &json!("replay"), &json!(0))
    );
    assert_eq!((&shown["requests"], &shown["success_after_retry"]), (&json!(1), &json!(1)));
    assert_eq!(shown["retries"]["status"], json!(1));
    assert!(shown["budget"]["left"].as_u64().unwrap() > 0, "{}", shown["budget"]);
    assert_eq!(shown["throttle"], json!(null));
}

#[test]
fn a_budget_that_is_spent_is_an_event() {
    let budget = r#""budget": {"ratio": "0%", "min_per_second": 0}"#;
    let workers = policy(1, &format!("{REPLAY}, {budget}"));
    let operator = Operator::join(&workers);
    let stream = get(&workers);
    stream.response_headers(&upstream_answer("503", &[]), true).unwrap();
    stream.finish().unwrap();
    assert_eq!(operator.report(FILTER)["rules"][0]["budget"]["left"], json!(0));
    operator.report(FILTER);
    assert_eq!(operator.events(), ["retry-policy budget_spent no more retries until it fills again"]);
}
