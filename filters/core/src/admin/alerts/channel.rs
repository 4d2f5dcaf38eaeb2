//! Whom changes are told: grouped, so that an incident is one message and not thirty.

use super::{Change, Severity};
use crate::time::MonoTime;
use core::time::Duration;
use serde_json::{Value, json};

/// The most changes that wait.
const MOST_WAITING: usize = 256;
/// How often one message is tried.
const MOST_TRIES: u32 = 5;

/// What is to be told now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// What has changed.
    pub changes: Vec<Change>,
    /// How often it was tried already.
    pub tries: u32,
}

/// What waits to be told on one channel. In the memory of who leads.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    waiting: Batch,
    due: Option<MonoTime>,
    repeated: Option<MonoTime>,
    /// Changes that were never told.
    pub dropped: u64,
}

impl Outgoing {
    /// Takes in what has changed, as far as it is bad enough, and what fires; gives what is to be told at `now`. With
    /// `repeat` all that fires is told again that often, for a receiver that forgets.
    pub fn step(
        &mut self,
        changes: &[Change],
        firing: &[Change],
        least: Severity,
        group_wait: Duration,
        repeat: Option<Duration>,
        now: MonoTime,
    ) -> Option<Batch> {
        let bad_enough = |change: &&Change| change.severity >= least;
        for change in changes.iter().filter(bad_enough) {
            // Of an alert the last word counts.
            self.waiting.changes.retain(|waiting| waiting.name != change.name);
            self.waiting.changes.push(change.clone());
            self.due.get_or_insert(now.after(group_wait));
        }
        while self.waiting.changes.len() > MOST_WAITING {
            self.waiting.changes.remove(0);
            self.dropped += 1;
        }
        let repeats = repeat.is_some_and(|repeat| self.repeated.is_none_or(|last| now.since(last) >= repeat));
        let is_due = self.due.is_some_and(|due| now >= due);
        let is_again = repeats && firing.iter().any(|change| bad_enough(&change));
        if !is_due && !is_again {
            return None;
        }
        let mut batch = core::mem::take(&mut self.waiting);
        self.due = None;
        if repeat.is_some() {
            self.repeated = Some(now);
            for change in firing.iter().filter(bad_enough) {
                if !batch.changes.iter().any(|told| told.name == change.name) {
                    batch.changes.push(change.clone());
                }
            }
        }
        Some(batch)
    }

    /// A message did not arrive: it is tried again at `again`, with what has come since, but not for ever.
    pub fn failed(&mut self, batch: Batch, again: MonoTime) {
        if batch.tries + 1 >= MOST_TRIES {
            self.dropped += u64::try_from(batch.changes.len()).unwrap_or(u64::MAX);
            return;
        }
        let newer = core::mem::take(&mut self.waiting.changes);
        let old = batch.changes.into_iter().filter(|old| !newer.iter().any(|new| new.name == old.name));
        self.waiting.changes = old.chain(newer.iter().cloned()).collect();
        self.waiting.tries = batch.tries + 1;
        self.due = Some(self.due.map_or(again, |due| due.min(again)));
    }
}

/// The body of a web hook; times are of the monotonic clock.
pub fn web_hook_body(changes: &[Change], now: MonoTime) -> Value {
    let alerts: Vec<Value> = changes
        .iter()
        .map(|change| {
            json!({
                "name": change.name, "severity": change.severity, "summary": change.summary,
                "state": if change.ended.is_some() { "resolved" } else { "firing" },
                "since_mono_ns": change.since.as_nanos(), "ended_mono_ns": change.ended.map(MonoTime::as_nanos),
                "value": change.value,
            })
        })
        .collect();
    json!({ "source": "ballast", "sent_mono_ns": now.as_nanos(), "alerts": alerts })
}

/// The body of Alertmanager's `POST /api/v2/alerts`; times are of the monotonic clock.
pub fn alertmanager_body(changes: &[Change], labels: &[(String, String)]) -> Value {
    let alerts = changes.iter().map(|change| {
        let mut all = serde_json::Map::new();
        for (name, value) in labels {
            all.insert(name.clone(), value.as_str().into());
        }
        all.insert("alertname".to_owned(), change.name.as_str().into());
        all.insert("severity".to_owned(), change.severity.as_str().into());
        all.insert("source".to_owned(), "ballast".into());
        let mut alert = json!({
            "labels": all, "annotations": { "summary": change.summary }, "startsAt_mono_ns": change.since.as_nanos(),
        });
        if let (Value::Object(fields), Some(ended)) = (&mut alert, change.ended) {
            fields.insert("endsAt_mono_ns".to_owned(), ended.as_nanos().into());
        }
        alert
    });
    alerts.collect()
}
