//! HTTP between the services: real requests on loopback, W3C context in their headers, server and client spans by the
//! semantic conventions.

use super::cast::{Name, Severity};
use super::dice::Dice;
use super::shop::World;
use super::step::Step;
use super::weather::Weather;
use super::{background, orders, storefront};
use crate::context::Composite;
use crate::model::{Attributes, SpanKind, StatusCode};
use crate::tracer::{Span, mix};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Longest body read; the shop's own are a few hundred bytes.
const MAX_BODY: usize = 64 * 1024;
/// Longest wait of a client for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A request as a handler sees it.
pub(super) struct Inbound {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
}

impl Inbound {
    /// The piece of the path at `index`, from 0.
    pub(super) fn piece(&self, index: usize) -> &str {
        self.path.split('/').filter(|piece| !piece.is_empty()).nth(index).unwrap_or_default()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into() }
    }

    pub(super) fn status(status: u16, text: &str) -> Self {
        Self { status, body: format!("{{\"error\":\"{text}\"}}") }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.status < 400
    }
}

/// Accepts connections for a service until the runtime goes away.
pub(super) async fn serve(world: Arc<World>, name: Name, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file handles, most likely; others will close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let world = world.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(world.clone(), name, request));
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(world: Arc<World>, name: Name, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let _ = Limited::new(body, MAX_BODY).collect().await;
    let service = world.service(name).clone();
    let profile = service.profile;
    let found = Composite::default().extract(&parts.headers);
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let inbound = Inbound { method: parts.method, path, query };
    let route = route(profile.service, &inbound);
    let parent = found.context.unwrap_or_default();
    let mut low = [0; 8];
    low.copy_from_slice(&parent.trace_id.0[8..]);
    let dice = Dice::new(u64::from_be_bytes(low) ^ mix(parent.span_id.to_u64()) ^ name as u64);
    let weather = Weather::from_baggage(&found.baggage);
    let mut step = Step { world, service: service.clone(), parent, baggage: found.baggage, weather, dice };
    let span_name = route.map_or_else(|| inbound.method.to_string(), |route| format!("{} {route}", inbound.method));
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut span = step.begin_with(span_name, SpanKind::Server, |builder| {
        builder
            .set("http.request.method", inbound.method.as_str())
            .set("url.scheme", "http")
            .set("url.path", inbound.path.as_str())
            .set("server.address", profile.service)
            .set("server.port", profile.port)
            .set("client.address", "127.0.0.1")
            .set("network.protocol.version", "1.1")
            .set("user_agent.original", text(header::USER_AGENT))
    });
    if !inbound.query.is_empty() {
        span.set("url.query", inbound.query.as_str());
    }
    step.parent = span.context().clone();
    let answer = match route {
        Some(route) => {
            span.set("http.route", route);
            handle(profile.service, route, &inbound, &mut step, &mut span).await
        }
        None => Answer::status(404, "no such page"),
    };
    span.set("http.response.status_code", i64::from(answer.status));
    if answer.status >= 500 {
        span.set("error.type", answer.status.to_string()).status(StatusCode::Error, "");
        let body = format!("{} {} failed with {}", inbound.method, inbound.path, answer.status);
        step.log(Severity::Error, body, Attributes::default());
    }
    service.meter.request(inbound.method.as_str(), route.unwrap_or_default(), answer.status, started.elapsed(), span.context());
    span.end();
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The routes of every service.
const ROUTES: [(&str, &str, &str); 17] = [
    ("frontend", "GET", "/api/products/{id}"),
    ("frontend", "GET", "/api/search"),
    ("frontend", "POST", "/api/cart"),
    ("frontend", "POST", "/api/checkout"),
    ("frontend", "GET", "/api/orders"),
    ("cart", "GET", "/carts/{id}"),
    ("cart", "POST", "/carts/{id}/items"),
    ("checkout", "POST", "/orders"),
    ("checkout", "GET", "/users/{id}/orders"),
    ("inventory", "GET", "/stock/{sku}"),
    ("inventory", "POST", "/reservations"),
    ("inventory", "DELETE", "/reservations/{id}"),
    ("payment", "POST", "/charges"),
    ("shipping", "POST", "/quotes"),
    ("shipping", "GET", "/shipments/{id}"),
    ("recommendation", "GET", "/recommendations/{sku}"),
    ("recommendation", "GET", "/search"),
];

fn route(service: &str, inbound: &Inbound) -> Option<&'static str> {
    let fits = |route: &str| {
        let mut pieces = inbound.path.split('/');
        let all = route.split('/').all(|want| pieces.next().is_some_and(|got| got == want || want.starts_with('{')));
        all && pieces.next().is_none()
    };
    ROUTES
        .iter()
        .find(|(of, method, route)| *of == service && inbound.method == *method && fits(route))
        .map(|(_, _, route)| *route)
}

