//! What workers do to shared values, whatever they find there: an edit never panics, and what it writes can be read.

use crate::message::now;
use ballast_core::admin::access::{Failed, FailureLimit};
use ballast_core::admin::drain::{Begin, Cancel, Drain};
use ballast_core::circuit_breaker::breaker::{Change, StateName};
use ballast_core::circuit_breaker::fleet::Warn;
use ballast_core::circuit_breaker::operator::{Forced, History, Order, Ordering, Remember};
use ballast_core::circuit_breaker::policy::Cause;
use ballast_core::circuit_breaker::watch::{self, Delist, Watch};
use ballast_core::circuit_breaker::{Admitting, Subject};
use ballast_core::config::parse;
use ballast_core::lease;
use ballast_core::load_shedding::board::{Merging, Report};
use ballast_core::load_shedding::config::Config as Shedding;
use ballast_core::permits::{Acquiring, Holders, Readopting, Releasing};
use ballast_core::plane::{Enlisting, Publishers};
use ballast_core::protocol::{Input, Machine, Step, Version};
use ballast_core::rate_limit::fixed_window::FixedWindow;
use ballast_core::rate_limit::sliding_window::SlidingWindow;
use ballast_core::rate_limit::token_bucket::TokenBucket;
use ballast_core::rate_limit::token_lease::Leases;
use ballast_core::rate_limit::{Admit, Algorithm, Ask, Situation};
use ballast_core::retry_policy::budget::{Budget, Ledger, Roll, Totals};
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::slots::{Fingerprint, Table};
use ballast_core::time::MonoTime;
use ballast_core::units::Share;
use ballast_core::vms::{Member, View};
use core::time::Duration;
use std::rc::Rc;

const ME: Member = Member { slot: 3, epoch: 1 };
const CLIENT: Fingerprint = Fingerprint(7);
/// More turns than any conversation takes over one value.
const MOST_TURNS: usize = 10_000;

thread_local! {
    static MERGING: Merging = merging();
    static ADMITTING: Admitting = admitting();
}

/// Makes every edit on the same bytes.
pub(crate) fn edit(bytes: &[u8]) {
    let now = now().mono;
    let view = Rc::new(View::default());
    let me = ME;
    readable(bytes, &Acquiring { me, most: 4, view: Rc::clone(&view) }, |new| Holders::decode(new).is_some());
    readable(bytes, &Releasing { me }, |new| Holders::decode(new).is_some());
    let readopting = Readopting { before: me, me: Member { slot: 3, epoch: 2 }, held: 1, most: 4, view };
    readable(bytes, &readopting, |new| Holders::decode(new).is_some());
    let acquiring = lease::Acquiring { me, now, term: Duration::from_secs(5) };
    readable(bytes, &acquiring, |new| lease::Lease::decode(new).is_some());
    readable(bytes, &Enlisting("admin/a".to_owned()), |new| Publishers::decode(new).is_some());
    readable(bytes, &enlist(), |new| Watch::decode(new).is_some());
    let delist = Delist { fingerprint: CLIENT, closed_since: now };
    readable(bytes, &delist, |new| Watch::decode(new).is_some());
    let ordering = Ordering { forced: Forced::ForcedOpen, now };
    readable(bytes, &ordering, |new| Order::decode(new).is_some());
    readable(bytes, &remember(), |new| History::decode(new).is_some());
    readable(bytes, &roll(), |new| Ledger::decode(new).is_some());
    readable(bytes, &Warn { until: now.after(Duration::from_secs(30)), now }, |new| new.len() == 9);
    readable(bytes, &Begin { by: "operator".to_owned(), now }, |new| Drain::read(Some(new)).is_some());
    readable(bytes, &Cancel, |new| Drain::read(Some(new)).is_none());
    let limit = FailureLimit { most: 3, within: Duration::from_secs(60) };
    readable(bytes, &Failed { address: None, limit, now }, |new| !new.is_empty());
    let _ = MERGING.with(|merging| merging.edit(Some(bytes)));
    let _ = ADMITTING.with(|admitting| admitting.edit(Some(bytes)));
    algorithms().into_iter().for_each(|algorithm| limited(bytes, algorithm));
}

fn readable<E: Edit>(old: &[u8], edit: &E, is_read: impl Fn(&[u8]) -> bool) {
    if let Edited::Replace(new, _) = edit.edit(Some(old)) {
        // Empty bytes are how a value is taken away.
        assert!(new.is_empty() || is_read(&new), "{}: wrote {new:?}", core::any::type_name::<E>());
    }
}

