//! Shares of a whole.

use super::parse::{Kind, UnitError, unit};
use std::fmt;
use std::str::FromStr;

const KIND: Kind = Kind {
    what: "share",
    example: "`20%` (0% to 100%, up to two decimals)",
    pattern: "^[0-9]{1,3}(\\.[0-9]{1,2})?%$",
};
const WHOLE: u64 = 10_000;

/// A part of a whole, such as `20%`; between nothing and all.
///
/// Kept in basis points, so that configurations can be compared and decisions need no floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(10_000);

    /// So many hundredths of a percent; more than 10,000 count as all.
    pub const fn from_basis_points(points: u16) -> Self {
        if points > 10_000 { Self::ALL } else { Self(points) }
    }

    /// Whether `part` is at least this share of `whole`. Of nothing, nothing is.
    pub fn is_reached(self, part: u64, whole: u64) -> bool {
        whole > 0 && u128::from(part) * u128::from(WHOLE) >= u128::from(whole) * u128::from(self.0)
    }

    /// This part of a number, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        // Apart, so that neither product overflows: the share is at most the whole.
        let share = u64::from(self.0);
        whole / WHOLE * share + whole % WHOLE * share / WHOLE
    }

    /// In whole percent, rounded down.
    pub const fn percent(self) -> u64 {
        // A widening: at most 100.
        (self.0 / 100) as u64
    }

    /// This part of a small number, rounded down.
    pub fn of_small(self, whole: u32) -> u32 {
        u32::try_from(self.of(whole.into())).unwrap_or(whole)
    }

    /// Both together, and no more than all.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::from_basis_points(self.0.saturating_add(other.0))
    }

    /// The smallest number of which this share is at least `part`; `None`: there is none.
    pub fn whole_of(self, part: u64) -> Option<u64> {
        let whole =
            (u128::from(part) * u128::from(WHOLE)).checked_add(u128::from(self.0.saturating_sub(1)))?;
        u64::try_from(whole.checked_div(u128::from(self.0))?).ok()
    }

    /// Whether a thing with these uniformly distributed bits is in this part: always for all, never for none.
    pub fn admits(self, bits: u64) -> bool {
        let point = (u128::from(bits) * u128::from(WHOLE)) >> 64;
        point < u128::from(self.0)
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.strip_suffix('%').ok_or_else(|| KIND.wrong(text))?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 2 {
            return Err(KIND.wrong(text));
        }
        let points: Option<u64> = (|| {
            let hundredths = if decimals.len() == 1 { 10 } else { 1 };
            whole
                .parse::<u64>()
                .ok()?
                .checked_mul(100)?
                .checked_add(decimals.parse::<u64>().ok()? * hundredths)
        })();
        match points.map(u16::try_from) {
            Some(Ok(points)) if points <= 10_000 => Ok(Self(points)),
            _ => Err(KIND.wrong(text)),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, points) => write!(f, "{whole}.{points:02}%"),
        }
    }
}

unit!(Share, KIND);

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn shares_are_percentages() {
        for (text, points) in
            [("0%", 0), ("0.5%", 50), ("0.05%", 5), ("20%", 2_000), ("99.99%", 9_999), ("100%", 10_000)]
        {
            assert_eq!(text.parse(), Ok(Share(points)), "{text}");
            assert_eq!(Share(points).to_string().parse(), Ok(Share(points)), "{text}");
        }
        for text in [
            "",
            "20",
            "%",
            "0.2",
            "20 %",
            "-1%",
            "101%",
            "100.01%",
            "1.234%",
            ".5%",
            "5.%",
            "99999999999999999999%",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_share_takes_its_part_of_numbers_and_of_chance() {
        assert_eq!(Share::from_basis_points(2_050).of(1_000), 205);
        assert_eq!(Share::ALL.of(u64::MAX), u64::MAX);
        assert!(Share::ALL.admits(u64::MAX) && !Share::NONE.admits(0));
        let half = Share::from_basis_points(5_000);
        assert!(half.admits(u64::MAX / 2 - 1_000) && !half.admits(u64::MAX / 2 + 1_000));
    }
}
