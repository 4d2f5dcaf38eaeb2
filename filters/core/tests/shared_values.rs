//! What workers share is decoded totally, and read back as it was written; permits are counted as a plain list would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::bus::{Body, Inbox, Message};
use ballast_core::lease::Lease;
use ballast_core::parking::Waiters;
use ballast_core::permits::Holders;
use ballast_core::plane::{Facts, Overload, Record};
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, Slot, SlotState, View};
use proptest::collection::vec;
use proptest::prelude::*;

fn member() -> impl Strategy<Value = Member> {
    (0..64_u8, any::<u32>()).prop_map(|(slot, epoch)| Member { slot, epoch })
}

fn time() -> impl Strategy<Value = MonoTime> {
    any::<u64>().prop_map(MonoTime::from_nanos)
}

fn slot() -> impl Strategy<Value = Slot> {
    let state = prop_oneof![Just(SlotState::Free), Just(SlotState::Held), Just(SlotState::Dead)];
    (any::<u32>(), state, time()).prop_map(|(epoch, state, heartbeat)| Slot { epoch, state, heartbeat })
}

fn message() -> impl Strategy<Value = Message> {
    let body = prop_oneof![
        (any::<u8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, payload)| Body::Tell { kind, payload }),
        Just(Body::Ack),
        vec(any::<u8>(), 0..20).prop_map(|permit| Body::Wake { permit }),
    ];
    (member(), member(), any::<u64>(), body).prop_map(|(to, from, id, body)| Message { to, from, id, body })
}

fn record() -> impl Strategy<Value = Record> {
    (time(), member(), 0..4_u8, any::<bool>(), any::<bool>()).prop_map(
        |(published, by, level, draining, critical_breaker_open)| {
            let overload = Overload::from_level(level).unwrap();
            Record { published, by, facts: Facts { overload, draining, critical_breaker_open } }
        },
    )
}

/// Bytes that no decoder expects, half of them with the right version in front.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..80),
        vec(0..3_u8, 0..80).prop_map(|tail| [vec![1], tail].concat()),
        (message(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(message, at, byte)| {
            let mut bytes = message.encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_absent_and_what_is_read_has_one_form(bytes in bytes()) {
        prop_assert!(Slot::decode(&bytes).is_none_or(|slot| slot.encode() == bytes));
        prop_assert!(Holders::decode(&bytes).is_none_or(|holders| holders.encode() == bytes));
        prop_assert!(Waiters::decode(&bytes).is_none_or(|waiters| waiters.encode() == bytes));
        prop_assert!(Message::decode(&bytes).is_none_or(|message| message.encode() == bytes));
        prop_assert!(Lease::decode(&bytes).is_none_or(|lease| lease.encode() == bytes));
        prop_assert!(Record::decode(&bytes).is_none_or(|record| record.encode() == bytes));
        // Whatever stands in a queue, an inbox has an answer.
        let _received = Inbox::new(Member { slot: 0, epoch: 1 }).receive(&bytes, &View::default());
    }

    #[test]
    fn what_was_written_is_read_back(slot in slot(), message in message(), record in record(),
        holder in member(), token in any::<u64>(), until in time()) {
        prop_assert_eq!(Slot::decode(&slot.encode()), Some(slot));
        prop_assert_eq!(Message::decode(&message.encode()), Some(message));
        prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        let lease = Lease { holder, token, until };
        prop_assert_eq!(Lease::decode(&lease.encode()), Some(lease));
    }

    #[test]
    fn whatever_a_slot_holds_its_silence_and_its_holder_can_be_asked(slot in slot(), now in time(), member in member()) {
        let _silent = slot.is_silent(now);
        let view = View::of([slot]);
        // Nobody is both a member and gone.
        prop_assert!(!view.members().any(|member| view.is_gone(member)));
        prop_assert!(member.slot == 0 || !view.is_gone(member));
    }

    #[test]
    fn permits_are_counted_as_a_plain_list_would(most in 0..6_u32, moves in vec((0..4_u8, any::<bool>()), 0..60)) {
        let (mut holders, mut held) = (Holders::default(), Vec::new());
        for (slot, acquires) in moves {
            let me = Member { slot, epoch: 1 };
            if acquires {
                let free = held.len() < most as usize;
                prop_assert_eq!(holders.acquire(me, most, &View::default()).is_ok(), free);
                if free {
                    held.push(me);
                }
            } else {
                let at = held.iter().position(|holder| *holder == me);
                prop_assert_eq!(holders.release(me), at.is_some());
                at.map(|at| held.swap_remove(at));
            }
            prop_assert_eq!(holders.in_flight() as usize, held.len());
            prop_assert_eq!(holders.is_empty(), held.is_empty());
            let decoded = Holders::decode(&holders.encode());
            prop_assert_eq!(decoded.as_ref(), Some(&holders));
        }
    }
}
