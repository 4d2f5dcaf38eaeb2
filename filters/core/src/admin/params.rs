//! What a request says beside its path: in its query, or in the JSON object of its body.
//!
//! Both say the same, since a filter sees bodies only where the proxy is told to show them. What an endpoint does not
//! know is refused by name: a parameter that is misspelt must not mean "all".

use super::refusal::Refusal;
use super::route::{Kind, Parameter};
use percent_encoding::percent_decode;
use serde_json::Value;

/// The longest text of a parameter, in bytes.
pub const MOST_TEXT_BYTES: usize = 4_096;
/// The longest text of a long one: a request's head is 60 KiB at the most.
pub const MOST_LONG_BYTES: usize = 48 * 1_024;
/// The digits of an id.
const ID_DIGITS: usize = 32;
/// The most parameters of one request.
const MOST: usize = 256;

/// The parameters of a request, each of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Reads a query and a body, which may be empty.
    ///
    /// # Errors
    ///
    /// The body is no JSON object, or a parameter is unknown, given twice, or not of its kind.
    pub fn read(known: &[Parameter], query: &[u8], body: &[u8]) -> Result<Self, Refusal> {
        let mut params = Self::default();
        for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(end).unwrap_or((pair, b""));
            params.add(known, &decode(name)?, decode(value.get(1..).unwrap_or_default())?)?;
        }
        if !body.trim_ascii().is_empty() {
            params.read_body(known, body)?;
        }
        Ok(params)
    }

    fn read_body(&mut self, known: &[Parameter], body: &[u8]) -> Result<(), Refusal> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::body(format!("the body is not JSON: {error}")))?;
        let Value::Object(fields) = value else {
            return Err(Refusal::body("the body is not a JSON object"));
        };
        for (name, value) in fields {
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            for value in values {
                let text = match value {
                    Value::String(text) => text,
                    Value::Number(number) => number.to_string(),
                    Value::Bool(flag) => flag.to_string(),
                    _ => {
                        let detail = "only text, numbers, true and false, and lists of them, are allowed";
                        return Err(Refusal::parameter(&shown(&name), detail.to_owned()));
                    }
                };
                self.add(known, &name, text)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, known: &[Parameter], name: &str, value: String) -> Result<(), Refusal> {
        let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
            let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
            let allowed = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
            return Err(Refusal::parameter(&shown(name), format!("no such parameter here: {allowed}")));
        };
        if !parameter.repeated && self.text(name).is_some() {
            return Err(Refusal::parameter(name, "given twice".to_owned()));
        }
        if self.0.len() >= MOST {
            return Err(Refusal::body(format!("more than {MOST} parameters")));
        }
        check(parameter.kind, &value)
            .map_err(|allowed| Refusal::parameter(name, format!("`{}` is not {allowed}", shown(&value))))?;
        self.0.push((parameter.name, value));
        Ok(())
    }

    /// A parameter's text, the first if it is given more than once.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Every text of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Whether a flag is given and true.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }
}

/// # Errors
///
/// What is allowed.
fn check(kind: Kind, value: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match kind {
        Kind::Text if (1..=MOST_TEXT_BYTES).contains(&value.len()) => Ok(()),
        Kind::Text => Err(format!("a text of 1 to {MOST_TEXT_BYTES} bytes")),
        Kind::Long if (1..=MOST_LONG_BYTES).contains(&value.len()) => Ok(()),
        Kind::Long => Err(format!("a text of 1 to {MOST_LONG_BYTES} bytes")),
        Kind::Id if value.len() == ID_DIGITS && value.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(()),
        Kind::Id => Err(format!("an id of {ID_DIGITS} hex digits")),
        Kind::Name if (1..=63).contains(&value.len()) && value.bytes().all(allowed) => Ok(()),
        Kind::Name => Err("a name: 1 to 63 of a-z, 0-9 and -".to_owned()),
        Kind::Number(most) => {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let fits = value.parse::<u64>().is_ok_and(|number| number <= most);
            if digits && fits { Ok(()) } else { Err(format!("a whole number from 0 to {most}")) }
        }
        Kind::Flag if matches!(value, "true" | "false") => Ok(()),
        Kind::Flag => Err("`true` or `false`".to_owned()),
        Kind::Word(words) if words.contains(&value) => Ok(()),
        Kind::Word(words) => Err(format!("one of {}", words.join(", "))),
    }
}

