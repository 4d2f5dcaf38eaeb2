//! Values that workers share, each with an example of it.

use ballast_core::admin::access::{Failed, FailureLimit, Failures};
use ballast_core::admin::alerts::Board as Alerts;
use ballast_core::admin::drain::{Begin, Drain, Report};
use ballast_core::admin::health::{Component, Since, State};
use ballast_core::busiest::Busiest;
use ballast_core::catalogue::{Buckets, Catalogue, Gathering, Kind};
use ballast_core::circuit_breaker::fleet::Warning;
use ballast_core::circuit_breaker::operator::{Forced, History, Order};
use ballast_core::circuit_breaker::watch::Watch;
use ballast_core::events::{Event, Noting, Ring};
use ballast_core::lease::Lease;
use ballast_core::load_shedding::board::Board;
use ballast_core::parking::Waiters;
use ballast_core::permits::Holders;
use ballast_core::plane::{Enlisting, Facts, Overload, Publishers, Record};
use ballast_core::rate_limit::global::Pool;
use ballast_core::retry_policy::budget::Ledger;
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::slots::{Fingerprint, Set, stored};
use ballast_core::status;
use ballast_core::time::MonoTime;
use ballast_core::vms::{Member, Slot, SlotState, View};
use core::time::Duration;

/// One kind of value.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// Its name, and that of its file in the corpus.
    pub name: &'static str,
    /// Reads it and writes it again. `None`: the bytes are none.
    pub again: fn(&[u8]) -> Option<Vec<u8>>,
    /// One as it is written.
    pub sample: fn() -> Vec<u8>,
}

macro_rules! value {
    ($name:literal, $kind:ty, $sample:expr) => {
        Value {
            name: $name,
            again: |bytes| <$kind>::decode(bytes).map(|value| value.encode()),
            sample: || $sample,
        }
    };
}

const NOW: MonoTime = MonoTime::from_millis(7_200_000);
const ME: Member = Member { slot: 3, epoch: 1 };

/// All of them but the response cache's and those of a fleet, which have targets of their own.
pub static VALUES: &[Value] = &[
    value!("slot", Slot, Slot { epoch: 2, state: SlotState::Held, heartbeat: NOW }.encode()),
    value!("waiters", Waiters, vec![1, 0]),
    value!("lease", Lease, Lease { holder: ME, token: 5, until: NOW }.encode()),
    value!("permits", Holders, held()),
    value!("facts", Record, facts()),
    value!("publishers", Publishers, written(&Enlisting("load-shedding/edge".to_owned()))),
    value!("catalogue", Catalogue, catalogue()),
    value!("buckets", Buckets, buckets()),
    value!("events", Ring, events()),
    value!("busiest", Busiest, busiest()),
    value!("status", status::Record, report()),
    value!("vm", status::VmRecord, status::VmRecord { member: ME, at: NOW, memory_bytes: 1 << 20 }.encode()),
    value!("retry_budget", Ledger, ledger()),
    value!("breaker_order", Order, Order::next(None, Forced::ForcedOpen, NOW).encode()),
    value!("breaker_history", History, History::default().encode()),
    value!("breaker_watch", Watch, watch()),
    value!("drain_report", Report, Report { by: ME, at: NOW, knows: 1, in_flight: 7 }.encode()),
    value!("shedding_board", Board, crate::edits::board()),
];

/// Whatever the bytes are, they are one of these values or none; and what was read is written as something that is read
/// as the same.
pub(crate) fn read(bytes: &[u8]) {
    for value in VALUES {
        // Empty bytes are how a value is taken away.
        if let Some(written) = (value.again)(bytes).filter(|written| !written.is_empty()) {
            assert_eq!((value.again)(&written), Some(written.clone()), "{}", value.name);
        }
    }
    let bytes = Some(bytes);
    let _ = Warning::read(bytes, NOW).holds(NOW);
    let _ = (Drain::read(bytes), status::Wanted::is_wanted(bytes, NOW), bytes.map(stored));
    let _ = Failures::read(bytes);
    let since = Since::read(bytes);
    assert_eq!(Since::read(Some(&since.encode())).encode(), since.encode());
    let alerts = Alerts::read(bytes);
    assert_eq!(Alerts::read(Some(&alerts.encode())).encode(), alerts.encode());
    let pools = Set::<Pool>::read(bytes);
    assert_eq!(Set::<Pool>::read(Some(&pools.encode())), pools);
    let report = status::Report::read("rate-limit/edge", bytes, bytes, &View::default(), NOW);
    assert!(report.json.len() <= status::MOST_BYTES);
}

/// What an edit writes where nothing is yet.
pub(crate) fn written(edit: &impl Edit) -> Vec<u8> {
    match edit.edit(None) {
        Edited::Replace(bytes, _) => bytes,
        Edited::Keep(_) => Vec::new(),
    }
}

fn held() -> Vec<u8> {
    let mut holders = Holders::default();
    holders.acquire(ME, 2, &View::default()).expect("nobody holds any");
    holders.encode()
}

fn facts() -> Vec<u8> {
    let overload = Overload::from_level(2).expect("a level");
    Record { published: NOW, by: ME, facts: Facts { overload, draining: true, critical_breaker_open: false } }
        .encode()
}

fn catalogue() -> Vec<u8> {
    let mut catalogue = Catalogue::default();
    catalogue.add("ballast.rate_limit.allowed;namespace=edge;limit=per-client", Kind::Counter);
    catalogue.encode()
}

fn buckets() -> Vec<u8> {
    let mut buckets = Buckets::default();
    [3, 250, 90_000].into_iter().for_each(|value| buckets.record(value));
    written(&Gathering(buckets))
}

fn events() -> Vec<u8> {
    let event = |what: &str| Event {
        at: NOW,
        filter: "circuit-breaker".to_owned(),
        kind: "breaker_opened".to_owned(),
        what: what.to_owned(),
        ..Event::default()
    };
    written(&Noting(vec![event("failure_rate"), event("ordered")]))
}

fn busiest() -> Vec<u8> {
    let mut counting = ballast_core::busiest::Counting::default();
    for key in [1, 1, 2] {
        counting.count(Fingerprint(key));
    }
    counting.name(Fingerprint(1), "10.0.0.1");
    written(&ballast_core::busiest::Merging { counted: counting.take(), now: NOW })
}

fn report() -> Vec<u8> {
    status::Record { published: NOW, by: ME, truncated: false, json: br#"{"rules":[]}"#.to_vec() }.encode()
}

fn ledger() -> Vec<u8> {
    written(&crate::edits::roll())
}

fn watch() -> Vec<u8> {
    written(&crate::edits::enlist())
}

/// Values that are read and have no reading of their own: what is in the corpus besides [`VALUES`].
pub(crate) fn others() -> Vec<(&'static str, Vec<u8>)> {
    let limit = FailureLimit { most: 3, within: Duration::from_secs(60) };
    let mut since = Since::default();
    let name = "cluster:a".to_owned();
    let component =
        Component { name, state: State::Degraded, essential: true, details: serde_json::json!({}) };
    since.update(&[component], NOW);
    vec![
        ("drain", written(&Begin { by: "operator".to_owned(), now: NOW })),
        ("failures", written(&Failed { address: "192.0.2.1".parse().ok(), limit, now: NOW })),
        ("health", since.encode()),
        ("warning", Warning { until: NOW }.encode()),
        ("wanted", status::Wanted::from(NOW).encode()),
    ]
}
