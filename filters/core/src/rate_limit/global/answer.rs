//! What an answer of the service comes to.

use super::super::fixed_window::FixedWindow;
use super::wire::{CurrentLimit, OK, OVER_LIMIT, RateLimitResponse};
use core::time::Duration;
use prost::Message;

/// A day, an hour: the units of a limit in seconds, by their number in the protocol. A month and a year are those that
/// services count with.
const UNITS: [u64; 7] = [0, 1, 60, 3_600, 86_400, 2_592_000, 31_536_000];

/// The largest answer that is read.
const MOST_BYTES: usize = 64 * 1024;

/// What a service tells of a limit. Any of it may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Told {
    /// The limit that holds.
    pub limit: Option<FixedWindow>,
    /// How much of it is left.
    pub remaining: Option<u32>,
    /// Until its window ends.
    pub reset: Option<Duration>,
}

/// An answer that can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Whether all hits pass.
    pub passes: bool,
    /// What is told of the limit.
    pub told: Told,
}

impl Answer {
    /// Reads an answer to a question about one descriptor. `None`: these bytes are no such answer, or one that decides
    /// nothing.
    pub fn read(message: &[u8]) -> Option<Self> {
        if message.len() > MOST_BYTES {
            return None;
        }
        let response = RateLimitResponse::decode(message).ok()?;
        let passes = match response.overall_code {
            OK => true,
            OVER_LIMIT => false,
            _ => return None,
        };
        let told = response.statuses.first().map_or_else(Told::default, |status| {
            let limit = status.current_limit.as_ref().and_then(window);
            // What is not limited has nothing left, which means nothing.
            let remaining = limit.map(|_| status.limit_remaining);
            let reset = status.duration_until_reset.and_then(|span| Duration::try_from(span).ok());
            Told { limit, remaining, reset: reset.filter(|reset| !reset.is_zero()) }
        });
        Some(Self { passes, told })
    }
}

fn window(limit: &CurrentLimit) -> Option<FixedWindow> {
    let seconds = UNITS.get(usize::try_from(limit.unit).ok()?)?;
    // A limit of nothing at all is written as one, so that there is something to tell.
    FixedWindow::new(limit.requests_per_unit.max(1), Duration::from_secs(*seconds))
}

#[cfg(test)]
mod tests {
    use super::super::wire::{DescriptorStatus, Entry, request};
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn answer(overall_code: i32, statuses: Vec<DescriptorStatus>) -> Option<Answer> {
        Answer::read(&RateLimitResponse { overall_code, statuses }.encode_to_vec())
    }

    fn status(unit: i32, remaining: u32, reset: Option<prost_types::Duration>) -> DescriptorStatus {
        let current_limit = Some(CurrentLimit { requests_per_unit: 100, unit });
        DescriptorStatus { code: OK, current_limit, limit_remaining: remaining, duration_until_reset: reset }
    }

    #[test]
    fn a_question_is_the_protocols_bytes() {
        let entry = Entry { key: "k".to_owned(), value: "v".to_owned() };
        // 1: "d"; 2: { 1: { 1: "k", 2: "v" } }; 3: 5
        let bytes = b"\x0a\x01d\x12\x08\x0a\x06\x0a\x01k\x12\x01v\x18\x05";
        assert_eq!(request("d", &[entry], 5), bytes);
    }

    #[test]
    fn an_answer_tells_of_the_limit() {
        let seconds = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let read = answer(OK, vec![status(2, 7, seconds(3, 500_000_000))]).unwrap();
        let limit = FixedWindow::new(100, Duration::from_secs(60));
        let reset = Some(Duration::from_millis(3_500));
        assert_eq!(read, Answer { passes: true, told: Told { limit, remaining: Some(7), reset } });
        let refused = answer(OVER_LIMIT, vec![status(1, 0, None)]).unwrap();
        assert_eq!((refused.passes, refused.told.remaining, refused.told.reset), (false, Some(0), None));
    }

    #[test]
    fn what_is_unlimited_or_not_told_has_no_numbers() {
        let unlimited = DescriptorStatus { code: OK, limit_remaining: u32::MAX, ..Default::default() };
        for statuses in [vec![], vec![unlimited], vec![status(0, 9, None)], vec![status(9, 9, None)]] {
            assert_eq!(answer(OK, statuses), Some(Answer { passes: true, told: Told::default() }));
        }
        let backwards = Some(prost_types::Duration { seconds: -1, nanos: 0 });
        assert_eq!(answer(OK, vec![status(1, 1, backwards)]).unwrap().told.reset, None);
    }

    #[test]
    fn what_decides_nothing_is_no_answer() {
        assert_eq!(answer(0, vec![]), None);
        assert_eq!(answer(3, vec![]), None);
        for bytes in [&b""[..], b"<html>", b"\x08", b"\x12\xff\xff\xff\xff\x0f", &[8; MOST_BYTES + 1]] {
            assert_eq!(Answer::read(bytes), None, "{bytes:?}");
        }
    }
}
