//! A whole text as a batch.

use super::parse::{Exposed, LabelPairs, Take, parse};
use super::{Dialect, ExpositionError};
use crate::model::labels::put_label;
use crate::model::{Exemplar, Labels, MetricKind, MetricMetadata, SampleBatch};
use smol_str::SmolStr;
use std::collections::HashMap;

/// Reads a text. Samples without a time get `now` (milliseconds). `_created` series of OpenMetrics stay series and are the
/// start times of their siblings too.
pub fn read(text: &[u8], dialect: Dialect, now: i64) -> Result<SampleBatch, ExpositionError> {
    let mut collect = Collect { now, ..Collect::default() };
    parse(text, dialect, &mut collect)?;
    collect.start_times();
    Ok(collect.batch)
}

#[derive(Default)]
struct Collect {
    batch: SampleBatch,
    now: i64,
    pairs: Vec<(String, String)>,
    families: HashMap<SmolStr, usize>,
    /// Family of the last `# TYPE`, and its kind.
    family: String,
    kind: MetricKind,
    /// Created times in milliseconds by family and labels without `le` and `quantile`, and the samples that may have one.
    created: HashMap<(SmolStr, Labels), i64>,
    wanting: Vec<(usize, SmolStr, Labels)>,
}

impl Collect {
    fn about(&mut self, family: &str) -> &mut MetricMetadata {
        let next = self.batch.metadata.len();
        let at = *self.families.entry(family.into()).or_insert(next);
        if at == next {
            self.batch.metadata.push(MetricMetadata { family: family.into(), ..MetricMetadata::default() });
        }
        &mut self.batch.metadata[at]
    }

    /// Notes a sample that a created time may belong to, or is one.
    fn created(&mut self, name: &str, labels: &LabelPairs<'_>, value: f64) {
        if !matches!(self.kind, MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary) {
            return;
        }
        let Some(suffix) = name.strip_prefix(self.family.as_str()) else { return };
        let of = || {
            let own =
                |name: &str| matches!((self.kind, name), (MetricKind::Histogram, "le") | (MetricKind::Summary, "quantile"));
            Labels::new(labels.iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name, value)))
        };
        match suffix {
            "_created" => drop(self.created.insert((self.family.as_str().into(), of()), (value * 1000.0).round() as i64)),
            "_total" | "_count" | "_sum" | "_bucket" | "" => {
                self.wanting.push((self.batch.times.len(), self.family.as_str().into(), of()));
            }
            _ => {}
        }
    }

    fn start_times(&mut self) {
        if self.created.is_empty() {
            return;
        }
        let batch = &mut self.batch;
        batch.starts.resize(batch.times.len(), 0);
        for (at, family, labels) in self.wanting.drain(..) {
            if let Some(created) = self.created.get(&(family, labels))
                && let Some(start) = batch.starts.get_mut(at)
            {
                *start = *created;
            }
        }
    }
}

impl Take for Collect {
    fn sample(&mut self, sample: Exposed<'_, '_>) -> Result<(), String> {
        self.created(sample.name, sample.labels, sample.value);
        self.pairs.clear();
        self.pairs.push(("__name__".to_owned(), sample.name.to_owned()));
        self.pairs.extend(
            sample
                .labels
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.to_string(), value.to_string())),
        );
        self.pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(pair) = self.pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("label {:?} is there twice", pair[0].0));
        }
        let start = self.batch.labels.len() as u32;
        for (name, value) in &self.pairs {
            put_label(&mut self.batch.labels, name, value);
        }
        self.batch.begin_packed(start);
        self.batch.push_float(sample.time.unwrap_or(self.now), sample.value);
        if let Some(exemplar) = sample.exemplar {
            let labels = Labels::new(exemplar.labels.iter().map(|(name, value)| (name, value)));
            let time = exemplar.time.or(sample.time).unwrap_or(self.now);
            self.batch.exemplars.push((self.batch.series.len() as u32 - 1, Exemplar { labels, value: exemplar.value, time }));
        }
        Ok(())
    }

    fn kind(&mut self, family: &str, kind: MetricKind) {
        self.family.clear();
        self.family.push_str(family);
        self.kind = kind;
        self.about(family).kind = kind;
    }

    fn help(&mut self, family: &str, help: &str) {
        self.about(family).help = help.into();
    }

    fn unit(&mut self, family: &str, unit: &str) {
        self.about(family).unit = unit.into();
    }
}
