//! From a request to its answer.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, TRAILER};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Reset};
use crate::behaviour::{Script, Scripts};
use crate::body::AnswerBody;
use crate::counts::{BodyHash, Counts, Received};
use crate::server::Hangup;

/// The header by which a request asks for its own answer.
const ASK: HeaderName = HeaderName::from_static("x-upstream");

/// What all connections of an upstream share.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) scripts: Scripts,
    pub(crate) counts: Arc<Counts>,
    /// Whether paths such as `/status/503` ask for an answer.
    pub(crate) asking_paths: bool,
}

impl Service {
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        hangup: Arc<Hangup>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let (parts, body) = request.into_parts();
        let in_flight = self.counts.begin(Received {
            method: parts.method.clone(),
            path: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            version: parts.version,
            headers: parts.headers.clone(),
            body_bytes: None,
            body_hash: None,
        });
        // The script counts requests in the order of their arrival, not of their ends.
        let script = self.scripts.find(parts.uri.path());
        let answer = self.choose(&parts, script.as_deref());
        let body_bytes = match drain(body).await {
            Ok((bytes, hash)) => {
                in_flight.body_ended(bytes, hash);
                bytes
            }
            // The client went away amid its request: nobody reads what follows.
            Err(_) => 0,
        };
        let answer = match &script {
            None => in_time(answer).await,
            Some(script) => match script.serve().await {
                Ok(place) => {
                    let answer = in_time(answer).await;
                    place.done();
                    answer
                }
                Err(_full) => Answer::status(503).header("x-upstream-queue", "full"),
            },
        };
        if answer.reset == Some(Reset::BeforeHeaders) {
            hangup.now();
            std::future::pending::<()>().await;
        }
        let body = AnswerBody::new(&answer, || echo(&parts, body_bytes), hangup, in_flight);
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        announce(&answer.trailers, response.headers_mut());
        Ok(response)
    }

    fn choose(&self, parts: &Parts, script: Option<&Script>) -> Answer {
        if let Some(asked) = parts.headers.get(ASK) {
            return Answer::parse(&String::from_utf8_lossy(asked.as_bytes())).unwrap_or_else(refusal);
        }
        if let Some(script) = script {
            return script.next_answer().clone();
        }
        let asked = if self.asking_paths { Answer::from_path(parts.uri.path()) } else { None };
        asked.unwrap_or_else(|| Ok(Answer::echo())).unwrap_or_else(refusal)
    }
}

fn refusal(error: crate::InvalidAnswer) -> Answer {
    Answer::status(400).header("content-type", "text/plain").body(format!("{error}\n"))
}

async fn in_time(answer: Answer) -> Answer {
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    answer
}

async fn drain(mut body: Incoming) -> Result<(u64, u64), hyper::Error> {
    let (mut bytes, mut hash) = (0, BodyHash::default());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes += data.len() as u64;
            hash.add(&data);
        }
    }
    Ok((bytes, hash.finish()))
}

/// HTTP/1.1 sends only trailers that a header announces.
fn announce(trailers: &HeaderMap, headers: &mut HeaderMap) {
    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
    if let Ok(names) = HeaderValue::from_str(&names.join(", "))
        && !trailers.is_empty()
    {
        headers.insert(TRAILER, names);
    }
}

fn echo(parts: &Parts, body_bytes: u64) -> Bytes {
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let value = Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned());
        match headers.get_mut(name.as_str()) {
            None => {
                headers.insert(name.as_str().to_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    let echo = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map(ToString::to_string),
        "http": format!("{:?}", parts.version),
        "headers": headers,
        "body_bytes": body_bytes,
    });
    Bytes::from(format!("{echo:#}\n"))
}
