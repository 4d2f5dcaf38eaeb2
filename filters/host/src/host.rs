//! The proxy as filters see it: one trait in our own types.
//!
//! Filters take `host: &impl Host` as an argument, so what a callback may do is in its signature. Every method says what happened:
//! a status is an error, never a panic. [`crate::proxy::Proxy`] is the one implementation.

pub use ballast_core::config::LogLevel;
use ballast_core::http::{Body, Lines};
use ballast_core::protocol::Version;
use ballast_core::time::{MonoTime, WallTime};
use core::time::Duration;
use std::borrow::Cow;

/// What the proxy answers instead of doing what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is no such thing, or not in this phase.
    #[error("not found")]
    NotFound,
    /// The argument does not fit: an unknown id, cluster or phase.
    #[error("bad argument")]
    BadArgument,
    /// A value could not be encoded.
    #[error("serialization failure")]
    Serialization,
    /// A value could not be decoded.
    #[error("parse failure")]
    Parse,
    /// The queue is empty.
    #[error("empty")]
    Empty,
    /// Another worker wrote first.
    #[error("compare-and-swap mismatch")]
    CasMismatch,
    /// Something failed inside the proxy.
    #[error("internal failure")]
    Internal,
    /// This proxy does not offer the call.
    #[error("unimplemented")]
    Unimplemented,
    /// A status this version does not know.
    #[error("status {0}")]
    Other(u32),
}

impl HostError {
    /// The error for a status of the ABI; 0 (Ok) is no error and reads as [`HostError::Other`].
    pub(crate) const fn from_status(status: u32) -> Self {
        match status {
            1 => Self::NotFound,
            2 => Self::BadArgument,
            3 => Self::Serialization,
            4 => Self::Parse,
            7 => Self::Empty,
            8 => Self::CasMismatch,
            10 => Self::Internal,
            12 => Self::Unimplemented,
            other => Self::Other(other),
        }
    }
}

/// A header map of a stream or of a call-out's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Map {
    /// Request headers, with the pseudo headers `:method`, `:path`, `:authority`, `:scheme`.
    RequestHeaders = 0,
    /// Request trailers.
    RequestTrailers = 1,
    /// Response headers, with `:status`.
    ResponseHeaders = 2,
    /// Response trailers.
    ResponseTrailers = 3,
    /// Headers of a call-out's answer.
    CallHeaders = 6,
    /// Trailers of a call-out's answer.
    CallTrailers = 7,
}

/// A body that is in the proxy's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Buffer {
    /// The chunk of the request body that the callback is about.
    RequestBody = 0,
    /// The chunk of the response body that the callback is about.
    ResponseBody = 1,
    /// The body of a call-out's answer.
    CallBody = 4,
    /// The answer of a gRPC call.
    GrpcMessage = 5,
    /// The plugin's configuration, in the configure callback.
    Configuration = 7,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetricKind {
    /// Only grows.
    Counter = 0,
    /// One value per process, shared by all workers; below zero it wraps.
    Gauge = 1,
    /// Records a distribution.
    Histogram = 2,
}

/// The number of a defined metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricId(pub(crate) u32);

/// The number of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueId(pub(crate) u32);

/// The number of a stream in its VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub(crate) u32);

/// Which half of a stream to let go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The request, paused in a request callback.
    Request,
    /// The response, paused in a response callback.
    Response,
}

/// What a shared key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The bytes; `None` if the key is absent or holds nothing.
    pub value: Option<Vec<u8>>,
    /// What a swap must name.
    pub version: Version,
}

/// An answer that a filter gives instead of the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status; for gRPC requests it is 200 and `grpc_status` counts.
    pub status: u16,
    /// What the access log shows as `%RESPONSE_CODE_DETAILS%`; spaces become `_`.
    pub details: Cow<'static, str>,
    /// Headers to add.
    pub headers: Lines,
    /// The body; for gRPC requests the status message.
    pub body: Body,
    /// The gRPC status for a gRPC request.
    pub grpc_status: Option<u8>,
}

/// A call to another cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// The cluster's name.
    pub cluster: String,
    /// Headers, with `:method`, `:path` and `:authority`. Names and values must be UTF-8.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// After which the call is given up. Zero is refused: the proxy would wait for ever.
    pub timeout: Duration,
}

/// A unary gRPC call to another cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcCall {
    /// The cluster's name.
    pub cluster: String,
    /// The service, such as `package.Service`.
    pub service: String,
    /// The method.
    pub method: String,
    /// Metadata to send.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// The encoded request message.
    pub message: Vec<u8>,
    /// After which the call is given up. Zero is refused: the proxy would fail it at once.
    pub timeout: Duration,
}

/// The number of a call-out, unique in its VM while the call is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallToken(pub(crate) u32);

/// What a filter can ask of the proxy. "The stream" is the one whose callback runs.
pub trait Host {
    /// The monotonic clock: for everything that measures.
    fn now(&self) -> MonoTime;
    /// The wall clock: only where a protocol asks for a date.
    fn wall_time(&self) -> WallTime;
    /// 64 random bits.
    fn random(&self) -> u64;
    /// An environment variable of the VM, as the proxy's VM configuration names it.
    fn environment(&self, name: &str) -> Option<Vec<u8>>;
    /// Writes a log line.
    fn log(&self, level: LogLevel, message: &str);

