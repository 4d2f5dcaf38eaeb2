//! Answers written as text, for people with curl: the header `x-upstream` and the paths that ask for an answer.

use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use crate::{Answer, Reset};

/// Bodies asked for as text end here: a typing error must not become a terabyte.
const MOST_BODY_BYTES: u64 = 1 << 30;

/// A text that describes no answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAnswer {
    /// No such field.
    #[error(
        "unknown field `{0}`, expected status, delay, body, chunk, gap, header, trailer, reset, grpc-status or trailers-only"
    )]
    UnknownField(String),
    /// The field exists, its value does not fit.
    #[error("`{field}={value}`: expected {expected}")]
    Value {
        /// The field's name.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
}

impl Answer {
    /// Reads an answer from text such as `status=503; delay=20ms; body=1000`.
    ///
    /// | field | value |
    /// |---|---|
    /// | `status` | 200 to 599 |
    /// | `delay` | time before the headers, for example `20ms` or `1s` |
    /// | `body` | size in bytes |
    /// | `chunk`, `gap` | size in bytes of each piece of the body; pause between two |
    /// | `header`, `trailer` | `name:value` (may be repeated) |
    /// | `reset` | `before-headers`, `after-headers` or `amid-body` |
    /// | `grpc-status` | a gRPC answer with this code in its trailers |
    /// | `trailers-only` | with `grpc-status`: in the headers instead |
    ///
    /// Without a `body` the answer echoes the request.
    ///
    /// # Errors
    /// When a field is unknown or its value does not fit.
    pub fn parse(text: &str) -> Result<Self, InvalidAnswer> {
        let fields: Vec<(&str, &str)> = text.split(';').filter_map(field).collect();
        let mut answer = base(&fields)?;
        let mut gap = Duration::ZERO;
        let mut amid_body = false;
        for &(name, value) in &fields {
            match name {
                "status" => answer.status = status(value)?,
                "delay" => answer.delay = duration("delay", value)?,
                "body" => answer = answer.body_bytes(body_bytes(value)?),
                "chunk" => answer = answer.chunks(chunk_bytes(value)?, Duration::ZERO),
                "gap" => gap = duration("gap", value)?,
                "header" => {
                    let (name, value) = pair("header", value)?;
                    answer.headers.append(name, value);
                }
                "trailer" => {
                    let (name, value) = pair("trailer", value)?;
                    answer.trailers.append(name, value);
                }
                "reset" if value == "amid-body" => amid_body = true,
                "reset" => answer.reset = Some(reset(value)?),
                "grpc-status" | "trailers-only" => {}
                unknown => return Err(InvalidAnswer::UnknownField(unknown.to_owned())),
            }
        }
        if let Some(chunks) = &mut answer.chunks {
            chunks.gap = gap;
        }
        if amid_body {
            answer.reset = Some(Reset::AmidBody { after_bytes: answer.given_body_bytes().unwrap_or(2) / 2 });
        }
        Ok(answer)
    }

    /// The answer that a path itself asks for: `/status/503`, `/delay/200ms`, `/bytes/1000`.
    pub(crate) fn from_path(path: &str) -> Option<Result<Self, InvalidAnswer>> {
        let (kind, value) = path.strip_prefix('/')?.split_once('/')?;
        match kind {
            "status" => Some(status(value).map(|status| Self { status, ..Self::echo() })),
            "delay" => Some(duration("delay", value).map(|delay| Self::echo().delay(delay))),
            "bytes" => Some(body_bytes(value).map(|bytes| Self::ok().body_bytes(bytes))),
            _ => None,
        }
    }
}

fn field(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (!name.is_empty()).then(|| (name.trim(), value.trim()))
}

fn base(fields: &[(&str, &str)]) -> Result<Answer, InvalidAnswer> {
    let Some((_, code)) = fields.iter().find(|(name, _)| *name == "grpc-status") else {
        return Ok(Answer::echo());
    };
    let code = code.parse().map_err(|_| invalid("grpc-status", code, "a number such as 8"))?;
    let headers_only = fields.iter().any(|(name, _)| *name == "trailers-only");
    Ok(if headers_only {
        Answer::grpc_trailers_only(code, "asked for")
    } else {
        Answer::grpc(code, "asked for")
    })
}

