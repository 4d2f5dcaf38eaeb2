//! What operators write, and how it is refused.
//!
//! # How
//!
//! Configuration arrives as JSON text, or as a protobuf-encoded `google.protobuf.Struct`, in which every number is a
//! double. [`parse`] reads both into the same types. A raw type is what was written (unknown fields refused); by `TryFrom` it
//! becomes a valid type that cannot hold nonsense. An error names the path, the value and what is allowed.
//!
//! # Limits
//!
//! YAML 1.1 reads an unquoted `on`, `off`, `yes` or `no` as a boolean: no key and no value is called that, and the
//! error for a boolean where a text belongs says to put it in quotes.

mod common;
mod error;
mod json;
mod logging;
mod protobuf;
mod typed;

pub use common::{Mode, Name, OnError, check_unique};
pub use error::ConfigError;
#[cfg(feature = "schema")]
pub use logging::schema;
pub use logging::{LogFormat, LogLevel, Logging};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use typed::{Refused, typed};

/// Reads a configuration: JSON text, an encoded `Struct`, or nothing, which is `{}`.
///
/// # Errors
///
/// The bytes are neither, or do not say what `T` asks for. Never panics, whatever the bytes are.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ConfigError> {
    parse_logged(bytes).1
}

/// Reads a configuration as [`parse`] does, and with it how the filter's log lines are written. That is known, as far as
/// it could be read, also where the rest is refused.
pub fn parse_logged<T: DeserializeOwned>(bytes: &[u8]) -> (Logging, Result<T, ConfigError>) {
    match object(bytes) {
        Ok(mut fields) => {
            let (logging, taken) = Logging::take(&mut fields);
            (logging, taken.and_then(|()| typed(&Value::Object(fields)).map_err(Refused::into_error)))
        }
        Err(error) => (Logging::default(), Err(error)),
    }
}

/// Reads `T` from JSON, as configurations are read: no name is given twice.
///
/// # Errors
///
/// The bytes are no JSON, or do not say what `T` asks for.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    from_value(&json_value(bytes)?)
}

/// The value of a JSON text in which no name is given twice.
///
/// # Errors
///
/// The bytes are no such text.
pub fn json_value(bytes: &[u8]) -> Result<Value, String> {
    json::parse(bytes).map_err(|error| error.to_string())
}

/// Reads `T` from a JSON value.
///
/// # Errors
///
/// It does not say what `T` asks for.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    typed(value).map_err(|refused| refused.to_string())
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, ConfigError> {
    let text = bytes.trim_ascii();
    let expected =
        || ConfigError::at_root("a configuration is a JSON object or a google.protobuf.Struct".to_owned());
    match text.first() {
        None => Ok(Map::new()),
        Some(_) if protobuf::looks_encoded(bytes) => protobuf::decode(bytes).map_err(ConfigError::at_root),
        Some(b'{') => match json::parse(text).map_err(|error| ConfigError::at_root(error.to_string()))? {
            Value::Object(fields) => Ok(fields),
            _ => Err(expected()),
        },
        Some(_) => Err(expected()),
    }
}

#[cfg(test)]
mod tests;
