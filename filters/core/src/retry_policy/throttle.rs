//! The throttle of gRPC proposal A6: retries stop while more than half of the tokens are gone.
//!
//! A failure takes a token, a success gives a part of one back. What the workers share is how many thousandths of a
//! token are **gone**, in a counter that all add to; two of them may correct it at the same time, so it can be off by what is in
//! flight, and the next success or failure brings it back within its bounds.

/// What an operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Tokens when nothing fails: 1 to 1000.
    pub max_tokens: u32,
    /// Thousandths of a token that a success gives back.
    pub success_millitokens: u32,
}

const TOKEN: i64 = 1_000;

impl Throttle {
    const fn most_gone(&self) -> i64 {
        self.max_tokens as i64 * TOKEN
    }

    /// Whether a retry may be made: more than half of the tokens are there.
    pub const fn allows(&self, gone: u64) -> bool {
        let gone = gone.cast_signed();
        self.most_gone() - gone > self.most_gone() / 2
    }

    /// By how much the counter changes for an answer, given what it shows.
    pub fn change(&self, gone: u64, success: bool) -> i64 {
        // Two workers may have taken the same token: below zero the counter wraps, and reads as negative here.
        let gone = gone.cast_signed();
        let wanted = if success { gone - i64::from(self.success_millitokens) } else { gone + TOKEN };
        wanted.clamp(0, self.most_gone()).saturating_sub(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const THROTTLE: Throttle = Throttle { max_tokens: 10, success_millitokens: 100 };

    #[test]
    fn retries_stop_while_half_of_the_tokens_or_more_are_gone() {
        for (gone, allowed) in [(0, true), (4_999, true), (5_000, false), (10_000, false)] {
            assert_eq!(THROTTLE.allows(gone), allowed, "{gone}");
        }
    }

    #[test]
    fn failures_take_one_and_successes_give_a_part_back_within_bounds() {
        let wrapped = (-300_i64).cast_unsigned();
        for (gone, success, change) in [
            (0, false, 1_000),
            (9_500, false, 500),
            (10_000, false, 0),
            (5_000, true, -100),
            (50, true, -50),
            (0, true, 0),
            (wrapped, true, 300),
            (wrapped, false, 1_000),
        ] {
            assert_eq!(THROTTLE.change(gone, success), change, "{gone} {success}");
        }
    }

    #[test]
    fn five_failures_need_more_than_one_success_in_ten_to_go_on() {
        let mut gone = 0_u64;
        let mut answer = |success| gone = gone.wrapping_add_signed(THROTTLE.change(gone, success));
        (0..5).for_each(|_| answer(false));
        answer(true);
        assert!(THROTTLE.allows(gone));
    }
}
