//! What answers look like.

use ballast_core::admin::refusal::Refusal;
use ballast_host::Reply;
use serde_json::Value;

/// An answer with a body that is JSON.
pub(crate) fn json(status: u16, what: &str, body: &Value) -> Reply {
    // Values have text as keys: nothing that serialising could refuse.
    body_of(status, what, "application/json", serde_json::to_vec(body).unwrap_or_default())
}

/// An answer with this body.
pub(crate) fn body_of(status: u16, what: &str, content_type: &str, body: Vec<u8>) -> Reply {
    let headers = [
        ("content-type", content_type),
        // Of now, and for nobody else; and no page may show or read it.
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    let (headers, details) = (headers.into_iter().collect(), format!("ballast_admin{{{what}}}").into());
    Reply { status, details, headers, body: body.into(), grpc_status: None }
}

/// A refusal as problem details.
pub(crate) fn refusal(refusal: &Refusal) -> Reply {
    let problem = refusal.problem();
    let mut reply =
        body_of(problem.status, refusal.reason(), ballast_core::http::Problem::MEDIA_TYPE, problem.to_json());
    reply.headers.extend(refusal.headers());
    reply
}
