//! Having other filters do what an operator asks for.
//!
//! A request waits for the orders that it comes to: one for each namespace of the filter, or for each thing that is to
//! be done. It is answered when all of them are over, by everybody who was told or without those who are silent.

use crate::Admin;
use crate::reporting::{namespaces, no_such_filter};
use crate::stream::Asked;
use ballast_core::admin::params::Params;
use ballast_core::admin::refusal::Refusal;
use ballast_core::admin::route::Endpoint;
use ballast_core::orders::{Answer, Audience, Order, Outcome};
use ballast_core::vec_map::VecMap;
use ballast_host::{Cx, Flow, Host, OrderId, Reply, StreamId};
use core::time::Duration;
use serde_json::{Map, Value, json as value};

/// How long all workers of a filter may take.
const WITHIN: Duration = Duration::from_secs(3);
/// The most requests that wait at one worker.
const MOST_JOBS: usize = 64;

/// A request that waits for orders.
#[derive(Debug)]
pub(crate) struct Job {
    stream: StreamId,
    what: What,
    waiting: VecMap<OrderId, Errand>,
    over: Vec<(Addressee, Outcome)>,
}

/// What the answer is made of.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// What each has answered.
    Results {
        /// Where to look for what is not known yet.
        see: Endpoint,
    },
    /// One part of a snapshot, and whom to ask if this one has none.
    Export { rest: Vec<Addressee>, who: String },
    /// What was restored.
    Restored,
}

/// Whom an order is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addressee {
    pub(crate) filter: String,
    pub(crate) namespace: String,
}

/// An order with whom it is for.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) to: Addressee,
    pub(crate) audience: Audience,
    pub(crate) order: Order,
}

impl Admin {
    /// Sends an order to every namespace of a filter.
    ///
    /// # Errors
    ///
    /// No such filter runs here.
    pub(crate) fn order_all<H: Host>(
        &mut self,
        filter: &str,
        audience: Audience,
        orders: &[(&str, Value)],
        (asked, params, see): (&Asked, &Params, Endpoint),
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        let namespaces = namespaces(filter, params, cx);
        if namespaces.is_empty() {
            return Err(no_such_filter(filter));
        }
        let rule = asked.found.name.clone().unwrap_or_default();
        let mut errands = Vec::new();
        for namespace in &namespaces {
            for (name, arguments) in orders {
                let to = Addressee { filter: filter.to_owned(), namespace: namespace.clone() };
                let order = Order {
                    name: (*name).to_owned(),
                    rule: rule.clone(),
                    who: asked.who.as_str().to_owned(),
                    arguments: arguments.to_string().into_bytes(),
                };
                errands.push(Errand { to, audience, order });
            }
        }
        self.wait_for(errands, What::Results { see }, cx)
    }

    /// Sends orders, and holds the request until they are over.
    ///
    /// # Errors
    ///
    /// Too many wait, or this worker has no identity yet.
    pub(crate) fn wait_for<H: Host>(
        &mut self,
        errands: Vec<Errand>,
        what: What,
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        if self.jobs.len() >= MOST_JOBS {
            return Err(Refusal::Unavailable("too many actions are under way: ask again".to_owned()));
        }
        let Some(stream) = cx.stream() else {
            return Err(Refusal::Unavailable("this worker cannot wait: ask again".to_owned()));
        };
        let mut job = Job { stream, what, waiting: VecMap::new(), over: Vec::new() };
        for errand in errands {
            job.send(errand, cx)?;
        }
        self.jobs.push(job);
        Ok(Flow::Pause)
    }

    /// What an order has come to.
    pub(crate) fn on_ordered<H: Host>(&mut self, id: OrderId, outcome: &Outcome, cx: &mut Cx<'_, H>) {
        if self.on_snapshot_order(id, outcome, cx) {
            return;
        }
        let Some(at) = self.jobs.iter().position(|job| job.waiting.contains_key(&id)) else { return };
        let Some(job) = self.jobs.get_mut(at) else { return };
        if let Some(errand) = job.waiting.remove(&id) {
            if job.goes_on(&errand, outcome, cx) {
                return;
            }
            job.over.push((errand.to, outcome.clone()));
        }
        if !job.waiting.is_empty() || job.asks_next(cx) {
            return;
        }
        let job = self.jobs.swap_remove(at);
        let reply = match self.answer_of(&job, cx) {
            Ok(reply) => reply,
            Err(refusal) => self.refusal(&refusal, cx),
        };
        self.ready.insert(job.stream, reply);
        cx.wake(job.stream, 0);
    }

    fn answer_of<H: Host>(&self, job: &Job, cx: &Cx<'_, H>) -> Result<Reply, Refusal> {
        match &job.what {
            What::Results { see } => self.results(job, *see, cx),
            What::Export { rest, .. } => self.exported(job.over.last(), rest),
            What::Restored => {
                let (_, outcome) = job.over.first().ok_or_else(silent)?;
                let body = result_of(outcome)?;
                Ok(self.json(200, "restored", body, cx))
            }
        }
    }

