//! A root's own log lines, as text or as JSON.
//!
//! # Limits
//!
//! The proxy puts its own words in front of each line: the time, and which plugin wrote it. So a line carries no time, and JSON begins at
//! its first `{`. What is logged is for operators: never a client's key, a body or a credential.

use crate::host::{Host, LogLevel};
use ballast_core::config::{LogFormat, Logging};
use serde::Serialize;

/// What a log line is about, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// The rule, by its name.
    pub rule: Option<&'a str>,
    /// Why, in one word.
    pub reason: Option<&'a str>,
}

impl<'a> About<'a> {
    /// A rule.
    pub const fn rule(name: &'a str) -> Self {
        Self { rule: Some(name), reason: None }
    }

    /// With the reason, in one word.
    #[must_use]
    pub const fn because(self, reason: &'a str) -> Self {
        Self { rule: self.rule, reason: Some(reason) }
    }
}

/// Writes the log lines of one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logger {
    filter: String,
    pub(crate) logging: Logging,
}

/// A line as JSON.
#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    filter: &'a str,
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    message: &'a str,
}

impl Logger {
    pub(crate) fn new(filter: &str, logging: Logging) -> Self {
        Self { filter: filter.to_owned(), logging }
    }

    pub(crate) fn log(
        &self,
        host: &impl Host,
        level: LogLevel,
        namespace: &str,
        about: About<'_>,
        message: &str,
    ) {
        if level >= self.logging.level {
            host.log(level, &self.line(level, namespace, about, message));
        }
    }

    fn line(&self, level: LogLevel, namespace: &str, about: About<'_>, message: &str) -> String {
        let Self { filter, logging } = self;
        let text = || match about.rule {
            Some(rule) => format!("{filter}: {rule}: {message}"),
            None => format!("{filter}: {message}"),
        };
        match logging.format {
            LogFormat::Text => text(),
            LogFormat::Json => {
                let About { rule, reason } = about;
                let line = Line { level: level.as_str(), filter, namespace, rule, reason, message };
                // Text is always valid JSON once it is escaped, so this does not fail.
                serde_json::to_string(&line).unwrap_or_else(|_| text())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat, about: About<'_>, message: &str) -> String {
        let logging = Logging { format, level: LogLevel::Debug };
        Logger::new("circuit-breaker", logging).line(LogLevel::Warn, "edge", about, message)
    }

    #[test]
    fn a_line_is_text_or_one_json_object() {
        let about = About::rule("payments").because("failure_rate");
        for (format, about, message, expected) in [
            (LogFormat::Text, About::default(), "a", "circuit-breaker: a"),
            (LogFormat::Text, about, "a", "circuit-breaker: payments: a"),
            (
                LogFormat::Json,
                About::default(),
                "a",
                r#"{"level":"warn","filter":"circuit-breaker","namespace":"edge","message":"a"}"#,
            ),
            (
                LogFormat::Json,
                about,
                "say \"a\"\nand {b}",
                r#"{"level":"warn","filter":"circuit-breaker","namespace":"edge","rule":"payments","reason":"failure_rate","message":"say \"a\"\nand {b}"}"#,
            ),
        ] {
            assert_eq!(line(format, about, message), expected);
        }
    }
}
