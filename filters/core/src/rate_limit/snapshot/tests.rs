use super::super::token_bucket::Advance;
use super::super::{Outcome, fixed_window, sliding_window, token_bucket};
use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CLIENT: Fingerprint = Fingerprint(9);
const OLD: MonoTime = MonoTime::from_millis(5_000_000_123);
const NEW: MonoTime = MonoTime::from_millis(60_007);
const DAY: Duration = Duration::from_secs(86_400);

fn set_of<E: Entry>(entry: E) -> Vec<u8> {
    let mut set = Set::read(None);
    set.put(CLIENT, entry, OLD);
    set.encode()
}

fn taken(algorithm: Algorithm, set: &[u8]) -> OfLimit {
    let mut part = OfLimit { name: "a".to_owned(), clients: Vec::new() };
    take(&mut part, algorithm, Some(set), OLD);
    // As it comes back from wherever it was kept.
    serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap()
}

fn restored(part: &OfLimit, age: Duration, old: Option<&[u8]>) -> Edited<Option<i64>> {
    Putting { client: CLIENT, level: part.clients[0].level, age, now: NEW }.edit(old)
}

fn bytes(edited: Edited<Option<i64>>) -> Vec<u8> {
    match edited {
        Edited::Replace(bytes, Some(1)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bucket_goes_on_with_what_is_left_and_what_flowed_in_meanwhile() {
    let bucket = token_bucket::TokenBucket::new(10, Duration::from_secs(100), 10).unwrap();
    let mut line = None;
    for _ in 0..8 {
        let charged = bucket.charge(line.as_ref(), 1, Advance::default(), OLD);
        let Outcome::Admit { state, .. } = charged else { panic!("must pass") };
        line = Some(state);
    }
    let part = taken(Algorithm::TokenBucket(bucket), &set_of(line.unwrap()));
    for (seconds, left) in [(0, 2), (9, 2), (10, 3), (45, 6)] {
        let set = bytes(restored(&part, Duration::from_secs(seconds), None));
        let set = Set::<Line>::read(Some(&set));
        assert_eq!(bucket.available(set.get(CLIENT), NEW), left, "after {seconds} s");
    }
    assert_eq!(restored(&part, Duration::from_secs(81), None), Edited::Keep(None), "it is full");
}

#[test]
fn a_window_goes_on_and_is_never_more_generous() {
    let window = sliding_window::SlidingWindow::new(10, Duration::from_secs(100)).unwrap();
    let Outcome::Admit { state, .. } = window.charge(None, 7, OLD) else { panic!("must pass") };
    let part = taken(Algorithm::SlidingWindow(window), &set_of(state));
    let set = bytes(restored(&part, Duration::from_secs(20), None));
    let set = Set::<Counts>::read(Some(&set));
    let charge = |cost, at| matches!(window.charge(set.get(CLIENT), cost, at), Outcome::Admit { .. });
    assert!(charge(3, NEW) && !charge(4, NEW));
    assert!(!charge(10, NEW.after(Duration::from_secs(79))));
    assert!(charge(10, NEW.after(Duration::from_secs(121))));
    assert_eq!(restored(&part, DAY, None), Edited::Keep(None));
    let window = fixed_window::FixedWindow::new(10, Duration::from_secs(100)).unwrap();
    let Outcome::Admit { state, .. } = window.charge(None, 7, OLD) else { panic!("must pass") };
    let part = taken(Algorithm::FixedWindow(window), &set_of(state));
    let set = bytes(restored(&part, Duration::from_secs(20), None));
    let set = Set::<Opened>::read(Some(&set));
    let charge = |cost, at| matches!(window.charge(set.get(CLIENT), cost, at), Outcome::Admit { .. });
    assert!(charge(3, NEW) && !charge(4, NEW) && !charge(4, NEW.after(Duration::from_secs(79))));
    assert!(charge(10, NEW.after(Duration::from_secs(81))));
}

#[test]
fn who_has_come_since_keeps_what_it_has_now() {
    let bucket = token_bucket::TokenBucket::new(10, Duration::from_secs(100), 10).unwrap();
    let charged = |now| match bucket.charge(None, 5, Advance::default(), now) {
        Outcome::Admit { state, .. } => state,
        Outcome::Refuse(_) => panic!("must pass"),
    };
    let part = taken(Algorithm::TokenBucket(bucket), &set_of(charged(OLD)));
    let mut live = Set::read(None);
    live.put(CLIENT, charged(NEW), NEW);
    assert_eq!(restored(&part, Duration::ZERO, Some(&live.encode())), Edited::Keep(None));
}

#[test]
fn levels_from_nowhere_put_nothing_that_lasts() {
    for level in [
        Level::TokenBucket { full_in_ns: u64::MAX, fills_in_ns: 1 },
        Level::TokenBucket { full_in_ns: 1, fills_in_ns: 0 },
        Level::FixedWindow { ends_in_ns: 0, count: u32::MAX },
        Level::SlidingWindow { newest_age_ns: 0, part_ns: 0, counts: [1; 11] },
        Level::SlidingWindow { newest_age_ns: u64::MAX, part_ns: 1, counts: [1; 11] },
    ] {
        let putting = Putting { client: CLIENT, level, age: Duration::ZERO, now: NEW };
        let Edited::Replace(bytes, _) = putting.edit(None) else { continue };
        let line = Set::<Line>::read(Some(&bytes));
        // A bucket is never emptier than empty.
        assert!(
            line.get(CLIENT).is_none_or(|line| line.fresh_at() <= NEW.after(Duration::from_micros(1))),
            "{level:?}"
        );
    }
}
