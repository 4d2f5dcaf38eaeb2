//! What the units share: a whole number, then a unit, with an error that says what is wrong and what is allowed.

use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::str::FromStr;

/// A value that is not written as its unit asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {what}{problem}: write it like {example}")]
pub struct UnitError {
    value: String,
    problem: &'static str,
    what: &'static str,
    example: &'static str,
}

const NO_UNIT: &str = ", its unit is missing";

/// What a kind of value is called, and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) what: &'static str,
    pub(super) example: &'static str,
    /// The same for a schema.
    #[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "only schemas have patterns"))]
    pub(super) pattern: &'static str,
}

impl Kind {
    /// It is not written as it must be.
    pub(super) fn wrong(self, value: &str) -> UnitError {
        let number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        self.error(value, if number { NO_UNIT } else { "" })
    }

    /// It is written well, but cannot be held.
    pub(super) fn too_large(self, value: &str) -> UnitError {
        self.error(value, ", it is too large")
    }

    fn error(self, value: &str, problem: &'static str) -> UnitError {
        // Long enough to be recognised, short enough for a log line.
        let value = value.chars().take(60).collect();
        UnitError { value, problem, what: self.what, example: self.example }
    }

    /// Splits `250ms` into 250 and `ms`. No sign, no space, no fraction.
    pub(super) fn split(self, text: &str) -> Result<(u64, &str), UnitError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(|| self.wrong(text))?;
        if number.is_empty() || unit.is_empty() {
            return Err(self.wrong(text));
        }
        let number = number.parse().map_err(|_| self.too_large(text))?;
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

    impl<T> Text<T> {
        fn bare<E: Error>(&self, number: impl fmt::Display) -> Result<T, E> {
            Err(E::custom(self.0.error(&number.to_string(), NO_UNIT)))
        }
    }

    impl<T: FromStr<Err = UnitError>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a {} with its unit, like {}", self.0.what, self.0.example)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            self.bare(number)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            self.bare(number)
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
            self.bare(number)
        }
    }

    deserializer.deserialize_any(Text(kind, std::marker::PhantomData))
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
                    "pattern": $kind.pattern,
                    "description": format!("A {}, written like {}.", $kind.what, $kind.example),
                })
            }
        }
    };
}
pub(super) use unit;
