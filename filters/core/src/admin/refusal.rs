//! Why a request to the endpoints is turned away, as problem details (RFC 9457).

use crate::http::Problem;
use serde_json::{Map, Value};

/// Why a request is turned away. Nothing that was sent as a credential is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What is asked for cannot be understood.
    #[error("{detail}")]
    Malformed {
        /// What is wrong, with the value and what is allowed.
        detail: String,
        /// The parameter that it is about.
        parameter: Option<String>,
    },
    /// Nobody who may has asked: no credential, or a wrong one.
    #[error("a valid bearer token is needed")]
    Unauthorized,
    /// Whoever asks is known or not, but may not.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such endpoint, or no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The endpoint has other methods.
    #[error("the endpoint has other methods")]
    WrongMethod {
        /// They, as the `allow` header has them.
        allowed: String,
    },
    /// The state of things does not allow it now.
    #[error("{0}")]
    Conflict(String),
    /// The body is longer than is taken.
    #[error("the body is longer than {most_bytes} bytes")]
    TooLarge {
        /// How long it may be.
        most_bytes: usize,
    },
    /// Too many failed attempts have come from there.
    #[error("too many failed attempts")]
    TooMany {
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// What is needed for it does not answer.
    #[error("{0}")]
    Unavailable(String),
}

impl Refusal {
    /// A parameter is wrong.
    pub fn parameter(name: &str, detail: String) -> Self {
        Self::Malformed { detail, parameter: Some(name.to_owned()) }
    }

    /// The body as a whole is wrong.
    pub fn body(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into(), parameter: None }
    }

    /// The status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::Unauthorized => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::WrongMethod { .. } => 405,
            Self::Conflict(_) => 409,
            Self::TooLarge { .. } => 413,
            Self::TooMany { .. } => 429,
            Self::Unavailable(_) => 503,
        }
    }

    /// The kind of refusal in one word, for logs and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::WrongMethod { .. } => "wrong_method",
            Self::Conflict(_) => "conflict",
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => "too_many_failures",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Every reason that there is, for what is defined once for each.
    pub const REASONS: [&'static str; 9] = [
        "malformed",
        "unauthorized",
        "forbidden",
        "not_found",
        "wrong_method",
        "conflict",
        "too_large",
        "too_many_failures",
        "unavailable",
    ];

    /// Whether it says something about who asked, and not about what was asked.
    pub const fn is_about_who(&self) -> bool {
        matches!(self, Self::Unauthorized | Self::Forbidden(_) | Self::TooMany { .. })
    }

    const fn title(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "Bad Request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden(_) => "Forbidden",
            Self::NotFound(_) => "Not Found",
            Self::WrongMethod { .. } => "Method Not Allowed",
            Self::Conflict(_) => "Conflict",
            Self::TooLarge { .. } => "Content Too Large",
            Self::TooMany { .. } => "Too Many Requests",
            Self::Unavailable(_) => "Service Unavailable",
        }
    }

    /// The body of the answer.
    pub fn problem(&self) -> Problem {
        let mut more = Map::new();
        more.insert("detail".to_owned(), Value::from(self.to_string()));
        match self {
            Self::Malformed { parameter: Some(parameter), .. } => {
                more.insert("parameter".to_owned(), Value::from(parameter.as_str()));
            }
            Self::WrongMethod { allowed } => {
                more.insert("allowed".to_owned(), allowed.split(", ").collect());
            }
            _ => {}
        }
        // RFC 9457, section 4.2.1: with `about:blank` the title is the status's phrase.
        Problem { kind: "about:blank", title: self.title(), status: self.status(), more }
    }

    /// What the answer carries besides.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            // RFC 9110, section 11.6.1: a 401 says how to do better; section 15.5.6: a 405 says which methods there are.
            Self::Unauthorized => vec![("www-authenticate", r#"Bearer realm="ballast""#.to_owned())],
            Self::WrongMethod { allowed } => vec![("allow", allowed.clone())],
            Self::TooMany { retry_after_seconds } => vec![("retry-after", retry_after_seconds.to_string())],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_refusal_is_a_problem_that_says_what_to_do_better() {
        for (refusal, status, header, body) in [
            (
                Refusal::parameter("state", "`on` is none".to_owned()),
                400,
                None,
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"`on` is none","parameter":"state"}"#,
            ),
            (
                Refusal::Unauthorized,
                401,
                Some(("www-authenticate", r#"Bearer realm="ballast""#)),
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"a valid bearer token is needed"}"#,
            ),
            (
                Refusal::WrongMethod { allowed: "GET, HEAD".to_owned() },
                405,
                Some(("allow", "GET, HEAD")),
                r#"{"type":"about:blank","title":"Method Not Allowed","status":405,"allowed":["GET","HEAD"],"detail":"the endpoint has other methods"}"#,
            ),
            (
                Refusal::TooMany { retry_after_seconds: 7 },
                429,
                Some(("retry-after", "7")),
                r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"too many failed attempts"}"#,
            ),
        ] {
            assert_eq!(refusal.status(), status);
            let headers: Vec<_> = refusal.headers();
            assert_eq!(headers.first().map(|(name, value)| (*name, value.as_str())), header);
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&refusal.problem().to_json()).unwrap(), body);
            assert!(Refusal::REASONS.contains(&refusal.reason()));
        }
    }
}
