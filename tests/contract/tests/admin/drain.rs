//! Emptying the process.

use super::{VM_ID, admins, answer, ask, client, get, ingress, post, seconds, served};
use ballast_core::plane::{FRESH_FOR, Record};
use ballast_core::time::MonoTime;
use serde_json::Value;
use std::time::Duration;

#[test]
fn new_work_is_refused_politely_at_every_worker_as_soon_as_the_drain_has_been_answered() {
    let workers = admins(3, "");
    let roots: Vec<_> = workers.vms.iter().map(|vm| ingress(vm, "")).collect();
    seconds(&workers, 1);
    let under_way: Vec<_> = roots.iter().map(|root| client(root, "/")).collect();
    let (status, body) = post(&workers, "/ballast/drain");
    assert_eq!(
        (status, &body["phase"], &body["by"]),
        (202, &Value::from("draining"), &Value::from("oncall"))
    );
    assert_eq!(body["workers_silent"], 0, "{body}");
    for root in &roots {
        let refused = client(root, "/");
        let reply = refused.local_reply().unwrap();
        assert_eq!(reply.status, 503);
        assert_eq!(reply.details, "ballast_admin{draining}");
        assert_eq!(reply.headers.text("connection"), Some("close"));
        let wait: u64 = reply.headers.text("retry-after").unwrap().parse().unwrap();
        assert!((5..=8).contains(&wait), "{wait}");
        refused.finish().unwrap();
    }
    let (status, body) = get(&workers, "/ballast/health/ready");
    assert_eq!((status, body["reasons"][0].as_str()), (503, Some("draining")));
    let (_, body) = get(&workers, "/ballast/drain");
    assert_eq!((body["phase"].as_str(), body["in_flight"].as_u64()), (Some("draining"), Some(3)), "{body}");
    under_way.iter().for_each(served);
    seconds(&workers, 2);
    let (_, body) = get(&workers, "/ballast/drain");
    assert_eq!((body["phase"].as_str(), body["in_flight"].as_u64()), (Some("finished"), Some(0)), "{body}");
    assert_eq!((body["forced"].as_bool(), body["abandoned"].as_u64()), (Some(false), Some(0)));
}

