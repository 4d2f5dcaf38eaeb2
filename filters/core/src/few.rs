//! Sorting a handful.

/// Sorts by insertion: what the standard library sorts with takes 8 KiB of a module for each type, and is faster only from a
/// few dozen elements on. For lists whose length no client chooses.
pub fn sort_few<T: Ord>(items: &mut [T]) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && items.get(at) < items.get(at - 1) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sort_few;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn it_sorts_as_the_standard_library_does() {
        let mut random = crate::random::SplitMix::new(7);
        for length in [0, 1, 2, 3, 10, 64] {
            let mut items: Vec<(u64, usize)> =
                (0..length).map(|at| (crate::random::Random::below(&mut random, 20), at)).collect();
            let mut sorted = items.clone();
            sorted.sort();
            sort_few(&mut items);
            assert_eq!(items, sorted);
        }
    }
}
