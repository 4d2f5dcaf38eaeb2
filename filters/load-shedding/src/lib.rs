//! The load shedding filter: a request comes, [`Worker`] decides, the proxy acts.
//!
//! # How
//!
//! A request goes past a bulkhead, the admission rules and the limit, and may be held at the first and the last. What becomes of
//! one that is held is decided in another callback, kept in `decided`, and done when the stream is woken. What is in
//! flight ends with the stream, however it ends. On the tick this root adds what it has seen to the board that all share, and
//! decides by that until the next.
//!
//! # Limits
//!
//! Class and caller of a request are read only while they can make a difference.

mod counts;
mod held;
mod metrics;
mod refusal;
mod shown;
mod stream;

use ballast_core::config::{Mode, OnError};
use ballast_core::events::Burst;
use ballast_core::load_shedding::Reason;
use ballast_core::load_shedding::board::{Merge, Merging};
use ballast_core::load_shedding::config::{BulkheadKey, Config};
use ballast_core::load_shedding::worker::{Arrival, Verdict, Worker};
use ballast_core::matching::Needs;
use ballast_core::plane::{Facts, Overload};
use ballast_core::status::Draft;
use ballast_core::time::MonoTime;
use ballast_core::units::Share;
use ballast_core::vec_map::VecMap;
use ballast_host::{
    Ask, Asked, Cx, Filter, Flow, Half, Host, HostRandom, Map, Next, Permit, ReadPlan, RequestView,
    StartError, StreamId,
};
use counts::Counts;
use held::Decided;
use metrics::Metrics;
use refusal::Problems;
use std::rc::Rc;
use std::time::Duration;
use stream::{Phase, Stream};

/// How often what was seen goes to the board.
const REPORT_EVERY: Duration = Duration::from_millis(50);
/// The shared value of the board; it is the filter's status record, too.
const BOARD: &str = "board";
/// The lease of whoever puts right what crashed workers have left behind.
const HEALER: &str = "healer";
const HEALER_TERM: Duration = Duration::from_secs(3);

/// One configuration of the filter in one VM.
#[derive(Debug)]
pub struct LoadShedding {
    config: Config,
    plan: ReadPlan,
    metrics: Metrics,
    counts: Counts,
    problems: Problems,
    worker: Worker<StreamId>,
    /// What has become of streams that are held, until they are woken.
    decided: VecMap<StreamId, Decided>,
    reported: MonoTime,
    /// The level as this root has last told of it.
    told_level: Option<Overload>,
    /// What is looked at for events: errors.
    errors: Burst,
}

/// What is to become of a request.
enum Outcome {
    Go,
    Hold,
    /// For a reason, by the rule of this name.
    Refuse(Reason, String),
}

impl Filter for LoadShedding {
    const NAME: &'static str = "load-shedding";
    type Config = Config;
    type Stream = Stream;

    fn namespace(config: &Config) -> Option<&str> {
        config.namespace.as_ref().map(|name| name.as_str())
    }

    fn start<H: Host>(config: Config, cx: &mut Cx<'_, H>) -> Result<Self, StartError> {
        let mut needs = Needs::default();
        config.needs(&mut needs);
        Ok(Self {
            plan: ReadPlan::new(&needs),
            metrics: Metrics::define(&config, cx)?,
            counts: Counts::define(cx)?,
            problems: Problems::new(&config),
            worker: Worker::new(Rc::clone(&config.settings)),
            decided: VecMap::new(),
            reported: MonoTime::ZERO,
            told_level: None,
            errors: Burst::default(),
            config,
        })
    }

