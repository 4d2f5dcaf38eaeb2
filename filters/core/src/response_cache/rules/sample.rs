//! Messages made of literals. They live as long as the test: what a table names is not freed.

use super::fields::{Fields, Line};
use super::policy::Policy;
use super::request::Request;
use super::response::{Exchange, Plan, on_response};
use super::storable::Refused;
use super::stored::Stored;
use super::{Now, format_date};
use crate::time::{MonoTime, WallTime};
use core::time::Duration;

/// Sat, 21 Nov 2026 00:00:00 GMT
pub(super) const TODAY: i64 = 1_795_219_200;

/// So many seconds after the tests begin, on both clocks.
pub(super) fn at(seconds: u64) -> Now {
    at_millis(seconds * 1_000)
}

/// So many milliseconds after the tests begin, on both clocks.
pub(super) fn at_millis(millis: u64) -> Now {
    let wall = (TODAY.unsigned_abs() * 1_000 + millis) * 1_000_000;
    // A process that has been running for a while.
    let mono = MonoTime::from_millis(5_000_000 + millis);
    Now { mono, wall: WallTime::from_unix_nanos(wall) }
}

/// The date so many seconds after the tests begin.
pub(super) fn date(seconds: i64) -> String {
    format_date(TODAY + seconds)
}

pub(super) fn fields(lines: &[(&str, &str)]) -> Fields<'static> {
    let leak = |text: &str| -> &'static [u8] { Box::leak(text.to_owned().into_boxed_str()).as_bytes() };
    let lines: Vec<Line<'static>> = lines.iter().map(|(name, value)| (leak(name), leak(value))).collect();
    Fields::new(Box::leak(lines.into_boxed_slice()))
}

/// A request for `/a/b?c=d`.
pub(super) fn request(method: &str, more: &[(&str, &str)]) -> Request<'static> {
    let own =
        [(":method", method), (":scheme", "https"), (":authority", "shop.example"), (":path", "/a/b?c=d")];
    Request::read(fields(&[&own, more].concat()), false, true)
}

/// What is decided of an answer to a GET that took no time and came when the tests begin.
pub(super) fn received(
    asked: &[(&str, &str)],
    status: u16,
    response: &[(&str, &str)],
    policy: &Policy,
) -> Result<Plan<'static>, Refused> {
    on_response(&exchange(request("GET", asked), status, response), policy)
}

pub(super) fn exchange(
    request: Request<'static>,
    status: u16,
    response: &[(&str, &str)],
) -> Exchange<'static> {
    let request: &'static Request<'static> = Box::leak(Box::new(request));
    Exchange { request, status, response: fields(response), sent: at(0).mono, now: at(0) }
}

/// An answer that is fresh for so many seconds from when the tests begin.
pub(super) fn fresh_for(seconds: u64) -> Stored {
    Stored {
        status: 200,
        received: at(0).mono,
        lifetime: Duration::from_secs(seconds),
        date_seconds: TODAY,
        ..Stored::default()
    }
}
