use super::*;
use crate::protocol::{Input, Machine, Step, Version};
use crate::response_cache::store::find::Find;
use crate::response_cache::store::policy::Eviction;
use crate::response_cache::store::shape::Shape;
use crate::vms::{Slot, SlotState, View};
use core::time::Duration;
use std::rc::Rc;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const WANTED: Fingerprint = Fingerprint(3);

const fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

const fn member(slot: u8) -> Member {
    Member { slot, epoch: 1 }
}

const fn waiter(token: u64, leader: u8) -> Waiter {
    Waiter { set: 0, key: WANTED, token, leader: member(leader) }
}

const fn parked(stream: u32, until: u64) -> Parked {
    Parked { stream, until: at(until) }
}

#[test]
fn the_requests_of_one_worker_wait_together_and_are_woken_in_order() {
    let mut flights = Flights::default();
    assert!(!flights.follow_known(WANTED, member(0), parked(1, 9), at(1)), "nobody fetches");
    flights.follow(waiter(5, 1), parked(1, 9), at(1));
    assert!(flights.follow_known(WANTED, member(0), parked(2, 9), at(1)));
    assert_eq!(flights.parked(), 2);
    assert_eq!(flights.wake(WANTED), Some((waiter(5, 1), vec![parked(1, 9), parked(2, 9)])));
    assert_eq!((flights.wake(WANTED), flights.parked()), (None, 0));
}

#[test]
fn requests_wait_for_what_their_own_worker_fetches_without_asking() {
    let mut flights = Flights::default();
    let leadership = Leadership { set: 0, key: WANTED, token: 5 };
    flights.lead(leadership);
    assert!(flights.leads() && flights.known(WANTED));
    assert!(flights.follow_known(WANTED, member(0), parked(1, 9), at(1)));
    flights.landed(&Leadership { token: 4, ..leadership });
    assert!(flights.leads(), "an earlier one has landed");
    flights.landed(&leadership);
    assert!(!flights.leads());
    assert_eq!(flights.wake(WANTED), Some((waiter(5, 0), vec![parked(1, 9)])));
}

#[test]
fn who_has_waited_long_enough_or_went_away_waits_no_more() {
    let mut flights = Flights::default();
    for (stream, until) in [(1, 5), (2, 9), (3, 4)] {
        flights.follow(waiter(5, 1), parked(stream, until), at(1));
    }
    assert_eq!(flights.next_due(), Some(at(4)));
    assert_eq!(flights.timed_out(at(5)), [parked(1, 5), parked(3, 4)]);
    assert!(flights.leave(2) && !flights.leave(2));
    assert_eq!((flights.parked(), flights.next_due(), flights.known(WANTED)), (0, None, false));
}

#[test]
fn a_leader_that_is_gone_is_suspected_at_once_and_a_silent_one_now_and_then() {
    let mut flights = Flights::default();
    flights.follow(waiter(5, 1), parked(1, 9_000), at(1_000));
    let every = Duration::from_millis(250);
    let mut suspects = |view: &View, millis| flights.suspects(view, at(millis), every);
    let alive = View::default();
    assert_eq!(suspects(&alive, 1_100), []);
    assert_eq!(suspects(&alive, 1_250), [(waiter(5, 1), at(1_000), Why::Silent)]);
    assert_eq!(suspects(&alive, 1_300), []);
    let slot = |epoch| Slot { epoch, state: SlotState::Held, heartbeat: at(1_000) };
    let gone = View::of([slot(1), slot(2)]);
    assert_eq!(suspects(&gone, 1_310), [(waiter(5, 1), at(1_000), Why::LeaderGone)]);
}

#[test]
fn a_pulse_counts_if_it_is_the_leaders_and_recent() {
    let pulse = |slot, millis| Pulse { of: member(slot), at: at(millis) }.encode();
    for (value, since, now, dead) in [
        (None, 1_000, 1_700, false),
        (None, 1_000, 1_701, true),
        (Some(pulse(1, 1_500)), 1_000, 2_200, false),
        (Some(pulse(1, 1_500)), 1_000, 2_201, true),
        (Some(pulse(2, 1_500)), 1_000, 2_000, true),
        (Some(b"foreign".to_vec()), 1_000, 2_000, true),
        (Some(pulse(1, 100)), 1_000, 1_500, false),
    ] {
        let is_dead = Pulse::is_dead(value.as_deref(), member(1), at(since), at(now));
        assert_eq!(is_dead, dead, "{value:?}, {since}, {now}");
    }
    assert_eq!(Pulse::decode(&pulse(1, 5)), Some(Pulse { of: member(1), at: at(5) }));
}

#[test]
fn the_policy_that_counts_requests_hears_of_who_leads() {
    for (eviction, count) in [(Eviction::Lfu, 1), (Eviction::Sieve, 0)] {
        let (shape, key) = (Shape::new(1 << 20, 32, 1 << 16, eviction), Fingerprint(9));
        let absent = Input::Value { value: None, version: Version::Absent };
        let Step::Done(Ok(found)) = Find::new(shape, key, at(1)).resume(absent) else {
            panic!("must be found")
        };
        let me = (member(0), Rc::new(View::default()));
        let mut join = Join::new(shape, (key, WANTED), found, me, at(1), Duration::from_secs(5));
        let Step::Swap { value, .. } = join.resume(Input::Start) else { panic!("must lead") };
        let index = Index::decode(&value).unwrap();
        assert_eq!((index.sketch.estimate(key), index.flights.len()), (count, 1), "{eviction:?}");
    }
}

#[test]
fn a_set_remembers_sixteen_marks() {
    let mut index = Index::default();
    for key in 0..20 {
        index.mark(Mark { key: Fingerprint(key), until: at(9), kind: MarkKind::Uncacheable });
        index.mark(Mark { key: Fingerprint(key), until: at(9), kind: MarkKind::Uncacheable });
    }
    let known = |key| index.mark_of(Fingerprint(key), at(8)).is_some();
    assert!(!known(3) && known(4) && known(19));
    assert_eq!(index.mark_of(Fingerprint(19), at(9)), None, "forgotten in time");
}
