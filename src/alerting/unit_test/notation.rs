//! Series in promtool's notation: `1 2x3 0+10x5 _ _x2 stale {{sum:3 count:2 buckets:[2]}}+{{count:1}}x2`.
//!
//! `ax n` is a value and n repetitions, `a+bx n` n steps more; `_` is no sample. A hexadecimal number is none here, because of
//! the `x`. Grammar: Prometheus' series descriptions (`promql/parser/generated_parser.y`).

use crate::alerting::go_text;
use crate::model::histogram::CUSTOM_BUCKETS_SCHEMA;
use crate::model::sample::STALE_NAN;
use crate::model::{BucketSpan, FloatHistogram, ResetHint};

/// Most values of one series.
const MAX_VALUES: u64 = 10_000_000;

/// One part of a series.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// No samples for so many places.
    Omitted(u64),
    /// A number, then so many more with a step between.
    Numbers {
        /// First.
        base: f64,
        /// Added each time.
        step: f64,
        /// How many more.
        times: u64,
    },
    /// A histogram, then so many more, each with another added or taken away.
    Histograms {
        /// First.
        base: Box<FloatHistogram>,
        /// Added, or with `true` taken away.
        step: Option<(Box<FloatHistogram>, bool)>,
        /// How many more.
        times: u64,
    },
}

/// Reads the values of a series.
pub fn parse_values(text: &str) -> Result<Vec<Item>, String> {
    let mut reader = Reader { text, at: 0 };
    let (mut items, mut total) = (Vec::new(), 0_u64);
    loop {
        reader.spaces();
        if reader.rest().is_empty() {
            return Ok(items);
        }
        let item = reader.item()?;
        total = total.saturating_add(match &item {
            Item::Omitted(times) => *times,
            Item::Numbers { times, .. } | Item::Histograms { times, .. } => times.saturating_add(1),
        });
        if total > MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} values in one series"));
        }
        items.push(item);
        if !reader.rest().is_empty() && !reader.rest().starts_with(char::is_whitespace) {
            return Err(reader.error("a space or the end of the values"));
        }
    }
}

