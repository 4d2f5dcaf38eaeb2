//! One fetch for many, over several workers, and what becomes of those that wait.

use super::{ALL, FRESH, MODULE, Upstream, answer, answered, assert_hit};
use ballast_contract::Workers;
use ballast_wasm_host::{Phase, Stream};
use std::time::Duration;

/// A follower that waits on a worker.
fn follower(workers: &Workers, worker: usize) -> Stream {
    let stream = workers.get(worker, "/a", &[(":scheme", "http")]);
    assert_eq!(stream.paused(), Some(Phase::RequestHeaders));
    stream
}

/// A leader, and a follower on its own worker and on another.
fn three(workers: &Workers) -> (Stream, [Stream; 2]) {
    let leader = workers.get(0, "/a", &[(":scheme", "http")]);
    assert_eq!(leader.paused(), None);
    (leader, [follower(workers, 0), follower(workers, 1)])
}

fn settle(workers: &Workers) {
    for _ in 0..4 {
        workers.host.deliver_queues();
    }
}

#[test]
fn those_that_wait_get_the_answer_that_one_has_fetched() {
    let workers = Workers::start(&MODULE, 2, ALL);
    let (leader, followers) = three(&workers);
    answered(leader, FRESH);
    settle(&workers);
    for follower in followers {
        let got = answered(follower, answer(&[], "upstream's"));
        assert_eq!((got.asked, got.body.as_str()), (false, "fresh"));
        assert!(got.said.contains("collapsed"), "{}", got.said);
    }
}

#[test]
fn a_leader_that_fails_lets_one_other_try() {
    let workers = Workers::start(&MODULE, 2, ALL);
    let (leader, followers) = three(&workers);
    answered(leader, Upstream { status: "503", headers: &[], body: "no" });
    settle(&workers);
    let (leading, waiting): (Vec<_>, Vec<_>) =
        followers.into_iter().partition(|stream| stream.paused().is_none());
    assert_eq!((leading.len(), waiting.len()), (1, 1), "one leads, the other waits");
    for stream in leading {
        answered(stream, Upstream { status: "503", headers: &[], body: "no" });
    }
    settle(&workers);
    for stream in waiting {
        let reply = stream.local_reply().expect("it is told");
        assert_eq!(reply.status, 503);
        stream.finish().unwrap();
    }
}

#[test]
fn a_leader_that_finds_its_answer_uncacheable_frees_all_at_once() {
    let workers = Workers::start(&MODULE, 2, ALL);
    let (leader, followers) = three(&workers);
    leader.response_headers(&[(":status", "200"), ("cache-control", "no-store")], false).unwrap();
    settle(&workers);
    for follower in &followers {
        assert_eq!(follower.paused(), None, "it goes on while the leader's body is still on its way");
    }
    // It is remembered: nobody waits for the next.
    let streams: Vec<_> = (0..3).map(|_| workers.get(0, "/a", &[(":scheme", "http")])).collect();
    assert!(streams.iter().all(|stream| stream.paused().is_none()));
}

#[test]
fn a_leader_whose_worker_dies_is_succeeded_within_a_second() {
    let workers = Workers::start(&MODULE, 2, ALL);
    let leader = workers.get(0, "/a", &[(":scheme", "http")]);
    let followers = [follower(&workers, 1), follower(&workers, 1)];
    workers.host.advance(Duration::from_millis(300));
    assert!(followers.iter().all(|stream| stream.paused().is_some()), "their leader lives");
    workers.vms[0].kill();
    drop(leader);
    workers.host.advance(Duration::from_millis(1_000));
    let free = followers.iter().filter(|stream| stream.paused().is_none()).count();
    assert_eq!(free, 1, "one fetches, the other waits for it");
    let [one, other] = followers;
    let (leading, waiting) = if one.paused().is_none() { (one, other) } else { (other, one) };
    answered(leading, FRESH);
    workers.host.advance(Duration::from_millis(100));
    assert_eq!(answered(waiting, answer(&[], "upstream's")).body, "fresh");
}

#[test]
fn a_leader_that_stalls_holds_nobody_for_longer_than_max_wait() {
    let config = r#"{"rules": [{"name": "all", "coalesce": {"max_wait": "2s"}}]}"#;
    let workers = Workers::start(&MODULE, 2, config);
    let (_leader, followers) = three(&workers);
    workers.host.advance(Duration::from_millis(2_300));
    for follower in followers {
        assert_eq!(follower.paused(), None);
        answered(follower, FRESH);
    }
    assert_hit(&workers, 1, "/a", "fresh");
}

#[test]
fn a_leaders_client_that_goes_away_lets_the_next_lead() {
    let workers = Workers::start(&MODULE, 2, ALL);
    let (leader, followers) = three(&workers);
    leader.client_gone().unwrap();
    settle(&workers);
    assert_eq!(followers.iter().filter(|stream| stream.paused().is_none()).count(), 1);
}

#[test]
fn without_coalescing_everybody_fetches() {
    let workers = Workers::start(&MODULE, 1, r#"{"rules": [{"name": "all", "coalesce": null}]}"#);
    let streams: Vec<_> = (0..3).map(|_| workers.get(0, "/a", &[(":scheme", "http")])).collect();
    assert!(streams.iter().all(|stream| stream.paused().is_none()));
}
