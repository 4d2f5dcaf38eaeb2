use super::super::policy::{HalfOpen, OpenWait, Trip};
use super::super::window::{Call, Counts, Shape, time_window};
use super::*;
use crate::random::Fixed;
use crate::slots::Entry;
use crate::units::Share;
use crate::wire::{Reader, Writer};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ME: Member = Member { slot: 0, epoch: 1 };
const GOOD: Call = Call { failed: false, slow: false };
const BAD: Call = Call { failed: true, slow: false };
const SLOW: Call = Call { failed: false, slow: true };

const fn second(seconds: u64) -> MonoTime {
    MonoTime::from_millis(seconds * 1_000)
}

/// 5 in a row, 60 s doubling up to 10 minutes, 3 probes of which 2 must succeed within 30 s.
fn five_in_a_row() -> Policy {
    Policy {
        window: time_window(Duration::from_secs(30), 10).unwrap(),
        trip: Trip {
            failure_rate: None,
            slow_call_rate: None,
            slow_call: Duration::MAX,
            consecutive_failures: Some(5),
            min_calls: 20,
        },
        open: OpenWait {
            wait: Duration::from_secs(60),
            multiplier_thousandths: 2_000,
            most: Duration::from_secs(600),
            jitter: Share::NONE,
        },
        half_open: HalfOpen { max_calls: 3, success_threshold: 2, max_duration: Duration::from_secs(30) },
    }
}

fn half_of_a_hundred() -> Policy {
    let trip = Trip {
        failure_rate: Some(Share::from_basis_points(5_000)),
        consecutive_failures: None,
        ..five_in_a_row().trip
    };
    Policy { window: Shape::Count { size: 100 }, trip, ..five_in_a_row() }
}

fn slow() -> Policy {
    let trip = Trip {
        slow_call_rate: Some(Share::from_basis_points(8_000)),
        slow_call: Duration::from_secs(2),
        consecutive_failures: None,
        min_calls: 10,
        ..five_in_a_row().trip
    };
    Policy { trip, ..five_in_a_row() }
}

/// A breaker with the calls that are under way.
struct Trace {
    policy: Policy,
    breaker: Option<Breaker>,
    probes: Vec<MonoTime>,
}

impl Trace {
    fn new(policy: Policy) -> Self {
        Self { policy, breaker: None, probes: Vec::new() }
    }

    fn ask(&mut self, at: u64) -> Admission {
        let asker = Asker { me: Some(ME), view: &View::default() };
        let (new, admission, _) =
            admit(&self.policy, self.breaker.as_ref(), asker, second(at), &mut Fixed(0));
        self.keep(new);
        if let Admission::Probe { since } = admission {
            self.probes.push(since);
        }
        admission
    }

    /// Breakers are kept as bytes.
    fn keep(&mut self, new: Option<Breaker>) {
        if let Some(new) = new {
            let mut writer = Writer::default();
            new.encode(&mut writer);
            let bytes = writer.finish();
            assert_eq!(Breaker::decode(&mut Reader::new(&bytes)).as_ref(), Some(&new));
            self.breaker = Some(new);
        }
    }

    fn end(&mut self, let_through: LetThrough, call: Option<Call>, at: u64) -> Recorded {
        let outcome =
            Outcome { let_through, call, retry_after: None, gathered: None, reset_at: MonoTime::ZERO };
        self.note(&outcome, at)
    }

    fn note(&mut self, outcome: &Outcome, at: u64) -> Recorded {
        let recorded = record(&self.policy, self.breaker.as_ref(), outcome, second(at), &mut Fixed(0));
        self.keep(recorded.breaker.clone());
        recorded
    }

    /// A whole call within a second; the change of state it brings about.
    fn call(&mut self, call: Call, at: u64) -> Option<(StateName, Cause)> {
        let let_through = match self.ask(at) {
            Admission::Pass => LetThrough::Closed { at: second(at) },
            Admission::Probe { since } => LetThrough::Probe { since, by: ME },
            refused @ Admission::Refuse { .. } => panic!("at {at} s: {refused:?}"),
        };
        self.end(let_through, Some(call), at).change.map(|change| (change.to, change.cause))
    }

    fn refused(&mut self, at: u64) -> Option<Duration> {
        match self.ask(at) {
            Admission::Refuse { wait, .. } => Some(wait.unwrap_or_default()),
            _ => None,
        }
    }

    fn probe(&mut self, call: Option<Call>, at: u64) -> Recorded {
        let since = self.probes.pop().unwrap();
        self.end(LetThrough::Probe { since, by: ME }, call, at)
    }
}

