//! Sets of status codes.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Status codes, written as a list of numbers and ranges: `[401, 403, "500-599"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

/// One entry of the list.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a status is a number like 503 or a range like \"500-599\"")]
enum RawStatus {
    One(u16),
    Range(String),
}

impl StatusSet {
    /// Whether a status is in it.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

impl RawStatus {
    fn bounds(&self) -> Option<(u16, u16)> {
        let (first, last) = match self {
            Self::One(status) => (*status, *status),
            Self::Range(text) => match text.split_once('-') {
                Some((first, last)) => (first.trim().parse().ok()?, last.trim().parse().ok()?),
                None => (text.parse().ok()?, text.parse().ok()?),
            },
        };
        ((100..=599).contains(&first) && first <= last && last <= 599).then_some((first, last))
    }
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::<RawStatus>::deserialize(deserializer)?;
        let bounds = list.iter().map(|status| {
            let wrong = || {
                D::Error::custom(format!("`{status:?}` is no status: 100 to 599, or a range like 500-599"))
            };
            status.bounds().ok_or_else(wrong)
        });
        bounds.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for StatusSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusSet".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<RawStatus>::json_schema(generator)
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
        for json in ["401", "[99]", "[600]", r#"["5xx"]"#, r#"["599-500"]"#, "[-1]", r#"["401-"]"#, "[4.5]"] {
            assert!(serde_json::from_str::<StatusSet>(json).is_err(), "{json}");
        }
    }
}
