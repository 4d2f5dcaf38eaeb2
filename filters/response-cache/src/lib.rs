//! The response cache filter: a request comes, what is stored answers it, or the upstream's answer is stored on its way.
//!
//! # How
//!
//! A request's headers are read once. [`lookup`](crate) answers it from the worker's own copies or the shared store, lets it
//! wait for another's answer, or sends it on with the cache's own conditions; [`response`](crate) says what the upstream's answer
//! means, and collects what is to be stored while it streams on. Every way that a request can end ends the flight that it
//! leads, so that nobody waits for it.
//!
//! # Limits
//!
//! An answer without a body that is replaced by one with a body goes straight to the client: outer filters do not see
//! it.

mod again;
mod background;
mod clocks;
mod coalescing;
mod collecting;
mod lookup;
mod metrics;
mod operate;
mod purging;
mod remote;
mod request;
mod response;
mod say;
mod storage;
mod storing;
mod stream;

pub use stream::Stream;

use background::{Background, Warming};
use ballast_core::config::Mode;
use ballast_core::events::Burst;
use ballast_core::matching::Needs;
use ballast_core::orders::Refusal;
use ballast_core::response_cache::config::{Config, Rule};
use ballast_core::response_cache::operator::ORDERS;
use ballast_core::response_cache::rules::{Policy, Refused};
use ballast_core::response_cache::store::{Flights, Fruitless, Outcome, Waiter};
use ballast_core::status::Draft;
use ballast_core::time::MonoTime;
use ballast_core::vec_map::VecMap;
use ballast_core::vms::Member;
use ballast_host::{
    Busiest, CallAnswer, CallToken, Cx, Filter, Flow, Host, Map, Next, Ordered, ReadPlan, StartError,
    StreamId,
};
use clocks::Clocks;
use coalescing::{SEEMS_DEAD, TIMED_OUT};
use core::time::Duration;
use lookup::{After, next_of};
use metrics::{INCOMPLETE, RuleMetrics};
use remote::{Remote, SEARCH};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use storage::Storage;
use stream::Asked;

/// For how long it is remembered that answers to a request cannot be shared.
const UNCACHEABLE_FOR: Duration = Duration::from_secs(120);

/// One configuration of the filter in one VM.
#[derive(Debug)]
pub struct ResponseCache {
    config: Config,
    /// What HTTP needs to know of each rule.
    policies: Vec<Policy>,
    plan: Rc<ReadPlan>,
    metrics: Vec<RuleMetrics>,
    storage: Storage,
    clocks: Clocks,
    /// The store that several proxies share.
    remote: Option<Box<Remote>>,
    /// What a purge must know.
    token: Option<Vec<u8>>,
    flights: Flights,
    /// Keys that are not looked up.
    fruitless: Fruitless<Refused>,
    /// The streams that wait, by their number.
    waiting: BTreeMap<u32, Parking>,
    waited: u32,
    last_pulse: MonoTime,
    background: VecDeque<Background>,
    calls: VecMap<CallToken, Background>,
    warm: Warming,
    /// How many bodies in a row never came.
    unread_bodies: u32,
    /// The busiest keys of each rule.
    busiest: Busiest,
    /// What is looked at for events: evictions and errors.
    bursts: [Burst; 2],
}

/// A stream that waits.
#[derive(Debug)]
struct Parking {
    stream: StreamId,
    /// The flight that it has waited for, while it is being woken.
    woken_by: Option<Waiter>,
}

