//! The field lines of an answer that is to be sent.

/// Names and values in the order in which they were put in, all in one piece of memory: an answer from the store is made by
/// copying two of those, whatever number of lines it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lengths of each line's name and value.
    lengths: Vec<[usize; 2]>,
    /// Names and values one after the other, each with a zero behind it, as proxies take them.
    text: Vec<u8>,
}

impl Lines {
    /// None yet, with room for so many lines and bytes of names and values.
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self { lengths: Vec::with_capacity(lines), text: Vec::with_capacity(bytes + 2 * lines) }
    }

    /// The same with room for so many more lines and bytes.
    #[must_use]
    pub fn with_room(&self, lines: usize, bytes: usize) -> Self {
        let mut copy = Self::with_capacity(self.lengths.len() + lines, self.text.len() + bytes);
        copy.lengths.extend_from_slice(&self.lengths);
        copy.text.extend_from_slice(&self.text);
        copy
    }

    /// Puts a line behind the others.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.lengths.push([name.len(), value.len()]);
        for part in [name, value] {
            self.text.extend_from_slice(part);
            self.text.push(0);
        }
    }

    /// Name and value of each line.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.text.as_slice();
        let mut part = move |length: usize| {
            let (part, behind) = rest.split_at_checked(length).unwrap_or_default();
            rest = behind.get(1..).unwrap_or_default();
            part
        };
        self.lengths.iter().map(move |[name, value]| (part(*name), part(*value)))
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// The lengths of each line's name and value.
    pub fn lengths(&self) -> &[[usize; 2]] {
        &self.lengths
    }

    /// Names and values one after the other, each with a zero behind it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// How many bytes it takes in memory.
    pub fn size(&self) -> usize {
        self.text.capacity() + self.lengths.capacity() * size_of::<[usize; 2]>()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(N, V)> for Lines {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, lines: I) {
        lines.into_iter().for_each(|(name, value)| self.push(name, value));
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Lines {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let mut all = Self::default();
        all.extend(lines);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LINES: [(&str, &str); 3] = [("a", "1"), ("x-empty", ""), ("set-cookie", "b=\0")];

    #[test]
    fn what_was_put_in_comes_out_in_order() {
        let lines: Lines = LINES.into_iter().collect();
        let all: Vec<_> = lines.iter().collect();
        assert_eq!(all, LINES.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        assert_eq!((lines.get("x-empty"), lines.get("b")), (Some(&b""[..]), None));
        assert_eq!(lines.text(), b"a\x001\0x-empty\0\0set-cookie\0b=\0\0");
        assert_eq!(lines.lengths(), [[1, 1], [7, 0], [10, 3]]);
    }

    #[test]
    fn a_copy_with_room_is_the_same_and_does_not_grow() {
        let lines: Lines = LINES.into_iter().collect();
        let mut copy = lines.with_room(1, 5);
        assert_eq!(copy, lines);
        let before = copy.size();
        copy.push("age", "");
        assert_eq!((copy.iter().count(), copy.size()), (4, before));
    }
}
