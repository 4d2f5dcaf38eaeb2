//! Emptying the process, as one of its workers.
//!
//! Requests are counted in the worker's own memory, and the count is written to shared data on ticks: a request costs
//! no host call for it. Whether there is a drain is known from the last tick, or from the message that one has begun.

use crate::Admin;
use crate::stream::Stream;
use ballast_core::admin::drain::{Drain, Progress, Report};
use ballast_core::admin::route::Endpoint;
use ballast_core::config::Mode;
use ballast_core::http::{Lines, Problem, accepts_problem, is_grpc, retry_after_seconds};
use ballast_core::matching::Request;
use ballast_core::plane::Facts;
use ballast_core::units::Share;
use ballast_core::vms::Member;
use ballast_host::{Cx, Flow, Host, HostRandom, Reply, RequestView};
use serde_json::{Value, json};

/// The key of the one drain of a namespace.
pub(crate) const DRAIN: &str = "drain";
/// By how much of itself a `Retry-After` may be later, so that not all come back at once.
const JITTER: Share = Share::from_basis_points(5_000);
/// UNAVAILABLE.
const UNAVAILABLE: u8 = 14;

/// What this worker has written of itself last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    by: Member,
    knows: u32,
    in_flight: u64,
}

impl Admin {
    /// Looks whether there is a drain.
    pub(crate) fn look<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        // Who cannot look believes what it knew.
        if let Ok(shared) = cx.host.shared(&self.drain_key) {
            self.drain = Drain::read(shared.value.as_deref());
        }
        let draining = self.drain.is_some();
        if draining || self.has_published {
            self.has_published = true;
            cx.publish(Facts { draining, ..Facts::default() });
        }
    }

    /// Says what this worker holds, if that is news.
    pub(crate) fn report<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(by) = cx.member() else { return };
        let knows = self.drain.as_ref().map_or(0, |drain| drain.number);
        let written = Written { by, knows, in_flight: self.in_flight };
        if self.written == Some(written) {
            return;
        }
        let report = Report { by, at: cx.host.now(), knows, in_flight: self.in_flight };
        let key = cx.scope().key(held(by));
        if cx.host.put_shared(&key, &report.encode()).is_ok() {
            self.written = Some(written);
        }
    }

    /// Whatever is not for an endpoint: lets it through and counts it, unless there is a drain.
    pub(crate) fn pass<H: Host>(&mut self, stream: &mut Stream, cx: &Cx<'_, H>) -> Flow {
        if self.drain.is_some()
            && self.config.mode != Mode::Disabled
            && let Some(reply) = self.refuse(cx)
        {
            return Flow::Reply(Box::new(reply));
        }
        self.in_flight += 1;
        stream.counted = true;
        Flow::Continue
    }

    fn refuse<H: Host>(&self, cx: &Cx<'_, H>) -> Option<Reply> {
        let view = RequestView::new(cx.host, &self.plan);
        if self.config.drain.exempt.iter().any(|matcher| matcher.matches(&view)) {
            return None;
        }
        if self.config.mode == Mode::Shadow {
            self.metrics.shadow_refused.add(cx.host, 1);
            return None;
        }
        self.metrics.drain_refused.add(cx.host, 1);
        // What the access log shows; a stream that takes no state goes on without.
        let _ = cx.set_fact("admin", b"draining");
        let drain = &self.config.drain;
        let seconds = retry_after_seconds(drain.retry_after, JITTER, &mut HostRandom(cx.host));
        let mut headers: Lines =
            [("retry-after", seconds.to_string().as_str()), ("connection", "close")].into_iter().collect();
        let grpc = is_grpc(view.header("content-type").as_deref());
        let title = "This server is about to stop";
        let body = match accepts_problem(view.header("accept").as_deref()) {
            _ if grpc => title.as_bytes().to_vec(),
            true => {
                headers.push("content-type", Problem::MEDIA_TYPE);
                Problem { kind: "about:blank", title, status: drain.status, more: Default::default() }
                    .to_json()
            }
            false => format!("{title}\n").into_bytes(),
        };
        Some(Reply {
            status: if grpc { 200 } else { drain.status },
            details: "ballast_admin{draining}".into(),
            headers,
            body: body.into(),
            grpc_status: grpc.then_some(UNAVAILABLE),
        })
    }

    /// How much is left, over all workers that are known to live.
    pub(crate) fn progress<H: Host>(&self, cx: &Cx<'_, H>) -> Progress {
        let live: Vec<Member> = cx.view().members().collect();
        let knows = self.drain.as_ref().map_or(0, |drain| drain.number);
        Progress::of(knows, &live, |member| {
            let shared = cx.host.shared(&cx.scope().key(held(member))).ok()?;
            Report::decode(&shared.value?)
        })
    }

    /// What is shown of the drain.
    pub(crate) fn show_drain<H: Host>(&self, cx: &Cx<'_, H>) -> Value {
        let progress = self.progress(cx);
        let Some(drain) = &self.drain else {
            return json!({ "phase": "none", "in_flight": progress.in_flight });
        };
        json!({
            "phase": drain.phase.as_str(), "number": drain.number, "by": drain.by,
            "begun_mono_ns": drain.begun.as_nanos(), "since_mono_ns": drain.since.as_nanos(),
            "over_by_mono_ns": drain.over_by(&self.config.drain.patience).as_nanos(),
            "in_flight": progress.in_flight, "workers_refusing": progress.refusing, "workers_silent": progress.silent,
            "abandoned": drain.abandoned, "forced": drain.forced, "see": self.link(Endpoint::Drain),
        })
    }
}

/// The key of what a member holds.
fn held(member: Member) -> String {
    format!("held/{}", member.slot)
}
