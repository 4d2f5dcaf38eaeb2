//! What each endpoint comes to.

use crate::Admin;
use crate::answer::{body_of, json};
use crate::stream::Asked;
use ballast_core::admin::drain::{Begin, Cancel};
use ballast_core::admin::openapi;
use ballast_core::admin::params::Params;
use ballast_core::admin::refusal::Refusal;
use ballast_core::admin::route::Endpoint;
use ballast_core::bus::Outcome;
use ballast_core::orders::Audience;
use ballast_core::rewrite::Rewrite;
use ballast_core::time::MonoTime;
use ballast_host::{BroadcastId, Cx, Flow, Host, LogLevel, Reply, StreamId};
use core::time::Duration;
use serde_json::json as value;

const BREAKER: &str = "circuit-breaker";
const LIMIT: &str = "rate-limit";
/// The most tags or groups of one purge.
const MOST_PURGES: usize = 32;

/// How long the other workers may take to hear of an action before it is answered without them.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// How long it takes until a worker knows that is no member yet, and so is told nothing: it looks on its tick.
const SETTLES_IN: Duration = Duration::from_millis(250);

/// A request that waits for all workers to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) stream: StreamId,
    after: After,
    /// Until when it waits at the least.
    settled_at: MonoTime,
}

/// What an action is answered when the workers have heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    DrainBegun,
    DrainCancelled,
}

