//! The admin filter: health, status and operator actions under one prefix, and the end of the process without failed requests.
//!
//! # How
//!
//! The same module stands in two places: outermost where clients come in, with `endpoints: disabled`, where it counts
//! what is in flight and refuses new work during a drain; and on a listener of its own, where it serves the endpoints.
//! Both share the namespace. An action is told to all workers, and answered once they have heard.
//!
//! One root, which holds a lease, does what is to be done once: it moves a drain on, asks checks, looks at alerts.
//!
//! # Limits
//!
//! Bodies of requests are seen only with `allow_on_headers_stop_iteration`; every action does without. Both places
//! together take two of the 64 slots of a namespace for each worker.

mod acting;
mod alerting;
mod answer;
mod asking;
mod benchmark;
mod checking;
mod draining;
mod envoy;
mod health;
mod leading;
mod metrics;
mod ordering;
mod reporting;
mod snapshot;
mod storing;
mod stream;

use ballast_core::admin::access::{Credential, Rights};
use ballast_core::admin::config::{Config, CredentialConfig, Endpoints, TokenSource};
use ballast_core::admin::drain::Drain;
use ballast_core::admin::route::{Endpoint, ROUTES};
use ballast_core::bus::Outcome;
use ballast_core::config::ConfigError;
use ballast_core::matching::Needs;
use ballast_core::orders;
use ballast_core::status::Draft;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::Member;
use ballast_host::{
    BroadcastId, CallAnswer, CallToken, Cx, Filter, Flow, Host, LogLevel, Map, Next, OrderId, ReadPlan,
    Reply, StartError, StreamId,
};
use checking::Checking;
use leading::Leading;
use metrics::Metrics;
use stream::Stream;

/// One configuration of the filter in one VM.
#[derive(Debug)]
pub struct Admin {
    config: Config,
    rights: Rights,
    metrics: Metrics,
    /// What is read of requests during a drain.
    plan: ReadPlan,
    drain_key: String,
    /// The drain that this worker knows of.
    drain: Option<Drain>,
    /// What this worker holds.
    in_flight: u64,
    written: Option<draining::Written>,
    has_published: bool,
    /// The stream that waits for each broadcast, with what it is answered when that is over.
    told: VecMap<BroadcastId, acting::Told>,
    /// Those whose broadcast is over, and whether somebody is silent.
    settling: Vec<(acting::Told, bool)>,
    /// What streams that wait are answered.
    ready: VecMap<StreamId, Reply>,
    /// Requests that wait for orders.
    jobs: Vec<ordering::Job>,
    checking: Checking,
    alerting: alerting::Alerting,
    looking: envoy::Looking,
    moving: storing::Moving,
    leading: Leading,
}

impl Filter for Admin {
    const NAME: &'static str = "admin";
    const READS_FACTS: bool = true;
    type Config = Config;
    type Stream = Stream;

    fn namespace(config: &Config) -> Option<&str> {
        Some(config.namespace())
    }