impl Filter for ResponseCache {
    const NAME: &'static str = "response-cache";
    const NOTES_ORDERS: &'static [&'static str] = &ORDERS;
    type Config = Config;
    type Stream = Stream;

    fn namespace(config: &Config) -> Option<&str> {
        config.namespace.as_ref().map(|name| name.as_str())
    }

    fn reads_facts(&self) -> bool {
        self.config.reads_facts()
    }

    fn start<H: Host>(config: Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError> {
        let mut needs = Needs::default();
        config.needs(&mut needs);
        let metrics = config.rules.iter().map(|rule| RuleMetrics::define(rule.name.as_str(), cx));
        let token = config.purge.as_ref().and_then(|purge| cx.host.environment(purge.token_env.as_deref()?));
        Ok(Self {
            policies: config.rules.iter().map(Rule::policy).collect(),
            plan: Rc::new(ReadPlan::new(&needs).with_whole_map()),
            metrics: metrics.collect::<Result<_, _>>()?,
            storage: Storage::new(&config.store, cx)?,
            clocks: Clocks::default(),
            remote: config.remote.clone().map(|remote| Remote::new(remote, cx).map(Box::new)).transpose()?,
            token,
            flights: Flights::default(),
            fruitless: Fruitless::default(),
            waiting: BTreeMap::new(),
            waited: 0,
            last_pulse: MonoTime::ZERO,
            background: VecDeque::new(),
            calls: VecMap::new(),
            warm: Warming::default(),
            unread_bodies: 0,
            busiest: Busiest::of(config.rules.iter().map(|rule| rule.name.as_str())),
            bursts: [Burst::default(); 2],
            config,
        })
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        if self.config.mode == Mode::Disabled { Flow::Continue } else { self.on_request(stream, cx, end) }
    }

    fn on_request_body<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> Flow {
        self.on_request_piece(stream, cx, size, end)
    }

    fn on_response_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        match core::mem::take(stream) {
            Stream::Fetching(fetching) => self.on_head(fetching, stream, cx, end),
            Stream::Unsafe(asked) => self.on_unsafe(&asked, cx),
            Stream::Answered { kind } => {
                if let Some(kind) = kind {
                    let _ = cx.host.set_header(Map::ResponseHeaders, "content-type", &kind);
                }
                Flow::Continue
            }
            Stream::Passing { said } => {
                say::mark(&said, cx.host);
                Flow::Continue
            }
            other => {
                *stream = other;
                Flow::Continue
            }
        }
    }

    fn on_response_body<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> Flow {
        match stream {
            Stream::Collecting(collecting) => {
                if !self.on_piece(collecting, cx, size, end) {
                    *stream = Stream::Untouched;
                }
                Flow::Continue
            }
            Stream::Replacing(replacement) => replacement.on_body(cx, size),
            // The answer that is held is not the client's.
            Stream::AskedAgain(_) => Flow::Pause,
            _ => Flow::Continue,
        }
    }

    fn on_response_trailers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Flow {
        match stream {
            Stream::Collecting(collecting) => {
                // What comes with trailers is not whole without them.
                self.give_up(collecting, INCOMPLETE, cx);
                *stream = Stream::Untouched;
                Flow::Continue
            }
            Stream::Replacing(replacement) => replacement.on_trailers(cx),
            _ => Flow::Continue,
        }
    }

    fn on_destroy<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) {
        match core::mem::take(stream) {
            Stream::Fetching(mut fetching) | Stream::AskedAgain(mut fetching) => {
                self.end_flight(&mut fetching.lead, Outcome::Released, cx)
            }
            Stream::Collecting(mut collecting) if !collecting.is_given_up => {
                self.give_up(&mut collecting, INCOMPLETE, cx);
            }
            Stream::Waiting(waiting) => _ = self.waits_no_more(waiting.number),
            Stream::Searching(searching) => self.search_no_more(*searching, cx),
            _ => {}
        }
    }

    fn on_wake<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, number: u32) -> Next {
        let Stream::Waiting(waiting) = core::mem::take(stream) else { return Next::Stay };
        let waiter = self.waits_no_more(waiting.number).or(waiting.waiter);
        let after = match number {
            TIMED_OUT => After::TimeOut,
            _ => After::Flight { waiter, seems_dead: number == SEEMS_DEAD, until: waiting.until },
        };
        let verdict = self.decide_later(waiting.asked, after, cx);
        next_of(verdict, stream, cx)
    }

    fn on_timer<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, timer: u32) -> Next {
        match core::mem::take(stream) {
            Stream::Searching(searching) if timer == SEARCH => self.search_again(searching, stream, cx),
            other => {
                *stream = other;
                self.on_unread(stream, cx)
            }
        }
    }

    fn on_call<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        _: CallToken,
        answer: CallAnswer,
    ) -> Next {
        match core::mem::take(stream) {
            Stream::AskedAgain(fetching) => self.asked_again(fetching, answer, cx),
            Stream::Searching(searching) => self.searched(searching, answer, stream, cx),
            other => {
                *stream = other;
                Next::Stay
            }
        }
    }

    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.metrics.iter().for_each(|metrics| metrics.flush(cx.host));
        let now = cx.host.now();
        self.tend_flights(now, cx);
        self.storage.flush(now, cx);
        self.warm_up(cx);
        self.fetch_in_background(cx);
        self.busiest.tick(cx);
        self.sync(cx);
        self.write(cx);
    }

    fn on_end<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.metrics.iter().for_each(|metrics| metrics.flush(cx.host));
    }

    fn on_nudge<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.write(cx);
    }

    fn on_order<H: Host>(&mut self, cx: &mut Cx<'_, H>, ordered: &Ordered) -> Result<Vec<u8>, Refusal> {
        self.execute(cx, ordered)
    }

    fn status<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Option<Draft> {
        Some(self.draft(cx))
    }

    fn on_message<H: Host>(&mut self, cx: &mut Cx<'_, H>, _: Member, payload: &[u8]) {
        self.heard(payload, cx);
    }

    fn on_background_call<H: Host>(&mut self, cx: &mut Cx<'_, H>, call: CallToken, answer: CallAnswer) {
        let answer = self.wrote(call, answer, cx).and_then(|answer| self.synced(call, answer, cx));
        if let Some(answer) = answer {
            self.fetched(call, answer, cx);
        }
    }
}

impl ResponseCache {
    fn count(&self, asked: &Asked, add: impl FnOnce(&RuleMetrics)) {
        if let Some(metrics) = self.metrics.get(asked.rule) {
            add(metrics);
        }
    }
}
