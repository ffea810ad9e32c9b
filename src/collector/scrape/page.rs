//! One answer of a target as a batch: labels of the target added, rules applied, limits kept, and a stale marker for each
//! series that the answer before had and this one has not.
//!
//! Source: `scrape/scrape.go` of Prometheus 3. A series that stands in the text as it stood before costs one look-up: its
//! packed label set is kept with its text.

use super::config::Job;
use super::relabel::relabel;
use crate::model::sample::STALE_NAN;
use crate::model::{Exemplar, Labels, LabelsBuilder, MetricKind, MetricMetadata, SampleBatch};
use crate::wire::exposition::{Dialect, Exposed, Take, parse};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3Builder;

/// The series of a target, as its last answers had them.
#[derive(Default)]
pub struct Page {
    known: HashMap<Box<str>, Known, Xxh3Builder>,
    round: u32,
    /// True when the last scrape left series that have not been marked stale.
    live: bool,
}

struct Known {
    /// The packed label set; `None` when the rules drop it.
    packed: Option<Box<[u8]>>,
    /// Round in which it was seen first.
    since: u32,
    /// Round in which it was seen last.
    round: u32,
    /// Gets a stale marker when it is missing.
    tracked: bool,
}

/// What a scrape came to, beside its samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Samples in the answer.
    pub scraped: u64,
    /// Samples left after relabeling.
    pub kept: u64,
    /// Series that the answer before had not.
    pub added: u64,
}

impl Page {
    /// Takes an answer. On an error nothing of it counts, and the series of the answer before are marked stale.
    pub fn take(
        &mut self,
        job: &Job,
        target: &Labels,
        text: &[u8],
        dialect: Dialect,
        time: i64,
    ) -> (SampleBatch, Result<Outcome, String>) {
        self.round = self.round.wrapping_add(1);
        let mut taker = Taker {
            page: self,
            job,
            target,
            time,
            batch: SampleBatch::default(),
            outcome: Outcome::default(),
            families: HashMap::new(),
        };
        let read = parse(text, dialect, &mut taker);
        let Taker { mut batch, outcome, .. } = taker;
        match read {
            Ok(()) => {
                self.mark_missing(&mut batch, time);
                self.live = true;
                (batch, Ok(outcome))
            }
            Err(error) => {
                // What this answer was the first to have was never stored.
                let round = self.round;
                self.known.retain(|_, known| known.since != round);
                (self.end(time), Err(error.to_string()))
            }
        }
    }

    /// Marks every series stale: the target does not answer, or is gone.
    pub fn end(&mut self, time: i64) -> SampleBatch {
        let mut batch = SampleBatch::default();
        if std::mem::take(&mut self.live) {
            self.round = self.round.wrapping_add(1);
            self.mark_missing(&mut batch, time);
        }
        self.known.clear();
        batch
    }

    fn mark_missing(&mut self, batch: &mut SampleBatch, time: i64) {
        let round = self.round;
        self.known.retain(|_, known| {
            if known.round == round {
                return true;
            }
            if let Some(packed) = known.packed.as_ref().filter(|_| known.tracked) {
                let start = batch.labels.len() as u32;
                batch.labels.extend_from_slice(packed);
                batch.begin_packed(start);
                batch.push_float(time, STALE_NAN);
            }
            false
        });
    }
}

/// Appends the series that tell how a scrape went.
pub fn report(batch: &mut SampleBatch, target: &Labels, time: i64, up: bool, took: Duration, outcome: &Outcome) {
    for (name, value) in [
        ("up", if up { 1.0 } else { 0.0 }),
        ("scrape_duration_seconds", took.as_secs_f64()),
        ("scrape_samples_scraped", outcome.scraped as f64),
        ("scrape_samples_post_metric_relabeling", outcome.kept as f64),
        ("scrape_series_added", outcome.added as f64),
    ] {
        batch.begin_series(&named(target, name));
        batch.push_float(time, value);
    }
}

/// Marks the reporting series of a target that is gone as stale.
pub fn report_end(batch: &mut SampleBatch, target: &Labels, time: i64) {
    for name in [
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    ] {
        batch.begin_series(&named(target, name));
        batch.push_float(time, STALE_NAN);
    }
}

fn named(target: &Labels, name: &str) -> Labels {
    target.edit().set("__name__", name).build()
}

struct Taker<'a> {
    page: &'a mut Page,
    job: &'a Job,
    target: &'a Labels,
    time: i64,
    batch: SampleBatch,
    outcome: Outcome,
    families: HashMap<SmolStr, usize>,
}

