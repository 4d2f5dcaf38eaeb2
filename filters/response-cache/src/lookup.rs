//! What is done with a request: answered from the store, sent on, or held until another's answer is there.

use crate::metrics::{OPERATOR, SHADOW};
use crate::remote::Searching;
use crate::say;
use crate::storage::{Kept, Looked, Wanted};
use crate::stream::{Asked, Fetching, Lead, Stream, Waiting};
use crate::{Parking, ResponseCache};
use ballast_core::config::OnError;
use ballast_core::response_cache::reply::Rendered;
use ballast_core::response_cache::rules::{
    Bypass, Fetch, Forward, Lookup, Now, Refused, Request, Serve, Served, lookup,
};
use ballast_core::response_cache::store::{Advice, Alone, Join, Joined, Parked, Waiter};
use ballast_core::time::MonoTime;
use ballast_host::{Cx, Half, Host, Map, Next, Reply};
use std::rc::Rc;

/// How often a request looks again because something was stored while it was about to wait.
const MOST_LOOKS: u8 = 3;

/// What is done with a request.
pub(crate) enum Verdict {
    /// It is answered.
    Reply(Box<Reply>),
    /// It goes on as `Stream` says, with these headers changed.
    Forward(Stream, Option<Fetch>),
    /// It waits.
    Wait(Box<Waiting>),
    /// It asks the store that several proxies share.
    Search(Box<Searching>),
}

/// How a request comes to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It has just come.
    Arrival,
    /// It has waited for a flight.
    Flight {
        /// Which.
        waiter: Option<Waiter>,
        /// Whether its leader seems dead.
        seems_dead: bool,
        /// When it has waited for long enough.
        until: MonoTime,
    },
    /// It has waited for long enough.
    TimeOut,
}

impl ResponseCache {
    /// Decides about a request whose headers were read before. Its stream is the one that the proxy acts on.
    pub(crate) fn decide_later<H: Host>(
        &mut self,
        asked: Box<Asked>,
        after: After,
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        let captured = Rc::clone(&asked.request);
        let lines = captured.headers().lines();
        let Some(policy) = self.policies.get(asked.rule) else { return untouched() };
        let request = asked.request(&lines, policy);
        self.decide(asked, request, after, cx)
    }

    /// Decides about a request, of which `request` was read.
    pub(crate) fn decide<H: Host>(
        &mut self,
        mut asked: Box<Asked>,
        request: Request<'_>,
        after: After,
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        let mono = cx.host.now();
        let Some(policy) = self.policies.get(asked.rule) else { return untouched() };
        if request.bypass.is_some() {
            // gRPC, upgrades and what else the cache cannot answer for is not touched at all.
            return untouched();
        }
        let may_know = after == After::Arrival && self.may_be_fruitless(&asked);
        let advice = if may_know { self.fruitless.advice(asked.wanted.key, mono) } else { None };
        let is_fruitless = advice.is_some();
        let looked = if asked.is_bypass || is_fruitless {
            Some(Looked { is_fruitless, ..Looked::default() })
        } else {
            self.storage.find(&asked.wanted, request.fields, mono, cx)
        };
        let Some(looked) = looked else {
            self.storage.metrics.errors.add(cx.host, 1);
            return match self.config.on_error {
                OnError::Deny if asked.is_enforced => {
                    Verdict::Reply(Box::new(say::unavailable(503, "store")))
                }
                _ => untouched(),
            };
        };
        if asked.is_bypass {
            let fetch = Fetch::plain(Forward::Bypass(Bypass::Body), !asked.is_no_store);
            return self.forward(asked, fetch, looked, (None, mono), cx);
        }
        // Dates are those of what is stored.
        let now = match looked.kept {
            Some(_) => self.clocks.at(mono, cx.host),
            None => Now { mono, ..Now::default() },
        };
        let kept = looked.kept.as_ref();
        let found = match kept {
            Some(kept) => kept.ready.look_up(&request, kept.is_stale, policy, now),
            None => lookup(&request, None, looked.has_others, policy, now),
        };
        let found = match (found, kept) {
            (Lookup::Fetch(fetch), Some(kept))
                if asked.is_enforced && self.spares_upstream(asked.rule, cx) =>
            {
                let stale = kept.ready.spared(&request, &fetch, now);
                stale.map_or(Lookup::Fetch(fetch), Lookup::Serve)
            }
            (found, _) => found,
        };
        match found {
            Lookup::Serve(serve) => {
                let collapsed = matches!(after, After::Flight { .. });
                let rendered = kept.and_then(|kept| kept.ready.render(&serve, &Self::boundary(&serve, cx)));
                let Some(rendered) = rendered else {
                    self.storage.metrics.damaged.add(cx.host, 1);
                    let fetch = Fetch::plain(Forward::UriMiss, true);
                    return self.forward(asked, fetch, looked, (None, mono), cx);
                };
                self.serve(&asked, rendered, &serve, collapsed, looked.kept.as_ref(), cx)
            }
            Lookup::Unavailable if asked.is_enforced => Verdict::Reply(Box::new(self.only_if_cached(&asked))),
            Lookup::Unavailable => untouched(),
            Lookup::Fetch(fetch) => {
                if let Some(Advice::Pass(refused)) = advice
                    && fetch.may_store
                    && !asked.is_no_store
                    && request.method == b"GET"
                {
                    return self.pass_unseen(&asked, fetch, refused);
                }
                let may_wait = fetch.may_store
                    && !asked.is_no_store
                    && asked.is_enforced
                    && !request.is_conditional
                    && after != After::TimeOut
                    && matches!(fetch.why, Forward::UriMiss | Forward::VaryMiss | Forward::Stale);
                asked.seen = Some(request.into_seen());
                let wait = if may_wait { Some(after) } else { None };
                self.forward(asked, fetch, looked, (wait, mono), cx)
            }
        }
    }

