//! What every filter's configuration has.

use super::ConfigError;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Whether decisions take effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// Everything is decided, counted and marked, and nothing refused.
    Shadow,
    /// Nothing is decided.
    Disabled,
}

/// What happens when something is broken, such as the shared store. Not what happens when it is busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The request passes.
    #[default]
    Allow,
    /// The request is refused.
    Deny,
}

const MOST_BYTES: usize = 63;

/// A rule's name or a namespace: 1 to 63 of `a-z`, `0-9` and `-`. It becomes part of keys, metrics and headers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Name(#[cfg_attr(feature = "schema", schemars(regex(pattern = "^[a-z0-9-]{1,63}$")))] String);

impl Name {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > MOST_BYTES || !text.bytes().all(allowed) {
            let shown: String = text.chars().take(MOST_BYTES + 1).collect();
            return Err(D::Error::custom(format!("`{shown}` is not a name: 1 to 63 of a-z, 0-9 and -")));
        }
        Ok(Self(text))
    }
}

/// Refuses a list in which two rules have one name; the error names both positions.
///
/// # Errors
///
/// Two names are equal.
pub fn check_unique<'a>(list: &str, names: impl IntoIterator<Item = &'a Name>) -> Result<(), ConfigError> {
    let names: Vec<&Name> = names.into_iter().collect();
    for (at, name) in names.iter().enumerate() {
        if let Some(first) = names.iter().take(at).position(|earlier| earlier == name) {
            let reason = format!("`{name}` is the name of {list}[{first}] too: names must be unique");
            return Err(ConfigError::new(format!("{list}[{at}].name"), reason));
        }
    }
    Ok(())
}
