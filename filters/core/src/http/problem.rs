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

/// Whether a client that sent this `accept` header (`None`: none) takes problem details.
///
/// The most specific range decides (RFC 9110, section 12.5.1). Whoever takes JSON takes problem details too, unless it
/// refuses them by name.
pub fn accepts_problem(accept: Option<&[u8]>) -> bool {
    let Some(accept) = accept else { return true };
    let ranges = || accept.split(|byte| *byte == b',').map(range);
    let of = |kind: &str| ranges().find(|(range, _)| range.eq_ignore_ascii_case(kind.as_bytes()));
    let json = of("application/json").is_some_and(|(_, taken)| taken);
    match of(Problem::MEDIA_TYPE) {
        Some((_, taken)) => taken,
        None => json || of("application/*").or_else(|| of("*/*")).is_some_and(|(_, taken)| taken),
    }
}

/// A media range, and whether its weight is above zero.
fn range(text: &[u8]) -> (&[u8], bool) {
    let mut parts = text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let kind = parts.next().unwrap_or_default();
    let is_zero = |part: &[u8]| match part {
        [b'q' | b'Q', b'=', weight @ ..] => weight.iter().all(|byte| matches!(byte, b'0' | b'.')),
        _ => false,
    };
    (kind, !parts.any(is_zero))
}

/// Whether a request with this `content-type` is a gRPC call.
pub fn is_grpc(content_type: Option<&[u8]>) -> bool {
    let Some(kind) = content_type else { return false };
    // A content subtype or parameters may follow; `application/grpc-web` is another protocol.
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.trim_ascii_start().first(), None | Some(b'+' | b';')))
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
            (Some("*/*, application/problem+json; Q=0.000"), false),
            (Some("application/json, application/problem+json;q=0"), false),
            (Some("application/*;q=0, */*"), false),
            (Some("application/*;q=0, application/json"), true),
            (Some("application/problem+json;q=0.001"), true),
            (Some("text/html, */*;q=0.1"), true),
            (Some("application/problem+jsonp"), false),
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
            (Some("application/grpc ; charset=utf-8"), true),
            (Some("application/grpcx"), false),
            (Some("text/application/grpc"), false),
            (Some("application/grpc-web"), false),
            (Some("application/json"), false),
            (None, false),
        ] {
            assert_eq!(is_grpc(kind.map(str::as_bytes)), expected, "{kind:?}");
        }
    }
}
