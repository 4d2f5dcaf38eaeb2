use super::*;
use crate::units::Span;
use prost::Message;
use prost_types::value::Kind;
use serde::Deserialize;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sample {
    mode: Mode,
    wait: Span,
    rules: Vec<Rule>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: Name,
    most: u32,
}

fn error(text: &str) -> String {
    parse::<Sample>(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn nothing_is_the_default() {
    for text in ["", "  \n", "{}"] {
        assert_eq!(parse::<Sample>(text.as_bytes()), Ok(Sample::default()), "{text:?}");
    }
}

#[test]
fn an_error_names_path_value_and_what_is_allowed() {
    for (text, expected) in [
        (
            r#"{"wait": 100}"#,
            "wait: `100` is not a duration, its unit is missing: write it like `250ms` (ns, us, ms, s, m, h, d)",
        ),
        (r#"{"mode": "of"}"#, "mode: unknown variant `of`, expected one of `enforce`, `shadow`, `disabled`"),
        (r#"{"mod": "enforce"}"#, "mod: unknown field `mod`, expected one of `mode`, `wait`, `rules`"),
        (
            r#"{"rules": [{"name": "a", "most": 1}, {"name": "B", "most": 1}]}"#,
            "rules[1].name: `B` is not a name: 1 to 63 of a-z, 0-9 and -",
        ),
        (
            r#"{"rules": [{"name": "a", "most": -1}]}"#,
            "rules[0].most: invalid value: integer `-1`, expected u32",
        ),
        (r#"{"mode": null}"#, "mode: invalid type: null, expected string or map"),
        (r#"{"wait": "1s", "wait": "2s"}"#, "`wait` is given twice at line 1 column 28"),
        (r#"{"wait": "1s""#, "EOF while parsing an object at line 1 column 13"),
        ("[]", "a configuration is a JSON object or a google.protobuf.Struct"),
        ("{} {}", "trailing characters at line 1 column 4"),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn a_boolean_where_a_text_belongs_says_to_quote_it() {
    for text in [r#"{"wait": false}"#, r#"{"mode": true}"#] {
        assert!(error(text).ends_with("put it in quotes"), "{}", error(text));
    }
}

fn field(kind: Kind) -> prost_types::Value {
    prost_types::Value { kind: Some(kind) }
}

fn of<const N: usize>(fields: [(&str, Kind); N]) -> prost_types::Struct {
    prost_types::Struct {
        fields: fields.into_iter().map(|(name, kind)| (name.to_owned(), field(kind))).collect(),
    }
}

#[test]
fn a_struct_reads_like_the_same_json() {
    let rule = of([("name", Kind::StringValue("a".into())), ("most", Kind::NumberValue(5.0))]);
    let list = prost_types::ListValue { values: vec![field(Kind::StructValue(rule))] };
    let config = of([("wait", Kind::StringValue("1s".into())), ("rules", Kind::ListValue(list))]);
    let json = r#"{"wait": "1s", "rules": [{"name": "a", "most": 5}]}"#;
    assert_eq!(parse::<Sample>(&config.encode_to_vec()), parse::<Sample>(json.as_bytes()));
    let fraction = of([("wait", Kind::NumberValue(5.5))]);
    assert!(parse::<Sample>(&fraction.encode_to_vec()).unwrap_err().to_string().starts_with("wait: "));
}

#[test]
fn a_long_value_does_not_make_a_long_error() {
    let value = "é".repeat(100_000);
    for text in [format!(r#"{{"mode": "{value}"}}"#), format!(r#"{{"{value}": 1}}"#)] {
        let error = error(&text);
        assert!(error.chars().count() < 1_000 && error.ends_with('…'), "{} bytes", error.len());
    }
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let nested = format!("{{\"a\": {}", "[".repeat(100_000));
    let error = parse::<Value>(nested.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("recursion limit"), "{error}");
}

#[test]
fn json_may_begin_with_an_empty_line() {
    assert_eq!(parse::<Sample>(b"\n{\n\"wait\": \"0s\"}"), Ok(Sample::default()));
}

#[test]
fn two_rules_of_one_name_are_refused_with_both_positions() {
    let names: Vec<Name> = serde_json::from_str(r#"["a", "b", "a"]"#).unwrap();
    let error = check_unique("rules", &names).unwrap_err().to_string();
    assert_eq!(error, "rules[2].name: `a` is the name of rules[0] too: names must be unique");
}

#[test]
fn how_log_lines_are_written_is_read_beside_what_the_filter_asks_for() {
    let json = Logging { format: LogFormat::Json, level: LogLevel::Warn };
    for (text, logging, refused) in [
        ("{}", Logging::default(), None),
        (r#"{"mode": "shadow"}"#, Logging::default(), None),
        (r#"{"log_format": "json", "log_level": "warn"}"#, json, None),
        (
            r#"{"log_format": "xml"}"#,
            Logging::default(),
            Some("log_format: unknown variant `xml`, expected `text` or `json`"),
        ),
        (
            r#"{"log_format": "json", "log_level": "loud"}"#,
            Logging { format: LogFormat::Json, level: LogLevel::Debug },
            Some("log_level: unknown variant `loud`, expected one of `debug`, `info`, `warn`, `error`"),
        ),
        (
            r#"{"log_format": "json", "log_level": "warn", "wait": 1}"#,
            json,
            Some(
                "wait: `1` is not a duration, its unit is missing: write it like `250ms` (ns, us, ms, s, m, h, d)",
            ),
        ),
        ("[]", Logging::default(), Some("a configuration is a JSON object or a google.protobuf.Struct")),
    ] {
        let (read, parsed) = parse_logged::<Sample>(text.as_bytes());
        let error = parsed.err().map(|error| error.to_string());
        assert_eq!((read, error.as_deref()), (logging, refused), "{text}");
    }
}
