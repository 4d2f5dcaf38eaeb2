//! Every label that a module puts into a metric's name is taken out again by every sample.
//!
//! Without a tag for a label its values stay part of the name, and a query for the metric finds nothing. The list is the same in all
//! samples, so that one can be copied into another.

use super::shipped::SHIPPED;
use ballast_contract::{VM_ID, configure, filter};
use ballast_wasm_host::{Host, VmConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

const TAGS: &str = "  stats_tags:\n";
/// What Envoy itself counts of a plugin: crashes of its VMs.
const PLUGIN: &str = r"    - { tag_name: plugin, regex: '^wasm\.(([^.]+)\.)vm_reload' }";
const MODULE: &str = "dist/ballast_";

/// Each file of a directory that runs filters, with its text.
fn samples(directory: &str) -> BTreeMap<String, String> {
    let whole: PathBuf = ballast_modules::workspace_root().join(directory);
    let paths = std::fs::read_dir(whole).unwrap().map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let named = yaml.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        (format!("{directory}/{name}"), std::fs::read_to_string(&path).unwrap())
    });
    named.filter(|(_, text)| text.contains(MODULE)).collect()
}

/// The filters of a sample, each with its configuration.
fn plugins(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    let mut module = None;
    while let Some(line) = lines.next() {
        if let Some((_, rest)) = line.split_once(MODULE) {
            let name = rest.split_once(".wasm").unwrap().0;
            module = Some(name.replace('_', "-"));
        }
        if line.trim_end().ends_with("value: |") {
            let indent = lines.peek().unwrap().len() - lines.peek().unwrap().trim_start().len();
            let mut value = String::new();
            let inside =
                |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() >= indent;
            while let Some(line) = lines.next_if(inside) {
                value.push_str(line);
                value.push('\n');
            }
            found.push((module.take().expect("a configuration follows its module"), value));
        }
    }
    found
}

/// The labels in the names of all metrics that a filter defines with a configuration.
fn labels(module: &str, configuration: &str) -> BTreeSet<String> {
    let host = Host::new();
    let environment = vec![("BALLAST_PURGE_TOKEN".to_owned(), "example-token".to_owned())];
    let config = VmConfig { vm_id: VM_ID.to_owned(), environment, ..VmConfig::default() };
    let vm = host.vm_with(&filter(module), config).unwrap();
    let root = configure(&vm, configuration);
    assert!(root.is_ok(), "{module}: {:?}", host.logs());
    // Some metrics belong to a member, which a worker is from its first tick on.
    host.advance(Duration::from_secs(1));
    let names = host.metric_names();
    assert!(!names.is_empty(), "{module} counts nothing");
    let parts = names.iter().flat_map(|name| name.split(';').skip(1));
    parts.map(|part| part.split_once('=').unwrap().0.to_owned()).collect()
}

#[test]
fn every_label_that_a_module_emits_has_a_tag_in_every_sample() {
    let samples = samples("envoy");
    let mut used: BTreeSet<String> =
        SHIPPED.iter().flat_map(|module| labels(module.name, module.configuration)).collect();
    for (module, configuration) in samples.values().flat_map(|text| plugins(text)) {
        used.extend(labels(&module, &configuration));
    }
    let recipes = self::samples("envoy/recipes");
    assert!(samples.len() > 5 && !recipes.is_empty());
    // Counted only when it happens: messages that the bus drops, by reason.
    assert!(used.contains("namespace") && used.contains("reason"), "{used:?}");
    let lines =
        used.iter().map(|label| format!("    - {{ tag_name: {label}, regex: '(;{label}=([^;]+))' }}\n"));
    let expected: String = lines.chain([format!("{PLUGIN}\n")]).collect();
    for (name, text) in samples.into_iter().chain(recipes) {
        let block = text.split_once(TAGS).unwrap_or_else(|| panic!("{name} has no stats_tags")).1;
        let tags: String = block
            .lines()
            .take_while(|line| line.starts_with("    "))
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(tags, expected, "{name}: the tags are to be\n{expected}");
    }
}

#[test]
fn every_sample_shows_what_each_of_its_filters_decided_in_the_access_log() {
    for (name, text) in samples("envoy") {
        for (module, _) in plugins(&text) {
            // A hit is an answer like any other, and is marked where clients can see it, too.
            let field = match module.as_str() {
                "response-cache" => "%RESP(CACHE-STATUS)%".to_owned(),
                filter => format!("%FILTER_STATE(wasm.ballast.{filter}:PLAIN)%"),
            };
            assert!(text.contains(&field), "{name}: {field} is missing");
        }
    }
}