impl Taker<'_> {
    /// The packed label set of a sample; `None` when the rules drop it.
    fn packed(&mut self, sample: &Exposed<'_, '_>) -> Result<Option<Box<[u8]>>, String> {
        let mut labels = LabelsBuilder::default();
        labels.set("__name__", sample.name);
        for (name, value) in sample.labels {
            if !labels.get(name).is_empty() {
                return Err(format!("label {name:?} is there twice"));
            }
            labels.set(name, value);
        }
        // The target's labels win; what they hide is kept under another name.
        for (name, value) in self.target {
            if self.job.honor_labels {
                if !sample.labels.iter().any(|(own, _)| own == name) {
                    labels.set(name, value);
                }
                continue;
            }
            let hidden = labels.get(name).to_owned();
            if !hidden.is_empty() {
                let mut aside = format!("exported_{name}");
                while !labels.get(&aside).is_empty() || !self.target.get(&aside).is_empty() {
                    aside.insert_str(0, "exported_");
                }
                labels.set(&aside, &hidden);
            }
            labels.set(name, value);
        }
        let kept = relabel(&mut labels, &self.job.metric_relabel);
        let set = labels.build();
        if !kept {
            return Ok(None);
        }
        if set.metric_name().is_empty() {
            return Err("metric name missing after relabeling".to_owned());
        }
        self.check(&set)?;
        Ok(Some(set.packed().into()))
    }

    fn check(&self, set: &Labels) -> Result<(), String> {
        let limits = &self.job.limits;
        let over = |limit: u64, value: usize| limit > 0 && value as u64 > limit;
        if over(limits.labels, set.len()) {
            return Err(format!(
                "label_limit exceeded (metric: {set}, number of labels: {}, limit: {})",
                set.len(),
                limits.labels
            ));
        }
        for (name, value) in set {
            if over(limits.label_name_bytes, name.len()) {
                return Err(format!(
                    "label_name_length_limit exceeded (label name: {name:?}, length: {}, limit: {})",
                    name.len(),
                    limits.label_name_bytes
                ));
            }
            if over(limits.label_value_bytes, value.len()) {
                return Err(format!(
                    "label_value_length_limit exceeded (label name: {name:?}, length: {}, limit: {})",
                    value.len(),
                    limits.label_value_bytes
                ));
            }
        }
        Ok(())
    }

    fn about(&mut self, family: &str) -> &mut MetricMetadata {
        let next = self.batch.metadata.len();
        let at = *self.families.entry(family.into()).or_insert(next);
        if at == next {
            self.batch.metadata.push(MetricMetadata { family: family.into(), ..MetricMetadata::default() });
        }
        &mut self.batch.metadata[at]
    }
}

