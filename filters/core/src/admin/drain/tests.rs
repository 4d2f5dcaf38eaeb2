use super::*;
use crate::rewrite::{Edit, Edited};
use crate::vms::Member;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PATIENCE: Patience = Patience {
    draining: Duration::from_secs(30),
    closing: Duration::from_secs(10),
    force_after: Duration::from_secs(60),
};

fn at(second: u64) -> MonoTime {
    MonoTime::from_millis(second * 1_000)
}

fn progress(in_flight: u64, silent: u32) -> Progress {
    Progress { in_flight, refusing: 2, silent }
}

fn drain(phase: Phase, since: u64) -> Drain {
    Drain {
        number: 1,
        phase,
        since: at(since),
        begun: at(100),
        by: "op".to_owned(),
        abandoned: 0,
        forced: false,
    }
}

#[test]
fn a_drain_goes_on_when_nothing_is_left_or_its_time_is_up() {
    let (draining, closing) = (drain(Phase::Draining, 100), drain(Phase::Closing, 120));
    for (from, left, connections, second, expected) in [
        (&draining, progress(3, 0), None, 110, None),
        // One worker may still be taking work in.
        (&draining, progress(0, 1), None, 110, None),
        // Nor are all workers known at once.
        (&draining, progress(0, 0), None, 101, None),
        (&draining, progress(0, 0), None, 102, Some((Phase::Closing, 0, false))),
        (&draining, progress(0, 0), None, 110, Some((Phase::Closing, 0, false))),
        (&draining, progress(3, 0), None, 129, None),
        (&draining, progress(3, 0), None, 130, Some((Phase::Closing, 0, false))),
        (&draining, progress(3, 1), None, 160, Some((Phase::Finished, 3, true))),
        (&closing, progress(0, 0), None, 120, Some((Phase::Finished, 0, false))),
        (&closing, progress(0, 0), Some(0), 120, Some((Phase::Finished, 0, false))),
        (&closing, progress(0, 0), Some(2), 129, None),
        (&closing, progress(0, 0), Some(2), 130, Some((Phase::Finished, 0, false))),
        (&closing, progress(1, 0), None, 129, None),
        (&closing, progress(1, 0), None, 130, Some((Phase::Finished, 1, false))),
        (&closing, progress(1, 0), None, 160, Some((Phase::Finished, 1, true))),
        (&drain(Phase::Finished, 130), progress(1, 1), Some(1), 1_000, None),
    ] {
        let next = from.step(&left, connections, &PATIENCE, at(second));
        let seen = next.as_ref().map(|next| (next.phase, next.abandoned, next.forced));
        assert_eq!(seen, expected, "{from:?} {left:?} {connections:?} at {second}");
        if let Some(next) = next {
            assert_eq!((next.since, next.begun, next.number), (at(second), at(100), 1));
        }
    }
}

#[test]
fn the_end_is_known_from_the_beginning() {
    assert_eq!(drain(Phase::Draining, 100).over_by(&PATIENCE), at(140));
    assert_eq!(drain(Phase::Closing, 120).over_by(&PATIENCE), at(130));
    assert_eq!(drain(Phase::Closing, 155).over_by(&PATIENCE), at(160));
    assert_eq!(drain(Phase::Finished, 125).over_by(&PATIENCE), at(125));
}

fn edit<E: Edit>(value: &mut Option<Vec<u8>>, edit: &E) -> E::Output {
    match edit.edit(value.as_deref()) {
        Edited::Keep(output) => output,
        Edited::Replace(bytes, output) => {
            *value = Some(bytes);
            output
        }
    }
}

#[test]
fn a_drain_begins_once_and_no_number_is_given_twice() {
    let mut value = None;
    let begin = |by: &str, second| Begin { by: by.to_owned(), now: at(second) };
    let (first, new) = edit(&mut value, &begin("op", 1));
    assert!(new && first.number == 1 && first.phase == Phase::Draining);
    assert_eq!(edit(&mut value, &begin("other", 2)), (first.clone(), false));
    assert_eq!(Drain::read(value.as_deref()), Some(first.clone()));
    let to = Drain { phase: Phase::Finished, abandoned: 7, forced: true, ..first.clone() };
    assert!(edit(&mut value, &Advance { from: first.clone(), to: to.clone() }));
    assert!(!edit(&mut value, &Advance { from: first.clone(), to: to.clone() }), "it has moved on");
    assert_eq!(Drain::read(value.as_deref()), Some(to.clone()));
    assert_eq!(edit(&mut value, &Cancel), Some(to.clone()));
    assert_eq!(edit(&mut value, &Cancel), None);
    assert_eq!(Drain::read(value.as_deref()), None);
    assert!(!edit(&mut value, &Advance { from: to.clone(), to }), "what is called off stays so");
    assert_eq!(edit(&mut value, &begin("op", 3)).0.number, 2);
}

#[test]
fn foreign_and_truncated_values_are_no_drain() {
    let mut value = None;
    edit(&mut value, &Begin { by: "op".to_owned(), now: at(1) });
    let bytes = value.unwrap();
    for length in 0..bytes.len() {
        assert_eq!(Drain::read(Some(&bytes[..length])), None, "cut to {length}");
    }
    assert_eq!(Drain::read(Some(&[bytes.clone(), vec![0]].concat())), None);
    assert_eq!(Drain::read(None), None);
    let report = Report { by: Member { slot: 3, epoch: 2 }, at: at(1), knows: 1, in_flight: 9 };
    assert_eq!(Report::decode(&report.encode()), Some(report));
    assert_eq!(Report::decode(&report.encode()[1..]), None);
    assert_eq!(Report::decode(&Report { by: Member { slot: 64, epoch: 2 }, ..report }.encode()), None);
}

#[test]
fn what_is_left_is_what_live_members_hold_and_a_silent_one_may_hold_anything() {
    let member = |slot, epoch| Member { slot, epoch };
    let report = |by, knows, in_flight| Report { by, at: at(1), knows, in_flight };
    let reports = [report(member(0, 1), 5, 2), report(member(1, 1), 4, 1), report(member(2, 1), 5, 8)];
    let of = |live: &[Member]| {
        Progress::of(5, live, |who| reports.iter().find(|report| report.by.slot == who.slot).copied())
    };
    assert_eq!(of(&[member(0, 1)]), Progress { in_flight: 2, refusing: 1, silent: 0 });
    // Slot 1 knows an earlier drain, slot 2 has a new owner, slot 3 has said nothing.
    let all = [member(0, 1), member(1, 1), member(2, 2), member(3, 1)];
    assert_eq!(of(&all), Progress { in_flight: 3, refusing: 1, silent: 3 });
    assert_eq!(of(&[]), Progress::default());
}
