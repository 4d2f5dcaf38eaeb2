//! Times in reports: of the monotonic clock when they are written, dates when they are read.

use crate::time::{MonoTime, WallTime};
use serde_json::Value;

/// The end of the name of each member that is a time of the monotonic clock, in nanoseconds.
pub const MONO_SUFFIX: &str = "_mono_ns";

/// Makes dates of all times: a member `since_mono_ns` becomes `since`, in RFC 3339. What is no time stays as it is. `now` and
/// `wall` are what both clocks show at the same moment.
pub fn humanize(value: &mut Value, now: MonoTime, wall: WallTime) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| humanize(value, now, wall)),
        Value::Object(members) => {
            for (name, value) in core::mem::take(members) {
                let (name, value) = member(name, value, now, wall);
                members.insert(name, value);
            }
        }
        _ => {}
    }
}

fn member(name: String, mut value: Value, now: MonoTime, wall: WallTime) -> (String, Value) {
    let Some(short) = name.strip_suffix(MONO_SUFFIX) else {
        humanize(&mut value, now, wall);
        return (name, value);
    };
    match value.as_u64() {
        Some(nanos) => (short.to_owned(), rfc3339(MonoTime::from_nanos(nanos), now, wall).into()),
        None if value.is_null() => (short.to_owned(), Value::Null),
        None => (name, value),
    }
}

/// A time of the monotonic clock as a date, to the millisecond, in UTC.
pub fn rfc3339(at: MonoTime, now: MonoTime, wall: WallTime) -> String {
    let (at, now, wall) =
        (i128::from(at.as_nanos()), i128::from(now.as_nanos()), i128::from(wall.as_unix_nanos()));
    let millis = (wall + at - now).div_euclid(1_000_000);
    let timestamp =
        i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    // Later than year 9999: damage, or for ever.
    timestamp.map_or_else(|| "9999-12-31T23:59:59.999Z".to_owned(), |timestamp| format!("{timestamp:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: MonoTime = MonoTime::from_millis(10_000);
    /// 2026-01-02T03:04:05.678Z.
    const WALL: WallTime = WallTime::from_unix_nanos(1_767_323_045_678_000_000);

    #[test]
    fn times_become_dates_wherever_they_are() {
        let mut value = json!({
            "since_mono_ns": 10_000_000_000_u64,
            "rules": [{"until_mono_ns": 11_000_500_000_u64, "at_mono_ns": null, "wait_ms": 5}],
            "odd_mono_ns": "text",
        });
        humanize(&mut value, NOW, WALL);
        let expected = json!({
            "since": "2026-01-02T03:04:05.678Z",
            "rules": [{"until": "2026-01-02T03:04:06.678Z", "at": null, "wait_ms": 5}],
            "odd_mono_ns": "text",
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn any_time_has_a_date() {
        assert_eq!(rfc3339(MonoTime::ZERO, NOW, WALL), "2026-01-02T03:03:55.678Z");
        assert_eq!(rfc3339(MonoTime::ZERO, NOW, WallTime::from_unix_nanos(0)), "1969-12-31T23:59:50.000Z");
        let last = rfc3339(MonoTime::FAR_FUTURE, MonoTime::ZERO, WallTime::from_unix_nanos(u64::MAX));
        assert!(last.ends_with('Z'), "{last}");
    }
}
