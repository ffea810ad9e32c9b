//! Spans for the tests of this room and for `benches/store.rs`: a seeded shop, and arbitrary spans for property tests.

use crate::model::{Attributes, Event, Link, Resource, Scope, Span, SpanId, SpanKind, Status, StatusCode, TraceId, UnixNanos};
use std::sync::Arc;

/// Start of the first trace: 22 October 2025, 14:11:37 UTC.
pub const EPOCH: i64 = 1_761_142_297_000_000_000;

const SERVICES: [&str; 8] = ["frontend", "gateway", "catalog", "search", "cart", "checkout", "payment", "inventory"];
const ROUTES: [&str; 5] = ["GET /", "GET /product/{id}", "POST /checkout", "GET /search", "POST /cart"];

/// A small xorshift, so that the samples need no crate in a release build.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Seeded; equal seeds roll equal numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.roll() >> 16) % limit
    }
}

/// Traces `0..traces` of the shop: 8 to 32 spans of about eleven attributes each, ids and URLs of high cardinality, one
/// trace in twenty with an error and its exception event.
pub fn shop(seed: u64, traces: u64) -> Vec<Span> {
    let mut dice = Dice::new(seed);
    let resources: Vec<Arc<Resource>> =
        SERVICES.iter().flat_map(|name| (0..2).map(|at| Arc::new(resource(name, at)))).collect();
    let scope = Arc::new(Scope { name: "shop.instrumentation".into(), version: "0.60.0".into(), ..Scope::default() });
    (0..traces).flat_map(|number| trace(&mut dice, number, &resources, &scope)).collect()
}

/// A batch as the journal packs it: the raw columns and the row. For the bench that shows why the row is packed as it is.
pub fn journal_row(batch: &crate::model::SpanBatch) -> (Vec<u8>, Vec<u8>) {
    (super::journal::write(batch), super::journal::encode(batch))
}

fn resource(name: &str, instance: u32) -> Resource {
    let mut attributes = Attributes::default();
    attributes.push("service.name", name);
    attributes.push("service.version", format!("2.{instance}"));
    attributes.push("service.instance.id", format!("{name}-{instance}"));
    attributes.push("host.name", format!("node-{instance}"));
    attributes.push("process.pid", 1000 + i64::from(instance));
    attributes.push("telemetry.sdk.language", "rust");
    Resource { attributes, ..Resource::default() }
}

fn trace(dice: &mut Dice, number: u64, resources: &[Arc<Resource>], scope: &Arc<Scope>) -> Vec<Span> {
    let trace_id = TraceId::from_halves(dice.roll(), dice.roll());
    let (user, session) = (dice.below(100_000), dice.roll());
    let count = 8 + dice.below(25) as usize;
    let mut start = EPOCH + number as i64 * 1_000_000;
    let failing = dice.below(20) == 0;
    let mut spans: Vec<Span> = Vec::with_capacity(count);
    for at in 0..count {
        let parent = if at == 0 { None } else { Some(spans[dice.below(at as u64) as usize].span_id) };
        let id = dice.below(200_000);
        let route = ROUTES[dice.below(5) as usize];
        let mut attributes = Attributes::default();
        attributes.push("user.id", format!("u-{user:07}"));
        attributes.push("thread.id", dice.below(64) as i64);
        if dice.below(2) == 0 {
            attributes.push("http.request.method", route.split(' ').next().unwrap_or_default());
            attributes.push("url.full", format!("https://shop.example.com/p/{id}?session={session:016x}&page={}", id % 40));
            attributes.push("http.response.status_code", if failing { 500 } else { 200 });
            attributes.push("server.address", format!("{}.shop.svc.cluster.local", SERVICES[dice.below(8) as usize]));
            attributes.push("server.port", 8080);
            attributes.push("http.route", route);
            attributes.push("client.address", format!("10.{}.{}.{}", id % 31, user % 251, id % 253));
        } else {
            attributes.push("db.system.name", "postgresql");
            attributes.push("db.query.text", format!("SELECT id, sku FROM products WHERE id = $1 LIMIT {}", 1 + id % 50));
            attributes.push("db.response.returned_rows", (id % 50) as i64);
            attributes.push("db.query.parameter.0", id.to_string());
            attributes.push("cache.hit", !id.is_multiple_of(5));
            attributes.push("app.basket.total", (id % 99_999) as f64 / 100.0);
        }
        let length = 5_000 + dice.below(20_000_000) as i64;
        let mut span = Span {
            trace_id,
            span_id: SpanId::from(dice.roll()),
            parent,
            flags: 1,
            name: route.into(),
            kind: SpanKind::ALL[1 + dice.below(3) as usize],
            start: UnixNanos(start),
            end: Some(UnixNanos(start + length)),
            attributes,
            resource: resources[dice.below(resources.len() as u64) as usize].clone(),
            scope: scope.clone(),
            ..Span::default()
        };
        if failing && at + 1 == count {
            span.status = Status { code: StatusCode::Error, message: format!("timeout talking to {id}").into() };
            let attributes = [("exception.type", "Timeout"), ("exception.message", "no answer")].into_iter().collect();
            let time = UnixNanos(start + length - 1_000);
            span.events = vec![Event { time, name: "exception".into(), attributes, ..Event::default() }];
            span.links = vec![Link { trace_id, span_id: spans[0].span_id, ..Link::default() }];
        }
        start += dice.below(400_000) as i64;
        spans.push(span);
    }
    spans
}

