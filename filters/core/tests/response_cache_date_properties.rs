//! Dates, held against a library that reads and writes the same three forms (RFC 9110, section 5.6.7).

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::response_cache::rules::{format_date, parse_date};
use proptest::prelude::*;
use response_cache_support::written_date;
use std::time::SystemTime;

mod response_cache_support;

/// Sat, 21 Nov 2026 00:00:00 GMT
const TODAY: i64 = 1_795_219_200;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// RFC 9110, section 5.6.7, against a library that knows the same three forms.
    #[test]
    fn dates_are_those_of_the_calendar(seconds in 0_i64..253_402_300_799, form in 0_usize..3) {
        let text = written_date(seconds, form);
        let near = if form == 1 { seconds } else { TODAY };
        prop_assert_eq!(parse_date(text.as_bytes(), near), Some(seconds), "{}", text);
        prop_assert_eq!(format_date(seconds), written_date(seconds, 0));
    }

    /// RFC 9110, section 5.6.7: of a date with a year of two digits, the one that is at most 50 years ahead.
    #[test]
    fn a_year_of_two_digits_is_the_latest_that_is_not_far_ahead(now in 0_i64..9_000_000_000, ahead in -1_500_000_000_i64..1_500_000_000) {
        let seconds = now + ahead;
        prop_assume!(seconds >= 0);
        prop_assert_eq!(parse_date(written_date(seconds, 1).as_bytes(), now), Some(seconds));
    }

    /// Whatever one letter is changed to: it is no date, or the library reads the same.
    #[test]
    fn a_letter_that_is_changed_makes_another_date_or_none(seconds in 0_i64..4_000_000_000, at in 0_usize..29, letter in "[ -~]") {
        let mut text = written_date(seconds, 0);
        text.replace_range(at..=at, &letter);
        let theirs = httpdate::parse_http_date(&text).ok();
        let theirs = theirs.map(|time| i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap());
        let ours = parse_date(text.as_bytes(), TODAY);
        // A leap second is a second of the grammar, and years before the epoch are years; the library knows neither.
        if ours != theirs {
            prop_assert!(theirs.is_none() && (text.contains(":60 ") || ours < Some(0)), "{} {:?} {:?}", text, ours, theirs);
        }
    }
}
