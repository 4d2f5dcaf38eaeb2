//! Conditions that somebody should hear of.
//!
//! # How
//!
//! Each alert is a condition on something that can be read: a metric or its rate, a figure of a filter's status, a fact about
//! the process, a check. Who holds the lease evaluates all of them tick by tick ([`Board::evaluate`]). A condition
//! that holds is pending, and firing once it has held for long enough; what has fired is kept in a bounded history.
//! The board is one shared value, so whoever leads next goes on with it.
//!
//! # Limits
//!
//! What cannot be read does not alert: a figure that is not there is no figure that is too high. Rates are known from
//! the second reading of one leader on.

mod channel;
mod condition;
mod rate;

pub use channel::{Batch, Outgoing, alertmanager_body, web_hook_body};
pub use condition::{Bound, Condition, FactName, Readings, Report, Source};
pub use rate::Rates;

use crate::time::MonoTime;
use crate::vec_map::VecMap;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// The most ended alerts that are remembered.
const MOST_HISTORY: usize = 100;

/// How bad it is; the worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look today.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One alert as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is to be told.
    pub summary: String,
    /// When it holds.
    pub when: Condition,
    /// For how long it must hold.
    pub hold: Duration,
}

/// How an alert stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Standing {
    /// Since when the condition has held.
    holds_since: Option<u64>,
    /// Since when it has fired.
    fires_since: Option<u64>,
    /// What was read last.
    value: Option<f64>,
}

/// An alert that has fired and ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ended {
    name: String,
    severity: Severity,
    since_mono_ns: u64,
    ended_mono_ns: u64,
    /// The value it fired with.
    value: Option<f64>,
}

/// An alert has begun or ceased to fire.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is to be told.
    pub summary: String,
    /// Since when it has fired.
    pub since: MonoTime,
    /// When it ceased to; `None`: it fires.
    pub ended: Option<MonoTime>,
    /// What was read.
    pub value: Option<f64>,
}

/// How all alerts stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Board {
    standing: VecMap<String, Standing>,
    history: VecDeque<Ended>,
}

impl Board {
    /// The board in these bytes; what is none is empty.
    pub fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(|bytes| crate::config::from_json(bytes).ok()).unwrap_or_default()
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Looks at all conditions at `now`. What has begun or ceased to fire; an alert that is not configured any more has.
    pub fn evaluate(
        &mut self,
        alerts: &[Alert],
        readings: &Readings<'_>,
        rates: &mut Rates,
        now: MonoTime,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, standing) in self.standing.iter_mut() {
            if !alerts.iter().any(|alert| alert.name == *name)
                && let Some(since) = standing.fires_since.take()
            {
                let (severity, summary) = (Severity::Info, "not configured any more".to_owned());
                changes.push(change(name, severity, summary, since, Some(now), standing.value));
            }
        }
        self.standing.retain(|name, _| alerts.iter().any(|alert| alert.name == *name));
        for alert in alerts {
            let standing = self.standing.entry(alert.name.clone()).or_default();
            let value = alert.when.value(&alert.name, readings, rates, now);
            let holds = value.is_some_and(|value| alert.when.holds(value));
            changes.extend(standing.step(alert, holds, value, now));
        }
        for ended in changes.iter().filter(|change| change.ended.is_some()) {
            self.history.push_back(Ended {
                name: ended.name.clone(),
                severity: ended.severity,
                since_mono_ns: ended.since.as_nanos(),
                ended_mono_ns: ended.ended.unwrap_or(now).as_nanos(),
                value: ended.value,
            });
        }
        while self.history.len() > MOST_HISTORY {
            self.history.pop_front();
        }
        changes
    }

    /// What fires now.
    pub fn firing(&self, alerts: &[Alert]) -> Vec<Change> {
        let fires = |alert: &Alert| {
            let standing = self.standing.get(&alert.name)?;
            let since = standing.fires_since?;
            Some(change(&alert.name, alert.severity, alert.summary.clone(), since, None, standing.value))
        };
        alerts.iter().filter_map(fires).collect()
    }

    /// What is shown of the alerts, with at most `most` of those that have ended, the newest first.
    pub fn show(&self, alerts: &[Alert], most: usize) -> Value {
        let active: Vec<Value> = alerts
            .iter()
            .map(|alert| {
                let standing = self.standing.get(&alert.name).cloned().unwrap_or_default();
                let (state, since) = match (standing.fires_since, standing.holds_since) {
                    (Some(since), _) => ("firing", Some(since)),
                    (None, Some(since)) => ("pending", Some(since)),
                    (None, None) => ("inactive", None),
                };
                json!({
                    "name": alert.name, "severity": alert.severity, "summary": alert.summary,
                    "state": state, "since_mono_ns": since, "value": standing.value,
                })
            })
            .collect();
        let history: Vec<&Ended> = self.history.iter().rev().take(most).collect();
        json!({ "alerts": active, "history": history })
    }
}

impl Standing {
    fn step(&mut self, alert: &Alert, holds: bool, value: Option<f64>, now: MonoTime) -> Option<Change> {
        let told = |since, ended, value| {
            Some(change(&alert.name, alert.severity, alert.summary.clone(), since, ended, value))
        };
        // A time that has not come is of another process.
        let past = |since: &u64| *since <= now.as_nanos();
        self.holds_since = self.holds_since.filter(past);
        self.fires_since = self.fires_since.filter(past);
        let earlier = core::mem::replace(&mut self.value, value);
        if !holds {
            self.holds_since = None;
            let since = self.fires_since.take()?;
            return told(since, Some(now), earlier.or(value));
        }
        let since = *self.holds_since.get_or_insert(now.as_nanos());
        let held = now.since(MonoTime::from_nanos(since));
        if self.fires_since.is_none() && held >= alert.hold {
            self.fires_since = Some(now.as_nanos());
            return told(now.as_nanos(), None, value);
        }
        None
    }
}

fn change(
    name: &str,
    severity: Severity,
    summary: String,
    since: u64,
    ended: Option<MonoTime>,
    value: Option<f64>,
) -> Change {
    Change { name: name.to_owned(), severity, summary, since: MonoTime::from_nanos(since), ended, value }
}

#[cfg(test)]
mod tests;
