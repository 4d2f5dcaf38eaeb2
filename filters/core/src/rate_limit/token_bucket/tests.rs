use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECOND: Duration = Duration::from_secs(1);
const NONE: Advance = Advance { most: 0, one_of: 0 };

fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(10_000 + millis)
}

/// Ten a second, three at once: one token every 100 ms.
fn bucket() -> TokenBucket {
    TokenBucket::new(10, SECOND, 3).unwrap()
}

fn refusal(outcome: Outcome<Line, Stretch>) -> Refusal {
    match outcome {
        Outcome::Refuse(refusal) => refusal,
        Outcome::Admit { .. } => panic!("must refuse"),
    }
}

/// Charges and keeps the new state.
fn charge(bucket: &TokenBucket, state: &mut Option<Line>, cost: u64, millis: u64) -> Stretch {
    match bucket.charge(state.as_ref(), cost, NONE, at(millis)) {
        Outcome::Admit { state: next, charge, .. } => {
            *state = Some(next);
            charge
        }
        Outcome::Refuse(refusal) => panic!("{refusal:?}"),
    }
}

fn give_back(bucket: &TokenBucket, state: &mut Option<Line>, held: Stretch, millis: u64) {
    if let Some(next) = bucket.refund(state.as_ref(), held, at(millis)) {
        *state = Some(next);
    }
}

/// `Ok(remaining)` or `Err(wait in ms)` of each charge of one token at the given times.
fn trace(bucket: &TokenBucket, times_millis: &[u64]) -> Vec<Result<u64, u128>> {
    let mut state = None;
    let charge = |&millis: &u64| match bucket.charge(state.as_ref(), 1, NONE, at(millis)) {
        Outcome::Admit { state: next, remaining, .. } => {
            state = Some(next);
            Ok(remaining)
        }
        Outcome::Refuse(refusal) => Err(refusal.wait.unwrap().as_millis()),
    };
    times_millis.iter().map(charge).collect()
}

#[test]
fn a_tightened_bucket_has_the_same_share_of_rate_and_burst() {
    let share = |points| Share::from_basis_points(points);
    for (count, burst, points, least, expected) in [
        // The burst, and how often a token flows in.
        (100, 200, 10_000, 1, (200, Duration::from_millis(10))),
        (100, 200, 2_000, 1, (40, Duration::from_millis(50))),
        (100, 200, 8_000, 1, (160, Duration::from_micros(12_500))),
        (10, 3, 5_000, 1, (1, Duration::from_millis(200))),
        // A request can always pass; the rate is tightened all the same.
        (10, 3, 2_000, 1, (1, Duration::from_millis(500))),
        (100, 200, 2_000, 50, (50, Duration::from_millis(50))),
    ] {
        let whole = TokenBucket::new(count, SECOND, burst).unwrap();
        let tight = whole.tightened(share(points), least);
        let interval = Duration::from_nanos(tight.interval_nanos);
        assert_eq!((tight.burst(), interval), expected, "{count}/s, {burst}, {points}, {least}");
        assert_eq!(tight == whole, points == 10_000);
        // An empty state lets exactly the burst through.
        assert_eq!(tight.available(None, at(0)), tight.burst());
    }
    let longest = TokenBucket::new(1, Duration::from_secs(4_000_000_000), 1).unwrap();
    assert_eq!(longest.tightened(share(100), 1).burst(), 1);
}

#[test]
fn a_client_has_used_up_the_same_share_of_the_bucket_and_of_the_tightened_one() {
    let whole = TokenBucket::new(100, SECOND, 200).unwrap();
    let tight = whole.tightened(Share::from_basis_points(2_000), 1);
    let mut state = None;
    charge(&whole, &mut state, 150, 0);
    assert_eq!((whole.available(state.as_ref(), at(0)), tight.available(state.as_ref(), at(0))), (50, 10));
    // What the tightened one lets through takes its share of the whole: nothing is left when the level falls.
    charge(&tight, &mut state, 10, 0);
    assert_eq!((whole.available(state.as_ref(), at(0)), tight.available(state.as_ref(), at(0))), (0, 0));
    assert_eq!((whole.available(state.as_ref(), at(100)), tight.available(state.as_ref(), at(100))), (10, 2));
}

#[test]
fn what_was_taken_at_one_price_goes_back_at_that_price() {
    let whole = TokenBucket::new(100, SECOND, 200).unwrap();
    let tight = whole.tightened(Share::from_basis_points(5_000), 1);
    let mut state = None;
    let held = charge(&whole, &mut state, 100, 0);
    assert_eq!(tight.available(state.as_ref(), at(0)), 50);
    give_back(&whole, &mut state, held, 0);
    assert_eq!((whole.available(state.as_ref(), at(0)), tight.available(state.as_ref(), at(0))), (200, 100));
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
        let (mut all, mut single) = (None, None);
        charge(&bucket, &mut all, burst, 0);
        assert_eq!(bucket.available(all.as_ref(), at(0)), 0, "{count} per {per:?}");
        for _ in 0..burst.min(10) {
            charge(&bucket, &mut single, 1, 0);
        }
        assert_eq!(bucket.available(single.as_ref(), at(0)), burst - burst.min(10), "{count} per {per:?}");
    }
}

