//! A request that asks the shared store before it goes upstream.

use super::metrics::{BUSY, FAILED, GAVE_UP, HIT, MISS, SKIPPED, TAKEN};
use super::{Duty, Lock, Remote};
use crate::ResponseCache;
use crate::lookup::{After, Verdict, next_of};
use crate::storing::{dead_at, fingerprints};
use crate::stream::{Fetching, NewAnswer, Stream};
use ballast_core::remote::{Command, Said};
use ballast_core::response_cache::fleet::{Ask, Board, Found, Heard, Search, Wish};
use ballast_core::response_cache::head::Head;
use ballast_core::response_cache::rules::{Directives, Fields, Forward, Validator};
use ballast_core::response_cache::store::Outcome;
use ballast_host::{CallAnswer, Cx, Heard as Answered, Host, Next};
use core::time::Duration;

/// The timer of a request that waits for what another proxy fetches.
pub(crate) const SEARCH: u32 = 1;

/// A request that asks the shared store.
#[derive(Debug)]
pub struct Searching {
    pub(crate) fetching: Box<Fetching>,
    search: Search,
    /// The key that was asked about last, and what was asked.
    asked: Asked,
    /// Who takes the lock.
    token: u64,
    lock_ttl: Duration,
}

/// What was asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Value(String),
    Lock(String),
    Time,
}

impl Searching {
    fn command(&self) -> Option<Command<'_>> {
        match &self.asked {
            Asked::Value(key) => Some(Command::Get { key, unless: None }),
            Asked::Lock(key) => Some(Command::Lock { key, token: self.token, keep: self.lock_ttl }),
            Asked::Time => None,
        }
    }

    /// The lock that it has, or may be getting. `by_token`: giving back a lock that is another's does nothing.
    fn lock(&self, by_token: bool) -> Option<Lock> {
        let may_be_getting = by_token && matches!(self.asked, Asked::Lock(_));
        (may_be_getting || self.search.has_lock()).then(|| self.any_lock())
    }

    /// The lock that is in its way, whoever has it.
    fn any_lock(&self) -> Lock {
        let primary = self.fetching.asked.wanted.primary.clone();
        Lock { base: self.search.base().to_owned(), token: self.token, primary }
    }
}

impl ResponseCache {
    /// Whether a request that is about to be fetched asks the shared store first.
    fn may_search<H: Host>(&mut self, fetching: &Fetching, cx: &Cx<'_, H>) -> bool {
        let Fetching { asked, fetch, .. } = fetching;
        let Some(remote) = &mut self.remote else { return false };
        let is_for_it = asked.is_enforced
            && !asked.is_bypass
            && !asked.is_no_store
            && !asked.has_searched
            && fetch.may_store
            && matches!(fetch.why, Forward::UriMiss | Forward::VaryMiss | Forward::Stale);
        if !is_for_it {
            return false;
        }
        let is_worth_it = remote.board(cx).is_some() && remote.store.allows(cx);
        if !is_worth_it {
            remote.metrics.lookups.add(cx.host, SKIPPED);
        }
        is_worth_it
    }

    /// Sends a request on, after a look into the shared store where that may help.
    pub(crate) fn fetch<H: Host>(&mut self, mut fetching: Box<Fetching>, cx: &mut Cx<'_, H>) -> Verdict {
        if !self.may_search(&fetching, cx) {
            return self.send(fetching);
        }
        let Some(remote) = &self.remote else { return self.send(fetching) };
        fetching.asked.has_searched = true;
        let wanted = &fetching.asked.wanted;
        let now = cx.host.now();
        // Only who fetches for others of this process fetches for those of the fleet.
        let leads = fetching.lead.leadership.is_some();
        let max_wait = self.config.rules.get(fetching.asked.rule).and_then(|rule| rule.max_wait);
        let lock_ttl = remote.config.lock_ttl.filter(|_| leads);
        let lock_until = lock_ttl.map(|ttl| now.after(max_wait.map_or(ttl, |most| most.min(ttl))));
        let search = Search::new(&wanted.primary, &wanted.target, lock_until);
        let (token, lock_ttl) = (cx.host.random(), lock_ttl.unwrap_or_default());
        let searching = Box::new(Searching { fetching, search, asked: Asked::Time, token, lock_ttl });
        self.search(searching, Heard::Start, cx)
    }

    /// Goes on with a search, after what was heard.
    fn search<H: Host>(
        &mut self,
        mut searching: Box<Searching>,
        heard: Heard<'_>,
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        let Some(remote) = &mut self.remote else {
            searching.fetching.sent = cx.host.now();
            return self.send(searching.fetching);
        };
        // Without it nothing that lies in the store is believed.
        let board = remote.board(cx);
        let heard = if board.is_none() { Heard::Failed } else { heard };
        let board = board.unwrap_or_default();
        let ask = searching.resume(heard, &board, cx);
        if let Some(refused) = searching.search.take_refused() {
            remote.metrics.refused.add(cx.host, refused.as_str());
        }
        let asked = match ask {
            Ask::Get(key) => Asked::Value(key),
            Ask::Lock(key) => Asked::Lock(key),
            Ask::Wait(pause) => {
                searching.asked = Asked::Time;
                cx.set_timer(pause, SEARCH);
                return Verdict::Search(searching);
            }
            Ask::Done(found) => {
                let result = match (&found, heard) {
                    (Found::Answer { .. }, _) => HIT,
                    (_, Heard::Failed) => FAILED,
                    _ => MISS,
                };
                remote.metrics.lookups.add(cx.host, result);
                return self.end_search(*searching, found, &board, cx);
            }
        };
        searching.asked = asked;
        let timeout = remote.config.timeout;
        let called = searching.command().map(|command| remote.call(&command, timeout, cx));
        if !matches!(called, Some(Ok(_))) {
            searching.asked = Asked::Time;
            return self.search(searching, Heard::Failed, cx);
        }
        Verdict::Search(searching)
    }

