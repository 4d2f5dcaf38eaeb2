//! Sizes in bytes.

use super::parse::{Kind, UnitError, unit};
use std::fmt;
use std::str::FromStr;

const KIND: Kind = Kind {
    what: "size",
    example: "`64KiB` (B, KB, MB, GB, KiB, MiB, GiB)",
    pattern: "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)$",
};

/// A number of bytes, such as `64KiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = KIND.split(text)?;
        let bytes: u64 = match unit {
            "B" => 1,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(KIND.wrong(text)),
        };
        number.checked_mul(bytes).map(Self).ok_or_else(|| KIND.too_large(text))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let largest = units.into_iter().find(|(bytes, _)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        let (bytes, unit) = largest.unwrap_or((1, "B"));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

unit!(ByteSize, KIND);

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, bytes) in
            [("0B", 0), ("5KB", 5_000), ("64KiB", 65_536), ("1MiB", 1_048_576), ("2GB", 2_000_000_000)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
            assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "64", "KiB", "64kib", "64K", "64 KiB", "1.5MiB", "-1B", "99999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }
}
