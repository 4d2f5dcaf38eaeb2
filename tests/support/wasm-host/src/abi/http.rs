//! Headers, bodies, replies, and holding and resuming a stream.

use wasmi::Linker;

use super::{Answer, Guest, hand_over, host_function, read, write_u32};
use crate::exchange::write_into;
use crate::headers::HeaderMap;
use crate::pairs;
use crate::reply::LocalReply;
use crate::state::{Deferred, VmState};
use crate::status::Status;

// Maps beyond the stream's own four, as the ABI numbers them.
const GRPC_INITIAL_METADATA: u32 = 4;
const GRPC_TRAILING_METADATA: u32 = 5;
const HTTP_CALL_HEADERS: u32 = 6;
const HTTP_CALL_TRAILERS: u32 = 7;

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const DOWNSTREAM_DATA: u32 = 2;
const UPSTREAM_DATA: u32 = 3;
const HTTP_CALL_BODY: u32 = 4;
const GRPC_MESSAGE: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_DATA: u32 = 8;

pub(super) fn link(linker: &mut Linker<VmState>) {
    maps(linker);
    host_function!(
        linker,
        "proxy_get_buffer_bytes",
        |guest, kind: u32, start: u32, length: u32, bytes_at: u32, size_at: u32| {
            get_buffer(guest, kind, (start, length), bytes_at, size_at)
        }
    );
    host_function!(linker, "proxy_get_buffer_status", |guest, kind: u32, size_at: u32, flags_at: u32| {
        let size = buffer(guest, kind)?.len();
        write_u32(guest, size_at, u32::try_from(size).map_err(|_| Status::InternalFailure)?)?;
        Ok(write_u32(guest, flags_at, 0)?)
    });
    host_function!(
        linker,
        "proxy_set_buffer_bytes",
        |guest, kind: u32, start: u32, length: u32, bytes: u32, size: u32| {
            let bytes = read(guest, bytes, size)?;
            set_buffer(guest, kind, start, length, &bytes)
        }
    );
    host_function!(linker, "proxy_continue_stream", |guest, kind: u32| continue_stream(guest, kind));
    host_function!(linker, "proxy_close_stream", |guest, kind: u32| { close_stream(guest, kind) });
    host_function!(
        linker,
        "proxy_send_local_response",
        |guest,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         grpc_status: i32| {
            let details = read(guest, details, details_size)?;
            let body = read(guest, body, body_size)?;
            let headers = read(guest, headers, headers_size)?;
            send_local_response(guest, status, &details, body, &headers, grpc_status)
        }
    );
}

fn maps(linker: &mut Linker<VmState>) {
    host_function!(linker, "proxy_get_header_map_pairs", |guest, kind: u32, pairs_at: u32, size_at: u32| {
        check_map_kind(kind)?;
        // A map that cannot be reached reads as empty.
        let map = with_map(guest, kind, HeaderMap::clone).unwrap_or_default();
        let bytes = if map.is_empty() { Vec::new() } else { map.serialize() };
        hand_over(guest, &bytes, pairs_at, size_at)
    });
    host_function!(
        linker,
        "proxy_get_header_map_value",
        |guest, kind: u32, name: u32, name_size: u32, value_at: u32, size_at: u32| {
            check_map_kind(kind)?;
            let name = read(guest, name, name_size)?;
            let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
            let value = with_map(guest, kind, |map| map.get(&name).map(<[u8]>::to_vec));
            let value = value.ok_or_else(|| missing_map(guest))?.ok_or(Status::NotFound)?;
            hand_over(guest, &value, value_at, size_at)
        }
    );
    host_function!(linker, "proxy_get_header_map_size", |guest, kind: u32, size_at: u32| {
        check_map_kind(kind)?;
        let size = change_map(guest, kind, |map| map.byte_size())?;
        Ok(write_u32(guest, size_at, u32::try_from(size).map_err(|_| Status::InternalFailure)?)?)
    });
    host_function!(linker, "proxy_set_header_map_pairs", |guest, kind: u32, pairs: u32, size: u32| {
        check_map_kind(kind)?;
        let pairs = pairs::parse(&read(guest, pairs, size)?);
        Ok(change_map(guest, kind, |map| *map = HeaderMap::from_pairs(pairs))?)
    });
    host_function!(
        linker,
        "proxy_add_header_map_value",
        |guest, kind: u32, name: u32, name_size: u32, value: u32, value_size: u32| {
            check_map_kind(kind)?;
            let (name, value) = (read(guest, name, name_size)?, read(guest, value, value_size)?);
            Ok(change_map(guest, kind, |map| map.add(&name, &value))?)
        }
    );
    host_function!(
        linker,
        "proxy_replace_header_map_value",
        |guest, kind: u32, name: u32, name_size: u32, value: u32, value_size: u32| {
            check_map_kind(kind)?;
            let (name, value) = (read(guest, name, name_size)?, read(guest, value, value_size)?);
            Ok(change_map(guest, kind, |map| map.set(&name, &value))?)
        }
    );
    host_function!(linker, "proxy_remove_header_map_value", |guest, kind: u32, name: u32, name_size: u32| {
        check_map_kind(kind)?;
        let name = read(guest, name, name_size)?;
        Ok(change_map(guest, kind, |map| map.remove(&name))?)
    });
}

fn check_map_kind(kind: u32) -> Answer {
    if kind <= HTTP_CALL_TRAILERS { Ok(()) } else { Err(Status::BadArgument.into()) }
}

