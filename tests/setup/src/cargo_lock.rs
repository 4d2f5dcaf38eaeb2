//! Looks a version up in Cargo.lock.
//!
//! Only as much of TOML as cargo writes there: a `[[package]]` line, then `name = "…"` and `version = "…"` lines.

/// The versions of a package, in the order of the file.
pub(crate) fn versions_of<'a>(lock: &'a str, package: &str) -> Vec<&'a str> {
    lock.split("[[package]]")
        .skip(1)
        .filter(|entry| field(entry, "name") == Some(package))
        .filter_map(|entry| field(entry, "version"))
        .collect()
}

fn field<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    entry.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?;
        value.trim().strip_prefix('"')?.strip_suffix('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"# Made by cargo.
version = 4

[[package]]
name = "syn"
version = "2.0.1"

[[package]]
name = "wasm-bindgen"
version = "0.2.130"
source = "registry"
dependencies = [
 "wasm-bindgen-macro",
]

[[package]]
name = "syn"
version = "3.1.0"
dependencies = [
 "name = \"odd\"",
]
"#;

    #[test]
    fn a_version_is_found_by_the_exact_name() {
        for (package, versions) in
            [("wasm-bindgen", &["0.2.130"][..]), ("syn", &["2.0.1", "3.1.0"]), ("wasm", &[]), ("odd", &[])]
        {
            assert_eq!(versions_of(LOCK, package), versions, "{package}");
        }
    }
}
