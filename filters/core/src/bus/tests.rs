use super::*;
use crate::protocol::{Input, Machine, Step};
use crate::time::MonoTime;
use crate::vms::{Slot, SlotState, View};
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn member(slot: u8) -> Member {
    Member { slot, epoch: 1 }
}

const fn second(seconds: u64) -> MonoTime {
    MonoTime::from_millis(seconds * 1_000)
}

fn view(epochs: &[u32]) -> View {
    View::of(epochs.iter().map(|epoch| Slot { epoch: *epoch, state: SlotState::Held, heartbeat: second(1) }))
}

fn broadcast(outbox: &mut Outbox) -> Broadcast {
    Broadcast::new(
        outbox,
        3,
        b"all".to_vec(),
        &view(&[1, 1, 1]),
        second(1),
        Duration::from_secs(1),
        second(5),
    )
}

/// Runs a delivery to its end; the slots in `without` have no queue.
fn run(mut delivery: Delivery, without: &[u8]) -> (Vec<(u8, Vec<u8>)>, Vec<u8>) {
    let (mut sent, mut input) = (Vec::new(), Input::Start);
    loop {
        match delivery.resume(input) {
            Step::Send { slot, message } => {
                input = Input::Sent(!without.contains(&slot));
                sent.push((slot, message));
            }
            Step::Done(unsent) => return (sent, unsent),
            step => unreachable!("{step:?}"),
        }
    }
}

#[test]
fn a_broadcast_goes_to_all_others_and_ends_when_all_have_acknowledged() {
    let mut outbox = Outbox::new(member(0));
    let mut broadcast = broadcast(&mut outbox);
    let (sent, unsent) = run(broadcast.delivery(), &[]);
    assert_eq!((sent.len(), unsent.len()), (2, 0));
    for (slot, bytes) in sent {
        let mut inbox = Inbox::new(member(slot));
        let received = inbox.receive(&bytes, &View::default());
        let Received::Tell { from, kind: 3, ref payload, ref ack } = received else { panic!("{received:?}") };
        assert_eq!((from, &**payload), (member(0), &b"all"[..]));
        assert_eq!(broadcast.outcome(&view(&[1, 1, 1]), second(2)), None);
        let Received::Ack { from, id } = Inbox::new(member(0)).receive(ack, &View::default()) else {
            panic!("must be an acknowledgement")
        };
        broadcast.acknowledge(from, id);
        broadcast.acknowledge(from, id);
    }
    assert_eq!(broadcast.outcome(&view(&[1, 1, 1]), second(2)), Some(Outcome::AllAcknowledged(2)));
}

#[test]
fn who_has_not_acknowledged_is_told_again_until_the_deadline() {
    let mut broadcast = broadcast(&mut Outbox::new(member(0)));
    assert_eq!(run(broadcast.delivery(), &[2]).1, [2]);
    broadcast.acknowledge(member(1), broadcast.id());
    broadcast.acknowledge(member(2), broadcast.id() + 1);
    assert_eq!(broadcast.resend(second(1)), None);
    let (sent, _) = run(broadcast.resend(second(2)).unwrap(), &[]);
    assert_eq!(sent.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [2]);
    assert_eq!(broadcast.resend(second(2)), None, "not before the next time");
    assert_eq!(broadcast.resend(second(5)), None, "not after the deadline");
    assert_eq!(broadcast.outcome(&View::default(), second(4)), None);
    assert_eq!(broadcast.outcome(&View::default(), second(5)), Some(Outcome::Missing(vec![member(2)])));
}

#[test]
fn the_gone_are_not_waited_for() {
    let mut broadcast = broadcast(&mut Outbox::new(member(0)));
    broadcast.acknowledge(member(1), broadcast.id());
    assert_eq!(broadcast.outcome(&view(&[1, 1, 2]), second(2)), Some(Outcome::AllAcknowledged(1)));
}

#[test]
fn alone_a_broadcast_is_over_at_once() {
    let mut outbox = Outbox::new(member(0));
    let mut broadcast =
        Broadcast::new(&mut outbox, 0, vec![], &view(&[1]), second(1), Duration::ZERO, second(5));
    assert_eq!(run(broadcast.delivery(), &[]), (vec![], vec![]));
    assert_eq!(broadcast.outcome(&View::default(), second(1)), Some(Outcome::AllAcknowledged(0)));
}

fn tell(to: Member, from: Member, id: u64) -> Vec<u8> {
    Message { to, from, id, body: Body::Tell { kind: 0, payload: vec![] } }.encode()
}

#[test]
fn what_comes_again_is_acknowledged_without_a_second_effect() {
    let mut inbox = Inbox::new(member(1));
    let mut receive = |id| inbox.receive(&tell(member(1), member(0), id), &View::default());
    assert!(matches!(receive(2), Received::Tell { .. }));
    assert!(matches!(receive(1), Received::Tell { .. }), "order does not matter");
    assert!(matches!(receive(2), Received::Again { .. }));
}

#[test]
fn a_forgotten_message_has_no_effect_and_no_acknowledgement() {
    let mut inbox = Inbox::new(member(1));
    for id in 1..=REMEMBERED as u64 + 1 {
        let received = inbox.receive(&tell(member(1), member(0), id), &View::default());
        assert!(matches!(received, Received::Tell { .. }), "{id}");
    }
    let forgotten = inbox.receive(&tell(member(1), member(0), 1), &View::default());
    assert_eq!(forgotten, Received::Dropped(Dropped::Forgotten));
    assert!(matches!(
        inbox.receive(&tell(member(1), member(0), 2), &View::default()),
        Received::Again { .. }
    ));
    inbox.forget_gone(&view(&[2]));
    assert_eq!(inbox, Inbox::new(member(1)));
}

#[test]
fn messages_of_and_for_others_are_dropped_by_name() {
    let me = Member { slot: 1, epoch: 2 };
    let mut inbox = Inbox::new(me);
    for (bytes, dropped) in [
        (tell(Member { slot: 1, epoch: 1 }, member(0), 1), Dropped::NotForMe),
        (tell(Member { slot: 2, epoch: 2 }, member(0), 1), Dropped::NotForMe),
        (tell(me, member(0), 1), Dropped::SenderGone),
        (b"foreign".to_vec(), Dropped::Unreadable),
        (tell(Member { slot: 64, epoch: 2 }, member(0), 1), Dropped::Unreadable),
        ([tell(me, member(0), 1), vec![0]].concat(), Dropped::Unreadable),
    ] {
        assert_eq!(inbox.receive(&bytes, &view(&[2])), Received::Dropped(dropped), "{bytes:?}");
    }
}

#[test]
fn a_wake_up_outlives_its_sender() {
    let wake = Outbox::new(member(0)).wake(member(1), b"permit");
    assert_eq!(
        Inbox::new(member(1)).receive(&wake, &view(&[2])),
        Received::Wake { permit: b"permit".to_vec() }
    );
}