async fn handle(service: &str, route: &'static str, inbound: &Inbound, step: &mut Step, span: &mut Span) -> Answer {
    match service {
        "frontend" => storefront::frontend(route, inbound, step, span).await,
        "cart" => storefront::cart(inbound, step, span).await,
        "recommendation" => storefront::recommendation(route, inbound, step, span).await,
        "checkout" => orders::checkout(route, inbound, step, span).await,
        "payment" => orders::payment(step, span).await,
        "shipping" => orders::shipping(route, inbound, step).await,
        "inventory" => background::inventory(route, inbound, step, span).await,
        _ => Answer::status(404, "no such page"),
    }
}

impl Step {
    /// Calls another service once.
    pub(super) async fn call(&mut self, to: Name, method: Method, template: &'static str, path: &str) -> Answer {
        self.call_again(to, method, template, path, 0).await
    }

    /// Calls another service; `resend` counts the calls for the same thing before this one.
    pub(super) async fn call_again(
        &mut self,
        to: Name,
        method: Method,
        template: &'static str,
        path: &str,
        resend: i64,
    ) -> Answer {
        let peer = to.profile();
        let mut span = self.begin_with(format!("{method} {template}"), SpanKind::Client, |builder| {
            builder
                .set("http.request.method", method.as_str())
                .set("url.full", format!("http://{}:{}{path}", peer.service, peer.port))
                .set("url.template", template)
                .set("server.address", peer.service)
                .set("server.port", peer.port)
                .set("network.protocol.version", "1.1")
        });
        if resend > 0 {
            span.set("http.request.resend_count", resend);
        }
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("http://{}{path}", self.world.address(to)))
            .header(header::USER_AGENT, format!("{}/{}", self.service.profile.service, self.service.profile.version));
        if let Some(headers) = request.headers_mut() {
            Composite::default().inject(span.context(), &self.baggage, headers);
        }
        let failed = match request.body(Full::new(Bytes::new())) {
            Err(error) => error.to_string(),
            Ok(request) => match tokio::time::timeout(CALL_TIMEOUT, self.service.client.request(request)).await {
                Err(_) => "timeout".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(response)) => {
                    let status = response.status().as_u16();
                    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
                    let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
                    span.set("http.response.status_code", i64::from(status));
                    if status >= 400 {
                        span.set("error.type", status.to_string()).status(StatusCode::Error, "");
                    }
                    return Answer { status, body };
                }
            },
        };
        span.set("error.type", "connection").status(StatusCode::Error, &failed);
        Answer { status: 504, body: failed }
    }

    /// A call to somebody outside the shop, of whom only the client's side is seen.
    pub(super) async fn call_outside(
        &mut self,
        host: &'static str,
        method: &'static str,
        path: &'static str,
        median_ms: f64,
        status: u16,
    ) {
        let mut span = self.begin_with(method, SpanKind::Client, |builder| {
            builder
                .set("http.request.method", method)
                .set("url.full", format!("https://{host}{path}"))
                .set("server.address", host)
                .set("server.port", 443)
                .set("network.protocol.version", "2")
        });
        self.pause(median_ms).await;
        span.set("http.response.status_code", i64::from(status));
        if status >= 400 {
            span.set("error.type", status.to_string()).status(StatusCode::Error, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_route() {
        let find =
            |service, method: Method, path: &str| route(service, &Inbound { method, path: path.into(), query: String::new() });
        assert_eq!(find("cart", Method::GET, "/carts/7"), Some("/carts/{id}"));
        assert_eq!(find("cart", Method::POST, "/carts/7/items"), Some("/carts/{id}/items"));
        assert_eq!(find("cart", Method::POST, "/carts/7"), None);
        assert_eq!(find("email", Method::GET, "/carts/7"), None);
    }
}
