//! What is different in a selection of spans: every attribute and value ranked by how much more frequent it is inside
//! than outside.
//!
//! Each span says a key's value once. Numbers of a key with many values are put into bins first: the quintiles of all its
//! values, so that "10 times as large" shows as a bin. The score of a value is the lower end of Newcombe's 95 % interval
//! for the difference of the two shares (Statistics in Medicine 17, 1998, method 10): three spans of three are no finding
//! beside nine hundred of a thousand. Values that are more frequent outside are the shadow of those inside and not listed.

use crate::model::{SpanRef, ValueRef};
use smol_str::{SmolStr, ToSmolStr as _};
use std::collections::HashMap;

/// Distinct values of a key after which further new ones are counted together: ids and timestamps explain nothing.
const MAX_VALUES: usize = 1_000;
/// A numeric key with more values than this is binned.
const BIN_ABOVE: usize = 12;
/// Bins of a numeric key.
const BINS: usize = 5;
/// Numbers kept a key to find the bins by.
const MAX_NUMBERS: usize = 100_000;
/// A smaller score explains nothing, however sure it is.
const MIN_SCORE: f64 = 0.02;
/// Standard normal quantile of a 95 % interval.
const Z: f64 = 1.96;

/// A value that sets the selection apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `span`, `resource`, or `intrinsic` for name, kind, status and status message.
    pub scope: &'static str,
    /// Key.
    pub key: SmolStr,
    /// Value, or the bin's range `[low, high)`.
    pub value: SmolStr,
    /// Share of the spans inside that have it, 0 to 1.
    pub inside_share: f64,
    /// Share of the spans outside that have it, 0 to 1.
    pub outside_share: f64,
    /// At least this much more frequent inside, with 95 % confidence; 0 to 1.
    pub score: f64,
}

/// An answer, strongest difference first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Spans inside.
    pub inside: u64,
    /// Spans outside.
    pub outside: u64,
    /// Only those that explain something.
    pub differences: Vec<Difference>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    inside: u64,
    outside: u64,
}

#[derive(Default)]
struct Key {
    values: HashMap<SmolStr, Counts>,
    numbers: Vec<(f64, bool)>,
    /// Spans that have the key with a value that is no number.
    texts: u64,
    distinct_numbers: usize,
}

/// Counts spans one by one; [`Comparer::finish`] ranks.
#[derive(Default)]
pub struct Comparer {
    spans: Counts,
    keys: HashMap<(&'static str, SmolStr), Key>,
}

impl Comparer {
    /// Counts one span.
    pub fn add(&mut self, span: SpanRef<'_>, inside: bool) {
        let Counts { inside: within, outside } = &mut self.spans;
        *(if inside { within } else { outside }) += 1;
        self.count("intrinsic", "name", ValueRef::Str(span.name()), inside);
        self.count("intrinsic", "kind", ValueRef::Str(span.kind().word()), inside);
        self.count("intrinsic", "status", ValueRef::Str(span.status().word()), inside);
        if !span.status_message().is_empty() {
            self.count("intrinsic", "status.message", ValueRef::Str(span.status_message()), inside);
        }
        for (key, value) in span.attrs().iter() {
            self.count("span", key, value, inside);
        }
        for (key, value) in span.resource().attrs().iter() {
            self.count("resource", key, value, inside);
        }
    }

    fn count(&mut self, scope: &'static str, key: &str, value: ValueRef<'_>, inside: bool) {
        let key = self.keys.entry((scope, key.into())).or_default();
        let number = match value {
            ValueRef::Int(number) => Some(number as f64),
            ValueRef::Double(number) if number.is_finite() => Some(number),
            _ => None,
        };
        match number {
            Some(number) if key.numbers.len() < MAX_NUMBERS => key.numbers.push((number, inside)),
            Some(_) => {}
            None => key.texts += 1,
        }
        let text = value.to_smolstr();
        if !key.values.contains_key(&text) {
            if key.values.len() >= MAX_VALUES {
                return;
            }
            key.distinct_numbers += usize::from(number.is_some());
        }
        let counts = key.values.entry(text).or_default();
        *(if inside { &mut counts.inside } else { &mut counts.outside }) += 1;
    }

    /// Ranks what was counted.
    pub fn finish(self) -> Comparison {
        let Counts { inside, outside } = self.spans;
        let mut differences = Vec::new();
        for ((scope, name), key) in self.keys {
            let binned = key.texts == 0 && key.distinct_numbers > BIN_ABOVE;
            let values = if binned { bins(&key.numbers) } else { key.values.into_iter().collect() };
            for (value, counts) in values {
                let score = score(counts, self.spans);
                if score >= MIN_SCORE {
                    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
                    differences.push(Difference {
                        scope,
                        key: name.clone(),
                        value,
                        inside_share: share(counts.inside, inside),
                        outside_share: share(counts.outside, outside),
                        score,
                    });
                }
            }
        }
        differences.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then_with(|| (a.scope, &a.key, &a.value).cmp(&(b.scope, &b.key, &b.value)))
        });
        Comparison { inside, outside, differences }
    }
}

