//! Texts that are checked as they are read, so that an error names the very place.

use serde::Deserialize;

/// A text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String")]
pub(crate) struct Text(pub(crate) String);

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            Err("an empty text would match by accident: leave it out")
        } else {
            Ok(Self(text))
        }
    }
}

/// A method as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String")]
pub(crate) struct Method(pub(crate) String);

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Methods are case-sensitive, and all that are registered are in capitals: `get` is a mistake.
        if is_token(&text) && !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is not a method: write it in capitals, like GET"))
    }
}

/// The name of a header, in lower case as the proxy keeps it. Pseudo headers have no such name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String")]
pub struct HeaderName(String);

impl HeaderName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        header_name(&text).map(Self)
    }
}

/// A header's name in lower case, where it is read as a text.
///
/// # Errors
///
/// It is not the name of a header, or that of a pseudo header.
pub(crate) fn header_name(text: &str) -> Result<String, String> {
    if is_token(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("`{text}` is not the name of a header: write it like x-api-key"))
}

/// Whether it is what RFC 9110, section 5.6.2, calls a token: what methods and headers' names are made of.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}
