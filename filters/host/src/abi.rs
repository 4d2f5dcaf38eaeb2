//! The imports of the proxy-wasm ABI 0.2.1 that Ballast uses, each answering its status.
//!
//! The SDK's `hostcalls` panic on every status they do not expect, and a panic takes a worker's VM down with all its
//! requests. So these are the same imports with the status as an ordinary error, in the few forms that are needed.
//! Call-outs alone go through the SDK (see [`crate::callout`]), whose dispatcher must know their tokens.
//!
//! Outside wasm32 there is no proxy: every import answers [`HostError::Unimplemented`].

mod imports;

use crate::host::{HostError, LogLevel, Map, MetricKind};
use ballast_core::http::Lines;
use imports as raw;
use std::ptr::{null, null_mut};

const MAP_HEADER_BYTES: usize = 4;
const MAP_SIZES_BYTES: usize = 8;

fn check(status: u32) -> Result<(), HostError> {
    if status == 0 { Ok(()) } else { Err(HostError::from_status(status)) }
}

/// Takes over bytes that the host wrote into memory of ours.
///
/// # Safety
///
/// `data` must be null, or point to `size` bytes that `proxy_on_memory_allocate` returned and nobody else owns.
unsafe fn take(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() {
        return Vec::new();
    }
    // SAFETY: the SDK's allocator makes a boxed slice of exactly `size` bytes, which a Vec of that capacity may own.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

/// A call that fills two out-pointers with bytes of ours.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, HostError> {
    let (mut data, mut size) = (null_mut(), 0);
    check(call(&raw mut data, &raw mut size))?;
    // SAFETY: the host answered Ok, so the pointers are untouched (null) or name memory it had us allocate.
    Ok(unsafe { take(data, size) })
}

/// Nanoseconds of WASI's monotonic clock: one origin for all VMs of a process.
pub(crate) fn monotonic_nanos() -> u64 {
    clock(1)
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn wall_nanos() -> u64 {
    clock(0)
}

fn clock(id: u32) -> u64 {
    let mut nanos = 0;
    // SAFETY: the out-pointer is valid for the call. A clock that fails reads as its origin.
    let errno = unsafe { raw::clock_time_get(id, 0, &raw mut nanos) };
    if errno == 0 { nanos } else { 0 }
}

/// The linear memory of this VM.
pub(crate) fn memory_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    let pages = core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0_usize;
    u64::try_from(pages).unwrap_or(0).saturating_mul(65_536)
}

pub(crate) fn log(level: LogLevel, message: &str) {
    let level = match level {
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
    };
    // SAFETY: pointer and length name one live slice. A log line that cannot be written has nowhere to be reported.
    let _ = unsafe { raw::proxy_log(level, message.as_ptr(), message.len()) };
}

pub(crate) fn set_tick_period_millis(period: u32) -> Result<(), HostError> {
    // SAFETY: takes no pointer.
    check(unsafe { raw::proxy_set_tick_period_milliseconds(period) })
}

pub(crate) fn buffer(kind: u32, start: usize, most: usize) -> Result<Vec<u8>, HostError> {
    // SAFETY: the out-pointers are valid for the call.
    bytes(|data, size| unsafe { raw::proxy_get_buffer_bytes(kind, start, most, data, size) })
}

pub(crate) fn set_buffer(kind: u32, start: usize, size: usize, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: pointer and length name one live slice.
    check(unsafe { raw::proxy_set_buffer_bytes(kind, start, size, value.as_ptr(), value.len()) })
}

pub(crate) fn header_pairs(map: Map) -> Result<Vec<u8>, HostError> {
    // SAFETY: the out-pointers are valid for the call.
    bytes(|data, size| unsafe { raw::proxy_get_header_map_pairs(map as u32, data, size) })
}

pub(crate) fn set_header_pairs(map: Map, pairs: &[(&str, &[u8])]) -> Result<(), HostError> {
    let encoded = encode_pairs(pairs);
    // SAFETY: pointer and length name one live slice.
    check(unsafe { raw::proxy_set_header_map_pairs(map as u32, encoded.as_ptr(), encoded.len()) })
}

pub(crate) fn header(map: Map, name: &str) -> Result<Vec<u8>, HostError> {
    bytes(|data, size| {
        // SAFETY: pointer and length name one live slice; the out-pointers are valid for the call.
        unsafe { raw::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size) }
    })
}

