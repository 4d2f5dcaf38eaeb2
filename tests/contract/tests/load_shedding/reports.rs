//! What the filter says about itself.

use crate::{A_TICK, NO_QUEUE, answer, fixed};
use ballast_contract::Operator;
use serde_json::json;
use std::time::Duration;

const FILTER: &str = "load-shedding";

#[test]
fn it_says_what_is_in_flight_and_what_it_has_shed() {
    let workers = fixed(2, 3, NO_QUEUE);
    let operator = Operator::join(&workers);
    let streams: Vec<_> = (0..5).map(|number| workers.get(number % 2, "/", &[])).collect();
    let report = operator.report(FILTER);
    for (name, value) in [
        ("algorithm", json!("fixed")),
        ("limit", json!(3)),
        ("in_flight", json!(3)),
        ("queued", json!(0)),
        ("admitted", json!(3)),
    ] {
        assert_eq!(report[name], value, "{name}");
    }
    let shed: u64 =
        report["shed"].as_array().unwrap().iter().map(|shed| shed["count"].as_u64().unwrap()).sum();
    assert_eq!(shed, 2, "{}", report["shed"]);
    streams
        .iter()
        .filter(|stream| stream.local_reply().is_none())
        .for_each(|stream| answer(stream, "200", &[]));
    assert_eq!(operator.report(FILTER)["in_flight"], json!(0));
}

#[test]
fn a_change_of_level_is_one_event_however_many_workers_see_it() {
    let workers = fixed(3, 2, NO_QUEUE);
    let operator = Operator::join(&workers);
    for _ in 0..60 {
        (0..12).for_each(|number| _ = workers.get(number % 3, "/", &[]));
        workers.host.advance(A_TICK);
    }
    let events = operator.events();
    let changes: Vec<_> = events.iter().filter(|event| event.contains("level_changed")).collect();
    assert!(!changes.is_empty() && changes.len() <= 3, "{events:?}");
    assert!(changes[0].starts_with("load-shedding level_changed 0 -> "), "{events:?}");
    workers.host.advance(Duration::from_secs(1));
    assert!(operator.report(FILTER)["level"].as_u64().unwrap() > 0);
}
