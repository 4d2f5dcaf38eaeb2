//! A proxy: what the filter does with a request, without a proxy around it.

use super::Decided;
use ballast_core::random::SplitMix;
use ballast_core::rate_limit::Outcome;
use ballast_core::rate_limit::global::wire::{self, Entry};
use ballast_core::rate_limit::global::{
    Answer, Deposit, Draw, GiveBack, Health, Lease, Purse, Renew, Shut, Shutting, Spent, Told, Wanted, Why,
};
use ballast_core::rate_limit::token_bucket::{Advance, Line, TokenBucket};
use ballast_core::rate_limit::token_lease::Client;
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a request waits for the service.
pub const TIMEOUT: Duration = Duration::from_millis(20);
/// For how long a failed call keeps others from being made.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
const CLIENT: Client = Client { limit: 0, fingerprint: Fingerprint(7) };

/// How the service is asked.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// For each request.
    Exact,
    /// In blocks.
    Leased(Lease),
    /// Never: each proxy has an equal share.
    Share,
}

/// What a proxy does.
pub(super) enum Does {
    Decide(Decided),
    Call { call: u64, message: Vec<u8> },
}

struct Call {
    wanted: Wanted,
    sent: MonoTime,
    /// The request that waits for this very call.
    request: Option<MonoTime>,
}

pub(super) struct Proxy {
    mode: Mode,
    local: TokenBucket,
    line: Option<Line>,
    health: Health,
    pool: Option<Vec<u8>>,
    purse: Purse,
    calls: BTreeMap<u64, Call>,
    next_call: u64,
    /// When those came that wait for tokens.
    waiting: Vec<MonoTime>,
    heard_at: MonoTime,
    random: SplitMix,
}

impl Proxy {
    pub(super) fn new(mode: Mode, (share, window): (u32, Duration), seed: u64) -> Self {
        Self {
            mode,
            local: TokenBucket::new(share.into(), window, share.into()).unwrap(),
            line: None,
            health: Health::new(),
            pool: None,
            purse: Purse::with_places(1),
            calls: BTreeMap::new(),
            next_call: 0,
            waiting: Vec::new(),
            heard_at: MonoTime::ZERO,
            random: SplitMix::new(seed),
        }
    }

    pub(super) fn arrives(&mut self, now: MonoTime) -> Vec<Does> {
        let mut does = Vec::new();
        self.decide(now, now, &mut does);
        does
    }

    /// A request that came at `came` is to be decided.
    fn decide(&mut self, came: MonoTime, now: MonoTime, does: &mut Vec<Does>) {
        match self.mode {
            Mode::Share => does.push(self.locally(came, now)),
            Mode::Exact if self.health.may_ask(now) => {
                self.health.asked(now);
                does.push(self.call(Wanted { tokens: 1, least: 1 }, Some(came), now));
            }
            Mode::Exact => does.push(self.locally(came, now)),
            Mode::Leased(lease) => self.decide_by_lease(lease, came, now, does),
        }
    }

    fn decide_by_lease(&mut self, lease: Lease, came: MonoTime, now: MonoTime, does: &mut Vec<Does>) {
        match self.purse.spend(CLIENT, 1, now) {
            Some(Spent::Tokens(_)) => return does.push(self.remotely(true, came, now)),
            Some(Spent::Shut(shut, _)) => return does.push(self.shut(shut, came, now)),
            None => {}
        }
        let draw = Draw {
            client: CLIENT.fingerprint,
            me: 0,
            cost: 1,
            workers: 2,
            now,
            lease,
            timeout: TIMEOUT,
            may_ask_at: self.health.asked_again_at(),
        };
        let drawn = self.make(&draw);
        if let Some(wanted) = drawn.wanted {
            self.health.asked(now);
            does.push(self.call(wanted, None, now));
        }
        match (drawn.tokens, drawn.shut) {
            (Some((tokens, expires)), _) => {
                let _ = self.purse.keep(CLIENT, (tokens - 1, expires), drawn.told, now);
                does.push(self.remotely(true, came, now));
            }
            (None, Some(shut)) => {
                self.purse.shut(CLIENT, shut, drawn.told, now);
                does.push(self.shut(shut, came, now));
            }
            (None, None) if now.since(came) >= TIMEOUT => does.push(self.locally(came, now)),
            (None, None) => self.waiting.push(came),
        }
    }

