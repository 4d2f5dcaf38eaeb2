//! The files say what the types say, and the schemas what the filters do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use ballast_schema::{FILTERS, outputs};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn root() -> PathBuf {
    ballast_modules::workspace_root()
}

/// Each configuration of the samples, with the filter that it is for.
fn samples() -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root().join("envoy")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let (mut filter, text) = (String::new(), std::fs::read_to_string(&path).unwrap());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(name) = line.trim().strip_prefix("root_id: ") {
                name.clone_into(&mut filter);
            }
            if line.trim() == "value: |" {
                let indent = line.len() - line.trim_start().len();
                let mut block = String::new();
                while let Some(line) = lines
                    .next_if(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > indent)
                {
                    block += line;
                }
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                all.push((name, filter.clone(), serde_json::from_str(&block).unwrap()));
            }
        }
    }
    all
}

fn refuses(schema: &Value, configuration: &Value) -> bool {
    !jsonschema::is_valid(schema, configuration)
}

#[test]
fn every_file_says_what_the_types_say() {
    let stale: Vec<String> = outputs(&root())
        .unwrap()
        .into_iter()
        .filter(|output| std::fs::read_to_string(&output.path).ok().as_ref() != Some(&output.text))
        .map(|output| output.path.display().to_string())
        .collect();
    assert!(stale.is_empty(), "`make schema` writes them anew: {stale:#?}");
}

#[test]
fn every_filter_that_is_built_has_a_schema() {
    let modules = std::fs::read_dir(root().join("filters")).unwrap().map(|entry| entry.unwrap().path());
    // The one module with all of them has no configuration of its own.
    let built: BTreeSet<String> = modules
        .filter(|path| !path.ends_with("all"))
        .filter(|path| {
            let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
            manifest.contains("cdylib")
        })
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let known: BTreeSet<String> = FILTERS.iter().map(|filter| filter.name.to_owned()).collect();
    assert_eq!(built, known);
}

#[test]
fn every_sample_is_what_its_schema_allows_and_names_it() {
    let samples = samples();
    for filter in FILTERS {
        let schema = filter.schema();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let of_filter: Vec<_> = samples.iter().filter(|(_, name, _)| name == filter.name).collect();
        assert!(!of_filter.is_empty(), "{}: no sample", filter.name);
        for (file, _, configuration) in of_filter {
            let wrong: Vec<String> = validator
                .iter_errors(configuration)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{file}: {}: {wrong:#?}", filter.name);
            let text = std::fs::read_to_string(root().join("envoy").join(file)).unwrap();
            assert!(text.contains(&format!("schema/{}.json", filter.name)), "{file} names no schema");
        }
    }
}

#[test]
fn what_a_filter_refuses_by_a_single_value_its_schema_refuses() {
    for filter in FILTERS {
        let schema = filter.schema();
        let (_, _, good) = samples().into_iter().find(|(_, name, _)| name == filter.name).unwrap();
        assert!(!refuses(&schema, &good));
        for (field, value) in [
            ("nonsense", json!(1)),
            ("mode", json!("sometimes")),
            ("mode", json!(1)),
            ("namespace", json!("Not A Name")),
            ("on_error", json!(true)),
        ] {
            let mut wrong = good.clone();
            wrong[field] = value.clone();
            assert!(refuses(&schema, &wrong), "{}: {field}: {value}", filter.name);
        }
    }
}
