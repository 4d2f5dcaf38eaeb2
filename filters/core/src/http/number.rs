//! Numbers in headers.

/// Digits, with white space around them, as a number: a status, a gRPC status. `None`: something else, or too large.
pub fn number(text: &[u8]) -> Option<u32> {
    let digits = text.trim_ascii();
    let mut number = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        // Of what does not fit, no more digits are added: ten times what does fits here.
        if digit > 9 || number > u64::from(u32::MAX) {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    if digits.is_empty() { None } else { number.try_into().ok() }
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
