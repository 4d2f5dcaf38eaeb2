//! Problem details (RFC 9457), and what kind of client asks.

use serde::Serialize;
use serde_json::{Map, Value};

/// What went wrong, for machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind of problem for people.
    pub title: &'static str,
    /// The response's status.
    pub status: u16,
    /// What this kind of problem adds.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Problem {
    /// The media type of [`Problem::to_json`].
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The problem as a body.
    pub fn to_json(&self) -> Vec<u8> {
        // Text, numbers and JSON values: nothing that serialising could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Whether a client that sent this `accept` header (`None`: none) takes problem details. Whoever takes any JSON does, and
/// whoever takes anything.
pub fn accepts_problem(accept: Option<&[u8]>) -> bool {
    let Some(accept) = accept else { return true };
    let taken = [Problem::MEDIA_TYPE, "application/json", "application/*", "*/*"];
    accept.split(|byte| *byte == b',').any(|range| {
        let mut parameters = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parameters.next().unwrap_or_default();
        let refused =
            parameters.any(|parameter| matches!(parameter, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
        !refused && taken.iter().any(|taken| kind.eq_ignore_ascii_case(taken.as_bytes()))
    })
}

/// Whether a request with this `content-type` is a gRPC call.
pub fn is_grpc(content_type: Option<&[u8]>) -> bool {
    let Some(kind) = content_type else { return false };
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_problem_is_json_with_its_extensions() {
        let more = [("violated-policies".to_owned(), Value::from(vec!["a"]))].into_iter().collect();
        let problem = Problem { kind: "https://example.org/p", title: "T", status: 429, more };
        let expected =
            r#"{"type":"https://example.org/p","title":"T","status":429,"violated-policies":["a"]}"#;
        assert_eq!(problem.to_json(), expected.as_bytes());
    }

    #[test]
    fn who_takes_json_or_anything_takes_problem_details() {
        for (accept, expected) in [
            (None, true),
            (Some("*/*"), true),
            (Some("text/html, application/problem+json"), true),
            (Some("Application/JSON; q=0.5"), true),
            (Some("text/html"), false),
            (Some("application/problem+json;q=0"), false),
            (Some(""), false),
        ] {
            assert_eq!(accepts_problem(accept.map(str::as_bytes)), expected, "{accept:?}");
        }
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for (kind, expected) in [
            (Some("application/grpc"), true),
            (Some("application/grpc+proto"), true),
            (Some("application/grpc;charset=utf-8"), true),
            (Some("application/grpc-web"), false),
            (Some("application/json"), false),
            (None, false),
        ] {
            assert_eq!(is_grpc(kind.map(str::as_bytes)), expected, "{kind:?}");
        }
    }
}
