use super::*;
use crate::vms::{Slot, SlotState};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ME: Member = Member { slot: 1, epoch: 3 };

const fn second(seconds: u64) -> MonoTime {
    MonoTime::from_millis(seconds * 1_000)
}

fn record(published: MonoTime) -> Record {
    Record { published, by: ME, truncated: true, json: b"{}".to_vec() }
}

fn vm(epoch: u32) -> Vec<u8> {
    VmRecord { member: Member { epoch, ..ME }, at: second(1), memory_bytes: 65_536 }.encode()
}

#[test]
fn a_report_says_whether_it_can_be_believed() {
    let health = |bytes: Option<&[u8]>, now| {
        Report::read("rate-limit/public/a", bytes, [], &View::default(), now).health
    };
    let bytes = record(second(10)).encode();
    for (bytes, now, expected) in [
        (Some(&*bytes), 10, Health::Fresh),
        (Some(&*bytes), 15, Health::Fresh),
        (Some(&*bytes), 16, Health::Stale),
        (Some(&*bytes), 4, Health::Stale),
        (Some(b"foreign"), 10, Health::Damaged),
        (None, 10, Health::Absent),
    ] {
        assert_eq!(health(bytes, second(now)), expected, "{bytes:?} at {now}");
    }
}

#[test]
fn a_report_is_named_and_knows_which_vms_are_alive() {
    let held = |epoch| Slot { epoch, state: SlotState::Held, heartbeat: second(1) };
    let view = View::of([held(1), held(3)]);
    let (bytes, vms) = (record(second(1)).encode(), [vm(3), vm(1), b"foreign".to_vec()]);
    let report =
        Report::read("rate-limit/public/a", Some(&bytes), vms.iter().map(Vec::as_slice), &view, second(2));
    assert_eq!((&*report.filter, &*report.namespace), ("rate-limit", "public/a"));
    assert_eq!((report.by, report.truncated, &*report.json), (Some(ME), true, &b"{}"[..]));
    let alive: Vec<_> = report.vms.iter().map(|vm| (vm.record.member.epoch, vm.alive)).collect();
    assert_eq!(alive, [(3, true), (1, false)]);
}

#[test]
fn reports_are_wanted_for_a_while() {
    let bytes = Wanted::from(second(10)).encode();
    for (now, wanted) in [(10, true), (14, true), (15, false), (4, false)] {
        assert_eq!(Wanted::is_wanted(Some(&bytes), second(now)), wanted, "at {now}");
    }
    assert!(!Wanted::is_wanted(None, second(1)) && !Wanted::is_wanted(Some(b"foreign"), second(1)));
}

#[test]
fn only_one_form_of_each_record_is_read() {
    let bytes = record(second(1)).encode();
    assert_eq!(Record::decode(&bytes), Some(record(second(1))));
    for length in 0..bytes.len() {
        assert_eq!(Record::decode(&bytes[..length]), None, "cut to {length}");
    }
    for (at, wrong) in [(0, 2), (9, 64), (14, 2)] {
        let mut bytes = bytes.clone();
        bytes[at] = wrong;
        assert_eq!(Record::decode(&bytes), None, "byte {at} as {wrong}");
    }
    let too_long = Record { json: vec![b' '; MOST_BYTES + 1], ..record(second(1)) };
    assert_eq!(Record::decode(&too_long.encode()), None);
    assert_eq!(VmRecord::decode(&vm(1)).map(|vm| vm.encode()), Some(vm(1)));
    assert_eq!(VmRecord::decode(&vm(1)[1..]), None);
}
