use super::*;
use crate::protocol::{Input, Machine, Step, Version};
use crate::rewrite::Unfinished;
use crate::time::MonoTime;
use crate::vms::{Member, Slot, SlotState, View};
use std::rc::Rc;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn member(slot: u8) -> Member {
    Member { slot, epoch: 1 }
}

const fn second(seconds: u64) -> MonoTime {
    MonoTime::from_millis(seconds * 1_000)
}

fn list(waiters: &[(u8, u64)], view: &View) -> Waiters {
    let mut list = Waiters::default();
    for (slot, since) in waiters {
        list.set(member(*slot), Some(second(*since)), view);
    }
    list
}

/// A view in which slot 0 is dead and slot 1 is held.
fn zero_is_gone() -> View {
    let slot = |epoch, state| Slot { epoch, state, heartbeat: MonoTime::ZERO };
    View::of([slot(2, SlotState::Dead), slot(1, SlotState::Held)])
}

#[test]
fn a_line_keeps_order_and_says_when_to_settle() {
    let mut line = Line::default();
    assert!(line.join("first", second(1), second(9)));
    assert!(!line.join("second", second(2), second(5)));
    assert!(!line.join("third", second(3), second(9)));
    assert_eq!(line.next_expiry(), Some(second(5)));
    assert_eq!(line.expire(second(4)), [""; 0]);
    assert_eq!(line.expire(second(5)), ["second"]);
    assert!(!line.leave(&"third"), "the head is the same");
    assert!(!line.leave(&"third"), "it has left");
    assert!(line.leave(&"first"));
    assert!(line.is_empty() && line.next_expiry().is_none());
}

#[test]
fn whoever_waits_longest_and_lives_is_next() {
    let view = View::default();
    let waiters = list(&[(1, 5), (2, 4), (0, 3)], &view);
    assert_eq!(waiters.longest(&view, &[]), Some(member(0)));
    assert_eq!(waiters.longest(&zero_is_gone(), &[]), Some(member(2)), "slot 2 is not known to be gone");
    assert_eq!(waiters.longest(&zero_is_gone(), &[member(2)]), Some(member(1)));
    assert_eq!(Waiters::default().longest(&view, &[]), None);
}

#[test]
fn listing_drops_the_gone() {
    let mut waiters = list(&[(0, 3)], &View::default());
    assert!(waiters.set(member(1), Some(second(4)), &zero_is_gone()), "is newly on the list");
    assert!(!waiters.set(member(1), Some(second(5)), &zero_is_gone()), "was on it");
    assert_eq!((waiters.since(member(0)), waiters.since(member(1))), (None, Some(second(5))));
    assert_eq!(Waiters::decode(&waiters.encode()), Some(waiters));
}

