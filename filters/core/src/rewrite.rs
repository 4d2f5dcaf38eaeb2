//! The smallest conversation: read one value, decide, swap, and begin again if another came first.
//!
//! Most protocols here are one such conversation or a few in a row. An [`Edit`] is the pure part; [`Rewrite`] is the
//! conversation around it.

use crate::protocol::{Input, MAX_LOST_SWAPS, Machine, Step, Version};

/// What is to be done with one shared value. Asked again for every new value that is found, so it must not remember.
pub trait Edit {
    /// What the edit comes to.
    type Output;

    /// Looks at the value (`None`: there is none) and says what becomes of it.
    fn edit(&self, old: Option<&[u8]>) -> Edited<Self::Output>;
}

/// What becomes of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Edited<T> {
    /// It stays as it is.
    Keep(T),
    /// It is replaced; the output holds once the swap is made.
    Replace(Vec<u8>, T),
}

/// Why a conversation came to nothing. The shared value is as others left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfinished {
    /// [`MAX_LOST_SWAPS`] swaps were lost in a row.
    #[error("lost {MAX_LOST_SWAPS} swaps in a row")]
    Contended,
    /// The store answered with an error, or out of turn.
    #[error("the shared store failed")]
    Failed,
}

/// The conversation that makes one [`Edit`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rewrite<K, E: Edit> {
    key: K,
    edit: E,
    lost: u32,
    swapping: Option<E::Output>,
}

impl<K, E: Edit> Rewrite<K, E> {
    /// Makes `edit` on the value of `key`.
    pub const fn new(key: K, edit: E) -> Self {
        Self { key, edit, lost: 0, swapping: None }
    }
}

impl<K: Clone, E: Edit> Rewrite<K, E> {
    fn decide(&mut self, old: Option<&[u8]>, version: Version) -> Step<K, Result<E::Output, Unfinished>> {
        match self.edit.edit(old) {
            Edited::Keep(output) => Step::Done(Ok(output)),
            Edited::Replace(value, output) => {
                self.swapping = Some(output);
                Step::Swap { key: self.key.clone(), version, value }
            }
        }
    }
}

impl<K: Clone, E: Edit> Machine for Rewrite<K, E> {
    type Key = K;
    type Output = Result<E::Output, Unfinished>;

    fn resume(&mut self, input: Input) -> Step<K, Self::Output> {
        match (input, self.swapping.take()) {
            (Input::Start, None) => Step::Get(self.key.clone()),
            (Input::Value { value, version }, None) => self.decide(value.as_deref(), version),
            (Input::Swapped(true), Some(output)) => Step::Done(Ok(output)),
            (Input::Swapped(false), Some(_)) => {
                self.lost = self.lost.saturating_add(1);
                if self.lost >= MAX_LOST_SWAPS {
                    return Step::Done(Err(Unfinished::Contended));
                }
                Step::Get(self.key.clone())
            }
            _ => Step::Done(Err(Unfinished::Failed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Appends a byte, up to three of them.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Append(u8);

    impl Edit for Append {
        type Output = usize;

        fn edit(&self, old: Option<&[u8]>) -> Edited<usize> {
            let old = old.unwrap_or_default();
            if old.len() >= 3 {
                return Edited::Keep(old.len());
            }
            Edited::Replace([old, &[self.0]].concat(), old.len() + 1)
        }
    }

    fn read(value: &[u8], version: u32) -> Input {
        Input::Value { value: Some(value.to_vec()), version: Version::Of(version) }
    }

    #[test]
    fn a_lost_swap_begins_again_with_what_the_other_wrote() {
        let mut append = Rewrite::new("key", Append(9));
        assert_eq!(append.resume(Input::Start), Step::Get("key"));
        let swap = |value: &[u8], version| Step::Swap { key: "key", version, value: value.to_vec() };
        let absent = Input::Value { value: None, version: Version::Absent };
        assert_eq!(append.resume(absent), swap(&[9], Version::Absent));
        assert_eq!(append.resume(Input::Swapped(false)), Step::Get("key"));
        assert_eq!(append.resume(read(&[1], 5)), swap(&[1, 9], Version::Of(5)));
        assert_eq!(append.resume(Input::Swapped(true)), Step::Done(Ok(2)));
    }

    #[test]
    fn nothing_to_change_ends_without_a_swap() {
        let mut append = Rewrite::new("key", Append(9));
        append.resume(Input::Start);
        assert_eq!(append.resume(read(&[1, 2, 3], 5)), Step::Done(Ok(3)));
    }

    #[test]
    fn contention_and_errors_end_with_a_name() {
        let mut append = Rewrite::new("key", Append(9));
        append.resume(Input::Start);
        for lost in 1..=MAX_LOST_SWAPS {
            assert!(matches!(append.resume(read(&[], lost)), Step::Swap { .. }));
            let next = append.resume(Input::Swapped(false));
            let last = lost == MAX_LOST_SWAPS;
            assert_eq!(next, if last { Step::Done(Err(Unfinished::Contended)) } else { Step::Get("key") });
        }
        for wrong in [Input::Failed, Input::Sent(true), Input::Swapped(true)] {
            let mut append = Rewrite::new("key", Append(9));
            append.resume(Input::Start);
            assert_eq!(append.resume(wrong), Step::Done(Err(Unfinished::Failed)));
        }
    }
}
