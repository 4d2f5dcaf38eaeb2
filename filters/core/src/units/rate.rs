//! Rates.

use super::parse::{Kind, UnitError, unit};
use core::time::Duration;
use std::fmt;
use std::str::FromStr;

const KIND: Kind =
    Kind { what: "rate", example: "`100/s` (/s, /m, /h, /d; at least 1)", pattern: "^0*[1-9][0-9]*/[smhd]$" };

/// So many in a span of time, such as `100/s`. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: u64,
    per: Duration,
}

impl Rate {
    /// How many; at least one.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// In how long: a second, minute, hour or day.
    pub const fn per(self) -> Duration {
        self.per
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (count, unit) = KIND.split(text)?;
        let seconds = match unit {
            "/s" => 1,
            "/m" => 60,
            "/h" => 3_600,
            "/d" => 86_400,
            _ => return Err(KIND.wrong(text)),
        };
        if count == 0 { Err(KIND.wrong(text)) } else { Ok(Self { count, per: Duration::from_secs(seconds) }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            3_600 => "h",
            _ => "d",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

unit!(Rate, KIND);

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rates_are_a_count_and_a_unit_of_time() {
        for (text, count, seconds) in
            [("1/s", 1, 1), ("5/m", 5, 60), ("100/h", 100, 3_600), ("3/d", 3, 86_400)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count(), rate.per().as_secs()), (count, seconds));
            assert_eq!(rate.to_string(), text);
        }
        for text in [
            "",
            "100",
            "/s",
            "0/s",
            "-1/s",
            "1.5/s",
            "1/sec",
            "1 /s",
            "1/ s",
            "1/w",
            "99999999999999999999/s",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
        let error = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
        let allowed = "write it like `100/s` (/s, /m, /h, /d; at least 1)";
        assert_eq!(error("100"), format!("`100` is not a rate, its unit is missing: {allowed}"));
        assert_eq!(error("0/s"), format!("`0/s` is not a rate: {allowed}"));
        assert_eq!(
            error("18446744073709551616/s"),
            format!("`18446744073709551616/s` is not a rate, it is too large: {allowed}")
        );
    }
}
