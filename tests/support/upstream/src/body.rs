//! The body of an answer, produced piece by piece.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::answer::{Answer, Content, Reset};
use crate::counts::InFlight;
use crate::server::Hangup;

/// The largest piece sent at once when no chunks are asked for.
const PIECE_BYTES: usize = 64 * 1024;
static FILLING: [u8; PIECE_BYTES] = [b'x'; PIECE_BYTES];

/// How long what was sent before a reset has to leave the process. Over HTTP/1.1 it has left when the body is asked
/// again; over HTTP/2 another task writes it.
const FLUSH_TIME: Duration = Duration::from_millis(20);

pub(crate) struct AnswerBody {
    rest: Rest,
    piece_bytes: usize,
    gap: Duration,
    chunked: bool,
    trailers: Option<HeaderMap>,
    /// Bytes left until the reset.
    until_reset: Option<u64>,
    flushed: bool,
    paused: bool,
    started: bool,
    pause: Option<Pin<Box<Sleep>>>,
    hangup: Arc<Hangup>,
    /// The request is in flight until its answer is through.
    _in_flight: InFlight,
}

enum Rest {
    Given(Bytes),
    Filling(u64),
}

impl Rest {
    fn bytes(&self) -> u64 {
        match self {
            Self::Given(bytes) => bytes.len() as u64,
            Self::Filling(bytes) => *bytes,
        }
    }

    fn take(&mut self, most: u64) -> Bytes {
        let count = usize::try_from(most.min(self.bytes())).unwrap_or(usize::MAX);
        match self {
            Self::Given(bytes) => bytes.split_to(count),
            Self::Filling(left) => {
                let count = count.min(PIECE_BYTES);
                *left -= count as u64;
                Bytes::from_static(&FILLING[..count])
            }
        }
    }
}

impl AnswerBody {
    pub(crate) fn new(
        answer: &Answer,
        echo: impl FnOnce() -> Bytes,
        hangup: Arc<Hangup>,
        in_flight: InFlight,
    ) -> Self {
        let rest = match &answer.body {
            Content::Echo => Rest::Given(echo()),
            Content::Given(bytes) => Rest::Given(bytes.clone()),
            Content::Filling { bytes } => Rest::Filling(*bytes),
        };
        Self {
            rest,
            piece_bytes: answer.chunks.map_or(PIECE_BYTES, |chunks| chunks.bytes),
            gap: answer.chunks.map_or(Duration::ZERO, |chunks| chunks.gap),
            chunked: answer.chunks.is_some(),
            trailers: (!answer.trailers.is_empty()).then(|| answer.trailers.clone()),
            until_reset: match answer.reset {
                Some(Reset::AmidBody { after_bytes }) => Some(after_bytes),
                Some(Reset::AfterHeaders) => Some(0),
                Some(Reset::BeforeHeaders) | None => None,
            },
            flushed: false,
            paused: false,
            started: false,
            pause: None,
            hangup,
            _in_flight: in_flight,
        }
    }

    fn sleep(&mut self, time: Duration) {
        self.pause = Some(Box::pin(tokio::time::sleep(time)));
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            if self.until_reset == Some(0) {
                if self.flushed {
                    self.hangup.now();
                    return Poll::Pending;
                }
                self.flushed = true;
                self.sleep(FLUSH_TIME);
                continue;
            }
            if self.rest.bytes() == 0 {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            if self.started && !self.paused && !self.gap.is_zero() {
                self.paused = true;
                let gap = self.gap;
                self.sleep(gap);
                continue;
            }
            let most = self.until_reset.unwrap_or(u64::MAX).min(self.piece_bytes as u64);
            let piece = self.rest.take(most);
            if let Some(left) = &mut self.until_reset {
                *left -= piece.len() as u64;
            }
            self.started = true;
            self.paused = false;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.bytes() == 0 && self.trailers.is_none() && self.until_reset.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let resets_early = self.rest.bytes() == 0 && self.until_reset.is_some();
        if self.chunked || self.trailers.is_some() || resets_early {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.rest.bytes())
        }
    }
}
