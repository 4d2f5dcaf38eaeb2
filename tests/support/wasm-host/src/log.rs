//! What the filters logged.

use std::fmt;

/// How important a log line is, numbered as in the ABI.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u32)]
pub enum LogLevel {
    /// Trace.
    Trace = 0,
    /// Debug.
    Debug = 1,
    /// Info; also what a module writes to standard output.
    Info = 2,
    /// Warn.
    Warn = 3,
    /// Error; also what a module writes to standard error.
    Error = 4,
    /// Critical; also the host's own message when a VM dies.
    Critical = 5,
}

impl LogLevel {
    pub(crate) fn from_abi(level: u32) -> Option<Self> {
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical]
            .get(level as usize)
            .copied()
    }
}

/// One log line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// Its level.
    pub level: LogLevel,
    /// Its text.
    pub message: String,
    /// The thread whose VM wrote it, see [`crate::Vm::thread`].
    pub thread: u32,
    /// The plugin in whose context it was written; empty outside any plugin.
    pub plugin: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}] thread {} {}: {}", self.level, self.thread, self.plugin, self.message)
    }
}
