//! What clients have used up, taken out of one process and put into another.
//!
//! # How
//!
//! Tables are walked set by set, [`SETS_AT_ONCE`] at a time, into parts of bounded size; a [`Cursor`] says where to go on. What a
//! client has used up is a [`Level`]: how long until it is as if it had never come. Points of the monotonic clock mean nothing after a
//! restart, so all times are spans, and the time between the two is taken off by the wall clock.
//!
//! A client is known by a keyed hash, so the key goes along: with it somebody could aim at another client's place in the table. So
//! a snapshot is to be kept like a credential.
//!
//! # Limits
//!
//! Permits of what is in flight are not taken: they end with the process. A client that has come since the restart keeps what it has
//! now. Of a window that moves, parts begin at other times in the new process: what counts may leave the window up to a tenth of its length
//! too late, or the latest part of it too early.

use super::algorithm::Algorithm;
use super::config::Config;
use super::fixed_window::Opened;
use super::sliding_window::Counts;
use super::token_bucket::Line;
use crate::rewrite::{Edit, Edited};
use crate::slots::{Entry, Fingerprint, Set};
use crate::time::MonoTime;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// How many sets are looked at for one part.
pub const SETS_AT_ONCE: u32 = 8_192;
/// A part is not added to from here on; with the last set and its frame it stays within 512 KiB.
const FULL: usize = 480 * 1024;
/// About what one client takes in a part.
const CLIENT_BYTES: usize = 160;

/// Where to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The number of the limit.
    pub limit: u16,
    /// The number of the set.
    pub set: u32,
}

/// A part of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// When it was taken, by the wall clock.
    pub taken_unix_ms: u64,
    /// The key of the hash, in hexadecimal digits.
    pub seed: String,
    /// What it holds.
    pub limits: Vec<OfLimit>,
}

/// What a part holds of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfLimit {
    /// Its name.
    pub name: String,
    /// Its clients.
    pub clients: Vec<Client>,
}

/// What one client has used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its fingerprint, in hexadecimal digits.
    pub id: String,
    /// What it has used up.
    pub level: Level,
}

/// What a client has used up, by the way its limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Level {
    /// Until its bucket is full, and how long that takes from empty.
    TokenBucket {
        /// The one.
        full_in_ns: u64,
        /// The other.
        fills_in_ns: u64,
    },
    /// What it did in the parts of a window.
    SlidingWindow {
        /// How long ago the newest part began.
        newest_age_ns: u64,
        /// How long a part is.
        part_ns: u64,
        /// Newest first.
        counts: [u32; super::sliding_window::TOUCHED],
    },
    /// What it did in its window.
    FixedWindow {
        /// Until it ends.
        ends_in_ns: u64,
        /// How much.
        count: u32,
    },
}

/// Takes the clients of a set into a part; more than a part can hold are a part too many, so ask [`is_full`] first.
pub fn take(part: &mut OfLimit, algorithm: Algorithm, set: Option<&[u8]>, now: MonoTime) {
    let mut add = |client: &Fingerprint, level| part.clients.push(Client { id: client.to_string(), level });
    match algorithm {
        Algorithm::TokenBucket(_) => live::<Line>(set, now, |client, line| add(client, line.level(now))),
        Algorithm::SlidingWindow(_) => {
            live::<Counts>(set, now, |client, counts| add(client, counts.level(now)))
        }
        Algorithm::FixedWindow(_) => {
            live::<Opened>(set, now, |client, opened| add(client, opened.level(now)))
        }
        Algorithm::Concurrency { .. } | Algorithm::Elsewhere => {}
    }
}

fn live<E: Entry>(bytes: Option<&[u8]>, now: MonoTime, mut each: impl FnMut(&Fingerprint, &E)) {
    for (client, entry) in Set::<E>::read(bytes).iter() {
        if entry.fresh_at() > now {
            each(client, entry);
        }
    }
}

/// Whether a part holds as much as it may.
pub fn is_full(part: &Part) -> bool {
    let clients: usize = part.limits.iter().map(|limit| limit.clients.len()).sum();
    clients.saturating_mul(CLIENT_BYTES) >= FULL
}

impl Part {
    /// The conversations that put its clients back, as of `now`, with the number and set of each. What belongs to no limit of
    /// this configuration, or counts no more, is left out.
    pub fn puttings(&self, config: &Config, age: Duration, now: MonoTime) -> Vec<(u16, u32, Putting)> {
        let mut puttings = Vec::new();
        for part in &self.limits {
            let named = (0_u16..).zip(&config.limits).find(|(_, limit)| limit.name.as_str() == part.name);
            let Some((number, limit)) = named else { continue };
            for client in &part.clients {
                let Some(id) = Fingerprint::parse(&client.id) else { continue };
                puttings.push((
                    number,
                    limit.table.set_of(id),
                    Putting { client: id, level: client.level, age, now },
                ));
            }
        }
        puttings
    }

    /// How many clients it holds.
    pub fn clients(&self) -> u64 {
        let clients: usize = self.limits.iter().map(|limit| limit.clients.len()).sum();
        u64::try_from(clients).unwrap_or(u64::MAX)
    }
}

/// Puts a client back into its set, unless it is there. Ends with by how much the number of entries has changed; `None`: nothing
/// was put.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Putting {
    client: Fingerprint,
    level: Level,
    age: Duration,
    now: MonoTime,
}

impl Edit for Putting {
    type Output = Option<i64>;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Option<i64>> {
        let Self { client, level, age, now } = self;
        if let Some(line) = Line::restored(level, *age, *now) {
            return put(old, *client, line, *now);
        }
        match (Counts::restored(level, *age, *now), Opened::restored(level, *age, *now)) {
            (Some(counts), _) => put(old, *client, counts, *now),
            (_, Some(opened)) => put(old, *client, opened, *now),
            _ => Edited::Keep(None),
        }
    }
}

fn put<E: Entry>(old: Option<&[u8]>, client: Fingerprint, entry: E, now: MonoTime) -> Edited<Option<i64>> {
    let mut set = Set::<E>::read(old);
    let is_there = set.get(client).is_some_and(|known| known.fresh_at() > now);
    if is_there || entry.fresh_at() <= now {
        return Edited::Keep(None);
    }
    let put = set.put(client, entry, now);
    Edited::Replace(set.encode(), Some(put.stored))
}

#[cfg(test)]
mod tests;