    fn on_request_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: bool) -> Flow {
        if self.config.mode == Mode::Disabled {
            return Flow::Continue;
        }
        self.become_member(cx);
        match self.receive(stream, cx) {
            Outcome::Go => Flow::Continue,
            Outcome::Hold => Flow::Pause,
            Outcome::Refuse(reason, rule) => Flow::Reply(self.refuse(reason, &rule, stream, cx)),
        }
    }

    fn on_response_headers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        if let Phase::Entered { since, in_flight } = stream.phase
            && !stream.answered
        {
            stream.answered = true;
            if !stream.ignored && self.worker.wants_a_look() {
                self.look(stream, since, in_flight, cx, end);
            }
        }
        Flow::Continue
    }

    fn on_response_trailers<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Flow {
        if let Phase::Entered { in_flight, .. } = stream.phase {
            self.look_at_trailers(stream, in_flight, cx);
        }
        Flow::Continue
    }

    fn on_destroy<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) {
        match core::mem::take(&mut stream.phase) {
            Phase::Aside | Phase::AtBulkhead => {}
            Phase::Waiting => self.abandon(cx),
            Phase::Entered { since, in_flight } => {
                if !stream.answered && !stream.ignored {
                    self.worker.client_left(cx.host.now().since(since), in_flight);
                }
                if let Some(latency) = stream.open.take() {
                    // It was answered, and broke off before it said how well.
                    self.worker.sample(latency, in_flight);
                    self.metrics.sampled();
                }
                self.release(cx);
            }
        }
    }

    fn on_permit<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, permit: Permit) -> Next {
        let outcome = match permit {
            Permit::Granted => self.arrive(stream, cx),
            Permit::TimedOut => Outcome::Refuse(Reason::Bulkhead, core::mem::take(&mut stream.bulkhead)),
        };
        self.next(outcome, stream, cx)
    }

    fn on_wake<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: u32) -> Next {
        self.settle(stream, cx)
    }

    fn on_timer<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, _: u32) -> Next {
        if !matches!(stream.phase, Phase::Waiting) {
            return Next::Stay;
        }
        self.look_at_line(cx);
        let next = self.settle(stream, cx);
        if next == Next::Stay {
            cx.set_timer(self.config.settings.queue.target_delay, 0);
        }
        next
    }

    fn on_nudge<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.admit_waiting(cx);
    }

    fn on_rejoin<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.become_member(cx);
    }

    fn on_tick<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if self.config.mode == Mode::Disabled {
            return;
        }
        self.become_member(cx);
        self.look_at_line(cx);
        let now = cx.host.now();
        if now.since(self.reported) >= REPORT_EVERY {
            self.reported = now;
            self.report(now, cx);
        }
    }

    fn status<H: Host>(&mut self, cx: &mut Cx<'_, H>) -> Option<Draft> {
        Some(self.draft(cx))
    }

    fn on_end<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.counts.correct_mine(0, 0, cx);
    }
}

