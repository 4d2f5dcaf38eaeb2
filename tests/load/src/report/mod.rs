//! Reports: JSON for programs, and a page with charts for people that loads nothing from elsewhere.

mod chart;
mod page;

use crate::{Check, chaos, load};
use chart::Chart;
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A report to be written.
#[derive(Debug, Serialize)]
pub struct Report<T> {
    /// What was run, in words.
    pub title: String,
    /// Under which conditions, and what was left out or shortened.
    pub remarks: Vec<String>,
    /// Whether everything held that could be judged.
    pub holds: bool,
    /// What came of each scenario.
    pub scenarios: Vec<T>,
}

/// A scenario as the page shows it.
struct Section {
    name: String,
    about: String,
    checks: Vec<Check>,
    /// A heading and rows.
    table: Vec<Vec<String>>,
    charts: Vec<Chart>,
}

/// What can be a section of a page.
pub trait Scenario: Serialize {
    /// Whether everything held that could be judged.
    fn holds(&self) -> bool;
    /// Its name.
    fn name(&self) -> &str;
    /// What did not hold.
    fn failed(&self) -> Vec<&Check>;
    #[doc(hidden)]
    fn section(&self) -> SectionOf;
}

/// A section, for this module only.
pub struct SectionOf(Section);

impl<T: Scenario> Report<T> {
    /// An empty one.
    #[must_use]
    pub fn new(title: &str, remarks: Vec<String>) -> Self {
        Self { title: title.to_owned(), remarks, holds: true, scenarios: Vec::new() }
    }

    /// Adds what came of a scenario.
    pub fn add(&mut self, scenario: T) {
        self.holds &= scenario.holds();
        self.scenarios.push(scenario);
    }

    /// The scenarios that did not hold, each with what did not.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let told = |scenario: &T| {
            let name = scenario.name().to_owned();
            scenario.failed().into_iter().map(move |check| format!("{name}: {check}")).collect::<Vec<_>>()
        };
        self.scenarios.iter().flat_map(told).collect()
    }

    /// Writes `report.json` and `report.html` to this directory. Returns the page's path.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(directory)?;
        let json = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        std::fs::write(directory.join("report.json"), json)?;
        let sections: Vec<Section> = self.scenarios.iter().map(|scenario| scenario.section().0).collect();
        let page = directory.join("report.html");
        std::fs::write(&page, page::page(&self.title, &self.remarks, &sections))?;
        Ok(page)
    }
}

/// What the machine is, for the remarks.
#[must_use]
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!("{cores} cores for clients, proxy and upstream together; load average when it began: {load}")
}

impl Scenario for load::Report {
    fn holds(&self) -> bool {
        self.holds()
    }

    fn name(&self) -> &str {
        self.name
    }

    fn failed(&self) -> Vec<&Check> {
        self.checks.iter().filter(|check| check.failed()).collect()
    }

    fn section(&self) -> SectionOf {
        let mut table = vec![
            ["", "requests", "good", "refused", "failed", "p50 ms", "p95 ms", "p99 ms"]
                .map(str::to_owned)
                .to_vec(),
            row("with filters", &self.with.whole),
            row("without", &self.without.whole),
        ];
        let each =
            self.with.operations.iter().map(|(name, seen)| row(&format!("with filters: {name}"), seen));
        table.extend(each);
        let charts = vec![
            requests("With filters: requests a second", &self.with.seconds),
            requests("Without filters: requests a second", &self.without.seconds),
            Chart::new("Good answers, 95th percentile, ms")
                .line("with filters", self.with.seconds.iter().map(|second| second.p95_ms))
                .line("without", self.without.seconds.iter().map(|second| second.p95_ms)),
            Chart::new("Users").line("users", self.with.users.iter().map(|users| *users as f64)),
            memory(&self.with.looks),
        ];
        SectionOf(Section {
            name: self.name.to_owned(),
            about: self.about.to_owned(),
            checks: self.checks.clone(),
            table,
            charts,
        })
    }
}

impl Scenario for chaos::Report {
    fn holds(&self) -> bool {
        self.holds()
    }

    fn name(&self) -> &str {
        self.name
    }

    fn failed(&self) -> Vec<&Check> {
        self.checks.iter().filter(|check| check.failed()).collect()
    }

    fn section(&self) -> SectionOf {
        let mut about = format!("{} It took {:.1} s.", self.about, self.took.as_secs_f64());
        if let Some((from, to)) = self.trouble {
            let second = |time: Duration| time.as_secs_f64();
            about += &format!(" Trouble from second {:.0} to {:.0}.", second(from), second(to));
        }
        let mut charts = Vec::new();
        if !self.seconds.is_empty() {
            charts.push(requests("What a quiet load beside it saw, requests a second", &self.seconds));
        }
        let table = match self.failures.is_empty() {
            true => Vec::new(),
            false => {
                let rows = self.failures.iter().map(|(why, count)| vec![why.clone(), count.to_string()]);
                core::iter::once(["failed beside it", "requests"].map(str::to_owned).to_vec())
                    .chain(rows)
                    .collect()
            }
        };
        SectionOf(Section { name: self.name.to_owned(), about, checks: self.checks.clone(), table, charts })
    }
}

fn row(name: &str, seen: &crate::Second) -> Vec<String> {
    let count = |count: u64| count.to_string();
    let millis = |millis: f64| format!("{millis:.1}");
    vec![
        name.to_owned(),
        count(seen.all()),
        count(seen.good),
        count(seen.refused),
        count(seen.failed),
        millis(seen.p50_ms),
        millis(seen.p95_ms),
        millis(seen.p99_ms),
    ]
}

fn requests(title: &str, seconds: &[crate::Second]) -> Chart {
    Chart::new(title)
        .line("good", seconds.iter().map(|second| second.good as f64))
        .line("refused", seconds.iter().map(|second| second.refused as f64))
        .line("failed", seconds.iter().map(|second| second.failed as f64))
}

fn memory(looks: &[crate::watch::Look]) -> Chart {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut chart = Chart::new("With filters: memory, MiB")
        .line("resident", looks.iter().map(|look| mib(look.resident_bytes)))
        .line("allocated", looks.iter().map(|look| mib(look.allocated_bytes)))
        .line("VMs", looks.iter().map(|look| mib(look.vm_bytes)));
    chart.at = looks.iter().map(|look| look.second).collect();
    chart
}

#[cfg(test)]
mod tests {
    use super::chart::{Chart, Line};

    #[test]
    fn a_chart_is_drawn_of_any_number_of_points() {
        for count in [0, 1, 2, 1_500] {
            let points = (0..count).map(f64::from);
            let svg = Chart::new("a <title>").line("a", points).svg();
            assert!(svg.starts_with("<svg"), "{count}: {svg}");
            assert!(!svg.contains("<title>"), "text is text: {svg}");
        }
    }

    #[test]
    fn a_line_keeps_its_peaks_when_there_are_more_points_than_pixels() {
        let mut points = vec![1.0; 1_200];
        points[777] = 50.0;
        let line = Line { name: "a".to_owned(), points };
        assert!(line.drawn(300).contains(&50.0));
    }
}
