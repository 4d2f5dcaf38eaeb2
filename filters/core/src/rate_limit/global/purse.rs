//! What one worker holds of what its process holds.
//!
//! A worker takes a small share of its client's pool at a time and spends it from its own memory, so most requests of
//! a busy client make no shared call. Each tick gives back what is left. A refusal is remembered too, and costs nothing
//! until it is over.

use super::{Shut, Told};
use crate::rate_limit::token_lease::Client;
use crate::time::MonoTime;

/// Places in a worker's memory, one for each client that hashes there.
const PLACES: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    client: Client,
    tokens: u32,
    expires: MonoTime,
    shut: Option<Shut>,
    told: Told,
    /// When it was told so.
    at: MonoTime,
}

/// What came out of a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spent {
    /// The request's tokens.
    Tokens(Told),
    /// There are none for a while.
    Shut(Shut, Told),
}

/// What is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    /// Whose tokens.
    pub client: Client,
    /// How many.
    pub tokens: u32,
    /// By when they must be spent.
    pub expires: MonoTime,
}

/// All that one worker holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purse(Vec<Option<Held>>);

impl Purse {
    /// For one worker.
    pub fn new() -> Self {
        Self::with_places(PLACES)
    }

    /// With this many places. Without any, nothing is kept.
    pub fn with_places(places: usize) -> Self {
        Self(vec![None; places])
    }

    /// Pays for a request. `None`: the pool must be asked.
    pub fn spend(&mut self, client: Client, cost: u32, now: MonoTime) -> Option<Spent> {
        let held = self.place(client)?.as_mut().filter(|held| held.client == client)?;
        if now < held.expires && held.tokens >= cost {
            held.tokens -= cost;
            held.told.remaining = held.told.remaining.map(|left| left.saturating_sub(cost));
            return Some(Spent::Tokens(held.told_at(now)));
        }
        let shut = held.shut.filter(|shut| shut.holds(cost, now))?;
        Some(Spent::Shut(shut, held.told_at(now)))
    }

    /// Keeps tokens. Comes to those that have no place here and must go back.
    pub fn keep(
        &mut self,
        client: Client,
        (tokens, expires): (u32, MonoTime),
        told: Told,
        now: MonoTime,
    ) -> Option<Left> {
        let fresh = Held { client, tokens, expires, shut: None, told, at: now };
        match self.place(client) {
            Some(Some(held)) if held.client == client => {
                let before = if now < held.expires { held.tokens } else { 0 };
                let expires = if before > 0 { expires.min(held.expires) } else { expires };
                *held = Held { tokens: tokens.saturating_add(before), expires, ..fresh };
                None
            }
            Some(place) if place.as_ref().is_none_or(|other| other.is_over(now)) => {
                *place = Some(fresh);
                None
            }
            _ => Some(Left { client, tokens, expires }),
        }
    }

    /// Puts back what was spent for a request that another limit refused. `false`: it is lost, since what it came from is
    /// gone.
    pub fn put_back(&mut self, client: Client, cost: u32, now: MonoTime) -> bool {
        let held = self.place(client).and_then(Option::as_mut);
        match held.filter(|held| held.client == client && now < held.expires) {
            Some(held) => {
                held.tokens = held.tokens.saturating_add(cost);
                true
            }
            None => false,
        }
    }

    /// Remembers that there are none for a while.
    pub fn shut(&mut self, client: Client, shut: Shut, told: Told, now: MonoTime) {
        match self.place(client) {
            Some(Some(held)) if held.client == client => {
                (held.shut, held.told, held.at) = (Some(shut), told, now);
            }
            Some(place) if place.as_ref().is_none_or(|other| other.is_over(now)) => {
                let (tokens, expires) = (0, MonoTime::ZERO);
                *place = Some(Held { client, tokens, expires, shut: Some(shut), told, at: now });
            }
            _ => {}
        }
    }

    /// Takes out all tokens, on a tick or at the end, and forgets what is over.
    pub fn empty(&mut self, now: MonoTime) -> Vec<Left> {
        let mut left = Vec::new();
        for place in &mut self.0 {
            let Some(held) = place else { continue };
            let tokens = core::mem::take(&mut held.tokens);
            if tokens > 0 && now < held.expires {
                left.push(Left { client: held.client, tokens, expires: held.expires });
            }
            if held.is_over(now) {
                *place = None;
            }
        }
        left
    }

