//! A worker with one request, which fetches or waits.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use crate::explorer::{Next, Seen, Worker, forward};
use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::response_cache::store::{
    Alone, Eviction, Find, Finish, Finished, Found, Index, Join, Joined, Key, Leadership, New, Object,
    Outcome, Pulse, Put, Shape, Ticket, Waiter,
};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, View};
use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::rc::Rc;

pub const KEY: Fingerprint = Fingerprint(1);
pub const WANTED: Fingerprint = Fingerprint(2);
pub const EARLY: MonoTime = MonoTime::from_millis(1_000);
/// The pulse of who led early is over, and its flight is not.
pub const SILENT: MonoTime = MonoTime::from_millis(2_000);
/// The flight is over, too.
pub const LATE: MonoTime = MonoTime::from_millis(7_000);
pub const MAX_WAIT: Duration = Duration::from_secs(5);

/// What the upstream answers, the same to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upstream {
    Stores,
    Fails,
    Uncacheable,
    GoesAway,
    /// It never answers.
    Stalls,
}

/// How far the one request of a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    New,
    Leading(Leadership, Ticket),
    Waiting(Waiter, MonoTime),
    Alone,
    Answered,
    /// Told that those before have failed.
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    pub me: Member,
    pub upstream: Upstream,
    pub request: Request,
    pub fetches: u8,
    pub after: Option<(Waiter, bool)>,
    pub looked_at: MonoTime,
    /// When it last began to look the key up.
    pub began: MonoTime,
    pub talk: Option<Talk>,
    pub dead: bool,
    pub crashes: bool,
    /// Forgets to wake the others: what the real one must not do.
    pub is_silent: bool,
    /// Does not look whether something was stored before it leads: what the real one must not do.
    pub is_rash: bool,
}

#[derive(Clone, Debug)]
pub enum Talk {
    Finding(Find),
    Joining(Join),
    Putting(Box<Put>),
    Finishing(Finish),
    Waking(Vec<u8>),
    ReadingPulse(Waiter, MonoTime),
}

