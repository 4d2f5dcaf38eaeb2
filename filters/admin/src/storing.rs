//! Snapshots in a store, from which a new process takes them. By who leads.
//!
//! A snapshot goes part by part: exported, put; or fetched, restored. One is on its way at a time.

use crate::Admin;
use crate::checking::{call, status};
use crate::ordering::{Addressee, Errand, export, result_of};
use crate::snapshot::{VERSION, cursor, keepers, part_of, restoring};
use ballast_core::admin::config::Target;
use ballast_core::admin::refusal::Refusal;
use ballast_core::orders::{Audience, Outcome};
use ballast_core::time::MonoTime;
use ballast_host::{CallAnswer, CallToken, Cx, Host, LogLevel, OrderId};
use core::time::Duration;
use serde_json::{Value, json as value};

/// The most parts of a snapshot in a store.
const MOST_PARTS: u32 = 10_000;
const WITHIN: Duration = Duration::from_secs(3);
/// How long a new process is waited for before a snapshot is loaded: all workers must be there to hear of it.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// Who acts when nobody has asked.
const SELF: &str = "ballast";

/// A snapshot on its way to the store or from it, by who leads.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    leads_since: Option<MonoTime>,
    last_saved: Option<MonoTime>,
    has_loaded: bool,
    step: Step,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    /// A part is being exported: its number, and whom to ask after this one.
    Exporting { order: OrderId, part: u32, from: Addressee, rest: Vec<Addressee> },
    /// It is being put into the store; what comes next.
    Putting { call: CallToken, part: u32, next: Option<(Addressee, Option<Value>)>, rest: Vec<Addressee> },
    /// A part is being fetched.
    Getting { call: CallToken, part: u32 },
    /// It is being restored.
    Restoring { order: OrderId, part: u32, is_last: bool },
}

