//! What the units share: a whole number, then a unit, with an error that says what is allowed.

use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::str::FromStr;

/// A value that is not written as its unit asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {what}: write it like {example}")]
pub struct UnitError {
    value: String,
    what: &'static str,
    example: &'static str,
}

/// What a kind of value is called, and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) what: &'static str,
    pub(super) example: &'static str,
}

impl Kind {
    pub(super) fn error(self, value: &str) -> UnitError {
        // Long enough to be recognised, short enough for a log line.
        let value = value.chars().take(60).collect();
        UnitError { value, what: self.what, example: self.example }
    }

    /// Splits `250ms` into 250 and `ms`. No sign, no space, no fraction.
    pub(super) fn split(self, text: &str) -> Result<(u64, &str), UnitError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(|| self.error(text))?;
        let number = number.parse().map_err(|_| self.error(text))?;
        Ok((number, unit))
    }
}

/// Reads a unit from a string, and says of a bare number that it lacks one.
pub(super) fn deserialize<'de, T, D>(deserializer: D, kind: Kind) -> Result<T, D::Error>
where
    T: FromStr<Err = UnitError>,
    D: Deserializer<'de>,
{
    struct Text<T>(Kind, std::marker::PhantomData<T>);

    impl<T: FromStr<Err = UnitError>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a {} with its unit, like {}", self.0.what, self.0.example)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(kind, std::marker::PhantomData))
}

/// Implements what every unit needs: reading it, and describing it in a schema.
macro_rules! unit {
    ($type:ident, $kind:expr) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::units::parse::deserialize(deserializer, $kind)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": format!("A {}, written like {}.", $kind.what, $kind.example),
                })
            }
        }
    };
}
pub(super) use unit;
