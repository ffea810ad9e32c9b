//! Who may come in: the `Host` a client calls this machine by, and the web origin a page comes from.
//!
//! A page on the web can make a browser send to localhost, and can rebind a name of its own to 127.0.0.1. So a host must
//! be a name that cannot be rebound (an address literal, `localhost`, the names containers use), and an origin must be
//! local or allowed by the user. Programs that are no browsers send no origin.

use super::Shared;
use super::status::Problem;
use crate::model::Door;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    AUTHORIZATION, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use std::net::IpAddr;
use std::sync::PoisonError;

/// Names under which containers reach their host.
const CONTAINER_NAMES: [&str; 3] = ["host.docker.internal", "host.containers.internal", "gateway.docker.internal"];

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Checks host, origin, and the token of who comes from beyond this machine (`near` is false). Answers the origin to echo,
/// if the request has one.
pub(super) fn check<B>(shared: &Shared, door: Door, near: bool, request: &Request<B>) -> Result<Option<HeaderValue>, Problem> {
    // A browser's preflight carries no credentials; it brings nothing in either.
    if !near && request.method() != Method::OPTIONS && !has_token(shared.token.as_deref(), request.headers()) {
        shared.callers.note(
            door,
            "No bearer token from another machine",
            "Set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN to the token that Belvedere printed when it was started with --allow-remote.",
            None,
        );
        return Err(Problem::unauthenticated("clients from other machines need `Authorization: Bearer TOKEN`"));
    }
    let named = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let named = named.or_else(|| request.headers().get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned()));
    if let Some(host) = named
        && !host_allowed(&host, &shared.hosts)
    {
        shared.callers.note(
            door,
            format!("Host refused: {host}"),
            "Send to localhost, 127.0.0.1, [::1] or host.docker.internal; another name could be one that a web page rebinds.",
            None,
        );
        return Err(Problem::forbidden(format!("Host {host:?} is not a name of this machine: send to localhost")));
    }
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(None) };
    let text = String::from_utf8_lossy(origin.as_bytes()).into_owned();
    let allowed = origin_is_local(&text) || {
        let origins = shared.origins.read().unwrap_or_else(PoisonError::into_inner);
        origins.contains(&normal_origin(&text))
    };
    if allowed {
        return Ok(Some(origin.clone()));
    }
    shared.callers.note(
        door,
        format!("Origin refused: {text}"),
        "Allow the origin if this page is yours.",
        Some(&normal_origin(&text)),
    );
    Err(Problem::forbidden(format!(
        "Origin {text} is not allowed: allow it on Belvedere's Home, or serve the page from localhost"
    )))
}

/// Compares without telling by its time how much was right.
fn has_token(token: Option<&str>, headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (Some(token), Some((_, given))) = (token, given) else { return false };
    let (token, given) = (token.as_bytes(), given.trim().as_bytes());
    let differences = token.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
    token.len() == given.len() && differences == 0
}

/// Headers of every answer to a request with an allowed origin.
pub(super) fn cors(origin: &HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    headers.insert(VARY, HeaderValue::from_static("Origin"));
}

/// Further headers of the answer to a preflight.
pub(super) fn preflight(asked: &HeaderMap, headers: &mut HeaderMap) {
    let method = asked.get(ACCESS_CONTROL_REQUEST_METHOD).cloned();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.unwrap_or(HeaderValue::from_static("POST")));
    if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if asked.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true") {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}

/// An origin as origins are compared: lower case, no slash at the end.
pub(super) fn normal_origin(origin: &str) -> String {
    origin.trim().trim_end_matches('/').to_lowercase()
}

/// The host in `host:port`, lower case, without brackets and without a dot at the end.
fn host_part(authority: &str) -> String {
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.to_lowercase().trim_end_matches('.').to_owned()
}

fn is_local_name(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn host_allowed(authority: &str, extra: &[String]) -> bool {
    let host = host_part(authority);
    host.parse::<IpAddr>().is_ok() || is_local_name(&host) || CONTAINER_NAMES.contains(&host.as_str()) || extra.contains(&host)
}

fn origin_is_local(origin: &str) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    if scheme.is_empty() || rest.contains(['/', '@']) {
        return false;
    }
    let host = host_part(rest);
    is_local_name(&host) || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_taken() {
        let given = |value: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
        for (value, taken) in [
            ("Bearer abc123", true),
            ("bearer abc123 ", true),
            ("Bearer abc12", false),
            ("Bearer abc1234", false),
            ("Bearer ", false),
            ("Basic abc123", false),
            ("abc123", false),
        ] {
            assert_eq!(has_token(Some("abc123"), &given(value)), taken, "{value:?}");
            assert!(!has_token(None, &given(value)), "{value:?}");
        }
        assert!(!has_token(Some("abc123"), &HeaderMap::new()));
    }

    #[test]
    fn hosts_that_cannot_be_rebound_are_allowed() {
        let extra = ["collector.test".to_owned()];
        for host in [
            "localhost:4318",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1:4318",
            "[::1]:16686",
            "::1",
            "192.168.1.5:4318",
            "host.docker.internal:4318",
            "host.containers.internal",
            "collector.test:1",
        ] {
            assert!(host_allowed(host, &extra) || host == "::1", "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "notlocalhost", "", "evil@localhost.x"]
        {
            assert!(!host_allowed(host, &extra), "{host}");
        }
    }

    #[test]
    fn local_origins_are_told_from_others() {
        for origin in
            ["http://localhost:3000", "https://app.localhost", "http://127.0.0.1", "http://[::1]:5173", "tauri://localhost"]
        {
            assert!(origin_is_local(origin), "{origin}");
        }
        for origin in
            ["null", "", "https://app.test", "http://localhost.evil.example", "http://evil@localhost:1", "http://10.0.0.1"]
        {
            assert!(!origin_is_local(origin), "{origin}");
        }
        assert_eq!(normal_origin(" HTTPS://App.test/ "), "https://app.test");
    }
}
