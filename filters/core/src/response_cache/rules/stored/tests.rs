use super::super::sample::{at, at_millis, fresh_for};
use super::*;
use crate::units::Share;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn rfc_9111_4_2_fresh_is_younger_than_the_lifetime_to_the_millisecond() {
    let stored = Stored { initial_age: Duration::from_millis(3_500), ..fresh_for(10) };
    for (millis, age, is_fresh, staleness, ttl) in [
        (0, 3_500, true, 0, 7),
        (6_499, 9_999, true, 0, 1),
        (6_500, 10_000, false, 0, 0),
        (6_501, 10_001, false, 1, 0),
        (9_500, 13_000, false, 3_000, -3),
    ] {
        let now = at_millis(millis);
        let seen = (stored.age(now).as_millis(), stored.is_fresh(now), stored.staleness(now).as_millis());
        assert_eq!(seen, (age, is_fresh, staleness), "{millis}");
        assert_eq!(stored.ttl_seconds(now), ttl, "{millis}");
    }
}

#[test]
fn a_worker_whose_clock_is_behind_sees_no_younger_answer_than_it_arrived() {
    let stored = Stored { received: at(10).mono, initial_age: Duration::from_secs(3), ..fresh_for(10) };
    assert_eq!(stored.age(at(0)).as_secs(), 3);
}

#[test]
fn it_is_of_use_as_long_as_it_is_fresh_or_may_be_stale() {
    let terms = |is_forbidden| StaleTerms {
        is_forbidden,
        while_revalidate: Duration::from_secs(5),
        if_error: Duration::from_secs(20),
        on_connection_error: Duration::from_secs(10),
    };
    for (is_forbidden, seconds) in [(false, 27), (true, 7)] {
        let stored =
            Stored { initial_age: Duration::from_secs(3), terms: terms(is_forbidden), ..fresh_for(10) };
        assert_eq!(stored.useful_until(), at(seconds).mono);
    }
}

#[test]
fn jitter_only_shortens() {
    let tenth = Share::from_basis_points(1_000);
    for (share, bits, millis) in [
        (Share::NONE, u64::MAX, 100_000),
        (tenth, 0, 100_000),
        (tenth, u64::MAX / 2, 95_000),
        (tenth, u64::MAX, 90_000),
        (Share::ALL, u64::MAX, 0),
    ] {
        assert_eq!(fresh_for(100).jittered(share, bits).lifetime.as_millis(), millis, "{share:?} {bits}");
    }
}

fn samples() -> [Stored; 3] {
    let full = Stored {
        status: 404,
        received: MonoTime::from_nanos(u64::MAX),
        initial_age: Duration::from_millis(1_500),
        lifetime: Duration::from_secs(1 << 31),
        date_seconds: -5,
        terms: StaleTerms {
            is_forbidden: true,
            while_revalidate: Duration::from_secs(1),
            if_error: Duration::from_secs(2),
            on_connection_error: Duration::from_secs(3),
        },
        always_validate: true,
        is_immutable: true,
        parts: None,
    };
    let ranges = vec![ByteRange { first: 0, last: 9 }, ByteRange { first: 20, last: 20 }];
    let parts = Some(Parts { complete_length: 100, ranges });
    [full, Stored { parts, ..fresh_for(7) }, Stored::default()]
}

#[test]
fn what_is_encoded_is_read_back() {
    for stored in samples() {
        let mut writer = Writer::default();
        stored.encode(&mut writer);
        assert_eq!(Stored::decode(&mut Reader::new(&writer.finish())), Some(stored));
    }
}

#[test]
fn bytes_that_were_cut_or_are_of_another_version_say_nothing() {
    for stored in samples() {
        let mut writer = Writer::default();
        stored.encode(&mut writer);
        let bytes = writer.finish();
        for length in 0..bytes.len() {
            assert_eq!(Stored::decode(&mut Reader::new(&bytes[..length])), None, "{length}");
        }
        let other = [&[VERSION + 1], &bytes[1..]].concat();
        assert_eq!(Stored::decode(&mut Reader::new(&other)), None);
    }
}
