//! The sections of a Wasm module, without decoding what is in them.

/// The same module without its function names and the list of tools that produced it.
///
/// Bytes that are not a well-formed sequence of sections come back as they are: the engine will refuse them with a
/// better message.
#[must_use]
pub fn drop_names(wasm: &[u8]) -> Vec<u8> {
    const HEADER_BYTES: usize = 8;
    let Some((header, mut rest)) = wasm.split_at_checked(HEADER_BYTES) else { return wasm.to_vec() };
    let mut kept = header.to_vec();
    while !rest.is_empty() {
        let Some((section, after)) = next_section(rest) else { return wasm.to_vec() };
        if !matches!(section.custom_name, Some(b"name" | b"producers")) {
            kept.extend_from_slice(section.bytes);
        }
        rest = after;
    }
    kept
}

struct Section<'a> {
    /// The whole section, its id and size included.
    bytes: &'a [u8],
    custom_name: Option<&'a [u8]>,
}

fn next_section(bytes: &[u8]) -> Option<(Section<'_>, &[u8])> {
    const CUSTOM: u8 = 0;
    let (&id, after_id) = bytes.split_first()?;
    let (size, body) = unsigned_leb128(after_id)?;
    let (content, rest) = body.split_at_checked(size)?;
    let whole = bytes.get(..bytes.len() - rest.len())?;
    let custom_name = if id == CUSTOM {
        let (length, name) = unsigned_leb128(content)?;
        Some(name.get(..length)?)
    } else {
        None
    };
    Some((Section { bytes: whole, custom_name }, rest))
}

fn unsigned_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::drop_names;

    #[test]
    fn names_go_and_other_custom_sections_stay() {
        let wasm = wat::parse_str(
            r#"(module (func $secret_name (export "f")) (@custom "producers" "x") (@custom "other" "kept"))"#,
        )
        .unwrap();
        assert!(contains(&wasm, b"secret_name"));
        let stripped = drop_names(&wasm);
        assert!(!contains(&stripped, b"secret_name"));
        assert!(!contains(&stripped, b"producers"));
        assert!(contains(&stripped, b"other"));
        wasmi::Module::new(&wasmi::Engine::default(), &stripped).unwrap();
    }

    #[test]
    fn bytes_that_are_no_module_come_back_unchanged() {
        for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\x00\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(drop_names(bytes), bytes);
        }
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }
}