impl Admin {
    /// Saves now and then, and loads at the start; by who leads.
    pub(crate) fn keep_snapshots<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(snapshots) = &self.config.snapshots else { return };
        if !matches!(self.moving.step, Step::Idle) {
            return;
        }
        let now = cx.host.now();
        if now.since(*self.moving.leads_since.get_or_insert(now)) < SETTLED_AFTER {
            return;
        }
        if snapshots.load_at_start
            && !core::mem::replace(&mut self.moving.has_loaded, true)
            && self.is_first_leader(cx)
        {
            if let Err(refusal) = self.load(0, cx) {
                cx.log(LogLevel::Warn, &format!("the snapshot is not loaded: {refusal}"));
            }
            self.moving.last_saved = Some(now);
            return;
        }
        let last = *self.moving.last_saved.get_or_insert(now);
        if snapshots.every.is_some_and(|every| now.since(last) >= every) {
            self.save(cx);
        }
    }

    /// Whether no leader of this process has looked at the store yet: what has happened since must not be undone.
    fn is_first_leader<H: Host>(&self, cx: &Cx<'_, H>) -> bool {
        let key = cx.scope().key("loaded");
        match cx.host.shared(&key) {
            Ok(shared) if shared.value.is_none() => {
                cx.host.swap_shared(&key, b"1", shared.version).unwrap_or(false)
            }
            _ => false,
        }
    }

    /// Begins to save a snapshot.
    pub(crate) fn save<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if self.config.snapshots.is_none() || !matches!(self.moving.step, Step::Idle) {
            return;
        }
        self.moving.last_saved = Some(cx.host.now());
        let mut rest = keepers(cx);
        if !rest.is_empty() {
            let first = rest.remove(0);
            self.export_next(0, first, None, rest, cx);
        }
    }

    fn export_next<H: Host>(
        &mut self,
        part: u32,
        from: Addressee,
        inner: Option<&Value>,
        rest: Vec<Addressee>,
        cx: &mut Cx<'_, H>,
    ) {
        let order = export(inner, SELF.to_owned());
        let order = cx.order(&from.filter, &from.namespace, Audience::One, order, WITHIN);
        self.moving.step = order.map_or(Step::Idle, |order| Step::Exporting { order, part, from, rest });
    }

    /// # Errors
    ///
    /// Something is under way, or the store cannot be asked.
    pub(crate) fn load<H: Host>(&mut self, part: u32, cx: &mut Cx<'_, H>) -> Result<(), Refusal> {
        if part == 0 && !matches!(self.moving.step, Step::Idle) {
            return Err(Refusal::Conflict("a snapshot is on its way already".to_owned()));
        }
        self.moving.step = Step::Idle;
        let Some(snapshots) = &self.config.snapshots else { return Ok(()) };
        let request = call(&numbered(&snapshots.store, part), "GET", Vec::new(), Vec::new(), cx);
        let call =
            cx.call_http(&request).map_err(|error| Refusal::Unavailable(format!("the store: {error}")))?;
        self.moving.step = Step::Getting { call, part };
        Ok(())
    }

    /// Takes in what an order of a snapshot has come to. Whether it was one.
    pub(crate) fn on_snapshot_order<H: Host>(
        &mut self,
        id: OrderId,
        outcome: &Outcome,
        cx: &mut Cx<'_, H>,
    ) -> bool {
        match core::mem::take(&mut self.moving.step) {
            Step::Exporting { order, part, from, rest } if order == id => {
                let exported = result_of(outcome);
                let Ok(result) = exported else {
                    // One that has nothing to keep; the next may.
                    let mut rest = rest;
                    if !rest.is_empty() {
                        let next = rest.remove(0);
                        self.export_next(part, next, None, rest, cx);
                    }
                    return true;
                };
                let (content, next) = part_of(&from, result, &rest);
                let is_last = next.is_none() || part >= MOST_PARTS;
                let body = value!({
                    "version": VERSION, "filter": from.filter, "namespace": from.namespace, "part": content,
                    "next": next.as_ref().filter(|_| !is_last).map(|(to, inner)| cursor(to, inner.as_ref())),
                });
                self.put(part, &body, next.filter(|_| !is_last), rest, cx);
                true
            }
            Step::Restoring { order, part, is_last } if order == id => {
                let what = match result_of(outcome) {
                    Ok(result) => format!("part {part}: {result}"),
                    Err(refusal) => format!("part {part}: {refusal}"),
                };
                cx.event("state_restored", "", &what, SELF);
                if !is_last && self.load(part + 1, cx).is_err() {
                    cx.log(LogLevel::Warn, "the store does not answer amid a snapshot");
                }
                true
            }
            other => {
                self.moving.step = other;
                false
            }
        }
    }

    fn put<H: Host>(
        &mut self,
        part: u32,
        body: &Value,
        next: Option<(Addressee, Option<Value>)>,
        rest: Vec<Addressee>,
        cx: &mut Cx<'_, H>,
    ) {
        let Some(snapshots) = &self.config.snapshots else { return };
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let target = numbered(&snapshots.store, part);
        let request = call(&target, "PUT", headers, body.to_string().into_bytes(), cx);
        match cx.call_http(&request) {
            Ok(call) => self.moving.step = Step::Putting { call, part, next, rest },
            Err(error) => cx.log(LogLevel::Warn, &format!("a snapshot is not saved: {error}")),
        }
    }

    /// Takes in the store's answer. Whether it was one.
    pub(crate) fn on_store<H: Host>(
        &mut self,
        token: CallToken,
        answer: &CallAnswer,
        cx: &mut Cx<'_, H>,
    ) -> bool {
        match core::mem::take(&mut self.moving.step) {
            Step::Putting { call, part, next, rest } if call == token => {
                match (status(answer), next) {
                    (Some(200..=299), Some((to, inner))) => {
                        let rest = rest.into_iter().filter(|keeper| *keeper != to).collect();
                        self.export_next(part + 1, to, inner.as_ref(), rest, cx);
                    }
                    (Some(200..=299), None) => {
                        cx.event("state_saved", "", &format!("{} parts", part + 1), SELF)
                    }
                    (status, _) => {
                        let said = status.map_or("no answer".to_owned(), |status| format!("status {status}"));
                        cx.log(LogLevel::Warn, &format!("a snapshot is not saved: {said}"));
                    }
                }
                true
            }
            Step::Getting { call, part } if call == token => {
                self.take_part(part, answer, cx);
                true
            }
            other => {
                self.moving.step = other;
                false
            }
        }
    }

    fn take_part<H: Host>(&mut self, part: u32, answer: &CallAnswer, cx: &mut Cx<'_, H>) {
        let body = match (status(answer), answer) {
            (Some(200), CallAnswer::Http { body, .. }) => body,
            // A store that has none yet.
            (Some(404), _) => return,
            _ => {
                return cx
                    .log(LogLevel::Warn, "a snapshot is not loaded: the store does not answer with one");
            }
        };
        let is_last = part >= MOST_PARTS
            || serde_json::from_slice::<Value>(body)
                .is_ok_and(|body| body.get("next").is_none_or(Value::is_null));
        let errand = match restoring(body, SELF) {
            Ok(errand) => errand,
            Err(refusal) => {
                return cx
                    .log(LogLevel::Warn, &format!("part {part} of a snapshot is not loaded: {refusal}"));
            }
        };
        let Errand { to, audience, order } = errand;
        if let Some(order) = cx.order(&to.filter, &to.namespace, audience, order, WITHIN) {
            self.moving.step = Step::Restoring { order, part, is_last };
        }
    }
}

/// The place of a part in the store.
fn numbered(store: &Target, part: u32) -> Target {
    Target { path: format!("{}/{part}", store.path.trim_end_matches('/')), ..store.clone() }
}
