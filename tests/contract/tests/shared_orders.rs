//! Orders from one filter to another, and what came of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

mod shared;

use ballast_contract::{VM_ID, Workers, configure, plugin};
use ballast_wasm_host::{Root, Stream};
use shared::{answered, ask, crash, workers};
use std::time::Duration;

/// Another filter and namespace of the same process: the one that orders.
fn operator(workers: &Workers) -> Root {
    let config = ballast_wasm_host::VmConfig { vm_id: VM_ID.to_owned(), ..Default::default() };
    let vm = workers.host.vm_with(&plugin("demo"), config).unwrap();
    let root = configure(&vm, r#"{"namespace": "operators"}"#).unwrap();
    workers.host.advance(Duration::from_millis(200));
    root
}

fn order(root: &Root, headers: &[(&str, &str)]) -> Stream {
    let stream = root.stream();
    let usual = [(":method", "GET"), (":path", "/order"), (":authority", "a"), ("x-filter", "demo")];
    let headers: Vec<_> = usual.iter().chain(headers).copied().collect();
    stream.request_headers(&headers, true).unwrap();
    assert!(stream.paused().is_some(), "{:?}", stream.local_reply());
    stream
}

fn keep(root: &Root, within: &str) -> Stream {
    order(root, &[("x-namespace", "test"), ("x-order", "keep"), ("x-within-ms", within)])
}

#[test]
fn every_member_of_another_namespace_executes_an_order_once_and_one_leads() {
    let workers = workers(3);
    let operator = operator(&workers);
    let stream = keep(&operator, "5000");
    workers.host.deliver_queues();
    let expected = "done\nleads {\"slot\":0}\nfollows {\"slot\":1}\nfollows {\"slot\":2}";
    assert_eq!(answered(&stream).unwrap(), expected);
    workers.host.advance(Duration::from_secs(2));
    let executed: Vec<_> = (0..3).map(|worker| ask(&workers, worker, "/executed")).collect();
    assert_eq!(executed, ["tester leads", "tester follows", "tester follows"]);
}

#[test]
fn an_order_for_one_is_executed_by_one() {
    let workers = workers(3);
    let operator = operator(&workers);
    let one = [("x-namespace", "test"), ("x-order", "keep"), ("x-within-ms", "5000"), ("x-one", "1")];
    let stream = order(&operator, &one);
    workers.host.deliver_queues();
    assert_eq!(answered(&stream).unwrap(), "done\nleads {\"slot\":0}");
    let executed = (0..3).filter(|worker| !ask(&workers, *worker, "/executed").is_empty()).count();
    assert_eq!(executed, 1);
}

#[test]
fn an_order_for_one_goes_to_another_when_the_first_has_crashed() {
    let workers = workers(2);
    let operator = operator(&workers);
    crash(&workers, 0);
    let one = [("x-namespace", "test"), ("x-order", "keep"), ("x-within-ms", "5000"), ("x-one", "1")];
    let stream = order(&operator, &one);
    workers.host.advance(Duration::from_millis(900));
    assert_eq!(stream.local_reply(), None, "it could be slow");
    workers.host.advance(Duration::from_millis(300));
    assert_eq!(answered(&stream).unwrap(), "done\nleads {\"slot\":1}");
}

#[test]
fn a_refusal_comes_back_with_its_reason() {
    let workers = workers(2);
    let operator = operator(&workers);
    for (name, reason) in [("refuse", "not today"), ("fly", "unknown order `fly`")] {
        let stream = order(&operator, &[("x-namespace", "test"), ("x-order", name), ("x-within-ms", "5000")]);
        workers.host.deliver_queues();
        let expected = format!("done\nleads refused: {reason}\nfollows refused: {reason}");
        assert_eq!(answered(&stream).unwrap(), expected);
    }
}

#[test]
fn nobody_is_there_for_a_namespace_that_does_not_exist() {
    let workers = workers(1);
    let operator = operator(&workers);
    let stream =
        order(&operator, &[("x-namespace", "nowhere"), ("x-order", "keep"), ("x-within-ms", "5000")]);
    workers.host.advance(Duration::from_millis(200));
    assert_eq!(answered(&stream).unwrap(), "nobody");
}

#[test]
fn who_crashes_before_it_answers_is_missing() {
    let workers = workers(3);
    let operator = operator(&workers);
    crash(&workers, 2);
    let stream = keep(&operator, "1000");
    workers.host.advance(Duration::from_millis(900));
    assert_eq!(stream.local_reply(), None);
    workers.host.advance(Duration::from_millis(300));
    assert_eq!(answered(&stream).unwrap(), "missing 1\nleads {\"slot\":0}\nfollows {\"slot\":1}");
    assert_eq!(
        ask(&workers, 0, "/executed"),
        "tester leads",
        "it was sent again to the others only if unanswered"
    );
}

#[test]
fn a_crashed_member_is_not_waited_for_once_it_is_known_to_be_gone() {
    let workers = workers(2);
    let operator = operator(&workers);
    crash(&workers, 1);
    let stream = keep(&operator, "60000");
    workers.host.advance(Duration::from_secs(12));
    assert_eq!(answered(&stream).unwrap(), "done\nleads {\"slot\":0}");
}

#[test]
fn a_leader_that_dies_is_missing_whether_or_not_it_did_its_part() {
    let workers = workers(2);
    let operator = operator(&workers);
    crash(&workers, 0);
    let stream = keep(&operator, "60000");
    workers.host.advance(Duration::from_secs(12));
    assert_eq!(answered(&stream).unwrap(), "missing 1\nfollows {\"slot\":1}");
}

#[test]
fn members_of_the_own_namespace_can_be_ordered_too_the_sender_among_them() {
    let workers = workers(2);
    let stream = keep(&workers.roots[1], "5000");
    workers.host.deliver_queues();
    assert_eq!(answered(&stream).unwrap(), "done\nleads {\"slot\":0}\nfollows {\"slot\":1}");
}

#[test]
fn what_an_operator_has_done_is_an_event_with_who() {
    let workers = workers(2);
    let operator = operator(&workers);
    keep(&operator, "5000");
    workers.host.deliver_queues();
    order(&operator, &[("x-namespace", "test"), ("x-order", "refuse"), ("x-within-ms", "5000")]);
    workers.host.deliver_queues();
    workers.host.advance(Duration::from_millis(200));
    assert_eq!(ask(&workers, 1, "/events"), "1 demo order keep tester");
}
