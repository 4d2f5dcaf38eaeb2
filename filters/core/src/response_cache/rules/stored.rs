//! What is known of a stored answer: decided when it is stored, so that a hit parses nothing.

use super::Now;
use super::range::{ByteRange, Parts};
use super::stale::StaleTerms;
use crate::time::MonoTime;
use crate::wire::{Reader, Writer};
use core::time::Duration;

/// The version of the encoding.
const VERSION: u8 = 1;
const IS_FORBIDDEN: u8 = 1;
const ALWAYS_VALIDATE: u8 = 2;
const IS_IMMUTABLE: u8 = 4;
const HAS_PARTS: u8 = 8;

/// What is known of a stored answer besides its fields and its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its status. Of parts: that of the whole, 200.
    pub status: u16,
    /// When it arrived, or was last validated.
    pub received: MonoTime,
    /// How old it was then.
    pub initial_age: Duration,
    /// How long it is fresh from its birth.
    pub lifetime: Duration,
    /// When the origin made it, in seconds since the Unix epoch: the later of two that match is used.
    pub date_seconds: i64,
    /// What may be done when it is stale.
    pub terms: StaleTerms,
    /// Whether every use needs a validation: `no-cache`.
    pub always_validate: bool,
    /// Whether it does not change while it is fresh (RFC 8246).
    pub is_immutable: bool,
    /// Which parts of the whole are stored; `None`: the whole.
    pub parts: Option<Parts>,
}

impl Stored {
    /// How old it is (RFC 9111, section 4.2.3, `current_age`).
    pub fn age(&self, now: Now) -> Duration {
        self.initial_age.saturating_add(now.mono.since(self.received))
    }

    /// Whether it is fresh: younger than its lifetime, and usable without validation.
    pub fn is_fresh(&self, now: Now) -> bool {
        self.age(now) < self.lifetime
    }

    /// For how long it has been stale; zero if it is not.
    pub fn staleness(&self, now: Now) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// How much freshness is left in seconds, negative when it is stale: the `ttl` of `Cache-Status`.
    pub fn ttl_seconds(&self, now: Now) -> i64 {
        let whole = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        whole(self.lifetime).saturating_sub(whole(self.age(now)))
    }

    /// Until when it is of any use without validation: fresh, or stale in any way that is allowed.
    pub fn useful_until(&self) -> MonoTime {
        let terms = &self.terms;
        let longest = terms.while_revalidate.max(terms.if_error).max(terms.on_connection_error);
        let stale = if terms.is_forbidden { Duration::ZERO } else { longest };
        self.received.after(self.lifetime.saturating_sub(self.initial_age).saturating_add(stale))
    }

    /// With a lifetime shortened by a part of it, so that not all answers end at once. Of what the origin says this takes
    /// only; it never adds.
    #[must_use]
    pub fn jittered(mut self, most: crate::units::Share, bits: u64) -> Self {
        if most == crate::units::Share::default() {
            return self;
        }
        let millis = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        let range = most.of(millis).saturating_add(1);
        let less = u64::try_from((u128::from(bits) * u128::from(range)) >> 64).unwrap_or(0);
        self.lifetime = self.lifetime.saturating_sub(Duration::from_millis(less));
        self
    }

    /// Appends it as bytes.
    pub fn encode(&self, writer: &mut Writer) {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        writer.u8(VERSION);
        writer.u8(flag(self.terms.is_forbidden, IS_FORBIDDEN)
            | flag(self.always_validate, ALWAYS_VALIDATE)
            | flag(self.is_immutable, IS_IMMUTABLE)
            | flag(self.parts.is_some(), HAS_PARTS));
        writer.u16(self.status);
        writer.u64(self.received.as_nanos());
        for span in [
            self.initial_age,
            self.lifetime,
            self.terms.while_revalidate,
            self.terms.if_error,
            self.terms.on_connection_error,
        ] {
            writer.u64(crate::time::nanos(span));
        }
        writer.u64(self.date_seconds.cast_unsigned());
        if let Some(parts) = &self.parts {
            writer.u64(parts.complete_length);
            writer.u16(u16::try_from(parts.ranges.len()).unwrap_or(u16::MAX));
            for range in &parts.ranges {
                writer.u64(range.first);
                writer.u64(range.last);
            }
        }
    }

    /// Reads it back; `None`: these bytes say nothing.
    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.u8()? != VERSION {
            return None;
        }
        let flags = reader.u8()?;
        let status = reader.u16()?;
        let received = MonoTime::from_nanos(reader.u64()?);
        let mut span = || reader.u64().map(Duration::from_nanos);
        let (initial_age, lifetime) = (span()?, span()?);
        let (while_revalidate, if_error, on_connection_error) = (span()?, span()?, span()?);
        let date_seconds = reader.u64()?.cast_signed();
        let parts = if flags & HAS_PARTS == 0 {
            None
        } else {
            let (complete_length, count) = (reader.u64()?, reader.u16()?);
            let range = |_| Some(ByteRange { first: reader.u64()?, last: reader.u64()? });
            let ranges = (0..count).map(range).collect::<Option<Vec<_>>>()?;
            Some(Parts::checked(complete_length, ranges)?)
        };
        let is_forbidden = flags & IS_FORBIDDEN != 0;
        Some(Self {
            status,
            received,
            initial_age,
            lifetime,
            date_seconds,
            terms: StaleTerms { is_forbidden, while_revalidate, if_error, on_connection_error },
            always_validate: flags & ALWAYS_VALIDATE != 0,
            is_immutable: flags & IS_IMMUTABLE != 0,
            parts,
        })
    }
}

#[cfg(test)]
mod tests;
