//! The first level's other half: keys of which a worker knows that nothing is gained by looking them up.
//!
//! # Why
//!
//! Most of what a miss costs is to read the set of its key, and to find out there that nobody waits for its answer; and of an
//! answer that cannot be stored, to read all that it says of that. Where one such answer follows the other, all of this is the same
//! each time.
//!
//! # How
//!
//! A key is known as fruitless once its set listed nothing for it, said that its answers could not be shared lately, and
//! another one could not. For [`TRUST_FOR`] its set is not read then. If it was the answer alone that could not be stored, whoever
//! had asked for it, the next ones are passed without a look at them, too, all but one in [`LOOK_AT_ONE_IN`] ("hit for
//! pass"). The places are few, and a key takes that of another: the one that is asked for most has its place nearly always.
//!
//! # Limits
//!
//! For so long a worker does not see what another one has stored for the key, and an answer that can be stored after all may
//! pass without being stored. One that is looked at is stored as one of which nothing is known about purges: not, if there was any lately
//! that may concern it.

use crate::slots::Fingerprint;
use crate::time::MonoTime;
use core::time::Duration;

/// For how long a key is not looked up.
const TRUST_FOR: Duration = Duration::from_secs(1);

/// Of so many answers to a key one is looked at.
const LOOK_AT_ONE_IN: u8 = 8;

/// How many keys are known.
const PLACES: usize = 256;

/// The keys that one worker does not look up. `W`: why an answer is not stored.
#[derive(Clone, Debug)]
pub struct Fruitless<W>(Vec<Option<Known<W>>>);

/// What is known of a key.
#[derive(Clone, Copy, Debug)]
struct Known<W> {
    key: Fingerprint,
    /// Why the next answers need no look.
    pass: Option<W>,
    /// Until when this is trusted.
    until: MonoTime,
    /// How many answers have come since, up to the next look.
    answers: u8,
}

/// What to do with a request for a fruitless key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice<W> {
    /// Do not look it up, but look at its answer.
    Fetch,
    /// Do not look at its answer either: it is not stored, for the reason that the last one was not stored for.
    Pass(W),
}

impl<W> Default for Fruitless<W> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<W: Copy> Fruitless<W> {
    /// What to do with a request for this key at `now`; `None`: nothing is known, look it up.
    pub fn advice(&mut self, key: Fingerprint, now: MonoTime) -> Option<Advice<W>> {
        let known = self.0.get_mut(place(key))?.as_mut();
        let known = known.filter(|known| known.key == key && now < known.until)?;
        known.answers += 1;
        match known.pass {
            Some(why) if known.answers < LOOK_AT_ONE_IN => Some(Advice::Pass(why)),
            _ => {
                known.answers = 0;
                Some(Advice::Fetch)
            }
        }
    }

    /// Looking this key up was of no use. `pass`: why its answer was not stored, if it would not be either for any other request.
    pub fn learn(&mut self, key: Fingerprint, pass: Option<W>, now: MonoTime) {
        self.0.resize(PLACES, None);
        if let Some(known) = self.0.get_mut(place(key)) {
            *known = Some(Known { key, pass, until: now.after(TRUST_FOR), answers: 0 });
        }
    }

    /// Something was stored for this key.
    pub fn forget(&mut self, key: Fingerprint) {
        if let Some(known) = self.0.get_mut(place(key))
            && known.is_some_and(|known| known.key == key)
        {
            *known = None;
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

    const WHY: &str = "no-store";
    const PASS: Option<Advice<&str>> = Some(Advice::Pass(WHY));

    /// One key, known since 100 ms.
    fn of(key: Fingerprint, pass: Option<&'static str>) -> Fruitless<&'static str> {
        let mut fruitless = Fruitless::default();
        assert_eq!(fruitless.advice(key, at(100)), None);
        fruitless.learn(key, pass, at(100));
        fruitless
    }

    #[test]
    fn a_key_is_known_for_a_second_or_until_something_is_stored() {
        let (key, other) = (Fingerprint(7), Fingerprint(8));
        let mut fruitless = of(key, Some(WHY));
        for (asked, millis, advice) in
            [(key, 100, PASS), (key, 1_099, PASS), (key, 1_100, None), (other, 100, None)]
        {
            assert_eq!(fruitless.advice(asked, at(millis)), advice, "{asked:?} at {millis}");
        }
        fruitless.forget(other);
        assert_eq!(fruitless.advice(key, at(100)), PASS);
        fruitless.forget(key);
        assert_eq!(fruitless.advice(key, at(100)), None);
    }

    #[test]
    fn one_answer_in_eight_is_looked_at() {
        let mut fruitless = of(Fingerprint(7), Some(WHY));
        let advice: Vec<_> = (0..16).filter_map(|_| fruitless.advice(Fingerprint(7), at(200))).collect();
        let looked: Vec<_> = (0..advice.len()).filter(|at| advice[*at] == Advice::Fetch).collect();
        assert_eq!((advice.len(), looked), (16, vec![7, 15]));
    }

    #[test]
    fn answers_that_others_may_get_differently_are_all_looked_at() {
        let mut fruitless = of(Fingerprint(7), None);
        let advice: Vec<_> = (0..16).map(|_| fruitless.advice(Fingerprint(7), at(200))).collect();
        assert_eq!(advice, [Some(Advice::Fetch); 16]);
    }

    #[test]
    fn a_key_takes_the_place_of_another_and_is_not_taken_for_it() {
        let (key, other) = (Fingerprint(7), Fingerprint(7 + (1 << 64)));
        let mut fruitless = of(key, Some(WHY));
        assert_eq!(fruitless.advice(other, at(100)), None);
        fruitless.learn(other, Some(WHY), at(100));
        assert_eq!((fruitless.advice(other, at(100)), fruitless.advice(key, at(100))), (PASS, None));
    }
}