    /// Whether it can be known of a request that nothing is stored for it, and that nobody waits for its answer.
    fn may_be_fruitless(&self, asked: &Asked) -> bool {
        // Those that share a store ask that one, too; and a key is not all that tells requests with overrides apart.
        self.remote.is_none() && asked.wanted.target.overrides.is_empty() && !asked.is_bypass
    }

    /// Whether the process is so loaded that a stale answer is better than asking.
    fn spares_upstream<H: Host>(&self, rule: usize, cx: &Cx<'_, H>) -> bool {
        self.config.rules.get(rule).is_some_and(|rule| rule.serve_stale_when.is_overloaded(cx.facts()))
    }

    fn serve<H: Host>(
        &mut self,
        asked: &Asked,
        rendered: Rendered,
        serve: &Serve,
        collapsed: bool,
        kept: Option<&Kept>,
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        if !asked.is_enforced {
            self.count(asked, |metrics| metrics.hit(SHADOW));
            return untouched();
        }
        self.count(asked, |metrics| {
            metrics.hit(serve.served.as_str());
            if collapsed {
                metrics.coalesced.add(cx.host, 1);
            }
        });
        if serve.served == Served::StaleWhileRevalidate
            && let Some(kept) = kept
        {
            self.revalidate(asked, kept, cx);
        }
        let status = self.status_of_hit(asked, serve, collapsed, None);
        Verdict::Reply(Box::new(say::answer(rendered, status, serve.served)))
    }

    /// Sends a request on, as a leader, alone, or once another's answer is there. `wait`: it may wait for one. `now` is when it was
    /// decided: the clock is a call, and all of this is one moment.
    fn forward<H: Host>(
        &mut self,
        mut asked: Box<Asked>,
        fetch: Fetch,
        looked: Looked,
        (wait, now): (Option<After>, MonoTime),
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        let Looked { kept, latest, found, is_fruitless, .. } = looked;
        let may_store = fetch.may_store && !asked.is_no_store;
        let found = match found {
            None if may_store && !is_fruitless => self.storage.read_index(&asked.wanted, now, cx),
            found => found,
        };
        let ticket = found.as_ref().map(|found| found.ticket).unwrap_or_default();
        let mut lead = Lead { ticket, ..Lead::default() };
        let max_wait = self.config.rules.get(asked.rule).and_then(|rule| rule.max_wait);
        if let (Some(after), Some(max_wait), Some(found)) =
            (wait.filter(|_| asked.looks < MOST_LOOKS), max_wait, found)
            && let (Some(me), Some(secret)) = (cx.member(), cx.secret())
        {
            let Wanted { primary, key, target } = &asked.wanted;
            // Where nothing but the key tells what is wanted, its hash is the name.
            let wanted = if target.overrides.is_empty() && latest.is_empty() {
                *key
            } else {
                let material = [&primary[..], &target.overrides, &latest].concat();
                secret.fingerprint("flight", &material)
            };
            let number = self.next_waiting();
            let until = match after {
                After::Flight { until, .. } => until,
                After::Arrival | After::TimeOut => now.after(max_wait),
            };
            let parked = Parked { stream: number, until };
            if after == After::Arrival && self.flights.follow_known(wanted, me, parked, now) {
                return self.wait(asked, parked, None, cx);
            }
            let keys = (asked.wanted.key, wanted);
            let is_bare = found.candidates.is_empty() && asked.wanted.target.overrides.is_empty();
            let mut join = Join::new(self.storage.shape, keys, found, (me, cx.view().clone()), now, max_wait);
            if let After::Flight { waiter: Some(waiter), seems_dead, .. } = after {
                join = join.after(&waiter, seems_dead);
            }
            match cx.run(&mut join) {
                Ok((Joined::Lead(leadership), ticket)) => {
                    self.flights.lead(leadership);
                    lead = Lead { leadership: Some(leadership), ticket, ..Lead::default() };
                }
                Ok((Joined::Follow(waiter), _)) => {
                    self.flights.follow(waiter, parked, now);
                    return self.wait(asked, parked, Some(waiter), cx);
                }
                Ok((Joined::Failed { status }, _)) => return self.failed(&asked, kept.as_ref(), status, cx),
                Ok((Joined::Alone(why), ticket)) => {
                    lead.ticket = ticket;
                    lead.seems_fruitless = why == Alone::Uncacheable && is_bare;
                }
                Ok((Joined::LookAgain, _)) => {
                    asked.looks += 1;
                    return self.decide_later(asked, after, cx);
                }
                Err(_) => self.storage.metrics.errors.add(cx.host, 1),
            }
        }
        self.fetch(Box::new(Fetching { asked, fetch, sent: now, kept, lead }), cx)
    }