#[test]
fn the_rate_is_missed_by_less_than_a_billionth_per_request_in_a_second_and_never_exceeded() {
    for (count, in_a_day) in [(7, 604_799), (10_000, 864_000_000), (999_983, 86_312_107)] {
        let bucket = TokenBucket::new(count, SECOND, count).unwrap();
        let mut state = None;
        charge(&bucket, &mut state, count, 0);
        let seconds = in_a_day / count;
        let passed = u128::from(seconds) * 1_000_000_000 / u128::from(bucket.span(1));
        let exact = u128::from(seconds * count);
        let error = exact * u128::from(count) / 1_000_000_000 + 1;
        assert!(passed <= exact && exact - passed <= error, "{count}: {passed} of {exact}");
    }
}

#[test]
fn a_cost_above_the_burst_never_passes_and_says_so() {
    let refused = refusal(bucket().charge(None, 4, NONE, at(0)));
    assert_eq!((refused.wait, refused.remaining), (None, 3));
    assert_eq!(refusal(bucket().charge(None, u64::MAX, NONE, at(0))).wait, None);
}

#[test]
fn what_makes_no_bucket_is_refused() {
    for (count, per, burst) in [(0, SECOND, 1), (1, Duration::ZERO, 1), (1, SECOND, 0), (1, SECOND, u64::MAX)]
    {
        assert_eq!(TokenBucket::new(count, per, burst), None, "{count} per {per:?}, {burst} at once");
    }
}

#[test]
fn a_state_from_nowhere_locks_nobody_out() {
    let nowhere = Line { fills_in_nanos: 300_000_000, end: MonoTime::FAR_FUTURE, returned: Stretch::EMPTY };
    assert_eq!(bucket().available(Some(&nowhere), at(0)), 3);
    // Another worker's clock reading may be a little later than this one's.
    let skewed = Line { fills_in_nanos: 300_000_000, end: at(2_300), returned: Stretch::EMPTY };
    let refused = refusal(bucket().charge(Some(&skewed), 1, NONE, at(0)));
    assert_eq!(refused.wait, Some(Duration::from_millis(2_100)));
    assert_eq!(bucket().available(Some(&skewed), at(2_100)), 1);
}

#[test]
fn a_refund_gives_back_what_has_not_overflowed_meanwhile() {
    let bucket = bucket();
    let mut state = None;
    let held = charge(&bucket, &mut state, 2, 0);
    for after in [0, 50, 100, 200, 1_000] {
        let mut refunded = state;
        give_back(&bucket, &mut refunded, held, after);
        assert_eq!(bucket.available(refunded.as_ref(), at(after)), 3, "after {after} ms");
    }
    // The same, when another two were charged at 100 ms: the bucket had one token of room by then.
    charge(&bucket, &mut state, 2, 100);
    assert_eq!(bucket.available(state.as_ref(), at(100)), 0);
    give_back(&bucket, &mut state, held, 100);
    assert_eq!(bucket.available(state.as_ref(), at(100)), 1, "one of the two would have overflowed");
}

#[test]
fn refunds_in_any_order_give_everything_back() {
    let bucket = TokenBucket::new(1, 86_400 * SECOND, 3).unwrap();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut state = None;
        let held = [0; 3].map(|_| charge(&bucket, &mut state, 1, 0));
        for (number, which) in (1..).zip(order) {
            give_back(&bucket, &mut state, held[which], 0);
            assert_eq!(bucket.available(state.as_ref(), at(0)), number, "{order:?}");
        }
        assert_eq!(state.unwrap().fresh_at(), at(0), "as if nothing had been charged: {order:?}");
    }
}

#[test]
fn what_is_returned_before_another_does_not_let_the_other_outlive_the_line() {
    // Two take ten each at once, the first gives them back, a third takes them. After 15 intervals five are left of
    // what is held, and 15 have flowed in.
    let bucket = TokenBucket::new(10, SECOND, 20).unwrap();
    let mut state = None;
    let first = charge(&bucket, &mut state, 10, 0);
    let second = charge(&bucket, &mut state, 10, 0);
    give_back(&bucket, &mut state, first, 0);
    let third = charge(&bucket, &mut state, 10, 0);
    let sum = |millis| {
        let held = bucket.left(second, at(millis)) + bucket.left(third, at(millis));
        (bucket.available(state.as_ref(), at(millis)), held)
    };
    assert_eq!([sum(0), sum(1_000), sum(1_500), sum(2_000)], [(0, 20), (10, 10), (15, 5), (20, 0)]);
}

