//! One request of a notification over HTTP/1.1, plain or over TLS with the certificates that the system trusts.
//!
//! Redirects are not followed; an answer is read up to [`ANSWER_BYTES`]; everything together takes at most [`WITHIN`].

use crate::notify::channel::Request;
use bytes::Bytes;
use http::header::{HOST, RETRY_AFTER};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Standard Webhooks asks senders to wait 15 to 30 s.
pub(super) const WITHIN: Duration = Duration::from_secs(20);
/// A host accepts within this time or counts as away.
const CONNECT_WITHIN: Duration = Duration::from_secs(8);
/// So much of an answer is read.
const ANSWER_BYTES: usize = 16 << 10;

/// What came back.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) body: Vec<u8>,
}

/// Sends and reads the answer; an error is a reason to try again.
pub(super) async fn send(request: &Request, within: Duration) -> Result<Got, String> {
    match tokio::time::timeout(within, connect_and_send(request)).await {
        Ok(got) => got,
        Err(_) => Err(format!("no answer within {within:?}")),
    }
}

async fn connect_and_send(request: &Request) -> Result<Got, String> {
    let uri: http::Uri = request.url.parse().map_err(|error| format!("the address is not read: {error}"))?;
    let host = uri.host().ok_or("the address has no host")?;
    let is_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect((bare.as_str(), port))).await;
    let stream = match connecting {
        Ok(connected) => connected.map_err(|error| format!("cannot connect to {host}:{port}: {error}"))?,
        Err(_) => return Err(format!("cannot connect to {host}:{port}: no answer within {} s", CONNECT_WITHIN.as_secs())),
    };
    if !is_tls {
        return exchange(stream, &uri, request).await;
    }
    let failed = |error: &dyn std::fmt::Display| format!("no TLS with {host}:{port}: {error}");
    let name = ServerName::try_from(bare.clone()).map_err(|error| failed(&error))?;
    let stream = connector()?.connect(name, stream).await.map_err(|error| failed(&error))?;
    exchange(stream, &uri, request).await
}

/// TLS with the system's roots, read once.
fn connector() -> Result<TlsConnector, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (known, _) = roots.add_parsable_certificates(found.certs);
        if known == 0 {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(format!("the system trusts no certificate, install ca-certificates: {}", reasons.join(", ")));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    });
    config.clone().map(TlsConnector::from)
}

async fn exchange<S>(stream: S, uri: &http::Uri, request: &Request) -> Result<Got, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let driving = AbortOnDrop(tokio::spawn(connection));
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut asked = http::Request::post(path).header(HOST, host);
    for (name, value) in &request.headers {
        asked = asked.header(name, value);
    }
    let asked = asked.body(Full::new(Bytes::from(request.body.clone()))).map_err(|error| format!("not a request: {error}"))?;
    let answer = sender.send_request(asked).await.map_err(failed)?;
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (mut read, mut body) = (answer.into_body(), Vec::new());
    // The status decides; a body that breaks off takes nothing back.
    while let Some(Ok(frame)) = read.frame().await {
        if let Some(bytes) = frame.data_ref() {
            body.extend_from_slice(&bytes[..bytes.len().min(ANSWER_BYTES - body.len())]);
        }
        if body.len() >= ANSWER_BYTES {
            break;
        }
    }
    drop(driving);
    Ok(Got { status, retry_after, body })
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