pub(crate) fn replace_header(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    let (n, v) = (name, value);
    // SAFETY: both pairs of pointer and length name live slices.
    let status =
        unsafe { raw::proxy_replace_header_map_value(map as u32, n.as_ptr(), n.len(), v.as_ptr(), v.len()) };
    check(status)
}

pub(crate) fn add_header(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    let (n, v) = (name, value);
    // SAFETY: both pairs of pointer and length name live slices.
    let status =
        unsafe { raw::proxy_add_header_map_value(map as u32, n.as_ptr(), n.len(), v.as_ptr(), v.len()) };
    check(status)
}

pub(crate) fn remove_header(map: Map, name: &str) -> Result<(), HostError> {
    // SAFETY: pointer and length name one live slice.
    check(unsafe { raw::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// `path`: the elements joined by NUL.
pub(crate) fn property(path: &[u8]) -> Result<Vec<u8>, HostError> {
    // SAFETY: pointer and length name one live slice; the out-pointers are valid for the call.
    bytes(|data, size| unsafe { raw::proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub(crate) fn set_property(path: &[u8], value: &[u8]) -> Result<(), HostError> {
    // SAFETY: both pairs of pointer and length name live slices.
    check(unsafe { raw::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// The value (possibly empty) and the counter that a conditional write must name.
pub(crate) fn shared(key: &str) -> Result<(Vec<u8>, u32), HostError> {
    let mut cas = 0;
    let value = bytes(|data, size| {
        // SAFETY: pointer and length name one live slice; the out-pointers are valid for the call.
        unsafe { raw::proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas) }
    })?;
    Ok((value, cas))
}

/// `cas` 0 overwrites; otherwise the write happens only if the key does not exist or still has this counter.
pub(crate) fn set_shared(key: &str, value: &[u8], cas: u32) -> Result<(), HostError> {
    let (k, v) = (key, value);
    // SAFETY: both pairs of pointer and length name live slices.
    check(unsafe { raw::proxy_set_shared_data(k.as_ptr(), k.len(), v.as_ptr(), v.len(), cas) })
}

pub(crate) fn register_queue(name: &str) -> Result<u32, HostError> {
    let mut id = 0;
    // SAFETY: pointer and length name one live slice; the out-pointer is valid for the call.
    check(unsafe { raw::proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(crate) fn resolve_queue(vm_id: &str, name: &str) -> Result<u32, HostError> {
    let mut id = 0;
    let (v, n) = (vm_id, name);
    // SAFETY: both pairs of pointer and length name live slices; the out-pointer is valid for the call.
    let status =
        unsafe { raw::proxy_resolve_shared_queue(v.as_ptr(), v.len(), n.as_ptr(), n.len(), &raw mut id) };
    check(status)?;
    Ok(id)
}

pub(crate) fn dequeue(queue: u32) -> Result<Vec<u8>, HostError> {
    // SAFETY: the out-pointers are valid for the call.
    bytes(|data, size| unsafe { raw::proxy_dequeue_shared_queue(queue, data, size) })
}

pub(crate) fn enqueue(queue: u32, message: &[u8]) -> Result<(), HostError> {
    // SAFETY: pointer and length name one live slice.
    check(unsafe { raw::proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

/// `stream`: 0 the request, 1 the response of the effective context.
pub(crate) fn continue_stream(stream: u32) -> Result<(), HostError> {
    // SAFETY: takes no pointer.
    check(unsafe { raw::proxy_continue_stream(stream) })
}

pub(crate) fn set_effective_context(id: u32) -> Result<(), HostError> {
    // SAFETY: takes no pointer.
    check(unsafe { raw::proxy_set_effective_context(id) })
}

/// `grpc_status` -1: not a gRPC answer.
pub(crate) fn local_response(
    status: u32,
    details: &str,
    headers: &Lines,
    body: &[u8],
    grpc_status: i32,
) -> Result<(), HostError> {
    let encoded = encode_lines(headers);
    let body_data = if body.is_empty() { null() } else { body.as_ptr() };
    // SAFETY: every pair of pointer and length names a live slice, or null and zero.
    check(unsafe {
        raw::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body_data,
            body.len(),
            encoded.as_ptr(),
            encoded.len(),
            grpc_status,
        )
    })
}

pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, HostError> {
    let mut id = 0;
    // SAFETY: pointer and length name one live slice; the out-pointer is valid for the call.
    check(unsafe { raw::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

pub(crate) fn metric(id: u32) -> Result<u64, HostError> {
    let mut value = 0;
    // SAFETY: the out-pointer is valid for the call.
    check(unsafe { raw::proxy_get_metric(id, &raw mut value) })?;
    Ok(value)
}

pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), HostError> {
    // SAFETY: takes no pointer.
    check(unsafe { raw::proxy_record_metric(id, value) })
}

pub(crate) fn increment_metric(id: u32, offset: i64) -> Result<(), HostError> {
    // SAFETY: takes no pointer.
    check(unsafe { raw::proxy_increment_metric(id, offset) })
}

pub(crate) fn foreign_function(name: &str, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
    let (n, a) = (name, arguments);
    bytes(|data, size| {
        // SAFETY: both pairs of pointer and length name live slices; the out-pointers are valid for the call.
        unsafe { raw::proxy_call_foreign_function(n.as_ptr(), n.len(), a.as_ptr(), a.len(), data, size) }
    })
}

/// The ABI's encoding of a header map: a count, the sizes, then names and values, each ended by NUL.
pub(crate) fn encode_pairs(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    encode_lines(&pairs.iter().copied().collect())
}

/// The same of lines that are together already.
fn encode_lines(lines: &Lines) -> Vec<u8> {
    let (lengths, text) = (lines.lengths(), lines.text());
    let mut out = Vec::with_capacity(MAP_HEADER_BYTES + lengths.len() * MAP_SIZES_BYTES + text.len());
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&number(lengths.len()));
    for [name, value] in lengths {
        let ([n0, n1, n2, n3], [v0, v1, v2, v3]) = (number(*name), number(*value));
        out.extend_from_slice(&[n0, n1, n2, n3, v0, v1, v2, v3]);
    }
    out.extend_from_slice(text);
    out
}

/// Name and value of each pair in an encoded map, in order; a map that does not hold what it says ends there.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a> {
    /// The sizes of the pairs to come.
    sizes: &'a [u8],
    /// Their names and values.
    texts: &'a [u8],
}

impl<'a> Pairs<'a> {
    pub(crate) fn of(encoded: &'a [u8]) -> Self {
        let split = encoded.split_first_chunk::<MAP_HEADER_BYTES>().and_then(|(count, rest)| {
            let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
            rest.split_at_checked(count.checked_mul(MAP_SIZES_BYTES)?)
        });
        let (sizes, texts) = split.unwrap_or_default();
        Self { sizes, texts }
    }

    /// How many pairs there are if the map holds what it says.
    pub(crate) fn count_at_most(&self) -> usize {
        self.sizes.len() / MAP_SIZES_BYTES
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (sizes, rest) = self.sizes.split_first_chunk()?;
        // The name's size and the value's, read as one number.
        let sizes = u64::from_le_bytes(*sizes);
        let (name, value) = (sizes & u64::from(u32::MAX), sizes >> 32);
        // With the NUL behind each.
        let (name, both) = (usize::try_from(name).ok()?, usize::try_from(name + value + 2).ok()?);
        let (pair, texts) = self.texts.split_at_checked(both)?;
        let (name, pair) = pair.split_at_checked(name)?;
        let [_, value @ .., _] = pair else { return None };
        (self.sizes, self.texts) = (rest, texts);
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &[u8]) -> Vec<(&[u8], &[u8])> {
        Pairs::of(encoded).collect()
    }

    #[test]
    fn a_header_map_survives_its_encoding() {
        let pairs: [(&str, &[u8]); 3] = [(":path", b"/"), ("x-empty", b""), ("x-bytes", b"\xff\0\x01")];
        let encoded = encode_pairs(&pairs);
        let expected: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        assert_eq!(decoded(&encoded), expected);
    }

    #[test]
    fn a_cut_or_lying_map_yields_what_it_holds() {
        let encoded = encode_pairs(&[("a", b"1"), ("b", b"2")]);
        for length in 0..encoded.len() {
            assert!(decoded(&encoded[..length]).len() <= 2, "cut to {length}");
        }
        assert_eq!(decoded(&[0xff; 64]), []);
        assert_eq!(decoded(&[]), []);
    }
}