    fn place(&mut self, client: Client) -> Option<&mut Option<Held>> {
        // The upper half picks the set of the slot table, so the lower one picks the place.
        let low = usize::try_from(client.fingerprint.0 & u128::from(u32::MAX)).unwrap_or(0);
        let at = low.wrapping_add(usize::from(client.limit)).checked_rem(self.0.len())?;
        self.0.get_mut(at)
    }
}

impl Held {
    fn is_over(&self, now: MonoTime) -> bool {
        (self.tokens == 0 || now >= self.expires) && self.shut.is_none_or(|shut| now >= shut.until)
    }

    /// What was told, as of now.
    fn told_at(&self, now: MonoTime) -> Told {
        let passed = now.since(self.at);
        Told { reset: self.told.reset.map(|reset| reset.saturating_sub(passed)), ..self.told }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Why;
    use super::*;
    use crate::slots::Fingerprint;
    use core::time::Duration;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const CLIENT: Client = Client { limit: 0, fingerprint: Fingerprint(7) };
    const OTHER: Client = Client { limit: 0, fingerprint: Fingerprint(8) };

    const fn at(millis: u64) -> MonoTime {
        MonoTime::from_millis(millis)
    }

    fn told() -> Told {
        Told { limit: None, remaining: Some(9), reset: Some(Duration::from_secs(1)) }
    }

    fn exhausted() -> Shut {
        Shut { why: Why::Exhausted, cost: 2, until: at(300) }
    }

    #[test]
    fn tokens_are_spent_until_they_are_gone_or_too_old() {
        let mut purse = Purse::new();
        assert_eq!(purse.spend(CLIENT, 1, at(0)), None);
        assert_eq!(purse.keep(CLIENT, (3, at(100)), told(), at(0)), None);
        let Some(Spent::Tokens(left)) = purse.spend(CLIENT, 2, at(10)) else { panic!("must pay") };
        assert_eq!((left.remaining, left.reset), (Some(7), Some(Duration::from_millis(990))));
        assert_eq!(purse.spend(CLIENT, 2, at(10)), None, "too few");
        assert_eq!(purse.spend(OTHER, 1, at(10)), None);
        assert_eq!(purse.spend(CLIENT, 1, at(100)), None, "too old");
    }

    #[test]
    fn tokens_of_two_ages_are_all_spent_by_the_earlier_time() {
        let mut purse = Purse::new();
        purse.keep(CLIENT, (1, at(100)), told(), at(0));
        purse.keep(CLIENT, (1, at(200)), told(), at(0));
        assert_eq!(purse.empty(at(0)), [Left { client: CLIENT, tokens: 2, expires: at(100) }]);
        assert_eq!(purse.empty(at(0)), []);
    }

    #[test]
    fn a_refusal_is_remembered_until_it_is_over_and_for_what_costs_as_much() {
        let mut purse = Purse::new();
        purse.shut(CLIENT, exhausted(), told(), at(0));
        assert_eq!(purse.spend(CLIENT, 1, at(10)), None, "it may be enough for less");
        let left = Told { reset: Some(Duration::from_millis(990)), ..told() };
        assert_eq!(purse.spend(CLIENT, 2, at(10)), Some(Spent::Shut(exhausted(), left)));
        assert_eq!(purse.spend(CLIENT, 2, at(300)), None);
    }

    #[test]
    fn who_has_no_place_gets_tokens_back_to_give_away() {
        let mut purse = Purse::with_places(1);
        purse.keep(CLIENT, (1, at(100)), told(), at(0));
        let left = Left { client: OTHER, tokens: 4, expires: at(100) };
        assert_eq!(purse.keep(OTHER, (4, at(100)), told(), at(50)), Some(left));
        assert_eq!(purse.keep(OTHER, (4, at(150)), told(), at(100)), None, "what was there is over");
        assert_eq!(Purse::default().keep(CLIENT, (4, at(9)), told(), at(0)).map(|left| left.tokens), Some(4));
    }

    #[test]
    fn what_is_put_back_is_spent_again_unless_it_is_too_late() {
        let mut purse = Purse::new();
        purse.keep(CLIENT, (1, at(100)), told(), at(0));
        assert!(matches!(purse.spend(CLIENT, 1, at(0)), Some(Spent::Tokens(_))));
        assert!(purse.put_back(CLIENT, 1, at(50)));
        assert!(matches!(purse.spend(CLIENT, 1, at(50)), Some(Spent::Tokens(_))));
        assert!(!purse.put_back(CLIENT, 1, at(100)));
        assert!(!purse.put_back(OTHER, 1, at(50)));
    }
}
