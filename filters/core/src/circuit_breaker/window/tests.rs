use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const GOOD: Call = Call { failed: false, slow: false };
const BAD: Call = Call { failed: true, slow: false };
const SLOW: Call = Call { failed: false, slow: true };

const fn counts(total: u32, failed: u32, slow: u32) -> Counts {
    Counts { total, failed, slow }
}

const fn second(seconds: u64) -> MonoTime {
    MonoTime::from_millis(seconds * 1_000)
}

fn copied(window: &Window) -> Option<Window> {
    let mut writer = Writer::default();
    window.encode(&mut writer);
    let bytes = writer.finish();
    let mut reader = Reader::new(&bytes);
    let window = Window::decode(&mut reader)?;
    reader.end(window)
}

#[test]
fn a_time_window_forgets_a_bucket_at_a_time() {
    let mut window = Window::new(time_window(Duration::from_secs(30), 10).unwrap());
    for (at, call, expected) in [
        (100, BAD, counts(1, 1, 0)),
        (101, GOOD, counts(2, 1, 0)),
        (102, SLOW, counts(3, 1, 1)),
        // The bucket from 99 to 102 has left when 129 begins.
        (128, GOOD, counts(4, 1, 1)),
        (129, GOOD, counts(3, 0, 1)),
        (132, GOOD, counts(3, 0, 0)),
        (500, BAD, counts(1, 1, 0)),
    ] {
        window.record(call, 1, second(at));
        assert_eq!(window.counts(second(at)), expected, "at {at} s");
        assert_eq!(copied(&window).as_ref(), Some(&window));
    }
    assert_eq!(window.counts(second(530)), counts(0, 0, 0));
    assert_eq!(window.empty_at(Duration::ZERO), second(528), "the bucket from 498 on");
}

#[test]
fn a_count_window_holds_the_last_calls() {
    let mut window = Window::new(Shape::Count { size: 5 });
    for (call, times, expected) in [
        (BAD, 2, counts(2, 2, 0)),
        (SLOW, 1, counts(3, 2, 1)),
        (GOOD, 2, counts(5, 2, 1)),
        (GOOD, 1, counts(5, 1, 1)),
        (GOOD, 100, counts(5, 0, 0)),
        (BAD, 1, counts(5, 1, 0)),
    ] {
        window.record(call, times, second(1));
        assert_eq!(window.counts(second(1_000)), expected, "{call:?}");
        assert_eq!(copied(&window).as_ref(), Some(&window));
    }
    assert_eq!(window.empty_at(Duration::from_secs(9)), second(10));
}

#[test]
fn a_late_call_goes_into_the_newest_bucket() {
    let mut window = Window::new(time_window(Duration::from_secs(10), 10).unwrap());
    window.record(GOOD, 1, second(5));
    window.record(BAD, 1, second(3));
    window.record_in_newest(GOOD, 7, second(9));
    assert_eq!(window.counts(second(14)), counts(9, 1, 0));
    assert_eq!(window.counts(second(15)), counts(0, 0, 0));
}

#[test]
fn what_is_no_window_is_not_read() {
    let mut window = Window::new(Shape::Count { size: 5 });
    window.record(BAD, 5, second(1));
    let mut writer = Writer::default();
    window.encode(&mut writer);
    let bytes = writer.finish();
    for (at, wrong) in [(0, 3), (1, 4), (1, 0), (11, 6)] {
        let mut bytes = bytes.clone();
        bytes[at] = wrong;
        assert_eq!(Window::decode(&mut Reader::new(&bytes)), None, "byte {at} as {wrong}");
    }
    for length in 0..bytes.len() {
        assert_eq!(Window::decode(&mut Reader::new(&bytes[..length])), None, "cut to {length}");
    }
}

#[test]
fn buckets_have_some_width_and_are_not_too_many() {
    assert_eq!(time_window(Duration::from_nanos(5), 10), None);
    assert_eq!(time_window(Duration::from_secs(1), 0), None);
    assert_eq!(time_window(Duration::from_secs(1), 61), None);
    let shape = time_window(Duration::from_secs(60), 60).unwrap();
    assert_eq!(shape, Shape::Time { width_nanos: 1_000_000_000, buckets: 60 });
    assert_eq!((shape.bucket_at(second(7)), shape.bucket_end(second(7))), (7, second(8)));
}
