//! The schemas of what filters share say what reading allows. Run with `--features schema`.

#![cfg(feature = "schema")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails loudly"
)]

use ballast_core::config::{Mode, Name, OnError};
use ballast_core::http::StatusSet;
use ballast_core::key::{KeySpec, OnMissingKey};
use ballast_core::matching::Matcher;
use ballast_core::trust::TrustedHeader;
use ballast_core::units::{ByteSize, Rate, Share, Span};
use schemars::JsonSchema;
use serde_json::{Value, json};

fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

#[test]
fn units_and_names_are_texts_with_a_pattern() {
    for schema in
        [schema::<Span>(), schema::<ByteSize>(), schema::<Rate>(), schema::<Share>(), schema::<Name>()]
    {
        assert_eq!(schema["type"], "string", "{schema}");
        assert!(schema["pattern"].as_str().is_some_and(|pattern| pattern.starts_with('^')), "{schema}");
    }
}

#[test]
fn choices_name_every_word() {
    for (schema, words) in [
        (schema::<Mode>(), vec!["enforce", "shadow", "disabled"]),
        (schema::<OnError>(), vec!["allow", "deny"]),
        (schema::<OnMissingKey>(), vec!["skip", "shared", "deny"]),
    ] {
        let named: Vec<&Value> =
            schema["oneOf"].as_array().unwrap().iter().map(|one| &one["const"]).collect();
        assert_eq!(named, words, "{schema}");
    }
}

#[test]
fn objects_refuse_unknown_fields_and_describe_the_known() {
    for (schema, fields) in [
        (
            schema::<Matcher>(),
            vec!["cluster", "direction", "headers", "hosts", "methods", "path", "route", "route_metadata"],
        ),
        (schema::<TrustedHeader>(), vec!["header", "trust"]),
    ] {
        assert_eq!(schema["additionalProperties"], json!(false), "{schema}");
        let properties = schema["properties"].as_object().unwrap();
        let mut named: Vec<&str> = properties.keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, fields);
        assert!(properties.values().all(|field| field["description"].is_string()), "{schema}");
    }
}

#[test]
fn a_key_is_a_list_of_parts_and_a_status_a_number_or_a_range() {
    let key = schema::<KeySpec>();
    assert_eq!(key["type"], "array");
    let text = key.to_string();
    for part in
        ["client_address", "header", "query", "cookie", "path", "peer_identity", "property", "constant"]
    {
        assert!(text.contains(&format!("\"{part}\"")), "{part} is missing in {text}");
    }
    let property = text.split_once(r#""property":"#).unwrap().1;
    assert!(
        property.starts_with(r#"{"type":"array""#) || property.contains(r#""type":"array""#),
        "{property}"
    );
    assert_eq!(schema::<StatusSet>()["items"]["anyOf"][0]["maximum"], 599);
}

#[test]
fn every_configuration_says_how_log_lines_are_written() {
    let schema = ballast_core::config::schema::<ballast_core::rate_limit::config::RawConfig>();
    for (field, default, words) in [
        ("log_format", "text", vec!["text", "json"]),
        ("log_level", "debug", vec!["debug", "info", "warn", "error"]),
    ] {
        let field = &schema["properties"][field];
        assert_eq!(field["default"], default, "{field}");
        let named: Vec<&Value> = field["oneOf"].as_array().unwrap().iter().map(|one| &one["const"]).collect();
        assert_eq!(named, words, "{field}");
    }
    assert_eq!(schema["additionalProperties"], json!(false));
    assert!(schema["properties"]["limits"].is_object());
}