impl LoadShedding {
    fn become_member<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.counts.become_member(self.worker.held(), self.waiting(), cx);
    }

    fn waiting(&self) -> u32 {
        u32::try_from(self.worker.waiting()).unwrap_or(u32::MAX)
    }

    /// A request has come.
    fn receive<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Outcome {
        let needs_secret = self.config.fairness.is_some() || !self.config.bulkheads.is_empty();
        let secret = if needs_secret { cx.secret() } else { None };
        if needs_secret && secret.is_none() {
            return self.broken(cx);
        }
        let host = cx.host;
        let request = RequestView::new(host, &self.plan);
        if self.config.is_exempt(&request) {
            return Outcome::Go;
        }
        stream.ignored = self.config.is_ignored(&request);
        let matters = self.worker.is_contended();
        let propagate = self.config.priority.propagate.as_ref();
        if matters || propagate.is_some() {
            stream.arrival.class = self.config.class(&request);
        } else {
            stream.arrival.class = self.config.priority.default_class();
        }
        if let (true, Some(secret)) = (matters, &secret) {
            stream.arrival.caller = self.config.caller(&request, secret);
        }
        let in_part = self.config.enforce_share == Share::ALL;
        let enforced = in_part || self.config.enforce_share.admits(host.random());
        stream.enforced = self.config.mode == Mode::Enforce && enforced;
        stream.admission = self.config.admission_rule(&request);
        let bulkhead = self.config.bulkhead(&request).zip(secret.as_ref());
        let bulkhead = bulkhead.map(|(bulkhead, secret)| (bulkhead, bulkhead.key(&request, secret)));
        if let Some(name) = propagate {
            let class = self.config.class_name(stream.arrival.class);
            // A request whose headers cannot be changed goes on as it is.
            let _ = host.set_header(Map::RequestHeaders, name.as_str(), class.as_bytes());
        }
        if let Some((rule, enforced)) = stream.admission
            && self.worker.admission_refuses(rule, &mut HostRandom(host))
        {
            if enforced && stream.enforced {
                let name = self.config.admission.get(rule).map_or(String::new(), |rule| rule.name.clone());
                return Outcome::Refuse(Reason::Admission, name);
            }
            self.metrics.rejected(host, Reason::Admission, stream.arrival.class, false);
        }
        let held = match bulkhead {
            None | Some((_, BulkheadKey::None)) => None,
            Some((bulkhead, key)) => {
                let enforced = stream.enforced && bulkhead.is_enforced();
                let wait =
                    if enforced && bulkhead.max_queue > 0 { bulkhead.max_wait } else { Duration::ZERO };
                let asked = match &key {
                    BulkheadKey::Counted(permit) => cx.ask(&Ask {
                        permit,
                        most: bulkhead.max_concurrent,
                        wait,
                        most_waiting: usize::try_from(bulkhead.max_queue).unwrap_or(usize::MAX),
                    }),
                    BulkheadKey::Denied | BulkheadKey::None => Asked::Full,
                };
                Some((asked, bulkhead.name.as_str().to_owned(), enforced))
            }
        };
        match held {
            None | Some((Asked::Granted, ..)) => self.arrive(stream, cx),
            Some((Asked::Parked, name, _)) => {
                stream.phase = Phase::AtBulkhead;
                stream.bulkhead = name;
                Outcome::Hold
            }
            Some((Asked::Full, name, true)) => Outcome::Refuse(Reason::Bulkhead, name),
            Some((Asked::Full, _, false)) => {
                self.metrics.rejected(cx.host, Reason::Bulkhead, stream.arrival.class, false);
                self.arrive(stream, cx)
            }
            Some((Asked::Unavailable, ..)) => match self.broken(cx) {
                Outcome::Go => self.arrive(stream, cx),
                refused => refused,
            },
        }
    }

    /// A request comes to the limit.
    fn arrive<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>) -> Outcome {
        let Some(ticket) = cx.stream_number() else { return Outcome::Go };
        let (host, now) = (cx.host, cx.host.now());
        let counts = self.counts.with(host);
        let (verdict, expelled) =
            self.worker.arrive(&stream.arrival, ticket, &counts, now, &mut HostRandom(host));
        if let Some(expelled) = expelled {
            self.expel(expelled, cx);
        }
        let (would_refuse, in_flight) = match verdict {
            Verdict::Enter(in_flight) => (None, in_flight),
            Verdict::Wait if stream.enforced => {
                stream.phase = Phase::Waiting;
                // It must be found again.
                let _ = cx.stream();
                cx.set_timer(self.config.settings.queue.target_delay, 0);
                return Outcome::Hold;
            }
            Verdict::Refuse(reason) if stream.enforced => {
                let class = self.config.class_name(stream.arrival.class).to_owned();
                return Outcome::Refuse(reason, class);
            }
            Verdict::Wait => {
                self.worker.abandon(ticket, &self.counts.with(host));
                (None, self.worker.enter_anyway(&self.counts.with(host)))
            }
            Verdict::Refuse(reason) => (Some(reason), self.worker.enter_anyway(&self.counts.with(host))),
        };
        if let Some(reason) = would_refuse {
            self.metrics.rejected(host, reason, stream.arrival.class, false);
            refusal::mark(&format!("shadow,{}", reason.as_str()), cx);
        }
        stream.phase = Phase::Entered { since: now, in_flight };
        self.metrics.admitted();
        Outcome::Go
    }

    fn refuse<H: Host>(
        &mut self,
        reason: Reason,
        rule: &str,
        stream: &mut Stream,
        cx: &Cx<'_, H>,
    ) -> Box<ballast_host::Reply> {
        stream.phase = Phase::Aside;
        self.metrics.rejected(cx.host, reason, stream.arrival.class, true);
        refusal::reply(&self.config, &self.problems, reason, rule, cx)
    }

    /// The shared store does not answer.
    fn broken<H: Host>(&self, cx: &Cx<'_, H>) -> Outcome {
        self.metrics.errors.add(cx.host, 1);
        match self.config.on_error {
            OnError::Deny if self.config.mode == Mode::Enforce => {
                Outcome::Refuse(Reason::Error, String::new())
            }
            _ => Outcome::Go,
        }
    }

    /// Tells the others what was seen, and learns what all know.
    fn report<H: Host>(&mut self, now: MonoTime, cx: &mut Cx<'_, H>) {
        self.counts.correct_mine(self.worker.held(), self.waiting(), cx);
        let leads = cx.lease(HEALER, HEALER_TERM).is_some();
        if leads {
            self.counts.correct_vacant(cx);
        }
        let report = self.worker.report(&self.counts.with(cx.host));
        let settings = Rc::clone(&self.config.settings);
        let merging = Merging { settings, report: report.clone(), now, noise: cx.host.random() };
        match cx.run(&mut Merge::new(BOARD, merging)) {
            Ok(board) => {
                self.worker.learn(&board);
                self.metrics.limit.set(cx.host, self.worker.allowed().into());
                self.metrics.level.set(cx.host, board.level().level().into());
                cx.publish(Facts { overload: board.level(), ..Facts::default() });
                self.tell_level(board.level(), leads, cx);
            }
            Err(_) => {
                self.worker.keep(&report);
                self.metrics.errors.add(cx.host, 1);
            }
        }
        self.metrics.flush(cx.host);
    }

    fn next<H: Host>(&mut self, outcome: Outcome, stream: &mut Stream, cx: &Cx<'_, H>) -> Next {
        match outcome {
            Outcome::Go => Next::Resume(Half::Request),
            Outcome::Hold => Next::Stay,
            Outcome::Refuse(reason, rule) => Next::Reply(self.refuse(reason, &rule, stream, cx)),
        }
    }
}