    fn end_search<H: Host>(
        &mut self,
        searching: Searching,
        found: Found,
        board: &Board,
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        let by_token = self.unlocks_by_token();
        let (lock, any) = (searching.lock(by_token), searching.any_lock());
        let mut fetching = searching.fetching;
        match found {
            Found::Answer { variant, head, body, has_lock } => {
                if has_lock {
                    self.unlock(lock, cx);
                }
                self.adopt(fetching, variant, *head, &body, cx)
            }
            Found::Nothing { has_lock, gave_up } => {
                if let Some(remote) = self.remote.as_ref().filter(|_| gave_up) {
                    remote.metrics.locks.add(cx.host, GAVE_UP);
                    // Nobody else takes away the lock of a proxy that is gone.
                    self.unlock(Some(any).filter(|_| !by_token), cx);
                } else if !has_lock {
                    // The word that it was given may have been lost.
                    self.unlock(lock.clone(), cx);
                }
                let lock = lock.filter(|_| has_lock);
                fetching.lead.duty = Duty { knowledge: board.knowledge(), lock };
                fetching.sent = cx.host.now();
                self.send(fetching)
            }
        }
    }

    /// Stores what another proxy has fetched, and answers from it.
    fn adopt<H: Host>(
        &mut self,
        mut fetching: Box<Fetching>,
        variant: Vec<u8>,
        head: Head<'static>,
        body: &[u8],
        cx: &mut Cx<'_, H>,
    ) -> Verdict {
        let Some(secret) = cx.secret() else { return self.send(fetching) };
        let lines = head.lines();
        let fields = Fields::new(&lines);
        let tags = fingerprints(fields, &fetching.asked.wanted, &secret);
        let directives = Directives::parse(fields.all("cache-control"));
        let received = cx.host.now();
        let dead_at = dead_at(&head.stored, Validator::of(fields).is_some());
        let may_transform = !directives.no_transform;
        let new = NewAnswer { head: head.seal(), received, dead_at, variant, tags, may_transform };
        self.store(&fetching.asked, new, body.into(), received, &mut fetching.lead, cx);
        let mut asked = fetching.asked;
        asked.is_adopted = true;
        // If it cannot be kept, or a purge came in between, it is fetched after all.
        self.decide_later(asked, After::Arrival, cx)
    }

    /// The store has answered a request that waits for it.
    pub(crate) fn searched<H: Host>(
        &mut self,
        searching: Box<Searching>,
        answer: CallAnswer,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
    ) -> Next {
        let answered = Answered::from(answer);
        let heard = match (&mut self.remote, searching.command()) {
            (Some(remote), Some(command)) => remote.heard(&command, &answered, cx),
            _ => Heard::Failed,
        };
        let verdict = self.search(searching, heard, cx);
        next_of(verdict, stream, cx)
    }

    /// The time is over for which a request has waited for another proxy.
    pub(crate) fn search_again<H: Host>(
        &mut self,
        searching: Box<Searching>,
        stream: &mut Stream,
        cx: &mut Cx<'_, H>,
    ) -> Next {
        let verdict = self.search(searching, Heard::Waited, cx);
        next_of(verdict, stream, cx)
    }

    /// Whether a lock is given back by who has it only. Such locks end by themselves, too.
    fn unlocks_by_token(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.store.store().expires_locks())
    }

    /// The client of a request that asks the store is gone.
    pub(crate) fn search_no_more<H: Host>(&mut self, mut searching: Searching, cx: &mut Cx<'_, H>) {
        // Also a lock that is only just being given.
        searching.fetching.lead.duty.lock = searching.lock(self.unlocks_by_token());
        self.end_flight(&mut searching.fetching.lead, Outcome::Released, cx);
    }
}

impl Searching {
    fn resume<H: Host>(&mut self, heard: Heard<'_>, board: &Board, cx: &Cx<'_, H>) -> Ask {
        let asked = &self.fetching.asked;
        let lines = asked.lines();
        let wish = Wish {
            primary: &asked.wanted.primary,
            target: &asked.wanted.target,
            request: Fields::new(&lines),
            board,
            now: crate::clocks::read(cx.host),
        };
        self.search.resume(heard, &wish)
    }
}

impl Remote {
    /// What an answer tells a search.
    fn heard<'a, H: Host>(
        &mut self,
        command: &Command<'_>,
        answered: &'a Answered,
        cx: &Cx<'_, H>,
    ) -> Heard<'a> {
        match (self.said(command, answered, cx), command) {
            (Said::Value(value, _), Command::Get { .. }) => Heard::Value(Some(value)),
            (Said::Absent, Command::Get { .. }) => Heard::Value(None),
            (Said::Done, Command::Lock { .. }) => {
                self.metrics.locks.add(cx.host, TAKEN);
                Heard::Locked(true)
            }
            (Said::Taken, Command::Lock { .. }) => {
                self.metrics.locks.add(cx.host, BUSY);
                Heard::Locked(false)
            }
            _ => Heard::Failed,
        }
    }
}