impl PartialEq for Talk {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}
impl Eq for Talk {}
impl Hash for Talk {
    fn hash<H: Hasher>(&self, state: &mut H) {
        format!("{self:?}").hash(state);
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Choice {
    Looks,
    Answers,
    ReadsPulse,
    TimesOut,
}

pub fn shape() -> Shape {
    Shape::new(1 << 20, 32, 1 << 16, Eviction::Sieve)
}

pub fn server(slot: u8, upstream: Upstream) -> Server {
    Server {
        me: Member { slot, epoch: 1 },
        upstream,
        request: Request::New,
        fetches: 0,
        after: None,
        looked_at: EARLY,
        began: EARLY,
        talk: None,
        dead: false,
        crashes: false,
        is_silent: false,
        is_rash: false,
    }
}

impl Server {
    fn begin(&mut self, talk: Talk, now: MonoTime) -> Next<Key> {
        self.talk = Some(talk);
        self.resume(Input::Start, now)
    }

    fn look(&mut self, now: MonoTime) -> Next<Key> {
        self.began = now;
        self.begin(Talk::Finding(Find::new(shape(), KEY, now)), now)
    }

    fn wake(&mut self, finished: Finished, now: MonoTime) -> Next<Key> {
        let slots = if self.is_silent { Vec::new() } else { finished.slots().collect() };
        self.begin(Talk::Waking(slots), now)
    }

    fn found(&mut self, found: Found, now: MonoTime) -> Next<Key> {
        if !found.candidates.is_empty() {
            self.request = Request::Answered;
            return Step::Done(());
        }
        let found =
            if self.is_rash { Found { ticket: index_ticket_of_the_future(), ..found } } else { found };
        let who = (self.me, Rc::new(View::default()));
        let mut join = Join::new(shape(), (KEY, WANTED), found, who, now, MAX_WAIT);
        if let Some((waiter, seems_dead)) = self.after.take() {
            join = join.after(&waiter, seems_dead);
        }
        self.begin(Talk::Joining(join), now)
    }

    fn joined(&mut self, (joined, ticket): (Joined, Ticket), now: MonoTime) -> Next<Key> {
        self.request = match joined {
            Joined::Lead(leadership) => {
                self.fetches += 1;
                Request::Leading(leadership, ticket)
            }
            Joined::Follow(waiter) => Request::Waiting(waiter, self.began),
            Joined::LookAgain => return self.look(now),
            Joined::Alone(why) => {
                assert_eq!(why, Alone::Uncacheable);
                self.fetches += 1;
                Request::Alone
            }
            Joined::Failed { status } => {
                assert_eq!(status, 503);
                Request::GivenUp
            }
        };
        Step::Done(())
    }

    fn answer(&mut self, now: MonoTime) -> Next<Key> {
        let Request::Leading(leadership, ticket) = self.request else {
            self.request = Request::Answered;
            return Step::Done(());
        };
        self.request = Request::Answered;
        let outcome = match self.upstream {
            Upstream::Stores => {
                let object = Object { key: vec![1], body: vec![self.me.slot], ..Object::default() };
                let (url, tags, dead_at) = (&b"/"[..], &[][..], MonoTime::FAR_FUTURE);
                let new = New { key: KEY, object, url, tags, dead_at, ticket };
                let put = Put::new(shape(), new, now).unwrap().finishing(leadership);
                return self.begin(Talk::Putting(Box::new(put)), now);
            }
            Upstream::Fails => Outcome::Failed { status: 503 },
            Upstream::Uncacheable => Outcome::Uncacheable { remember: Duration::from_secs(60) },
            Upstream::GoesAway | Upstream::Stalls => Outcome::Released,
        };
        self.begin(Talk::Finishing(leadership.finish(outcome, now)), now)
    }

    fn again(&mut self, seems_dead: bool, now: MonoTime) -> Next<Key> {
        if let Request::Waiting(waiter, _) = self.request {
            self.after = Some((waiter, seems_dead));
        }
        self.request = Request::New;
        self.look(now)
    }
}

/// A ticket that takes everything stored for old.
pub fn index_ticket_of_the_future() -> Ticket {
    let mut bytes = Index::read(None, MonoTime::FAR_FUTURE).encode();
    bytes[0] = 1;
    Index::decode(&bytes).unwrap().ticket()
}

impl Worker for Server {
    type Key = Key;
    type Choice = Choice;

    fn choices(&self, seen: Seen) -> Vec<Choice> {
        let waiting = matches!(self.request, Request::Waiting(..));
        let at_upstream = matches!(self.request, Request::Leading(..) | Request::Alone);
        // Who has no message may give up, or look whether the leader lives, once at each point in time.
        let since = match self.request {
            Request::Waiting(_, since) => since,
            _ => seen.now,
        };
        [
            (self.request == Request::New && seen.now == EARLY, Choice::Looks),
            (at_upstream && self.upstream != Upstream::Stalls, Choice::Answers),
            (waiting && self.looked_at < seen.now && seen.now < LATE, Choice::ReadsPulse),
            (waiting && seen.now >= since.after(MAX_WAIT), Choice::TimesOut),
        ]
        .into_iter()
        .filter_map(|(may, choice)| (may && !self.dead).then_some(choice))
        .collect()
    }

    fn choose(&mut self, choice: Choice, now: MonoTime) -> Next<Key> {
        match (choice, self.request) {
            (Choice::Looks, _) => self.look(now),
            (Choice::Answers, _) => self.answer(now),
            (Choice::ReadsPulse, Request::Waiting(waiter, since)) => {
                self.looked_at = now;
                self.talk = Some(Talk::ReadingPulse(waiter, since));
                Step::Get(Key::Pulse(waiter.leader.slot))
            }
            _ => {
                self.fetches += 1;
                self.request = Request::Alone;
                if self.upstream == Upstream::Stalls {
                    self.request = Request::Answered;
                }
                Step::Done(())
            }
        }
    }

    fn resume(&mut self, input: Input, now: MonoTime) -> Next<Key> {
        match self.talk.take().unwrap() {
            Talk::Finding(mut find) => match forward(find.resume(input)) {
                Ok(found) => self.found(found.unwrap(), now),
                Err(step) => {
                    self.talk = Some(Talk::Finding(find));
                    step
                }
            },
            Talk::Joining(mut join) => match forward(join.resume(input)) {
                Ok(joined) => self.joined(joined.unwrap(), now),
                Err(step) => {
                    self.talk = Some(Talk::Joining(join));
                    step
                }
            },
            Talk::Putting(mut put) => match forward(put.resume(input)) {
                Ok(stored) => self.wake(stored.unwrap().finished.unwrap(), now),
                Err(step) => {
                    self.talk = Some(Talk::Putting(put));
                    step
                }
            },
            Talk::Finishing(mut finish) => match forward(finish.resume(input)) {
                Ok(finished) => self.wake(finished.unwrap(), now),
                Err(step) => {
                    self.talk = Some(Talk::Finishing(finish));
                    step
                }
            },
            Talk::Waking(mut slots) => match slots.pop() {
                Some(slot) => {
                    self.talk = Some(Talk::Waking(slots));
                    Step::Send { slot, message: b"wake".to_vec() }
                }
                None => Step::Done(()),
            },
            Talk::ReadingPulse(waiter, since) => {
                let Input::Value { value, .. } = input else { panic!("{input:?}") };
                if Pulse::is_dead(value.as_deref(), waiter.leader, since, now) {
                    return self.again(true, now);
                }
                Step::Done(())
            }
        }
    }

    fn slot(&self) -> Option<u8> {
        Some(self.me.slot)
    }

    fn receive(&mut self, _: &[u8], now: MonoTime) -> Next<Key> {
        if matches!(self.request, Request::Waiting(..)) && !self.dead {
            self.again(false, now)
        } else {
            Step::Done(())
        }
    }

    fn done(&self) -> bool {
        let over = matches!(self.request, Request::Answered | Request::GivenUp);
        let stalled = self.upstream == Upstream::Stalls && matches!(self.request, Request::Leading(..));
        // A request that has not come while the clock stood still does not come any more.
        let never_came = self.request == Request::New && self.talk.is_none();
        self.dead || over || stalled || never_came
    }

    fn crash(&self) -> Option<Self> {
        (self.crashes && !self.dead).then(|| Self { dead: true, crashes: false, talk: None, ..self.clone() })
    }
}
