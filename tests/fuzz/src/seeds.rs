//! The part of the corpora that nobody can write by hand: values as filters write them.

use crate::message::now;
use crate::{config, edits, shared};
use ballast_core::bus::{Body, Message};
use ballast_core::circuit_breaker::fleet::Trip;
use ballast_core::circuit_breaker::policy::Cause;
use ballast_core::circuit_breaker::window::Counts;
use ballast_core::orders::{self, Address, Order, Parcel};
use ballast_core::rate_limit::global::wire::{CurrentLimit, DescriptorStatus, OK, RateLimitResponse};
use ballast_core::response_cache::fleet::{AddOwn, Answer, Content, Entry, Item, Log, Record};
use ballast_core::response_cache::head::Head;
use ballast_core::response_cache::rules::Stored;
use ballast_core::response_cache::store::{self, Object, Pulse, Purges};
use ballast_core::time::WallTime;
use ballast_core::vms::Member;
use core::time::Duration;
use prost::Message as _;
use std::borrow::Cow;

/// A file of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The target whose corpus it is in.
    pub target: &'static str,
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

const ME: Member = Member { slot: 3, epoch: 1 };
const OTHER: Member = Member { slot: 5, epoch: 2 };

/// All of them.
pub fn seeds() -> Vec<Seed> {
    let of = |target, name: &str, bytes| Seed { target, name: name.to_owned(), bytes };
    let shared = shared::VALUES.iter().map(|value| (value.name, (value.sample)())).chain(shared::others());
    let mut seeds: Vec<Seed> = shared
        .flat_map(|(name, bytes)| [of("shared_values", name, bytes.clone()), of("shared_edits", name, bytes)])
        .collect();
    seeds.extend(edits::sets().map(|(name, bytes)| of("shared_edits", name, bytes)));
    seeds.extend(stored().into_iter().map(|(name, bytes)| of("cache_values", name, bytes)));
    seeds.extend(fleet().into_iter().map(|(name, bytes)| of("fleet_values", name, bytes)));
    seeds.extend(messages().into_iter().map(|(name, bytes)| of("queue_messages", name, bytes)));
    seeds.push(of("rate_limit_answers", "ok", answer()));
    // What is written as JSON comes as a Struct, too.
    for (target, text) in [
        ("config_admin", &include_bytes!("../corpus/config_admin/whole.json")[..]),
        ("config_circuit_breaker", include_bytes!("../corpus/config_circuit_breaker/whole.json")),
        ("config_load_shedding", include_bytes!("../corpus/config_load_shedding/whole.json")),
        ("config_rate_limit", include_bytes!("../corpus/config_rate_limit/whole.json")),
        ("config_response_cache", include_bytes!("../corpus/config_response_cache/whole.json")),
        ("config_retry_policy", include_bytes!("../corpus/config_retry_policy/whole.json")),
    ] {
        seeds.push(of(target, "whole.struct", config::as_struct(text)));
    }
    seeds
}

fn head() -> Head<'static> {
    let stored = Stored { status: 200, lifetime: Duration::from_secs(60), ..Stored::default() };
    let line = |name: &'static str, value: &'static str| {
        (Cow::Borrowed(name.as_bytes()), Cow::Borrowed(value.as_bytes()))
    };
    let lines = vec![line("content-type", "text/plain"), line("vary", "accept"), line("cache-tag", "a,b")];
    Head { stored, length: 5, lines }
}

fn stored() -> Vec<(&'static str, Vec<u8>)> {
    let (key, variant) = (b"http://a/x".to_vec(), vec![0; 5]);
    let head = head().encode().expect("a short head");
    let object = Object { key, variant, head: head.clone(), codec: 0, body: b"hello".to_vec() };
    let size = 300_u32.to_le_bytes();
    let packed = [&size[..], &[0x1f, b'a', 1, 0, 0xff, 25, 0x50, b'a', b'a', b'a', b'a', b'a']].concat();
    vec![
        ("record", store::Record::encode(5, &object)),
        ("head", head),
        ("purges", Purges::default().encode()),
        ("pulse", Pulse { of: ME, at: now().mono }.encode()),
        ("index", store::Index::read(None, now().mono).encode()),
        ("lz4", packed),
    ]
}

fn fleet() -> Vec<(&'static str, Vec<u8>)> {
    let head = head().encode().expect("a short head");
    let answer = Answer { variant: &[0; 5], head: &head, codec: 0, body: b"hello" };
    let record = |content| {
        let seconds = |seconds: u64| WallTime::from_unix_nanos((1_795_219_200 + seconds) * 1_000_000_000);
        let (written, useful_until) = (seconds(0), seconds(60));
        Record { written, useful_until, as_of: 1, also: vec![2], primary: b"http://a/x", content }.encode()
    };
    let entry = Entry::purge(2, 1_795_219_200, true, vec![Item::All, Item::Tag(b"a".to_vec())]);
    let log = Log { entries: vec![Entry::beginning(1, 1_795_219_200), entry.clone()] };
    let (wait, cause) = (Duration::from_secs(30), Cause::FailureRate);
    let counts = Counts { total: 20, failed: 12, slow: 1 };
    let trip = Trip { process: 7, rule: "payments".to_owned(), at: now().wall, wait, cause, counts };
    vec![
        ("answer", record(Content::Answer(answer))),
        ("varies", record(Content::Varies(vec!["accept"]))),
        ("uncacheable", record(Content::Uncacheable)),
        ("log", log.encode()),
        ("board", shared::written(&AddOwn(entry))),
        ("trip", trip.encode()),
    ]
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let message = |body| Message { to: ME, from: OTHER, id: 9, body }.encode();
    let parcel = |body| Parcel { to: ME, from: OTHER, id: 9, body }.encode();
    let order = Order {
        name: "reset".to_owned(),
        rule: "payments".to_owned(),
        who: "operator".to_owned(),
        arguments: b"{}".to_vec(),
    };
    let reply_to = Address { filter: "admin".to_owned(), namespace: "admin".to_owned() };
    vec![
        ("tell", message(Body::Tell { kind: 1, payload: b"purge".to_vec() })),
        ("ack", message(Body::Ack)),
        ("wake", message(Body::Wake { permit: b"reports".to_vec() })),
        ("order", parcel(orders::Body::Order { order, leads: true, issued: now().mono, reply_to })),
        ("answer", parcel(orders::Body::Answer(Ok(br#"{"cleared":3}"#.to_vec())))),
        ("refusal", parcel(orders::Body::Answer(Err("unknown rule `a`".to_owned())))),
    ]
}

fn answer() -> Vec<u8> {
    let status = DescriptorStatus {
        code: OK,
        current_limit: Some(CurrentLimit { requests_per_unit: 100, unit: 2 }),
        limit_remaining: 42,
        duration_until_reset: Some(prost_types::Duration { seconds: 17, nanos: 0 }),
    };
    RateLimitResponse { overall_code: OK, statuses: vec![status] }.encode_to_vec()
}
