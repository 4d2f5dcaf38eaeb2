//! How one value is matched.

use super::text::Text;
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
    /// An expression that matches the whole value; what is not UTF-8 in it counts as U+FFFD.
    Regex(Regex),
}

impl Pattern {
    /// Whether a value matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Regex(regex) => regex.is_match(&String::from_utf8_lossy(value)),
        }
    }

    /// Whether this is the beginning of every path. What is written so is meant for every request, also for one without a path (CONNECT,
    /// `OPTIONS *`), and costs as little as no condition.
    pub(super) fn is_every_path(&self) -> bool {
        matches!(self, Self::Prefix(text) if text == "/")
    }
}

impl TryFrom<RawPattern> for Pattern {
    type Error = String;

    fn try_from(raw: RawPattern) -> Result<Self, String> {
        match raw {
            RawPattern::Exact(text) => Text::try_from(text).map(|Text(text)| Self::Exact(text)),
            RawPattern::Prefix(text) => Text::try_from(text).map(|Text(text)| Self::Prefix(text)),
            RawPattern::Regex(text) => return whole(text).map(Self::Regex),
        }
        .map_err(str::to_owned)
    }
}

/// An expression that matches whole values only.
fn whole(text: String) -> Result<Regex, String> {
    let Text(text) = Text::try_from(text)?;
    let compiled = |text: &str| RegexBuilder::new(text).size_limit(MOST_REGEX_BYTES).build();
    // Alone first: `a)|(b` is no expression, but would become one, without its anchors, between parentheses.
    compiled(&text)
        .and_then(|_| compiled(&format!("^(?:{text})$")))
        .map_err(|error| format!("`{text}` is not a regular expression: {error}"))
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
