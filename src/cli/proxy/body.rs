//! Bodies on their way through, frame by frame as they come, trailers too; counted, never gathered. The last frame of the
//! answer ends the spans.

use super::semantics;
use super::upstream::Lease;
use crate::model::StatusCode;
use crate::tracer::Span;
use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// The request's body, whose bytes are added up where the spans can read them.
pub(super) struct Sent {
    inner: Incoming,
    bytes: Option<Arc<AtomicU64>>,
}

impl Sent {
    /// Nothing is counted of a body that has nothing in it.
    pub(super) fn new(inner: Incoming) -> (Self, Option<Arc<AtomicU64>>) {
        let bytes = (!inner.is_end_stream()).then(Arc::<AtomicU64>::default);
        (Self { inner, bytes: bytes.clone() }, bytes)
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let (Some(Ok(frame)), Some(bytes)) = (&frame, &self.bytes)
            && let Some(data) = frame.data_ref()
        {
            bytes.fetch_add(data.remaining() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// One request and its answer: the two spans, and the connection to give back. Dropped before its end, the client has
/// gone, and the spans say so.
pub(super) struct Exchange {
    pub(super) server: Span,
    pub(super) client: Span,
    pub(super) sent: Option<Arc<AtomicU64>>,
    pub(super) lease: Option<Lease>,
    ended: bool,
}

impl Exchange {
    pub(super) fn new(server: Span, client: Span) -> Self {
        Self { server, client, sent: None, lease: None, ended: false }
    }

    /// Ends the spans; `received` are the bytes of the answer's body.
    pub(super) fn end(&mut self, received: Option<u64>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let sent = self.sent.as_ref().map(|bytes| bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0);
        for span in [&mut self.client, &mut self.server] {
            if let Some(sent) = sent {
                span.set("http.request.body.size", i64::try_from(sent).unwrap_or(i64::MAX));
            }
            if let Some(received) = received {
                span.set("http.response.body.size", i64::try_from(received).unwrap_or(i64::MAX));
            }
            span.end();
        }
    }

    /// Marks both spans as failed; the connection is not used again.
    pub(super) fn fail(&mut self, kind: &'static str, description: &str) {
        self.lease = None;
        for span in [&mut self.client, &mut self.server] {
            span.set("error.type", kind).status(StatusCode::Error, description);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            self.fail("cancelled", "the client went away before the answer was complete");
            self.end(None);
        }
    }
}

/// The answer's body.
pub(super) enum Answer {
    /// As it comes from the service.
    Passing {
        /// Frames.
        inner: Incoming,
        /// Bytes so far.
        bytes: u64,
        /// Gone when the last frame has passed.
        exchange: Option<Box<Exchange>>,
    },
    /// A text of the proxy's own.
    Text(Option<Bytes>),
}

impl Answer {
    pub(super) fn passing(inner: Incoming, mut exchange: Box<Exchange>) -> Self {
        if inner.is_end_stream() {
            complete(&mut exchange, 0);
            return Self::Passing { inner, bytes: 0, exchange: None };
        }
        Self::Passing { inner, bytes: 0, exchange: Some(exchange) }
    }

    pub(super) fn text(text: String) -> Self {
        Self::Text(Some(Bytes::from(text)))
    }
}

fn complete(exchange: &mut Exchange, bytes: u64) {
    exchange.end(Some(bytes));
    if let Some(lease) = exchange.lease.take() {
        lease.give_back();
    }
}

fn trailers(exchange: &mut Exchange, fields: &HeaderMap) {
    semantics::grpc(&mut exchange.server, &mut exchange.client, fields);
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let (inner, bytes, exchange) = match self.get_mut() {
            Self::Text(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Passing { inner, bytes, exchange } => (inner, bytes, exchange),
        };
        let frame = ready!(Pin::new(&mut *inner).poll_frame(cx));
        if let Some(open) = exchange {
            let last = match &frame {
                Some(Ok(frame)) => {
                    *bytes += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    if let Some(fields) = frame.trailers_ref() {
                        trailers(open, fields);
                    }
                    inner.is_end_stream()
                }
                Some(Err(error)) => {
                    open.fail("body_broken", &format!("the service broke off its answer: {error}"));
                    open.end(Some(*bytes));
                    false
                }
                None => true,
            };
            if last {
                complete(open, *bytes);
            }
            if last || matches!(frame, Some(Err(_))) {
                *exchange = None;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Passing { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Passing { inner, .. } => inner.size_hint(),
        }
    }
}
