//! Budgets over several workers.

use super::{A_WAIT, MODULE, REPLAY, configuration, metric, upstream_answer};
use ballast_contract::Workers;
use ballast_wasm_host::{Action, Stream};
use std::time::Duration;

fn start(workers: usize, fields: &str) -> Workers {
    let workers = Workers::start(&MODULE, workers, &configuration(fields));
    workers.host.add_cluster("upstream");
    workers
}

fn get(workers: &Workers, worker: usize) -> Stream {
    let stream = workers.get(worker, "/", &[]);
    stream.set_property(&["xds", "cluster_name"], "upstream");
    stream
}

#[test]
fn a_total_outage_costs_a_fifth_more_over_all_workers() {
    let fields = format!(r#"{REPLAY}, "max_attempts": 4, "max_waiting": 100000"#);
    let workers = start(4, &fields);
    let requests = 2_000_u64;
    let mut retried = 0;
    for number in 0..requests {
        let stream = get(&workers, usize::try_from(number % 4).unwrap());
        stream.response_headers(&[(":status", "503")], false).unwrap();
        if number % 50 == 49 {
            workers.host.advance(A_WAIT);
            for call in workers.host.http_calls() {
                retried += 1;
                call.answer(&upstream_answer("503", &[]), "").unwrap();
            }
        }
    }
    for _ in 0..4 {
        workers.host.advance(A_WAIT);
        for call in workers.host.http_calls() {
            retried += 1;
            call.answer(&upstream_answer("503", &[]), "").unwrap();
        }
    }
    assert!(retried <= requests / 5, "{retried}");
    assert!(retried >= requests / 5 - 10, "the budget is used: {retried}");
    assert_eq!(metric(&workers.host, "spent"), retried);
}

#[test]
fn the_floor_holds_whoever_asks() {
    let workers =
        start(4, &format!(r#"{REPLAY}, "budget": {{"ratio": "0%", "min_per_second": 1, "window": "10s"}}"#));
    let streams: Vec<Stream> = (0..40).map(|number| get(&workers, number % 4)).collect();
    let held = streams
        .iter()
        .filter(|stream| stream.response_headers(&[(":status", "503")], true).unwrap() == Action::Pause)
        .count();
    assert_eq!(held, 10, "one per second for ten seconds");
    assert_eq!(metric(&workers.host, "refused/budget"), 30);
}

#[test]
fn what_the_router_overspent_is_repaid_before_it_may_retry_again() {
    let workers = start(
        2,
        r#""via": "router", "max_attempts": 20, "budget": {"ratio": "20%", "min_per_second": 1, "window": "10s"}"#,
    );
    let allowed = |worker| {
        let stream = get(&workers, worker);
        stream.request().headers.text("x-envoy-max-retries").unwrap().to_owned()
    };
    assert_eq!(allowed(0), "10", "as many as the budget has left");
    // Five requests at the same time are each allowed ten.
    let together: Vec<Stream> = (0..5).map(|_| get(&workers, 0)).collect();
    for stream in &together {
        stream.set_property(&["upstream", "request_attempt_count"], 11_u64.to_le_bytes());
        stream.response_headers(&[(":status", "503")], true).unwrap();
        stream.finish().unwrap();
    }
    assert_eq!(metric(&workers.host, "spent"), 50);
    assert_eq!(allowed(1), "0", "another worker knows at once");
    workers.host.advance(Duration::from_secs(15));
    assert_eq!(allowed(0), "0", "forty are owed, and each second pays one");
    workers.host.advance(Duration::from_secs(60));
    assert_eq!(allowed(0), "10");
}

#[test]
fn a_worker_that_is_gone_waits_for_nothing() {
    let workers = start(2, REPLAY);
    let streams: Vec<Stream> = (0..2).map(|worker| get(&workers, worker)).collect();
    for stream in &streams {
        assert_eq!(stream.response_headers(&[(":status", "503")], true).unwrap(), Action::Pause);
    }
    let waiting =
        |slot: u8| workers.host.gauge(&format!("ballast.retry_policy.waiting;namespace=test;worker={slot}"));
    workers.vms[0].kill();
    workers.host.advance(Duration::from_secs(15));
    let slots: Vec<u64> = (0..2).filter_map(waiting).collect();
    assert_eq!(slots.iter().sum::<u64>(), 0, "{slots:?}");
}
