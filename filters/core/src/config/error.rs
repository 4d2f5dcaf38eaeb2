//! Why a configuration is refused.

/// The most characters of a path, and of a reason.
const MOST_CHARS: usize = 400;

/// What in a configuration is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    reason: String,
}

impl ConfigError {
    /// `path` as in `limits[0].rate`; `reason` names the value and what is allowed.
    pub fn new(path: String, reason: String) -> Self {
        let boolean = reason.starts_with("invalid type: boolean");
        let hint = "; YAML reads an unquoted on, off, yes or no as a boolean: put it in quotes";
        let mut reason = bounded(reason);
        if boolean {
            reason.push_str(hint);
        }
        Self { path: bounded(path), reason }
    }

    /// Where it is, as in `limits[0].rate`; empty for all of it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong and what is allowed.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The whole configuration is wrong.
    pub(super) fn at_root(reason: String) -> Self {
        Self::new(String::new(), reason)
    }
}

/// Cut to what a log line holds. A value and a field's name may be as long as the configuration.
fn bounded(text: String) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl core::error::Error for ConfigError {}
