//! How one value is matched.

use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;

/// The most memory a compiled expression may take: ample for anything a person would write.
const MOST_REGEX_BYTES: usize = 256 * 1024;

/// What is written: exactly one of these.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RawPattern {
    /// The whole value.
    Exact(String),
    /// The beginning of the value.
    Prefix(String),
    /// An expression that matches the whole value.
    Regex(String),
}

/// A compiled pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawPattern")]
pub enum Pattern {
    /// The whole value.
    Exact(String),
    /// The beginning of the value.
    Prefix(String),
    /// An expression that matches the whole value.
    Regex(Regex),
}

impl Pattern {
    /// Whether a value matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Regex(regex) => core::str::from_utf8(value).is_ok_and(|text| regex.is_match(text)),
        }
    }
}

impl TryFrom<RawPattern> for Pattern {
    type Error = String;

    fn try_from(raw: RawPattern) -> Result<Self, String> {
        let filled = |text: String| {
            if text.is_empty() {
                Err("an empty pattern would match by accident: leave it out".to_owned())
            } else {
                Ok(text)
            }
        };
        match raw {
            RawPattern::Exact(text) => filled(text).map(Self::Exact),
            RawPattern::Prefix(text) => filled(text).map(Self::Prefix),
            RawPattern::Regex(text) => {
                let text = filled(text)?;
                let whole = format!("^(?:{text})$");
                let regex = RegexBuilder::new(&whole).size_limit(MOST_REGEX_BYTES).build();
                regex
                    .map(Self::Regex)
                    .map_err(|error| format!("`{text}` is not a regular expression: {error}"))
            }
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawPattern::json_schema(generator)
    }
}
