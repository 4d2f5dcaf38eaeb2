//! When to come back.

use crate::random::Random;
use crate::units::Share;
use core::time::Duration;

/// Whole seconds for a `Retry-After` header (RFC 9110, section 10.2.3): at least 1.
///
/// Never earlier than the truth: rounded up, then moved later by up to `jitter` of the wait. Where there is any jitter
/// it is a second or more, so that clients which were refused together do not come back together.
pub fn retry_after_seconds(wait: Duration, jitter: Share, random: &mut impl Random) -> u64 {
    let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
    if jitter == Share::NONE {
        return whole;
    }
    let most = jitter.of(whole).max(1);
    whole.saturating_add(random.below(most.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Fixed;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_wait_is_rounded_up_and_jittered_upwards_only() {
        let fifth = Share::from_basis_points(2_000);
        for (millis, jitter, bits, seconds) in [
            (0, Share::NONE, 0, 1),
            (1, Share::NONE, u64::MAX, 1),
            (1_001, Share::NONE, 0, 2),
            (10_000, fifth, 0, 10),
            (10_000, fifth, u64::MAX, 12),
            (500, fifth, u64::MAX, 2),
        ] {
            let wait = Duration::from_millis(millis);
            assert_eq!(retry_after_seconds(wait, jitter, &mut Fixed(bits)), seconds, "{millis} ms");
        }
        assert_eq!(retry_after_seconds(Duration::MAX, Share::ALL, &mut Fixed(u64::MAX)), u64::MAX);
    }
}
