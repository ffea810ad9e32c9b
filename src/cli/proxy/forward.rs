//! One request through the proxy: context, spans, headers, answer; or the tunnel that an upgrade opens.

use super::body::{Answer, Exchange, Sent};
use super::semantics::{self, Asked, Route};
use super::upstream::{NoAnswer, Upstream};
use super::{headers, stopped};
use crate::context::Composite;
use crate::model::{Attributes, StatusCode};
use crate::tracer::Tracer;
use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Uri};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What all requests of a proxy share.
pub(super) struct Proxy {
    pub(super) upstream: Arc<Upstream>,
    pub(super) tracer: Tracer,
    pub(super) formats: Composite,
    pub(super) routes: Vec<Route>,
    pub(super) timeout: Duration,
    pub(super) rewrite_host: bool,
    pub(super) stopping: watch::Receiver<bool>,
    /// Held by tunnels, which outlive the connection they began on.
    pub(super) alive: mpsc::Sender<Infallible>,
}

/// Answers one request.
pub(super) async fn forward(
    proxy: Arc<Proxy>,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    if request.method() == Method::CONNECT {
        let text =
            format!("Belvedere's proxy forwards requests to {} and opens no other connections", proxy.upstream.authority);
        return Ok(refusal(405, text));
    }
    let found = proxy.formats.extract(request.headers());
    let upgrade = headers::upgrade(request.headers()).filter(|_| request.version() < Version::HTTP_2);
    let on_client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();

    let host = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    let host = host.or_else(|| Some(parts.headers.get(header::HOST)?.to_str().ok()?.to_owned()));
    let asked = Asked {
        method: &parts.method,
        version: parts.version,
        path: parts.uri.path(),
        query: parts.uri.query(),
        host: host.as_deref(),
        headers: &parts.headers,
        peer,
        route: semantics::route(&proxy.routes, parts.uri.path()),
    };
    let mut server = asked.server(&proxy.tracer);
    if let Some(parent) = &found.context {
        server = server.parent(parent);
    }
    for (_, other) in &found.links {
        server = server.link(other.clone(), Attributes::default());
    }
    let server = server.start();
    let client = asked.client(&proxy.tracer, &proxy.upstream.authority).parent(server.context()).start();
    let mut exchange = Box::new(Exchange::new(server, client));

    headers::strip_hop(&mut parts.headers, upgrade);
    headers::forwarded(&mut parts.headers, peer.ip(), host.as_deref());
    headers::inject(&mut parts.headers, &found, exchange.client.context());
    let http2 = parts.version == Version::HTTP_2;
    let target = match uri(&proxy, &parts.uri, host.as_deref(), http2) {
        Ok(target) => target,
        Err(error) => {
            exchange.fail("bad_request", &error.to_string());
            return Ok(fail(*exchange, 400, format!("the address cannot be passed on: {error}")));
        }
    };
    if proxy.rewrite_host || !(http2 || parts.headers.contains_key(header::HOST)) {
        parts.headers.remove(header::HOST);
        if let (false, Ok(authority)) = (http2, HeaderValue::from_str(&proxy.upstream.authority)) {
            parts.headers.insert(header::HOST, authority);
        }
    }
    let (body, sent) = Sent::new(body);
    exchange.sent = sent;
    let mut outgoing = Request::new(body);
    *outgoing.method_mut() = parts.method;
    *outgoing.uri_mut() = target;
    *outgoing.version_mut() = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    *outgoing.headers_mut() = parts.headers;

    let answer = async {
        if http2 {
            return proxy.upstream.send_http2(outgoing).await.map(|response| (response, None));
        }
        proxy.upstream.send(outgoing).await.map(|(response, lease)| (response, Some(lease)))
    };
    let answer = match tokio::time::timeout(proxy.timeout, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(NoAnswer::Late(proxy.timeout, proxy.upstream.authority.clone())),
    };
    match answer {
        Ok((response, lease)) => {
            exchange.lease = lease;
            Ok(pass(&proxy, exchange, response, on_client))
        }
        Err(no) => {
            let text = no.to_string();
            exchange.fail(no.kind(), &text);
            Ok(fail(*exchange, no.status(), text))
        }
    }
}

