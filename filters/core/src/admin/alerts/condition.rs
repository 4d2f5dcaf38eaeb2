//! What a condition reads, and when it holds.

use super::rate::Rates;
use crate::admin::checks::Check;
use crate::admin::exposition::{Series, Value as Shown};
use crate::plane::Facts;
use crate::time::MonoTime;
use crate::vec_map::VecMap;
use core::time::Duration;
use serde::Deserialize;
use serde_json::Value;

/// A fact about the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FactName {
    /// How overloaded the process is, 0 to 3.
    OverloadLevel,
    /// 1 while the process drains.
    Draining,
    /// 1 while a breaker that is marked critical is open.
    CriticalBreakerOpen,
}

/// What is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The sum of a metric over all series with these labels.
    Metric {
        /// Its name, as [`crate::admin::exposition`] writes it.
        name: String,
        /// Labels that a series must have.
        labels: VecMap<String, String>,
        /// Not what it shows, but how much that grows in a second, over this time.
        per_second_over: Option<Duration>,
    },
    /// A figure of what filters say of themselves; of several the one that is nearest to the alert.
    Status {
        /// The filter.
        filter: String,
        /// The namespace; `None`: any.
        namespace: Option<String>,
        /// Where in the report: segments, of which `*` is every element of a list.
        pointer: Vec<String>,
    },
    /// A fact about the process.
    Fact(FactName),
    /// 1 while a check has failed.
    Check(String),
}

/// When a value is too much or too little.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// More than this.
    Above(f64),
    /// Less than this.
    Below(f64),
}

/// What is read, and when it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is read.
    pub source: Source,
    /// When it holds.
    pub bound: Bound,
}

/// A filter's report, as far as it could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The filter.
    pub filter: String,
    /// Its namespace.
    pub namespace: String,
    /// What it says.
    pub json: Value,
}

/// What there is to read.
#[derive(Clone, Copy, Debug)]
pub struct Readings<'a> {
    /// Facts about the process.
    pub facts: Facts,
    /// The checks by name.
    pub checks: &'a VecMap<String, Check>,
    /// All metrics.
    pub series: &'a [Series],
    /// What filters say of themselves.
    pub reports: &'a [Report],
}

impl Condition {
    /// Whether a value fulfils it.
    pub fn holds(&self, value: f64) -> bool {
        match self.bound {
            Bound::Above(bound) => value > bound,
            Bound::Below(bound) => value < bound,
        }
    }

    /// What is read at `now`; `None`: nothing can be.
    pub fn value(
        &self,
        alert: &str,
        readings: &Readings<'_>,
        rates: &mut Rates,
        now: MonoTime,
    ) -> Option<f64> {
        match &self.source {
            Source::Metric { name, labels, per_second_over } => {
                let sum = sum(readings.series, name, labels)?;
                match per_second_over {
                    None => Some(sum),
                    Some(over) => rates.of(alert, sum, *over, now),
                }
            }
            Source::Status { filter, namespace, pointer } => {
                let of = readings.reports.iter().filter(|report| {
                    report.filter == *filter
                        && namespace.as_ref().is_none_or(|namespace| *namespace == report.namespace)
                });
                let values = of.flat_map(|report| figures(&report.json, pointer));
                match self.bound {
                    Bound::Above(_) => values.reduce(f64::max),
                    Bound::Below(_) => values.reduce(f64::min),
                }
            }
            Source::Fact(name) => Some(match name {
                FactName::OverloadLevel => f64::from(readings.facts.overload.level()),
                FactName::Draining => f64::from(u8::from(readings.facts.draining)),
                FactName::CriticalBreakerOpen => f64::from(u8::from(readings.facts.critical_breaker_open)),
            }),
            Source::Check(name) => {
                let check = readings.checks.get(name)?;
                Some(f64::from(u8::from(check.has_failed())))
            }
        }
    }
}

fn sum(series: &[Series], name: &str, labels: &VecMap<String, String>) -> Option<f64> {
    let has = |series: &Series| {
        labels
            .iter()
            .all(|(name, value)| series.labels.iter().any(|label| label.0 == *name && label.1 == *value))
    };
    let is = |series: &&Series| series.name.replace('.', "_") == name && has(series);
    // Beyond 2^53 a double has gaps, which no bound of an alert can tell.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let value = |series: &Series| match series.value {
        Shown::Counter(value) => value as f64,
        Shown::Gauge(value) => value as f64,
        Shown::Histogram { count, .. } => count as f64,
    };
    series.iter().filter(is).map(value).reduce(|sum, value| sum + value)
}

/// Every figure at a place; `true` is 1.
fn figures(json: &Value, pointer: &[String]) -> Vec<f64> {
    let Some((first, rest)) = pointer.split_first() else {
        return match json {
            Value::Bool(flag) => vec![f64::from(u8::from(*flag))],
            value => value.as_f64().into_iter().collect(),
        };
    };
    match json {
        Value::Array(elements) if first == "*" => {
            elements.iter().flat_map(|element| figures(element, rest)).collect()
        }
        Value::Object(fields) if first == "*" => {
            fields.values().flat_map(|field| figures(field, rest)).collect()
        }
        Value::Object(fields) => fields.get(first).map(|field| figures(field, rest)).unwrap_or_default(),
        Value::Array(elements) => {
            let at = first.parse::<usize>().ok().and_then(|at| elements.get(at));
            at.map(|element| figures(element, rest)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
