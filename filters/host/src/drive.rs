//! Drives conversations with the shared store: the one compare-and-swap loop.

use crate::host::{Host, LogLevel, Shared};
use crate::log::{About, Logger};
use ballast_core::config::Logging;
use ballast_core::protocol::{Input, Machine, Step};
use core::fmt::{Display, Write};

/// The layout of shared keys and values. A new layout gets a new number, so that old and new filters run side by side.
pub const LAYOUT_VERSION: u32 = 1;

/// Where a filter's shared state lives, `ballast/<layout version>/<filter>/<namespace>/`, and who its log lines are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    prefix: String,
    namespace: String,
    logger: Logger,
}

impl Scope {
    /// The scope of a filter's namespace.
    pub fn new(filter: &str, namespace: &str) -> Self {
        let prefix = format!("ballast/{LAYOUT_VERSION}/{filter}/{namespace}/");
        let logger = Logger::new(filter, Logging::default());
        Self { prefix, namespace: namespace.to_owned(), logger }
    }

    /// With log lines that are written like this.
    #[must_use]
    pub(crate) fn logging(mut self, logging: Logging) -> Self {
        self.logger.logging = logging;
        self
    }

    /// Writes a log line.
    pub(crate) fn log(&self, host: &impl Host, level: LogLevel, about: About<'_>, message: &str) {
        self.logger.log(host, level, &self.namespace, about, message);
    }

    /// The namespace: what configurations that name the same one share.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of a key in this scope.
    pub fn key(&self, name: impl Display) -> String {
        // So that hardly any name has to grow.
        let mut key = String::with_capacity(self.prefix.len() + 48);
        key.push_str(&self.prefix);
        // Writing to a string cannot fail.
        let _ = write!(key, "{name}");
        key
    }
}

/// Runs a conversation over the shared values of a scope to its end; a key's text is its name in the scope. `send`
/// delivers to the queue of a VM slot.
pub fn drive<M>(
    host: &impl Host,
    scope: &Scope,
    machine: &mut M,
    mut send: impl FnMut(u8, &[u8]) -> bool,
) -> M::Output
where
    M: Machine<Key: Display + PartialEq>,
{
    let mut input = Input::Start;
    // What is read is mostly written soon: its name is made once. Two are read before the first is written at the most.
    let mut named: [Option<(M::Key, String)>; 2] = [None, None];
    loop {
        input = match machine.resume(input) {
            Step::Get(key) => {
                let name = scope.key(&key);
                let read = host.shared(&name);
                let [last, before] = &mut named;
                *before = last.replace((key, name));
                read.map_or(Input::Failed, |Shared { value, version }| Input::Value { value, version })
            }
            Step::Swap { key, version, value } => {
                let swapped = match named.iter().flatten().find(|(known, _)| *known == key) {
                    Some((_, name)) => host.swap_shared(name, &value, version),
                    None => host.swap_shared(&scope.key(&key), &value, version),
                };
                swapped.map_or(Input::Failed, Input::Swapped)
            }
            Step::Send { slot, message } => Input::Sent(send(slot, &message)),
            Step::Done(output) => return output,
        };
    }
}