#[test]
fn five_in_a_row_open_it_and_a_success_between_them_does_not() {
    let mut trace = Trace::new(five_in_a_row());
    let calls = [BAD, BAD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD];
    for (at, call) in (100..).zip(calls) {
        assert_eq!(trace.call(call, at), None, "at {at} s");
    }
    assert_eq!(trace.call(BAD, 110), Some((StateName::Open, Cause::ConsecutiveFailures)));
    assert_eq!(trace.refused(111), Some(Duration::from_secs(59)));
    assert_eq!(trace.refused(169), Some(Duration::from_secs(1)));
    assert_eq!(trace.call(GOOD, 170), None, "a probe");
    assert_eq!(trace.call(GOOD, 171), Some((StateName::Closed, Cause::ProbesSucceeded)));
    assert_eq!(trace.ask(171), Admission::Pass);
}

#[test]
fn half_of_a_hundred_calls_open_it_but_not_before_twenty() {
    let mut trace = Trace::new(half_of_a_hundred());
    for at in 100..119 {
        assert_eq!(trace.call(BAD, at), None, "at {at} s");
    }
    assert_eq!(trace.call(GOOD, 119), Some((StateName::Open, Cause::FailureRate)), "19 of 20");
    let mut trace = Trace::new(half_of_a_hundred());
    for at in 0..100 {
        assert_eq!(trace.call(GOOD, at), None);
    }
    for at in 100..149 {
        assert_eq!(trace.call(BAD, at), None, "49 of the last 100");
    }
    assert_eq!(trace.call(BAD, 149), Some((StateName::Open, Cause::FailureRate)), "50 of the last 100");
}

#[test]
fn slow_calls_open_it_whether_they_succeed_or_fail() {
    let mut trace = Trace::new(slow());
    let both = Call { failed: true, slow: true };
    for (at, call) in (100..).zip([GOOD, GOOD, SLOW, both, SLOW, SLOW, SLOW, both, SLOW]) {
        assert_eq!(trace.call(call, at), None, "at {at} s");
    }
    assert_eq!(trace.call(SLOW, 110), Some((StateName::Open, Cause::SlowCallRate)), "8 of 10");
    trace.ask(170);
    let change = trace.probe(Some(SLOW), 173).change.unwrap();
    assert_eq!((change.to, change.cause), (StateName::Open, Cause::ProbeSlow));
}

#[test]
fn each_opening_in_a_row_is_longer_and_recovery_forgets_that_in_time() {
    let mut trace = Trace::new(five_in_a_row());
    for _ in 0..5 {
        trace.call(BAD, 100);
    }
    let mut at = 100;
    for wait in [60, 120, 240, 480, 600, 600] {
        assert_eq!(trace.refused(at), Some(Duration::from_secs(wait)), "at {at} s");
        at += wait;
        assert_eq!(trace.call(BAD, at), Some((StateName::Open, Cause::ProbeFailed)));
    }
    at += 600;
    assert_eq!(trace.call(GOOD, at), None);
    assert_eq!(trace.call(GOOD, at), Some((StateName::Closed, Cause::ProbesSucceeded)));
    for _ in 0..5 {
        trace.call(BAD, at + 599);
    }
    assert_eq!(trace.refused(at + 599), Some(Duration::from_secs(600)), "a relapse");
    at += 599 + 600;
    assert_eq!(trace.call(GOOD, at), None);
    assert_eq!(trace.call(GOOD, at), Some((StateName::Closed, Cause::ProbesSucceeded)));
    for _ in 0..5 {
        trace.call(BAD, at + 601);
    }
    assert_eq!(trace.refused(at + 601), Some(Duration::from_secs(60)), "a new trouble");
}

#[test]
fn half_open_lets_so_many_probes_out_at_a_time() {
    let mut trace = Trace::new(five_in_a_row());
    for _ in 0..5 {
        trace.call(BAD, 100);
    }
    for _ in 0..3 {
        assert!(matches!(trace.ask(160), Admission::Probe { .. }));
    }
    let full = Admission::Refuse { state: StateName::HalfOpen, wait: None };
    assert_eq!(trace.ask(161), full);
    assert_eq!(trace.probe(None, 162).change, None, "its client left");
    assert!(matches!(trace.ask(163), Admission::Probe { .. }), "the permit came back");
    assert_eq!(trace.ask(163), full);
    assert_eq!(trace.probe(Some(GOOD), 164).change, None);
    assert!(matches!(trace.ask(165), Admission::Probe { .. }));
    assert_eq!(trace.probe(Some(GOOD), 166).change.map(|change| change.to), Some(StateName::Closed));
    let late = trace.probe(Some(BAD), 167);
    assert!(late.late && late.breaker.is_none(), "of a state that has ended");
    assert_eq!(trace.ask(168), Admission::Pass);
}

#[test]
fn without_a_verdict_it_opens_again_for_no_longer_than_before() {
    let mut trace = Trace::new(five_in_a_row());
    for _ in 0..5 {
        trace.call(BAD, 100);
    }
    for _ in 0..3 {
        let _ = trace.ask(160);
    }
    assert_eq!(trace.refused(189), Some(Duration::ZERO));
    assert_eq!(trace.refused(190), Some(Duration::from_secs(60)));
    assert!(trace.probe(Some(GOOD), 191).late);
    assert_eq!(trace.call(GOOD, 250), None, "tried again");
}

