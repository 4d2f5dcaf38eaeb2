//! What is done with the upstream's answer.

use crate::ResponseCache;
use crate::collecting::combinable;
use crate::metrics::TOO_LARGE;
use crate::say;
use crate::storage::Kept;
use crate::stream::{Asked, Collecting, Fetching, Filling, NewAnswer, Stream};
use ballast_core::http::number;
use ballast_core::response_cache::head::Head;
use ballast_core::response_cache::reply::{Rendered, render};
use ballast_core::response_cache::rules::{
    Candidate, Exchange, Failure, Fields, Forward, Headed, Refused, Request, Serve, Served, Validated, admit,
    on_failure, on_head, on_not_modified, plan, serve,
};
use ballast_core::response_cache::store::Outcome;
use ballast_host::{Answer, Cx, Flow, Host, Map, Next, Replacement};
use std::borrow::Cow;

/// How a circuit breaker's refusals are told from what else the proxy answers by itself. What the breaker states about the
/// request is not enough: it does so of a probe, too, which may fail like any other.
const REFUSED_BY_BREAKER: &[u8] = b"ballast_circuit_breaker{";

/// What an answer from upstream comes to.
pub(crate) enum Judged {
    /// It goes to the client; `Some`: and is stored.
    Pass(Option<Box<NewAnswer>>, Option<Refused>),
    /// Something stored takes its place: stored anew first, where it was validated.
    Instead(Rendered, Serve, Option<Box<NewAnswer>>),
    /// Something stored takes its place, and must not be used again.
    Once(Rendered, Serve),
    /// It is a part that makes stored parts whole, for a client that asked for the whole.
    Fill(Box<NewAnswer>, Filling),
    /// What is stored has changed.
    Changed,
    /// It is about something else than what is stored: ask again without conditions.
    Mismatch,
}

impl ResponseCache {
    pub(crate) fn on_head<H: Host>(
        &mut self,
        mut fetching: Box<Fetching>,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        end: bool,
    ) -> Flow {
        let headers = cx.host.headers(Map::ResponseHeaders);
        let lines = headers.lines();
        let response = Fields::new(&lines);
        let status = status_of(response);
        let failure = (status >= 500).then(|| failure_of(status, cx));
        let judged = self.judge(&fetching, response, status, failure, cx);
        match judged {
            Judged::Instead(rendered, serve, new) => {
                let (asked, lead) = (fetching.asked, &mut fetching.lead);
                if let Some(new) = new {
                    self.count(&asked, |metrics| metrics.revalidated.add(cx.host, 1));
                    let body =
                        fetching.kept.as_ref().map(|kept| kept.ready.body().to_vec()).unwrap_or_default();
                    let now = new.received;
                    self.store(&asked, *new, body.into(), now, lead, cx);
                } else {
                    self.end_flight(
                        lead,
                        Outcome::Failed {
                            status: match failure {
                                Some(Failure::Connection | Failure::NotAsked) => 0,
                                _ => status,
                            },
                        },
                        cx,
                    );
                }
                self.count(&asked, |metrics| metrics.hit(serve.served.as_str()));
                let said = self.status_of_hit(&asked, &serve, false, Some((fetching.fetch.why, status)));
                self.replace(rendered, said, serve.served, stream, cx, end)
            }
            Judged::Once(rendered, serve) => {
                self.end_flight(&mut fetching.lead, Outcome::Released, cx);
                self.drop_key(&fetching.asked, cx);
                let said =
                    self.status_of_hit(&fetching.asked, &serve, false, Some((fetching.fetch.why, status)));
                self.replace(rendered, said, serve.served, stream, cx, end)
            }
            Judged::Changed => {
                self.end_flight(&mut fetching.lead, Outcome::Released, cx);
                self.count(&fetching.asked, |metrics| metrics.invalidated.add(cx.host, 1));
                self.drop_key(&fetching.asked, cx);
                self.mark(&fetching.asked, fetching.fetch.why, status, false, cx);
                Flow::Continue
            }
            Judged::Mismatch => self.ask_again(fetching, stream, cx),
            Judged::Fill(new, filling) => {
                let asked = fetching.asked;
                let _ = cx.host.set_header(Map::ResponseHeaders, ":status", b"200");
                let _ = cx.host.remove_header(Map::ResponseHeaders, "content-range");
                let whole = filling.parts.complete_length.to_string();
                let _ = cx.host.set_header(Map::ResponseHeaders, "content-length", whole.as_bytes());
                self.mark(&asked, fetching.fetch.why, status, true, cx);
                let filling = Some(filling);
                let (body, announced) = (Vec::new(), None);
                *stream = Stream::Collecting(Box::new(Collecting {
                    asked,
                    lead: fetching.lead,
                    new: *new,
                    body,
                    announced,
                    filling,
                    is_given_up: false,
                }));
                Flow::Continue
            }
            Judged::Pass(None, refused) if failure == Some(Failure::NotAsked) => {
                // What the breaker refuses says nothing about the next: each asks it for itself.
                self.end_flight(&mut fetching.lead, Outcome::Released, cx);
                self.pass(*fetching, None, refused, response, status, stream, cx, end)
            }
            Judged::Pass(new, refused) => {
                self.pass(*fetching, new, refused, response, status, stream, cx, end)
            }
        }
    }

