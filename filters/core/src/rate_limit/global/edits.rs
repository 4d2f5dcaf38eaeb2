//! What workers do with a [`Pool`], each one compare-and-swap.

use super::pool::{Asking, Block, Known};
use super::{Lease, Pool, Shut, Told, Why};
use crate::rewrite::{Edit, Edited};
use crate::slots::{Fingerprint, Set};
use crate::time::MonoTime;
use core::fmt;
use core::time::Duration;

/// For how long beyond its time-out a call is waited for: its answer has still to be put into the pool.
const GRACE: Duration = Duration::from_millis(50);

/// The key of a set of pools. Its text is `global/<limit>/<set>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolKey<'a> {
    /// The limit's name.
    pub limit: &'a str,
    /// The number of the set.
    pub set: u32,
}

impl fmt::Display for PoolKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "global/{}/{}", self.limit, self.set)
    }
}

/// Takes tokens for a request, or finds out who gets some.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Whose tokens.
    pub client: Fingerprint,
    /// The slot of the worker.
    pub me: u8,
    /// What the request costs: at least 1.
    pub cost: u32,
    /// How many workers there are, as far as known.
    pub workers: u32,
    /// What the clock shows.
    pub now: MonoTime,
    /// How blocks are leased.
    pub lease: Lease,
    /// How long the service is waited for.
    pub timeout: Duration,
    /// From when on this worker may ask the service.
    pub may_ask_at: MonoTime,
}

/// What came of a [`Draw`]. With neither tokens nor a reason why there are none, somebody asks for some: wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Drawn {
    /// Tokens, at least as many as the request costs, and by when they must be spent.
    pub tokens: Option<(u32, MonoTime)>,
    /// Why there are none.
    pub shut: Option<Shut>,
    /// What this worker must ask the service for.
    pub wanted: Option<Wanted>,
    /// What is known of the limit.
    pub told: Told,
    /// Whether another client's live pool had to go.
    pub evicted_live: bool,
}

/// A block to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// How many tokens.
    pub tokens: u32,
    /// How many it takes to be of any use.
    pub least: u32,
}

impl Wanted {
    /// What to ask for after this was refused and so much is said to be left. `None`: it is of no use.
    pub fn smaller(self, remaining: Option<u32>) -> Option<Self> {
        let half = self.tokens / 2;
        let tokens = remaining.map_or(half, |left| left.min(half)).max(self.least);
        let possible = tokens < self.tokens && remaining.is_none_or(|left| left >= self.least);
        possible.then_some(Self { tokens, ..self })
    }
}

impl Edit for Draw {
    type Output = Drawn;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Drawn> {
        let (cost, now) = (self.cost, self.now);
        edit(old, self.client, now, |pool| {
            pool.pass_to(now);
            let shut = pool.shut.filter(|shut| shut.holds(cost, now));
            let taken = pool.take(cost, self.workers, now);
            let mut drawn = Drawn { told: pool.known.told(now), ..Drawn::default() };
            drawn.tokens = taken.map(|taken| (taken.tokens, taken.expires));
            let needs_more = taken.is_none() || pool.is_low(now);
            if needs_more && shut.is_none() && pool.asking.is_none() {
                if now >= self.may_ask_at {
                    let least = if taken.is_some() { 1 } else { cost };
                    let tokens = pool.next_block(least, &self.lease, now);
                    drawn.wanted = Some(Wanted { tokens, least });
                    pool.asking = Some(Asking { by: self.me, until: now.after(self.timeout).after(GRACE) });
                } else if taken.is_none() {
                    drawn.shut = Some(Shut { why: Why::Failing, cost, until: self.may_ask_at });
                }
            }
            if taken.is_none() {
                drawn.shut = drawn.shut.or(shut);
            }
            let waits = taken.is_none() && drawn.shut.is_none();
            if waits {
                pool.waiting |= 1_u64.checked_shl(self.me.into()).unwrap_or(0);
            }
            let changed = taken.is_some() || waits || drawn.wanted.is_some();
            if changed {
                pool.use_it(now, &self.lease);
            }
            (drawn, changed)
        })
    }
}

/// Puts a granted block into its pool. Comes to the slots of those who waited for it, as bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deposit {
    /// Whose tokens.
    pub client: Fingerprint,
    /// The slot of the worker that asked.
    pub me: u8,
    /// How many were granted.
    pub tokens: u32,
    /// What the service told.
    pub told: Told,
    /// When it was asked.
    pub sent: MonoTime,
    /// What the clock shows.
    pub now: MonoTime,
    /// How blocks are leased.
    pub lease: Lease,
}

impl Edit for Deposit {
    type Output = u64;

    fn edit(&self, old: Option<&[u8]>) -> Edited<u64> {
        edit(old, self.client, self.now, |pool| {
            pool.pass_to(self.now);
            pool.known = Known::new(self.told, self.sent);
            let aged = self.now.after(self.lease.max_age);
            // What belongs to one window of the service is not spent in the next.
            let expires = pool.known.reset_at.map_or(aged, |reset_at| reset_at.min(aged));
            pool.put(Block { tokens: self.tokens, expires });
            pool.shut = None;
            pool.use_it(self.now, &self.lease);
            (ends(pool, self.me), true)
        })
    }
}

