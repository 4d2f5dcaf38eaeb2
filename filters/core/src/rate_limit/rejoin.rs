//! Permits of a worker that was declared dead and lives.
//!
//! A worker that was stalled for too long joins again under a new identity. What it held does not count any more,
//! but its requests are still in flight: so it adds their permits again under the new name, whether there is room
//! or not.

use super::SetKey;
use super::algorithm::Taken;
use super::settle::Charges;
use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};
use crate::time::MonoTime;
use crate::vms::{Member, View};
use std::rc::Rc;

/// The conversation that adds the permits of one request again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rejoin {
    charges: Charges,
    before: Member,
    me: Member,
    view: Rc<View>,
    now: MonoTime,
    at: usize,
    lost: u32,
    pending: Option<(u32, i64)>,
    over: u32,
    stored: Vec<(u16, i64)>,
}

/// What joining again came to for one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejoined {
    /// What is to be settled at the end of the request. Permits that could not be added again are not counted.
    pub charges: Charges,
    /// By how many permits, of all limits together, more are in flight than allowed.
    pub over: u32,
    /// By how much the number of stored entries has changed, by limit.
    pub stored: Vec<(u16, i64)>,
}

impl Charges {
    /// Adds the permits again that were taken as `before`, now as `me`.
    pub fn rejoin(self, before: Member, me: Member, view: Rc<View>, now: MonoTime) -> Rejoin {
        let (over, stored) = (0, Vec::new());
        Rejoin { charges: self, before, me, view, now, at: 0, lost: 0, pending: None, over, stored }
    }
}

impl Rejoin {
    /// Reads the set of the next permit, or ends.
    fn read(&mut self) -> Step<SetKey, Rejoined> {
        let permit = Taken::Permit(self.before);
        while let Some(charge) = self.charges.get(self.at) {
            if charge.taken == permit {
                return Step::Get(charge.key());
            }
            self.at += 1;
        }
        let (charges, stored) = (core::mem::take(&mut self.charges), core::mem::take(&mut self.stored));
        Step::Done(Rejoined { charges, over: self.over, stored })
    }

    fn next(&mut self) -> Step<SetKey, Rejoined> {
        (self.at, self.lost) = (self.at + 1, 0);
        self.read()
    }

    fn write(&mut self, bytes: Option<&[u8]>, version: Version) -> Step<SetKey, Rejoined> {
        let Some(charge) = self.charges.get(self.at) else { return self.read() };
        let (client, who) = (charge.client.fingerprint, (self.before, self.me));
        match charge.algorithm.readopt(bytes, client, who, &self.view, self.now) {
            Some((value, put, over)) => {
                let key = charge.key();
                self.pending = Some((over, put.stored));
                Step::Swap { key, version, value }
            }
            None => self.next(),
        }
    }

    fn written(&mut self) -> Step<SetKey, Rejoined> {
        let Some((over, stored)) = self.pending.take() else { return self.next() };
        self.over = self.over.saturating_add(over);
        if let Some(charge) = self.charges.get_mut(self.at) {
            charge.taken = Taken::Permit(self.me);
            if stored != 0 {
                self.stored.push((charge.client.limit, stored));
            }
        }
        self.next()
    }
}

impl Machine for Rejoin {
    type Key = SetKey;
    type Output = Rejoined;

    fn resume(&mut self, input: Input) -> Step<SetKey, Rejoined> {
        match input {
            Input::Start => self.read(),
            Input::Value { value, version } => self.write(value.as_deref(), version),
            Input::Swapped(true) => self.written(),
            Input::Swapped(false) => {
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS { self.next() } else { self.read() }
            }
            Input::Sent(_) | Input::Failed => self.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Admit, Algorithm, Ask, Situation};
    use super::*;
    use crate::rate_limit::token_lease::Leases;
    use crate::slots::Fingerprint;
    use crate::vms::{Slot, SlotState};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: MonoTime = MonoTime::from_millis(5_000);
    const OLD: Member = Member { slot: 0, epoch: 1 };
    const NEW: Member = Member { slot: 0, epoch: 3 };
    const OTHER: Member = Member { slot: 1, epoch: 1 };

    fn run<M: Machine<Key = SetKey>>(value: &mut Option<Vec<u8>>, mut machine: M) -> M::Output {
        let mut input = Input::Start;
        loop {
            input = match machine.resume(input) {
                Step::Done(output) => return output,
                Step::Get(_) => Input::Value { value: value.clone(), version: Version::Of(1) },
                Step::Swap { value: new, .. } => {
                    *value = Some(new);
                    Input::Swapped(true)
                }
                Step::Send { .. } => panic!("nothing is sent"),
            };
        }
    }

    /// Who knows that the first was declared dead.
    fn view() -> Rc<View> {
        let slot = |epoch| Slot { epoch, state: SlotState::Held, heartbeat: NOW };
        Rc::new(View::of([slot(3), slot(1)]))
    }

    fn admit(value: &mut Option<Vec<u8>>, me: Member, view: Rc<View>) -> (bool, Charges) {
        let algorithm = Algorithm::Concurrency { most: 1 };
        let client = Fingerprint(7);
        let ask = Ask { limit: 0, set: 0, client, algorithm, cost: 1, enforced: true, refundable: false };
        let (workers, allow_on_error, name_all) = (2, false, false);
        let situation = Situation { now: NOW, me: Some(me), view, workers, allow_on_error, name_all };
        let admitted = run(value, Admit::new([ask], situation, Leases::default()));
        (admitted.decision.passes(), admitted.charges)
    }

    fn settle(value: &mut Option<Vec<u8>>, charges: Charges) {
        let settle = charges.settle(|_| true, &mut Leases::default(), NOW);
        assert!(run(value, settle).failed.is_empty());
    }

    #[test]
    fn what_is_still_in_flight_counts_again_and_the_overshoot_is_told() {
        let mut value = None;
        let (_, charges) = admit(&mut value, OLD, Rc::new(View::default()));
        // Another sees the first die, and takes its place.
        let (passes, others) = admit(&mut value, OTHER, view());
        assert!(passes);
        let rejoined = run(&mut value, charges.rejoin(OLD, NEW, view(), NOW));
        assert_eq!(rejoined.over, 1);
        settle(&mut value, others);
        assert!(!admit(&mut value, OTHER, view()).0, "the first is still in flight");
        settle(&mut value, rejoined.charges);
        assert!(admit(&mut value, OTHER, view()).0);
    }

    #[test]
    fn a_permit_that_could_not_be_added_again_takes_nobodys_away() {
        let mut value = None;
        let (_, charges) = admit(&mut value, OLD, Rc::new(View::default()));
        let mut rejoin = charges.rejoin(OLD, NEW, view(), NOW);
        assert!(matches!(rejoin.resume(Input::Start), Step::Get(_)));
        let Step::Done(rejoined) = rejoin.resume(Input::Failed) else { panic!("must end") };
        let (passes, _in_flight) = admit(&mut value, NEW, view());
        assert!(passes);
        settle(&mut value, rejoined.charges);
        assert!(!admit(&mut value, OTHER, view()).0, "the second is still in flight");
    }
}
