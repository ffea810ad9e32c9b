//! The metrics of one service: request durations with exemplars, orders, queue depth; as OTLP/JSON, cumulative.

use crate::context::SpanContext;
use crate::model::{Resource, UnixNanos};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bucket bounds that the semantic conventions advise for `http.server.request.duration`, seconds.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u32 = 2;

type Labels = Vec<(&'static str, String)>;

#[derive(Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
    least: f64,
    most: f64,
    exemplar: Option<(UnixNanos, f64, SpanContext)>,
}

/// See the module comment.
pub(super) struct Meter {
    resource: Arc<Resource>,
    start: UnixNanos,
    requests: Mutex<BTreeMap<Labels, Histogram>>,
    orders: Mutex<BTreeMap<Labels, u64>>,
    depth: AtomicI64,
    has_queue: bool,
}

fn attributes(labels: &Labels) -> Value {
    let one = |(key, value): &(&str, String)| match value.parse::<i64>() {
        Ok(_) => json!({"key": key, "value": {"intValue": value}}),
        Err(_) => json!({"key": key, "value": {"stringValue": value}}),
    };
    labels.iter().map(one).collect()
}

impl Meter {
    pub(super) fn new(resource: Arc<Resource>) -> Self {
        let has_queue = resource.service_name() == "email";
        let (requests, orders, depth) = Default::default();
        Self { resource, start: super::cast::now(), requests, orders, depth, has_queue }
    }

    /// Counts an answered request.
    pub(super) fn request(&self, method: &str, route: &str, status: u16, took: Duration, context: &SpanContext) {
        let labels = vec![
            ("http.request.method", method.to_owned()),
            ("http.route", route.to_owned()),
            ("http.response.status_code", status.to_string()),
            ("url.scheme", "http".to_owned()),
        ];
        let seconds = took.as_secs_f64();
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = requests.entry(labels).or_default();
        if histogram.buckets == [0; BOUNDS.len() + 1] {
            histogram.least = seconds;
        }
        histogram.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        histogram.sum += seconds;
        histogram.least = histogram.least.min(seconds);
        histogram.most = histogram.most.max(seconds);
        histogram.exemplar = Some((super::cast::now(), seconds, context.clone()));
    }

    /// Counts an order.
    pub(super) fn order(&self, payment: &str, outcome: &str) {
        let labels = vec![("shop.payment.method", payment.to_owned()), ("shop.order.outcome", outcome.to_owned())];
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default() += 1;
    }

    /// Tells how many messages wait.
    pub(super) fn queue_depth(&self, messages: i64) {
        self.depth.store(messages, Ordering::Relaxed);
    }

    /// The service's `resourceMetrics`, or nothing while there is nothing to tell.
    pub(super) fn collect(&self, now: UnixNanos) -> Option<Value> {
        let times = |mut point: Value| {
            point["startTimeUnixNano"] = json!(self.start.0.to_string());
            point["timeUnixNano"] = json!(now.0.to_string());
            point
        };
        let mut metrics = Vec::new();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let points: Vec<Value> = requests.iter().map(|(labels, histogram)| times(histogram.point(labels))).collect();
        drop(requests);
        if !points.is_empty() {
            metrics.push(json!({
                "name": "http.server.request.duration", "unit": "s", "description": "Duration of HTTP server requests.",
                "histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": points},
            }));
        }
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let points: Vec<Value> = orders
            .iter()
            .map(|(labels, count)| times(json!({"attributes": attributes(labels), "asInt": count.to_string()})))
            .collect();
        drop(orders);
        if !points.is_empty() {
            metrics.push(json!({
                "name": "shop.orders", "unit": "{order}", "description": "Orders by outcome.",
                "sum": {"aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points},
            }));
        }
        if self.has_queue {
            let labels = vec![("messaging.system", "kafka".to_owned()), ("messaging.destination.name", "orders".to_owned())];
            let depth = self.depth.load(Ordering::Relaxed).max(0).to_string();
            metrics.push(json!({
                "name": "shop.queue.depth", "unit": "{message}", "description": "Messages that wait for the consumer.",
                "gauge": {"dataPoints": [times(json!({"attributes": attributes(&labels), "asInt": depth}))]},
            }));
        }
        if metrics.is_empty() {
            return None;
        }
        let resource: Labels = self
            .resource
            .attributes
            .0
            .iter()
            .filter_map(|(key, value)| RESOURCE_KEYS.iter().find(|known| **known == *key).map(|key| (*key, value.to_string())))
            .collect();
        Some(json!({
            "resource": {"attributes": attributes(&resource)},
            "scopeMetrics": [{"scope": {"name": "shop"}, "metrics": metrics}],
        }))
    }
}

/// Resource attributes that metrics carry.
const RESOURCE_KEYS: [&str; 7] = [
    "service.name",
    "service.version",
    "service.namespace",
    "service.instance.id",
    "host.name",
    "process.pid",
    "deployment.environment.name",
];

impl Histogram {
    fn point(&self, labels: &Labels) -> Value {
        let counts: Vec<String> = self.buckets.iter().map(u64::to_string).collect();
        let total: u64 = self.buckets.iter().sum();
        let exemplars: Vec<Value> = self
            .exemplar
            .iter()
            .map(|(time, seconds, context)| {
                let (trace, span) = (context.trace_id.to_string(), context.span_id.to_string());
                json!({"timeUnixNano": time.0.to_string(), "asDouble": seconds, "traceId": trace, "spanId": span})
            })
            .collect();
        json!({
            "attributes": attributes(labels), "count": total.to_string(), "sum": self.sum, "min": self.least, "max": self.most,
            "bucketCounts": counts, "explicitBounds": BOUNDS, "exemplars": exemplars,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Signal;
    use crate::wire::otlp::{count_metrics, json::to_protobuf};

    #[test]
    fn what_is_measured_is_valid_otlp() {
        let meter = Meter::new(Arc::new(Resource::service("email")));
        for millis in [3, 80, 20_000] {
            meter.request("GET", "/x", 200, Duration::from_millis(millis), &SpanContext::default());
        }
        meter.order("card", "placed");
        meter.queue_depth(2);
        let collected = meter.collect(UnixNanos(5)).unwrap();
        let metrics = collected["scopeMetrics"][0]["metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), 3);
        let point = &metrics[0]["histogram"]["dataPoints"][0];
        assert_eq!((point["count"].as_str(), point["max"].as_f64()), (Some("3"), Some(20.0)));
        let text = json!({"resourceMetrics": [collected]}).to_string();
        let converted = to_protobuf(Signal::Metrics, text.as_bytes()).unwrap();
        assert_eq!(count_metrics(&converted.payload).unwrap().total(), 3);
    }
}
