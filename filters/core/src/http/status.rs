//! Sets of status codes.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;

/// Status codes, written as a list of numbers and ranges: `[401, 403, "500-599"]`. Never empty when read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet(Vec<Range>);

impl StatusSet {
    /// 500 to 599.
    pub fn server_errors() -> Self {
        Self(vec![Range { first: 500, last: 599 }])
    }

    /// Whether a status is in it.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&status))
    }

    /// Every status in it, range by range.
    pub fn codes(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|range| range.first..=range.last)
    }

    /// Whether it is empty, as only the default is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// From a status up to a status, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
}

impl Range {
    fn new(first: u64, last: u64) -> Option<Self> {
        let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
        (100 <= first && first <= last && last <= 599).then_some(Self { first, last })
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        // Three digits and nothing else: no sign, no space.
        let number = |text: &str| (text.len() == 3).then(|| text.parse::<u16>().ok()).flatten();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (first, last) =
            (number(first).filter(|_| digits(first))?, number(last).filter(|_| digits(last))?);
        Self::new(first.into(), last.into())
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RangeVisitor;

        impl Visitor<'_> for RangeVisitor {
            type Value = Range;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status from 100 to 599, or a range like \"500-599\"")
            }

            fn visit_u64<E: Error>(self, status: u64) -> Result<Range, E> {
                Range::new(status, status).ok_or_else(|| wrong(status))
            }

            fn visit_i64<E: Error>(self, status: i64) -> Result<Range, E> {
                u64::try_from(status)
                    .ok()
                    .and_then(|status| Range::new(status, status))
                    .ok_or_else(|| wrong(status))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Range, E> {
                Range::parse(text).ok_or_else(|| wrong(text))
            }
        }

        deserializer.deserialize_any(RangeVisitor)
    }
}

fn wrong<E: Error>(value: impl fmt::Display) -> E {
    E::custom(format!("`{value}` is no status: write a number from 100 to 599, or a range like \"500-599\""))
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ranges = Vec::<Range>::deserialize(deserializer)?;
        if ranges.is_empty() {
            return Err(D::Error::custom("`[]` would never hold: leave it out"));
        }
        Ok(Self(ranges))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for StatusSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusSet".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "array",
            "minItems": 1,
            "items": { "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$" },
            ] },
            "description": "Status codes: numbers, and ranges like \"500-599\".",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_set_is_a_list_of_numbers_and_ranges() {
        let set: StatusSet = serde_json::from_str(r#"[401, "403", "500-599"]"#).unwrap();
        for (status, expected) in
            [(401, true), (402, false), (403, true), (499, false), (500, true), (599, true)]
        {
            assert_eq!(set.contains(status), expected, "{status}");
        }
        assert!(!StatusSet::default().contains(200));
    }

    #[test]
    fn what_is_no_status_is_refused_with_its_place() {
        let error = |json: &str| serde_json::from_str::<StatusSet>(json).unwrap_err().to_string();
        for (json, value) in [
            ("[99]", "`99`"),
            ("[600]", "`600`"),
            ("[65736]", "`65736`"),
            ("[-1]", "`-1`"),
            (r#"["5xx"]"#, "`5xx`"),
            (r#"["599-500"]"#, "`599-500`"),
            (r#"["401-"]"#, "`401-`"),
            (r#"["+40"]"#, "`+40`"),
            (r#"["500 - 599"]"#, "`500 - 599`"),
            (r#"["500-550-599"]"#, "`500-550-599`"),
        ] {
            assert!(error(json).starts_with(&format!("{value} is no status: write ")), "{}", error(json));
        }
        for json in ["401", "[]", "[4.5]", "[null]", "[[401]]", "[true]"] {
            assert!(serde_json::from_str::<StatusSet>(json).is_err(), "{json}");
        }
    }
}
