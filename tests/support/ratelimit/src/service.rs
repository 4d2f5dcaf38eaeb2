//! The protocol.

use crate::counter::Counter;
use crate::limits::{Limit, Limits};
use ballast_core::rate_limit::global::wire::{
    CurrentLimit, DescriptorStatus, Entry, METHOD, OK, OVER_LIMIT, RateLimitRequest, RateLimitResponse,
    SERVICE,
};
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    #[default]
    Right,
    /// As it should, but so much later.
    Late(Duration),
    /// With bytes that are no answer.
    Garbage,
}

/// What has been asked so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls.
    pub calls: u64,
    /// Hits that were granted.
    pub granted: u64,
}

/// A service over its counters. Clones are the same.
#[derive(Clone)]
pub struct RateLimit(Arc<Inner>);

struct Inner {
    counter: Counter,
    limits: Limits,
    manner: Mutex<Manner>,
    calls: AtomicU64,
    granted: AtomicU64,
}

impl RateLimit {
    /// With these limits.
    #[must_use]
    pub fn new(counter: Counter, limits: Limits) -> Self {
        let (calls, granted) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { counter, limits, manner: Mutex::default(), calls, granted }))
    }

    /// How it answers from now on.
    pub fn set_manner(&self, manner: Manner) {
        *self.0.manner.lock().unwrap() = manner;
    }

    /// What has been asked so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Seen { calls: read(&self.0.calls), granted: read(&self.0.granted) }
    }

    async fn answer(&self, request: RateLimitRequest) -> Result<Bytes, Status> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let manner = *self.0.manner.lock().unwrap();
        match manner {
            Manner::Right => {}
            Manner::Late(by) => tokio::time::sleep(by).await,
            Manner::Garbage => return Ok(Bytes::from_static(b"\xff\xfe not an answer")),
        }
        let mut statuses = Vec::new();
        for descriptor in &request.descriptors {
            let hits = request.hits_addend.max(1);
            statuses.push(self.decide(&request.domain, &descriptor.entries, hits).await?);
        }
        let over = statuses.iter().any(|status| status.code == OVER_LIMIT);
        let overall_code = if over { OVER_LIMIT } else { OK };
        Ok(RateLimitResponse { overall_code, statuses }.encode_to_vec().into())
    }

    async fn decide(&self, domain: &str, entries: &[Entry], hits: u32) -> Result<DescriptorStatus, Status> {
        let Some(limit) = self.0.limits.of(entries) else {
            return Ok(DescriptorStatus { code: OK, ..DescriptorStatus::default() });
        };
        let window = limit.unit.window();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = now.as_secs() / window.as_secs();
        let reset = Duration::from_secs((number + 1) * window.as_secs()).saturating_sub(now);
        let key = counter_key(domain, entries, number);
        let counted = self.0.counter.add(&key, hits, limit.requests, reset + window).await;
        let counted = counted.map_err(|error| Status::unavailable(error.to_string()))?;
        if counted.fits {
            self.0.granted.fetch_add(hits.into(), Ordering::Relaxed);
        }
        Ok(status(limit, counted.fits, counted.used, reset))
    }
}

fn status(limit: &Limit, fits: bool, used: u32, reset: Duration) -> DescriptorStatus {
    let current = CurrentLimit { requests_per_unit: limit.requests, unit: limit.unit as i32 };
    DescriptorStatus {
        code: if fits { OK } else { OVER_LIMIT },
        current_limit: Some(current),
        limit_remaining: limit.requests.saturating_sub(used),
        duration_until_reset: prost_types::Duration::try_from(reset).ok(),
    }
}

fn counter_key(domain: &str, entries: &[Entry], window: u64) -> String {
    let mut key = format!("{domain}/{window}");
    for Entry { key: name, value } in entries {
        key.push_str(&format!("/{}:{name}={}:{value}", name.len(), value.len()));
    }
    key
}

impl NamedService for RateLimit {
    const NAME: &'static str = SERVICE;
}

type Future_<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tonic::codegen::Service<tonic::codegen::http::Request<tonic::body::Body>> for RateLimit {
    type Response = tonic::codegen::http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Future_<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::codegen::http::Request<tonic::body::Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != format!("/{SERVICE}/{METHOD}") {
                return Ok(Status::unimplemented("no such method").into_http());
            }
            Ok(Grpc::new(Raw).unary(service, request).await)
        })
    }
}

impl UnaryService<RateLimitRequest> for RateLimit {
    type Response = Bytes;
    type Future = Future_<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<RateLimitRequest>) -> Self::Future {
        let service = self.clone();
        // By itself: a caller that gives up takes back neither what is counted nor the connection that is being made.
        let answer = tokio::spawn(async move { service.answer(request.into_inner()).await });
        Box::pin(async move {
            let answer = answer.await.map_err(|error| Status::internal(error.to_string()))?;
            answer.map(Response::new)
        })
    }
}

/// Requests as messages, and answers as whatever bytes there are.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = RateLimitRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = RateLimitRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<RateLimitRequest>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let request = RateLimitRequest::decode(bytes);
        request.map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}
