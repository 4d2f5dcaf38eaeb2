//! Reports, events, metrics and orders under any bytes, and as they were written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use ballast_core::catalogue::{Buckets, Catalogue, Gathering, Kind, Listing};
use ballast_core::events::{Event, Noting, Ring};
use ballast_core::orders::{Address, Body, Inbox, Order, Parcel};
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::status::{Draft, MOST_BYTES, Record, VmRecord};
use ballast_core::time::MonoTime;
use ballast_core::vms::Member;
use proptest::collection::vec;
use proptest::prelude::*;

fn member() -> impl Strategy<Value = Member> {
    (0..64_u8, any::<u32>()).prop_map(|(slot, epoch)| Member { slot, epoch })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-z-]{0,12}", 1 => ".{0,80}"]
}

fn parcel() -> impl Strategy<Value = Parcel> {
    let order = (text(), text(), text(), vec(any::<u8>(), 0..40), any::<bool>(), any::<u64>());
    let body = prop_oneof![
        order.prop_map(|(name, rule, who, arguments, leads, issued)| Body::Order {
            reply_to: Address { filter: name.clone(), namespace: rule.clone() },
            order: Order { name, rule, who, arguments },
            leads,
            issued: MonoTime::from_nanos(issued),
        }),
        vec(any::<u8>(), 0..40).prop_map(|json| Body::Answer(Ok(json))),
        text().prop_map(|reason| Body::Answer(Err(reason))),
    ];
    (member(), member(), any::<u64>(), body).prop_map(|(to, from, id, body)| Parcel { to, from, id, body })
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), text(), text(), text(), "[a-z_]{1,20}", text()).prop_map(
        |(at, filter, namespace, rule, kind, what)| Event {
            number: 0,
            at: MonoTime::from_nanos(at),
            filter,
            namespace,
            rule,
            kind,
            what,
            who: String::new(),
        },
    )
}

fn written<E: Edit>(edit: &E, old: Option<&[u8]>) -> Vec<u8> {
    match edit.edit(old) {
        Edited::Replace(value, _) => value,
        Edited::Keep(_) => old.unwrap_or_default().to_vec(),
    }
}

/// Bytes that no decoder expects, many of them with a right version in front or one byte off.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..80),
        vec(0..3_u8, 0..260).prop_map(|tail| [vec![1], tail].concat()),
        vec(0..3_u8, 0..80).prop_map(|tail| [vec![0x81], tail].concat()),
        (parcel(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(parcel, at, byte)| {
            let mut bytes = parcel.encode();
            let at = at.index(bytes.len());
            *bytes.get_mut(at).unwrap() = byte;
            bytes
        }),
        (vec(event(), 1..4), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(events, at, byte)| {
            let mut bytes = written(&Noting(events), None);
            let at = at.index(bytes.len());
            *bytes.get_mut(at).unwrap() = byte;
            bytes
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_absent_and_what_is_read_has_one_form(bytes in bytes()) {
        prop_assert!(Record::decode(&bytes).is_none_or(|record| record.encode() == bytes));
        prop_assert!(VmRecord::decode(&bytes).is_none_or(|record| record.encode() == bytes));
        prop_assert!(Catalogue::decode(&bytes).is_none_or(|catalogue| catalogue.encode() == bytes));
        prop_assert!(Buckets::decode(&bytes).is_none_or(|buckets| buckets.encode() == bytes));
        prop_assert!(Ring::decode(&bytes).is_none_or(|ring| ring.encode() == bytes));
        prop_assert!(Parcel::decode(&bytes).is_none_or(|parcel| parcel.encode() == bytes));
        // Whatever stands in a queue, an inbox has an answer.
        let _received = Inbox::new(Member { slot: 0, epoch: 1 }).receive(&bytes);
    }

    #[test]
    fn what_was_written_is_read_back(parcel in parcel(), by in member(), published in any::<u64>(),
        truncated in any::<bool>(), json in vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(Parcel::decode(&parcel.encode()), Some(parcel));
        let record = Record { published: MonoTime::from_nanos(published), by, truncated, json };
        prop_assert_eq!(Record::decode(&record.encode()), Some(record));
    }

    #[test]
    fn the_ring_is_readable_whatever_is_noted_and_loses_no_number(parts in vec(vec(event(), 0..60), 0..8)) {
        let (mut value, mut count) = (None, 0);
        for part in parts {
            count += part.len();
            value = Some(written(&Noting(part), value.as_deref()));
        }
        let ring = Ring::read(value.as_deref());
        prop_assert_eq!(ring.last(), u64::try_from(count).unwrap());
        let numbers: Vec<u64> = ring.into_events().iter().map(|event| event.number).collect();
        let first = count.saturating_sub(256) + 1;
        prop_assert!(numbers.into_iter().eq((first..=count).map(|number| u64::try_from(number).unwrap())));
    }

    #[test]
    fn buckets_lose_nothing_however_they_are_gathered(parts in vec(vec(0..2_000_000_000_u64, 0..20), 0..10)) {
        let (mut whole, mut value) = (Buckets::default(), None);
        for part in &parts {
            let mut buckets = Buckets::default();
            for recorded in part {
                buckets.record(*recorded);
                whole.record(*recorded);
            }
            value = Some(written(&Gathering(buckets), value.as_deref()));
        }
        let gathered = Buckets::read(value.as_deref());
        prop_assert_eq!(gathered.count(), u64::try_from(parts.concat().len()).unwrap());
        for (bound, below) in gathered.cumulative() {
            let naive = parts.concat().iter().filter(|recorded| **recorded <= bound).count();
            prop_assert_eq!(below, u64::try_from(naive).unwrap(), "at most {}", bound);
        }
        prop_assert_eq!(gathered, whole);
    }

    #[test]
    fn a_catalogue_holds_what_every_root_has_listed(names in vec(("[a-z.;=]{1,30}", 0..3_u8), 0..40)) {
        let mut value = None;
        for (name, kind) in &names {
            let mut one = Catalogue::default();
            one.add(name, [Kind::Counter, Kind::Gauge, Kind::Histogram][usize::from(*kind)]);
            value = Some(written(&Listing(one), value.as_deref()));
        }
        let all = Catalogue::read(value.as_deref());
        prop_assert!(names.iter().all(|(name, _)| all.iter().any(|(listed, _)| listed == name)));
    }

    #[test]
    fn a_report_is_valid_json_within_its_bound(namespace in ".{0,20}", rules in vec(".{0,60}", 0..40), most in 200..3_000_usize) {
        let mut draft = Draft::new(&serde_json::json!({"mode": "enforce"}));
        for rule in &rules {
            draft.rule(&serde_json::json!({"name": rule}));
        }
        let (json, left_out) = draft.finish("demo", &namespace, most);
        prop_assert!(json.len() <= most.max(300) && json.len() <= MOST_BYTES);
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let shown = read["rules"].as_array().unwrap().len();
        prop_assert_eq!(shown + left_out, rules.len());
        prop_assert_eq!(read["namespace"].as_str(), Some(namespace.as_str()));
    }
}
