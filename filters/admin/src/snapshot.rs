//! Snapshots, part by part to whoever asks, and back.
//!
//! A part belongs to one filter and namespace, and is opaque here. What comes next is in a cursor, so nothing is kept between
//! two requests.

use crate::Admin;
use crate::ordering::{Addressee, Errand, What, export, result_of};
use crate::stream::Asked;
use ballast_core::admin::params::Params;
use ballast_core::admin::refusal::Refusal;
use ballast_core::orders::{Audience, Order, Outcome};
use ballast_host::{Cx, Flow, Host, Reply};
use serde_json::{Value, json as value};

/// The filters that have something to keep. What a cache holds can be had again.
const KEEPERS: [&str; 2] = ["circuit-breaker", "rate-limit"];
/// The version of what a part looks like.
pub(crate) const VERSION: u64 = 1;

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
}

/// Who has something to keep, in order.
pub(crate) fn keepers<H: Host>(cx: &Cx<'_, H>) -> Vec<Addressee> {
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
pub(crate) fn part_of(
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

pub(crate) fn cursor(to: &Addressee, inner: Option<&Value>) -> String {
    format!("{}/{}/{}", to.filter, to.namespace, inner.map(Value::to_string).unwrap_or_default())
}

/// The order that brings a part back.
///
/// # Errors
///
/// It is none.
pub(crate) fn restoring(text: &[u8], who: &str) -> Result<Errand, Refusal> {
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
