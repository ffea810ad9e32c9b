//! What the spans say: OpenTelemetry's HTTP semantic conventions, stable names (1.23 and later).
//!
//! A proxy does not know the service's routes, and a path with ids in it is no name; so spans are named by their method
//! unless the user gives patterns (`--route /users/{id}`), which become `http.route`. Values of query keys that sign
//! requests are masked, as the conventions ask.

use super::headers;
use crate::model::{SpanKind, StatusCode};
use crate::tracer::{Key, Span, SpanBuilder, Tracer};
use http::header::{self, HeaderMap};
use http::{Method, Version};
use smol_str::{SmolStr, format_smolstr};
use std::net::SocketAddr;

/// Query keys whose values are masked.
const SIGNING: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];
/// gRPC codes that are the server's own failure, by the conventions for gRPC.
const GRPC_SERVER_ERRORS: [i64; 6] = [2, 4, 12, 13, 14, 15];

/// A pattern of paths: `/users/{id}/orders`; a last `{name...}` or `*` takes the rest.
#[derive(Clone, Debug)]
pub(super) struct Route(SmolStr);

impl Route {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') { Ok(Self(text.into())) } else { Err(format!("a route begins with a slash: /{text}")) }
    }

    fn takes(&self, path: &str) -> bool {
        let mut pieces = path.split('/');
        for pattern in self.0.split('/') {
            if pattern == "*" || (pattern.starts_with('{') && pattern.ends_with("...}")) {
                return true;
            }
            match pieces.next() {
                Some(piece) if pattern.starts_with('{') && pattern.ends_with('}') && !piece.is_empty() => {}
                Some(piece) if piece == pattern => {}
                _ => return false,
            }
        }
        pieces.next().is_none()
    }
}

/// The pattern that takes the path, the first one given.
pub(super) fn route<'a>(routes: &'a [Route], path: &str) -> Option<&'a SmolStr> {
    routes.iter().find(|route| route.takes(path)).map(|route| &route.0)
}

/// Methods that the conventions know; another is `_OTHER`, so that nobody can make up names without end.
fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

/// The query with the values of signatures masked.
fn masked(query: &str) -> SmolStr {
    if !SIGNING.iter().any(|key| query.contains(key)) {
        return query.into();
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if SIGNING.contains(&key) => format!("{key}=REDACTED"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&").into()
}

/// The version as `network.protocol.version` has it.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// `host:port` in its parts; a port that is not said is the scheme's.
fn split_host<'a>(host: &'a str, scheme: &str) -> (&'a str, i64) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, port.parse::<u16>().ok().map(i64::from))
        }
        _ => (host, None),
    };
    (name.trim_start_matches('[').trim_end_matches(']'), port.unwrap_or(if scheme == "https" { 443 } else { 80 }))
}

/// What is read of a request for its spans.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) version: Version,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) peer: SocketAddr,
    pub(super) route: Option<&'a SmolStr>,
}

