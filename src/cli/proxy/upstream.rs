//! Connections to the service behind the proxy: HTTP/1.1 ones kept open between requests, one HTTP/2 connection for all.
//!
//! The client's version is kept, so gRPC stays HTTP/2. A request goes out again on a fresh connection only when hyper
//! says that nothing of it was sent; anything else could run it twice.

use super::body::Sent;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// Connections kept for the next request.
const IDLE: usize = 256;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// HTTP/2 windows, so that large bodies do not wait for updates.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("nothing accepts connections at {1}: {0}. Is the service running?")]
    Connect(io::Error, String),
    #[error("{0} did not accept a connection within {CONNECT:?}")]
    ConnectTimeout(String),
    #[error("{1} closed the connection or answered with something that is not HTTP: {0}")]
    Broken(String, String),
    #[error("{0} does not speak HTTP/2 without TLS, which the client used; send HTTP/1.1")]
    NotHttp2(String),
    #[error("the client broke off its request: {0}")]
    Client(String),
    #[error("{1} did not begin to answer within {0:?}")]
    Late(Duration, String),
}

impl NoAnswer {
    /// The `error.type` of the spans; a short word of few values.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Connect(error, _) if error.kind() == io::ErrorKind::ConnectionRefused => "connection_refused",
            Self::Connect(..) => "connection_failed",
            Self::ConnectTimeout(_) | Self::Late(..) => "timeout",
            Self::Broken(..) => "connection_broken",
            Self::NotHttp2(_) => "http2_refused",
            Self::Client(_) => "cancelled",
        }
    }

    /// The status to answer with.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::ConnectTimeout(_) | Self::Late(..) => 504,
            Self::Client(_) => 400,
            _ => 502,
        }
    }
}

/// The service.
pub(super) struct Upstream {
    /// `host:port`.
    pub(super) authority: String,
    idle: Mutex<Vec<http1::SendRequest<Sent>>>,
    shared: tokio::sync::Mutex<Option<http2::SendRequest<Sent>>>,
}

/// A connection that comes back when the answer is complete, and is closed when it is dropped before.
pub(super) struct Lease {
    upstream: Arc<Upstream>,
    sender: http1::SendRequest<Sent>,
}

impl Lease {
    pub(super) fn give_back(self) {
        let Self { upstream, mut sender } = self;
        if sender.is_ready() {
            upstream.keep(sender);
        } else if !sender.is_closed() {
            // Its task still has to see that the answer was read.
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    upstream.keep(sender);
                }
            });
        }
    }
}

impl Upstream {
    pub(super) fn new(authority: String) -> Self {
        Self { authority, idle: Mutex::default(), shared: tokio::sync::Mutex::default() }
    }

    fn keep(&self, sender: http1::SendRequest<Sent>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= IDLE {
            idle.retain(|sender| !sender.is_closed());
        }
        if idle.len() < IDLE {
            idle.push(sender);
        }
    }

    fn kept(&self) -> Option<http1::SendRequest<Sent>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self) -> Result<TokioIo<TcpStream>, NoAnswer> {
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(&self.authority)).await;
        let stream = stream.map_err(|_| NoAnswer::ConnectTimeout(self.authority.clone()))?;
        let stream = stream.map_err(|error| NoAnswer::Connect(error, self.authority.clone()))?;
        stream.set_nodelay(true).ok();
        Ok(TokioIo::new(stream))
    }

    fn broken(&self, error: &hyper::Error) -> NoAnswer {
        // A body of ours fails only when the client's does.
        if error.is_user() {
            return NoAnswer::Client(reason(error));
        }
        NoAnswer::Broken(reason(error), self.authority.clone())
    }

    /// Sends over HTTP/1.1; the lease comes back through the answer's body.
    pub(super) async fn send(self: &Arc<Self>, request: Request<Sent>) -> Result<(Response<Incoming>, Lease), NoAnswer> {
        let mut request = request;
        loop {
            let kept = self.kept();
            let fresh = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => {
                    let (sender, connection) =
                        http1::handshake(self.connect().await?).await.map_err(|error| self.broken(&error))?;
                    tokio::spawn(connection.with_upgrades());
                    sender
                }
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease { upstream: self.clone(), sender })),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(self.broken(error.error())),
                },
            }
        }
    }

    /// Sends over the HTTP/2 connection, which is opened by prior knowledge.
    pub(super) async fn send_http2(&self, request: Request<Sent>) -> Result<Response<Incoming>, NoAnswer> {
        let mut request = request;
        for last in [false, true] {
            match self.http2().await?.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !last => request = unsent,
                    _ if error.error().is_parse() || error.error().is_closed() => {
                        return Err(NoAnswer::NotHttp2(self.authority.clone()));
                    }
                    _ => return Err(self.broken(error.error())),
                },
            }
        }
        Err(NoAnswer::NotHttp2(self.authority.clone()))
    }

    async fn http2(&self) -> Result<http2::SendRequest<Sent>, NoAnswer> {
        let mut shared = self.shared.lock().await;
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(self.connect().await?)
            .await
            .map_err(|_| NoAnswer::NotHttp2(self.authority.clone()))?;
        tokio::spawn(connection);
        *shared = Some(sender.clone());
        Ok(sender)
    }
}

/// The innermost cause, which says what happened.
fn reason(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
