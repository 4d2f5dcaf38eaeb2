//! Why a configuration is refused.

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
        let reason = if boolean { format!("{reason}{hint}") } else { reason };
        Self { path, reason }
    }

    /// The whole configuration is wrong.
    pub(super) fn at_root(reason: String) -> Self {
        Self::new(String::new(), reason)
    }
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.path.as_str() {
            "" | "." => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl core::error::Error for ConfigError {}
