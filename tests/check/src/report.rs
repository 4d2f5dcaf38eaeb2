//! What was found, and how it is printed.

use core::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and is probably not what was meant.
    Warning,
    /// The proxy would refuse it.
    Error,
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The line in the file, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The filter that it is about; empty where it is about the file.
    pub filter: String,
    /// The JSON path in the filter's configuration, as in `limits[0].rate`; empty where it is about all of it.
    pub path: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: ", self.line, self.column, self.severity.as_str())?;
        for part in [&self.filter, &self.path] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

impl Finding {
    /// The finding as a JSON object, for programs.
    pub fn to_json(&self, file: &str) -> serde_json::Value {
        serde_json::json!({
            "file": file,
            "line": self.line,
            "column": self.column,
            "severity": self.severity.as_str(),
            "filter": self.filter,
            "path": self.path,
            "message": self.message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_place_severity_filter_path_and_reason() {
        let finding = Finding {
            severity: Severity::Error,
            line: 3,
            column: 7,
            filter: "rate-limit".to_owned(),
            path: "limits[0].rate".to_owned(),
            message: "wrong".to_owned(),
        };
        assert_eq!(finding.to_string(), "3:7: error: rate-limit: limits[0].rate: wrong");
        let about_the_file = Finding { filter: String::new(), path: String::new(), ..finding };
        assert_eq!(about_the_file.to_string(), "3:7: error: wrong");
    }
}
