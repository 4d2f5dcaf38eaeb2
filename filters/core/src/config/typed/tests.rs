use super::*;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Plain,
    Sized(u8),
    Paired(u8, u8),
    Named { most: u8 },
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    kinds: Vec<Kind>,
    by_name: BTreeMap<String, Kind>,
    pair: Option<(u8, i64)>,
    ratio: f64,
    flag: bool,
    nested: Option<Box<Self>>,
}

fn read(value: Value) -> Result<Sample, String> {
    typed(&value).map_err(|refused| refused.into_error().to_string())
}

#[test]
fn each_form_is_read() {
    let value = json!({
        "kinds": ["plain", {"plain": null}, {"sized": 1}, {"paired": [1, 2]}, {"named": {"most": 3}}],
        "by_name": {"a": "plain"}, "pair": [1, -2], "ratio": 1, "flag": true, "nested": {"ratio": 0.5},
    });
    let nested = Some(Box::new(Sample { ratio: 0.5, ..Sample::default() }));
    let expected = Sample {
        kinds: vec![Kind::Plain, Kind::Plain, Kind::Sized(1), Kind::Paired(1, 2), Kind::Named { most: 3 }],
        by_name: BTreeMap::from([("a".to_owned(), Kind::Plain)]),
        pair: Some((1, -2)),
        ratio: 1.0,
        flag: true,
        nested,
    };
    assert_eq!(read(value), Ok(expected));
    assert_eq!(read(json!({"pair": null, "nested": null})), Ok(Sample::default()));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (value, expected) in [
        (json!([]), "invalid type: sequence, expected struct Sample"),
        (json!({"flag": 1}), "flag: invalid type: integer `1`, expected a boolean"),
        (json!({"ratio": "1"}), "ratio: invalid type: string \"1\", expected f64"),
        (json!({"nested": {"ratio": []}}), "nested.ratio: invalid type: sequence, expected f64"),
        (
            json!({"nested": {"rati": 1}}),
            "nested.rati: unknown field `rati`, expected one of `kinds`, `by_name`, `pair`, `ratio`, `flag`, `nested`",
        ),
        (json!({"nested": []}), "nested: invalid type: sequence, expected struct Sample"),
        (json!({"pair": [1]}), "pair: invalid length 1, expected a tuple of size 2"),
        (json!({"pair": [1, 2, 3]}), "pair: invalid length 3, expected fewer elements in array"),
        (json!({"pair": [1, 2.5]}), "pair[1]: invalid type: floating point `2.5`, expected i64"),
        (json!({"pair": [300, 2]}), "pair[0]: invalid value: integer `300`, expected u8"),
        (json!({"kinds": {}}), "kinds: invalid type: map, expected a sequence"),
        (json!({"kinds": [1]}), "kinds[0]: invalid type: integer `1`, expected string or map"),
        (
            json!({"kinds": ["plane"]}),
            "kinds[0]: unknown variant `plane`, expected one of `plain`, `sized`, `paired`, `named`",
        ),
        (json!({"kinds": ["sized"]}), "kinds[0].sized: invalid type: unit variant, expected newtype variant"),
        (json!({"kinds": [{}]}), "kinds[0]: invalid value: map, expected map with a single key"),
        (
            json!({"kinds": ["plain", {"plain": 1}]}),
            "kinds[1].plain: invalid type: integer `1`, expected unit",
        ),
        (json!({"kinds": [{"sized": null}]}), "kinds[0].sized: invalid type: null, expected u8"),
        (
            json!({"kinds": [{"paired": [1, "b"]}]}),
            "kinds[0].paired[1]: invalid type: string \"b\", expected u8",
        ),
        (
            json!({"kinds": [{"named": {"most": -1}}]}),
            "kinds[0].named.most: invalid value: integer `-1`, expected u8",
        ),
        (json!({"kinds": [{"named": {}}]}), "kinds[0].named: missing field `most`"),
        (
            json!({"by_name": {"a": {"sized": "x"}}}),
            "by_name.a.sized: invalid type: string \"x\", expected u8",
        ),
    ] {
        assert_eq!(read(value.clone()).unwrap_err(), expected, "{value}");
    }
}