#[test]
fn the_wait_is_true_while_something_returned_melts() {
    let bucket = bucket();
    let mut state = None;
    let first = charge(&bucket, &mut state, 1, 0);
    charge(&bucket, &mut state, 2, 0);
    give_back(&bucket, &mut state, first, 0);
    // One token is there, and melts just as the first flows in: two are there when the second has.
    let refused = refusal(bucket.charge(state.as_ref(), 2, NONE, at(0)));
    assert_eq!((refused.wait, refused.remaining), (Some(Duration::from_millis(200)), 1));
    assert_eq!(bucket.available(state.as_ref(), at(199)), 1);
    assert_eq!(bucket.available(state.as_ref(), at(200)), 2);
}

#[test]
fn tokens_are_taken_in_advance_only_while_there_are_many() {
    let bucket = TokenBucket::new(10, SECOND, 100).unwrap();
    let tokens = |cost, most| match bucket.charge(None, cost, Advance { most, one_of: 16 }, at(0)) {
        Outcome::Admit { charge, remaining, .. } => (bucket.left(charge, at(0)), remaining),
        Outcome::Refuse(refusal) => panic!("{refusal:?}"),
    };
    assert_eq!(tokens(1, 0), (1, 99));
    assert_eq!(tokens(1, 2), (3, 99));
    assert_eq!(tokens(1, 1_000), (7, 99));
    assert_eq!(tokens(90, 1_000), (90, 10));
}

#[test]
fn what_is_held_is_spent_token_by_token_and_melts_in_between() {
    let bucket = TokenBucket::new(10, SECOND, 10).unwrap();
    let mut state = None;
    let mut held = charge(&bucket, &mut state, 5, 0);
    assert!(bucket.split(&mut held, 6, at(0)).is_none());
    assert!(bucket.split(&mut held, 2, at(0)).is_some());
    assert_eq!(bucket.left(held, at(0)), 3);
    // The 300 ms that are left end at 500 ms: at 350 ms that is one token and a half.
    assert_eq!(bucket.left(held, at(350)), 1);
    assert!(bucket.split(&mut held, 1, at(350)).is_some());
    assert!(bucket.split(&mut held, 1, at(350)).is_none());
}

#[test]
fn a_line_is_read_back_as_it_was_written() {
    let lines = [
        Line { fills_in_nanos: 300_000_000, end: at(5), returned: Stretch::EMPTY },
        Line { fills_in_nanos: 300_000_000, end: at(5), returned: Stretch::before(at(3).as_nanos(), 7) },
    ];
    for line in lines {
        let mut writer = Writer::default();
        line.encode(&mut writer);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!((Line::decode(&mut reader), reader.left()), (Some(line), 0));
    }
    let mut writer = Writer::default();
    Line { fills_in_nanos: 300_000_000, end: at(1), returned: Stretch::before(at(2).as_nanos(), 7) }
        .encode(&mut writer);
    assert_eq!(Line::decode(&mut Reader::new(&writer.finish())), None, "returned behind the end");
}

#[test]
fn another_rate_or_burst_goes_on_with_the_share_that_is_used_up() {
    let daily = |count, burst| TokenBucket::new(count, 86_400 * SECOND, burst).unwrap();
    for (before, used, after, left) in [
        (daily(1, 10), 10, daily(2, 10), 0),
        (daily(2, 10), 10, daily(1, 10), 0),
        (daily(1, 10), 5, daily(1, 100), 50),
        (daily(1, 100), 50, daily(1, 10), 5),
        (daily(1, 10), 3, daily(1_000_000, 10), 7),
    ] {
        let Outcome::Admit { state, .. } = before.charge(None, used, Advance::default(), at(0)) else {
            panic!("must admit")
        };
        assert_eq!(after.available(Some(&state), at(0)), left, "{before:?} to {after:?}");
    }
}

#[test]
fn two_configurations_that_serve_one_client_do_not_reset_each_other() {
    let (old, new) = (bucket(), TokenBucket::new(20, SECOND, 3).unwrap());
    let (mut state, mut admitted) = (None, 0);
    for round in 0..1_000 {
        let bucket = if round % 2 == 0 { old } else { new };
        if let Outcome::Admit { state: next, .. } =
            bucket.charge(state.as_ref(), 1, Advance::default(), at(round))
        {
            (state, admitted) = (Some(next), admitted + 1);
        }
    }
    assert!(admitted <= 3 + 20, "no more than the faster of the two in a second: {admitted}");
}
