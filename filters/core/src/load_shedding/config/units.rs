//! Values that only this configuration has.

use core::fmt;
use core::marker::PhantomData;
use serde::de::{Error, MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Deserializer};

/// The most a percentage may say.
const MOST_PERCENT: f64 = 1_000.0;

/// A share that may be more than the whole, such as `110%`; 1 is the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percent(pub(super) f64);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        percent(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not a percentage: write it like `110%` (more than 0%, up to 1000%)"
            ))
        })
    }
}

fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = plain.then(|| number.parse().ok()).flatten()?;
    (number > 0.0 && number <= MOST_PERCENT).then_some(number / 100.0)
}

/// A number, or a share such as `85%`, which is 0.85. More than zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Threshold(pub(super) f64);

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = f64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a share like `85%`")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
                let allowed = number.is_finite() && number > 0.0;
                allowed.then_some(number).ok_or_else(|| E::custom(format!("`{number}` is not more than 0")))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
                self.visit_f64(number as f64)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
                self.visit_f64(number as f64)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
                percent(text).ok_or_else(|| {
                    E::custom(format!(
                        "`{text}` is neither a number nor a share: write it like `85%` or 0.85"
                    ))
                })
            }
        }

        deserializer.deserialize_any(Either).map(Self)
    }
}

/// A list, of which one alone may be written without brackets.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule or a list of rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
                T::deserialize(value::MapAccessDeserializer::new(map)).map(|one| vec![one])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
                Vec::deserialize(value::SeqAccessDeserializer::new(list))
            }
        }

        deserializer.deserialize_any(OneOrMany(PhantomData)).map(Self)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{List, Percent, Threshold};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for Percent {
        fn schema_name() -> Cow<'static, str> {
            "Percent".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "pattern": "^[0-9]{1,4}(\\.[0-9]+)?%$" })
        }
    }

    impl JsonSchema for Threshold {
        fn schema_name() -> Cow<'static, str> {
            "Threshold".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let percent = generator.subschema_for::<Percent>();
            json_schema!({ "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, percent] })
        }
    }

    impl<T: JsonSchema> JsonSchema for List<T> {
        fn schema_name() -> Cow<'static, str> {
            format!("{}List", T::schema_name()).into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let one = generator.subschema_for::<T>();
            json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
    }
}
