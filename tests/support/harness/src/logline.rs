//! Envoy's log for people.

use regex_lite::Regex;
use std::sync::LazyLock;

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\[\d{4}-\d{2}-\d{2} (\d{2}:\d{2}:\d{2}\.\d{3})\]\[\d+\]\[(\w+)\]\[([\w.]+)\] (?:\[[^\]]*:\d+\] ?)?(.*)$")
        .expect("a pattern")
});
static WASM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^wasm log(?: ([^:]*))?: (?:([a-z][a-z0-9-]*): )?(.*)$").expect("a pattern")
});

/// How much of a log a person gets to see at once.
const END_LINES: usize = 40;

/// One line of Envoy's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// Hours, minutes, seconds and milliseconds.
    pub time: &'a str,
    /// For example `info`.
    pub level: &'a str,
    /// The filter, for lines that a filter wrote, else Envoy's component.
    pub from: &'a str,
    /// Whether a filter wrote it.
    pub is_filter: bool,
    /// What it says.
    pub message: &'a str,
}

impl<'a> LogLine<'a> {
    /// Reads a line in Envoy's own format; `None` for everything else (an access log, the rest of a long message).
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let found = LINE.captures(line)?;
        let part = |n: usize| found.get(n).map_or("", |part| part.as_str());
        let (component, message) = (part(3), part(4));
        if component == "wasm"
            && let Some(wasm) = WASM.captures(message)
        {
            // A filter names itself before its message; else root id and VM id, of which each may be missing, tell.
            let names = wasm.get(1).map_or("", |names| names.as_str());
            let named = wasm.get(2).map(|name| name.as_str());
            let from = named.or(names.split_whitespace().next()).unwrap_or("wasm");
            let message = wasm.get(3).map_or("", |message| message.as_str());
            return Some(Self { time: part(1), level: part(2), from, is_filter: true, message });
        }
        Some(Self { time: part(1), level: part(2), from: component, is_filter: false, message })
    }

    /// Whether it tells of something that is wrong.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        matches!(self.level, "warning" | "error" | "critical")
    }
}

/// A line as a person reads it: time, level, who says it, what. Lines in no known format stay as they are.
#[must_use]
pub fn readable(line: &str) -> String {
    match LogLine::parse(line) {
        Some(LogLine { time, level, from, message, .. }) => format!("{time} {level:<8} {from:<16} {message}"),
        None => line.to_owned(),
    }
}

/// The messages that say why Envoy refused its configuration; empty when it did not.
#[must_use]
pub fn refusal(log: &str) -> String {
    let messages = alarming_messages(log);
    if !messages.iter().any(|alarm| alarm.from == "main" && alarm.message.contains("initializing config")) {
        return String::new();
    }
    let a_filter_tells = messages.iter().any(|alarm| alarm.is_filter);
    let mut reasons: Vec<String> = Vec::new();
    for alarm in messages {
        // Where a filter says what is wrong, Envoy's own "failed to load" in several forms adds nothing.
        if a_filter_tells && alarm.from == "wasm" && !alarm.is_filter {
            continue;
        }
        let reason = format!("{}: {}", alarm.from, without_file(&alarm.message));
        // Every worker's copy of a filter says the same.
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.join("\n")
}

struct Alarm<'a> {
    from: &'a str,
    is_filter: bool,
    message: String,
}

/// Errors with the lines that continue them.
fn alarming_messages(log: &str) -> Vec<Alarm<'_>> {
    let mut messages: Vec<Alarm<'_>> = Vec::new();
    let mut within = false;
    for line in log.lines() {
        match LogLine::parse(line) {
            Some(LogLine { level, from, is_filter, message, .. }) => {
                within = matches!(level, "error" | "critical");
                if within {
                    messages.push(Alarm { from, is_filter, message: message.to_owned() });
                }
            }
            None if within => {
                if let Some(alarm) = messages.last_mut() {
                    alarm.message.push('\n');
                    alarm.message.push_str(line);
                }
            }
            None => {}
        }
    }
    messages
}

/// Envoy's last word without the name of the file, which whoever asks knows: "error `reason` initializing config
/// 'file'" when it starts, "error initializing configuration 'file': reason" when it validates.
fn without_file(message: &str) -> &str {
    if let Some(rest) = message.strip_prefix("error initializing configuration '") {
        return rest.split_once("': ").map_or(rest, |(_, reason)| reason);
    }
    let reason = message.split("` initializing config").next().unwrap_or(message);
    reason.strip_prefix("error `").unwrap_or(reason)
}

/// The readable end of a log, without the lists that Envoy prints when it starts.
#[must_use]
pub fn end(log: &str) -> String {
    let lines: Vec<String> = log.lines().filter(|line| !is_start_noise(line)).map(readable).collect();
    lines[lines.len().saturating_sub(END_LINES)..].join("\n")
}

/// The lists of extensions and headers that fill Envoy's log when it starts.
#[must_use]
pub fn is_start_noise(line: &str) -> bool {
    LogLine::parse(line).is_some_and(|line| {
        line.level == "info"
            && line.from == "main"
            && (line.message.len() > 200 || line.message.starts_with("  "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "[2026-01-02 03:04:05.678][12][";

    #[test]
    fn a_line_is_shown_without_date_thread_and_source() {
        let line = format!("{START}warning][main] [source/server/server.cc:1028] caught ENVOY_SIGTERM");
        assert_eq!(readable(&line), "03:04:05.678 warning  main             caught ENVOY_SIGTERM");
    }

    #[test]
    fn a_filters_line_names_the_filter() {
        for (line, from, message) in [
            ("wasm log: rate-limit: rate: 0", "rate-limit", "rate: 0"),
            ("wasm log root vm: rate-limit: a", "rate-limit", "a"),
            ("wasm log root vm: No name here: b", "root", "No name here: b"),
            ("wasm log: No name here", "wasm", "No name here"),
        ] {
            let line = format!("{START}info][wasm] [source/extensions/common/wasm/context.cc:1151] {line}");
            let parsed = LogLine::parse(&line).unwrap();
            assert_eq!((parsed.from, parsed.message, parsed.is_filter), (from, message, true), "{line}");
        }
    }

    #[test]
    fn a_line_in_another_format_stays_as_it_is() {
        assert_eq!(readable("GET / 200"), "GET / 200");
        assert_eq!(readable(""), "");
    }

    #[test]
    fn a_refusal_names_each_reason_once_and_other_ends_are_no_refusal() {
        let error =
            format!("{START}error][wasm] [source/a.cc:1] wasm log: f: invalid configuration: rate: 0\n");
        let starting = format!(
            "{START}critical][main] [source/a.cc:1] error `x:\n more` initializing config 'y\n  z'\n"
        );
        let validating = format!(
            "{START}critical][main] [source/a.cc:1] error initializing configuration 'y': x:\n more\n"
        );
        for last in [starting, validating] {
            let log = format!("{error}{error}{last}{START}info][main] [source/a.cc:1] exiting\nx\n");
            assert_eq!(refusal(&log), "f: invalid configuration: rate: 0\nmain: x:\n more");
        }
        assert_eq!(refusal(&error), "");
    }
}
