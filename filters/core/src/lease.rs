//! A lease: work that one member does for all.
//!
//! # Why
//!
//! A probe, a fetch of remote facts or a clean-up is wanted once, not once per worker, and somebody else must take
//! over when whoever does it crashes.
//!
//! # How
//!
//! One shared value says who holds the lease until when. All workers read the same monotonic clock and an expiry is
//! decided by comparing with it, so at no time do two members have reason to believe that they hold it:
//! [`Held::is_valid`] ends for one exactly when [`Acquire`] can succeed for another. Each change of hands, and each
//! expiry, raises the token.
//!
//! # Limits
//!
//! Work that was begun under a lease may still be going on when it has expired. What must not mix carries the token,
//! and its receiver refuses a smaller one than it has seen. A death is not waited out faster than the term, since a
//! member that was declared dead may only be stalled and believe in its lease.

use crate::rewrite::{Edit, Edited, Rewrite};
use crate::time::MonoTime;
use crate::vms::{Member, SLOTS};
use crate::wire::{Reader, Writer};
use core::time::Duration;

const VERSION: u8 = 1;

/// Longer terms are cut to this. A lease that runs longer is damage, not a promise, and locks nobody out.
pub const MOST_TERM: Duration = Duration::from_secs(3_600);

/// The shared value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Who held it last.
    pub holder: Member,
    /// Rises with every new holding.
    pub token: u64,
    /// From when on anybody may take it.
    pub until: MonoTime,
}

/// What a holder knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// The fence: larger than that of every holding before.
    pub token: u64,
    /// When it ends unless it is renewed.
    pub until: MonoTime,
}

impl Held {
    /// Whether it still holds. Ask before every step of the work.
    pub fn is_valid(&self, now: MonoTime) -> bool {
        now < self.until
    }
}

/// Somebody else holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("another member holds the lease")]
pub struct Taken {
    /// When to ask again.
    pub until: MonoTime,
}

impl Lease {
    /// The lease in these bytes, if it is one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let holder = Member { slot: reader.u8()?, epoch: reader.u32()? };
        let (token, until) = (reader.u64()?, MonoTime::from_nanos(reader.u64()?));
        reader.end(Self { holder, token, until }).filter(|lease| lease.holder.slot < SLOTS)
    }

    /// The lease as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(22);
        writer.u8(VERSION);
        writer.u8(self.holder.slot);
        writer.u32(self.holder.epoch);
        writer.u64(self.token);
        writer.u64(self.until.as_nanos());
        writer.finish()
    }
}

/// The conversation that takes the lease if it is free, or renews it if `me` holds it.
pub type Acquire<K> = Rewrite<K, Acquiring>;

/// The conversation that gives the lease back early. Ends with whether it was still held.
pub type Release<K> = Rewrite<K, Releasing>;

/// Takes or renews the lease. See [`Acquire`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acquiring {
    /// Who asks.
    pub me: Member,
    /// What the clock shows. Time that passes until the swap shortens the lease.
    pub now: MonoTime,
    /// For how long; at most [`MOST_TERM`].
    pub term: Duration,
}

impl Edit for Acquiring {
    type Output = Result<Held, Taken>;

    fn edit(&self, old: Option<&[u8]>) -> Edited<Self::Output> {
        let old = old.and_then(Lease::decode);
        let running = old.filter(|lease| self.now < lease.until);
        // Another member's clock may have been read a little later than this one's.
        let running = running.filter(|lease| lease.until.since(self.now) <= MOST_TERM.saturating_mul(2));
        let token = match (running, old) {
            (Some(lease), _) if lease.holder != self.me => {
                return Edited::Keep(Err(Taken { until: lease.until }));
            }
            (Some(lease), _) => lease.token,
            (None, Some(lease)) => lease.token.saturating_add(1),
            (None, None) => 1,
        };
        let until =
            self.now.after(self.term.min(MOST_TERM)).max(running.map_or(MonoTime::ZERO, |lease| lease.until));
        let lease = Lease { holder: self.me, token, until };
        Edited::Replace(lease.encode(), Ok(Held { token, until }))
    }
}

