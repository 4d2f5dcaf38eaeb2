//! Uses each shared mechanism of the host crate, as requests ask for it.
//!
//! The same module runs in a real Envoy and in the in-process host. The path says what to do, headers say with what,
//! and the answer is text:
//!
//! | path | headers | does |
//! |---|---|---|
//! | `/broadcast` | `x-message`, `x-within-ms` | tells all workers; answers once it is known who has heard |
//! | `/heard` | | answers with what this worker has heard, a line each |
//! | `/park`, `/park/short` | `x-permit`, `x-wait-ms` | goes on with a permit; `short` gives it back with the response headers |
//! | `/lease` | | says whether this worker holds the lease |
//! | `/fact` | `x-state` | states a fact about the request, or answers with the one that is stated |
//! | `/publish` | `x-level`, `x-draining` | has this worker think that the process is so overloaded, and whether it drains |
//! | `/facts` | | answers with what the process's filters say together |
//! | `/call`, `/call/grpc`, `/call/background` | | calls the cluster for the stream, or from the next tick |
//! | `/answers` | | answers with the status of each background call |
//! | `/rejoined` | | answers with how often this worker has got a new identity |
//! | `/timer` | `x-wait-ms` | holds the request for so long |
//! | `/order` | `x-filter`, `x-namespace`, `x-order`, `x-rule`, `x-arguments`, `x-one`, `x-within-ms` | orders the members of a filter to do something; answers with theirs |
//! | `/executed` | | answers with the orders that this worker has executed, a line each |
//! | `/want`, `/reports`, `/events`, `/metrics` | | wants reports from now on; answers with what all filters report |
//! | `/note` | `x-message` | leaves an event |
//! | `/record` | `x-value` | records a value into a histogram |
//! | `/crash` | | takes the VM down |

mod config;
mod operate;
mod paths;

use ballast_core::bus::Outcome;
use ballast_core::orders::{self, Refusal};
use ballast_core::plane::{Facts, Overload};
use ballast_core::status::Draft;
use ballast_core::vms::Member;
use ballast_host::{
    BroadcastId, CallAnswer, CallToken, Cx, Filter, Flow, GrpcCall, Half, Histogram, Host, HttpCall, Map,
    Next, OrderId, Ordered, Permit, StartError, StreamId,
};
use config::Config;
use core::time::Duration;
use paths::{answer, reply};
use std::collections::BTreeMap;

struct Demo {
    config: Config,
    /// The stream that waits for each broadcast.
    broadcasts: BTreeMap<BroadcastId, StreamId>,
    /// What the broadcast of a stream has come to.
    outcomes: BTreeMap<StreamId, String>,
    heard: Vec<String>,
    /// The stream that waits for each order.
    orders: BTreeMap<OrderId, StreamId>,
    executed: Vec<String>,
    wants_reports: bool,
    values: Histogram,
    facts: Option<Facts>,
    calls_wanted: u32,
    answers: Vec<String>,
    rejoined: u32,
}

#[derive(Debug, Default)]
struct Stream {
    /// The permit to give back with the response headers.
    short: Option<String>,
}

const LEASE: &str = "demo";
const LEASE_TERM: Duration = Duration::from_secs(2);

