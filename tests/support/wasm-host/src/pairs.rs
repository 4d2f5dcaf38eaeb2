//! Lists of pairs as they cross the ABI: a count, all sizes, then names and values, each closed by a zero byte.

/// One name and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Above either limit Envoy reads a list as empty.
const MAX_PAIRS: usize = 1024;
const MAX_BYTES: usize = 1024 * 1024;

pub(crate) fn serialize<'a>(pairs: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Vec<u8> {
    let mut bytes = length(pairs.len()).to_vec();
    for (name, value) in pairs.clone() {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for (name, value) in pairs {
        for part in [name, value] {
            bytes.extend_from_slice(part);
            bytes.push(0);
        }
    }
    bytes
}

/// Malformed or too long lists read as empty.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Pair> {
    if bytes.len() > MAX_BYTES { Vec::new() } else { parse_whole(bytes).unwrap_or_default() }
}

fn parse_whole(bytes: &[u8]) -> Option<Vec<Pair>> {
    let (count, sizes) = read_length(bytes)?;
    if count > MAX_PAIRS {
        return None;
    }
    let (mut sizes, mut texts) = sizes.split_at_checked(count * 8)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let mut part = || {
            let (size, rest) = read_length(sizes)?;
            sizes = rest;
            let (text, rest) = texts.split_at_checked(size)?;
            texts = rest.get(1..)?;
            Some(text.to_vec())
        };
        pairs.push((part()?, part()?));
    }
    Some(pairs)
}

fn length(size: usize) -> [u8; 4] {
    u32::try_from(size).unwrap().to_le_bytes()
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*size) as usize, rest))
}

#[cfg(test)]
mod tests {
    use super::{parse, serialize};

    #[test]
    fn what_was_written_is_read_back() {
        let pairs = [(&b":path"[..], &b"/"[..]), (b"empty", b""), (b"raw", b"\0\xff")];
        let read = parse(&serialize(pairs.iter().copied()));
        let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn too_many_pairs_truncated_and_foreign_bytes_read_as_empty() {
        let many = vec![(&b"a"[..], &b"b"[..]); 1025];
        let large = vec![b'x'; 1024 * 1024];
        let whole = serialize([(&b"name"[..], &b"value"[..])].into_iter());
        for (why, bytes) in [
            ("1025 pairs", serialize(many.into_iter())),
            ("over 1 MiB", serialize([(&b"a"[..], &large[..])].into_iter())),
            ("truncated", whole[..whole.len() - 1].to_vec()),
            ("huge count", vec![0xff; 12]),
            ("nothing", Vec::new()),
        ] {
            assert_eq!(parse(&bytes), [], "{why}");
        }
    }
}
