//! Token bucket, as GCRA: one number of state.
//!
//! # How
//!
//! The state is the theoretical arrival time (TAT): the time at which the bucket will be full again. A charge of `n` moves it
//! `n * T` into the future, `T` being the emission interval, and is admitted while the TAT stays within `burst * T`
//! from now. `T` is rounded up to whole nanoseconds once, so exactly `burst` pass at once and the rate is never
//! exceeded; it is missed by at most a nanosecond per request (1% at ten million a second).
//!
//! # Held charges
//!
//! Two things need a charge that may be undone: a refund at the end of a request, and tokens that a worker has taken
//! in advance. Neither may simply be subtracted again: had the tokens stayed in the bucket, it might have been full meanwhile
//! and have overflowed. So a [`Held`] charge **melts**: of a charge of `k` tokens that moved the TAT to `tat`, at most
//! `min(k * T, tat - now)` is left at `now`.
//!
//! That is exact. Let the charges that are held be numbered in the order of their swaps. Each moved the TAT by its own
//! `k_i * T` at least, so `tat_i >= tat_(i-1) + k_i * T`, and what is left of all of them together is at most
//! `tat_last - now`. Therefore what is in the bucket plus what is held never exceeds `burst`, and it grows no faster than the rate: which
//! is all that a bucket without held charges promises.

use super::{Outcome, Refusal};
use crate::slots::Entry;
use crate::time::{MonoTime, nanos};
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// At most this part of what is in a bucket is taken in advance: near the limit tokens go one by one.
const LEASE_SHARE: u64 = 16;

/// A bucket's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenBucket {
    interval_nanos: u64,
    burst: u64,
}

/// The state of one client's bucket: when it will be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tat(pub MonoTime);

impl Entry for Tat {
    const KIND: u8 = 1;

    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.0.as_nanos());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        reader.u64().map(|nanos| Self(MonoTime::from_nanos(nanos)))
    }

    fn fresh_at(&self) -> MonoTime {
        self.0
    }
}

/// Tokens that were charged and may be given back or spent later; they melt as time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// The TAT right after the charge.
    pub tat: MonoTime,
    /// How many tokens.
    pub tokens: u64,
}

impl TokenBucket {
    /// `count` requests per `per`, `burst` at once; `None` if one of them is zero or the bucket takes longer than 146
    /// years to fill.
    pub fn new(count: u64, per: Duration, burst: u64) -> Option<Self> {
        let interval_nanos = nanos(per).checked_add(count.checked_sub(1)?)?.checked_div(count)?;
        let fits = interval_nanos.checked_mul(burst)? <= u64::MAX / 4;
        (interval_nanos > 0 && burst > 0 && fits).then_some(Self { interval_nanos, burst })
    }

    /// The most that passes at once.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// Charges `cost` tokens, and up to `extra` more to hold in advance while the bucket is far from empty.
    pub fn charge(&self, state: Option<&Tat>, cost: u64, extra: u64, now: MonoTime) -> Outcome<Tat, Held> {
        let tat = self.tat(state, now);
        let filled = nanos(tat.since(now));
        let available = self.capacity_nanos().saturating_sub(filled) / self.interval_nanos;
        if available < cost {
            let wait = filled.saturating_add(self.span(cost)).saturating_sub(self.capacity_nanos());
            let wait = (cost <= self.burst).then_some(Duration::from_nanos(wait));
            return Outcome::Refuse(Refusal {
                wait,
                remaining: available,
                reset: Duration::from_nanos(filled),
            });
        }
        let extra = extra.min((available - cost) / LEASE_SHARE);
        let tokens = cost.saturating_add(extra);
        let tat = tat.after(Duration::from_nanos(self.span(tokens)));
        Outcome::Admit {
            state: Tat(tat),
            charge: Held { tat, tokens },
            remaining: available.saturating_sub(cost),
            reset: tat.since(now),
        }
    }

    /// What is in the bucket, without charging.
    pub fn available(&self, state: Option<&Tat>, now: MonoTime) -> u64 {
        let filled = nanos(self.tat(state, now).since(now));
        self.capacity_nanos().saturating_sub(filled) / self.interval_nanos
    }

    /// Gives a held charge back, as far as it has not melted. `None`: nothing is left to give back.
    pub fn refund(&self, state: Option<&Tat>, held: Held, now: MonoTime) -> Option<Tat> {
        let left = self.left_nanos(held, now);
        let Tat(tat) = *state?;
        (left > 0).then(|| Tat(tat.before(Duration::from_nanos(left))))
    }

    /// How many whole tokens of a held charge are left.
    pub fn left(&self, held: Held, now: MonoTime) -> u64 {
        self.left_nanos(held, now) / self.interval_nanos
    }

    /// The charge of `tokens` that came right before `held`, as if both had been made one after the other.
    pub fn before(&self, held: Held, tokens: u64) -> Held {
        Held { tat: held.tat.before(Duration::from_nanos(self.span(held.tokens))), tokens }
    }

    fn left_nanos(&self, held: Held, now: MonoTime) -> u64 {
        self.span(held.tokens).min(nanos(held.tat.since(now)))
    }

    /// The TAT, read so that a value from nowhere (a clock that started again, a larger burst before) cannot lock a client out for longer
    /// than a full bucket takes.
    fn tat(&self, state: Option<&Tat>, now: MonoTime) -> MonoTime {
        let latest = now.after(Duration::from_nanos(self.capacity_nanos()));
        state.map_or(now, |Tat(tat)| *tat).clamp(now, latest)
    }

    fn span(&self, tokens: u64) -> u64 {
        self.interval_nanos.saturating_mul(tokens)
    }

    fn capacity_nanos(&self) -> u64 {
        self.span(self.burst)
    }
}

#[cfg(test)]
mod tests;
