//! The encoding of values that workers share.
//!
//! Shared data outlives a configuration and even a version of a filter, and other plugins may write to it. So
//! decoding is total: a [`Reader`] never panics, and whatever it cannot read makes the whole value absent. All numbers
//! are little-endian and of fixed width, so that a value's size follows from its content alone.

/// Builds a value.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty value with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends two bytes.
    pub fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends sixteen bytes.
    pub fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends bytes whose number the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends a length (four bytes) and the bytes. A length that does not fit is cut to what does.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.u32(length);
        self.raw(bytes.get(..length as usize).unwrap_or(bytes));
    }

    /// How many bytes there are so far.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none yet.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The finished value.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a value back. Every method answers `None` once the bytes run out.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    pub fn raw(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.raw(N)?.try_into().ok()
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Sixteen bytes.
    pub fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// A length and that many bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.raw(usize::try_from(length).ok()?)
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.0.len()
    }

    /// `Some(value)` if everything was read, `None` if bytes are left over: a longer value is a foreign one.
    pub fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u8(1);
        writer.u16(2);
        writer.u32(3);
        writer.u64(4);
        writer.u128(5);
        writer.bytes(b"six");
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Option<(u8, u16, u32, u64, u128, Vec<u8>)> {
        let mut reader = Reader::new(bytes);
        let value = (
            reader.u8()?,
            reader.u16()?,
            reader.u32()?,
            reader.u64()?,
            reader.u128()?,
            reader.bytes()?.to_vec(),
        );
        reader.end(value)
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(read(&sample()), Some((1, 2, 3, 4, 5, b"six".to_vec())));
    }

    #[test]
    fn truncated_and_longer_values_are_absent() {
        let bytes = sample();
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None, "cut to {length}");
        }
        assert_eq!(read(&[bytes, vec![0]].concat()), None);
    }
}
