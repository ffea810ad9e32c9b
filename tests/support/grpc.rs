//! One unary gRPC call over HTTP/2 without TLS, with whatever bytes a test wants to send as the message.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::time::Duration;

/// The trace export method.
pub const EXPORT_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// No call takes longer than this in a test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Status and message of a call.
#[derive(Debug, PartialEq)]
pub struct GrpcReply {
    pub status: u32,
    pub message: String,
}

/// A length-prefixed message, marked as compressed or not.
pub fn frame(compressed: bool, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![u8::from(compressed)];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// Calls `method` with these bytes as the request body.
pub fn call(address: SocketAddr, method: &str, encoding: Option<&str>, body: Vec<u8>) -> Result<GrpcReply, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answer = tokio::time::timeout(PATIENCE, exchange(address, method, encoding, body)).await;
        answer.map_err(|_| format!("no answer from {address} in {PATIENCE:?}"))?.map_err(|error| error.to_string())
    })
}

async fn exchange(
    address: SocketAddr,
    method: &str,
    encoding: Option<&str>,
    body: Vec<u8>,
) -> Result<GrpcReply, Box<dyn std::error::Error>> {
    let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{method}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let response = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
    let mut headers = response.headers().clone();
    let body = response.into_body().collect().await?;
    headers.extend(body.trailers().cloned().unwrap_or_default());
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Ok(GrpcReply { status: text("grpc-status").parse()?, message: text("grpc-message") })
}
