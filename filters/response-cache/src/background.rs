//! Fetches that no client waits for: of what is stale, and of what is to be there before anybody asks.
//!
//! A call that a stream makes ends with it, so these are made from the tick.

use crate::ResponseCache;
use crate::remote::Duty;
use crate::response::{Judged, status_of};
use crate::say;
use crate::storage::{Kept, Wanted};
use crate::stream::{Asked, Fetching, Lead};
use ballast_core::response_cache::key::Target;
use ballast_core::response_cache::rules::{Fetch, Fields, Forward, Request};
use ballast_core::response_cache::store::{Join, Joined, Outcome};
use ballast_host::{
    CallAnswer, CallToken, CapturedRequest, Cx, Headers, Host, HttpCall, LogLevel, route_cluster,
};
use core::time::Duration;
use std::rc::Rc;

/// How long a fetch in the background may take.
const WITHIN: Duration = Duration::from_secs(30);
/// How many of them one worker has at a time.
const MOST_AT_A_TIME: usize = 16;
/// How many wait for their turn; more are left to the next request.
const MOST_QUEUED: usize = 256;

/// One of them.
#[derive(Debug)]
pub(crate) struct Background {
    fetching: Fetching,
    cluster: String,
    is_warming: bool,
}

impl ResponseCache {
    /// Has an answer that is stale fetched anew.
    pub(crate) fn revalidate<H: Host>(&mut self, asked: &Asked, kept: &Kept, cx: &Cx<'_, H>) {
        if self.config.stop_when.fetches_nothing(cx.facts()) {
            return;
        }
        let known = |background: &Background| background.fetching.asked.wanted.key == asked.wanted.key;
        if self.background.iter().any(known)
            || self.calls.values().any(known)
            || self.background.len() >= MOST_QUEUED
        {
            return;
        }
        let Some(head) = kept.ready.head() else { return };
        let Some(cluster) = route_cluster(cx.host) else { return };
        let lines = head.lines();
        let fetch = Fetch::validating(Forward::Stale, Fields::new(&lines));
        let (asked, kept) = (Box::new(asked.clone()), Some(kept.clone()));
        let fetching = Fetching { asked, fetch, sent: cx.host.now(), kept, lead: Lead::default() };
        self.background.push_back(Background { fetching, cluster, is_warming: false });
    }

