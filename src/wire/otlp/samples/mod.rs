//! OTLP metrics as Prometheus samples.
//!
//! Source of the mapping: `storage/remote/otlptranslator` of Prometheus 3 and the compatibility chapter of the
//! OpenTelemetry specification. Names: [`names`]. `job` is namespace/name, `instance` the instance id of the service; the
//! other resource attributes go into `target_info`. Histograms become `_bucket`, `_sum` and `_count` (or one native
//! histogram with custom buckets), exponential ones native histograms, summaries quantiles. A point without a recorded
//! value is a stale marker. Points of delta temporality are marked, and whoever keeps the sums makes them cumulative.

mod labels;
mod names;
mod points;
#[cfg(test)]
mod tests;

pub use names::Escaping;

use self::labels::{IDENTIFYING, LabelNames, Pairs, label_text, put_set, target};
use self::points::{Buckets, Exponential, Point, Quantiles, RawExemplar};
use super::super::native::{self, FINEST};
use super::super::redact::Redaction;
use super::pb::{Fault, Field, Fields, Read, Within, broken};
use super::value::Texts;
use super::{DecodeError, Rejection};
use crate::model::histogram::CUSTOM_BUCKETS_SCHEMA;
use crate::model::resource::UNKNOWN_SERVICE;
use crate::model::sample::STALE_NAN;
use crate::model::{Exemplar, FloatHistogram, Labels, MetricKind, MetricMetadata, SampleBatch, SampleValue, Value};
use smol_str::SmolStr;
use std::collections::HashSet;
use std::sync::Arc;

/// Zero threshold of exponential histograms that name none.
const ZERO_THRESHOLD: f64 = 1e-128;
/// `target_info` is repeated this often between the first and the last sample, in milliseconds: half the look-back.
const TARGET_INFO_EVERY_MS: i64 = 150_000;
/// Samples of `target_info` for one resource in one payload.
const MOST_TARGET_INFO: i64 = 1_000;
/// Characters of an exemplar's labels, names and values together.
const EXEMPLAR_RUNES: usize = 128;
/// Nanoseconds in a millisecond.
const NANOS_A_MILLI: u64 = 1_000_000;

/// How metrics are mapped.
#[derive(Clone, Copy, Default)]
pub struct MetricOptions<'a> {
    /// Keys whose values are masked; `None` masks nothing.
    pub redaction: Option<&'a Redaction>,
    /// How names are written.
    pub escaping: Escaping,
    /// Explicit-bucket histograms become one native histogram with custom buckets.
    pub custom_buckets: bool,
}

/// Samples and what was refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecodedMetrics {
    /// The samples. Those of delta temporality are still deltas.
    pub batch: SampleBatch,
    /// Numbers of the series in the batch whose samples are deltas, rising.
    pub deltas: Vec<u32>,
    /// Data points by service, refused ones left out, in the order they first appear.
    pub points: Vec<(SmolStr, u64)>,
    /// Data points refused, by service.
    pub rejected: Vec<Rejection>,
    /// Values masked.
    pub masked: u64,
}

impl DecodedMetrics {
    /// Data points refused.
    pub fn rejected_count(&self) -> u64 {
        self.rejected.iter().map(|rejection| rejection.count).sum()
    }

    /// The text of a partial success; empty when all is well.
    pub fn message(&self) -> String {
        let line = |rejection: &Rejection| {
            let Rejection { service, count, reason } = rejection;
            format!("rejected {count} data points of {service}: {reason}")
        };
        self.rejected.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

/// Reads an `ExportMetricsServiceRequest` (or a `MetricsData`, which has the same form).
pub fn decode_metrics(body: &[u8], options: MetricOptions<'_>) -> Result<DecodedMetrics, DecodeError> {
    let mut walk = Walk {
        texts: Texts::new(options.redaction),
        names: LabelNames::new(options.escaping),
        options,
        out: DecodedMetrics::default(),
        families: HashSet::new(),
        informed: HashSet::new(),
        target: Pairs::new(),
        service: SmolStr::default(),
        span: None,
    };
    walk.request(body).map_err(|broken| DecodeError::protobuf("ExportMetricsServiceRequest", body, &broken))?;
    walk.out.masked = walk.texts.masked;
    Ok(walk.out)
}

/// What a metric's points share.
struct Metric {
    name: String,
    /// True when the points are changes since the last ones.
    delta: bool,
}

struct Walk<'a> {
    texts: Texts<'a>,
    names: LabelNames,
    options: MetricOptions<'a>,
    out: DecodedMetrics,
    families: HashSet<String>,
    /// Sets of `target_info` with a time, so that one payload says it once.
    informed: HashSet<(Vec<u8>, i64)>,
    target: Pairs,
    service: SmolStr,
    /// First and last sample of the resource, in milliseconds.
    span: Option<(i64, i64)>,
}

impl Walk<'_> {
    fn request(&mut self, body: &[u8]) -> Read<()> {
        let mut fields = Fields::new(body);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(message)) => {
                    self.resource_metrics(message).within("resource_metrics", index)?;
                    index += 1;
                }
                (1, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        Ok(())
    }

