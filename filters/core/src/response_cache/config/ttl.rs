//! Times to live by status.

use crate::units::Span;
use crate::vec_map::VecMap;
use core::time::Duration;
use serde::Deserialize;
use serde::de::{
    Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer, value::StrDeserializer,
};
use std::fmt;

/// Times to live: one for all statuses that are final and not an error, or one for each that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// For answers whose status RFC 9110 calls cacheable by heuristic, among them 200, 301 and 404.
    All(Duration),
    /// For these statuses.
    ByStatus(VecMap<u16, Duration>),
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TtlVisitor;

        impl<'de> Visitor<'de> for TtlVisitor {
            type Value = Ttl;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration like `1m`, or one for each status like {\"200\": \"1m\"}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Ttl, E> {
                Span::deserialize(StrDeserializer::new(text)).map(|Span(ttl)| Ttl::All(ttl))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Ttl, A::Error> {
                let spans = VecMap::<Status, Span>::deserialize(MapAccessDeserializer::new(map))?;
                if spans.is_empty() {
                    return Err(A::Error::custom("no status is named: leave it out"));
                }
                Ok(Ttl::ByStatus(
                    spans.into_iter().map(|(Status(status), Span(ttl))| (status, ttl)).collect(),
                ))
            }
        }

        deserializer.deserialize_any(TtlVisitor)
    }
}

/// The status of a final answer, written as the name of a field.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Status(u16);

impl TryFrom<String> for Status {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let status = text.parse().ok().filter(|status| digits && (200..=599).contains(status));
        status.map(Self).ok_or_else(|| format!("`{text}` is not the status of a final answer: 200 to 599"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Ttl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ttl".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let span = generator.subschema_for::<Span>();
        schemars::json_schema!({
            "description": "One for all, or one for each status.",
            "anyOf": [span, {
                "type": "object",
                "patternProperties": { "^[2-5][0-9]{2}$": span },
                "additionalProperties": false,
                "minProperties": 1,
            }],
        })
    }
}
