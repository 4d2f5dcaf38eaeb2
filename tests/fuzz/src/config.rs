//! Configurations, as JSON and as an encoded `google.protobuf.Struct`.

use ballast_core::config::parse;
use core::fmt::Debug;
use prost::Message;
use prost_types::value::Kind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Up to here a double holds every whole number.
const MOST_EXACT: u64 = 1 << 53;
/// The library for protobuf stops at a depth of 100 messages, of which each object takes three.
const MOST_DEPTH: usize = 25;

/// Both encodings of a configuration are understood alike, and refused alike.
pub(crate) fn read<T: DeserializeOwned + Debug>(bytes: &[u8]) {
    let read = parse::<T>(bytes);
    let Ok(fields) = parse::<Map<String, Value>>(bytes) else {
        assert!(read.is_err(), "what is no object is no configuration");
        return;
    };
    if !fields.values().all(|value| is_same_in_both(value, MOST_DEPTH)) {
        return;
    }
    let text = parse::<T>(Value::Object(fields.clone()).to_string().as_bytes());
    let encoded = parse::<T>(&encoded(&fields).encode_to_vec());
    match (text, encoded) {
        (Ok(text), Ok(encoded)) => assert_eq!(format!("{text:?}"), format!("{encoded:?}")),
        (text, encoded) => assert_eq!(text.err().map(shown), encoded.err().map(shown)),
    }
}

/// The error without the place in the text, which only one of the encodings has.
fn shown(error: impl ToString) -> String {
    let error = error.to_string();
    error.rsplit_once(" at line ").map_or(error.clone(), |(before, _)| before.to_owned())
}

fn is_same_in_both(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.unsigned_abs() <= MOST_EXACT,
            (None, Some(number)) => number.fract() != 0.0 && is_read_back(number),
            (None, None) => false,
        },
        Value::Array(list) => list.iter().all(|value| is_same_in_both(value, depth)),
        Value::Object(fields) => fields.values().all(|value| is_same_in_both(value, depth)),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Whether this number is read from its own text to the last bit. In the modules it need not be: reading every one so takes
/// 20 KiB of each, and no threshold means its last bit.
fn is_read_back(number: f64) -> bool {
    serde_json::from_str::<f64>(&number.to_string()).is_ok_and(|read| read.to_bits() == number.to_bits())
}

fn encoded(fields: &Map<String, Value>) -> prost_types::Struct {
    let fields = fields.iter().map(|(name, value)| (name.clone(), encoded_value(value)));
    prost_types::Struct { fields: fields.collect() }
}

fn encoded_value(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(list) => {
            Kind::ListValue(prost_types::ListValue { values: list.iter().map(encoded_value).collect() })
        }
        Value::Object(fields) => Kind::StructValue(encoded(fields)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A configuration's text as an encoded Struct.
pub(crate) fn as_struct(text: &[u8]) -> Vec<u8> {
    let fields: Map<String, Value> = serde_json::from_slice(text).expect("a JSON object");
    encoded(&fields).encode_to_vec()
}