impl Filter for Demo {
    const NAME: &'static str = "demo";
    const READS_FACTS: bool = true;
    const NOTES_ORDERS: &'static [&'static str] = &["keep"];
    type Config = Config;
    type Stream = Stream;

    fn namespace(config: &Config) -> Option<&str> {
        config.namespace.as_deref()
    }

    fn start<H: Host>(config: Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError> {
        Ok(Self {
            config,
            broadcasts: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            heard: Vec::new(),
            orders: BTreeMap::new(),
            executed: Vec::new(),
            wants_reports: false,
            values: cx.histogram("values", &[])?,
            facts: None,
            calls_wanted: 0,
            answers: Vec::new(),
            rejoined: 0,
        })
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        let path = cx.host.header(Map::RequestHeaders, ":path").unwrap_or_default();
        match path.as_slice() {
            b"/broadcast" => self.broadcast(cx),
            b"/heard" => answer(&self.heard.join("\n")),
            b"/park" => self.park(stream, cx, false),
            b"/park/short" => self.park(stream, cx, true),
            b"/lease" => match cx.lease(LEASE, LEASE_TERM) {
                Some(held) => answer(&format!("held {}", held.token)),
                None => answer("not held"),
            },
            b"/fact" => paths::fact(cx),
            b"/publish" => {
                let level = paths::number(cx, "x-level").and_then(|level| u8::try_from(level).ok());
                let draining = paths::text(cx, "x-draining") == "true";
                self.facts = level.and_then(Overload::from_level).map(|overload| Facts {
                    overload,
                    draining,
                    ..Facts::default()
                });
                answer("published")
            }
            b"/facts" => answer(&format!("overload {}", cx.facts().overload.level())),
            b"/call" => match cx.call_http(&self.call()) {
                Ok(_) => Flow::Pause,
                Err(error) => answer(&error.to_string()),
            },
            b"/call/grpc" => match cx.call_grpc(&self.grpc_call()) {
                Ok(_) => Flow::Pause,
                Err(error) => answer(&error.to_string()),
            },
            b"/call/background" => {
                self.calls_wanted += 1;
                answer("will be called")
            }
            b"/answers" => answer(&self.answers.join("\n")),
            b"/rejoined" => answer(&self.rejoined.to_string()),
            b"/timer" => {
                cx.set_timer(paths::millis(cx, "x-wait-ms"), 1);
                Flow::Pause
            }
            b"/order" => self.order(cx),
            b"/executed" => answer(&self.executed.join("\n")),
            b"/want" => {
                self.wants_reports = true;
                answer("wanted")
            }
            b"/reports" => operate::reports(cx),
            b"/events" => operate::events(cx),
            b"/metrics" => operate::metrics(cx),
            b"/note" => {
                cx.event("noted", "", &paths::text(cx, "x-message"), "");
                answer("noted")
            }
            b"/record" => {
                self.values.record(cx.host, paths::number(cx, "x-value").unwrap_or(0));
                answer("recorded")
            }
            b"/crash" => std::process::abort(),
            _ => Flow::Continue,
        }
    }

    fn on_response_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        if let Some(permit) = stream.short.take() {
            cx.release(&permit);
        }
        Flow::Continue
    }

    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if self.wants_reports {
            cx.want_reports();
        }
        if self.config.lease {
            cx.lease(LEASE, LEASE_TERM);
        }
        if let Some(facts) = self.facts {
            cx.publish(facts);
        }
        for _ in 0..core::mem::take(&mut self.calls_wanted) {
            if let Err(error) = cx.call_http(&self.call()) {
                self.answers.push(error.to_string());
            }
        }
    }

    fn on_rejoin<H: Host>(&mut self, _: &mut Cx<'_, H>) {
        self.rejoined += 1;
    }

    fn on_message<H: Host>(&mut self, _: &mut Cx<'_, H>, from: Member, payload: &[u8]) {
        self.heard.push(format!("{} from {}", String::from_utf8_lossy(payload), from.slot));
    }

    fn on_broadcast_done<H: Host>(&mut self, cx: &mut Cx<'_, H>, id: BroadcastId, outcome: &Outcome) {
        let Some(stream) = self.broadcasts.remove(&id) else { return };
        let text = match outcome {
            Outcome::AllAcknowledged(count) => format!("acknowledged by {count}"),
            Outcome::Missing(members) => format!("missing {}", members.len()),
        };
        self.outcomes.insert(stream, text);
        cx.wake(stream, 0);
    }

    fn on_order<H: Host>(&mut self, cx: &mut Cx<'_, H>, ordered: &Ordered) -> Result<Vec<u8>, Refusal> {
        self.execute(cx, ordered)
    }

    fn on_order_done<H: Host>(&mut self, cx: &mut Cx<'_, H>, id: OrderId, outcome: &orders::Outcome) {
        let Some(stream) = self.orders.remove(&id) else { return };
        self.outcomes.insert(stream, operate::told(outcome));
        cx.wake(stream, 0);
    }

    fn status<H: Host>(&mut self, _: &mut Cx<'_, H>) -> Option<Draft> {
        Some(self.draft())
    }

    fn on_wake<H: Host>(&mut self, _: &mut Stream, cx: &mut Cx<'_, H>, _: u32) -> Next {
        match cx.stream().and_then(|stream| self.outcomes.remove(&stream)) {
            Some(text) => Next::Reply(reply(200, &text)),
            None => Next::Stay,
        }
    }

    fn on_permit<H: Host>(&mut self, _: &mut Stream, cx: &mut Cx<'_, H>, permit: Permit) -> Next {
        match permit {
            Permit::Granted => {
                // The stream is the effective context here: its headers can be changed before it goes on.
                let _ = cx.host.set_header(Map::RequestHeaders, "x-permit-granted", b"after waiting");
                Next::Resume(Half::Request)
            }
            Permit::TimedOut => Next::Reply(reply(503, "timed out")),
        }
    }

    fn on_timer<H: Host>(&mut self, _: &mut Stream, _: &mut Cx<'_, H>, _: u32) -> Next {
        Next::Resume(Half::Request)
    }

    fn on_call<H: Host>(
        &mut self,
        _: &mut Stream,
        _: &mut Cx<'_, H>,
        _: CallToken,
        call: CallAnswer,
    ) -> Next {
        Next::Reply(reply(200, &paths::called(&call)))
    }

    fn on_background_call<H: Host>(&mut self, _: &mut Cx<'_, H>, _: CallToken, call: CallAnswer) {
        self.answers.push(paths::called(&call));
    }
}

impl Demo {
    fn broadcast<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Flow {
        let message = cx.host.header(Map::RequestHeaders, "x-message").unwrap_or_default();
        let within = paths::millis(cx, "x-within-ms");
        match (cx.broadcast(message, within), cx.stream()) {
            (Some(id), Some(waiting)) => {
                self.broadcasts.insert(id, waiting);
                Flow::Pause
            }
            _ => answer("not sent"),
        }
    }

    fn call(&self) -> HttpCall {
        let headers = [(":method", "GET"), (":path", "/called"), (":authority", "service.example")];
        HttpCall {
            cluster: self.config.cluster.clone(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Vec::new(),
            timeout: Duration::from_secs(1),
        }
    }

    fn grpc_call(&self) -> GrpcCall {
        GrpcCall {
            cluster: self.config.cluster.clone(),
            service: "ballast.Demo".to_owned(),
            method: "Echo".to_owned(),
            metadata: vec![("x-demo".to_owned(), b"1".to_vec())],
            message: b"ping".to_vec(),
            timeout: Duration::from_secs(1),
        }
    }
}

ballast_host::export_filter!(
    Demo,
    callbacks: "proxy_on_request_headers,proxy_on_response_headers,proxy_on_log,proxy_on_http_call_response,\
                proxy_on_grpc_receive,proxy_on_grpc_close"
);