    /// What each has answered. One that has done it makes the whole a success, since names may be known to some only.
    fn results<H: Host>(&self, job: &Job, see: Endpoint, cx: &Cx<'_, H>) -> Result<Reply, Refusal> {
        let (mut results, mut refusal, mut missed) = (Vec::new(), None, false);
        for (Addressee { namespace, .. }, outcome) in &job.over {
            let (answers, missing): (&[Answer], usize) = match outcome {
                Outcome::Done(answers) => (answers, 0),
                Outcome::Missing { answers, missing } => (answers, missing.len()),
                Outcome::Nobody => (&[], 0),
            };
            match leading(answers) {
                Some(Ok(result)) => {
                    missed |= missing > 0;
                    let result: Value = serde_json::from_slice(result).unwrap_or(Value::Null);
                    let done = answers.iter().filter(|answer| answer.result.is_ok()).count();
                    results.push(value!({
                        "namespace": namespace, "workers": done, "missing": missing, "result": result,
                    }));
                }
                Some(Err(reason)) => {
                    let new = refusal_for(reason);
                    // What says that something is broken outweighs what says that it is unknown.
                    if refusal.as_ref().is_none_or(|old: &Refusal| old.status() == 404) {
                        refusal = Some(new);
                    }
                }
                None if missing > 0 => {
                    missed = true;
                    results.push(value!({ "namespace": namespace, "workers": 0, "missing": missing }));
                }
                None => {}
            }
        }
        if results.is_empty() {
            return Err(
                refusal.unwrap_or_else(|| Refusal::NotFound("nobody does this here any more".to_owned()))
            );
        }
        let body = value!({ "done": !missed, "results": results, "see": self.link(see) });
        Ok(self.json(if missed { 202 } else { 200 }, "done", body, cx))
    }
}

impl Job {
    pub(crate) fn is_for(&self, stream: StreamId) -> bool {
        self.stream == stream
    }

    fn send<H: Host>(&mut self, errand: Errand, cx: &mut Cx<'_, H>) -> Result<(), Refusal> {
        let Errand { to, audience, order } = &errand;
        let id = cx.order(&to.filter, &to.namespace, *audience, order.clone(), WITHIN);
        let id =
            id.ok_or_else(|| Refusal::Unavailable("this worker has just begun: ask again".to_owned()))?;
        self.waiting.insert(id, errand);
        Ok(())
    }

    /// Gives an order again that does a part at a time and says where to go on. Whether it did.
    fn goes_on<H: Host>(&mut self, errand: &Errand, outcome: &Outcome, cx: &mut Cx<'_, H>) -> bool {
        let (What::Results { .. }, Outcome::Done(answers)) = (&self.what, outcome) else { return false };
        let Some(Ok(result)) = leading(answers) else { return false };
        let result: Value = serde_json::from_slice(result).unwrap_or(Value::Null);
        let Some(next) = result.get("next").filter(|next| !next.is_null()) else { return false };
        let order =
            Order { arguments: value!({ "from": next }).to_string().into_bytes(), ..errand.order.clone() };
        self.send(Errand { to: errand.to.clone(), audience: errand.audience, order }, cx).is_ok()
    }

    /// Asks the next for a part of a snapshot, if the last has none. Whether it did.
    fn asks_next<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> bool {
        let What::Export { rest, who, .. } = &mut self.what else { return false };
        let has_none = self.over.last().is_some_and(|(_, outcome)| match outcome {
            Outcome::Nobody => true,
            Outcome::Done(answers) => {
                matches!(leading(answers), Some(Err(reason)) if reason.starts_with("unknown order"))
            }
            Outcome::Missing { .. } => false,
        });
        if !has_none || rest.is_empty() {
            return false;
        }
        let to = rest.remove(0);
        let order = export(None, who.clone());
        self.send(Errand { to, audience: Audience::One, order }, cx).is_ok()
    }
}

/// The order for a part of a snapshot.
pub(crate) fn export(cursor: Option<&Value>, who: String) -> Order {
    let arguments = match cursor {
        Some(cursor) => value!({ "cursor": cursor }),
        None => Value::Object(Map::new()),
    };
    Order {
        name: "export".to_owned(),
        rule: String::new(),
        who,
        arguments: arguments.to_string().into_bytes(),
    }
}

/// What the leading member has said, or else anybody.
pub(crate) fn leading(answers: &[Answer]) -> Option<Result<&[u8], &str>> {
    let answer = answers.iter().find(|answer| answer.leads).or_else(|| answers.first())?;
    Some(answer.result.as_deref().map_err(String::as_str))
}

/// The one result of an order for one member.
///
/// # Errors
///
/// It was refused, or nobody has answered.
pub(crate) fn result_of(outcome: &Outcome) -> Result<Value, Refusal> {
    let answers = match outcome {
        Outcome::Done(answers) | Outcome::Missing { answers, .. } => answers.as_slice(),
        Outcome::Nobody => &[],
    };
    match leading(answers) {
        Some(Ok(result)) => serde_json::from_slice(result).map_err(|_| silent()),
        Some(Err(reason)) => Err(refusal_for(reason)),
        None => Err(silent()),
    }
}

fn silent() -> Refusal {
    Refusal::Unavailable("no worker of the filter has answered in time".to_owned())
}

/// What a filter's reason is to the operator.
fn refusal_for(reason: &str) -> Refusal {
    if reason.starts_with("unknown order") || reason.starts_with("unknown rule") {
        Refusal::NotFound(reason.to_owned())
    } else if reason.starts_with("invalid arguments") {
        Refusal::body(reason)
    } else {
        Refusal::Unavailable(reason.to_owned())
    }
}