/// A breaker is asked, whatever its set holds.
fn admitting() -> Admitting {
    let config = br#"{"breakers": [{"name": "a"}]}"#;
    let config: ballast_core::circuit_breaker::config::Config = parse(config).expect("a valid configuration");
    let rule = config.breakers.first().expect("it has one");
    let subject = Subject::new(&rule.shared_name, Table::for_keys(1), CLIENT, &rule.policy);
    Admitting { subject, now: now().mono, me: Some(ME), view: Rc::new(View::default()) }
}

fn algorithms() -> [Algorithm; 4] {
    let second = Duration::from_secs(1);
    [
        Algorithm::TokenBucket(TokenBucket::new(10, second, 20).expect("a bucket")),
        Algorithm::SlidingWindow(SlidingWindow::new(10, second).expect("a window")),
        Algorithm::FixedWindow(FixedWindow::new(10, second).expect("a window")),
        Algorithm::Concurrency { most: 10 },
    ]
}

/// A limit is asked twice, whatever its set holds, and admits no more than it may.
fn limited(bytes: &[u8], algorithm: Algorithm) {
    let cost = if matches!(algorithm, Algorithm::Concurrency { .. }) { 1 } else { algorithm.most() };
    let mut value = Some(bytes.to_vec());
    let admitted: u64 = (0..2).map(|_| u64::from(admits(algorithm, cost, &mut value)) * cost).sum();
    assert!(admitted <= algorithm.most(), "{algorithm:?}: {admitted} in the same moment");
}

/// Whether a request passes a limit whose set has this value.
fn admits(algorithm: Algorithm, cost: u64, value: &mut Option<Vec<u8>>) -> bool {
    let (limit, set, enforced, refundable) = (0, 0, true, false);
    let ask = Ask { limit, set, client: CLIENT, algorithm, cost, enforced, refundable };
    let situation = Situation {
        now: now().mono,
        me: Some(ME),
        view: Rc::new(View::default()),
        workers: 2,
        allow_on_error: false,
        name_all: true,
    };
    let mut admit = Admit::new([ask], situation, Leases::default());
    let mut input = Input::Start;
    for _ in 0..MOST_TURNS {
        input = match admit.resume(input) {
            Step::Get(_) => Input::Value { value: value.clone(), version: Version::Of(1) },
            Step::Swap { value: new, .. } => {
                *value = Some(new);
                Input::Swapped(true)
            }
            Step::Send { .. } => panic!("the rate limit sends nothing"),
            Step::Done(decided) => return decided.decision.passes(),
        };
    }
    panic!("a conversation ends");
}

/// A set of each kind of limit, as it is after one request.
pub(crate) fn sets() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let names = ["token_bucket", "sliding_window", "fixed_window", "concurrency"];
    names.into_iter().zip(algorithms()).map(|(name, algorithm)| {
        let mut value = None;
        assert!(admits(algorithm, 1, &mut value), "nothing was used up yet");
        (name, value.unwrap_or_default())
    })
}

fn merging() -> Merging {
    let config = br#"{"admission": [{"name": "a"}]}"#;
    let settings = parse::<Shedding>(config).expect("a valid configuration").settings;
    let report = Report { arrived: 3, in_flight: 2, ..Report::new(&settings) };
    Merging { settings, report, now: now().mono, noise: 7 }
}

pub(crate) fn board() -> Vec<u8> {
    crate::shared::written(&merging())
}

pub(crate) fn roll() -> Roll {
    let budget = Budget {
        ratio: Share::from_basis_points(2_000),
        min_per_second: 10,
        window: Duration::from_secs(10),
    };
    Roll { budget, now: now().mono, totals: Totals { requests: 100, retries: 5 } }
}

pub(crate) fn enlist() -> watch::Enlist {
    let (since, until) = (now().mono, now().mono.after(Duration::from_secs(30)));
    watch::Enlist(watch::Entry { fingerprint: CLIENT, since, until, cause: Cause::FailureRate })
}

fn remember() -> Remember {
    let (at, until) = (now().mono, MonoTime::FAR_FUTURE);
    let change =
        Change { at, from: StateName::Closed, to: StateName::Open, cause: Cause::FailureRate, until };
    Remember { fingerprint: CLIENT, change }
}