    fn resource_metrics(&mut self, message: &[u8]) -> Read<()> {
        let mut attributes = Vec::new();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(resource)) => {
                    let mut fields = Fields::new(resource);
                    while let Some(field) = fields.next()? {
                        if let (1, Field::Bytes(bytes)) = field {
                            attributes.push(self.texts.owned_attr(bytes).inside("resource")?);
                        }
                    }
                }
                (1, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        self.target = target(&attributes);
        let service = attributes.iter().find(|(key, _)| key == "service.name").map(|(_, value)| label_text(value));
        self.service = service.filter(|name| !name.is_empty()).unwrap_or_else(|| UNKNOWN_SERVICE.into());
        self.span = None;
        let mut fields = Fields::new(message);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            match field {
                (2, Field::Bytes(scope)) => {
                    self.scope_metrics(scope).within("scope_metrics", index)?;
                    index += 1;
                }
                (2, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        self.target_info(attributes);
        Ok(())
    }

    fn scope_metrics(&mut self, message: &[u8]) -> Read<()> {
        let mut fields = Fields::new(message);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            match field {
                (2, Field::Bytes(metric)) => {
                    self.metric(metric).within("metrics", index)?;
                    index += 1;
                }
                (2, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        Ok(())
    }

    fn metric(&mut self, message: &[u8]) -> Read<()> {
        let (mut name, mut help, mut unit) = (&[][..], &[][..], &[][..]);
        let mut of_kind = None;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) => name = bytes,
                (2, Field::Bytes(bytes)) => help = bytes,
                (3, Field::Bytes(bytes)) => unit = bytes,
                (number @ (5 | 7 | 9 | 10 | 11), Field::Bytes(bytes)) => of_kind = Some((number, bytes)),
                (1..=3 | 5 | 7 | 9..=11, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        let Some((number, content)) = of_kind else { return Ok(()) };
        let (name, unit) = (self.texts.text(name).into_owned(), self.texts.text(unit).into_owned());
        let (mut temporality, mut monotonic) = (0, false);
        let mut fields = Fields::new(content);
        while let Some(field) = fields.next()? {
            match field {
                (2, Field::Varint(value)) if number != 5 && number != 11 => temporality = value,
                (3, Field::Varint(value)) if number == 7 => monotonic = value != 0,
                (1, Field::Bytes(_)) => {}
                (1, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        let kind = match number {
            7 if monotonic => MetricKind::Counter,
            5 | 7 => MetricKind::Gauge,
            11 => MetricKind::Summary,
            _ => MetricKind::Histogram,
        };
        // Unit `1` makes a `_ratio` of gauges only, not of sums that go up and down.
        let named_as = if number == 7 && !monotonic { MetricKind::Unknown } else { kind };
        let translated = names::metric_name(&name, &unit, named_as, self.options.escaping);
        let metric = translated.map(|name| Metric { name, delta: temporality == 1 });
        let mut fields = Fields::new(content);
        let mut index = 0;
        let mut any = false;
        while let Some(field) = fields.next()? {
            let (1, Field::Bytes(point)) = field else { continue };
            let taken = match (&metric, number) {
                (None, _) => Err(format!("the metric name {name:?} has nothing that a name is made of")),
                (Some(_), 7 | 9 | 10) if temporality == 0 => {
                    Err(format!("metric {name:?} has no aggregation temporality: set delta or cumulative"))
                }
                (Some(metric), 5 | 7) => self.number(metric, point).within("data_points", index)?,
                (Some(metric), 9) => self.histogram(metric, point).within("data_points", index)?,
                (Some(metric), 10) => self.exponential(metric, point).within("data_points", index)?,
                (Some(metric), _) => self.summary(metric, point).within("data_points", index)?,
            };
            index += 1;
            match taken {
                Ok(()) => {
                    any = true;
                    self.count(1);
                }
                Err(reason) => self.reject(reason),
            }
        }
        if let (Some(metric), true) = (metric, any)
            && self.families.insert(metric.name.clone())
        {
            let unit = names::unit_word(unit.split(['/', '{']).next().unwrap_or_default().trim()).into();
            let help = self.texts.text(help).into();
            self.out.batch.metadata.push(MetricMetadata { family: metric.name.into(), kind, help, unit });
        }
        Ok(())
    }

    fn count(&mut self, points: u64) {
        let service = &self.service;
        match self.out.points.iter_mut().rev().find(|(known, _)| known == service) {
            Some((_, sum)) => *sum += points,
            None => self.out.points.push((service.clone(), points)),
        }
    }

    fn reject(&mut self, reason: String) {
        let service = &self.service;
        match self.out.rejected.iter_mut().find(|rejection| rejection.service == *service) {
            Some(rejection) => rejection.count += 1,
            None => self.out.rejected.push(Rejection { service: service.clone(), count: 1, reason }),
        }
    }

    /// Begins a series and pushes its one sample.
    #[expect(clippy::too_many_arguments, reason = "what makes a series, in one place")]
    fn push(
        &mut self,
        metric: &Metric,
        suffix: &str,
        pairs: &Pairs,
        more: Option<(&str, &str)>,
        point: &Point,
        value: SampleValue,
        delta: bool,
    ) {
        let batch = &mut self.out.batch;
        let start = batch.labels.len() as u32;
        if suffix.is_empty() {
            put_set(&mut batch.labels, pairs, &metric.name, more);
        } else {
            put_set(&mut batch.labels, pairs, &format!("{}{suffix}", metric.name), more);
        }
        batch.begin_packed(start);
        let time = point.millis();
        batch.push(time, value);
        if delta {
            self.out.deltas.push(batch.series.len() as u32 - 1);
        }
        let started = point.start_millis();
        if (started != 0 && started < time) || !batch.starts.is_empty() {
            batch.starts.resize(batch.times.len(), 0);
            if let Some(last) = batch.starts.last_mut().filter(|_| started < time) {
                *last = started;
            }
        }
        self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
    }

    fn number(&mut self, metric: &Metric, message: &[u8]) -> Read<Result<(), String>> {
        let (mut point, value) = points::number(message, &mut self.texts)?;
        if let Err(reason) = check_time(&point) {
            return Ok(Err(reason));
        }
        let pairs = self.names.pairs(std::mem::take(&mut point.attributes), &self.target);
        let value = if point.no_value { STALE_NAN } else { value };
        self.push(metric, "", &pairs, None, &point, SampleValue::Float(value), metric.delta && !point.no_value);
        self.exemplars(&point.exemplars, |_| true, self.out.batch.series.len());
        Ok(Ok(()))
    }

    fn histogram(&mut self, metric: &Metric, message: &[u8]) -> Read<Result<(), String>> {
        let (mut point, buckets) = points::histogram(message, &mut self.texts)?;
        let checked = check_time(&point).and_then(|()| check_buckets(&buckets));
        if let Err(reason) = checked {
            return Ok(Err(reason));
        }
        let pairs = self.names.pairs(std::mem::take(&mut point.attributes), &self.target);
        let delta = metric.delta && !point.no_value;
        if self.options.custom_buckets {
            let histogram = custom(&point, buckets);
            self.push(metric, "", &pairs, None, &point, SampleValue::Histogram(Arc::new(histogram)), delta);
            self.exemplars(&point.exemplars, |_| true, self.out.batch.series.len());
            return Ok(Ok(()));
        }
        let float = |value: f64| SampleValue::Float(if point.no_value { STALE_NAN } else { value });
        if let Some(sum) = buckets.sum.or(point.no_value.then_some(0.0)) {
            self.push(metric, "_sum", &pairs, None, &point, float(sum), delta);
        }
        self.push(metric, "_count", &pairs, None, &point, float(buckets.count as f64), delta);
        let (mut cumulative, mut below) = (0_u64, f64::NEG_INFINITY);
        for (bound, count) in buckets.bounds.iter().zip(&buckets.counts) {
            cumulative = cumulative.saturating_add(*count);
            let le = number_text(*bound);
            self.push(metric, "_bucket", &pairs, Some(("le", &le)), &point, float(cumulative as f64), delta);
            let inside = |value: f64| value > below && value <= *bound;
            self.exemplars(&point.exemplars, inside, self.out.batch.series.len());
            below = *bound;
        }
        self.push(metric, "_bucket", &pairs, Some(("le", "+Inf")), &point, float(buckets.count as f64), delta);
        self.exemplars(&point.exemplars, |value| value > below, self.out.batch.series.len());
        Ok(Ok(()))
    }

    fn exponential(&mut self, metric: &Metric, message: &[u8]) -> Read<Result<(), String>> {
        let (mut point, raw) = points::exponential(message, &mut self.texts)?;
        let made = check_time(&point).and_then(|()| native(&point, raw));
        let histogram = match made {
            Ok(histogram) => histogram,
            Err(reason) => return Ok(Err(reason)),
        };
        let pairs = self.names.pairs(std::mem::take(&mut point.attributes), &self.target);
        let delta = metric.delta && !point.no_value;
        self.push(metric, "", &pairs, None, &point, SampleValue::Histogram(Arc::new(histogram)), delta);
        self.exemplars(&point.exemplars, |_| true, self.out.batch.series.len());
        Ok(Ok(()))
    }

    fn summary(&mut self, metric: &Metric, message: &[u8]) -> Read<Result<(), String>> {
        let (mut point, quantiles): (Point, Quantiles) = points::summary(message, &mut self.texts)?;
        if let Err(reason) = check_time(&point) {
            return Ok(Err(reason));
        }
        let pairs = self.names.pairs(std::mem::take(&mut point.attributes), &self.target);
        let float = |value: f64| SampleValue::Float(if point.no_value { STALE_NAN } else { value });
        self.push(metric, "_sum", &pairs, None, &point, float(quantiles.sum), false);
        self.push(metric, "_count", &pairs, None, &point, float(quantiles.count as f64), false);
        for (quantile, value) in quantiles.values {
            let quantile = number_text(quantile);
            self.push(metric, "", &pairs, Some(("quantile", &quantile)), &point, float(value), false);
        }
        Ok(Ok(()))
    }

    /// Attaches those exemplars of a point whose value fits to the series pushed last; `series` is how many there are.
    fn exemplars(&mut self, raw: &[RawExemplar], fits: impl Fn(f64) -> bool, series: usize) {
        for exemplar in raw.iter().filter(|exemplar| fits(exemplar.value)) {
            let mut runes = 0;
            let mut labels: Vec<(SmolStr, SmolStr)> = Vec::new();
            for (name, id, length) in [("trace_id", &exemplar.trace_id, 16), ("span_id", &exemplar.span_id, 8)] {
                if id.len() == length && id.iter().any(|byte| *byte != 0) {
                    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
                    runes += name.len() + hex.len();
                    labels.push((name.into(), hex.into()));
                }
            }
            let filtered = self.names.pairs(exemplar.attributes.clone(), &Pairs::new());
            let more: usize = filtered.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
            if runes + more <= EXEMPLAR_RUNES {
                labels.extend(filtered);
            }
            let time = (exemplar.time / NANOS_A_MILLI) as i64;
            let exemplar = Exemplar { labels: Labels::new(labels), value: exemplar.value, time };
            self.out.batch.exemplars.push((series as u32 - 1, exemplar));
        }
    }

    /// The other attributes of a resource, as long as its samples last.
    fn target_info(&mut self, mut attributes: Vec<(SmolStr, Value)>) {
        let Some((first, last)) = self.span else { return };
        attributes.retain(|(key, _)| !IDENTIFYING.contains(&key.as_str()));
        if attributes.is_empty() || self.target.is_empty() {
            return;
        }
        let pairs = self.names.pairs(attributes, &self.target);
        if pairs.len() == self.target.len() {
            return;
        }
        let mut set = Vec::new();
        put_set(&mut set, &pairs, "target_info", None);
        let every = TARGET_INFO_EVERY_MS.max((last - first) / MOST_TARGET_INFO);
        let mut times: Vec<i64> = (0..).map(|at| first + at * every).take_while(|time| *time < last).collect();
        times.push(last);
        times.retain(|time| self.informed.insert((set.clone(), *time)));
        if times.is_empty() {
            return;
        }
        let batch = &mut self.out.batch;
        let start = batch.labels.len() as u32;
        batch.labels.extend_from_slice(&set);
        batch.begin_packed(start);
        for time in times {
            batch.push_float(time, 1.0);
        }
        if !batch.starts.is_empty() {
            batch.starts.resize(batch.times.len(), 0);
        }
        if self.families.insert("target_info".to_owned()) {
            let (family, help) = ("target_info".into(), "Target metadata".into());
            batch.metadata.push(MetricMetadata { family, kind: MetricKind::Gauge, help, unit: SmolStr::default() });
        }
    }
}

fn check_time(point: &Point) -> Result<(), String> {
    if point.time == 0 {
        return Err("a data point has no time".to_owned());
    }
    if i64::try_from(point.time).is_err() {
        return Err("a data point has a time beyond the year 2262".to_owned());
    }
    Ok(())
}

fn check_buckets(buckets: &Buckets) -> Result<(), String> {
    let (counts, bounds) = (buckets.counts.len(), buckets.bounds.len());
    if counts != 0 && counts != bounds + 1 {
        return Err(format!("a histogram has {bounds} bounds and {counts} buckets, not one more"));
    }
    if buckets.bounds.windows(2).any(|pair| pair[0] >= pair[1]) || buckets.bounds.iter().any(|bound| bound.is_nan()) {
        return Err("the bounds of a histogram do not rise".to_owned());
    }
    Ok(())
}

/// An exponential histogram as a native one: bucket i of OTLP ends where bucket i + 1 of Prometheus does.
fn native(point: &Point, raw: Exponential) -> Result<FloatHistogram, String> {
    if raw.scale < native::COARSEST {
        return Err(format!("cannot convert exponential to native histogram: scale must be >= -4, was {}", raw.scale));
    }
    let down = (raw.scale - FINEST).clamp(0, 63) as u32;
    let side = |(offset, counts): &(i32, Vec<u64>)| {
        let mut buckets: Vec<(i32, f64)> = Vec::new();
        for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let index = ((i64::from(*offset) + at as i64) >> down) + 1;
            let index = i32::try_from(index).map_err(|_| format!("bucket index {index} is out of range"))?;
            match buckets.last_mut() {
                Some((last, sum)) if *last == index => *sum += *count as f64,
                _ => buckets.push((index, *count as f64)),
            }
        }
        Ok::<_, String>(native::spanned(buckets))
    };
    let (positive_spans, positive_buckets) = side(&raw.positive)?;
    let (negative_spans, negative_buckets) = side(&raw.negative)?;
    let mut histogram = FloatHistogram {
        schema: raw.scale.min(FINEST),
        zero_threshold: if raw.zero_threshold == 0.0 { ZERO_THRESHOLD } else { raw.zero_threshold },
        zero_count: raw.zero_count as f64,
        count: raw.count as f64,
        sum: raw.sum.unwrap_or_default(),
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        ..FloatHistogram::default()
    };
    if point.no_value {
        (histogram.sum, histogram.count) = (STALE_NAN, STALE_NAN);
    }
    native::check(&mut histogram)?;
    Ok(histogram)
}

/// An explicit-bucket histogram as a native one with custom buckets.
fn custom(point: &Point, buckets: Buckets) -> FloatHistogram {
    let mut bounds = buckets.bounds;
    if bounds.last() == Some(&f64::INFINITY) {
        bounds.pop();
    }
    let counts: Vec<f64> = buckets.counts.iter().map(|count| *count as f64).collect();
    let (positive_spans, positive_buckets) =
        native::spanned(counts.into_iter().enumerate().filter(|(_, count)| *count > 0.0).map(|(at, count)| (at as i32, count)));
    FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: if point.no_value { STALE_NAN } else { buckets.count as f64 },
        sum: if point.no_value { STALE_NAN } else { buckets.sum.unwrap_or_default() },
        positive_spans,
        positive_buckets,
        custom_values: bounds.into(),
        ..FloatHistogram::default()
    }
}

/// A bound or quantile as it stands in a label.
fn number_text(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}
