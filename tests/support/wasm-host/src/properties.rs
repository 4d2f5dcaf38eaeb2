//! What `get_property` answers.
//!
//! A test sets a property by its path and so overrides what is derived here: the plugin's names, what the request and
//! the response say themselves, and filter state. As in Envoy, what comes from headers is there only while the
//! filter can reach those headers, or while it logs.

use crate::exchange::{Exchange, RESPONSE_TRAILERS};
use crate::headers::HeaderMap;
use crate::reply::grpc_status_of_http;
use crate::root::RootState;

/// Where the client is, unless the test says otherwise.
const CLIENT_ADDRESS: &[u8] = b"192.0.2.1:50000";
const CLIENT_PORT: i64 = 50_000;

const FILTER_STATE_PREFIX: &[u8] = b"wasm.";

pub(crate) fn get(path: &[u8], stream: Option<&Exchange>, root: &RootState, vm_id: &str) -> Option<Vec<u8>> {
    let set_by_test =
        stream.and_then(|stream| stream.properties.get(path)).or_else(|| root.properties.get(path));
    if let Some(value) = set_by_test {
        return Some(value.clone());
    }
    let parts: Vec<&[u8]> = path.split(|&byte| byte == 0).collect();
    match parts.as_slice() {
        [b"plugin_name"] => Some(root.plugin.name.clone().into_bytes()),
        [b"plugin_root_id"] => Some(root.plugin.root_id.clone().into_bytes()),
        [b"plugin_vm_id"] => Some(vm_id.into()),
        parts => of_stream(parts, stream?),
    }
}

/// The key under which a filter's own state is kept. Several path elements are joined by zero bytes, so no path
/// leads back to it.
pub(crate) fn filter_state_key(path: &[u8]) -> Vec<u8> {
    [FILTER_STATE_PREFIX, path].concat()
}

fn of_stream(path: &[&[u8]], stream: &Exchange) -> Option<Vec<u8>> {
    match path {
        [b"request", rest @ ..] => request(rest, stream),
        [b"response", rest @ ..] => response(rest, stream),
        [b"source", b"address"] => Some(CLIENT_ADDRESS.to_vec()),
        [b"source", b"port"] => Some(integer(CLIENT_PORT)),
        [b"connection", b"mtls"] => Some(vec![0]),
        [b"filter_state", key] => stream.filter_state.borrow().get(*key).cloned(),
        [name] => stream.filter_state.borrow().get(&filter_state_key(name)).cloned(),
        _ => None,
    }
}

fn request(path: &[&[u8]], stream: &Exchange) -> Option<Vec<u8>> {
    match path {
        [b"time"] => Some(stream.started_wall_nanos.to_le_bytes().to_vec()),
        [b"duration"] => stream.duration_nanos.map(|nanos| nanos.to_le_bytes().to_vec()),
        [b"protocol"] => Some(b"HTTP/1.1".to_vec()),
        path => {
            let headers = stream.request_headers()?;
            match path {
                [b"url_path"] => Some(split_query(headers)?.0),
                [b"query"] => Some(split_query(headers)?.1),
                [b"headers", name] => header(headers, name),
                [attribute] => header(headers, header_of_attribute(attribute)?),
                _ => None,
            }
        }
    }
}

fn header_of_attribute(attribute: &[u8]) -> Option<&'static [u8]> {
    Some(match attribute {
        b"path" => b":path",
        b"host" => b":authority",
        b"scheme" => b":scheme",
        b"method" => b":method",
        b"referer" => b"referer",
        b"useragent" => b"user-agent",
        b"id" => b"x-request-id",
        _ => return None,
    })
}

fn split_query(headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    let path = headers.get(":path")?;
    let end = path.iter().position(|&byte| byte == b'?').unwrap_or(path.len());
    Some((path[..end].to_vec(), path.get(end + 1..).unwrap_or_default().to_vec()))
}

fn response(path: &[&[u8]], stream: &Exchange) -> Option<Vec<u8>> {
    match path {
        [b"code"] => stream.response_code.map(|code| integer(code.into())),
        [b"code_details"] => stream.code_details.clone().map(String::into_bytes),
        [b"flags"] => Some(stream.response_flags.to_le_bytes().to_vec()),
        [b"grpc_status"] => grpc_status(stream).map(|status| integer(status.into())),
        [b"headers", name] => header(stream.response_headers()?, name),
        [b"trailers", name] => header(stream.map(RESPONSE_TRAILERS)?, name),
        _ => None,
    }
}

/// From the trailers, else from the headers, else what the HTTP status stands for.
fn grpc_status(stream: &Exchange) -> Option<u32> {
    let maps = [stream.map(RESPONSE_TRAILERS), stream.response_headers()];
    let given = maps.into_iter().flatten().find_map(|map| map.text("grpc-status")?.parse().ok());
    given.or_else(|| stream.response_code.map(grpc_status_of_http))
}

fn header(headers: &HeaderMap, name: &[u8]) -> Option<Vec<u8>> {
    headers.get(std::str::from_utf8(name).ok()?).map(<[u8]>::to_vec)
}

fn integer(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}
