//! What does not count is given back at the end of a request.

use crate::{limits, of_every_algorithm, passed_until_all_refuse};
use ballast_wasm_host::Stream;

/// How a request ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Status(&'static str),
    ClientGone,
}

fn end(stream: &Stream, end: End) {
    match end {
        End::Status(status) => {
            stream.response_headers(&[(":status", status)], true).unwrap();
            stream.finish().unwrap();
        }
        End::ClientGone => stream.client_gone().unwrap(),
    }
}

#[test]
fn only_answers_with_these_statuses_count() {
    let rows =
        [(End::Status("401"), 0), (End::Status("403"), 0), (End::Status("200"), 6), (End::ClientGone, 6)];
    for limit in of_every_algorithm(6) {
        let counting = limit.replace(r#""rate""#, r#""charge_when": {"status": [401, 403]}, "rate""#);
        for (how, expected) in rows {
            let workers = limits(3, &counting);
            let in_flight: Vec<Stream> = (0..6).map(|number| workers.get(number % 3, "/", &[])).collect();
            assert!(in_flight.iter().all(|stream| stream.local_reply().is_none()), "{counting}");
            assert_eq!(passed_until_all_refuse(&workers, "/refused"), 0, "{counting}: a reservation counts");
            in_flight.iter().for_each(|stream| end(stream, how));
            let left = (0..12).map(|number| workers.get(number % 3, "/", &[]));
            let left = left.filter(|stream| stream.local_reply().is_none()).count();
            assert_eq!(left, expected, "{counting}, {how:?}");
        }
    }
}

#[test]
fn a_refund_after_a_lease_gives_back_what_was_taken_and_not_more() {
    let workers =
        limits(2, r#"{"name": "a", "rate": "1/d", "burst": 400, "charge_when": {"status": [401]}}"#);
    for number in 0..300 {
        end(&workers.get(number % 2, "/", &[]), End::Status("200"));
    }
    let counted = (0..1_000).map(|number| workers.get(number % 2, "/", &[]));
    let counted: Vec<Stream> = counted.filter(|stream| stream.local_reply().is_none()).collect();
    assert_eq!(counted.len(), 400);
    counted.iter().for_each(|stream| end(stream, End::Status("401")));
    assert_eq!(passed_until_all_refuse(&workers, "/"), 0);
}
