//! What upstreams and the rate limit service say.

use crate::message::{fields, now};
use ballast_core::load_shedding::signal::Signal;
use ballast_core::rate_limit::global::Answer;
use ballast_core::retry_policy::deadline::{expected_timeout, grpc_timeout, to_grpc_timeout};
use ballast_core::retry_policy::outcome::Outcome;
use ballast_core::retry_policy::retry_after::asked;
use core::time::Duration;

/// The fields of an answer that say when to come back and what came of an attempt.
pub(crate) fn answers(bytes: &[u8]) {
    let lines = fields(bytes);
    let get = |name: &str| lines.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| *value);
    let _ = asked(get, now().wall);
    for value in lines.iter().map(|(_, value)| *value) {
        let _ = expected_timeout(value);
        if let Some(timeout) = grpc_timeout(value) {
            // The units of the protocol are coarse, and what is written has eight digits of seconds at the most.
            let written = to_grpc_timeout(timeout);
            let read = grpc_timeout(written.as_bytes()).expect("what was written is read");
            let expected = timeout.min(Duration::from_secs(99_999_999));
            assert!(
                read.abs_diff(expected) <= expected / 100 + Duration::from_millis(1),
                "{timeout:?}: {written}"
            );
        }
        let text = String::from_utf8_lossy(value);
        let _ = (Outcome::of_router(503, Some(14), &text), Outcome::of_call(Some(503), false, value));
    }
}

/// Load as an upstream says it: a number, or a report in each of the forms.
pub(crate) fn load(bytes: &[u8]) {
    for (header, metric) in [
        ("x-load", None),
        ("endpoint-load-metrics", Some("cpu_utilization")),
        ("endpoint-load-metrics", Some("named_metrics.queue")),
        ("endpoint-load-metrics-bin", Some("application_utilization")),
    ] {
        let signal = Signal::new(header.to_owned(), metric.map(str::to_owned), 0.8);
        if let Some(over) = signal.over(|_| Some(bytes)) {
            assert!(over >= -1.0, "{header}: {over}");
            // Many are added up.
            assert!((over * 1e12).is_finite(), "{header}: {over}");
        }
    }
}

/// Answers of the rate limit service.
pub(crate) fn rate_limit_service(bytes: &[u8]) {
    if let Some(answer) = Answer::read(bytes) {
        assert!(answer.told.remaining.is_none() || answer.told.limit.is_some());
        assert!(answer.told.reset.is_none_or(|reset| !reset.is_zero()));
    }
}