impl Asked<'_> {
    fn named<'t>(&self, tracer: &'t Tracer, kind: SpanKind) -> SpanBuilder<'t> {
        let method = known(self.method);
        // A method nobody knows is no good name either.
        let word = method.unwrap_or("HTTP");
        let name = match self.route {
            Some(route) => Key::from(format_smolstr!("{word} {route}")),
            None => Key::from(word),
        };
        let builder = tracer.span(name).kind(kind).set("http.request.method", SmolStr::new_static(method.unwrap_or("_OTHER")));
        if method.is_some() { builder } else { builder.set("http.request.method_original", self.method.as_str()) }
    }

    /// The span of the service as its callers see it.
    pub(super) fn server<'t>(&self, tracer: &'t Tracer) -> SpanBuilder<'t> {
        let scheme = headers::scheme(self.headers);
        let mut builder = self.named(tracer, SpanKind::Server);
        builder = builder.set("url.scheme", scheme).set("url.path", self.path);
        if let Some(query) = self.query {
            builder = builder.set("url.query", masked(query));
        }
        if let Some(route) = self.route {
            builder = builder.set("http.route", route.clone());
        }
        if let Some(host) = self.host {
            let (name, port) = split_host(host, scheme);
            builder = builder.set("server.address", name).set("server.port", port);
        }
        let peer = format_smolstr!("{}", self.peer.ip().to_canonical());
        builder = match headers::first_client(self.headers) {
            Some(client) => builder.set("client.address", client),
            None => builder.set("client.address", peer.clone()),
        };
        builder = builder.set("network.peer.address", peer).set("network.peer.port", i64::from(self.peer.port()));
        builder = builder.set("network.protocol.version", SmolStr::new_static(version(self.version)));
        match self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()) {
            Some(agent) => builder.set("user_agent.original", agent),
            None => builder,
        }
    }

    /// The span of the call to the service behind the proxy, which is at `target` (`host:port`).
    pub(super) fn client<'t>(&self, tracer: &'t Tracer, target: &str) -> SpanBuilder<'t> {
        let (name, port) = split_host(target, "http");
        let url = match self.query {
            Some(query) => format_smolstr!("http://{target}{}?{}", self.path, masked(query)),
            None => format_smolstr!("http://{target}{}", self.path),
        };
        let mut builder = self.named(tracer, SpanKind::Client);
        if let Some(route) = self.route {
            builder = builder.set("url.template", route.clone());
        }
        builder = builder.set("server.address", name).set("server.port", port).set("url.full", url);
        builder.set("network.protocol.version", SmolStr::new_static(version(self.version)))
    }
}

/// Notes the answer's status on both spans: 5xx is the server's error, 4xx and 5xx the client's.
pub(super) fn answered(server: &mut Span, client: &mut Span, status: u16) {
    for (span, error_from) in [(server, 500), (client, 400)] {
        span.set("http.response.status_code", i64::from(status));
        if status >= error_from {
            span.set("error.type", format_smolstr!("{status}")).status(StatusCode::Error, "");
        }
    }
}

/// Notes the status that gRPC puts into headers or trailers.
pub(super) fn grpc(server: &mut Span, client: &mut Span, fields: &HeaderMap) {
    let Some(code) = fields.get("grpc-status").and_then(|value| value.to_str().ok()?.parse::<i64>().ok()) else { return };
    for span in [&mut *server, &mut *client] {
        span.set("rpc.system", SmolStr::new_static("grpc")).set("rpc.grpc.status_code", code);
    }
    let message = fields.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if code != 0 {
        client.set("error.type", format_smolstr!("{code}")).status(StatusCode::Error, message);
    }
    if GRPC_SERVER_ERRORS.contains(&code) {
        server.set("error.type", format_smolstr!("{code}")).status(StatusCode::Error, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_take_the_paths_they_describe() {
        let routes: Vec<Route> = ["/users/{id}", "/users/{id}/orders", "/static/*", "/files/{path...}", "/"]
            .iter()
            .map(|text| Route::parse(text).unwrap())
            .collect();
        for (path, expected) in [
            ("/users/7", Some("/users/{id}")),
            ("/users/", None),
            ("/users/7/orders", Some("/users/{id}/orders")),
            ("/users/7/orders/1", None),
            ("/static/a/b.css", Some("/static/*")),
            ("/files/a/b", Some("/files/{path...}")),
            ("/", Some("/")),
            ("/x", None),
        ] {
            assert_eq!(route(&routes, path).map(SmolStr::as_str), expected, "{path}");
        }
        assert!(Route::parse("users").is_err());
    }

    #[test]
    fn hosts_split_into_name_and_port() {
        for (host, expected) in [
            ("shop.test:9000", ("shop.test", 9000)),
            ("shop.test", ("shop.test", 80)),
            ("[::1]:3000", ("::1", 3000)),
            ("[::1]", ("::1", 80)),
            ("shop:99999999999", ("shop", 80)),
        ] {
            let split = split_host(host, "http");
            assert_eq!(split, expected, "{host}");
        }
        assert_eq!(split_host("shop.test", "https"), ("shop.test", 443));
    }

    #[test]
    fn signatures_in_a_query_are_masked() {
        assert_eq!(masked("a=1&sig=secret&b=2"), "a=1&sig=REDACTED&b=2");
        assert_eq!(masked("design=1"), "design=1");
    }
}
