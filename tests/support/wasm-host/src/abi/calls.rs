//! Calls to other services.

use std::time::Duration;

use wasmi::Linker;

use super::{Answer, Guest, host_function, read, write_u32};
use crate::call::{PendingGrpc, PendingHttp};
use crate::headers::HeaderMap;
use crate::pairs;
use crate::state::{Deferred, VmState};
use crate::status::Status;

const HTTP: u32 = 0;
const GRPC: u32 = 1;

const GRPC_DEADLINE_EXCEEDED: u32 = 4;

pub(super) fn link(linker: &mut Linker<VmState>) {
    host_function!(linker, "proxy_http_call", |guest,
                                               cluster: u32,
                                               cluster_size: u32,
                                               headers: u32,
                                               headers_size: u32,
                                               body: u32,
                                               body_size: u32,
                                               trailers: u32,
                                               trailers_size: u32,
                                               timeout: u32,
                                               token_at: u32| {
        let cluster = read(guest, cluster, cluster_size)?;
        let headers = HeaderMap::from_pairs(pairs::parse(&read(guest, headers, headers_size)?));
        let body = read(guest, body, body_size)?;
        let trailers = HeaderMap::from_pairs(pairs::parse(&read(guest, trailers, trailers_size)?));
        http_call(guest, &cluster, headers, body, trailers, timeout, token_at)
    });
    host_function!(linker, "proxy_grpc_call", |guest,
                                               service: u32,
                                               service_size: u32,
                                               name: u32,
                                               name_size: u32,
                                               method: u32,
                                               method_size: u32,
                                               metadata: u32,
                                               metadata_size: u32,
                                               message: u32,
                                               message_size: u32,
                                               timeout: u32,
                                               token_at: u32| {
        let cluster = grpc_cluster(guest, &read(guest, service, service_size)?)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let timeout = Duration::from_millis(timeout.into());
        let call = PendingGrpc {
            root: guest.data().acting_root_id()?,
            sequence: guest.data().host.next_call_sequence(),
            cluster,
            service: text(read(guest, name, name_size)?),
            method: text(read(guest, method, method_size)?),
            metadata: HeaderMap::from_pairs(pairs::parse(&read(guest, metadata, metadata_size)?)),
            message: read(guest, message, message_size)?,
            timeout,
            deadline_nanos: guest.data().deadline(timeout),
        };
        grpc_call(guest, call, token_at)
    });
    host_function!(linker, "proxy_grpc_cancel", |guest, token: u32| end_grpc(guest, token));
    host_function!(linker, "proxy_grpc_close", |guest, token: u32| end_grpc(guest, token));
    // Streams are not modelled: they cannot be opened.
    host_function!(
        linker,
        "proxy_grpc_stream",
        |_guest,
         _service: u32,
         _service_size: u32,
         _name: u32,
         _name_size: u32,
         _method: u32,
         _method_size: u32,
         _metadata: u32,
         _metadata_size: u32,
         _token_at: u32| { Err(Status::InternalFailure.into()) }
    );
    host_function!(linker, "proxy_grpc_send", |_guest, _token: u32, _message: u32, _size: u32, _end: u32| {
        Err(Status::BadArgument.into())
    });
}

fn http_call(
    guest: &mut Guest<'_>,
    cluster: &[u8],
    mut headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
    timeout: u32,
    token_at: u32,
) -> Answer {
    write_u32(guest, token_at, 0)?;
    let complete = [":method", ":path", ":authority"].iter().all(|name| headers.get(name).is_some());
    // The host reads the time-out as a signed number.
    let timeout_fits = i32::try_from(timeout).is_ok();
    if !timeout_fits || !guest.data().host.has_cluster(cluster) || !complete {
        return Err(Status::BadArgument.into());
    }
    if !body.is_empty() {
        headers.set(b"content-length", body.len().to_string().as_bytes());
    }
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
    let call = PendingHttp {
        root: guest.data().acting_root_id()?,
        sequence: guest.data().host.next_call_sequence(),
        cluster: String::from_utf8_lossy(cluster).into_owned(),
        headers,
        body,
        trailers,
        timeout,
        deadline_nanos: timeout.map(|timeout| guest.data().deadline(timeout)),
    };
    let token = guest.data_mut().next_call_token(HTTP);
    guest.data_mut().http_calls.insert(token, call);
    Ok(write_u32(guest, token_at, token)?)
}

