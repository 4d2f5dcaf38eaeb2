use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(10_000 + millis)
}

/// Ten a second, three at once: one token every 100 ms.
fn bucket() -> TokenBucket {
    TokenBucket::new(10, SECOND, 3).unwrap()
}

/// `Ok(remaining)` or `Err(wait in ms)` of each charge of one token at the given times.
fn trace(bucket: &TokenBucket, times_millis: &[u64]) -> Vec<Result<u64, u128>> {
    let mut state = None;
    let charge = |&millis: &u64| match bucket.charge(state.as_ref(), 1, 0, at(millis)) {
        Outcome::Admit { state: next, remaining, .. } => {
            state = Some(next);
            Ok(remaining)
        }
        Outcome::Refuse(refusal) => Err(refusal.wait.unwrap().as_millis()),
    };
    times_millis.iter().map(charge).collect()
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let expected = [Ok(2), Ok(1), Ok(0), Err(100), Err(40), Ok(0), Err(100)];
    assert_eq!(trace(&bucket(), &[0, 0, 0, 0, 60, 100, 100]), expected);
}

#[test]
fn an_idle_bucket_fills_to_the_burst_and_no_further() {
    assert_eq!(
        trace(&bucket(), &[0, 0, 0, 60_000, 60_000, 60_000, 60_000]),
        [Ok(2), Ok(1), Ok(0), Ok(2), Ok(1), Ok(0), Err(100)]
    );
}

#[test]
fn exactly_the_burst_passes_at_once_for_rates_that_do_not_divide() {
    for (count, per, burst) in
        [(7, SECOND, 10), (3, 86_400 * SECOND, 3), (1_000_000, SECOND, 2_000_000), (999_999_937, SECOND, 5)]
    {
        let bucket = TokenBucket::new(count, per, burst).unwrap();
        assert_eq!(bucket.available(None, at(0)), burst, "{count} per {per:?}");
        let Outcome::Admit { state, .. } = bucket.charge(None, burst, 0, at(0)) else {
            panic!("{count} per {per:?}")
        };
        assert!(
            matches!(bucket.charge(Some(&state), 1, 0, at(0)), Outcome::Refuse(_)),
            "{count} per {per:?}"
        );
    }
}

#[test]
fn a_cost_above_the_burst_never_passes_and_says_so() {
    let Outcome::Refuse(refusal) = bucket().charge(None, 4, 0, at(0)) else { panic!("must refuse") };
    assert_eq!((refusal.wait, refusal.remaining), (None, 3));
    let Outcome::Refuse(refusal) = bucket().charge(None, u64::MAX, 0, at(0)) else { panic!("must refuse") };
    assert_eq!(refusal.wait, None);
}

#[test]
fn what_makes_no_bucket_is_refused() {
    for (count, per, burst) in [(0, SECOND, 1), (1, Duration::ZERO, 1), (1, SECOND, 0), (1, SECOND, u64::MAX)]
    {
        assert_eq!(TokenBucket::new(count, per, burst), None, "{count} per {per:?}, {burst} at once");
    }
}

#[test]
fn a_state_from_nowhere_locks_nobody_out_for_longer_than_a_full_bucket_takes() {
    let state = Some(Tat(MonoTime::FAR_FUTURE));
    let Outcome::Refuse(refusal) = bucket().charge(state.as_ref(), 1, 0, at(0)) else {
        panic!("must refuse")
    };
    assert_eq!(refusal.wait, Some(Duration::from_millis(100)));
}

#[test]
fn a_refund_gives_back_what_has_not_overflowed_meanwhile() {
    let bucket = bucket();
    let Outcome::Admit { state, charge, .. } = bucket.charge(None, 2, 0, at(0)) else { panic!("must admit") };
    // After (ms): how many tokens the bucket then holds of three.
    for (after, tokens) in [(0, 3), (50, 3), (100, 3), (200, 3), (1_000, 3)] {
        let refunded = bucket.refund(Some(&state), charge, at(after)).unwrap_or(state);
        assert_eq!(bucket.available(Some(&refunded), at(after)), tokens, "after {after} ms");
    }
    // The same, when another two were charged at 100 ms: the bucket had one token of room by then.
    let Outcome::Admit { state, .. } = bucket.charge(Some(&state), 2, 0, at(100)) else {
        panic!("must admit")
    };
    assert_eq!(bucket.available(Some(&state), at(100)), 0);
    let refunded = bucket.refund(Some(&state), charge, at(100)).unwrap();
    assert_eq!(bucket.available(Some(&refunded), at(100)), 1, "one of the two would have overflowed");
}

#[test]
fn tokens_are_taken_in_advance_only_while_there_are_many() {
    let bucket = TokenBucket::new(10, SECOND, 100).unwrap();
    let tokens = |cost, extra| match bucket.charge(None, cost, extra, at(0)) {
        Outcome::Admit { charge, .. } => charge.tokens,
        Outcome::Refuse(refusal) => panic!("{refusal:?}"),
    };
    assert_eq!([tokens(1, 0), tokens(1, 2), tokens(1, 1_000), tokens(90, 1_000)], [1, 3, 7, 90]);
}
