//! Spans of time.

use super::parse::{Kind, UnitError, unit};
use core::time::Duration;
use std::fmt;
use std::str::FromStr;

const KIND: Kind = Kind {
    what: "duration",
    example: "`250ms` (ns, us, ms, s, m, h, d)",
    pattern: "^[0-9]+(ns|us|ms|s|m|h|d)$",
};

/// The units in nanoseconds, the smallest first.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A span of time, such as `250ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = KIND.split(text)?;
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, nanos) = known.ok_or_else(|| KIND.wrong(text))?;
        number
            .checked_mul(*nanos)
            .map(|nanos| Self(Duration::from_nanos(nanos)))
            .ok_or_else(|| KIND.too_large(text))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let largest =
            UNITS.iter().rev().find(|(_, unit)| nanos > 0 && nanos.is_multiple_of(u128::from(*unit)));
        let (name, unit) = largest.copied().unwrap_or(("s", 1));
        write!(f, "{}{name}", nanos / u128::from(unit))
    }
}

unit!(Span, KIND);

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn spans_are_whole_numbers_with_a_unit() {
        for (text, nanos) in [
            ("0s", 0),
            ("7ns", 7),
            ("3us", 3_000),
            ("250ms", 250_000_000),
            ("2m", 120_000_000_000),
            ("1d", 86_400_000_000_000),
        ] {
            let span = Span(Duration::from_nanos(nanos));
            assert_eq!(text.parse(), Ok(span), "{text}");
            assert_eq!(span.to_string(), text);
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            "1",
            "s",
            "1.5s",
            "-1s",
            "+1s",
            " 1s",
            "1 s",
            "1s ",
            "1S",
            "1sec",
            "1y",
            "1w",
            "99999999999d",
            "18446744073709551616ns",
            "١s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_error_names_the_value_and_what_is_allowed() {
        let allowed = "write it like `250ms` (ns, us, ms, s, m, h, d)";
        for (text, problem) in [
            ("100", "`100` is not a duration, its unit is missing"),
            ("1.5", "`1.5` is not a duration, its unit is missing"),
            ("1.5s", "`1.5s` is not a duration"),
            ("", "`` is not a duration"),
            ("18446744074s", "`18446744074s` is not a duration, it is too large"),
        ] {
            assert_eq!(text.parse::<Span>().unwrap_err().to_string(), format!("{problem}: {allowed}"));
        }
        for (json, problem) in [
            ("100", "`100` is not a duration, its unit is missing"),
            ("-1", "`-1` is not a duration, its unit is missing"),
            ("1.5", "`1.5` is not a duration, its unit is missing"),
        ] {
            let error = serde_json::from_str::<Span>(json).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{problem}: {allowed}")), "{error}");
        }
    }
}