#[test]
fn only_one_form_of_a_list_is_read() {
    let one = |slot: u8| [slot, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
    let value = |length: u8, list: &[[u8; 13]]| [&[1, length], &*list.concat()].concat();
    assert!(Waiters::decode(&value(2, &[one(1), one(2)])).is_some());
    for wrong in [
        value(2, &[one(2), one(1)]),
        value(2, &[one(1), one(1)]),
        value(1, &[one(64)]),
        value(1, &[]),
        vec![2, 0],
    ] {
        assert_eq!(Waiters::decode(&wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_waker_goes_down_the_list_until_a_queue_takes_the_message() {
    let value = list(&[(1, 5), (2, 4), (3, 3)], &View::default()).encode();
    let wake = || Wake::new("waiters", member(1), Rc::new(View::default()), |to: Member| vec![to.slot]);
    let read = || Input::Value { value: Some(value.clone()), version: Version::Of(1) };
    let send = |slot| Step::Send { slot, message: vec![slot] };

    let mut waking = wake();
    assert_eq!(waking.resume(Input::Start), Step::Get("waiters"));
    assert_eq!(waking.resume(read()), send(3));
    assert_eq!(waking.resume(Input::Sent(false)), send(2));
    assert_eq!(waking.clone().resume(Input::Sent(true)), Step::Done(Ok(Woken::Sent(member(2)))));
    assert_eq!(waking.resume(Input::Sent(false)), Step::Done(Ok(Woken::Own)));

    let mut handing_on = wake().except_me();
    handing_on.resume(Input::Start);
    handing_on.resume(read());
    handing_on.resume(Input::Sent(false));
    assert_eq!(handing_on.resume(Input::Sent(false)), Step::Done(Ok(Woken::Nobody)));

    let mut failing = wake();
    failing.resume(Input::Start);
    assert_eq!(failing.resume(Input::Failed), Step::Done(Err(Unfinished::Failed)));
}

/// An attempt that reads one byte: how many permits are free.
#[derive(Clone, Debug)]
struct Read;

impl Machine for Read {
    type Key = &'static str;
    type Output = Tried;

    fn resume(&mut self, input: Input) -> Step<&'static str, Tried> {
        match input {
            Input::Start => Step::Get("permit"),
            Input::Value { value: Some(_), .. } => Step::Done(Tried::Granted),
            Input::Value { .. } => Step::Done(Tried::Full),
            _ => Step::Done(Tried::Unknown),
        }
    }
}

impl Attempt for Read {
    fn tried(output: Tried) -> Tried {
        output
    }
}

fn settle(line: Line<u8>, because: Because) -> Settle<Read, u8> {
    Settle::new(Read, "waiters", member(1), Rc::new(View::default()), line, because)
}

fn free() -> Input {
    Input::Value { value: Some(vec![1]), version: Version::Of(1) }
}

fn nothing() -> Input {
    Input::Value { value: None, version: Version::Absent }
}

#[test]
fn whoever_has_just_been_listed_tries_once_more() {
    let mut line = Line::default();
    assert!(line.join(7, second(1), second(9)));
    let mut settling = settle(line, Because::LineChanged);
    assert_eq!(settling.resume(Input::Start), Step::Get("permit"));
    assert_eq!(settling.resume(nothing()), Step::Get("waiters"));
    assert!(matches!(settling.resume(nothing()), Step::Swap { key: "waiters", .. }));
    assert_eq!(settling.resume(Input::Swapped(true)), Step::Get("permit"), "once more");
    // It is free now: off the list again.
    assert_eq!(settling.resume(free()), Step::Get("waiters"));
    let Step::Swap { .. } = settling.resume(Input::Value {
        value: Some(list(&[(1, 1)], &View::default()).encode()),
        version: Version::Of(2),
    }) else {
        panic!("must leave the list")
    };
    let Step::Done(settled) = settling.resume(Input::Swapped(true)) else { panic!("must end") };
    assert_eq!((settled.admitted, settled.line.len(), settled.hand_on), (vec![7], 0, false));
}

#[test]
fn a_wake_up_for_nobody_is_handed_on() {
    for (because, hand_on) in
        [(Because::LineChanged, false), (Because::Woken, true), (Because::SomebodyGone, true)]
    {
        let Step::Done(settled) = settle(Line::default(), because).resume(Input::Start) else {
            panic!("must end")
        };
        assert_eq!((settled.hand_on, settled.again), (hand_on, false), "{because:?}");
    }
}

#[test]
fn a_wake_up_that_is_used_is_not_handed_on_but_one_lost_with_the_gone_is() {
    for (because, hand_on) in [(Because::Woken, false), (Because::SomebodyGone, true)] {
        let mut line = Line::default();
        assert!(line.join(7, second(1), second(9)));
        let mut settling = settle(line, because);
        settling.resume(Input::Start);
        let Step::Done(settled) = settling.resume(free()) else { panic!("must end") };
        assert_eq!((settled.admitted, settled.hand_on), (vec![7], hand_on), "{because:?}");
    }
}

#[test]
fn wake_ups_to_the_gone_are_remembered_until_they_are_safe() {
    let mut sent = Sent::default();
    sent.sent(member(0), "b", second(1));
    sent.sent(member(0), "a", second(1));
    sent.sent(member(1), "a", second(1));
    assert_eq!(sent.lost(&View::default(), second(12)), [""; 0]);
    assert_eq!(sent.lost(&zero_is_gone(), second(12)), ["a", "b"]);
    assert_eq!(sent.lost(&zero_is_gone(), second(12)), [""; 0], "once");
    assert_ne!(sent, Sent::default());
    assert_eq!(sent.lost(&View::default(), second(13)), [""; 0]);
    assert_eq!(sent, Sent::default(), "after eleven seconds the other has been seen to live");
}

#[test]
fn a_failing_store_keeps_the_line_and_asks_for_another_try() {
    let mut line = Line::default();
    assert!(line.join(7, second(1), second(9)));
    let mut settling = settle(line, Because::Woken);
    settling.resume(Input::Start);
    assert_eq!(settling.resume(Input::Failed), Step::Get("waiters"));
    let Step::Done(settled) = settling.resume(Input::Failed) else { panic!("must end") };
    assert_eq!((settled.line.len(), settled.again, settled.hand_on), (1, true, false));
}
