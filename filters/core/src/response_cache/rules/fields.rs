//! Field lines, as they are received.

use crate::bytes::is_same;
use std::borrow::Cow;

/// Name and value of one field line.
pub type Line<'a> = (&'a [u8], &'a [u8]);

/// A view of field lines in the order of their arrival, names in lower case. Pseudo headers such as `:path` count as
/// fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a>(&'a [Line<'a>]);

impl<'a> Fields<'a> {
    /// The lines as they are.
    pub const fn new(lines: &'a [Line<'a>]) -> Self {
        Self(lines)
    }

    /// The lines as they are.
    pub const fn lines(self) -> &'a [Line<'a>] {
        self.0
    }

    /// All lines.
    pub fn iter(self) -> impl Iterator<Item = Line<'a>> {
        self.0.iter().copied()
    }

    /// The values of every line of that name.
    pub fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_bytes();
        self.0.iter().filter(move |(known, _)| is_same(known, name)).map(|(_, value)| *value)
    }

    /// The first line of that name.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Whether there is such a line.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All lines of that name as one value (RFC 9110, section 5.3).
    pub fn joined(self, name: &str) -> Option<Cow<'a, [u8]>> {
        let mut lines = self.all(name);
        let first = lines.next()?;
        let Some(second) = lines.next() else { return Some(Cow::Borrowed(first)) };
        let mut value = first.to_vec();
        for line in core::iter::once(second).chain(lines) {
            value.push(b',');
            value.extend_from_slice(line);
        }
        Some(Cow::Owned(value))
    }

    /// The only line of a field that is no list. Several lines that say the same count as one; `Err`: they do not.
    pub(super) fn only(self, name: &str) -> Result<Option<&'a [u8]>, Conflict> {
        let mut lines = self.all(name).map(trim);
        let Some(first) = lines.next() else { return Ok(None) };
        if lines.all(|line| line == first) { Ok(Some(first)) } else { Err(Conflict) }
    }
}

/// Several lines of a field that is no list say different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict;

/// Without the optional white space around it (RFC 9110, section 5.6.3): spaces and tabs only.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The members of a list (RFC 9110, section 5.6.1), trimmed, without empty ones. Commas in quoted strings do not
/// separate; a quote that is never closed is an ordinary character, and so is every quote behind it.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(value, b',').map(trim).filter(|member| !member.is_empty())
}

/// Splits at a separator outside of quoted strings, in time linear in the length: behind a quote that is never closed no
/// other is looked for.
pub(super) fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    let mut has_open_quote = false;
    core::iter::from_fn(move || {
        let text = rest?;
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            if *byte == b'"' && !has_open_quote {
                match text.get(at..).and_then(quoted_length) {
                    Some(length) => at += length,
                    None => has_open_quote = true,
                }
                continue;
            }
            if *byte == separator {
                let (member, tail) = text.split_at(at);
                rest = tail.get(1..);
                return Some(member);
            }
            at += 1;
        }
        rest = None;
        Some(text)
    })
}

/// How long the quoted string is that a text begins with, its quotes included. `None`: it is never closed.
pub(super) fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// What a quoted string says (RFC 9110, section 5.6.4); `None` if the whole text is not one.
pub(super) fn unquote(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if text.first() != Some(&b'"') || quoted_length(text)? != text.len() {
        return None;
    }
    let inner = text.get(1..text.len() - 1)?;
    if !inner.contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut said = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        said.push(if *byte == b'\\' { *bytes.next()? } else { *byte });
    }
    Some(Cow::Owned(said))
}

/// Whether it is a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN_BYTES.get(usize::from(*byte)) == Some(&true))
}

/// For each byte, whether tokens may hold it: it is asked for each byte of each directive.
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest = table.as_mut_slice();
    let mut byte = 0;
    while let Some((place, after)) = rest.split_first_mut() {
        *place = is_token_byte(byte);
        rest = after;
        byte = byte.wrapping_add(1);
    }
    table
};

/// Whether tokens may hold it.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// A whole number that is written in digits alone, saturating. `None`: anything else.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sum = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(text.iter().fold(0, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn lists_split_at_commas_outside_of_closed_quotes() {
        for (value, expected) in [
            ("", &[][..]),
            (" , ,,", &[]),
            ("a,b", &["a", "b"]),
            (" a\t, b ", &["a", "b"]),
            (r#"a="1,2", b"#, &[r#"a="1,2""#, "b"]),
            (r#"a="\",", b"#, &[r#"a="\",""#, "b"]),
            (r#"a="1, b"#, &[r#"a="1"#, "b"]),
            (r#"a="1\"#, &[r#"a="1\"#]),
            (r#""\"a","b""#, &[r#""\"a""#, r#""b""#]),
            (r#"a,"b\",c"d"#, &["a", r#""b\",c"d"#]),
            (r#"a,"b\","c""#, &["a", r#""b\","c""#]),
            (r#"a,"b\",c"#, &["a", r#""b\""#, "c"]),
        ] {
            let found: Vec<_> = members(value.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|member| member.as_bytes()).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn what_is_written_to_take_long_is_read_in_one_pass() {
        // With a pass for each quote these would take hours.
        for hostile in ["\\\"", "\"\\", "\"a\\\",", ",\"", "\""] {
            let value = [b"\"", hostile.repeat(1 << 19).as_bytes()].concat();
            assert!(members(&value).count() > 0, "{hostile}");
        }
    }

    #[test]
    fn a_quoted_string_says_what_is_escaped_in_it() {
        for (text, expected) in [
            (r#""a""#, Some("a")),
            (r#""""#, Some("")),
            (r#""a\"b\\""#, Some(r#"a"b\"#)),
            (r#""a"#, None),
            (r#""a"b"#, None),
            (r#""a"b""#, None),
            (r#""a\""#, None),
            ("\"", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(unquote(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn several_lines_are_one_value() {
        let lines: [Line<'_>; 3] = [(b"a", b"1"), (b"b", b"x"), (b"a", b"2")];
        let fields = Fields::new(&lines);
        assert_eq!(fields.joined("a").as_deref(), Some(&b"1,2"[..]));
        assert_eq!(fields.joined("b").as_deref(), Some(&b"x"[..]));
        assert_eq!(fields.joined("c"), None);
        assert_eq!(fields.only("a"), Err(Conflict));
        assert_eq!(fields.only("b"), Ok(Some(&b"x"[..])));
    }

    #[test]
    fn a_number_is_digits_alone_and_saturates() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            (" 1", None),
        ] {
            assert_eq!(digits(text.as_bytes()), expected, "{text}");
        }
    }
}