    /// The answer goes on to the client, and is collected if it is to be stored.
    #[expect(clippy::too_many_arguments, reason = "what there is to know of one answer")]
    fn pass<H: Host>(
        &mut self,
        mut fetching: Fetching,
        new: Option<Box<NewAnswer>>,
        refused: Option<Refused>,
        response: Fields<'_>,
        status: u16,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        end: bool,
    ) -> Flow {
        // How long the body will be matters only if it is to be stored.
        let announced = new.as_ref().and_then(|_| response.get("content-length")).and_then(number);
        let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let fits = announced.is_none_or(|bytes: usize| bytes <= self.most_body());
        self.mark(&fetching.asked, fetching.fetch.why, status, new.is_some() && fits, cx);
        let Some(new) = new else {
            if let Some(refused) = refused {
                self.count(&fetching.asked, |metrics| metrics.refused(refused.as_str()));
            }
            let outcome = outcome_of(status, refused);
            if fetching.lead.seems_fruitless && matches!(outcome, Outcome::Uncacheable { .. }) {
                let pass = refused.filter(|why| why.is_of_answer_alone());
                self.fruitless.learn(fetching.asked.wanted.key, pass, cx.host.now());
            }
            self.end_flight(&mut fetching.lead, outcome, cx);
            return Flow::Continue;
        };
        if !fits {
            self.count(&fetching.asked, |metrics| metrics.refused(TOO_LARGE));
            self.end_flight(&mut fetching.lead, self.uncacheable(), cx);
            return Flow::Continue;
        }
        if end {
            let now = new.received;
            self.store(&fetching.asked, *new, Cow::Borrowed(b""), now, &mut fetching.lead, cx);
            return Flow::Continue;
        }
        let Fetching { asked, lead, kept, .. } = fetching;
        // The client gets the part that it has asked for.
        let filling = kept.and_then(|kept| combinable(&kept, &new));
        let filling = filling.map(|filling| Filling { before: Vec::new(), after: Vec::new(), ..filling });
        *stream = Stream::Collecting(Box::new(Collecting {
            asked,
            lead,
            new: *new,
            body: Vec::new(),
            announced,
            filling,
            is_given_up: false,
        }));
        Flow::Continue
    }

