//! A report while it is made.

use serde::Serialize;

/// What a filter says: something about itself, then each of its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    head: Vec<u8>,
    rules: Vec<Vec<u8>>,
}

impl Draft {
    /// Begins with the members of `head`, which must be serialized as an object.
    pub fn new(head: &impl Serialize) -> Self {
        Self { head: object(head), rules: Vec::new() }
    }

    /// Adds what there is to say about a rule.
    pub fn rule(&mut self, rule: &impl Serialize) {
        self.rules.push(object(rule));
    }

    /// The JSON object, no longer than `most` bytes if the head fits into that, and how many rules were left out for it.
    pub fn finish(self, filter: &str, namespace: &str, most: usize) -> (Vec<u8>, usize) {
        let mut json = br#"{"filter":"#.to_vec();
        json.extend(text(filter));
        json.extend_from_slice(br#","namespace":"#);
        json.extend(text(namespace));
        let members = self.head.get(1..self.head.len().saturating_sub(1)).unwrap_or_default();
        if !members.is_empty() {
            json.push(b',');
            json.extend_from_slice(members);
        }
        json.extend_from_slice(br#","rules":["#);
        // What follows the rules, with the longest number that there can be.
        const END: usize = "],\"rules_left_out\":18446744073709551615}".len();
        let mut left_out = 0_usize;
        for (number, rule) in self.rules.iter().enumerate() {
            if left_out > 0 || json.len() + 1 + rule.len() + END > most {
                left_out += 1;
                continue;
            }
            if number > 0 {
                json.push(b',');
            }
            json.extend_from_slice(rule);
        }
        json.extend_from_slice(format!("],\"rules_left_out\":{left_out}}}").as_bytes());
        (json, left_out)
    }
}

/// A JSON object; what cannot be one is empty. Numbers that JSON does not know become null.
fn object(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(value).unwrap_or_default();
    if json.starts_with(b"{") { json } else { b"{}".to_vec() }
}

fn text(value: &str) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| br#""""#.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[derive(Serialize)]
    struct Rule {
        name: &'static str,
        ratio: Option<f64>,
    }

    fn draft(rules: usize) -> Draft {
        let mut draft = Draft::new(&serde_json::json!({"mode": "enforce"}));
        (0..rules).for_each(|_| draft.rule(&Rule { name: "a", ratio: Some(f64::NAN) }));
        draft
    }

    fn finish(draft: Draft, most: usize) -> (String, usize) {
        let (json, left_out) = draft.finish("x", "a\"b", most);
        serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        (String::from_utf8(json).unwrap(), left_out)
    }

    #[test]
    fn a_report_is_one_object() {
        let expected = concat!(
            r#"{"filter":"x","namespace":"a\"b","mode":"enforce","#,
            r#""rules":[{"name":"a","ratio":null},{"name":"a","ratio":null}],"rules_left_out":0}"#
        );
        assert_eq!(finish(draft(2), 1_000), (expected.to_owned(), 0));
        let bare = r#"{"filter":"x","namespace":"a\"b","rules":[],"rules_left_out":0}"#;
        assert_eq!(finish(Draft::new(&serde_json::json!({})), 1_000), (bare.to_owned(), 0));
        assert_eq!(finish(Draft::new(&1), 1_000), (bare.to_owned(), 0));
    }

    #[test]
    fn rules_that_do_not_fit_are_left_out_and_counted() {
        let (json, left_out) = finish(draft(100), 1_000);
        assert!(json.len() <= 1_000 && json.len() > 900, "{}", json.len());
        assert_eq!(json.matches("name").count() - 1 + left_out, 100);
        assert!(json.ends_with(&format!("\"rules_left_out\":{left_out}}}")));
        assert_eq!(finish(draft(3), 10).1, 3);
    }
}
