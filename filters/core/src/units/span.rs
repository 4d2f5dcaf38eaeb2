//! Spans of time.

use super::parse::{Kind, UnitError, unit};
use core::time::Duration;
use std::fmt;
use std::str::FromStr;

const KIND: Kind = Kind { what: "duration", example: "`250ms` (ns, us, ms, s, m, h, d)" };

/// A span of time, such as `250ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = KIND.split(text)?;
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            "d" => 86_400 * 1_000_000_000,
            _ => return Err(KIND.error(text)),
        };
        number
            .checked_mul(nanos)
            .map(|nanos| Self(Duration::from_nanos(nanos)))
            .ok_or_else(|| KIND.error(text))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
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
            assert_eq!(text.parse(), Ok(Span(Duration::from_nanos(nanos))), "{text}");
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
        let error = "100".parse::<Span>().unwrap_err().to_string();
        assert_eq!(error, "`100` is not a duration: write it like `250ms` (ns, us, ms, s, m, h, d)");
    }
}