    /// What an answer to a fetch comes to. Changes nothing.
    pub(crate) fn judge<H: Host>(
        &self,
        fetching: &Fetching,
        response: Fields<'_>,
        status: u16,
        failure: Option<Failure>,
        cx: &mut Cx<'_, H>,
    ) -> Judged {
        let asked = &fetching.asked;
        let Some(policy) = self.policies.get(asked.rule) else { return Judged::Pass(None, None) };
        if let Some(kept) = fetching.kept.as_ref().filter(|_| asked.is_enforced)
            && let Some(judged) = self.judge_kept(fetching, kept, (response, status, failure), cx)
        {
            return judged;
        }
        if matches!(failure, Some(Failure::Connection | Failure::NotAsked)) {
            // Not an answer of the origin's.
            return Judged::Pass(None, Some(Refused::Status));
        }
        if asked.is_no_store || !fetching.fetch.may_store {
            return Judged::Pass(None, None);
        }
        let read = || {
            let lines = asked.lines();
            asked.request(&lines, policy).into_seen()
        };
        let seen = asked.seen.as_ref().map_or_else(|| Cow::Owned(read()), Cow::Borrowed);
        // Most of what is not stored is known by now, and costs no look at the clocks.
        let control = match admit(&seen, status, response, policy) {
            Ok(control) => control,
            Err(refused) => return Judged::Pass(None, Some(refused)),
        };
        match plan(&seen, (status, response), control, (fetching.sent, self.clocks.now(cx.host)), policy) {
            Err(refused) => Judged::Pass(None, Some(refused)),
            Ok(plan) => {
                let length = 0;
                let Some(new) = self.new_answer(asked, plan, length, cx) else {
                    return Judged::Pass(None, Some(Refused::Vary));
                };
                let asked_for_gap = fetching.fetch.add.iter().any(|(name, _)| *name == "range");
                if asked_for_gap && status == 206 {
                    return match fetching.kept.as_ref().and_then(|kept| combinable(kept, &new)) {
                        // Which also means that the two may be combined.
                        Some(filling) => Judged::Fill(Box::new(new), filling),
                        _ => Judged::Mismatch,
                    };
                }
                Judged::Pass(Some(Box::new(new)), None)
            }
        }
    }

