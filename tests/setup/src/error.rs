//! The one error of the set-up: which step failed, why, and what a person can do about it.

use std::fmt;

/// A step that could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    step: String,
    reason: String,
    remedy: String,
}

impl Error {
    pub(crate) fn new(step: impl Into<String>, reason: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self { step: step.into(), reason: reason.to_string(), remedy: remedy.into() }
    }

    /// The step and why, for an error that gives its own advice.
    pub(crate) fn cause(&self) -> String {
        format!("{} failed: {}", self.step, self.reason.trim_end())
    }

    /// Why, in one line: for notes about something that may be missing.
    pub(crate) fn summary(&self) -> &str {
        self.reason.lines().next().unwrap_or(&self.reason)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  What you can do: {}", self.cause(), self.remedy)
    }
}

impl std::error::Error for Error {}