/// Gives the lease back. See [`Release`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Releasing {
    /// Who holds it.
    pub me: Member,
    /// What it knows of it.
    pub held: Held,
}

impl Edit for Releasing {
    type Output = bool;

    fn edit(&self, old: Option<&[u8]>) -> Edited<bool> {
        match old.and_then(Lease::decode) {
            Some(lease) if lease.holder == self.me && lease.token == self.held.token => {
                Edited::Replace(Lease { until: MonoTime::ZERO, ..lease }.encode(), true)
            }
            _ => Edited::Keep(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TERM: Duration = Duration::from_secs(5);

    const fn second(seconds: u64) -> MonoTime {
        MonoTime::from_millis(seconds * 1_000)
    }

    const fn member(slot: u8) -> Member {
        Member { slot, epoch: 1 }
    }

    fn acquire(value: &mut Option<Vec<u8>>, slot: u8, now: u64) -> Result<Held, Taken> {
        let edit = Acquiring { me: member(slot), now: second(now), term: TERM };
        match edit.edit(value.as_deref()) {
            Edited::Keep(output) => output,
            Edited::Replace(new, output) => {
                *value = Some(new);
                output
            }
        }
    }

    #[test]
    fn one_holds_it_until_its_term_ends() {
        let mut value = None;
        assert_eq!(acquire(&mut value, 0, 1), Ok(Held { token: 1, until: second(6) }));
        assert_eq!(acquire(&mut value, 1, 2), Err(Taken { until: second(6) }));
        assert_eq!(acquire(&mut value, 0, 4), Ok(Held { token: 1, until: second(9) }), "renewed, same token");
        assert_eq!(acquire(&mut value, 1, 8), Err(Taken { until: second(9) }));
        assert_eq!(acquire(&mut value, 1, 9), Ok(Held { token: 2, until: second(14) }));
    }

    #[test]
    fn validity_ends_when_another_may_begin() {
        let held = Held { token: 1, until: second(6) };
        assert!(held.is_valid(MonoTime::from_nanos(second(6).as_nanos() - 1)));
        assert!(!held.is_valid(second(6)));
    }

    #[test]
    fn an_expired_lease_comes_back_with_a_new_token() {
        let mut value = None;
        acquire(&mut value, 0, 1).unwrap();
        assert_eq!(acquire(&mut value, 0, 6), Ok(Held { token: 2, until: second(11) }));
    }

    #[test]
    fn what_was_given_back_is_free_at_once_and_only_its_holder_can_give_it() {
        let mut value = None;
        let held = acquire(&mut value, 0, 1).unwrap();
        let release = |slot, held| Releasing { me: member(slot), held }.edit(value.as_deref());
        assert_eq!(release(1, held), Edited::Keep(false));
        assert_eq!(release(0, Held { token: 9, ..held }), Edited::Keep(false));
        let Edited::Replace(freed, true) = release(0, held) else { panic!("must be given back") };
        assert_eq!(acquire(&mut Some(freed), 1, 1), Ok(Held { token: 2, until: second(6) }));
    }

    #[test]
    fn terms_of_different_length_respect_each_other() {
        let long = Acquiring { me: member(0), now: second(1), term: Duration::MAX };
        let Edited::Replace(value, Ok(held)) = long.edit(None) else { panic!("must be taken") };
        assert_eq!(held.until, second(3_601));
        assert_eq!(acquire(&mut Some(value.clone()), 1, 1), Err(Taken { until: held.until }));
        assert_eq!(acquire(&mut Some(value), 0, 2), Ok(held), "a renewal never shortens");
    }

    #[test]
    fn damage_does_not_lock_the_lease_for_ever() {
        let lease = Lease { holder: member(1), token: 7, until: MonoTime::FAR_FUTURE };
        assert_eq!(acquire(&mut Some(lease.encode()), 0, 1), Ok(Held { token: 8, until: second(6) }));
        assert_eq!(acquire(&mut Some(b"foreign".to_vec()), 0, 1), Ok(Held { token: 1, until: second(6) }));
    }
}