fn status(value: &str) -> Result<hyper::StatusCode, InvalidAnswer> {
    let status = value.parse().ok().filter(|status| (200..600).contains(status));
    status
        .and_then(|status| hyper::StatusCode::from_u16(status).ok())
        .ok_or_else(|| invalid("status", value, "200 to 599"))
}

fn body_bytes(value: &str) -> Result<u64, InvalidAnswer> {
    let bytes = value.parse().ok().filter(|bytes| *bytes <= MOST_BODY_BYTES);
    bytes.ok_or_else(|| invalid("body", value, "a size in bytes, at most 1073741824"))
}

fn chunk_bytes(value: &str) -> Result<usize, InvalidAnswer> {
    let bytes = value.parse().ok().filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| invalid("chunk", value, "a size in bytes, at least 1"))
}

fn duration(field: &'static str, value: &str) -> Result<Duration, InvalidAnswer> {
    let millis = if let Some(millis) = value.strip_suffix("ms") {
        millis.parse().ok()
    } else {
        value.strip_suffix('s').and_then(|seconds| seconds.parse::<u64>().ok()?.checked_mul(1000))
    };
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| invalid(field, value, "a time with its unit such as 20ms or 1s"))
}

fn reset(value: &str) -> Result<Reset, InvalidAnswer> {
    match value {
        "before-headers" => Ok(Reset::BeforeHeaders),
        "after-headers" => Ok(Reset::AfterHeaders),
        _ => Err(invalid("reset", value, "before-headers, after-headers or amid-body")),
    }
}

fn pair(field: &'static str, value: &str) -> Result<(HeaderName, HeaderValue), InvalidAnswer> {
    let parsed = value.split_once(':').and_then(|(name, value)| {
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value.trim()).ok()?))
    });
    parsed.ok_or_else(|| invalid(field, value, "name:value"))
}

fn invalid(field: &'static str, value: &str, expected: &'static str) -> InvalidAnswer {
    InvalidAnswer::Value { field, value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chunks;

    #[test]
    fn every_field_is_read_in_any_order() {
        let answer = Answer::parse(
            "gap=5ms; body=1000;chunk=100; header=a:b:c; status=503; delay=2s; reset=amid-body",
        )
        .unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.delay, Duration::from_secs(2));
        assert_eq!(answer.given_body_bytes(), Some(1000));
        assert_eq!(answer.chunks, Some(Chunks { bytes: 100, gap: Duration::from_millis(5) }));
        assert_eq!(answer.headers.get("a").unwrap(), "b:c");
        assert_eq!(answer.reset, Some(Reset::AmidBody { after_bytes: 500 }));
    }

    #[test]
    fn a_grpc_status_goes_to_the_trailers_unless_asked_otherwise() {
        let trailers = Answer::parse("grpc-status=8").unwrap();
        assert_eq!(trailers.trailers.get("grpc-status").unwrap(), "8");
        let headers = Answer::parse("grpc-status=8; trailers-only").unwrap();
        assert_eq!(headers.headers.get("grpc-status").unwrap(), "8");
        assert!(headers.trailers.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_is_allowed() {
        for (text, expected) in [
            ("colour=red", "unknown field `colour`"),
            ("status=99", "`status=99`: expected 200 to 599"),
            ("delay=20", "with its unit"),
            ("delay=18446744073709551615s", "with its unit"),
            ("body=-1", "a size in bytes"),
            ("body=99999999999", "at most 1073741824"),
            ("chunk=0", "at least 1"),
            ("header=nothing", "name:value"),
            ("reset=later", "before-headers"),
            ("grpc-status=x", "a number"),
        ] {
            let error = Answer::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn paths_that_ask_for_an_answer_are_recognised_and_others_are_left_alone() {
        assert_eq!(Answer::from_path("/status/418").unwrap().unwrap().status, 418);
        assert_eq!(Answer::from_path("/delay/200ms").unwrap().unwrap().delay, Duration::from_millis(200));
        assert_eq!(Answer::from_path("/bytes/10").unwrap().unwrap().given_body_bytes(), Some(10));
        assert!(Answer::from_path("/status/teapot").unwrap().is_err());
        assert!(Answer::from_path("/").is_none());
        assert!(Answer::from_path("/api/status/503").is_none());
    }
}