/// Notes that a client gets no tokens for a while. Comes to the slots of those who waited for some, as bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shutting {
    /// Whose tokens.
    pub client: Fingerprint,
    /// The slot of the worker that asked.
    pub me: u8,
    /// Why, and until when.
    pub shut: Shut,
    /// What the service told, and when it was asked; `None`: it has failed.
    pub told: Option<(Told, MonoTime)>,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Edit for Shutting {
    type Output = u64;

    fn edit(&self, old: Option<&[u8]>) -> Edited<u64> {
        edit(old, self.client, self.now, |pool| {
            pool.pass_to(self.now);
            if pool.asking.is_some_and(|asking| asking.by != self.me) {
                // Who asks by now knows better.
                return (0, false);
            }
            if let Some((told, sent)) = self.told {
                pool.known = Known::new(told, sent);
                if told.remaining.is_none() {
                    pool.begin_small();
                }
            }
            pool.shut = Some(self.shut);
            (ends(pool, self.me), true)
        })
    }
}

/// Goes on asking, for less. Comes to whether this worker is still the one that asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Renew {
    /// Whose tokens.
    pub client: Fingerprint,
    /// The slot of the worker that asks.
    pub me: u8,
    /// How long the service is waited for.
    pub timeout: Duration,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Edit for Renew {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        edit(old, self.client, self.now, |pool| {
            let until = self.now.after(self.timeout).after(GRACE);
            match &mut pool.asking {
                Some(asking) if asking.by == self.me => {
                    asking.until = until;
                    (true, true)
                }
                _ => (false, false),
            }
        })
    }
}

/// Gives tokens back that a worker has taken and not spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GiveBack {
    /// Whose tokens.
    pub client: Fingerprint,
    /// How many.
    pub tokens: u32,
    /// By when they must be spent.
    pub expires: MonoTime,
    /// What the clock shows.
    pub now: MonoTime,
}

impl Edit for GiveBack {
    type Output = ();

    fn edit(&self, old: Option<&[u8]>) -> Edited<()> {
        edit(old, self.client, self.now, |pool| {
            let live = self.now < self.expires && self.tokens > 0;
            if live {
                pool.pass_to(self.now);
                pool.put(Block { tokens: self.tokens, expires: self.expires });
            }
            ((), live)
        })
    }
}

/// Any of these, so that the conversation about them is linked once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Takes tokens.
    Draw(Draw),
    /// Puts a block in.
    Deposit(Deposit),
    /// Notes that there are none for a while.
    Shut(Shutting),
    /// Goes on asking.
    Renew(Renew),
    /// Gives tokens back.
    GiveBack(GiveBack),
}

/// What came of a [`Change`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// Of [`Change::Draw`].
    Drawn(Drawn),
    /// Who waited, as bits by slot: of [`Change::Deposit`] and [`Change::Shut`].
    Waiting(u64),
    /// Of [`Change::Renew`].
    Renewed(bool),
    /// Of [`Change::GiveBack`].
    Given,
}

impl Edit for Change {
    type Output = Changed;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Changed> {
        match self {
            Self::Draw(draw) => as_changed(draw.edit(old), Changed::Drawn),
            Self::Deposit(deposit) => as_changed(deposit.edit(old), Changed::Waiting),
            Self::Shut(shutting) => as_changed(shutting.edit(old), Changed::Waiting),
            Self::Renew(renew) => as_changed(renew.edit(old), Changed::Renewed),
            Self::GiveBack(back) => as_changed(back.edit(old), |()| Changed::Given),
        }
    }
}

fn as_changed<T>(edited: Edited<T>, as_it: impl FnOnce(T) -> Changed) -> Edited<Changed> {
    match edited {
        Edited::Keep(output) => Edited::Keep(as_it(output)),
        Edited::Replace(value, output) => Edited::Replace(value, as_it(output)),
    }
}

/// The call of `me`, if it is the one, is over. Who waited is to be told.
fn ends(pool: &mut Pool, me: u8) -> u64 {
    pool.asking = pool.asking.filter(|asking| asking.by != me);
    core::mem::take(&mut pool.waiting)
}

trait Noted {
    fn note(self, evicted_live: bool) -> Self;
}

fn edit<T: Noted>(
    old: Option<&[u8]>,
    client: Fingerprint,
    now: MonoTime,
    change: impl FnOnce(&mut Pool) -> (T, bool),
) -> Edited<T> {
    let mut set = Set::<Pool>::read(old);
    let mut pool = set.get(client).cloned().unwrap_or_default();
    let (output, changed) = change(&mut pool);
    if !changed {
        return Edited::Keep(output);
    }
    let put = set.put(client, pool, now);
    Edited::Replace(set.encode(), output.note(put.evicted_live))
}

impl Noted for Drawn {
    fn note(self, evicted_live: bool) -> Self {
        Self { evicted_live, ..self }
    }
}

impl Noted for u64 {
    fn note(self, _: bool) -> Self {
        self
    }
}

impl Noted for bool {
    fn note(self, _: bool) -> Self {
        self
    }
}

impl Noted for () {
    fn note(self, _: bool) {}
}

#[cfg(test)]
mod tests;
