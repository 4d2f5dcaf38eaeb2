//! The first level's other half: keys of which a worker knows that nothing is gained by looking them up.
//!
//! # Why
//!
//! Most of what a miss costs is to read the set of its key, and to find out there that nobody waits for its answer. Of an answer
//! that cannot be stored this is the same each time.
//!
//! # How
//!
//! A key is known as fruitless once its set listed nothing for it, said that its answers could not be shared lately, and
//! another one could not. For [`TRUST_FOR`] its set is not read then. The places are few, and a key takes that of
//! another: the one that is asked for most has its place nearly always.
//!
//! # Limits
//!
//! For so long a worker does not see what another one has stored for the key. An answer to it that can be stored after all
//! is stored as one of which nothing is known about purges: not, if there was any lately that may concern it.

use crate::slots::Fingerprint;
use crate::time::MonoTime;
use core::time::Duration;

/// For how long a key is not looked up.
const TRUST_FOR: Duration = Duration::from_secs(1);

/// How many keys are known.
const PLACES: usize = 256;

/// The keys that one worker does not look up.
#[derive(Clone, Debug, Default)]
pub struct Fruitless(Vec<(Fingerprint, MonoTime)>);

impl Fruitless {
    /// Whether looking this key up at `now` is known to be of no use.
    pub fn knows(&self, key: Fingerprint, now: MonoTime) -> bool {
        self.0.get(place(key)).is_some_and(|(known, until)| *known == key && now < *until)
    }

    /// Looking this key up was of no use.
    pub fn learn(&mut self, key: Fingerprint, now: MonoTime) {
        self.0.resize(PLACES, (Fingerprint(0), MonoTime::ZERO));
        if let Some(known) = self.0.get_mut(place(key)) {
            *known = (key, now.after(TRUST_FOR));
        }
    }

    /// Something was stored for this key.
    pub fn forget(&mut self, key: Fingerprint) {
        if let Some(known) = self.0.get_mut(place(key))
            && known.0 == key
        {
            known.1 = MonoTime::ZERO;
        }
    }
}

fn place(key: Fingerprint) -> usize {
    let [lowest, ..] = key.0.to_le_bytes();
    usize::from(lowest) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    #[test]
    fn a_key_is_known_for_a_second_or_until_something_is_stored() {
        let (key, other) = (Fingerprint(7), Fingerprint(8));
        let mut fruitless = Fruitless::default();
        assert!(!fruitless.knows(key, at(0)));
        fruitless.learn(key, at(100));
        assert!(fruitless.knows(key, at(100)) && fruitless.knows(key, at(1_099)));
        assert!(!fruitless.knows(key, at(1_100)) && !fruitless.knows(other, at(100)));
        fruitless.forget(other);
        assert!(fruitless.knows(key, at(100)));
        fruitless.forget(key);
        assert!(!fruitless.knows(key, at(100)));
    }

    #[test]
    fn a_key_takes_the_place_of_another_and_is_not_taken_for_it() {
        let (key, other) = (Fingerprint(7), Fingerprint(7 + (1 << 64)));
        let mut fruitless = Fruitless::default();
        fruitless.learn(key, at(0));
        assert!(!fruitless.knows(other, at(0)));
        fruitless.learn(other, at(0));
        assert!(fruitless.knows(other, at(0)) && !fruitless.knows(key, at(0)));
    }
}
