//! A JSON object as an encoded `google.protobuf.Struct`, as Envoy hands it to a plugin: every number is a double.

use serde_json::{Map, Value};

const LENGTH_DELIMITED: u8 = 2;
const FIXED_64: u8 = 1;
const VARINT: u8 = 0;

/// The bytes of a Struct with the fields of a JSON object.
///
/// # Panics
///
/// When the text is no JSON object.
#[must_use]
pub fn encode_struct(json: &str) -> Vec<u8> {
    match serde_json::from_str(json).unwrap() {
        Value::Object(fields) => encode_fields(&fields),
        other => panic!("not an object: {other}"),
    }
}

fn encode_fields(fields: &Map<String, Value>) -> Vec<u8> {
    let entry = |(name, value): (&String, &Value)| {
        let entry = [delimited(1, name.as_bytes()), delimited(2, &encode_value(value))].concat();
        delimited(1, &entry)
    };
    fields.iter().flat_map(entry).collect()
}

fn encode_value(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![tag(1, VARINT), 0],
        Value::Number(number) => {
            let mut bytes = vec![tag(2, FIXED_64)];
            bytes.extend(number.as_f64().unwrap().to_le_bytes());
            bytes
        }
        Value::String(text) => delimited(3, text.as_bytes()),
        Value::Bool(value) => vec![tag(4, VARINT), u8::from(*value)],
        Value::Object(fields) => delimited(5, &encode_fields(fields)),
        Value::Array(items) => {
            let items: Vec<u8> = items.iter().flat_map(|item| delimited(1, &encode_value(item))).collect();
            delimited(6, &items)
        }
    }
}

const fn tag(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

fn delimited(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag(field, LENGTH_DELIMITED)];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(content);
    bytes
}