    fn start<H: Host>(config: Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError> {
        let mut needs = Needs::default();
        config.needs(&mut needs);
        let rights = Rights {
            read: credentials("access.read", &config.access.read, cx)?,
            act: credentials("access.act", &config.access.act, cx)?,
            allow_loopback: config.access.allow_loopback,
            guard_probes: config.access.guard_probes,
        };
        let mut admin = Self {
            rights,
            metrics: Metrics::new(cx)?,
            plan: ReadPlan::new(&needs),
            drain_key: cx.scope().key(draining::DRAIN),
            drain: None,
            in_flight: 0,
            written: None,
            has_published: false,
            told: VecMap::new(),
            settling: Vec::new(),
            ready: VecMap::new(),
            jobs: Vec::new(),
            checking: Checking::default(),
            alerting: alerting::Alerting::default(),
            looking: envoy::Looking::default(),
            moving: storing::Moving::default(),
            leading: Leading::default(),
            config,
        };
        // A VM that comes late, after a crash, lets nothing in during a drain.
        admin.look(cx);
        Ok(admin)
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        if self.config.endpoints == Endpoints::Enabled {
            let headers = cx.host.headers(Map::RequestHeaders);
            if let Some(flow) = self.ask(stream, &headers, end, cx) {
                return flow;
            }
        }
        self.pass(stream, cx)
    }

    fn on_request_body<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> Flow {
        self.on_body(stream, size, end, cx)
    }

    fn on_destroy<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) {
        if core::mem::take(&mut stream.counted) {
            self.in_flight = self.in_flight.saturating_sub(1);
        } else if self.config.endpoints == Endpoints::Enabled
            && let Some(id) = cx.stream_number()
        {
            // Nobody waits for it any more.
            self.ready.remove(&id);
            self.told.retain(|_, told| told.stream != id);
            self.settling.retain(|(told, _)| told.stream != id);
            self.jobs.retain(|job| !job.is_for(id));
        }
    }

    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.look(cx);
        self.report(cx);
        self.answer_settled(cx);
        if self.config.endpoints == Endpoints::Enabled {
            self.lead(cx);
        }
    }

    fn on_rejoin<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.report(cx);
    }

    fn on_message<H: Host>(&mut self, cx: &mut Cx<'_, H>, _: Member, _: &[u8]) {
        // The only thing that is told: that the drain is another one.
        self.look(cx);
        self.report(cx);
    }

    fn on_broadcast_done<H: Host>(&mut self, _: &mut Cx<'_, H>, id: BroadcastId, outcome: &Outcome) {
        self.on_told(id, outcome);
    }

    fn on_order_done<H: Host>(&mut self, cx: &mut Cx<'_, H>, id: OrderId, outcome: &orders::Outcome) {
        self.on_ordered(id, outcome, cx);
    }

    fn status<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Option<Draft> {
        let phase = self.drain.as_ref().map_or("none", |drain| drain.phase.as_str());
        let in_flight = self.progress(cx).in_flight;
        Some(Draft::new(&serde_json::json!({ "drain_phase": phase, "in_flight": in_flight })))
    }

    fn on_wake<H: Host>(&mut self, _: &mut Stream, cx: &mut Cx<'_, H>, _: u32) -> Next {
        let reply = cx.stream_number().and_then(|id| self.ready.remove(&id));
        reply.map_or(Next::Stay, |reply| Next::Reply(Box::new(reply)))
    }

    fn on_timer<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, timer: u32) -> Next {
        self.on_no_body(stream, timer, cx)
    }

    fn on_background_call<H: Host>(&mut self, cx: &mut Cx<'_, H>, call: CallToken, answer: CallAnswer) {
        self.on_answer(call, &answer, cx);
    }
}

impl Admin {
    /// The path of an endpoint, as clients ask for it.
    fn link(&self, endpoint: Endpoint) -> String {
        let route = ROUTES.iter().find(|route| route.endpoint == endpoint);
        format!("{}{}", self.config.prefix, route.map_or("", |route| route.path))
    }
}

/// The credentials whose tokens are there. A variable that is not set is nobody's.
fn credentials<H: Host>(
    list: &str,
    configured: &[CredentialConfig],
    cx: &Cx<'_, H>,
) -> Result<Vec<Credential>, StartError> {
    let mut credentials = Vec::new();
    for (at, CredentialConfig { name, source }) in configured.iter().enumerate() {
        let token = match source {
            TokenSource::Written(token) => Some(token.clone()),
            TokenSource::Environment(variable) => cx.host.environment(variable),
        };
        match token {
            Some(token) => {
                let place = |reason| ConfigError::new(format!("{list}[{at}]"), reason);
                credentials.push(Credential::new(name.as_str(), &token).map_err(place)?);
            }
            None => cx.log(
                LogLevel::Warn,
                &format!("{list}[{at}]: `{name}` has no token: its variable is not set"),
            ),
        }
    }
    Ok(credentials)
}
