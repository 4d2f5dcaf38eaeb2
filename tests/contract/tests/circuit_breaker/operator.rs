//! What an operator orders holds everywhere, and is forgotten by nobody.

use crate::{A_SECOND, FIVE, answer, ask, call, configuration, metric, probes, rule, shared, trip};
use ballast_contract::{VM_ID, Workers};
use std::time::Duration;

/// Long enough for every worker to tick.
const A_TICK: Duration = Duration::from_millis(104);

/// Puts an order where the first worker that ticks finds it, as another member would send it.
fn order(workers: &Workers, state: &str) {
    let payload = format!(r#"{{"breaker": "a", "state": "{state}"}}"#);
    send(workers, 0, payload.as_bytes());
    workers.host.advance(A_TICK);
    workers.host.deliver_queues();
    workers.host.advance(A_TICK);
}

/// A message from slot 1 to a slot, both in their first epoch: version, kind, receiver, sender, id, body.
fn send(workers: &Workers, slot: u8, payload: &[u8]) {
    let message = ballast_message(slot, payload);
    workers.host.enqueue(VM_ID, &format!("ballast/1/circuit-breaker/test/queue/{slot}"), &message);
}

fn ballast_message(slot: u8, payload: &[u8]) -> Vec<u8> {
    use ballast_core::bus::{Body, Message};
    use ballast_core::vms::Member;
    let (to, from) = (Member { slot, epoch: 1 }, Member { slot: 1, epoch: 1 });
    // Numbers of messages grow; the clock is as good as a count.
    let id = u64::try_from(payload.len()).unwrap();
    Message { to, from, id, body: Body::Tell { kind: 0, payload: payload.to_vec() } }.encode()
}

#[test]
fn forced_open_refuses_at_all_workers_until_closed_is_ordered() {
    let workers = rule(3, FIVE);
    order(&workers, "forced_open");
    for worker in 0..3 {
        let reply = ask(&workers, worker).local_reply().unwrap();
        assert_eq!(reply.details, "ballast_circuit_breaker{a,forced_open}");
    }
    workers.host.advance(60 * A_SECOND);
    assert!(!call(&workers, 2, "200"), "it does not end by itself");
    order(&workers, "closed");
    assert!((0..3).all(|worker| call(&workers, worker, "200")));
}

#[test]
fn forced_closed_never_trips() {
    let workers = rule(2, FIVE);
    order(&workers, "forced_closed");
    assert!((0..50).all(|number| call(&workers, number % 2, "500")));
    assert_eq!(metric(&workers.host, "transitions", ";to=open"), 0);
}

#[test]
fn closed_closes_what_is_open_and_forgets_what_was_counted() {
    let workers = rule(2, FIVE);
    trip(&workers);
    order(&workers, "closed");
    let four: Vec<_> = (0..4).map(|number| call(&workers, number % 2, "500")).collect();
    assert_eq!(four, [true; 4], "four do not trip it: {:?}", workers.host.logs());
    workers.host.advance(2 * A_SECOND);
    assert_eq!(metric(&workers.host, "open", ""), 0);
    assert!(call(&workers, 0, "500"));
    assert!(!call(&workers, 1, "500"), "five do");
}

#[test]
fn metrics_only_goes_on_computing() {
    let workers = rule(2, FIVE);
    order(&workers, "metrics_only");
    trip(&workers);
    assert!(call(&workers, 0, "500"));
    assert_eq!(metric(&workers.host, "transitions", ";to=open"), 1);
}

#[test]
fn an_order_holds_for_workers_that_come_later() {
    let mut workers = rule(2, FIVE);
    order(&workers, "forced_open");
    workers.vms[1].kill();
    workers.restart(1, &configuration(FIVE));
    workers.host.advance(A_TICK);
    assert!(!call(&workers, 1, "200"));
}

#[test]
fn what_is_no_command_is_said_and_does_nothing() {
    let workers = rule(2, FIVE);
    for payload in [&b"nonsense"[..], br#"{"breaker": "b", "state": "forced_open"}"#] {
        send(&workers, 0, payload);
        workers.host.advance(A_TICK);
    }
    assert!(call(&workers, 0, "200"));
    let said = |text: &str| workers.host.logs().iter().any(|line| line.message.contains(text));
    assert!(said("a message is no command") && said("an order for `b`"), "{:?}", workers.host.logs());
}

#[test]
fn an_initial_state_holds_until_an_order_comes() {
    let workers = rule(2, &FIVE.replacen(r#""key": []"#, r#""key": [], "initial_state": "forced_open""#, 1));
    assert!(!call(&workers, 0, "200"));
    order(&workers, "closed");
    assert!(call(&workers, 0, "200"));
}

#[test]
fn changes_are_published_with_time_and_cause() {
    use ballast_core::circuit_breaker::operator::History;
    use ballast_core::circuit_breaker::policy::Cause;
    let workers = rule(2, FIVE);
    trip(&workers);
    workers.host.advance(10 * A_SECOND);
    probes(&workers, 4).iter().for_each(|stream| answer(stream, "200"));
    let history = History::read(shared(&workers, "history/a").as_deref());
    let changes: Vec<_> = history.changes().map(|(_, change)| (change.to.as_str(), change.cause)).collect();
    let expected = [
        ("open", Cause::ConsecutiveFailures),
        ("half_open", Cause::WaitOver),
        ("closed", Cause::ProbesSucceeded),
    ];
    assert_eq!(changes, expected);
    let at: Vec<u64> = history.changes().map(|(_, change)| change.at.as_nanos()).collect();
    assert!(at.is_sorted() && at[1] - at[0] >= 10_000_000_000);
}

#[test]
fn an_open_critical_breaker_is_a_fact_about_the_process() {
    use ballast_core::plane::Record;
    let workers = rule(2, &FIVE.replacen(r#""key": []"#, r#""key": [], "critical": true"#, 1));
    let fact = || {
        let key = "ballast/1/plane/process/circuit-breaker/test";
        let value = workers.host.shared_get(VM_ID, key).map(|(value, _)| value);
        value.and_then(|value| Record::decode(&value)).map(|record| record.facts.critical_breaker_open)
    };
    workers.host.advance(2 * A_SECOND);
    assert_eq!(fact(), Some(false));
    trip(&workers);
    workers.host.advance(2 * A_SECOND);
    assert_eq!(fact(), Some(true));
}
