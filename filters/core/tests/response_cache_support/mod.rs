//! Dates, written by a library that the rules do not use.

use core::time::Duration;
use std::time::UNIX_EPOCH;

/// A date in one of the three forms.
pub(crate) fn written_date(seconds: i64, form: usize) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let imf = httpdate::fmt_http_date(time);
    let [weekday, day, month, year, clock, _] = imf.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{imf}")
    };
    let short = weekday.trim_end_matches(',');
    let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let long = names.iter().find(|name| name.starts_with(short)).unwrap();
    match form {
        0 => imf,
        1 => format!("{long}, {day}-{month}-{} {clock} GMT", &year[2..]),
        _ => format!("{short} {month} {:>2} {clock} {year}", day.trim_start_matches('0')),
    }
}
