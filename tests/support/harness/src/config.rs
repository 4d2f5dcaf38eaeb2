//! Making a configuration fit a test: ports and nothing else.
//!
//! Replacement is by token, not by parsing, so that everything else of a sample stays what its reader sees.

use std::collections::BTreeMap;
use std::path::Path;

use regex_lite::{Captures, Regex};

/// Ports that listeners have in the samples; Envoy gets port 0 instead and the kernel chooses.
pub(crate) const LISTENER_PORTS: std::ops::RangeInclusive<u16> = 10_000..=10_009;
/// Envoy's administration in the samples.
pub(crate) const ADMIN_PORT: u16 = 9901;
/// The upstream in the samples.
pub(crate) const UPSTREAM_PORT: u16 = 9000;

/// What a configuration's ports become when Envoy shall choose its own: the listeners' and the administration's 0.
#[must_use]
pub fn free_ports() -> BTreeMap<u16, u16> {
    LISTENER_PORTS.chain([ADMIN_PORT]).map(|port| (port, 0)).collect()
}

/// Replaces every `port_value` that `ports` names. Chosen ports cannot be taken by anybody else: the kernel gives them
/// to the socket that Envoy binds.
#[must_use]
pub fn with_ports(text: &str, ports: &BTreeMap<u16, u16>) -> String {
    let port = Regex::new(r#"(port_value["']?\s*:\s*)(\d+)"#).expect("a pattern");
    let replace = |found: &Captures<'_>| {
        let written = found[2].parse().ok();
        let replaced = written.and_then(|written| ports.get(&written));
        replaced.map_or_else(|| found[0].to_owned(), |replaced| format!("{}{replaced}", &found[1]))
    };
    port.replace_all(text, replace).into_owned()
}

/// Adds the block to the top level, unless the configuration has one of that name.
pub(crate) fn with_block(text: &str, name: &str, block: &str) -> String {
    if text.lines().any(|line| line.starts_with(name) && line[name.len()..].starts_with(':')) {
        return text.to_owned();
    }
    format!("{}\n{name}: {block}\n", text.trim_end())
}

/// The same with the modules that the tests are to run with: `BALLAST_MODULE=all` puts the one with all filters in place of each filter's own.
///
/// # Panics
/// When the variable says something else.
pub(crate) fn with_modules(text: &str) -> String {
    match std::env::var("BALLAST_MODULE").unwrap_or_default().as_str() {
        "" => text.to_owned(),
        "all" => with_one_module(text),
        other => panic!("BALLAST_MODULE={other}: expected `all` or nothing"),
    }
}

/// The same with the module that has all filters in place of each filter's own. Forms of a module that leave callbacks out stay what
/// they are.
#[must_use]
pub fn with_one_module(text: &str) -> String {
    let own = Regex::new(
        r"dist/ballast_(admin|circuit_breaker|load_shedding|rate_limit|response_cache|retry_policy)\.wasm",
    );
    own.expect("a pattern").replace_all(text, "dist/ballast.wasm").into_owned()
}

/// The modules that a configuration names (outside comments) and that do not exist under `root`.
#[must_use]
pub fn missing_modules(text: &str, root: &Path) -> Vec<String> {
    // Not any word that ends in .wasm: Envoy's own names of extensions do.
    let module = Regex::new(r#"filename["']?\s*:\s*["']?([^"'\s,}]+\.wasm)"#).expect("a pattern");
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut missing: Vec<String> = code
        .filter_map(|line| Some(module.captures(line)?.get(1)?.as_str().to_owned()))
        .filter(|path| !root.join(path).is_file())
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_that_are_named_are_replaced_in_whatever_style_they_are_written() {
        let text = "a: { port_value: 10000 } # port 10000\nb:\n  port_value: 9000\nc: {\"port_value\" :9901}\nd: 10000";
        let ports = BTreeMap::from([(10_000, 0), (9901, 0), (9000, 4711)]);
        let expected =
            "a: { port_value: 0 } # port 10000\nb:\n  port_value: 4711\nc: {\"port_value\" :0}\nd: 10000";
        assert_eq!(with_ports(text, &ports), expected);
        assert_eq!(with_ports("port_value: 100000", &ports), "port_value: 100000");
    }

    #[test]
    fn a_block_is_added_only_where_there_is_none() {
        assert_eq!(with_block("a: 1\n", "admin", "{}"), "a: 1\nadmin: {}\n");
        assert_eq!(with_block("admin: 1\n", "admin", "{}"), "admin: 1\n");
        assert_eq!(with_block("administration: 1\n", "admin", "{}"), "administration: 1\nadmin: {}\n");
    }

    #[test]
    fn modules_that_do_not_exist_are_named_once_and_comments_do_not_count() {
        let text = "# filename: dist/old.wasm\nfilename: dist/no.wasm\n{ \"filename\": \"dist/no.wasm\" }\n\
            - name: envoy.filters.http.wasm\nlocal: {filename: dist/other.wasm}\nfilename: cert.pem";
        assert_eq!(missing_modules(text, Path::new("/nowhere")), ["dist/no.wasm", "dist/other.wasm"]);
    }

    #[test]
    fn the_one_module_stands_in_for_each_filters_own_and_for_nothing_else() {
        let text = "filename: dist/ballast_rate_limit.wasm\nfilename: dist/ballast_rate_limit_requests.wasm\n\
            filename: target/plugins/ballast_demo.wasm";
        let expected = "filename: dist/ballast.wasm\nfilename: dist/ballast_rate_limit_requests.wasm\n\
            filename: target/plugins/ballast_demo.wasm";
        assert_eq!(with_one_module(text), expected);
    }
}
