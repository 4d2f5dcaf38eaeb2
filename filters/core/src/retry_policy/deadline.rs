//! How long the client waits, and what of that is left for an attempt.

use crate::time::MonoTime;
use core::time::Duration;

/// The span of a `grpc-timeout` header: up to eight digits and a unit (gRPC over HTTP/2).
pub fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = core::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// A span as a `grpc-timeout` header, rounded down to what eight digits can say.
pub fn to_grpc_timeout(span: Duration) -> String {
    let units = [('n', span.as_nanos()), ('u', span.as_micros()), ('m', span.as_millis())];
    let fits = units.iter().find(|(_, number)| *number < 100_000_000);
    match fits {
        Some((unit, number)) => format!("{number}{unit}"),
        None => format!("{}S", span.as_secs().min(99_999_999)),
    }
}

/// The span of an `x-envoy-expected-rq-timeout-ms` header. Zero means none.
pub fn expected_timeout(value: &[u8]) -> Option<Duration> {
    let millis: u64 = core::str::from_utf8(value).ok()?.parse().ok()?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// The end of a request's time: the shortest of the given spans.
pub fn deadline(start: MonoTime, spans: [Option<Duration>; 3]) -> Option<MonoTime> {
    spans.into_iter().flatten().min().map(|span| start.after(span))
}

/// How long an attempt that starts at `now` may take; `None`: no time is left. Without any bound it is a day.
pub fn attempt_timeout(
    per_try: Option<Duration>,
    deadline: Option<MonoTime>,
    now: MonoTime,
) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let left = deadline.map_or(LONGEST, |deadline| deadline.since(now));
    let timeout = per_try.unwrap_or(LONGEST).min(left);
    (timeout >= Duration::from_millis(1)).then_some(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_grpc_timeout_is_read_and_written() {
        for (text, span) in [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("9n", Some(Duration::from_nanos(9))),
            ("", None),
            ("m", None),
            ("5", None),
            ("123456789m", None),
            ("1x", None),
        ] {
            assert_eq!(grpc_timeout(text.as_bytes()), span, "{text}");
        }
        for (span, text) in [
            (Duration::from_nanos(1_500), "1500n"),
            (Duration::from_millis(250), "250000u"),
            (Duration::from_secs(2), "2000000u"),
            (Duration::from_secs(3_600), "3600000m"),
            (Duration::from_secs(1_000_000), "1000000S"),
        ] {
            assert_eq!(to_grpc_timeout(span), text);
        }
    }

    #[test]
    fn the_earliest_end_counts_and_no_attempt_begins_after_it() {
        let ms = Duration::from_millis;
        let start = MonoTime::from_millis(1_000);
        assert_eq!(deadline(start, [None, None, None]), None);
        let end = deadline(start, [Some(ms(300)), None, Some(ms(200))]);
        assert_eq!(end, Some(MonoTime::from_millis(1_200)));
        for (now, per_try, expected) in [
            (1_000, None, Some(200)),
            (1_150, Some(100), Some(50)),
            (1_000, Some(100), Some(100)),
            (1_200, None, None),
        ] {
            let timeout = attempt_timeout(per_try.map(ms), end, MonoTime::from_millis(now));
            assert_eq!(timeout, expected.map(ms), "{now}");
        }
    }
}