#[cfg(test)]
pub(crate) use arbitrary::any_spans;

#[cfg(test)]
mod arbitrary {
    use super::*;
    use crate::model::Value;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![3 => "[a-c]{0,2}", 1 => ".{0,12}"]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Empty),
            any_text().prop_map(Value::from),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-50_i64..50).prop_map(Value::Int),
            any::<f64>().prop_filter("NaN is not equal to itself", |number| !number.is_nan()).prop_map(Value::Double),
            (-9999_i64..9999).prop_map(|number| Value::Double(number as f64 / 100.0)),
            vec(any::<u8>(), 0..5).prop_map(|bytes| Value::Bytes(bytes.into())),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(|values| Value::Array(values.into())),
                vec(("[a-c]", inner), 0..3)
                    .prop_map(|map| Value::Map(map.into_iter().map(|(key, value)| (key.into(), value)).collect())),
            ]
        })
    }

    fn any_attributes() -> impl Strategy<Value = Attributes> {
        vec((any_text(), any_value()), 0..5).prop_map(|entries| entries.into_iter().collect())
    }

    fn any_event() -> impl Strategy<Value = Event> {
        (any::<i64>(), any_text(), any_attributes(), 0_u32..3).prop_map(|(time, name, attributes, dropped_attributes)| Event {
            time: UnixNanos(time),
            name: name.into(),
            attributes,
            dropped_attributes,
        })
    }

    fn any_link() -> impl Strategy<Value = Link> {
        (any::<[u8; 16]>(), any::<[u8; 8]>(), any_text(), any::<u32>(), any_attributes()).prop_map(
            |(trace, span, state, flags, attributes)| Link {
                trace_id: TraceId(trace),
                span_id: SpanId(span),
                trace_state: state.into(),
                flags,
                attributes,
                dropped_attributes: flags % 3,
            },
        )
    }

    fn any_resource() -> impl Strategy<Value = Arc<Resource>> {
        (any_text(), any_attributes(), any_text(), 0_u32..2).prop_map(|(name, mut attributes, url, dropped_attributes)| {
            attributes.push("service.name", name);
            Arc::new(Resource { attributes, schema_url: url.into(), dropped_attributes })
        })
    }

    fn any_scope() -> impl Strategy<Value = Arc<Scope>> {
        (any_text(), any_text(), any_attributes()).prop_map(|(name, version, attributes)| {
            Arc::new(Scope { name: name.into(), version: version.into(), attributes, ..Scope::default() })
        })
    }

    fn any_span() -> impl Strategy<Value = Span> {
        let ids = (0_u8..3, 0_u64..6, proptest::option::of(1_u64..6));
        let times = prop_oneof![3 => 0_i64..1_000, 1 => any::<i64>().prop_filter("in flight", |time| *time != i64::MIN)];
        let texts = (any_text(), any_text(), any_text(), 0_usize..6, 0_u64..3, any::<u32>());
        let lists = (any_attributes(), vec(any_event(), 0..3), vec(any_link(), 0..3));
        (ids, (times.clone(), proptest::option::of(times)), texts, lists, any_resource(), any_scope()).prop_map(
            |((trace, id, parent), (start, end), (name, state, message, kind, status, flags), lists, resource, scope)| Span {
                trace_id: TraceId([trace; 16]),
                span_id: SpanId::from(id),
                parent: parent.map(SpanId::from),
                trace_state: state.into(),
                flags,
                name: name.into(),
                kind: SpanKind::ALL[kind],
                start: UnixNanos(start),
                end: end.map(UnixNanos),
                attributes: lists.0,
                dropped_attributes: flags % 2,
                events: lists.1,
                dropped_events: flags % 3,
                links: lists.2,
                dropped_links: flags % 5,
                status: Status { code: StatusCode::from_number(status), message: message.into() },
                resource,
                scope,
            },
        )
    }

    /// Up to `most` spans with everything OTLP can say, in three traces.
    pub(crate) fn any_spans(most: usize) -> impl Strategy<Value = Vec<Span>> {
        vec(any_span(), 1..=most)
    }
}
