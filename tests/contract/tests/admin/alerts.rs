//! Alerts, and who is told.

use super::{admins, get, post, seconds};
use serde_json::Value;

const ALERTS: &str = r#""alerts": [{"name": "drain", "severity": "critical", "summary": "it ends",
        "when": {"fact": "draining", "above": 0}, "for": "2s"},
    {"name": "refusals", "when": {"metric": "ballast_admin_drain_refused", "above": 0}}],
    "channels": [{"name": "ops", "kind": "web_hook", "cluster": "ops", "path": "/hook", "group_wait": "1s"},
                 {"name": "am", "kind": "alertmanager", "cluster": "am", "group_wait": "1s", "labels": {"region": "eu"}}]"#;

#[test]
fn an_alert_fires_is_told_on_every_channel_and_ends() {
    let workers = admins(2, ALERTS);
    workers.host.add_cluster("ops");
    workers.host.add_cluster("am");
    seconds(&workers, 2);
    let state = |at: usize| get(&workers, "/ballast/alerts").1["alerts"][at]["state"].clone();
    assert_eq!(state(0), "inactive");
    post(&workers, "/ballast/drain");
    seconds(&workers, 1);
    assert_eq!(state(0), "pending");
    seconds(&workers, 2);
    assert_eq!(state(0), "firing");
    seconds(&workers, 3);
    let calls = workers.host.http_calls();
    let body = |cluster: &str| {
        let call = calls.iter().find(|call| call.cluster == cluster).unwrap();
        assert_eq!(call.headers.text("content-type"), Some("application/json"));
        (call.headers.text(":path").unwrap().to_owned(), serde_json::from_slice::<Value>(&call.body).unwrap())
    };
    let (path, hook) = body("ops");
    assert_eq!((path.as_str(), hook["alerts"][0]["name"].as_str()), ("/hook", Some("drain")));
    assert_eq!(
        (hook["alerts"][0]["state"].as_str(), hook["alerts"].as_array().unwrap().len()),
        (Some("firing"), 1)
    );
    let (path, alerts) = body("am");
    assert_eq!(path, "/api/v2/alerts");
    assert_eq!(
        (&alerts[0]["labels"]["alertname"], &alerts[0]["labels"]["region"]),
        (&"drain".into(), &"eu".into())
    );
    assert!(alerts[0]["startsAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{alerts}");
    calls.iter().for_each(|call| call.answer(&[(":status", "200")], "").unwrap());
    super::answer(&workers, &super::ask(&workers, 0, "DELETE", "/ballast/drain"));
    seconds(&workers, 1);
    let (_, body) = get(&workers, "/ballast/alerts");
    assert_eq!(
        (&body["alerts"][0]["state"], &body["history"][0]["name"]),
        (&"inactive".into(), &"drain".into())
    );
    seconds(&workers, 2);
    let resolved = workers.host.http_calls().into_iter().find(|call| call.cluster == "ops").unwrap();
    let hook: Value = serde_json::from_slice(&resolved.body).unwrap();
    assert_eq!(hook["alerts"][0]["state"], "resolved");
}

#[test]
fn an_alert_on_a_metric_reads_it_over_all_workers() {
    let workers = admins(1, ALERTS);
    let root = super::ingress(&workers.vms[0], "");
    seconds(&workers, 2);
    assert_eq!(get(&workers, "/ballast/alerts").1["alerts"][1]["state"], "inactive");
    post(&workers, "/ballast/drain");
    super::client(&root, "/");
    seconds(&workers, 2);
    let (_, body) = get(&workers, "/ballast/alerts");
    assert_eq!(
        (&body["alerts"][1]["state"], &body["alerts"][1]["value"]),
        (&"firing".into(), &Value::from(1.0))
    );
}

#[test]
fn alerts_are_events_too() {
    let workers = admins(1, ALERTS);
    seconds(&workers, 1);
    post(&workers, "/ballast/drain");
    seconds(&workers, 5);
    let (_, body) = get(&workers, "/ballast/events");
    let events: Vec<(&str, &str, &str)> = body["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            (event["kind"].as_str().unwrap(), event["what"].as_str().unwrap(), event["who"].as_str().unwrap())
        })
        .collect();
    assert!(events.contains(&("drain", "begun", "oncall")), "{events:?}");
    assert!(events.contains(&("alert", "drain (critical): firing", "")), "{events:?}");
}
