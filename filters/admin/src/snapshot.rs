//! Snapshots: part by part to whoever asks, and to a store from which a new process takes them.
//!
//! A part belongs to one filter and namespace, and is opaque here. What comes next is in a cursor, so nothing is kept between
//! two requests.

use crate::Admin;
use crate::checking::{call, status};
use crate::ordering::{Addressee, Errand, What, export, result_of};
use crate::stream::Asked;
use ballast_core::admin::config::Target;
use ballast_core::admin::params::Params;
use ballast_core::admin::refusal::Refusal;
use ballast_core::orders::{Audience, Order, Outcome};
use ballast_core::time::MonoTime;
use ballast_host::{CallAnswer, CallToken, Cx, Flow, Host, LogLevel, OrderId, Reply};
use core::time::Duration;
use serde_json::{Value, json as value};

/// The filters that have something to keep. What a cache holds can be had again.
const KEEPERS: [&str; 2] = ["circuit-breaker", "rate-limit"];
const VERSION: u64 = 1;
/// The most parts of a snapshot in a store.
const MOST_PARTS: u32 = 10_000;
const WITHIN: Duration = Duration::from_secs(3);
/// Who acts when nobody has asked.
const SELF: &str = "ballast";

/// A snapshot on its way to the store or from it, by who leads.
#[derive(Debug, Default)]
pub(crate) struct Moving {
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
    /// `GET /state`.
    pub(crate) fn export_state<H: Host>(
        &mut self,
        asked: &Asked,
        params: &Params,
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        let mut keepers = keepers(cx);
        let mut inner = None;
        if let Some(cursor) = params.text("cursor") {
            let wrong = || Refusal::parameter("cursor", "it is none that `next` has named".to_owned());
            let mut parts = cursor.splitn(3, '/');
            let (filter, namespace) = (parts.next().ok_or_else(wrong)?, parts.next().ok_or_else(wrong)?);
            let rest = parts.next().filter(|inner| !inner.is_empty());
            inner =
                rest.map(|inner| serde_json::from_str::<Value>(inner).map_err(|_| wrong())).transpose()?;
            let at =
                keepers.iter().position(|keeper| keeper.filter == filter && keeper.namespace == namespace);
            keepers.drain(..at.ok_or_else(wrong)?);
        }
        if keepers.is_empty() {
            return Ok(crate::acting::reply(self.json(
                200,
                "state",
                value!({ "version": VERSION, "next": null }),
                cx,
            )));
        }
        let to = keepers.remove(0);
        let who = asked.who.as_str().to_owned();
        let errand = Errand { to, audience: Audience::One, order: export(inner.as_ref(), who.clone()) };
        self.wait_for(vec![errand], What::Export { rest: keepers, who }, cx)
    }

    /// What was exported, with what comes next.
    pub(crate) fn exported(
        &self,
        over: Option<&(Addressee, Outcome)>,
        rest: &[Addressee],
    ) -> Result<Reply, Refusal> {
        let Some((from, outcome)) = over else {
            return Err(Refusal::Unavailable("no filter has answered in time".to_owned()));
        };
        let (part, next) = part_of(from, result_of(outcome)?, rest);
        let body = value!({
            "version": VERSION, "filter": from.filter, "namespace": from.namespace, "part": part,
            "next": next.map(|(to, inner)| cursor(&to, inner.as_ref())),
        });
        // Times of a part are ages: nothing in it is to be made a date.
        Ok(crate::answer::json(200, "state", &body))
    }

    /// `PUT /state`.
    pub(crate) fn restore_state<H: Host>(
        &mut self,
        asked: &Asked,
        params: &Params,
        body: &[u8],
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        if params.text("from").is_some() {
            if self.config.snapshots.is_none() {
                return Err(Refusal::parameter("from", "no store is configured: `snapshots`".to_owned()));
            }
            self.load(0, cx)?;
            let body =
                value!({ "done": false, "see": self.link(ballast_core::admin::route::Endpoint::Events) });
            return Ok(crate::acting::reply(self.json(202, "restoring", body, cx)));
        }
        let text = match (params.text("part"), body) {
            (Some(part), b"") => part.as_bytes(),
            (Some(_), _) => return Err(Refusal::parameter("part", "there is a body, too".to_owned())),
            (None, b"") => return Err(Refusal::body("no part of a snapshot: it is the body, or `part`")),
            (None, body) => body,
        };
        let errand = restoring(text, asked.who.as_str())?;
        self.wait_for(vec![errand], What::Restored, cx)
    }

    /// Saves now and then, and loads at the start; by who leads.
    pub(crate) fn keep_snapshots<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(snapshots) = &self.config.snapshots else { return };
        if !matches!(self.moving.step, Step::Idle) {
            return;
        }
        let now = cx.host.now();
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
    fn load<H: Host>(&mut self, part: u32, cx: &mut Cx<'_, H>) -> Result<(), Refusal> {
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

/// Who has something to keep, in order.
fn keepers<H: Host>(cx: &Cx<'_, H>) -> Vec<Addressee> {
    let reports = cx.reports();
    let wanted = |filter: &str| KEEPERS.contains(&filter);
    let mut keepers: Vec<Addressee> = reports
        .into_iter()
        .filter(|report| wanted(&report.filter))
        .map(|report| Addressee { filter: report.filter, namespace: report.namespace })
        .collect();
    keepers.sort_by(|a, b| (&a.filter, &a.namespace).cmp(&(&b.filter, &b.namespace)));
    keepers
}

/// The content of a part, and what comes next.
fn part_of(
    from: &Addressee,
    result: Value,
    rest: &[Addressee],
) -> (Value, Option<(Addressee, Option<Value>)>) {
    let inner = result.get("next").filter(|next| !next.is_null()).cloned();
    let next = match inner {
        Some(inner) => Some((from.clone(), Some(inner))),
        None => rest.first().map(|to| (to.clone(), None)),
    };
    let part = match result {
        Value::Object(mut fields) => fields.remove("part").unwrap_or(Value::Null),
        _ => Value::Null,
    };
    (part, next)
}

fn cursor(to: &Addressee, inner: Option<&Value>) -> String {
    format!("{}/{}/{}", to.filter, to.namespace, inner.map(Value::to_string).unwrap_or_default())
}

/// The order that brings a part back.
///
/// # Errors
///
/// It is none.
fn restoring(text: &[u8], who: &str) -> Result<Errand, Refusal> {
    let part: Value = serde_json::from_slice(text)
        .map_err(|error| Refusal::body(format!("the part is not JSON: {error}")))?;
    if part.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Err(Refusal::body(format!("the part is none of version {VERSION}")));
    }
    let name = |field: &str| part.get(field).and_then(Value::as_str).map(str::to_owned);
    let (Some(filter), Some(namespace)) = (name("filter"), name("namespace")) else {
        return Err(Refusal::body("the part names no filter and namespace"));
    };
    if !KEEPERS.contains(&filter.as_str()) {
        return Err(Refusal::body("the part is of a filter that keeps nothing"));
    }
    let arguments = value!({ "version": VERSION, "part": part.get("part") }).to_string().into_bytes();
    let order = Order { name: "restore".to_owned(), rule: String::new(), who: who.to_owned(), arguments };
    // Every worker must know by which secret the part tells keys apart.
    Ok(Errand { to: Addressee { filter, namespace }, audience: Audience::All, order })
}

/// The place of a part in the store.
fn numbered(store: &Target, part: u32) -> Target {
    Target { path: format!("{}/{part}", store.path.trim_end_matches('/')), ..store.clone() }
}
