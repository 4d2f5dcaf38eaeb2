//! Answers that a filter gives itself.

use crate::headers::HeaderMap;

/// What a filter asked to be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u32,
    /// The response code details, white space replaced by `_`.
    pub details: String,
    /// The headers that the filter gave, without those that Envoy adds.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, when the filter gave one.
    pub grpc_status: Option<u32>,
}

/// The headers and the body that the client is sent.
pub(crate) fn on_the_wire(reply: &LocalReply, request: &HeaderMap) -> (HeaderMap, Vec<u8>) {
    let is_grpc = request.get("content-type").is_some_and(|kind| kind.starts_with(b"application/grpc"));
    let is_head = request.get(":method") == Some(b"HEAD");
    if is_grpc { (grpc_headers(reply, is_head), Vec::new()) } else { http(reply, is_head) }
}

fn http(reply: &LocalReply, is_head: bool) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::received(&[(":status", reply.status.to_string())]);
    add_all(&mut headers, &reply.headers);
    if reply.body.is_empty() {
        headers.remove(b"content-length");
        headers.remove(b"content-type");
        return (headers, Vec::new());
    }
    headers.set(b"content-length", reply.body.len().to_string().as_bytes());
    if headers.get("content-type").is_none() {
        headers.set(b"content-type", b"text/plain");
    }
    (headers, if is_head { Vec::new() } else { reply.body.clone() })
}

fn grpc_headers(reply: &LocalReply, is_head: bool) -> HeaderMap {
    let status = reply.grpc_status.unwrap_or_else(|| grpc_status_of_http(reply.status));
    let mut headers = HeaderMap::received(&[(":status", "200"), ("content-type", "application/grpc")]);
    headers.set(b"grpc-status", status.to_string().as_bytes());
    if !reply.body.is_empty() && !is_head {
        headers.set(b"grpc-message", percent_encoded(&reply.body).as_bytes());
    }
    add_all(&mut headers, &reply.headers);
    headers.remove(b"content-length");
    headers
}

fn add_all(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, value) in more.iter() {
        headers.add(name.as_bytes(), value);
    }
}

/// The gRPC status that stands for an HTTP status.
pub(crate) fn grpc_status_of_http(status: u32) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// As gRPC encodes a status message: everything but printable ASCII, and the percent sign.
fn percent_encoded(bytes: &[u8]) -> String {
    let encode = |&byte: &u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::{LocalReply, on_the_wire};
    use crate::headers::HeaderMap;

    fn reply(body: &str, headers: &[(&str, &str)], grpc_status: Option<u32>) -> LocalReply {
        let headers = HeaderMap::received(headers);
        LocalReply { status: 429, details: String::new(), headers, body: body.into(), grpc_status }
    }

    fn sent(reply: &LocalReply, request: &[(&str, &str)]) -> (Vec<(String, String)>, String) {
        let (headers, body) = on_the_wire(reply, &HeaderMap::received(request));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (headers.iter().map(|(name, value)| (name.to_owned(), text(value))).collect(), text(&body))
    }

    #[test]
    fn envoy_adds_and_removes_headers_by_body_method_and_protocol() {
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let rows: [(&str, LocalReply, Headers<'_>, Headers<'_>, &str); 5] = [
            (
                "a body brings length and type",
                reply("slow", &[("x-a", "1")], None),
                &[],
                &[(":status", "429"), ("x-a", "1"), ("content-length", "4"), ("content-type", "text/plain")],
                "slow",
            ),
            (
                "a given type stays",
                reply("{}", &[("content-type", "application/json")], None),
                &[],
                &[(":status", "429"), ("content-type", "application/json"), ("content-length", "2")],
                "{}",
            ),
            (
                "no body, no type",
                reply("", &[("content-type", "x"), ("content-length", "9")], None),
                &[],
                &[(":status", "429")],
                "",
            ),
            (
                "HEAD has the length only",
                reply("slow", &[], None),
                &[(":method", "HEAD")],
                &[(":status", "429"), ("content-length", "4"), ("content-type", "text/plain")],
                "",
            ),
            (
                "gRPC is trailers only",
                reply("50% off", &[], Some(8)),
                &[("content-type", "application/grpc+proto")],
                &[
                    (":status", "200"),
                    ("content-type", "application/grpc"),
                    ("grpc-status", "8"),
                    ("grpc-message", "50%25 off"),
                ],
                "",
            ),
        ];
        for (why, reply, request, headers, body) in rows {
            let headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(sent(&reply, request), (headers, body.to_owned()), "{why}");
        }
    }

    #[test]
    fn without_a_grpc_status_the_http_status_decides() {
        let (headers, _) = sent(&reply("", &[], None), &[("content-type", "application/grpc")]);
        assert!(headers.contains(&("grpc-status".to_owned(), "14".to_owned())));
    }
}
