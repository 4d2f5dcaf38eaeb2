use super::*;
use crate::bus::{Delivery, Dropped};
use crate::protocol::{Input, Machine, Step};
use crate::time::MonoTime;
use crate::vms::{Member, Slot, SlotState, View};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ME: Member = Member { slot: 5, epoch: 1 };

const fn member(slot: u8) -> Member {
    Member { slot, epoch: 1 }
}

const fn millis(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

/// A registry in which the slots have these epochs.
fn view(epochs: &[u32]) -> View {
    let slot = |epoch: &u32| Slot { epoch: *epoch, state: SlotState::Held, heartbeat: MonoTime::ZERO };
    View::of(epochs.iter().map(slot))
}

fn admin() -> Address {
    Address { filter: "admin".to_owned(), namespace: "local".to_owned() }
}

fn order() -> Order {
    let (name, rule, who) = ("reset".to_owned(), "payments".to_owned(), "ops".to_owned());
    Order { name, rule, who, arguments: b"{}".to_vec() }
}

fn dispatch(audience: Audience, view: &View) -> Dispatch {
    Dispatch::new(7, ME, admin(), order(), audience, view, MonoTime::ZERO, millis(5_000))
}

fn sent(mut delivery: Delivery) -> Vec<(u8, Vec<u8>)> {
    let (mut sent, mut input) = (Vec::new(), Input::Start);
    while let Step::Send { slot, message } = delivery.resume(input) {
        sent.push((slot, message));
        input = Input::Sent(true);
    }
    sent
}

fn slots(delivery: Option<Delivery>) -> Vec<u8> {
    delivery.map(sent).unwrap_or_default().into_iter().map(|(slot, _)| slot).collect()
}

fn execute(inbox: &mut Inbox, bytes: &[u8], result: Result<Vec<u8>, Refusal>) -> Vec<u8> {
    let Received::Order { reply_to, from, id, .. } = inbox.receive(bytes) else { panic!("must be an order") };
    inbox.answer(&reply_to, from, id, result)
}

fn take(dispatch: &mut Dispatch, bytes: &[u8]) {
    let Received::Answer { from, id, result } = Inbox::new(ME).receive(bytes) else { panic!("an answer") };
    dispatch.answered(from, id, result);
}

#[test]
fn all_execute_one_leads_and_the_sender_has_their_answers() {
    let view = view(&[1, 1, 1]);
    let mut dispatch = dispatch(Audience::All, &view);
    let mut leaders = Vec::new();
    for (slot, bytes) in sent(dispatch.delivery()) {
        assert_eq!(dispatch.outcome(&view, millis(1)), None);
        let mut inbox = Inbox::new(member(slot));
        if let Received::Order { order: received, leads, issued, reply_to, .. } = inbox.receive(&bytes) {
            assert_eq!((received, issued, reply_to), (order(), MonoTime::ZERO, admin()));
            leaders.extend(leads.then_some(slot));
        }
        let result = if slot == 1 { Err("unknown rule".to_owned()) } else { Ok(vec![slot]) };
        let answer = execute(&mut inbox, &bytes, result);
        take(&mut dispatch, &answer);
        take(&mut dispatch, &answer);
    }
    assert_eq!(leaders, [0]);
    let answer = |slot, leads, result| Answer { by: member(slot), leads, result };
    let expected = vec![
        answer(0, true, Ok(vec![0])),
        answer(1, false, Err("unknown rule".to_owned())),
        answer(2, false, Ok(vec![2])),
    ];
    assert_eq!(dispatch.outcome(&view, millis(1)), Some(Outcome::Done(expected)));
}

#[test]
fn what_comes_again_is_answered_again_and_not_executed() {
    let bytes = sent(dispatch(Audience::All, &view(&[1])).delivery()).remove(0).1;
    let mut inbox = Inbox::new(member(0));
    let answer = execute(&mut inbox, &bytes, Ok(b"{}".to_vec()));
    assert_eq!(inbox.receive(&bytes), Received::Again { reply_to: admin(), from: ME, answer });
    assert_eq!(Inbox::new(member(1)).receive(&bytes), Received::Dropped(Dropped::NotForMe));
    assert_eq!(inbox.receive(&bytes[1..]), Received::Dropped(Dropped::Unreadable));
}

#[test]
fn what_is_forgotten_is_neither_executed_nor_answered() {
    let mut inbox = Inbox::new(member(0));
    let bytes = |id| {
        let body = Body::Order { order: order(), leads: true, issued: MonoTime::ZERO, reply_to: admin() };
        Parcel { to: member(0), from: ME, id, body }.encode()
    };
    for id in 1..=33 {
        execute(&mut inbox, &bytes(id), Ok(Vec::new()));
    }
    assert_eq!(inbox.receive(&bytes(1)), Received::Dropped(Dropped::Forgotten));
    assert!(matches!(inbox.receive(&bytes(2)), Received::Again { .. }));
    // Large answers are forgotten sooner.
    execute(&mut inbox, &bytes(34), Ok(vec![0; MOST_ANSWER_BYTES]));
    assert_eq!(inbox.receive(&bytes(34)), Received::Dropped(Dropped::Forgotten));
    assert!(matches!(inbox.receive(&bytes(35)), Received::Order { .. }));
}

#[test]
fn who_does_not_answer_is_told_again_until_time_is_up_and_is_missing_then() {
    let view = view(&[1, 1]);
    let mut dispatch = dispatch(Audience::All, &view);
    dispatch.answered(member(0), 7, Ok(Vec::new()));
    assert_eq!(slots(dispatch.resend(millis(249))), [0; 0]);
    assert_eq!(slots(dispatch.resend(millis(250))), [1]);
    assert_eq!(slots(dispatch.resend(millis(499))), [0; 0]);
    assert_eq!(dispatch.outcome(&view, millis(4_999)), None);
    assert_eq!(slots(dispatch.resend(millis(5_000))), [0; 0]);
    let answers = vec![Answer { by: member(0), leads: true, result: Ok(Vec::new()) }];
    let missing = Outcome::Missing { answers, missing: vec![member(1)] };
    assert_eq!(dispatch.outcome(&view, millis(5_000)), Some(missing));
}

#[test]
fn the_gone_are_not_waited_for_unless_they_were_to_lead() {
    let before = view(&[1, 1]);
    let mut followed = dispatch(Audience::All, &before);
    followed.answered(member(0), 7, Ok(Vec::new()));
    assert!(
        matches!(followed.outcome(&view(&[1, 2]), millis(1)), Some(Outcome::Done(answers)) if answers.len() == 1)
    );
    let mut leaderless = dispatch(Audience::All, &before);
    leaderless.answered(member(1), 7, Ok(Vec::new()));
    let outcome = leaderless.outcome(&view(&[2, 1]), millis(1));
    assert!(matches!(outcome, Some(Outcome::Missing { missing, .. }) if missing == [member(0)]));
}

#[test]
fn an_order_for_one_goes_to_the_next_when_the_first_is_silent_or_gone() {
    let all = view(&[1, 1, 1]);
    let mut silent = dispatch(Audience::One, &all);
    assert_eq!(slots(Some(silent.delivery())), [0]);
    assert_eq!(slots(silent.resend(millis(1_000))), [0, 1]);
    silent.answered(member(1), 7, Ok(Vec::new()));
    let answer = Answer { by: member(1), leads: true, result: Ok(Vec::new()) };
    assert_eq!(silent.outcome(&all, millis(1_001)), Some(Outcome::Done(vec![answer])));
    let mut gone = dispatch(Audience::One, &all);
    assert_eq!(gone.outcome(&view(&[2, 2, 1]), millis(1)), None);
    assert_eq!(slots(gone.resend(millis(2))), [2]);
    assert_eq!(gone.outcome(&view(&[2, 2, 2]), millis(3)), Some(Outcome::Nobody));
}

#[test]
fn an_order_that_nobody_is_there_for_says_so() {
    for audience in [Audience::All, Audience::One] {
        assert_eq!(
            dispatch(audience, &View::default()).outcome(&View::default(), millis(0)),
            Some(Outcome::Nobody)
        );
    }
}