/// Reads one histogram.
pub fn parse_histogram(text: &str) -> Result<FloatHistogram, String> {
    let mut reader = Reader { text, at: 0 };
    reader.spaces();
    let histogram = reader.histogram()?;
    reader.spaces();
    if reader.rest().is_empty() { Ok(histogram) } else { Err(reader.error("the end of the histogram")) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, wanted: &str) -> String {
        let found: String = self.rest().chars().take(20).collect();
        format!("{}: parse error: expected {wanted}, found {found:?}", self.text[..self.at].chars().count() + 1)
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    fn item(&mut self) -> Result<Item, String> {
        if self.accept("_") {
            return Ok(Item::Omitted(self.times()?.unwrap_or(1)));
        }
        if self.rest().starts_with("{{") {
            let base = Box::new(self.histogram()?);
            let sign = if self.rest().starts_with("+{{") {
                Some(false)
            } else if self.rest().starts_with("-{{") {
                Some(true)
            } else {
                None
            };
            let Some(negative) = sign else {
                return Ok(Item::Histograms { base, step: None, times: self.times()?.unwrap_or(0) });
            };
            self.at += 1;
            let step = Box::new(self.histogram()?);
            let times = self.times()?.ok_or_else(|| self.error("x and a number of times"))?;
            return Ok(Item::Histograms { base, step: Some((step, negative)), times });
        }
        let base = if self.accept("stale") { STALE_NAN } else { self.number()? };
        if self.rest().starts_with(['+', '-']) {
            let step = self.number()?;
            let times = self.times()?.ok_or_else(|| self.error("x and a number of times"))?;
            return Ok(Item::Numbers { base, step, times });
        }
        Ok(Item::Numbers { base, step: 0.0, times: self.times()?.unwrap_or(0) })
    }

    /// `xN`, if it stands here.
    fn times(&mut self) -> Result<Option<u64>, String> {
        if !self.accept("x") {
            return Ok(None);
        }
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let times = rest[..digits].parse().map_err(|_| self.error("a number of times"))?;
        self.at += digits;
        Ok(Some(times))
    }

    fn number(&mut self) -> Result<f64, String> {
        let rest = self.rest();
        let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        let sign = if rest.starts_with('-') { -1.0 } else { 1.0 };
        let lower: String = unsigned.chars().take(3).collect::<String>().to_ascii_lowercase();
        let (value, length) = match lower.as_str() {
            "inf" => (f64::INFINITY, 3),
            "nan" => (f64::from_bits(crate::model::sample::NORMAL_NAN_BITS), 3),
            _ => {
                let mut length = 0;
                for (at, c) in unsigned.char_indices() {
                    let exponent_sign = matches!(c, '+' | '-') && unsigned[..at].ends_with(['e', 'E']);
                    if !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '_') || exponent_sign) {
                        break;
                    }
                    length = at + c.len_utf8();
                }
                let digits = unsigned[..length].replace('_', "");
                (digits.parse().map_err(|_| self.error("a number"))?, length)
            }
        };
        self.at += rest.len() - unsigned.len() + length;
        Ok(sign * value)
    }

    /// `{{key:value …}}`.
    fn histogram(&mut self) -> Result<FloatHistogram, String> {
        if !self.accept("{{") {
            return Err(self.error("a histogram in {{ }}"));
        }
        let mut histogram = FloatHistogram::default();
        let (mut offset, mut negative_offset) = (0, 0);
        loop {
            self.spaces();
            if self.accept("}}") {
                break;
            }
            let rest = self.rest();
            let end = rest.find(':').ok_or_else(|| self.error("a field and a colon"))?;
            let key = &rest[..end];
            self.at += end + 1;
            match key {
                "schema" => histogram.schema = self.number()? as i32,
                "sum" => histogram.sum = self.number()?,
                "count" => histogram.count = self.number()?,
                "z_bucket" => histogram.zero_count = self.number()?,
                "z_bucket_w" => histogram.zero_threshold = self.number()?,
                "offset" => offset = self.number()? as i32,
                "n_offset" => negative_offset = self.number()? as i32,
                "buckets" => histogram.positive_buckets = self.list()?,
                "n_buckets" => histogram.negative_buckets = self.list()?,
                "custom_values" => histogram.custom_values = self.list()?.into(),
                "counter_reset_hint" => {
                    let words = [
                        ("unknown", ResetHint::Unknown),
                        ("not_reset", ResetHint::NotReset),
                        ("reset", ResetHint::Reset),
                        ("gauge", ResetHint::Gauge),
                    ];
                    let found = words.into_iter().find(|(word, _)| self.accept(word));
                    histogram.reset = found.ok_or_else(|| self.error("unknown, reset, not_reset or gauge"))?.1;
                }
                _ => return Err(format!("bad histogram descriptor found: {key:?}")),
            }
        }
        let span = |offset: i32, buckets: &[f64]| match buckets.len() {
            0 => Vec::new(),
            length => vec![BucketSpan { offset, length: u32::try_from(length).unwrap_or(u32::MAX) }],
        };
        histogram.positive_spans = span(offset, &histogram.positive_buckets);
        histogram.negative_spans = span(negative_offset, &histogram.negative_buckets);
        Ok(histogram)
    }

    /// `[1 2 3]`.
    fn list(&mut self) -> Result<Vec<f64>, String> {
        if !self.accept("[") {
            return Err(self.error("a list in [ ]"));
        }
        let mut found = Vec::new();
        loop {
            self.spaces();
            if self.accept("]") {
                return Ok(found);
            }
            found.push(self.number()?);
        }
    }
}

/// Writes a histogram, one run of buckets from the first to the last that count something.
pub fn write_histogram(histogram: &FloatHistogram) -> String {
    let mut parts = Vec::new();
    if histogram.schema != 0 {
        parts.push(format!("schema:{}", histogram.schema));
    }
    let numbers = [
        ("count", histogram.count),
        ("sum", histogram.sum),
        ("z_bucket", histogram.zero_count),
        ("z_bucket_w", histogram.zero_threshold),
    ];
    let there = numbers.iter().filter(|(_, value)| *value != 0.0);
    parts.extend(there.map(|(key, value)| format!("{key}:{}", go_text::float(*value))));
    let list = |values: &[f64]| {
        let texts: Vec<String> = values.iter().map(|value| go_text::float(*value)).collect();
        format!("[{}]", texts.join(" "))
    };
    if histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        parts.push(format!("custom_values:{}", list(&histogram.custom_values)));
    }
    match histogram.reset {
        ResetHint::Unknown => {}
        ResetHint::Reset => parts.push("counter_reset_hint:reset".to_owned()),
        ResetHint::NotReset => parts.push("counter_reset_hint:not_reset".to_owned()),
        ResetHint::Gauge => parts.push("counter_reset_hint:gauge".to_owned()),
    }
    for (offset_key, key, spans, buckets) in [
        ("offset", "buckets", &histogram.positive_spans, &histogram.positive_buckets),
        ("n_offset", "n_buckets", &histogram.negative_spans, &histogram.negative_buckets),
    ] {
        let (offset, values) = one_run(spans, buckets);
        if offset != 0 && !values.is_empty() {
            parts.push(format!("{offset_key}:{offset}"));
        }
        if !values.is_empty() {
            parts.push(format!("{key}:{}", list(&values)));
        }
    }
    format!("{{{{{}}}}}", parts.join(" "))
}

