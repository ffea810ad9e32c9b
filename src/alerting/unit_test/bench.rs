//! The [`Bench`] over PromQL: series in memory, of which those up to the moment that is tested are visible.

use super::Bench;
use super::notation;
use crate::alerting::rules::{QuerySample, RuleSample};
use crate::model::{DurationNs, FloatHistogram, Labels, SampleColumn, SampleValue, UnixNanos};
use crate::promql::eval::{self, Answer, When};
use crate::promql::series_desc::{self, Described};
use crate::source::{MemorySeries, QueryControl};
use std::collections::{HashMap, VecDeque};

/// See the module comment.
pub struct MemoryBench {
    series: MemorySeries,
    hidden: Vec<(Labels, VecDeque<(i64, SampleValue)>)>,
    /// The last moment of each series: what is not later is not taken.
    last: HashMap<Labels, i64>,
    options: eval::Options,
}

impl MemoryBench {
    /// Without series; subqueries without a step take the interval at which rules are evaluated.
    pub fn new(evaluation_interval: DurationNs) -> Self {
        let subquery_step_ms = evaluation_interval.0 / 1_000_000;
        let options = eval::Options { subquery_step_ms, threads: 1, ..eval::Options::default() };
        Self { series: MemorySeries::default(), hidden: Vec::new(), last: HashMap::new(), options }
    }

    fn push(&mut self, labels: &Labels, time: i64, value: SampleValue) {
        if self.last.get(labels).is_some_and(|last| *last >= time) {
            return;
        }
        let mut column = SampleColumn::default();
        column.push(time, value);
        self.series.append(labels, &column);
        self.last.insert(labels.clone(), time);
    }
}

impl Bench for MemoryBench {
    fn load(&mut self, series: &str, values: &str, start: UnixNanos, interval: DurationNs) -> Result<(), String> {
        let (labels, values) = series_desc::parse_series(&format!("{series} {values}")).map_err(|error| error.to_string())?;
        let column = series_desc::samples(&values, start.0.div_euclid(1_000_000), interval.0 / 1_000_000, None);
        let histogram = |index: usize| {
            let place = column.histograms.binary_search_by_key(&(index as u32), |(index, _)| *index).ok()?;
            Some(SampleValue::Histogram(column.histograms[place].1.clone()))
        };
        let value = |index: usize| histogram(index).unwrap_or(SampleValue::Float(column.values[index]));
        let samples = (0..column.len()).map(|index| (column.times[index], value(index))).collect();
        self.hidden.push((labels, samples));
        Ok(())
    }

    fn reveal(&mut self, until: UnixNanos) {
        let until = until.0.div_euclid(1_000_000);
        let mut hidden = std::mem::take(&mut self.hidden);
        for (labels, samples) in &mut hidden {
            while let Some((time, value)) = samples.pop_front_if(|(time, _)| *time <= until) {
                self.push(labels, time, value);
            }
        }
        hidden.retain(|(_, samples)| !samples.is_empty());
        self.hidden = hidden;
    }

    fn append(&mut self, samples: Vec<RuleSample>) {
        for sample in samples {
            self.push(&sample.labels, sample.time_ms, sample.value);
        }
    }

    fn query(&self, expr: &str, at: UnixNanos) -> Result<Vec<QuerySample>, String> {
        let read = crate::promql::parse(expr).map_err(|error| error.to_string())?;
        let when = When::Instant(at.0.div_euclid(1_000_000));
        let control = QueryControl::default();
        let answer = eval::evaluate(&read, when, &self.series, &self.options, &control);
        samples(answer.map_err(|error| error.to_string())?.answer)
    }

    fn metric(&self, text: &str) -> Result<Labels, String> {
        series_desc::parse_series(text).map(|(labels, _)| labels).map_err(|error| error.to_string())
    }

    fn histogram(&self, text: &str) -> Result<FloatHistogram, String> {
        let (_, values) = series_desc::parse_series(&format!("x {text}")).map_err(|error| error.to_string())?;
        match &values[..] {
            [Described::Histogram(histogram, _)] => Ok(FloatHistogram::clone(histogram)),
            values => Err(format!("expected one histogram, found {} values", values.len())),
        }
    }

    fn histogram_notation(&self, histogram: &FloatHistogram) -> String {
        notation::write_histogram(histogram)
    }
}

/// An answer as rules take it: a vector, or a scalar as one sample without labels.
pub fn samples(answer: Answer) -> Result<Vec<QuerySample>, String> {
    match answer {
        Answer::Vector(vector) => {
            Ok(vector.into_iter().map(|one| QuerySample { labels: one.labels, value: one.value }).collect())
        }
        Answer::Scalar(value) => Ok(vec![QuerySample { labels: Labels::default(), value: SampleValue::Float(value) }]),
        Answer::String(_) | Answer::Matrix(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}
