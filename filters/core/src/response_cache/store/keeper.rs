//! The order of conversations and counts: what a worker does to store, purge and tell.
//!
//! # Why
//!
//! The bound on memory and the validity of copies hang on an order: bytes are counted before they are written and
//! uncounted after they are gone; the numbers of copies rise after the store has changed and before anybody is told.
//! So it is written once, here, over a [`Backing`] that the proxy's adapter, a simulation and tests provide.

use super::local::shard_of;
use super::policy::Hits;
use super::purge::{Purge, Purged, Target};
use super::put::{NotStored, Put, Stored};
use super::reclaim::{Reclaim, Touch, Touching};
use super::shape::{Key, Shape};
use crate::protocol::Machine;
use crate::rewrite::Unfinished;
use crate::slots::Fingerprint;
use crate::time::MonoTime;

/// How many other sets are asked to give up what they have beyond their share, before any must give up more.
const GENTLE_TRIES: u32 = 8;

/// What the store needs of its surroundings.
pub trait Backing {
    /// Drives a conversation to its end.
    fn run<M: Machine<Key = Key>>(&mut self, machine: &mut M) -> M::Output;
    /// The count of bytes that all workers share.
    fn bytes(&mut self) -> u64;
    /// Changes the count of bytes.
    fn add_bytes(&mut self, change: i64);
    /// Raises the number of a shard; `None`: of all.
    fn raise(&mut self, shard: Option<u8>);
    /// Random bits.
    fn random(&mut self) -> u64;
}

/// Stores an answer and frees what it takes too much. Evictions in other sets are in the result, too.
///
/// # Errors
///
/// It is not stored. A flight that it was to finish goes on.
pub fn store(
    backing: &mut impl Backing,
    shape: Shape,
    key: Fingerprint,
    put: Put,
    hits: &mut Hits,
    now: MonoTime,
) -> Result<Stored, NotStored> {
    let (set, charge) = (put.set(), signed(put.charge()));
    backing.add_bytes(charge);
    let excess = backing.bytes().saturating_sub(shape.budget());
    let mut put = put.freeing(excess).with_hits(hits.take(set));
    let mut stored = match backing.run(&mut put) {
        Ok(stored) => stored,
        Err(not_stored) => {
            backing.add_bytes(-charge);
            return Err(not_stored);
        }
    };
    backing.add_bytes(-signed(stored.freed));
    if stored.invalidates {
        backing.raise(Some(shard_of(key)));
    }
    let reclaimed = make_room(backing, shape, hits, now);
    stored.freed = stored.freed.saturating_add(reclaimed.0);
    stored.evicted = stored.evicted.saturating_add(reclaimed.1);
    Ok(stored)
}

/// Evicts in sets drawn at random until the count is within the budget. Returns bytes and entries.
fn make_room(backing: &mut impl Backing, shape: Shape, hits: &mut Hits, now: MonoTime) -> (u64, u32) {
    let (mut freed, mut evicted) = (0_u64, 0_u32);
    // Sets are drawn at random; twice as many draws as sets find something if there is anything.
    for tries in 0..GENTLE_TRIES.saturating_add(shape.sets().saturating_mul(2)) {
        let over = backing.bytes().saturating_sub(shape.budget());
        if over == 0 {
            break;
        }
        let drawn = (u128::from(backing.random()) * u128::from(shape.sets())) >> 64;
        let set = u32::try_from(drawn).unwrap_or(0);
        let gently = tries < GENTLE_TRIES;
        let mut reclaim = if gently {
            Reclaim::gently(shape, set, over, now)
        } else {
            Reclaim::firmly(shape, set, over, now)
        }
        .with_hits(hits.take(set));
        let Ok(reclaimed) = backing.run(&mut reclaim) else { break };
        backing.add_bytes(-signed(reclaimed.freed));
        freed = freed.saturating_add(reclaimed.freed);
        evicted = evicted.saturating_add(reclaimed.evicted);
    }
    (freed, evicted)
}

/// Purges. When it returns, nobody gets as fresh what it covers, from the store or from a copy.
///
/// # Errors
///
/// The store fails: a part may be purged, and the rest not.
pub fn purge(
    backing: &mut impl Backing,
    shape: Shape,
    target: Target,
    soft: bool,
    now: MonoTime,
) -> Result<Purged, Unfinished> {
    let shard = match &target {
        Target::Key(key) => Some(shard_of(*key)),
        _ => None,
    };
    let mut purge = Purge::new(shape, target, soft, now);
    let purged = backing.run(&mut purge);
    backing.add_bytes(-signed(purge.so_far().freed));
    backing.raise(shard);
    purged
}

/// On each tick: tells up to `most` sets which of their entries were used.
pub fn tell_hits(backing: &mut impl Backing, shape: Shape, hits: &mut Hits, most: u32, now: MonoTime) {
    for _ in 0..most {
        let Some((set, hits)) = hits.next_set() else { return };
        let eviction = shape.eviction();
        // Uses that could not be told are forgotten: they cost accuracy only.
        let _ = backing.run(&mut Touch::new(Key::Set(set), Touching { eviction, hits, now }));
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