    /// Sends a request on to the upstream.
    pub(crate) fn send(&mut self, fetching: Box<Fetching>) -> Verdict {
        let Fetching { asked, fetch, .. } = &*fetching;
        let reason = if asked.is_bypass { OPERATOR } else { fetch.why.as_str() };
        self.count(asked, |metrics| metrics.miss(reason));
        let changes = asked.is_enforced.then(|| fetch.clone());
        Verdict::Forward(Stream::Fetching(fetching), changes)
    }

    /// Sends a request on whose answer is not looked at.
    fn pass_unseen(&self, asked: &Asked, fetch: Fetch, refused: Refused) -> Verdict {
        self.count(asked, |metrics| {
            metrics.miss(fetch.why.as_str());
            metrics.refused(refused.as_str());
        });
        // What its status is, who reads it sees.
        let said = self.status_of_miss(asked, fetch.why, None, false);
        let stream = said.map_or(Stream::Untouched, |said| Stream::Passing { said });
        Verdict::Forward(stream, asked.is_enforced.then_some(fetch))
    }

    fn wait<H: Host>(
        &mut self,
        asked: Box<Asked>,
        parked: Parked,
        waiter: Option<Waiter>,
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        let Parked { stream: number, until } = parked;
        if let Some(stream) = cx.stream() {
            self.waiting.insert(number, Parking { stream, woken_by: None });
        }
        Verdict::Wait(Box::new(Waiting { asked, number, waiter, until }))
    }

    /// Two have asked the upstream for what this request wants, and both were told that it fails.
    fn failed<H: Host>(
        &mut self,
        asked: &Asked,
        kept: Option<&Kept>,
        status: u16,
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        if let Some((rendered, serve)) = self.stand_in(asked, kept, say::failure(status), cx) {
            return self.serve(asked, rendered, &serve, true, None, cx);
        }
        let status = if (500..=599).contains(&status) { status } else { 503 };
        Verdict::Reply(Box::new(say::unavailable(status, "coalesced_failure")))
    }

    fn only_if_cached(&self, asked: &Asked) -> Reply {
        self.count(asked, |metrics| metrics.miss(Forward::Request.as_str()));
        say::unavailable(504, "only_if_cached")
    }
}

fn untouched() -> Verdict {
    Verdict::Forward(Stream::Untouched, None)
}

/// Changes the request that goes on: its own conditions take the place of the client's.
pub(crate) fn change_request<H: Host>(fetch: &Fetch, cx: &Cx<'_, H>) {
    let host = cx.host;
    for name in fetch.remove {
        // Removing is one cheap call, and none of them is there mostly.
        let _ = host.remove_header(Map::RequestHeaders, name);
    }
    for (name, value) in &fetch.add {
        let _ = host.set_header(Map::RequestHeaders, name, value);
    }
}

/// What becomes of a held request.
pub(crate) fn next_of<H: Host>(verdict: Verdict, stream: &mut Stream, cx: &Cx<'_, H>) -> Next {
    match verdict {
        Verdict::Reply(reply) => {
            *stream = say::answered(&reply);
            Next::Reply(reply)
        }
        Verdict::Forward(state, changes) => {
            if let Some(fetch) = changes {
                change_request(&fetch, cx);
            }
            *stream = state;
            Next::Resume(Half::Request)
        }
        Verdict::Wait(waiting) => {
            *stream = Stream::Waiting(waiting);
            Next::Stay
        }
        Verdict::Search(searching) => {
            *stream = Stream::Searching(searching);
            Next::Stay
        }
    }
}