    /// A call is answered, or was given up.
    pub(super) fn answered(&mut self, call: u64, message: Option<&[u8]>, now: MonoTime) -> Vec<Does> {
        // Given up after it was answered, or answered after it was given up.
        let Some(call) = self.calls.remove(&call) else { return Vec::new() };
        let mut does = Vec::new();
        let answer = message.and_then(Answer::read);
        match answer {
            Some(_) => {
                self.heard_at = now;
                self.health.answered();
            }
            None => _ = self.health.failed(now, &mut self.random),
        }
        match (self.mode, call.request, answer) {
            (Mode::Leased(lease), None, answer) => self.block_answered(lease, &call, answer, now, &mut does),
            (_, Some(came), Some(answer)) => does.push(self.remotely(answer.passes, came, now)),
            (_, Some(came), None) => does.push(self.locally(came, now)),
            (_, None, _) => {}
        }
        does
    }

    fn block_answered(
        &mut self,
        lease: Lease,
        call: &Call,
        answer: Option<Answer>,
        now: MonoTime,
        does: &mut Vec<Does>,
    ) {
        let (client, me) = (CLIENT.fingerprint, 0);
        match answer {
            Some(Answer { passes: true, told }) => {
                let (tokens, sent) = (call.wanted.tokens, call.sent);
                self.make(&Deposit { client, me, tokens, told, sent, now, lease });
            }
            Some(Answer { passes: false, told }) => {
                if let Some(wanted) = call.wanted.smaller(told.remaining) {
                    if self.make(&Renew { client, me, timeout: TIMEOUT, now }) {
                        does.push(self.call(wanted, None, now));
                    }
                    return;
                }
                let pause = told.reset.unwrap_or(lease.max_age).min(lease.max_age);
                self.shut_pool(Why::Exhausted, call, pause, Some(told), now);
            }
            None => self.shut_pool(Why::Failing, call, AFTER_FAILURE, None, now),
        }
        for came in std::mem::take(&mut self.waiting) {
            self.decide(came, now, does);
        }
    }

    fn shut_pool(&mut self, why: Why, call: &Call, pause: Duration, told: Option<Told>, now: MonoTime) {
        let shut = Shut { why, cost: call.wanted.least, until: now.after(pause) };
        let told = told.map(|told| (told, call.sent));
        self.make(&Shutting { client: CLIENT.fingerprint, me: 0, shut, told, now });
    }

    pub(super) fn ticks(&mut self, now: MonoTime) {
        for left in self.purse.empty(now) {
            let (tokens, expires) = (left.tokens, left.expires);
            self.make(&GiveBack { client: CLIENT.fingerprint, tokens, expires, now });
        }
    }

    fn call(&mut self, wanted: Wanted, request: Option<MonoTime>, now: MonoTime) -> Does {
        self.next_call += 1;
        self.calls.insert(self.next_call, Call { wanted, sent: now, request });
        let entry = Entry { key: "limit".to_owned(), value: "all".to_owned() };
        Does::Call { call: self.next_call, message: wire::request("ballast", &[entry], wanted.tokens) }
    }

    fn remotely(&self, passes: bool, came: MonoTime, now: MonoTime) -> Does {
        let age = now.since(self.heard_at);
        Does::Decide(Decided { passes, locally: false, waited: now.since(came), age })
    }

    fn locally(&mut self, came: MonoTime, now: MonoTime) -> Does {
        let outcome = self.local.charge(self.line.as_ref(), 1, Advance::default(), now);
        let passes = match outcome {
            Outcome::Admit { state, .. } => {
                self.line = Some(state);
                true
            }
            Outcome::Refuse(_) => false,
        };
        Does::Decide(Decided { passes, locally: true, waited: now.since(came), age: Duration::ZERO })
    }

    fn shut(&mut self, shut: Shut, came: MonoTime, now: MonoTime) -> Does {
        match shut.why {
            Why::Exhausted => self.remotely(false, came, now),
            Why::Failing => self.locally(came, now),
        }
    }

    /// Nobody else is there to lose a swap to.
    fn make<E: Edit>(&mut self, edit: &E) -> E::Output {
        match edit.edit(self.pool.as_deref()) {
            Edited::Keep(output) => output,
            Edited::Replace(value, output) => {
                self.pool = Some(value);
                output
            }
        }
    }
}
