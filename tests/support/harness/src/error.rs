//! Why an Envoy did not start.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why an Envoy did not start. Its debug form is its text: tests unwrap it, and the end of a log wants its own lines.
#[derive(thiserror::Error)]
pub enum StartError {
    /// There is no Envoy to start in this mode.
    #[error("no Envoy to start: {0}")]
    Unavailable(String),
    /// A program that runs beside Envoy cannot be started.
    #[error("{0}")]
    Missing(String),
    /// The sample or configuration cannot be used as it is.
    #[error("cannot use {path}: {reason}", path = path.display())]
    Configuration {
        /// The file, or the name of the test that gave the text.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Modules that the configuration names have not been built.
    #[error("the configuration names modules that do not exist: {}; build them with `make wasm`", .0.join(", "))]
    MissingModules(Vec<String>),
    /// Envoy refused its configuration.
    #[error("Envoy refused the configuration:\n{reasons}\nThe end of its log:\n{log_end}")]
    Refused {
        /// The log lines that say why.
        reasons: String,
        /// The end of Envoy's log.
        log_end: String,
    },
    /// Envoy ended before it was ready, for another reason.
    #[error("Envoy ended before it was ready ({how}); the end of its log:\n{log_end}")]
    Died {
        /// Its exit status.
        how: String,
        /// The end of Envoy's log.
        log_end: String,
    },
    /// Envoy runs and does not get ready.
    #[error("Envoy was not ready after {after:?}; the end of its log:\n{log_end}")]
    NotReady {
        /// How long was waited.
        after: Duration,
        /// The end of Envoy's log.
        log_end: String,
    },
    /// Its files, its process or its container could not be made.
    #[error("cannot start Envoy: {0}")]
    Launch(String),
}

impl fmt::Debug for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        Self::Launch(error.to_string())
    }
}
