//! Much of one thing in a short time, as an event.

use crate::time::MonoTime;
use core::time::Duration;

/// Over how long is counted.
pub const BURST_SPAN: Duration = Duration::from_secs(10);

/// Looks at a counter now and then, and tells when it grows by much within [`BURST_SPAN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    began: Option<(MonoTime, u64)>,
}

impl Burst {
    /// The counter shows this. By how much it has grown in the span that ends now, if that is at least `least`.
    pub fn look(&mut self, shown: u64, least: u64, now: MonoTime) -> Option<u64> {
        let (began, before) = *self.began.get_or_insert((now, shown));
        if now.since(began) < BURST_SPAN {
            return None;
        }
        self.began = Some((now, shown));
        // A counter that went back was set anew.
        shown.checked_sub(before).filter(|grown| *grown >= least.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn growth_within_a_span_is_told_once() {
        let mut burst = Burst::default();
        for (second, shown, expected) in [
            (0, 500, None),
            (5, 700, None),
            (10, 701, Some(201)),
            (11, 900, None),
            (20, 750, None),
            (30, 0, None),
            (40, 100, Some(100)),
        ] {
            assert_eq!(burst.look(shown, 100, MonoTime::from_millis(second * 1_000)), expected, "{second}");
        }
    }
}