/// The page for people.
const DASHBOARD: &str = include_str!("../dashboard/index.html");
/// Nothing from elsewhere, nothing framed, nothing sent elsewhere.
const DASHBOARD_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Admin {
    /// Does what is asked.
    ///
    /// # Errors
    ///
    /// Why it is not done. Then nothing is.
    pub(crate) fn act<H: Host>(
        &mut self,
        asked: &Asked,
        params: &Params,
        body: &[u8],
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        let name = asked.found.name.as_deref();
        match asked.found.route.endpoint {
            Endpoint::Live => Ok(reply(json(200, "live", &value!({ "alive": true })))),
            Endpoint::Ready => Ok(reply(self.ready(cx))),
            Endpoint::Health => Ok(reply(self.health(cx))),
            Endpoint::Drain => Ok(reply(self.json(200, "drain", self.show_drain(cx), cx))),
            Endpoint::DrainBegin => self.begin_drain(asked, cx),
            Endpoint::DrainCancel => self.cancel_drain(asked, cx),
            Endpoint::OpenApi => {
                let document = openapi::document(&self.config.prefix, env!("CARGO_PKG_VERSION"));
                Ok(reply(json(200, "openapi", &document)))
            }
            Endpoint::Dashboard => {
                let mut page = body_of(200, "dashboard", "text/html; charset=utf-8", DASHBOARD.into());
                page.headers.push("content-security-policy", DASHBOARD_POLICY);
                page.headers.push("referrer-policy", "no-referrer");
                Ok(reply(page))
            }
            Endpoint::Metrics => Ok(reply(self.metrics_text(asked.accept.as_deref(), cx))),
            Endpoint::Status => Ok(reply(self.all_status(params, cx))),
            Endpoint::Breakers => self.rules(BREAKER, "breakers", None, params, cx).map(reply),
            Endpoint::Breaker => self.rules(BREAKER, "breakers", name, params, cx).map(reply),
            Endpoint::BreakerReset => self.order_breaker("reset", asked, params, cx),
            Endpoint::BreakerForceOpen => self.order_breaker("force-open", asked, params, cx),
            Endpoint::BreakerForceClosed => self.order_breaker("force-closed", asked, params, cx),
            Endpoint::BreakerMetricsOnly => self.order_breaker("metrics-only", asked, params, cx),
            Endpoint::Limits => self.rules(LIMIT, "limits", None, params, cx).map(reply),
            Endpoint::LimitReset => self.reset_limit(asked, params, cx),
            Endpoint::Cache => self.cache(params, cx).map(reply),
            Endpoint::CachePurge => self.purge_cache(asked, params, cx),
            Endpoint::Alerts => Ok(reply(self.alerts(params, cx))),
            Endpoint::Events => Ok(reply(self.events(params, cx))),
            Endpoint::State => self.export_state(asked, params, cx),
            Endpoint::StateRestore => self.restore_state(asked, params, body, cx),
            Endpoint::Benchmark => Ok(reply(self.benchmark(params, cx))),
        }
    }

    fn order_breaker<H: Host>(
        &mut self,
        order: &str,
        asked: &Asked,
        params: &Params,
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        let arguments =
            params.text("id").map_or_else(|| value!({}), |id| value!({ "id": id.to_ascii_lowercase() }));
        self.order_all(BREAKER, Audience::All, &[(order, arguments)], (asked, params, Endpoint::Breakers), cx)
    }

    fn reset_limit<H: Host>(
        &mut self,
        asked: &Asked,
        params: &Params,
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        let key: Vec<&str> = params.all("key").collect();
        let arguments = match (params.text("id"), key.is_empty()) {
            (None, true) => value!({}),
            (Some(id), true) => value!({ "id": id.to_ascii_lowercase() }),
            (None, false) => value!({ "key": key }),
            (Some(_), false) => return Err(Refusal::parameter("id", "`key` says it already".to_owned())),
        };
        self.order_all(LIMIT, Audience::All, &[("reset", arguments)], (asked, params, Endpoint::Limits), cx)
    }

    fn purge_cache<H: Host>(
        &mut self,
        asked: &Asked,
        params: &Params,
        cx: &mut Cx<'_, H>,
    ) -> Result<Flow, Refusal> {
        let soft = params.text("mode") == Some("soft");
        let mut orders = Vec::new();
        if params.flag("all") {
            orders.push(("purge", value!({ "what": "all", "soft": soft })));
        }
        for what in ["url", "prefix", "tag"] {
            orders.extend(
                params.all(what).map(|text| ("purge", value!({ "what": what, "value": text, "soft": soft }))),
            );
        }
        for group in params.all("group") {
            let Some(origin) = params.text("origin") else {
                return Err(Refusal::parameter("origin", "a group is one of an origin: name it".to_owned()));
            };
            let arguments = value!({ "what": "group", "value": group, "origin": origin, "soft": soft });
            orders.push(("purge", arguments));
        }
        let kinds = ["all", "url", "prefix", "tag", "group"];
        let given = kinds.iter().filter(|kind| params.text(kind).is_some()).count();
        if orders.is_empty() || given != 1 {
            let detail = "exactly one of all=true, url, prefix, tag and group says what is to be purged";
            return Err(Refusal::body(detail));
        }
        if orders.len() > MOST_PURGES {
            return Err(Refusal::body(format!("{} purges at once: at most {MOST_PURGES}", orders.len())));
        }
        self.order_all("response-cache", Audience::One, &orders, (asked, params, Endpoint::Cache), cx)
    }

    fn begin_drain<H: Host>(&mut self, asked: &Asked, cx: &mut Cx<'_, H>) -> Result<Flow, Refusal> {
        let begin = Begin { by: asked.who.as_str().to_owned(), now: cx.host.now() };
        let begun = cx.run(&mut Rewrite::new(crate::draining::DRAIN, begin));
        let (drain, is_new) = begun.map_err(|_| store_fails())?;
        if is_new {
            cx.log(LogLevel::Warn, &format!("drain {} begun by {}", drain.number, drain.by));
            cx.event("drain", "", "begun", asked.who.as_str());
        }
        self.look(cx);
        self.report(cx);
        self.tell(After::DrainBegun, cx)
    }

    fn cancel_drain<H: Host>(&mut self, asked: &Asked, cx: &mut Cx<'_, H>) -> Result<Flow, Refusal> {
        let cancelled = cx.run(&mut Rewrite::new(crate::draining::DRAIN, Cancel));
        if let Some(drain) = cancelled.map_err(|_| store_fails())? {
            cx.log(LogLevel::Warn, &format!("drain {} called off by {}", drain.number, asked.who.as_str()));
            cx.event("drain", "", "called off", asked.who.as_str());
        }
        self.look(cx);
        self.report(cx);
        self.tell(After::DrainCancelled, cx)
    }

    /// Tells all workers that the drain is another one, and holds the request until they know.
    fn tell<H: Host>(&mut self, after: After, cx: &mut Cx<'_, H>) -> Result<Flow, Refusal> {
        let told = cx.broadcast(b"look".to_vec(), TOLD_WITHIN);
        match (told, cx.stream()) {
            (Some(id), Some(stream)) => {
                let settled_at = cx.host.now().after(SETTLES_IN);
                self.told.insert(id, Told { stream, after, settled_at });
                Ok(Flow::Pause)
            }
            // They will see it on their next tick.
            _ => Ok(reply(self.after(after, true, cx))),
        }
    }

    /// What a broadcast has come to.
    pub(crate) fn on_told(&mut self, id: BroadcastId, outcome: &Outcome) {
        let Some(told) = self.told.remove(&id) else { return };
        self.settling.push((told, matches!(outcome, Outcome::Missing(_))));
    }

    /// Answers those whose workers all know. By the tick.
    pub(crate) fn answer_settled<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let now = cx.host.now();
        let (settled, settling) = core::mem::take(&mut self.settling)
            .into_iter()
            .partition::<Vec<_>, _>(|(told, _)| now >= told.settled_at);
        self.settling = settling;
        for (told, is_missed) in settled {
            let reply = self.after(told.after, is_missed, cx);
            self.ready.insert(told.stream, reply);
            cx.wake(told.stream, 0);
        }
    }

    fn after<H: Host>(&self, after: After, is_missed: bool, cx: &Cx<'_, H>) -> Reply {
        match after {
            After::DrainBegun => self.json(202, "drain_begun", self.show_drain(cx), cx),
            After::DrainCancelled if is_missed => self.json(202, "drain_cancelled", self.show_drain(cx), cx),
            After::DrainCancelled => self.json(200, "drain_cancelled", self.show_drain(cx), cx),
        }
    }
}

pub(crate) fn reply(reply: Reply) -> Flow {
    Flow::Reply(Box::new(reply))
}

fn store_fails() -> Refusal {
    Refusal::Unavailable("the shared store does not answer: ask again".to_owned())
}
