//! The second level: what one proxy has fetched serves all.
//!
//! # Why
//!
//! Each proxy of a fleet would fetch for itself, and keep what a purge at another has dropped. A store that they share
//! makes one fetch do for all, if nothing that it holds is believed unseen, and if it may be gone at any time.
//!
//! # How
//!
//! - A [`Record`] is an answer as it lies in the store. It says what it is, for which key, how old, and which purges its
//!   fetch knew of; whatever does not fit is a miss with a reason ([`Refused`]).
//! - [`Search`] is the conversation of one request with the store: look up, take the lock, wait for who has it.
//! - The purge [`Log`] is one value in the store to which every purge is added. Each process keeps a [`Board`] of it in
//!   shared data: what was read, what it has added itself, and what is still to be done to its own answers.
//!
//! # No answer older than a purge
//!
//! The log is a list of entries with random numbers. A record names the last entry that was known before its fetch; who
//! reads it holds all later entries against it, and does not believe it if it does not find that one. So what was
//! fetched before a purge is refused by everybody who knows of the purge, and that is everybody after one interval, and
//! the own process at once. A log that lost entries (another writer, a store that was emptied) makes records unknown,
//! never fresh.
//!
//! # Limits
//!
//! Ages are told by the wall clocks of who wrote and who reads: a reader whose clock is behind takes records for that
//! much younger. Clocks further apart than [`MOST_AHEAD`] are noticed where a record seems to come from the future.
//! The last [`MOST_ENTRIES`] purges are known: records that are older are not used. Whoever can write to the store can
//! serve what it likes: the checksum finds accidents, not attackers.

mod board;
mod log;
mod record;
mod search;

pub use board::{
    AddOwn, Applied, Board, Knowledge, Learn, Learned, MOST_OWN, OWN_KEPT, RECENT, TRUSTED_INTERVALS,
};
pub use log::{Entry, Item, Log, MOST_ENTRIES, MOST_LOG_BYTES, Subject};
pub use record::{Answer, Content, MOST_AHEAD, Record, Refused};
pub use search::{Ask, Found, Heard, LONGEST_PAUSE, SHORTEST_PAUSE, Search, Wish};

/// What lies under a key, and in which layout: the beginning of its name.
const ANSWER_KIND: &str = "a1-";
const LOCK_KIND: &str = "l1-";

/// The name of the purge log.
pub const LOG_KEY: &str = "p1";

/// The key of what answers a request whatever it varies by: the answer itself, or what it varies by.
pub fn base_key(primary: &[u8], overrides: &[u8]) -> String {
    keyed(ANSWER_KIND, b'b', primary, overrides)
}

/// The key of one variant.
pub fn variant_key(primary: &[u8], variant: &[u8]) -> String {
    keyed(ANSWER_KIND, b'v', primary, variant)
}

/// The key of the lock of whoever fetches for a base key.
pub fn lock_key(base: &str) -> String {
    format!("{LOCK_KIND}{}", base.strip_prefix(ANSWER_KIND).unwrap_or(base))
}

fn keyed(kind: &str, part: u8, first: &[u8], second: &[u8]) -> String {
    let mut writer = crate::wire::Writer::with_capacity(first.len() + second.len() + 9);
    writer.u8(part);
    writer.bytes(first);
    writer.bytes(second);
    crate::remote::key_of(kind, &writer.finish())
}
