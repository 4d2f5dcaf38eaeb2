//! Load scenarios: what each asks, how it is run, and what must hold.

mod drive;
mod form;
mod judge;
mod operation;
mod pass;
mod soak;
mod table;

pub use form::Form;
pub use operation::Operation;
pub use pass::Pass;
pub use table::{JudgedBy, SCENARIOS, SOAK, Scenario, Step, Thresholds, scenario};

use crate::Check;
use anyhow::Result;
use serde::Serialize;

/// What came of a scenario.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// With the filters.
    pub with: Pass,
    /// The same proxy without.
    pub without: Pass,
    /// What had to hold.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether everything held that could be judged.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.checks.iter().any(Check::failed)
    }
}

/// Runs a scenario, with the filters and without, and judges it by these thresholds.
///
/// # Errors
///
/// When a proxy or goose does not start.
pub async fn run(scenario: &Scenario, form: Form, thresholds: Thresholds) -> Result<Report> {
    let with = pass::run(scenario, form, pass::Way::With).await?;
    let without = pass::run(scenario, form, pass::Way::Without).await?;
    let checks = judge::all(scenario, form, &thresholds, &with, &without);
    Ok(Report { name: scenario.name, about: scenario.about, with, without, checks })
}