    /// Reads a shared value. An absent key is no error.
    fn shared(&self, key: &str) -> Result<Shared, HostError>;
    /// Writes a shared value if its version is still `version`; `false`: another worker came first.
    fn swap_shared(&self, key: &str, value: &[u8], version: Version) -> Result<bool, HostError>;
    /// Overwrites a shared value: only for a record with one writer.
    fn put_shared(&self, key: &str, value: &[u8]) -> Result<(), HostError>;

    /// Takes over the queue of this name: from now on its messages wake this VM.
    fn register_queue(&self, name: &str) -> Result<QueueId, HostError>;
    /// Finds a queue that a VM with the same `vm_id` has registered.
    fn find_queue(&self, name: &str) -> Result<Option<QueueId>, HostError>;
    /// Takes the oldest message; `None` when there is none.
    fn dequeue(&self, queue: QueueId) -> Result<Option<Vec<u8>>, HostError>;
    /// Adds a message.
    fn enqueue(&self, queue: QueueId, message: &[u8]) -> Result<(), HostError>;

    /// A header's first value; of a repeated header the others are only in [`Host::headers`].
    fn header(&self, map: Map, name: &str) -> Option<Vec<u8>>;
    /// All headers in one call: about the cost of one single read.
    fn headers(&self, map: Map) -> Headers;
    /// Sets a header, replacing what is there.
    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), HostError>;
    /// Adds a header beside what is there.
    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), HostError>;
    /// Removes a header; an absent one is no error.
    fn remove_header(&self, map: Map, name: &str) -> Result<(), HostError>;
    /// Replaces all headers.
    fn set_headers(&self, map: Map, headers: &[(&str, &[u8])]) -> Result<(), HostError>;

    /// Up to `most` bytes of a body from `start`.
    fn buffer(&self, buffer: Buffer, start: usize, most: usize) -> Result<Vec<u8>, HostError>;
    /// Replaces `size` bytes of a body from `start`.
    fn set_buffer(&self, buffer: Buffer, start: usize, size: usize, value: &[u8]) -> Result<(), HostError>;

    /// A property; `path` is its elements joined by NUL. Absent and unreadable are the same to a filter.
    fn property(&self, path: &str) -> Option<Vec<u8>>;
    /// Sets the filter state `name` (one path element) of the stream.
    fn set_filter_state(&self, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// Answers the stream.
    fn reply(&self, reply: &Reply) -> Result<(), HostError>;
    /// Lets a paused half of the stream go on.
    fn resume(&self, half: Half) -> Result<(), HostError>;
    /// Makes another stream (or root) of this VM the one that calls act on. An id that is gone is [`HostError::BadArgument`].
    fn focus(&self, id: StreamId) -> Result<(), HostError>;

    /// Defines a metric, or finds the one of this name.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<MetricId, HostError>;
    /// Reads a counter or gauge.
    fn metric(&self, id: MetricId) -> Result<u64, HostError>;
    /// Sets a gauge or records into a histogram.
    fn record(&self, id: MetricId, value: u64);
    /// Adds to a counter (positive only) or gauge.
    fn increment(&self, id: MetricId, offset: i64);

    /// How often the root's tick comes. The proxy's clock is coarse: about 4 ms is the finest.
    fn set_tick_period(&self, period: Duration);
    /// Starts an HTTP call. Made for a stream, it ends with it.
    fn call_http(&self, call: &HttpCall) -> Result<CallToken, HostError>;
    /// Starts a gRPC call. Made for a stream, it ends with it.
    fn call_grpc(&self, call: &GrpcCall) -> Result<CallToken, HostError>;
    /// Calls a function of the proxy by name.
    fn foreign_function(&self, name: &str, arguments: &[u8]) -> Result<Vec<u8>, HostError>;
}

/// All headers of a map, as one block of memory.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// In the ABI's encoding; looked through anew each time, since most maps are looked at once or twice.
    encoded: Vec<u8>,
}

impl Headers {
    /// Takes a map in the ABI's encoding; what does not decode is left out.
    pub(crate) fn from_encoded(encoded: Vec<u8>) -> Self {
        Self { encoded }
    }

    /// These headers, as for a request that the filter makes itself. Names are in lower case.
    pub fn from_pairs(pairs: &[(&str, &[u8])]) -> Self {
        Self::from_encoded(crate::abi::encode_pairs(pairs))
    }

    /// Name and value of each header, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        crate::abi::Pairs::of(&self.encoded)
    }

    /// The same as a list, which is made for as many as there are.
    pub fn lines(&self) -> Vec<(&[u8], &[u8])> {
        let pairs = crate::abi::Pairs::of(&self.encoded);
        let mut lines = Vec::with_capacity(pairs.count_at_most());
        pairs.for_each(|line| lines.push(line));
        lines
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The first value of a header. `name` is in lower case, as the proxy keeps names.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let name = name.as_bytes();
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}
