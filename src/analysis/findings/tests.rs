//! Faults planted into otherwise healthy traffic; the culprit must rank first.

use super::super::tree::TreeInput;
use super::*;
use crate::model::{Attributes, Resource, Span, SpanBatch, SpanId, SpanKind, Status, StatusCode, UnixNanos, Value};
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// Traffic of a small shop: frontend calls checkout, which asks postgres and calls payment on one of two hosts.
struct Traffic {
    seed: u64,
    next: u64,
    spans: Vec<Span>,
    now: i64,
}

#[derive(Clone, Copy, Default)]
struct Faults {
    slow_tenant: bool,
    bad_version: bool,
    lost_header: bool,
    retries_on_host: bool,
    n_plus_one: bool,
    serial: bool,
}

impl Traffic {
    fn random(&mut self, below: i64) -> i64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.seed >> 33) as i64) % below
    }

    fn span(&mut self, trace: TraceId, parent: u64, name: &str, kind: SpanKind, resource: &Resource, at: (i64, i64)) -> usize {
        self.next += 1;
        self.spans.push(Span {
            trace_id: trace,
            span_id: SpanId::from(self.next),
            parent: SpanId::from(parent).non_zero(),
            name: name.into(),
            kind,
            start: UnixNanos(at.0),
            end: Some(UnixNanos(at.1)),
            resource: Arc::new(resource.clone()),
            ..Span::default()
        });
        self.spans.len() - 1
    }

    fn set(&mut self, at: usize, key: &str, value: impl Into<Value>) -> u64 {
        self.spans[at].attributes.push(key, value);
        self.spans[at].span_id.to_u64()
    }

    fn request(&mut self, number: u64, faults: Faults) {
        let trace = TraceId::from_halves(7, number + 1);
        let tenant = ["acme", "blue", "cyan", "dune", "echo"][self.random(5) as usize];
        let version = if number > 150 { "2.1.0" } else { "2.0.9" };
        let host = ["pay-1", "pay-2", "pay-3"][self.random(3) as usize];
        let web = service("frontend", "1.0", "web-1");
        let checkout = service("checkout", version, "co-1");
        let payment = service("payment", "5.5", host);
        let start = self.now;
        let mut at = start + 2 * MS;
        let slow = faults.slow_tenant && tenant == "dune";
        let bad = faults.bad_version && version == "2.1.0" && self.random(3) == 0;
        let root = self.span(trace, 0, "POST /checkout", SpanKind::Server, &web, (start, start));
        let root_id = self.set(root, "app.tenant", tenant);
        let call = self.span(trace, root_id, "POST checkout", SpanKind::Client, &web, (at, at));
        let call_id = self.set(call, "server.address", "checkout");
        let serve = self.span(trace, call_id, "POST /api/checkout", SpanKind::Server, &checkout, (at + MS, at));
        let serve_id = self.set(serve, "http.route", "/api/checkout");
        at += 3 * MS;
        let queries = if faults.n_plus_one { 24 } else { 1 };
        for _ in 0..queries {
            let length = (3 + self.random(3) + if slow { 60 } else { 0 }) * MS;
            let query = self.span(trace, serve_id, "SELECT stock", SpanKind::Client, &checkout, (at, at + length));
            self.set(query, "db.query.text", "SELECT * FROM stock WHERE sku = $1");
            at += length + MS / 2;
        }
        for name in
            ["GET /prices", "GET /taxes", "GET /shipping", "GET /coupons"].iter().take(if faults.serial { 4 } else { 0 })
        {
            let length = (20 + self.random(4)) * MS;
            self.span(trace, serve_id, name, SpanKind::Client, &checkout, (at, at + length));
            at += length + MS / 2;
        }
        let attempts = if faults.retries_on_host && host == "pay-2" { 4 } else { 1 };
        for attempt in 0..attempts {
            let length = (8 + self.random(6)) * MS;
            let pay = self.span(trace, serve_id, "POST payment", SpanKind::Client, &checkout, (at, at + length));
            let pay_id = self.set(pay, "server.address", "payment");
            let torn = faults.lost_header;
            let its_trace = if torn { TraceId::from_halves(8, number * 8 + attempt as u64 + 1) } else { trace };
            let above = if torn { 0 } else { pay_id };
            self.span(its_trace, above, "POST /charge", SpanKind::Server, &payment, (at + MS, at + length - MS));
            if attempt + 1 < attempts {
                self.spans[pay].status = Status { code: StatusCode::Error, message: "unavailable".into() };
            }
            at += length + 2 * MS;
        }
        if bad {
            for span in [serve, call, root] {
                self.spans[span].status = Status { code: StatusCode::Error, message: "boom".into() };
            }
        }
        for (span, later) in [(serve, 0), (call, MS), (root, 2 * MS)] {
            self.spans[span].end = Some(UnixNanos(at + later));
        }
        self.now = at + 50 * MS;
    }
}