impl Take for Taker<'_> {
    fn sample(&mut self, sample: Exposed<'_, '_>) -> Result<(), String> {
        self.outcome.scraped += 1;
        let round = self.page.round;
        if !self.page.known.contains_key(sample.series) {
            let packed = self.packed(&sample)?;
            self.outcome.added += u64::from(packed.is_some());
            self.page
                .known
                .insert(sample.series.into(), Known { packed, since: round, round: round.wrapping_sub(1), tracked: false });
        }
        let Some(known) = self.page.known.get_mut(sample.series) else { return Ok(()) };
        let again = known.round == round;
        known.round = round;
        let own_time = sample.time.filter(|_| self.job.honor_timestamps);
        known.tracked = own_time.is_none() || self.job.track_timestamps_staleness;
        let Some(packed) = &known.packed else { return Ok(()) };
        // The same series twice in one answer: the first sample stays, as nothing says which is right.
        if again && own_time.is_none() {
            return Ok(());
        }
        self.outcome.kept += 1;
        let limit = self.job.limits.samples;
        if limit > 0 && self.outcome.kept > limit {
            return Err("sample limit exceeded".to_owned());
        }
        let start = self.batch.labels.len() as u32;
        self.batch.labels.extend_from_slice(packed);
        self.batch.begin_packed(start);
        let time = own_time.unwrap_or(self.time);
        self.batch.push_float(time, sample.value);
        if let Some(exemplar) = sample.exemplar {
            let labels = Labels::new(exemplar.labels.iter().map(|(name, value)| (name, value)));
            let exemplar = Exemplar { labels, value: exemplar.value, time: exemplar.time.unwrap_or(time) };
            self.batch.exemplars.push((self.batch.series.len() as u32 - 1, exemplar));
        }
        Ok(())
    }

    fn kind(&mut self, family: &str, kind: MetricKind) {
        self.about(family).kind = kind;
    }

    fn help(&mut self, family: &str, help: &str) {
        self.about(family).help = help.into();
    }

    fn unit(&mut self, family: &str, unit: &str) {
        self.about(family).unit = unit.into();
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::ScrapeConfig;
    use super::*;
    use crate::model::sample::is_stale;
    use std::path::Path;

    fn job(text: &str) -> Job {
        let text = format!("scrape_configs:\n- {{job_name: j{text}}}");
        ScrapeConfig::parse(&text, Path::new(".")).unwrap().jobs.remove(0)
    }

    fn lines(batch: &SampleBatch) -> Vec<String> {
        let mut lines: Vec<String> = batch
            .series
            .iter()
            .map(|series| {
                let at = series.samples.start as usize;
                let value = if is_stale(batch.values[at]) { "stale".to_owned() } else { batch.values[at].to_string() };
                format!("{} {value}@{}", Labels::from_packed(batch.packed_labels(series)).unwrap(), batch.times[at])
            })
            .collect();
        lines.sort();
        lines
    }

    fn target() -> Labels {
        Labels::new([("job", "j"), ("instance", "h:1")])
    }

    #[test]
    fn labels_of_the_target_win_and_what_they_hide_is_kept() {
        let text = b"a{job=\"own\",x=\"1\"} 1\n";
        let (batch, outcome) = Page::default().take(&job(""), &target(), text, Dialect::Text, 9);
        assert_eq!(lines(&batch), [r#"a{exported_job="own", instance="h:1", job="j", x="1"} 1@9"#]);
        assert_eq!(outcome, Ok(Outcome { scraped: 1, kept: 1, added: 1 }));
        let (batch, _) = Page::default().take(&job(", honor_labels: true"), &target(), text, Dialect::Text, 9);
        assert_eq!(lines(&batch), [r#"a{instance="h:1", job="own", x="1"} 1@9"#]);
    }

    #[test]
    fn a_series_that_is_missing_gets_one_stale_marker() {
        let mut page = Page::default();
        let job = job("");
        let mut take = |text: &str, time| {
            let (batch, outcome) = page.take(&job, &Labels::default(), text.as_bytes(), Dialect::Text, time);
            (lines(&batch), outcome.map(|outcome| outcome.added))
        };
        assert_eq!(take("a 1\nb 2\nold 3 5\n", 10), (vec!["a 1@10".into(), "b 2@10".into(), "old 3@5".into()], Ok(3)));
        assert_eq!(take("a 1\n", 20), (vec!["a 1@20".into(), "b stale@20".into()], Ok(0)), "series with own times get none");
        assert_eq!(take("a 1\n", 30), (vec!["a 1@30".into()], Ok(0)));
        let (lines, outcome) = take("a 1\nb\n", 40);
        assert_eq!(lines, ["a stale@40"], "a bad answer ends everything");
        assert!(outcome.unwrap_err().contains("line 2"));
        assert_eq!(take("a", 50).0, Vec::<String>::new(), "once");
        assert_eq!(take("a 2\n", 60), (vec!["a 2@60".into()], Ok(1)));
    }

    #[test]
    fn rules_and_limits_apply_to_samples() {
        let drop =
            job(", metric_relabel_configs: [{source_labels: [__name__], regex: 'go_.*', action: drop}], sample_limit: 2");
        let (batch, outcome) = Page::default().take(&drop, &Labels::default(), b"go_x 1\na 1\nb 1\n", Dialect::Text, 9);
        assert_eq!((lines(&batch).len(), outcome), (2, Ok(Outcome { scraped: 3, kept: 2, added: 2 })));
        let (batch, outcome) = Page::default().take(&drop, &Labels::default(), b"a 1\nb 1\nc 1\n", Dialect::Text, 9);
        assert!(batch.is_empty() && outcome.unwrap_err().contains("sample limit exceeded"));
        for (limit, part) in [
            ("label_limit: 1", "label_limit exceeded"),
            ("label_name_length_limit: 8", "label_name_length_limit exceeded"),
            ("label_value_length_limit: 2", "label_value_length_limit exceeded"),
        ] {
            let (_, outcome) = Page::default().take(
                &job(&format!(", {limit}")),
                &Labels::default(),
                b"a{long_name=\"value\"} 1\n",
                Dialect::Text,
                9,
            );
            assert!(outcome.clone().unwrap_err().contains(part), "{limit}: {outcome:?}");
        }
        let (batch, _) =
            Page::default().take(&job(", honor_timestamps: false"), &Labels::default(), b"a 1 5\n", Dialect::Text, 9);
        assert_eq!(lines(&batch), ["a 1@9"]);
    }

    #[test]
    fn the_report_says_how_it_went() {
        let mut batch = SampleBatch::default();
        report(&mut batch, &target(), 9, true, Duration::from_millis(250), &Outcome { scraped: 3, kept: 2, added: 1 });
        assert!(lines(&batch).contains(&r#"scrape_duration_seconds{instance="h:1", job="j"} 0.25@9"#.to_owned()));
        assert!(lines(&batch).contains(&r#"up{instance="h:1", job="j"} 1@9"#.to_owned()));
        assert_eq!(batch.len(), 5);
    }
}
