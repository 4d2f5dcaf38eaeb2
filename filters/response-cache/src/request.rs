//! What is done when a request comes.

use crate::ResponseCache;
use crate::lookup::{After, Verdict, change_request};
use crate::response::status_of;
use crate::say;
use crate::storage::Wanted;
use crate::stream::{Asked, Stream};
use ballast_core::config::Mode;
use ballast_core::response_cache::key::{Target, body_hash};
use ballast_core::response_cache::rules::{Fields, Request};
use ballast_host::{CapturedRequest, Cx, Flow, Half, Host, HostRandom, LogLevel, Map, Next, RequestView};
use core::time::Duration;
use std::rc::Rc;

/// The longest body that is part of a key.
const MOST_KEY_BODY: usize = 64 << 10;
/// Within this something of a body must come.
const BODY_WITHIN: Duration = Duration::from_millis(500);
/// After so many bodies in a row of which nothing came, it is the proxy that does not show them.
const MOST_UNREAD: u32 = 3;

impl ResponseCache {
    pub(crate) fn on_request<H: Host>(&mut self, stream: &mut Stream, cx: &mut Cx<'_, H>, end: bool) -> Flow {
        let host = cx.host;
        let plan = Rc::clone(&self.plan);
        let view = RequestView::new(host, &plan);
        if let Some(answer) = self.purge(&view, cx) {
            return answer;
        }
        let Some((number, rule)) = self.config.rule_of(&view) else { return Flow::Continue };
        let is_bypass = rule.bypass.iter().any(|condition| condition.applies(&view));
        let is_no_store = rule.no_store.iter().any(|condition| condition.applies(&view))
            || self.config.stop_when.stores_nothing(cx.facts());
        let is_enforced = self.config.mode == Mode::Enforce && rule.is_enforced(&mut HostRandom(host));
        let captured = Rc::new(CapturedRequest::new(view.into_headers(), end));
        let lines = captured.headers().lines();
        let honours = self.policies.get(number).is_some_and(|policy| policy.honours_request_directives);
        let request = Request::read(Fields::new(&lines), !end, honours);
        let method = request.method;
        let is_question = method == b"POST" && rule.methods.post;
        let is_changing =
            !is_question && !matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"CONNECT");
        let is_asking = is_question || matches!(method, b"GET" | b"HEAD");
        // Bodies of gRPC and of upgrades are not held, not even for a look.
        let is_untouched = is_question && request.bypass.is_some();
        if !is_asking && !is_changing || is_untouched {
            return Flow::Continue;
        }
        // The store does not answer: nothing can be asked of it, and nothing is in it.
        let Some(secret) = cx.secret() else { return Flow::Continue };
        let asked = Box::new(Asked {
            rule: number,
            is_enforced,
            is_bypass,
            is_no_store,
            has_body: !end,
            has_begun: false,
            looks: 0,
            has_searched: false,
            is_adopted: false,
            wanted: Wanted::new(Target::of(&request, &rule.key, None), &secret),
            request: Rc::clone(&captured),
            seen: None,
        });
        if is_asking {
            self.note(&asked);
        }
        if is_changing {
            *stream = Stream::Unsafe(asked);
            return Flow::Continue;
        }
        if is_question && !end {
            if self.unread_bodies >= MOST_UNREAD {
                return Flow::Continue;
            }
            cx.set_timer(BODY_WITHIN, 0);
            *stream = Stream::Reading(asked);
            return Flow::Pause;
        }
        flow_of(self.decide(asked, request, After::Arrival, cx), stream, cx)
    }

    /// A piece of a request's body has come.
    pub(crate) fn on_request_piece<H: Host>(
        &mut self,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        size: usize,
        end: bool,
    ) -> Flow {
        let mut asked = match core::mem::take(stream) {
            Stream::Reading(asked) => asked,
            // The proxy would let a request go on whose body does.
            waiting @ (Stream::Waiting(_) | Stream::Searching(_)) => {
                *stream = waiting;
                return Flow::Pause;
            }
            other => {
                *stream = other;
                return Flow::Continue;
            }
        };
        self.unread_bodies = 0;
        asked.has_begun = true;
        if size > MOST_KEY_BODY {
            // What cannot be told apart is not stored.
            return Flow::Continue;
        }
        // A body that is held is shown from its beginning each time.
        if !end {
            *stream = Stream::Reading(asked);
            return Flow::Pause;
        }
        Rc::make_mut(&mut asked.request).tee(cx.host, size, end, MOST_KEY_BODY);
        let hash = asked.request.body().map(body_hash);
        let (Some(secret), Some(rule), Some(policy), Some(hash)) =
            (cx.secret(), self.config.rules.get(asked.rule), self.policies.get(asked.rule), hash)
        else {
            return Flow::Continue;
        };
        let captured = Rc::clone(&asked.request);
        let lines = captured.headers().lines();
        let request = asked.request(&lines, policy);
        asked.wanted = Wanted::new(Target::of(&request, &rule.key, Some(&hash)), &secret);
        flow_of(self.decide(asked, request, After::Arrival, cx), stream, cx)
    }

    /// Nothing of a body has come: its sender is slow, or the proxy does not show bodies of held requests. It goes on, and its
    /// answer is not stored.
    pub(crate) fn on_unread<H: Host>(&mut self, stream: &mut Stream, cx: &Cx<'_, H>) -> Next {
        let is_unread = matches!(stream, Stream::Reading(asked) if !asked.has_begun);
        if !is_unread {
            return Next::Stay;
        }
        *stream = Stream::Untouched;
        self.unread_bodies += 1;
        if self.unread_bodies == MOST_UNREAD {
            let why = "bodies of held requests do not come: POST is not answered from the cache until \
                       allow_on_headers_stop_iteration is set for this plugin";
            cx.log(LogLevel::Warn, why);
        }
        Next::Resume(Half::Request)
    }

    /// An unsafe request is answered.
    pub(crate) fn on_unsafe<H: Host>(&mut self, asked: &Asked, cx: &mut Cx<'_, H>) -> Flow {
        let headers = cx.host.headers(Map::ResponseHeaders);
        let lines = headers.lines();
        let response = Fields::new(&lines);
        self.invalidate(asked, status_of(response), response, cx);
        Flow::Continue
    }
}

/// What becomes of a request in one of its own callbacks.
fn flow_of<H: Host>(verdict: Verdict, stream: &mut Stream, cx: &Cx<'_, H>) -> Flow {
    match verdict {
        Verdict::Reply(reply) => {
            *stream = say::answered(&reply);
            Flow::Reply(reply)
        }
        Verdict::Forward(state, changes) => {
            if let Some(fetch) = changes {
                change_request(&fetch, cx);
            }
            *stream = state;
            Flow::Continue
        }
        Verdict::Wait(waiting) => {
            *stream = Stream::Waiting(waiting);
            Flow::Pause
        }
        Verdict::Search(searching) => {
            *stream = Stream::Searching(searching);
            Flow::Pause
        }
    }
}