/// A time-out of zero is none for an HTTP call, but ends a gRPC call at once.
fn grpc_call(guest: &mut Guest<'_>, call: PendingGrpc, token_at: u32) -> Answer {
    let state = guest.data_mut();
    let token = state.next_call_token(GRPC);
    if call.timeout.is_zero() {
        let (root, message) = (call.root, String::new());
        state.deferred.push_back(Deferred::GrpcClosed { root, token, code: GRPC_DEADLINE_EXCEEDED, message });
    } else {
        state.grpc_calls.insert(token, call);
    }
    Ok(write_u32(guest, token_at, token)?)
}

fn end_grpc(guest: &mut Guest<'_>, token: u32) -> Answer {
    match token % 4 {
        GRPC => guest.data_mut().grpc_calls.remove(&token).map(drop).ok_or(Status::NotFound.into()),
        _ => Err(Status::BadArgument.into()),
    }
}

/// The cluster that a gRPC call names: in a serialized `GrpcService`, or plainly. A plain name that happens to be
/// valid protobuf ends the whole process in Envoy 1.40.
fn grpc_cluster(guest: &Guest<'_>, service: &[u8]) -> Result<String, Status> {
    let host = &guest.data().host;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match protobuf_fields(service) {
        Some(fields) => {
            let envoy_grpc = fields.iter().rfind(|(number, _)| *number == 1).and_then(|(_, value)| *value);
            let cluster = envoy_grpc.and_then(protobuf_fields).and_then(|fields| {
                fields.iter().rfind(|(number, _)| *number == 1).and_then(|(_, value)| *value)
            });
            let cluster = cluster.unwrap_or_else(|| {
                panic!("Envoy would abort: the gRPC service {:?} is protobuf without a target", text(service))
            });
            if host.has_cluster(cluster) { Ok(text(cluster)) } else { Err(Status::InternalFailure) }
        }
        None if host.has_cluster(service) => Ok(text(service)),
        None => Err(Status::ParseFailure),
    }
}

/// A field's number, and its bytes if it is of that kind.
type Field<'a> = (u64, Option<&'a [u8]>);

/// The fields of a protobuf message, if the bytes are one.
fn protobuf_fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes)?;
        if tag >> 3 == 0 {
            return None;
        }
        let (value, rest) = match tag & 7 {
            0 => (None, varint(rest)?.1),
            1 => (None, rest.split_at_checked(8)?.1),
            2 => {
                let (size, rest) = varint(rest)?;
                let (value, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
                (Some(value), rest)
            }
            5 => (None, rest.split_at_checked(4)?.1),
            _ => return None,
        };
        fields.push((tag >> 3, value));
        bytes = rest;
    }
    Some(fields)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(end + 1);
    let value = number.iter().rev().fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::protobuf_fields;

    #[test]
    fn names_that_are_protobuf_by_accident_are_told_from_others() {
        for name in ["users", "inventory", "p1", "h503"] {
            assert!(protobuf_fields(name.as_bytes()).is_some(), "{name} aborts Envoy");
        }
        for name in ["grpc", "outbound|80||a.b"] {
            assert!(protobuf_fields(name.as_bytes()).is_none(), "{name} is a plain name");
        }
        assert_eq!(protobuf_fields(b"\x0a\x04\x0a\x02up"), Some(vec![(1, Some(&b"\x0a\x02up"[..]))]));
    }
}