    /// Begins what waits for its turn.
    pub(crate) fn fetch_in_background<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        if self.config.stop_when.fetches_nothing(cx.facts()) {
            // It keeps its place in the line.
            return;
        }
        while self.calls.len() < MOST_AT_A_TIME
            && let Some(mut next) = self.background.pop_front()
        {
            if !self.may_fetch(&mut next.fetching, cx) {
                if next.is_warming {
                    self.warm.done();
                }
                continue;
            }
            let Some(call) = call_of(&next.fetching, &next.cluster) else {
                self.end_flight(&mut next.fetching.lead, Outcome::Released, cx);
                if next.is_warming {
                    self.warm.done();
                }
                continue;
            };
            next.fetching.sent = cx.host.now();
            self.count(&next.fetching.asked, |metrics| metrics.background.add(cx.host, 1));
            match cx.call_http(&call) {
                Ok(token) => _ = self.calls.insert(token, next),
                Err(error) => {
                    cx.log(
                        LogLevel::Warn,
                        &format!("no fetch in the background from {}: {error}", next.cluster),
                    );
                    self.end_flight(&mut next.fetching.lead, Outcome::Failed { status: 0 }, cx);
                    if next.is_warming {
                        self.warm.done();
                    }
                }
            }
        }
    }

    /// Whether nobody else fetches it.
    fn may_fetch<H: Host>(&mut self, fetching: &mut Fetching, cx: &mut Cx<'_, H>) -> bool {
        let (Some(me), Some(secret)) = (cx.member(), cx.secret()) else { return false };
        let wanted = &fetching.asked.wanted;
        let material = [&wanted.primary[..], b"\0background", &wanted.target.overrides].concat();
        let flight = secret.fingerprint("flight", &material);
        let now = cx.host.now();
        let Some(found) = self.storage.read_index(wanted, now, cx) else { return false };
        let (keys, me) = ((wanted.key, flight), (me, cx.view().clone()));
        let mut join = Join::new(self.storage.shape, keys, found, me, now, WITHIN);
        match cx.run(&mut join) {
            Ok((Joined::Lead(leadership), ticket)) => {
                self.flights.lead(leadership);
                fetching.lead = Lead {
                    leadership: Some(leadership),
                    ticket,
                    duty: self.background_duty(cx),
                    ..Lead::default()
                };
                // Another worker may have fetched it since this one met it stale.
                let is_news = self.is_as_before(fetching, cx);
                if !is_news {
                    self.end_flight(&mut fetching.lead, Outcome::Released, cx);
                }
                is_news
            }
            Ok((Joined::Alone(_), ticket)) => {
                fetching.lead = Lead { ticket, duty: self.background_duty(cx), ..Lead::default() };
                true
            }
            Ok((Joined::Follow(_) | Joined::Failed { .. } | Joined::LookAgain, _)) | Err(_) => false,
        }
    }

    /// What is fetched in the background is for all proxies, too.
    fn background_duty<H: Host>(&mut self, cx: &Cx<'_, H>) -> Duty {
        let knowledge = self.remote.as_mut().and_then(|remote| remote.knowledge(cx));
        Duty { knowledge, ..Duty::default() }
    }

    /// Whether what is stored is still what was met.
    fn is_as_before<H: Host>(&mut self, fetching: &Fetching, cx: &mut Cx<'_, H>) -> bool {
        let lines = fetching.asked.lines();
        let looked = self.storage.find(&fetching.asked.wanted, Fields::new(&lines), cx.host.now(), cx);
        let found = looked.and_then(|looked| looked.kept);
        match (&fetching.kept, found) {
            (Some(before), Some(found)) => before.ready.is_same_answer(&found.ready),
            (None, Some(_)) => false,
            (_, None) => true,
        }
    }

    /// A fetch in the background is answered.
    pub(crate) fn fetched<H: Host>(&mut self, call: CallToken, answer: CallAnswer, cx: &mut Cx<'_, H>) {
        let Some(Background { mut fetching, is_warming, .. }) = self.calls.remove(&call) else { return };
        if is_warming {
            self.warm.done();
        }
        let CallAnswer::Http { headers, body } = answer else { return };
        let lines = headers.lines();
        let response = Fields::new(&lines);
        let status = status_of(response);
        let failure = (status == 0 || status >= 500).then(|| say::failure(status));
        if failure.is_some() {
            return self.end_flight(&mut fetching.lead, Outcome::Failed { status }, cx);
        }
        let judged = self.judge(&fetching, response, status, None, cx);
        let Fetching { asked, kept, mut lead, .. } = fetching;
        match judged {
            Judged::Instead(_, _, Some(new)) => {
                self.count(&asked, |metrics| metrics.revalidated.add(cx.host, 1));
                let body = kept.map(|kept| kept.ready.body().to_vec()).unwrap_or_default();
                let now = new.received;
                self.store(&asked, *new, body.into(), now, &mut lead, cx);
            }
            Judged::Pass(Some(new), _) if body.len() <= self.most_body() => {
                let now = new.received;
                self.store(&asked, *new, body.into(), now, &mut lead, cx);
            }
            Judged::Pass(_, refused) => {
                if let Some(refused) = refused {
                    self.count(&asked, |metrics| metrics.refused(refused.as_str()));
                }
                self.end_flight(&mut lead, self.uncacheable(), cx);
                // What is answered otherwise now must not be used again.
                self.drop_key(&asked, cx);
            }
            Judged::Once(..)
            | Judged::Changed
            | Judged::Mismatch
            | Judged::Fill(..)
            | Judged::Instead(..) => {
                self.end_flight(&mut lead, Outcome::Released, cx);
                self.drop_key(&asked, cx);
            }
        }
    }

    /// Puts what is to be warm into the line, a few at a time.
    pub(crate) fn warm_up<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        let Some(config) = self.config.warm.clone() else { return };
        if self.config.stop_when.fetches_nothing(cx.facts()) {
            return;
        }
        if self.warm.is_over(config.urls.len()) || cx.lease(WARMING, Duration::from_secs(10)).is_none() {
            return;
        }
        let Some(secret) = cx.secret() else { return };
        while let Some(url) = self.warm.next(config.concurrency).and_then(|at| config.urls.get(at)) {
            let lines = [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", config.host.as_str()),
                (":path", url.as_str()),
            ];
            let headers = Headers::from_pairs(&lines.map(|(name, value)| (name, value.as_bytes())));
            let request = HeaderRequest(&headers);
            let Some((number, rule)) = self.config.rule_of(&request) else {
                self.warm.done();
                continue;
            };
            let fields = headers.lines();
            let asks = Request::read(Fields::new(&fields), false, false);
            let wanted = Wanted::new(Target::of(&asks, &rule.key, None), &secret);
            drop(fields);
            let asked = Asked {
                rule: number,
                is_enforced: true,
                is_bypass: false,
                is_no_store: false,
                has_body: false,
                has_begun: false,
                looks: 0,
                has_searched: false,
                is_adopted: false,
                request: Rc::new(CapturedRequest::new(headers, true)),
                seen: None,
                wanted,
            };
            let fetch = Fetch::plain(Forward::UriMiss, true);
            let (asked, lead) = (Box::new(asked), Lead::default());
            let fetching = Fetching { asked, fetch, sent: cx.host.now(), kept: None, lead };
            self.background.push_back(Background {
                fetching,
                cluster: config.cluster.clone(),
                is_warming: true,
            });
        }
    }
}

/// The lease of whoever warms.
const WARMING: &str = "warming";

/// How far the warming is.
#[derive(Debug, Default)]
pub(crate) struct Warming {
    begun: usize,
    under_way: u32,
}

impl Warming {
    fn is_over(&self, urls: usize) -> bool {
        self.begun >= urls
    }

    /// The number of the next URL, if its turn has come.
    fn next(&mut self, most: u32) -> Option<usize> {
        if self.under_way >= most {
            return None;
        }
        self.under_way += 1;
        self.begun += 1;
        Some(self.begun - 1)
    }

    fn done(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

/// A request that consists of headers alone.
struct HeaderRequest<'a>(&'a Headers);

impl ballast_core::matching::Request for HeaderRequest<'_> {
    fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
        self.0.get(name).map(std::borrow::Cow::Borrowed)
    }

    fn property(&self, _: &ballast_core::matching::Property) -> Option<std::borrow::Cow<'_, [u8]>> {
        None
    }
}

/// The call that sends a request as the router would, with the cache's own conditions.
fn call_of(fetching: &Fetching, cluster: &str) -> Option<HttpCall> {
    let mut call = fetching.asked.request.call(cluster, None, WITHIN)?;
    call.headers.retain(|(name, _)| !fetching.fetch.remove.contains(&name.as_str()));
    for (name, value) in &fetching.fetch.add {
        call.headers.push(((*name).to_owned(), String::from_utf8(value.clone()).ok()?));
    }
    // The answer to HEAD has no body to store.
    call.headers.iter_mut().filter(|(name, _)| name == ":method").for_each(|(_, method)| {
        if method == "HEAD" {
            "GET".clone_into(method);
        }
    });
    Some(call)
}
