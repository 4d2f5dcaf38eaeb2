//! A `google.protobuf.Struct` as JSON.
//!
//! Envoy hands a plugin's `Struct` over as it is on the wire. All its numbers are doubles: those without a fraction
//! become whole numbers again, as they were written.

use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value as Field};
use serde_json::{Map, Number, Value};

/// The largest double up to which every whole number has one of its own.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Whether these are the bytes of a Struct. They begin with a line feed (the tag of field 1), and so may JSON text; but no
/// text keeps to the lengths that follow in an encoding.
pub(super) fn looks_encoded(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x0a) && Struct::decode(bytes).is_ok()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    Struct::decode(bytes).map(object).map_err(|error| format!("not a google.protobuf.Struct: {error}"))
}

fn object(fields: Struct) -> Map<String, Value> {
    let mut read = Map::new();
    // One by one: to collect a map is to sort, which takes more code than it saves time here.
    for (name, field) in fields.fields {
        read.insert(name, value(field));
    }
    read
}

fn value(field: Field) -> Value {
    match field.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(value).collect()),
        Some(Kind::StructValue(fields)) => Value::Object(object(fields)),
    }
}

fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= MOST_EXACT {
        // In range and without a fraction, as just checked.
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53")]
        let whole = value as i64;
        return Value::Number(whole.into());
    }
    // JSON has neither infinities nor NaN. As a text such a number is of the wrong type wherever a number belongs.
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}