#[test]
fn results_of_an_earlier_state_are_dropped() {
    let mut trace = Trace::new(five_in_a_row());
    let before = LetThrough::Closed { at: second(99) };
    for _ in 0..5 {
        trace.call(BAD, 100);
    }
    assert!(trace.end(before, Some(GOOD), 101).late, "while it is open");
    for _ in 0..2 {
        trace.call(GOOD, 160);
    }
    assert!(trace.end(before, Some(BAD), 161).late, "after it closed again");
    let now = LetThrough::Closed { at: second(161) };
    assert!(!trace.end(now, Some(BAD), 162).late);
}

#[test]
fn a_retry_after_keeps_it_open_that_long_but_no_longer_than_the_most() {
    for (asked, at, wait) in [(300, 100, 295), (30, 100, 60), (10_000, 100, 600)] {
        let mut trace = Trace::new(five_in_a_row());
        let outcome = Outcome {
            let_through: LetThrough::Closed { at: second(at) },
            call: Some(GOOD),
            retry_after: Some(Duration::from_secs(asked)),
            gathered: None,
            reset_at: MonoTime::ZERO,
        };
        assert_eq!(trace.note(&outcome, at).change, None, "by itself it opens nothing");
        for _ in 0..5 {
            trace.call(BAD, at + 5);
        }
        let waited = trace.refused(at + 5).unwrap();
        let expected = if asked == 10_000 { 595 } else { wait };
        assert_eq!(waited, Duration::from_secs(expected), "asked for {asked} s");
    }
}

#[test]
fn gathered_successes_stand_between_the_outcomes_around_them() {
    let mut trace = Trace::new(five_in_a_row());
    let note = |trace: &mut Trace, call, gathered| {
        let let_through = LetThrough::Closed { at: second(100) };
        let gathered = Some(gathered);
        let outcome = Outcome { let_through, call, retry_after: None, gathered, reset_at: MonoTime::ZERO };
        trace.note(&outcome, 100)
    };
    assert_eq!(note(&mut trace, Some(BAD), 1_000).counts, Some(Counts { total: 1, failed: 1, slow: 0 }));
    for _ in 0..3 {
        note(&mut trace, Some(BAD), 1_000);
    }
    let after = note(&mut trace, Some(BAD), 1_007);
    assert_eq!(after.counts, Some(Counts { total: 12, failed: 5, slow: 0 }));
    assert_eq!(after.change, None, "the successes ended the run");
    (0..3).for_each(|_| assert_eq!(note(&mut trace, Some(BAD), 1_005).change, None, "an old reading"));
    assert!(note(&mut trace, Some(BAD), 1_007).change.is_some());
}

#[test]
fn what_has_no_identity_gets_no_probe_and_changes_nothing() {
    let mut trace = Trace::new(five_in_a_row());
    for _ in 0..5 {
        trace.call(BAD, 100);
    }
    let asker = Asker { me: None, view: &View::default() };
    let (new, admission, change) =
        admit(&trace.policy, trace.breaker.as_ref(), asker, second(160), &mut Fixed(0));
    assert_eq!((new, change), (None, None));
    assert_eq!(admission, Admission::Refuse { state: StateName::Open, wait: None });
}

#[test]
fn damage_and_what_was_reset_is_no_breaker() {
    let mut trace = Trace::new(five_in_a_row());
    for _ in 0..5 {
        trace.call(BAD, 100);
    }
    let open = trace.breaker.clone().unwrap();
    let checked = |breaker: &Breaker, reset_at, now| {
        breaker.clone().checked(&five_in_a_row(), second(reset_at), second(now)).is_some()
    };
    assert!(checked(&open, 0, 100) && checked(&open, 99, 101));
    assert!(!checked(&open, 101, 102), "reset by an operator");
    assert!(!checked(&open, 0, 80), "of a time that has not come");
    let locked = Breaker { state: State::Open { until: MonoTime::FAR_FUTURE }, ..open };
    assert!(!checked(&locked, 0, 100), "open for ever");
}

#[test]
fn what_is_closed_without_failures_weighs_least() {
    let mut trace = Trace::new(five_in_a_row());
    trace.call(GOOD, 100);
    let clean = trace.breaker.clone().unwrap();
    trace.call(BAD, 100);
    let failing = trace.breaker.clone().unwrap();
    for _ in 0..4 {
        trace.call(BAD, 100);
    }
    let open = trace.breaker.clone().unwrap();
    assert_eq!([&clean, &failing, &open].map(Entry::weight), [0, 1, 2]);
    assert_eq!(clean.fresh_at(), second(129), "when its bucket has left the window");
    assert_eq!(open.fresh_at(), second(160).after(FORGOTTEN_AFTER));
}
