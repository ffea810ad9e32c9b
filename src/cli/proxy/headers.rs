//! Headers on their way through: what belongs to one connection is taken off, who called is told, the context is set.
//!
//! Sources: RFC 9110 section 7.6.1 (`Connection` and the fields it names go no further than one hop; `TE: trailers` is
//! ours to repeat, because trailers are passed on), RFC 9110 section 7.8 (`Upgrade`). `Host` stays the client's, so that
//! the service makes the links that the client can use. No `Via` is added: servers stop compressing when they see one,
//! and the service is to behave as it does without the proxy.

use crate::context::{Baggage, Composite, Extraction, Format, SpanContext, w3c};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

/// Fields of one hop, also where `Connection` does not name them. `Proxy-Connection` is no standard, and sent anyway.
const HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// True when any value of `name` has the word, in any case.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(word))
}

/// The protocol a client wants to change to, when it asks properly.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    has_word(headers, &header::CONNECTION, "upgrade").then(|| headers.get(header::UPGRADE).cloned()).flatten()
}

/// Takes off what belongs to one hop; `upgrade` is what stays to be negotiated with the next one.
pub(super) fn strip_hop(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    let trailers = has_word(headers, &header::TE, "trailers");
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // With both, the length is a lie (RFC 9112 section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|token| token.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP {
        headers.remove(name);
    }
    headers.remove(header::UPGRADE);
    headers.remove(header::TE);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// Who called, and how: the client joins the end of the chain that came, and what was asked for is told once.
pub(super) fn forwarded(headers: &mut HeaderMap, client: IpAddr, host: Option<&str>) {
    let mut chain = String::new();
    for value in headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()) {
        chain.push_str(value.trim());
        chain.push_str(", ");
    }
    chain.push_str(&client.to_canonical().to_string());
    if let Ok(chain) = HeaderValue::from_maybe_shared(bytes::Bytes::from(chain)) {
        headers.insert(FORWARDED_FOR, chain);
    }
    if let (false, Some(Ok(host))) = (headers.contains_key(FORWARDED_HOST), host.map(HeaderValue::from_str)) {
        headers.insert(FORWARDED_HOST, host);
    }
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
}

/// The first of `X-Forwarded-For`, who is the client when there are proxies before this one.
pub(super) fn first_client(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(FORWARDED_FOR)?.to_str().ok()?;
    value.split(',').map(str::trim).find(|client| !client.is_empty())
}

/// The scheme that the client used, as proxies before this one tell it.
pub(super) fn scheme(headers: &HeaderMap) -> &str {
    let said = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if said.eq_ignore_ascii_case("https") { "https" } else { "http" }
}

/// Writes the context: W3C always, and every format that named the trace that is continued, so that a service which reads
/// only that one joins below the proxy's span. Baggage stays as it came.
pub(super) fn inject(headers: &mut HeaderMap, found: &Extraction, context: &SpanContext) {
    if context.trace_state.is_empty() {
        headers.remove(w3c::TRACESTATE);
    }
    w3c::inject(context, headers);
    let others = found.format.into_iter().chain(found.agreeing.iter().copied());
    let others: Vec<Format> = others.filter(|format| *format != Format::W3c).collect();
    if !others.is_empty() {
        Composite::of(others).inject(context, &Baggage::default(), headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SpanId, TraceId};

    fn map(text: &str) -> HeaderMap {
        let pairs = text.lines().filter_map(|line| line.trim().split_once(": "));
        pairs.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn text(headers: &HeaderMap) -> String {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join("\n")
    }

    #[test]
    fn what_belongs_to_one_hop_is_taken_off() {
        for (came, goes) in [
            ("accept: */*\nconnection: keep-alive\nkeep-alive: timeout=5", "accept: */*"),
            ("connection: x-one, X-Two\nx-one: 1\nx-two: 2\nx-three: 3", "x-three: 3"),
            ("te: gzip, Trailers\nconnection: te", "te: trailers"),
            ("te: gzip", ""),
            ("transfer-encoding: chunked\ncontent-length: 3\ntrailer: x-sum", "trailer: x-sum"),
            ("content-length: 3", "content-length: 3"),
            ("proxy-connection: close\nproxy-authorization: Basic x\nauthorization: Basic y", "authorization: Basic y"),
            ("upgrade: h2c", ""),
        ] {
            let mut headers = map(came);
            let wanted = upgrade(&headers);
            strip_hop(&mut headers, wanted);
            assert_eq!(text(&headers), goes, "{came}");
        }
    }

    #[test]
    fn an_upgrade_is_asked_for_again() {
        let mut headers = map("connection: keep-alive, Upgrade\nupgrade: websocket\nsec-websocket-key: k");
        let wanted = upgrade(&headers);
        strip_hop(&mut headers, wanted);
        assert_eq!(text(&headers), "connection: upgrade\nsec-websocket-key: k\nupgrade: websocket");
    }

    #[test]
    fn the_chain_of_clients_grows_and_what_was_asked_for_is_kept() {
        let client: IpAddr = "::ffff:10.0.0.9".parse().unwrap();
        let mut headers = map("x-forwarded-for: 1.2.3.4\nx-forwarded-proto: https");
        forwarded(&mut headers, client, Some("shop.test:9000"));
        let expected = "x-forwarded-for: 1.2.3.4, 10.0.0.9\nx-forwarded-host: shop.test:9000\nx-forwarded-proto: https";
        assert_eq!(text(&headers), expected);
        assert_eq!((first_client(&headers), scheme(&headers)), (Some("1.2.3.4"), "https"));
        forwarded(&mut headers, client, Some("other"));
        assert!(text(&headers).contains("x-forwarded-for: 1.2.3.4, 10.0.0.9, 10.0.0.9\nx-forwarded-host: shop.test:9000"));
    }

    #[test]
    fn a_new_trace_loses_the_old_tracestate_and_the_format_that_came_is_written_too() {
        let context = SpanContext::from_remote(TraceId([1; 16]), SpanId([2; 8]), crate::context::TraceFlags::SAMPLED);
        let mut headers = map("traceparent: 00-bad\ntracestate: a=1");
        let found = Composite::permissive().extract(&headers);
        inject(&mut headers, &found, &context);
        assert_eq!(text(&headers), "traceparent: 00-01010101010101010101010101010101-0202020202020202-01");
        let mut headers = map("b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1");
        let found = Composite::permissive().extract(&headers);
        inject(&mut headers, &found, &context);
        assert!(text(&headers).starts_with("b3: 01010101010101010101010101010101-0202020202020202-1\ntraceparent: 00-0101"));
    }
}