/// Quintiles of all numbers, each with its counts. Equal borders fall together.
fn bins(numbers: &[(f64, bool)]) -> Vec<(SmolStr, Counts)> {
    let mut sorted: Vec<f64> = numbers.iter().map(|(number, _)| *number).collect();
    sorted.sort_by(f64::total_cmp);
    let mut borders: Vec<f64> = (0..BINS).map(|part| sorted[part * sorted.len() / BINS]).collect();
    borders.dedup();
    let mut counts = vec![Counts::default(); borders.len()];
    for (number, inside) in numbers {
        let at = borders.partition_point(|border| border <= number).saturating_sub(1);
        *(if *inside { &mut counts[at].inside } else { &mut counts[at].outside }) += 1;
    }
    let last = sorted.last().copied().unwrap_or_default();
    let name = |at: usize| match borders.get(at + 1) {
        Some(next) => smol_str::format_smolstr!("[{}, {next})", borders[at]),
        None => smol_str::format_smolstr!("[{}, {last}]", borders[at]),
    };
    counts.into_iter().enumerate().map(|(at, counts)| (name(at), counts)).collect()
}

/// Wilson's interval for a share.
fn wilson(part: u64, whole: u64) -> (f64, f64, f64) {
    let n = whole as f64;
    if whole == 0 {
        return (0.0, 0.0, 1.0);
    }
    let p = part as f64 / n;
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (p, middle - half, middle + half)
}

/// Lower end of the interval for "share inside minus share outside".
fn score(counts: Counts, spans: Counts) -> f64 {
    let (inside, inside_low, _) = wilson(counts.inside, spans.inside);
    let (outside, _, outside_high) = wilson(counts.outside, spans.outside);
    let margin = ((inside - inside_low).powi(2) + (outside_high - outside).powi(2)).sqrt();
    inside - outside - margin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, Resource, Span, SpanBatch};
    use std::sync::Arc;

    fn span(tenant: &str, size: i64, version: &str) -> Span {
        let mut attributes = Attributes::default();
        attributes.push("app.tenant", tenant);
        attributes.push("size", size);
        attributes.push("id", format!("{tenant}-{size}"));
        let mut resource = Resource::service("cart");
        resource.attributes.push("service.version", version);
        Span { attributes, resource: Arc::new(resource), ..Span::default() }
    }

    fn compare(inside: &[Span], outside: &[Span]) -> Comparison {
        let mut comparer = Comparer::default();
        for (spans, is_inside) in [(inside, true), (outside, false)] {
            let batch = SpanBatch::from_spans(spans);
            batch.iter().for_each(|span| comparer.add(span, is_inside));
        }
        comparer.finish()
    }

    #[test]
    fn the_tenant_that_all_slow_spans_share_ranks_first() {
        let inside: Vec<_> = (0..50).map(|at| span("acme", at, "1.0")).collect();
        let outside: Vec<_> = (0..500).map(|at| span(["b", "c", "d", "acme"][at % 4], at as i64 % 50, "1.0")).collect();
        let found = compare(&inside, &outside);
        let first = &found.differences[0];
        assert_eq!((first.scope, first.key.as_str(), first.value.as_str()), ("span", "app.tenant", "acme"));
        assert_eq!((first.inside_share, first.outside_share), (1.0, 0.25));
        assert!((0.5..0.75).contains(&first.score), "{}", first.score);
        assert!(found.differences.iter().all(|difference| difference.key != "service.version"), "the same on both sides");
        assert!(found.differences.iter().all(|difference| difference.key != "id"), "ids explain nothing");
    }

    #[test]
    fn numbers_are_binned_and_the_large_ones_found() {
        let inside: Vec<_> = (0..40).map(|at| span("a", 10_000 + at, "1")).collect();
        let outside: Vec<_> = (0..160).map(|at| span("a", at, "1")).collect();
        let found = compare(&inside, &outside);
        let first = &found.differences[0];
        assert_eq!((first.key.as_str(), first.value.as_str()), ("size", "[10000, 10039]"));
        assert_eq!((first.inside_share, first.outside_share), (1.0, 0.0));
    }

    #[test]
    fn a_few_spans_prove_nothing_and_nothing_is_not_divided_by() {
        let found = compare(&[span("x", 1, "2")], &[span("y", 1, "1"), span("z", 1, "1")]);
        assert!(found.differences.is_empty(), "{found:?}");
        assert_eq!(compare(&[], &[]), Comparison::default());
    }
}
