//! One fetch for many, under every interleaving of three workers, with crashes, failures and stalls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

mod explorer;

use ballast_core::protocol::{Input, Machine, Step};
use ballast_core::response_cache::store::{
    Alone, Eviction, Find, Finish, Finished, Found, Index, Join, Joined, Key, Leadership, MOST_ATTEMPTS, New,
    Object, Outcome, Pulse, Put, Shape, Ticket, Waiter,
};
use ballast_core::slots::Fingerprint;
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, View};
use core::hash::{Hash, Hasher};
use core::time::Duration;
use explorer::{FailureKind, Model, Next, Seen, State, Verdict, Worker, forward};
use std::rc::Rc;

const KEY: Fingerprint = Fingerprint(1);
const WANTED: Fingerprint = Fingerprint(2);
const EARLY: MonoTime = MonoTime::from_millis(1_000);
/// The pulse of who led early is over, and its flight is not.
const SILENT: MonoTime = MonoTime::from_millis(2_000);
/// The flight is over, too.
const LATE: MonoTime = MonoTime::from_millis(7_000);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// What the upstream answers, the same to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Upstream {
    Stores,
    Fails,
    Uncacheable,
    GoesAway,
    /// It never answers.
    Stalls,
}

/// How far the one request of a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Request {
    New,
    Leading(Leadership, Ticket),
    Waiting(Waiter, MonoTime),
    Alone,
    Answered,
    /// Told that those before have failed.
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    me: Member,
    upstream: Upstream,
    request: Request,
    fetches: u8,
    after: Option<(Waiter, bool)>,
    looked_at: MonoTime,
    /// When it last began to look the key up.
    began: MonoTime,
    talk: Option<Talk>,
    dead: bool,
    crashes: bool,
    /// Forgets to wake the others: what the real one must not do.
    is_silent: bool,
    /// Does not look whether something was stored before it leads: what the real one must not do.
    is_rash: bool,
}

#[derive(Clone, Debug)]
enum Talk {
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
enum Choice {
    Looks,
    Answers,
    ReadsPulse,
    TimesOut,
}

fn shape() -> Shape {
    Shape::new(1 << 20, 32, 1 << 16, Eviction::Sieve)
}

fn server(slot: u8, upstream: Upstream) -> Server {
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
fn index_ticket_of_the_future() -> Ticket {
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

fn servers(upstream: Upstream) -> Vec<Server> {
    (0..3).map(|slot| server(slot, upstream)).collect()
}

fn fetches(state: &State<Server>) -> u8 {
    state.workers().map(|server| server.fetches).sum()
}

fn at_most(most: u8) -> impl Fn(&State<Server>) -> Verdict {
    move |state| match fetches(state) {
        fetches if fetches <= most => Ok(()),
        fetches => Err(format!("{fetches} fetches")),
    }
}

/// No flight is left behind.
fn landed(state: &State<Server>) -> Verdict {
    let value = state.value(&Key::Set(0)).unwrap();
    if Index::decode(value).unwrap().flights().is_empty() {
        Ok(())
    } else {
        Err("a flight is still listed".into())
    }
}

fn explore(model: &Model<Server>, most: u8, at_end: impl Fn(&State<Server>) -> Verdict, states: usize) {
    let report = model.explore(at_most(most), at_end).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.states > states, "{report:?}");
}

#[test]
fn one_fetches_and_all_are_answered() {
    explore(
        &Model::new(servers(Upstream::Stores)),
        1,
        |state| {
            landed(state)?;
            let all = state.workers().all(|server| server.request == Request::Answered);
            if all { Ok(()) } else { Err("not answered".into()) }
        },
        1_000,
    );
}

#[test]
fn if_it_fails_one_more_tries_and_then_all_are_told() {
    // Who comes after everybody else has given up is new and tries for itself: three requests, at most three fetches,
    // and not more than two of those who have waited together.
    explore(&Model::new(servers(Upstream::Fails)), 3, landed, 1_000);
    let waited = |state: &State<Server>| {
        let tried = state
            .workers()
            .filter(|server| server.fetches > 0 && server.request == Request::Answered)
            .count();
        let given_up = state.workers().filter(|server| server.request == Request::GivenUp).count();
        if given_up > 0 && tried > usize::from(MOST_ATTEMPTS) {
            Err(format!("{tried} tried"))
        } else {
            Ok(())
        }
    };
    explore(&Model::new(servers(Upstream::Fails)), 3, waited, 1_000);
}

#[test]
fn if_it_cannot_be_shared_nobody_waits_any_more() {
    explore(
        &Model::new(servers(Upstream::Uncacheable)),
        3,
        |state| {
            landed(state)?;
            if fetches(state) == 3 {
                Ok(())
            } else {
                Err(format!("{} of 3 fetched for themselves", fetches(state)))
            }
        },
        1_000,
    );
}

#[test]
fn if_its_client_goes_away_the_next_one_fetches() {
    explore(&Model::new(servers(Upstream::GoesAway)), 3, landed, 1_000);
}

/// The first worker may die. Nobody beats here, so a living worker that leads may be taken for dead, too: that costs a
/// fetch, and no answer.
fn one_may_die(count: usize) -> Model<Server> {
    let mut servers: Vec<Server> = servers(Upstream::Stores).into_iter().take(count).collect();
    servers[0].crashes = true;
    Model::new(servers).crashes(1).clock([SILENT, MonoTime::from_millis(3_000)])
}

fn none_waits(state: &State<Server>) -> Verdict {
    let waits = state.workers().any(|server| !server.dead && matches!(server.request, Request::Waiting(..)));
    if waits { Err("left waiting".into()) } else { Ok(()) }
}

#[test]
fn if_its_worker_dies_another_takes_over_before_the_time_is_up() {
    explore(&one_may_die(2), 2, none_waits, 4_000);
    let report = one_may_die(3)
        .walk(7, 20_000, 200, at_most(3), none_waits)
        .unwrap_or_else(|failure| panic!("{failure}"));
    println!("{report:?}");
    assert!(report.ends > 10_000, "{report:?}");
}

#[test]
fn if_the_upstream_stalls_those_who_wait_go_alone() {
    explore(
        &Model::new(servers(Upstream::Stalls)).clock([LATE, MonoTime::from_millis(20_000)]),
        3,
        |_| Ok(()),
        1_000,
    );
}

#[test]
fn a_leader_that_wakes_nobody_is_caught() {
    let silent = |mut server: Server| {
        server.is_silent = true;
        server
    };
    let servers = servers(Upstream::Stores).into_iter().map(silent).collect();
    let failure = Model::new(servers).explore(|_| Ok(()), |_| Ok(())).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock, "{failure}");
}

#[test]
fn who_leads_without_a_second_look_is_caught() {
    let rash = |mut server: Server| {
        server.is_rash = true;
        server
    };
    let servers = servers(Upstream::Stores).into_iter().map(rash).collect();
    let failure = Model::new(servers).explore(at_most(1), |_| Ok(())).unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Invariant(_)), "{failure}");
}
