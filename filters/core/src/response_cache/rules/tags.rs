//! By which names an answer can be purged: tags of its origin, and cache groups (RFC 9875).

use super::fields::{Fields, members};
use super::structured::strings;

/// By which names an answer can be purged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// What `Surrogate-Key` (separated by spaces) and `Cache-Tag` (separated by commas) name, each once.
    pub tags: Vec<Vec<u8>>,
    /// What `Cache-Groups` names: valid within the origin only. A field that is no list of strings names none.
    pub groups: Vec<String>,
}

impl Tags {
    /// The names in an answer's fields.
    pub fn of(response: Fields<'_>) -> Self {
        let keys = response.all("surrogate-key").flat_map(|value| value.split(u8::is_ascii_whitespace));
        let tags = response.all("cache-tag").flat_map(members);
        let mut tags: Vec<Vec<u8>> =
            keys.chain(tags).filter(|tag| !tag.is_empty()).map(<[u8]>::to_vec).collect();
        tags.sort_unstable();
        tags.dedup();
        let mut groups =
            response.joined("cache-groups").and_then(|value| strings(&value)).unwrap_or_default();
        groups.sort_unstable();
        groups.dedup();
        Self { tags, groups }
    }

    /// How many names there are.
    pub fn count(&self) -> usize {
        self.tags.len() + self.groups.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::Line;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn tags(lines: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let lines: Vec<Line<'_>> =
            lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let Tags { tags, groups } = Tags::of(Fields::new(&lines));
        (tags.into_iter().map(|tag| String::from_utf8(tag).unwrap()).collect(), groups)
    }

    #[test]
    fn tags_are_separated_by_spaces_or_commas_and_count_once() {
        let lines = [("surrogate-key", "a  b\tc"), ("cache-tag", "b, d e ,,f"), ("surrogate-key", "g")];
        assert_eq!(tags(&lines).0, ["a", "b", "c", "d e", "f", "g"]);
        assert_eq!(tags(&[("surrogate-key", " "), ("cache-tag", ",")]).0, [""; 0]);
    }

    #[test]
    fn rfc_9875_2_groups_are_a_list_of_strings_told_apart_by_case() {
        for (value, expected) in [
            (r#""a", "b""#, &["a", "b"][..]),
            (r#""a","A";x=1, "a""#, &["A", "a"]),
            (r#""a b""#, &["a b"]),
            ("a, b", &[]),
            (r#""a", b"#, &[]),
            (r#""a", ("b")"#, &[]),
            (r#""a""#, &["a"]),
            (r#""a"#, &[]),
            ("", &[]),
        ] {
            assert_eq!(tags(&[("cache-groups", value)]).1, expected, "{value}");
        }
        assert_eq!(tags(&[("cache-groups", "\"a\""), ("cache-groups", "\"b\"")]).1, ["a", "b"]);
        assert_eq!(tags(&[("cache-groups", "\"a\""), ("cache-groups", "b")]).1, [""; 0]);
    }

    #[test]
    fn rfc_9875_2_at_least_32_groups_of_32_characters() {
        let value: Vec<String> = (0..40).map(|number| format!("\"{number:0>40}\"")).collect();
        assert_eq!(tags(&[("cache-groups", &value.join(","))]).1.len(), 40);
        let many = vec!["\"a\""; 257].join(",");
        assert_eq!(tags(&[("cache-groups", &many)]).1, [""; 0], "what could not be purged is not named");
    }
}