    /// The same where something is stored; `None`: that makes no difference.
    fn judge_kept<H: Host>(
        &self,
        fetching: &Fetching,
        kept: &Kept,
        (response, status, failure): (Fields<'_>, u16, Option<Failure>),
        cx: &mut Cx<'_, H>,
    ) -> Option<Judged> {
        let asked = &fetching.asked;
        let policy = self.policies.get(asked.rule)?;
        let head = kept.ready.head()?;
        let lines = asked.lines();
        let request = asked.request(&lines, policy);
        let now = self.clocks.now(cx.host);
        let exchange = Exchange { request: &request, status, response, sent: fetching.sent, now };
        let stored_lines = head.lines();
        let stored_fields = Fields::new(&stored_lines);
        let body = kept.ready.body();
        if status == 304 && fetching.fetch.is_validating() {
            return Some(match on_not_modified(&exchange, stored_fields, &head.stored, policy) {
                Validated::Freshened(plan) => {
                    let new = self.new_answer(asked, *plan, head.length, cx);
                    let Some(new) = new else { return Some(Judged::Mismatch) };
                    let head = new.head.head();
                    let rendered =
                        head.and_then(|head| rendered(&request, &head, body, Served::Validated, now, cx));
                    match rendered {
                        Some((rendered, serve)) => Judged::Instead(rendered, serve, Some(Box::new(new))),
                        None => Judged::Mismatch,
                    }
                }
                Validated::UseOnce(_, lines) => {
                    let lines =
                        lines.into_iter().map(|(name, value)| (name.to_vec().into(), value.to_vec().into()));
                    let head = Head { lines: lines.collect(), ..head.clone() };
                    match rendered(&request, &head, body, Served::Validated, now, cx) {
                        Some((rendered, serve)) => Judged::Once(rendered, serve),
                        None => Judged::Mismatch,
                    }
                }
                Validated::Mismatch => Judged::Mismatch,
            });
        }
        if let Some(failure) = failure
            && let Some(served) = self.stands_in(asked, failure)
            && on_failure(&request, &head.stored, failure, now)
            && let Some((rendered, serve)) = rendered(&request, &head, body, served, now, cx)
        {
            return Some(Judged::Instead(rendered, serve, None));
        }
        if !request.is_head() {
            return None;
        }
        Some(match on_head(&exchange, stored_fields, &head.stored, head.whole_length(), policy) {
            Headed::Changed => Judged::Changed,
            Headed::Freshened(_) | Headed::Nothing => Judged::Pass(None, None),
        })
    }

    /// What a stale answer in place of such a failure is called; `None`: the operator does not want one.
    fn stands_in(&self, asked: &Asked, failure: Failure) -> Option<Served> {
        if failure != Failure::NotAsked {
            return Some(Served::StaleIfError);
        }
        let rule = self.config.rules.get(asked.rule)?;
        rule.serve_stale_when.breaker_open.then_some(Served::BreakerOpen)
    }

    /// The stored answer in place of a failure, if it may stand in for it.
    pub(crate) fn stand_in<H: Host>(
        &self,
        asked: &Asked,
        kept: Option<&Kept>,
        failure: Failure,
        cx: &mut Cx<'_, H>,
    ) -> Option<(Rendered, Serve)> {
        let policy = self.policies.get(asked.rule)?;
        let lines = asked.lines();
        let request = asked.request(&lines, policy);
        let (kept, now) = (kept?, self.clocks.now(cx.host));
        let head = kept.ready.head()?;
        if !on_failure(&request, &head.stored, failure, now) {
            return None;
        }
        rendered(&request, &head, kept.ready.body(), Served::StaleIfError, now, cx)
    }

    /// Puts an answer in the place of the upstream's.
    fn replace<H: Host>(
        &mut self,
        rendered: Rendered,
        said: Option<String>,
        served: Served,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
        end: bool,
    ) -> Flow {
        let reply = say::answer(rendered, said, served);
        let mut headers = vec![(":status".to_owned(), reply.status.to_string().into_bytes())];
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        headers.extend(reply.headers.iter().map(|(name, value)| (text(name), value.to_vec())));
        let answer = Answer { headers, body: reply.body.into_vec() };
        let (next, replacement) = Replacement::begin(cx, end, answer, &reply.details);
        *stream = replacement.map_or(Stream::Untouched, Stream::Replacing);
        match next {
            Next::Reply(reply) => Flow::Reply(reply),
            Next::Resume(_) | Next::Stay => Flow::Continue,
        }
    }

    /// Says what the cache has done, on the answer that goes to the client.
    fn mark<H: Host>(&self, asked: &Asked, why: Forward, status: u16, stored: bool, cx: &Cx<'_, H>) {
        if let Some(said) = self.status_of_miss(asked, why, Some(status), stored) {
            say::mark(&said, cx.host);
        }
    }
}

fn rendered<H: Host>(
    request: &Request<'_>,
    head: &Head<'_>,
    body: &[u8],
    served: Served,
    now: ballast_core::response_cache::rules::Now,
    cx: &Cx<'_, H>,
) -> Option<(Rendered, Serve)> {
    let lines = head.lines();
    let candidate = Candidate {
        stored: &head.stored,
        fields: Fields::new(&lines),
        length: head.whole_length(),
        is_marked_stale: false,
    };
    let serve = serve(request, &candidate, served, now);
    let rendered = render(head, body, &serve, &ResponseCache::boundary(&serve, cx))?;
    Some((rendered, serve))
}

/// The status of an answer; 0 where there is none.
pub(crate) fn status_of(response: Fields<'_>) -> u16 {
    response.get(":status").and_then(number).and_then(|status| u16::try_from(status).ok()).unwrap_or(0)
}

/// How the upstream has failed: what it has answered itself, or that no answer came.
fn failure_of<H: Host>(status: u16, cx: &Cx<'_, H>) -> Failure {
    let details = cx.host.property("response\0code_details").unwrap_or_default();
    if details.starts_with(b"via_upstream") {
        Failure::Status(status)
    } else if details.starts_with(REFUSED_BY_BREAKER) {
        Failure::NotAsked
    } else {
        Failure::Connection
    }
}

/// What those that wait are told when an answer is not stored.
fn outcome_of(status: u16, refused: Option<Refused>) -> Outcome {
    match refused {
        _ if status >= 500 => Outcome::Failed { status },
        // What hangs on this request alone says nothing about the next.
        None | Some(Refused::RequestNoStore | Refused::Bypass(_)) => Outcome::Released,
        Some(_) => Outcome::Uncacheable { remember: crate::UNCACHEABLE_FOR },
    }
}