/// The index of the first bucket that counts something, and the buckets from there to the last that does.
fn one_run(spans: &[BucketSpan], buckets: &[f64]) -> (i32, Vec<f64>) {
    let (mut index, mut next, mut dense) = (0, 0, Vec::<(i32, f64)>::new());
    for span in spans {
        index += span.offset;
        for _ in 0..span.length {
            if let Some(count) = buckets.get(next).filter(|count| **count != 0.0) {
                dense.push((index, *count));
            }
            (index, next) = (index + 1, next + 1);
        }
    }
    let (Some((first, _)), Some((last, _))) = (dense.first().copied(), dense.last().copied()) else { return (0, Vec::new()) };
    let mut values = vec![0.0; (last - first + 1) as usize];
    for (index, count) in dense {
        values[(index - first) as usize] = count;
    }
    (first, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(base: f64, step: f64, times: u64) -> Item {
        Item::Numbers { base, step, times }
    }

    #[test]
    fn values_repeat_step_and_are_left_out() {
        let read = |text| parse_values(text).unwrap();
        assert_eq!(
            read("1 2x3 0+10x5 5-1x2 -3"),
            [numbers(1.0, 0.0, 0), numbers(2.0, 0.0, 3), numbers(0.0, 10.0, 5), numbers(5.0, -1.0, 2), numbers(-3.0, 0.0, 0),]
        );
        assert_eq!(read("_ _x4 1.5e-3+1e2x1"), [Item::Omitted(1), Item::Omitted(4), numbers(0.0015, 100.0, 1)]);
        assert_eq!(read("Inf -Inf"), [numbers(f64::INFINITY, 0.0, 0), numbers(f64::NEG_INFINITY, 0.0, 0)]);
        assert!(matches!(read("stale")[..], [Item::Numbers { base, .. }] if crate::model::sample::is_stale(base)));
        assert_eq!(read(""), []);
        for wrong in ["a", "1x", "1+2", "1 2x3y", "{{sum:1", "{{nope:1}}", "1x99999999999", "{{buckets:[1}}"] {
            assert!(parse_values(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn histograms_are_read_and_written() {
        let text = "{{schema:1 count:32.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 offset:-3 buckets:[5.1 10 7] n_offset:-5 n_buckets:[4.1 5]}}";
        let histogram = parse_histogram(text).unwrap();
        assert_eq!(histogram.positive_spans, [BucketSpan { offset: -3, length: 3 }]);
        assert_eq!(write_histogram(&histogram), text);
        let sparse = FloatHistogram {
            count: 3.0,
            positive_spans: vec![BucketSpan { offset: 0, length: 2 }, BucketSpan { offset: 1, length: 2 }],
            positive_buckets: vec![0.0, 1.0, 2.0, 0.0],
            reset: ResetHint::NotReset,
            ..FloatHistogram::default()
        };
        assert_eq!(write_histogram(&sparse), "{{count:3 counter_reset_hint:not_reset offset:1 buckets:[1 0 2]}}");
        let custom = "{{schema:-53 count:1 sum:5 custom_values:[5 10] buckets:[1]}}";
        assert_eq!(write_histogram(&parse_histogram(custom).unwrap()), custom);
        let steps = parse_values("{{count:2}}+{{count:1}}x2").unwrap();
        assert!(matches!(&steps[0], Item::Histograms { step: Some((step, false)), times: 2, .. } if step.count == 1.0));
    }
}
