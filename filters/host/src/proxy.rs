//! The proxy that this VM runs in.

use crate::abi;
use crate::host::{
    Buffer, CallToken, GrpcCall, Half, Headers, Host, HostError, HttpCall, LogLevel, Map, MetricId,
    MetricKind, QueueId, Reply, Shared, StreamId,
};
use ballast_core::protocol::Version;
use ballast_core::time::{MonoTime, WallTime};
use core::time::Duration;

/// No version that the store hands out: a write that names it happens only if the key does not exist.
const CREATE_IF_ABSENT: u32 = u32::MAX;
const OVERWRITE: u32 = 0;
const NOT_GRPC: i32 = -1;

/// The proxy, through its ABI. Without state of its own: any number of them are the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proxy;

impl Host for Proxy {
    fn now(&self) -> MonoTime {
        MonoTime::from_nanos(abi::monotonic_nanos())
    }

    fn wall_time(&self) -> WallTime {
        WallTime::from_unix_nanos(abi::wall_nanos())
    }

    fn random(&self) -> u64 {
        // Without randomness jitter becomes predictable; nothing else depends on it.
        getrandom::u64().unwrap_or(0)
    }

    fn environment(&self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes)
    }

    fn log(&self, level: LogLevel, message: &str) {
        abi::log(level, message);
    }

    fn shared(&self, key: &str) -> Result<Shared, HostError> {
        match abi::shared(key) {
            Ok((value, cas)) => {
                Ok(Shared { value: (!value.is_empty()).then_some(value), version: Version::Of(cas) })
            }
            Err(HostError::NotFound) => Ok(Shared { value: None, version: Version::Absent }),
            Err(error) => Err(error),
        }
    }

    fn swap_shared(&self, key: &str, value: &[u8], version: Version) -> Result<bool, HostError> {
        let cas = match version {
            Version::Absent => CREATE_IF_ABSENT,
            Version::Of(cas) => cas,
        };
        match abi::set_shared(key, value, cas) {
            Ok(()) => Ok(true),
            Err(HostError::CasMismatch) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn put_shared(&self, key: &str, value: &[u8]) -> Result<(), HostError> {
        abi::set_shared(key, value, OVERWRITE)
    }

    fn register_queue(&self, name: &str) -> Result<QueueId, HostError> {
        abi::register_queue(name).map(QueueId)
    }

    fn find_queue(&self, name: &str) -> Result<Option<QueueId>, HostError> {
        let vm_id = self.property("plugin_vm_id").unwrap_or_default();
        let vm_id = core::str::from_utf8(&vm_id).map_err(|_| HostError::BadArgument)?;
        match abi::resolve_queue(vm_id, name) {
            Ok(id) => Ok(Some(QueueId(id))),
            Err(HostError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn dequeue(&self, queue: QueueId) -> Result<Option<Vec<u8>>, HostError> {
        match abi::dequeue(queue.0) {
            Ok(message) => Ok(Some(message)),
            Err(HostError::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn enqueue(&self, queue: QueueId, message: &[u8]) -> Result<(), HostError> {
        abi::enqueue(queue.0, message)
    }

    fn header(&self, map: Map, name: &str) -> Option<Vec<u8>> {
        abi::header(map, name).ok()
    }

    fn headers(&self, map: Map) -> Headers {
        Headers::from_encoded(abi::header_pairs(map).unwrap_or_default())
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::replace_header(map, name, value)
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::add_header(map, name, value)
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), HostError> {
        abi::remove_header(map, name)
    }

    fn set_headers(&self, map: Map, headers: &[(&str, &[u8])]) -> Result<(), HostError> {
        abi::set_header_pairs(map, headers)
    }

    fn buffer(&self, buffer: Buffer, start: usize, most: usize) -> Result<Vec<u8>, HostError> {
        match abi::buffer(buffer as u32, start, most) {
            Err(HostError::NotFound) => Ok(Vec::new()),
            answer => answer,
        }
    }

    fn set_buffer(&self, buffer: Buffer, start: usize, size: usize, value: &[u8]) -> Result<(), HostError> {
        abi::set_buffer(buffer as u32, start, size, value)
    }

    fn property(&self, path: &str) -> Option<Vec<u8>> {
        abi::property(path.as_bytes()).ok()
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::set_property(name.as_bytes(), value)
    }

    fn reply(&self, reply: &Reply) -> Result<(), HostError> {
        let grpc_status = reply.grpc_status.map_or(NOT_GRPC, i32::from);
        abi::local_response(
            u32::from(reply.status),
            &reply.details,
            &reply.headers,
            reply.body.as_slice(),
            grpc_status,
        )
    }

    fn resume(&self, half: Half) -> Result<(), HostError> {
        abi::continue_stream(match half {
            Half::Request => 0,
            Half::Response => 1,
        })
    }

    fn focus(&self, id: StreamId) -> Result<(), HostError> {
        abi::set_effective_context(id.0)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<MetricId, HostError> {
        abi::define_metric(kind, name).map(MetricId)
    }

    fn metric(&self, id: MetricId) -> Result<u64, HostError> {
        abi::metric(id.0)
    }

    fn record(&self, id: MetricId, value: u64) {
        // Fails only for an id that was never defined, which `MetricId` rules out.
        let _ = abi::record_metric(id.0, value);
    }

    fn increment(&self, id: MetricId, offset: i64) {
        let _ = abi::increment_metric(id.0, offset);
    }

    fn set_tick_period(&self, period: Duration) {
        let millis = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        let _ = abi::set_tick_period_millis(millis);
    }

    fn call_http(&self, call: &HttpCall) -> Result<CallToken, HostError> {
        crate::callout::dispatch_http(call)
    }

    fn call_grpc(&self, call: &GrpcCall) -> Result<CallToken, HostError> {
        crate::callout::dispatch_grpc(call)
    }

    fn foreign_function(&self, name: &str, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        abi::foreign_function(name, arguments)
    }
}
