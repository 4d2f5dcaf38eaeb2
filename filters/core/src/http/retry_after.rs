//! When to come back.

use crate::random::Random;
use crate::time::WallTime;
use crate::units::Share;
use core::time::Duration;
use std::time::UNIX_EPOCH;

/// How long a `Retry-After` header asks to wait at `now`: seconds, or a date (RFC 9110, section 10.2.3). A date that has
/// passed asks for nothing.
pub fn parse_retry_after(value: &[u8], now: WallTime) -> Option<Duration> {
    let text = core::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number is longer than anybody waits.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(Duration::from_nanos(now.as_unix_nanos())))
}

/// Whole seconds for a `Retry-After` header (RFC 9110, section 10.2.3): at least 1.
///
/// Never earlier than the truth: rounded up, then moved later by up to `jitter` of the wait. Where there is any jitter
/// it is a second or more, so that clients which were refused together do not come back together.
pub fn retry_after_seconds(wait: Duration, jitter: Share, random: &mut impl Random) -> u64 {
    let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
    if jitter == Share::NONE {
        return whole;
    }
    let most = jitter.of(whole).max(1);
    whole.saturating_add(random.below(most.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Fixed;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = WallTime::from_unix_nanos(784_111_777_000_000_000);
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(parse_retry_after(value.as_bytes(), now), expected, "{value}");
        }
    }

    #[test]
    fn a_wait_is_rounded_up_and_jittered_upwards_only() {
        let fifth = Share::from_basis_points(2_000);
        for (millis, jitter, bits, seconds) in [
            (0, Share::NONE, 0, 1),
            (1, Share::NONE, u64::MAX, 1),
            (1_001, Share::NONE, 0, 2),
            (10_000, fifth, 0, 10),
            (10_000, fifth, u64::MAX, 12),
            (500, fifth, u64::MAX, 2),
        ] {
            let wait = Duration::from_millis(millis);
            assert_eq!(retry_after_seconds(wait, jitter, &mut Fixed(bits)), seconds, "{millis} ms");
        }
        assert_eq!(retry_after_seconds(Duration::MAX, Share::ALL, &mut Fixed(u64::MAX)), u64::MAX);
    }
}