fn decode(part: &[u8]) -> Result<String, Refusal> {
    let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let text = percent_decode(&spaced).decode_utf8();
    text.map(|text| text.into_owned()).map_err(|_| Refusal::body("the query is not UTF-8"))
}

/// What was sent, cut to what an answer should repeat.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn known(name: &'static str, kind: Kind, repeated: bool) -> Parameter {
        Parameter { name, kind, repeated, what: "" }
    }

    const KNOWN: &[Parameter] = &[
        known("text", Kind::Text, false),
        known("name", Kind::Name, false),
        known("count", Kind::Number(100), false),
        known("all", Kind::Flag, false),
        known("mode", Kind::Word(&["hard", "soft"]), false),
        known("tag", Kind::Text, true),
    ];

    fn read(query: &str, body: &str) -> Result<Params, (Option<String>, String)> {
        Params::read(KNOWN, query.as_bytes(), body.as_bytes()).map_err(|refusal| match refusal {
            Refusal::Malformed { detail, parameter } => (parameter, detail),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_query_and_a_body_say_the_same() {
        let query = read("text=a%20b+c&name=n-1&count=7&all=true&mode=soft&tag=x&tag=y%26", "").unwrap();
        let body = r#" {"text": "a b c", "name": "n-1", "count": 7, "all": true, "mode": "soft", "tag": ["x", "y&"]} "#;
        let body = read("", body).unwrap();
        for params in [&query, &body] {
            assert_eq!(params.text("text"), Some("a b c"));
            assert_eq!((params.number("count"), params.flag("all")), (Some(7), true));
            assert_eq!(params.all("tag").collect::<Vec<_>>(), ["x", "y&"]);
            assert_eq!(params.text("mode"), Some("soft"));
        }
        assert_eq!(read("", ""), Ok(Params::default()));
        assert_eq!(read("&&", " "), Ok(Params::default()));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (query, body, parameter, detail) in [
            ("txet=a", "", Some("txet"), "no such parameter here: text, name, count, all, mode, tag"),
            ("text=a&text=b", "", Some("text"), "given twice"),
            ("text=a", r#"{"text": "b"}"#, Some("text"), "given twice"),
            ("text=", "", Some("text"), "`` is not a text of 1 to 4096 bytes"),
            ("name=A", "", Some("name"), "`A` is not a name: 1 to 63 of a-z, 0-9 and -"),
            ("count=101", "", Some("count"), "`101` is not a whole number from 0 to 100"),
            ("count=+1", "", Some("count"), "` 1` is not a whole number from 0 to 100"),
            ("count=-1", "", Some("count"), "`-1` is not a whole number from 0 to 100"),
            ("", r#"{"count": 1.5}"#, Some("count"), "`1.5` is not a whole number from 0 to 100"),
            ("all=yes", "", Some("all"), "`yes` is not `true` or `false`"),
            ("mode=gentle", "", Some("mode"), "`gentle` is not one of hard, soft"),
            ("text=%ff", "", None, "the query is not UTF-8"),
            ("", "[]", None, "the body is not a JSON object"),
            ("", "7", None, "the body is not a JSON object"),
            (
                "",
                r#"{"text": {"a": 1}}"#,
                Some("text"),
                "only text, numbers, true and false, and lists of them, are allowed",
            ),
            (
                "",
                r#"{"text": [["a"]]}"#,
                Some("text"),
                "only text, numbers, true and false, and lists of them, are allowed",
            ),
        ] {
            let expected = Err((parameter.map(str::to_owned), detail.to_owned()));
            assert_eq!(read(query, body), expected, "{query} {body}");
        }
        let (_, detail) = read("", "{").unwrap_err();
        assert!(detail.starts_with("the body is not JSON: "), "{detail}");
        let many = "tag=a&".repeat(257);
        assert_eq!(read(&many, "").unwrap_err().1, "more than 256 parameters");
        let long = format!("text={}", "a".repeat(4_097));
        assert!(read(&long, "").unwrap_err().1.len() < 200);
    }
}