/// The address for the next hop: HTTP/1.1 wants the path alone, HTTP/2 its `:authority`, which stays the client's.
fn uri(proxy: &Proxy, came: &Uri, host: Option<&str>, http2: bool) -> Result<Uri, http::Error> {
    let path = came.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if !http2 {
        return Ok(Uri::from(path));
    }
    let authority = host.filter(|_| !proxy.rewrite_host).unwrap_or(&proxy.upstream.authority);
    Uri::builder().scheme("http").authority(Authority::try_from(authority)?).path_and_query(path).build()
}

/// Hands the answer on.
fn pass(
    proxy: &Arc<Proxy>,
    mut exchange: Box<Exchange>,
    mut response: Response<Incoming>,
    on_client: Option<OnUpgrade>,
) -> Response<Answer> {
    let status = response.status();
    let Exchange { server, client, .. } = &mut *exchange;
    semantics::answered(server, client, status.as_u16());
    semantics::grpc(server, client, response.headers());
    let switched = status == http::StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = if switched { headers::upgrade(response.headers()) } else { None };
    let on_service = switched.then(|| hyper::upgrade::on(&mut response));
    let (mut parts, body) = response.into_parts();
    headers::strip_hop(&mut parts.headers, upgrade);
    let mut out = match (on_client, on_service) {
        (Some(on_client), Some(on_service)) => {
            exchange.lease = None;
            tokio::spawn(tunnel(proxy.clone(), exchange, on_client, on_service));
            Response::new(Answer::Text(None))
        }
        (None, Some(_)) => {
            let text = format!("{} switched to another protocol, which the client had not asked for", proxy.upstream.authority);
            exchange.fail("connection_broken", &text);
            return fail(*exchange, 502, text);
        }
        _ => Response::new(Answer::passing(body, exchange)),
    };
    *out.status_mut() = parts.status;
    *out.headers_mut() = parts.headers;
    out
}

/// Carries bytes both ways until either side closes or the proxy stops; the spans last as long.
async fn tunnel(proxy: Arc<Proxy>, mut exchange: Box<Exchange>, on_client: OnUpgrade, on_service: OnUpgrade) {
    let _alive = proxy.alive.clone();
    let mut stopping = proxy.stopping.clone();
    let carry = async {
        let (client, service) = tokio::try_join!(on_client, on_service).map_err(|error| error.to_string())?;
        let (mut client, mut service) = (TokioIo::new(client), TokioIo::new(service));
        tokio::io::copy_bidirectional(&mut client, &mut service).await.map_err(|error| error.to_string())
    };
    tokio::select! {
        carried = carry => match carried {
            Ok((up, down)) => {
                for span in [&mut exchange.server, &mut exchange.client] {
                    span.set("belvedere.tunnel.sent", i64::try_from(up).unwrap_or(i64::MAX));
                    span.set("belvedere.tunnel.received", i64::try_from(down).unwrap_or(i64::MAX));
                }
            }
            Err(error) => exchange.fail("connection_broken", &error),
        },
        () = stopped(&mut stopping) => exchange.fail("cancelled", "the proxy stopped"),
    }
    exchange.end(None);
}

/// Ends the spans with the answer that the proxy gives itself. The kind of failure stays the client span's error; for the
/// callers of the service it is the status.
fn fail(mut exchange: Exchange, status: u16, text: String) -> Response<Answer> {
    exchange.server.set("http.response.status_code", i64::from(status)).status(StatusCode::Error, &text);
    if status >= 500 {
        exchange.server.set("error.type", status.to_string());
    }
    exchange.end(None);
    refusal(status, format!("Belvedere's proxy: {text}"))
}

fn refusal(status: u16, text: String) -> Response<Answer> {
    let mut response = Response::new(Answer::text(format!("{text}\n")));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
