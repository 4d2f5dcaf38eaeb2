use super::*;
use crate::vms::{Slot, SlotState};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn member(slot: u8, epoch: u32) -> Member {
    Member { slot, epoch }
}

/// A view in which slot 0 is in epoch 2, dead, and slots 1 and 2 are held in epoch 1.
fn view() -> View {
    let slot = |epoch, state| Slot { epoch, state, heartbeat: crate::time::MonoTime::ZERO };
    View::of([slot(2, SlotState::Dead), slot(1, SlotState::Held), slot(1, SlotState::Held)])
}

#[test]
fn at_most_so_many_are_held_and_each_is_given_back_once() {
    let (mut holders, view) = (Holders::default(), View::default());
    assert_eq!(holders.acquire(member(1, 1), 2, &view), Ok(()));
    assert_eq!(holders.acquire(member(2, 1), 2, &view), Ok(()));
    assert_eq!(holders.acquire(member(1, 1), 2, &view), Err(Full { in_flight: 2 }));
    assert!(holders.release(member(1, 1)));
    assert!(!holders.release(member(1, 1)), "it held one");
    assert_eq!((holders.in_flight(), holders.held_by(member(2, 1))), (1, 1));
    assert!(holders.release(member(2, 1)) && holders.is_empty());
    assert_eq!(holders, Holders::default(), "an empty one equals a fresh one");
}

#[test]
fn no_permits_means_none() {
    assert_eq!(Holders::default().acquire(member(1, 1), 0, &View::default()), Err(Full { in_flight: 0 }));
}

#[test]
fn what_the_gone_held_is_free_again() {
    let mut holders = Holders::default();
    assert_eq!(holders.acquire(member(0, 1), 1, &View::default()), Ok(()));
    assert_eq!(holders.acquire(member(1, 1), 1, &View::default()), Err(Full { in_flight: 1 }));
    assert_eq!(holders.acquire(member(1, 1), 1, &view()), Ok(()));
    assert!(!holders.release(member(0, 1)), "nothing of it is left");
}

#[test]
fn nobody_drops_its_own_share() {
    let mut holders = Holders::default();
    assert_eq!(holders.acquire(member(0, 1), 2, &view()), Ok(()));
    assert_eq!(holders.acquire(member(0, 1), 2, &view()), Ok(()));
    assert_eq!(holders.acquire(member(0, 1), 2, &view()), Err(Full { in_flight: 2 }));
}

#[test]
fn readopted_permits_count_again_and_tell_the_overshoot() {
    let mut holders = Holders::default();
    holders.acquire(member(0, 1), 1, &View::default()).unwrap();
    holders.acquire(member(1, 1), 1, &view()).unwrap();
    let edit = Readopting { before: member(0, 1), me: member(0, 3), held: 1, most: 1, view: Rc::new(view()) };
    let Edited::Replace(value, over) = edit.edit(Some(&holders.encode())) else { panic!("must write") };
    assert_eq!(over, 1);
    let holders = Holders::decode(&value).unwrap();
    assert_eq!((holders.in_flight(), holders.held_by(member(0, 3))), (2, 1));
}

#[test]
fn readopting_before_anybody_noticed_counts_once() {
    let mut holders = Holders::default();
    holders.acquire(member(0, 1), 3, &View::default()).unwrap();
    assert_eq!(holders.readopt(member(0, 1), member(0, 3), 1, &View::default()), 1);
    assert_eq!(
        holders.readopt(member(0, 3), member(0, 5), 0, &View::default()),
        0,
        "nothing held, nothing listed"
    );
    assert!(holders.is_empty());
}

#[test]
fn a_list_that_is_full_refuses_newcomers() {
    let mut holders = Holders::default();
    for epoch in 0..255 {
        assert_eq!(holders.acquire(member(1, epoch), 1_000, &View::default()), Ok(()));
    }
    assert_eq!(holders.acquire(member(1, 255), 1_000, &View::default()), Err(Full { in_flight: 255 }));
    assert_eq!(holders.acquire(member(1, 254), 1_000, &View::default()), Ok(()));
    assert_eq!(Holders::decode(&holders.encode()), Some(holders));
}

#[test]
fn only_one_form_of_a_value_is_read() {
    let one = |slot: u8, epoch: u8, count: u8| [slot, epoch, 0, 0, 0, count, 0, 0, 0];
    let value = |length: u8, holders: &[[u8; 9]]| [&[1, length], &*holders.concat()].concat();
    assert!(Holders::decode(&value(2, &[one(1, 1, 1), one(2, 1, 1)])).is_some());
    for (wrong, bytes) in [
        ("out of order", value(2, &[one(2, 1, 1), one(1, 1, 1)])),
        ("twice", value(2, &[one(1, 1, 1), one(1, 1, 1)])),
        ("none held", value(1, &[one(1, 1, 0)])),
        ("no such slot", value(1, &[one(64, 1, 1)])),
        ("cut", value(2, &[one(1, 1, 1)])),
        ("longer", value(0, &[one(1, 1, 1)])),
        ("of another version", vec![2, 0]),
    ] {
        assert_eq!(Holders::decode(&bytes), None, "{wrong}");
    }
}