fn with_map<T>(guest: &Guest<'_>, kind: u32, f: impl FnOnce(&HeaderMap) -> T) -> Option<T> {
    let state = guest.data();
    match kind {
        GRPC_INITIAL_METADATA | GRPC_TRAILING_METADATA => None,
        HTTP_CALL_HEADERS => Some(f(&state.acting_root().ok()?.borrow().http_answer.as_ref()?.headers)),
        HTTP_CALL_TRAILERS => Some(f(&state.acting_root().ok()?.borrow().http_answer.as_ref()?.trailers)),
        _ => state.acting_stream()?.borrow().map(kind).map(f),
    }
}

fn change_map<T>(guest: &Guest<'_>, kind: u32, f: impl FnOnce(&mut HeaderMap) -> T) -> Result<T, Status> {
    let stream = guest.data().acting_stream().ok_or(Status::BadArgument)?;
    stream.borrow_mut().map_mut(kind).map(f).ok_or(Status::BadArgument)
}

/// While a stream logs, a missing map is not an error.
fn missing_map(guest: &Guest<'_>) -> Status {
    let logging = guest.data().acting_stream().is_some_and(|stream| stream.borrow().log_phase);
    if logging { Status::NotFound } else { Status::BadArgument }
}

fn buffer(guest: &Guest<'_>, kind: u32) -> Result<Vec<u8>, Status> {
    let state = guest.data();
    match kind {
        REQUEST_BODY | RESPONSE_BODY => {
            let Some(stream) = state.acting_stream() else { return Ok(Vec::new()) };
            let stream = stream.borrow();
            let direction = if kind == REQUEST_BODY { &stream.request } else { &stream.response };
            let reachable = direction.chunk_visible || direction.buffering;
            Ok(if reachable { direction.chunk.clone() } else { Vec::new() })
        }
        DOWNSTREAM_DATA | UPSTREAM_DATA | CALL_DATA => Ok(Vec::new()),
        HTTP_CALL_BODY => {
            let root = state.acting_root()?;
            let root = root.borrow();
            root.http_answer.as_ref().map(|answer| answer.body.clone()).ok_or(Status::NotFound)
        }
        GRPC_MESSAGE => Ok(state.acting_root()?.borrow().grpc_message.clone().unwrap_or_default()),
        VM_CONFIGURATION => Ok(state.vm_configuration.clone()),
        PLUGIN_CONFIGURATION => {
            let root = state.acting_root()?;
            let root = root.borrow();
            root.configuring.then(|| root.plugin.configuration.clone()).ok_or(Status::NotFound)
        }
        _ => Err(Status::BadArgument),
    }
}

/// Of an empty part the module is told nothing, not even a null pointer.
fn get_buffer(
    guest: &mut Guest<'_>,
    kind: u32,
    (start, length): (u32, u32),
    bytes_at: u32,
    size_at: u32,
) -> Answer {
    let buffer = buffer(guest, kind)?;
    let end = start.checked_add(length).ok_or(Status::BadArgument)? as usize;
    let part = buffer.get(start as usize..end.min(buffer.len())).ok_or(Status::BadArgument)?;
    if part.is_empty() { Ok(()) } else { hand_over(guest, part, bytes_at, size_at) }
}

fn set_buffer(guest: &Guest<'_>, kind: u32, start: u32, length: u32, bytes: &[u8]) -> Answer {
    if !matches!(kind, REQUEST_BODY | RESPONSE_BODY) {
        return Err(Status::BadArgument.into());
    }
    let stream = guest.data().acting_stream().ok_or(Status::BadArgument)?;
    let mut stream = stream.borrow_mut();
    let direction = if kind == REQUEST_BODY { &mut stream.request } else { &mut stream.response };
    if !(direction.chunk_visible || direction.buffering) {
        return Err(Status::BadArgument.into());
    }
    Ok(write_into(&mut direction.chunk, start as usize, length as usize, bytes)?)
}

/// Resuming takes effect after the callback, but hides the request at once, whichever way is resumed.
fn continue_stream(guest: &mut Guest<'_>, kind: u32) -> Answer {
    let id = guest.data().acting();
    let Some(stream) = guest.data().stream(id) else { return Ok(()) };
    let action = match kind {
        0 => Deferred::ResumeRequest { stream: id },
        1 => Deferred::ResumeResponse { stream: id },
        2 => return Ok(()),
        _ => return Err(Status::BadArgument.into()),
    };
    stream.borrow_mut().hide_request();
    guest.data_mut().deferred.push_back(action);
    Ok(())
}

fn close_stream(guest: &mut Guest<'_>, kind: u32) -> Answer {
    let stream = guest.data().acting();
    match kind {
        0 | 1 if guest.data().stream(stream).is_some() => {
            guest.data_mut().deferred.push_back(Deferred::Reset { stream });
            Ok(())
        }
        0..=3 => Ok(()),
        _ => Err(Status::BadArgument.into()),
    }
}

/// A reply takes effect after the callback. Whoever it is for, the callback's own answer becomes a pause.
fn send_local_response(
    guest: &mut Guest<'_>,
    status: u32,
    details: &[u8],
    body: Vec<u8>,
    headers: &[u8],
    grpc_status: i32,
) -> Answer {
    let stream = guest.data().acting();
    let details = String::from_utf8_lossy(details).replace(|c: char| c.is_ascii_whitespace(), "_");
    let headers = HeaderMap::from_pairs(pairs::parse(headers));
    let grpc_status = u32::try_from(grpc_status).ok().filter(|status| *status <= 16);
    let reply = LocalReply { status, details, headers, body, grpc_status };
    let state = guest.data_mut();
    state.stop_iteration = true;
    if state.stream(stream).is_some() {
        state.deferred.push_back(Deferred::Reply { stream, reply });
    }
    Ok(())
}
