//! What the process depends on.

use super::{admins, get, seconds};
use ballast_contract::Workers;

const CHECK: &str = r#""checks": [{"name": "db", "cluster": "db", "path": "/up", "interval": "1s", "timeout": "1s",
    "unhealthy_after": 2, "healthy_after": 1, "essential": true}]"#;

/// Answers what is asked of the cluster, once; how many did.
fn answer_all(workers: &Workers, status: &str) -> usize {
    let calls = workers.host.http_calls();
    for call in &calls {
        assert_eq!((call.cluster.as_str(), call.headers.text(":path")), ("db", Some("/up")));
        call.answer(&[(":status", status)], "").unwrap();
    }
    calls.len()
}

#[test]
fn one_worker_asks_for_all_and_all_know_what_came_of_it() {
    let workers = admins(3, CHECK);
    workers.host.add_cluster("db");
    for _ in 0..4 {
        seconds(&workers, 1);
        assert!(answer_all(&workers, "200") <= 1, "one root asks");
    }
    assert_eq!(get(&workers, "/ballast/health/ready").0, 200);
    for _ in 0..4 {
        seconds(&workers, 1);
        answer_all(&workers, "503");
    }
    let stream = workers.get(2, "/ballast/health/ready", &[]);
    let (status, body) = super::answer(&workers, &stream);
    assert_eq!((status, body["reasons"][0].as_str()), (503, Some("check_failed:db")));
    let (status, body) = get(&workers, "/ballast/health");
    assert_eq!((status, body["status"].as_str()), (503, Some("unhealthy")));
    let check =
        body["components"].as_array().unwrap().iter().find(|part| part["name"] == "check:db").unwrap();
    assert_eq!(
        (check["state"].as_str(), check["details"]["error"].as_str()),
        (Some("unhealthy"), Some("status 503"))
    );
    assert!(check["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{check}");
    for _ in 0..3 {
        seconds(&workers, 1);
        answer_all(&workers, "204");
    }
    assert_eq!(get(&workers, "/ballast/health/ready").0, 200);
}

#[test]
fn a_cluster_that_there_is_not_fails_its_check() {
    let workers = admins(1, CHECK);
    seconds(&workers, 5);
    assert_eq!(get(&workers, "/ballast/health/ready").0, 503);
    let (_, body) = get(&workers, "/ballast/health");
    let check =
        body["components"].as_array().unwrap().iter().find(|part| part["name"] == "check:db").unwrap();
    assert_eq!(check["details"]["error"], "no such cluster");
}
