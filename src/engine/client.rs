//! One HTTP/1.1 request to a door of this machine: the test span, and the command line asking a running Belvedere.

use super::EngineError;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// A door of this machine accepts within this time or not at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Sends a request and reads the whole answer. `within` bounds everything after connecting.
pub async fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    content_type: &'static str,
    body: Bytes,
    within: Duration,
) -> Result<(StatusCode, Bytes), EngineError> {
    let failed =
        |what: &str, reason: &dyn std::fmt::Display| EngineError::Door(format!("{what} http://{address}{path}: {reason}"));
    let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failed("cannot connect to", &error)),
        Err(_) => return Err(failed("cannot connect to", &"no answer within 3 s")),
    };
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, address.to_string())
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(body));
        let answer = match request {
            Ok(request) => sender.send_request(request).await?,
            Err(error) => return Ok(Err(failed("cannot ask", &error))),
        };
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        driving.abort();
        Ok::<_, hyper::Error>(Ok((status, bytes)))
    };
    match tokio::time::timeout(within, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(failed("no answer from", &error)),
        Err(_) => Err(failed("no answer in time from", &format_args!("waited {} s", within.as_secs()))),
    }
}
