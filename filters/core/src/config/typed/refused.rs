//! Why a value is not what was asked for, and where.

use crate::config::ConfigError;
use serde::de::{Error, Expected, Unexpected};
use serde_json::{Number, Value};
use std::fmt;

/// Why, and where as far as that is known: each level that the error leaves puts its own step before it.
#[derive(Debug)]
pub(in crate::config) struct Refused(Box<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// As in `limits[0].rate`.
    path: String,
    /// With the value and what is allowed.
    reason: String,
}

impl Refused {
    #[cold]
    fn new(reason: String) -> Self {
        Self(Box::new(Parts { path: String::new(), reason }))
    }

    #[cold]
    pub(super) fn at_index(mut self, index: usize) -> Self {
        self.step(&format!("[{index}]"));
        self
    }

    #[cold]
    pub(in crate::config) fn at_name(mut self, name: &str) -> Self {
        self.step(name);
        self
    }

    pub(in crate::config) fn into_error(self) -> ConfigError {
        ConfigError::new(self.0.path, self.0.reason)
    }

    fn step(&mut self, step: &str) {
        let path = &mut self.0.path;
        if !path.is_empty() && !path.starts_with('[') {
            path.insert(0, '.');
        }
        path.insert_str(0, step);
    }

    #[cold]
    pub(super) fn wrong_type(value: &Value, expected: &dyn Expected) -> Self {
        let unexpected = match value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Unexpected::Unsigned(number),
                (None, Some(number)) => Unexpected::Signed(number),
                (None, None) => Unexpected::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Self::invalid_type(unexpected, expected)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.reason)
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("invalid type: {}, expected {expected}", Written(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("invalid value: {}, expected {expected}", Written(unexpected)))
    }
}

/// What was found, as JSON writes it.
struct Written<'a>(Unexpected<'a>);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Unit => f.write_str("null"),
            Unexpected::Float(value) => match Number::from_f64(value) {
                Some(number) => write!(f, "floating point `{number}`"),
                None => f.write_str("floating point"),
            },
            other => other.fmt(f),
        }
    }
}