fn service(name: &str, version: &str, host: &str) -> Resource {
    let mut attributes = Attributes::default();
    attributes.push("service.name", name);
    attributes.push("service.version", version);
    attributes.push("host.name", host);
    Resource { attributes, ..Resource::default() }
}

fn find(faults: Faults) -> Vec<Finding> {
    let mut traffic = Traffic { seed: 11, next: 0, spans: Vec::new(), now: 1_000_000 * MS };
    (0..300).for_each(|number| traffic.request(number, faults));
    let mut traces: std::collections::BTreeMap<TraceId, Vec<Span>> = std::collections::BTreeMap::new();
    for span in traffic.spans {
        traces.entry(span.trace_id).or_default().push(span);
    }
    let mut finder = Finder::default();
    for (id, spans) in traces {
        let batch = SpanBatch::from_spans(&spans);
        finder.add(id, &batch, &Tree::build(&batch, &TreeInput::default()));
    }
    finder.finish()
}

fn shape(finding: &Finding) -> (&'static str, &str, &str, &str) {
    (finding.kind.word(), &finding.service, &finding.key, &finding.value)
}

#[test]
fn a_tenant_whose_queries_are_slow_is_named_with_the_operation_that_is_itself_slow() {
    let findings = find(Faults { slow_tenant: true, ..Faults::default() });
    assert_eq!(shape(&findings[0]), ("slow_for", "checkout", "app.tenant", "dune"), "{findings:#?}");
    assert_eq!(findings[0].operation, "SELECT stock");
    assert!(findings[0].saves_ns > 40 * 55 * MS && !findings[0].traces.is_empty());
}

#[test]
fn a_version_that_fails_is_named() {
    let findings = find(Faults { bad_version: true, ..Faults::default() });
    assert_eq!(shape(&findings[0]), ("regression", "checkout", "service.version", "2.1.0"), "{findings:#?}");
}

#[test]
fn a_lost_header_is_named_with_both_services() {
    let findings = find(Faults { lost_header: true, ..Faults::default() });
    assert_eq!(shape(&findings[0]), ("broken_propagation", "checkout", "callee", "payment"), "{findings:#?}");
}

#[test]
fn a_retry_storm_is_named_with_its_host() {
    let findings = find(Faults { retries_on_host: true, ..Faults::default() });
    assert_eq!(shape(&findings[0]), ("retry_storm", "checkout", "host.name", "pay-2"), "{findings:#?}");
    assert_eq!(findings[0].operation, "POST payment");
}

#[test]
fn an_n_plus_one_is_named_with_its_statement_and_what_it_costs() {
    let findings = find(Faults { n_plus_one: true, ..Faults::default() });
    assert_eq!(
        shape(&findings[0]),
        ("n_plus_one", "checkout", "statement", "SELECT * FROM stock WHERE sku = $1"),
        "{findings:#?}"
    );
    assert_eq!((findings[0].operation.as_str(), findings[0].count), ("POST /api/checkout", 24 * 300));
}

#[test]
fn calls_in_turn_that_could_run_together_are_named() {
    let findings = find(Faults { serial: true, ..Faults::default() });
    assert_eq!(shape(&findings[0]), ("serial_calls", "checkout", "", ""), "{findings:#?}");
    assert!(findings[0].saves_ns > 300 * 55 * MS);
}

#[test]
fn healthy_traffic_names_no_culprit() {
    for finding in find(Faults::default()) {
        let structural = matches!(finding.kind, FindingKind::SlowDependency | FindingKind::SerialCalls | FindingKind::Gap);
        assert!(structural, "{finding:#?}");
    }
    assert!(Finder::default().finish().is_empty());
}