#[test]
fn a_drain_does_not_finish_while_one_request_is_left_until_its_time_is_up() {
    let workers = admins(2, r#""drain": {"timeout": "10s", "close_timeout": "3s", "force_after": "60s"}"#);
    let root = ingress(&workers.vms[1], "");
    seconds(&workers, 1);
    let stuck = client(&root, "/stream");
    post(&workers, "/ballast/drain");
    seconds(&workers, 8);
    assert_eq!(get(&workers, "/ballast/drain").1["phase"], "draining");
    seconds(&workers, 3);
    assert_eq!(get(&workers, "/ballast/drain").1["phase"], "closing");
    seconds(&workers, 4);
    let (_, body) = get(&workers, "/ballast/drain");
    assert_eq!((body["phase"].as_str(), body["abandoned"].as_u64()), (Some("finished"), Some(1)), "{body}");
    served(&stuck);
}

#[test]
fn what_is_exempt_is_served_and_shadow_refuses_nothing() {
    let workers = admins(1, "");
    let exempt = ingress(&workers.vms[0], r#", "drain": {"exempt": [{"path": {"exact": "/healthz"}}]}"#);
    let shadow = ingress(&workers.vms[0], r#", "mode": "shadow""#);
    seconds(&workers, 1);
    post(&workers, "/ballast/drain");
    served(&client(&exempt, "/healthz"));
    assert!(client(&exempt, "/other").local_reply().is_some());
    served(&client(&shadow, "/other"));
    let shadowed = workers.host.counter("ballast.admin.drain_shadow_refused;namespace=admin");
    assert_eq!(shadowed, Some(1));
}

#[test]
fn a_drain_that_is_called_off_lets_everybody_in_again() {
    let workers = admins(2, "");
    let root = ingress(&workers.vms[1], "");
    seconds(&workers, 1);
    post(&workers, "/ballast/drain");
    let (status, body) = answer(&workers, &ask(&workers, 1, "DELETE", "/ballast/drain"));
    assert_eq!((status, body["phase"].as_str()), (200, Some("none")));
    served(&client(&root, "/"));
    seconds(&workers, 6);
    assert_eq!(get(&workers, "/ballast/health/ready").0, 200);
    let (status, body) = post(&workers, "/ballast/drain");
    assert_eq!((status, body["number"].as_u64()), (202, Some(2)), "another drain has another number");
    let (status, again) = post(&workers, "/ballast/drain");
    assert_eq!((status, again["number"].as_u64()), (202, Some(2)), "it is begun once");
}

#[test]
fn a_worker_that_crashes_amid_a_drain_comes_back_refusing_and_holds_nobody_up() {
    let mut workers = admins(2, "");
    let (first, second) = (ingress(&workers.vms[0], ""), ingress(&workers.vms[1], ""));
    seconds(&workers, 1);
    let (_lost, kept) = (client(&second, "/"), client(&first, "/"));
    post(&workers, "/ballast/drain");
    workers.vms[1].kill();
    seconds(&workers, 2);
    assert_eq!(get(&workers, "/ballast/drain").1["phase"], "draining");
    workers.restart(1, &format!("{{{}}}", super::TOKENS));
    let root = ingress(&workers.vms[1], "");
    assert!(client(&root, "/").local_reply().is_some(), "before its first tick");
    served(&kept);
    // The dead members are declared dead after ten seconds.
    seconds(&workers, 15);
    assert_eq!(get(&workers, "/ballast/drain").1["phase"], "finished");
}

#[test]
fn the_process_is_told_of_a_drain_within_two_ticks_and_of_its_end() {
    let workers = admins(2, "");
    seconds(&workers, 1);
    let draining = || {
        let (bytes, _) = workers.host.shared_get(VM_ID, "ballast/1/plane/process/admin/admin")?;
        let record = Record::decode(&bytes)?;
        let now = MonoTime::from_nanos(workers.host.monotonic_nanos());
        Some(record.facts_at(now, FRESH_FOR, None).draining)
    };
    assert_eq!(draining(), None);
    post(&workers, "/ballast/drain");
    // The lease of who writes it is taken on one tick, and it is written on the same or the next.
    workers.host.advance(Duration::from_millis(200));
    assert_eq!(draining(), Some(true));
    answer(&workers, &ask(&workers, 0, "DELETE", "/ballast/drain"));
    workers.host.advance(Duration::from_millis(200));
    assert_eq!(draining(), Some(false));
}

#[test]
fn who_is_to_know_is_told_once_that_a_drain_has_finished() {
    let workers = admins(2, r#""drain": {"web_hook": {"cluster": "peers", "path": "/drained?from=a"}}"#);
    workers.host.add_cluster("peers");
    let root = ingress(&workers.vms[1], "");
    seconds(&workers, 1);
    let under_way = client(&root, "/");
    post(&workers, "/ballast/drain");
    seconds(&workers, 3);
    assert!(workers.host.http_calls().is_empty(), "one request is left");
    served(&under_way);
    seconds(&workers, 3);
    let calls = workers.host.http_calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.cluster.as_str(), call.headers.text(":method")), ("peers", Some("POST")));
    assert_eq!(call.headers.text(":path"), Some("/drained?from=a"));
    let said: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!((said["phase"].as_str(), said["abandoned"].as_u64()), (Some("finished"), Some(0)), "{said}");
    assert_eq!(said["by"], "oncall");
    call.answer(&[(":status", "500")], "").unwrap();
    seconds(&workers, 10);
    assert!(workers.host.http_calls().is_empty(), "it is tried once");
}
