//! Numbers in headers.

/// Digits, with white space around them, as a number: a status, a gRPC status. `None`: something else, or too large.
pub fn number(text: &[u8]) -> Option<u32> {
    let digits = text.trim_ascii();
    let added = |number: u32, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, added) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_digits_that_fit_are_a_number() {
        for (text, expected) in [
            ("200", Some(200)),
            (" 14\t", Some(14)),
            ("007", Some(7)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("", None),
            (" ", None),
            ("+1", None),
            ("-1", None),
            ("1 2", None),
            ("20x", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
