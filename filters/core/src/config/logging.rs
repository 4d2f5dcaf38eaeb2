//! How a filter's own log lines are written: two fields that every configuration may have.
//!
//! They are read here and not in each filter's type, so no filter can lack them.

use super::ConfigError;
use super::typed::typed;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// `<filter>: <rule>: <message>`.
    #[default]
    Text,
    /// A JSON object with `level`, `filter`, `namespace`, `message` and, where they are known, `rule` and `reason`.
    Json,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For following one request.
    #[default]
    Debug,
    /// Rare and ordinary.
    Info,
    /// Somebody should look.
    Warn,
    /// Something asked for was not done.
    Error,
}

impl LogLevel {
    /// As it is written in configurations and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// How a filter's own log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// `log_format`: how a line looks.
    pub format: LogFormat,
    /// `log_level`: the least important lines that are handed to the proxy, whose own level holds besides. Default:
    /// all, so the proxy's level decides, which can be changed while it runs.
    pub level: LogLevel,
}

impl Logging {
    /// Takes the two fields out of a configuration. What could be read counts also where the rest is wrong, so that
    /// the line that says so looks as it was asked for.
    pub(super) fn take(from: &mut Map<String, Value>) -> (Self, Result<(), ConfigError>) {
        let format = field(from, "log_format");
        let level = field(from, "log_level");
        let logging = Self {
            format: format.as_ref().copied().unwrap_or_default(),
            level: level.as_ref().copied().unwrap_or_default(),
        };
        (logging, format.map(drop).and(level.map(drop)))
    }
}

fn field<T: DeserializeOwned + Default>(from: &mut Map<String, Value>, name: &str) -> Result<T, ConfigError> {
    let Some(value) = from.remove(name) else { return Ok(T::default()) };
    typed(&value).map_err(|refused| refused.at_name(name).into_error())
}

/// The JSON Schema of a whole configuration: that of the filter's own type, and the two fields.
#[cfg(feature = "schema")]
pub fn schema<T: schemars::JsonSchema>() -> Value {
    // Draft 7 is what editors know.
    let generator = || schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = generator().into_root_schema_for::<T>().to_value();
    let common = [
        (
            "log_format",
            generator().into_root_schema_for::<LogFormat>().to_value(),
            "How the filter's own log lines look.",
            "text",
        ),
        (
            "log_level",
            generator().into_root_schema_for::<LogLevel>().to_value(),
            "The least important log lines that are handed to the proxy, whose own level holds besides.",
            "debug",
        ),
    ];
    let properties =
        schema.as_object_mut().map(|root| root.entry("properties").or_insert_with(|| Map::new().into()));
    if let Some(Value::Object(properties)) = properties {
        for (name, mut field, description, default) in common {
            if let Value::Object(field) = &mut field {
                field.remove("$schema");
                field.remove("title");
                field.insert("description".to_owned(), description.into());
                field.insert("default".to_owned(), default.into());
            }
            properties.insert(name.to_owned(), field);
        }
    }
    schema
}
