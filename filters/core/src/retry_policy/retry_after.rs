//! What an answer says about when to come back.
//!
//! `Retry-After` (RFC 9110, section 10.2.3) is a number of seconds or a date; `x-ratelimit-reset` a number of seconds or a Unix time;
//! `grpc-retry-pushback-ms` (gRPC proposal A6) a number of milliseconds, or anything else for "not again".

use crate::time::WallTime;
use core::time::Duration;
use std::time::UNIX_EPOCH;

/// What an answer asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// To come back no earlier than after so long.
    Wait(Duration),
    /// Not to come back.
    Never,
}

/// Numbers from here on are times, not spans: 2001 as a Unix time, 31 years as a span.
const TIMES_FROM: u64 = 1_000_000_000;

/// What the headers of an answer ask for; `header` brings a header's value.
pub fn asked<'a>(header: impl Fn(&str) -> Option<&'a [u8]>, now: WallTime) -> Asked {
    if let Some(value) = header("grpc-retry-pushback-ms") {
        return number(value).map_or(Asked::Never, |millis| Asked::Wait(Duration::from_millis(millis)));
    }
    let retry_after = header("retry-after").and_then(|value| retry_after(value, now));
    let reset = || header("x-ratelimit-reset").and_then(|value| reset(value, now));
    retry_after.or_else(reset).map_or(Asked::Nothing, Asked::Wait)
}

fn retry_after(value: &[u8], now: WallTime) -> Option<Duration> {
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let text = core::str::from_utf8(value).ok()?;
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    // A date that has passed asks for no wait.
    Some(date.duration_since(UNIX_EPOCH).ok()?.saturating_sub(since_epoch(now)))
}

fn reset(value: &[u8], now: WallTime) -> Option<Duration> {
    let number = number(value)?;
    let seconds = Duration::from_secs(number);
    Some(if number >= TIMES_FROM { seconds.saturating_sub(since_epoch(now)) } else { seconds })
}

const fn since_epoch(now: WallTime) -> Duration {
    Duration::from_nanos(now.as_unix_nanos())
}

/// Digits and nothing else.
fn number(value: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(value.trim_ascii()).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number that is too large is a very long time.
    Some(text.parse().unwrap_or(u64::MAX / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of the RFC's examples.
    const NOW: WallTime = WallTime::from_unix_nanos(784_111_777_000_000_000);

    fn of(headers: &[(&str, &str)], now: WallTime) -> Asked {
        let find =
            |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes());
        asked(find, now)
    }

    #[test]
    fn seconds_dates_times_and_pushback_are_understood() {
        let seconds = |n| Asked::Wait(Duration::from_secs(n));
        let later = WallTime::from_unix_nanos(1_700_000_000_000_000_000);
        for (header, value, now, expected) in [
            ("retry-after", "120", NOW, seconds(120)),
            ("retry-after", " 0 ", NOW, seconds(0)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", NOW, seconds(10)),
            ("retry-after", "Sunday, 06-Nov-94 08:49:47 GMT", NOW, seconds(10)),
            ("retry-after", "Sun Nov  6 08:49:47 1994", NOW, seconds(10)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT", NOW, seconds(0)),
            ("retry-after", "soon", NOW, Asked::Nothing),
            ("retry-after", "-5", NOW, Asked::Nothing),
            ("retry-after", "1.5", NOW, Asked::Nothing),
            ("x-ratelimit-reset", "30", NOW, seconds(30)),
            ("x-ratelimit-reset", "1700000007", later, seconds(7)),
            ("x-ratelimit-reset", "never", NOW, Asked::Nothing),
            ("grpc-retry-pushback-ms", "250", NOW, Asked::Wait(Duration::from_millis(250))),
            ("grpc-retry-pushback-ms", "-1", NOW, Asked::Never),
            ("grpc-retry-pushback-ms", "x", NOW, Asked::Never),
            ("x-other", "1", NOW, Asked::Nothing),
        ] {
            assert_eq!(of(&[(header, value)], now), expected, "{header}: {value}");
        }
    }

    #[test]
    fn the_most_specific_header_counts() {
        let all = [("retry-after", "9"), ("x-ratelimit-reset", "8"), ("grpc-retry-pushback-ms", "7")];
        assert_eq!(of(&all, NOW), Asked::Wait(Duration::from_millis(7)));
        assert_eq!(of(&all[..2], NOW), Asked::Wait(Duration::from_secs(9)));
        assert_eq!(
            of(&[("retry-after", "?"), ("x-ratelimit-reset", "8")], NOW),
            Asked::Wait(Duration::from_secs(8))
        );
    }

    #[test]
    fn a_number_without_bounds_is_a_very_long_time() {
        assert!(
            matches!(of(&[("retry-after", "99999999999999999999999")], NOW), Asked::Wait(wait) if wait.as_secs() > 1 << 50)
        );
    }
}
