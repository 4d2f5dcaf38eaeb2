//! What must hold, and whether it did.

use serde::Serialize;
use std::fmt::Display;

/// One thing that must hold.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What it is about.
    pub name: String,
    /// What was wanted, in words.
    pub wanted: String,
    /// What was found.
    pub found: String,
    /// Whether it held. `None`: it could not be judged, and `found` says why; that is no failure.
    pub held: Option<bool>,
}

impl Check {
    /// One that held or did not.
    pub fn new(name: &str, wanted: impl Display, found: impl Display, held: bool) -> Self {
        Self { name: name.to_owned(), wanted: wanted.to_string(), found: found.to_string(), held: Some(held) }
    }

    /// A number that must not be above another.
    pub fn at_most(name: &str, most: f64, found: f64, unit: &str) -> Self {
        Self::new(name, format!("at most {most:.4}{unit}"), format!("{found:.4}{unit}"), found <= most)
    }

    /// Two counts that must be the same.
    pub fn same(name: &str, wanted: u64, found: u64) -> Self {
        Self::new(name, wanted, found, wanted == found)
    }

    /// One that cannot be judged, and why.
    pub fn unjudged(name: &str, wanted: impl Display, why: impl Display) -> Self {
        Self { name: name.to_owned(), wanted: wanted.to_string(), found: why.to_string(), held: None }
    }

    /// Whether it was judged and did not hold.
    pub fn failed(&self) -> bool {
        self.held == Some(false)
    }
}

impl Display for Check {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = match self.held {
            Some(true) => "ok",
            Some(false) => "FAILED",
            None => "not judged",
        };
        write!(out, "{verdict:>10}  {}: {} (wanted: {})", self.name, self.found, self.wanted)
    }
}
