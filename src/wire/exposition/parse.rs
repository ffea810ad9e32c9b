//! The pass over the text: comments, samples, exemplars.

use super::cursor::{Cursor, error_at, unescape};
use super::float::go_float;
use super::{Dialect, ExpositionError};
use crate::model::MetricKind;
use crate::model::sample::NORMAL_NAN_BITS;
use std::borrow::Cow;

/// Names and values as they stand in the text, in its order.
pub type LabelPairs<'a> = [(Cow<'a, str>, Cow<'a, str>)];

/// A sample of the text.
#[derive(Debug)]
pub struct Exposed<'a, 'b> {
    /// Name and labels as they stand in the text: the same text is the same series.
    pub series: &'a str,
    /// Name of the metric.
    pub name: &'b str,
    /// Labels without the name. A name may come twice in a bad text.
    pub labels: &'b LabelPairs<'a>,
    /// Value.
    pub value: f64,
    /// Milliseconds, if the text says.
    pub time: Option<i64>,
    /// Exemplar, in OpenMetrics.
    pub exemplar: Option<Exemplified<'a, 'b>>,
}

/// An exemplar of the text.
#[derive(Debug)]
pub struct Exemplified<'a, 'b> {
    /// Labels.
    pub labels: &'b LabelPairs<'a>,
    /// Value.
    pub value: f64,
    /// Milliseconds, if the text says.
    pub time: Option<i64>,
}

/// Takes what a text says, in its order. A reason ends the pass with an error at the place.
pub trait Take {
    /// A sample.
    fn sample(&mut self, sample: Exposed<'_, '_>) -> Result<(), String>;
    /// What a family is.
    fn kind(&mut self, _family: &str, _kind: MetricKind) {}
    /// Help text of a family.
    fn help(&mut self, _family: &str, _help: &str) {}
    /// Unit of a family.
    fn unit(&mut self, _family: &str, _unit: &str) {}
}

/// Goes through a text. Whatever was taken before an error has been taken.
pub fn parse(text: &[u8], dialect: Dialect, take: &mut impl Take) -> Result<(), ExpositionError> {
    let text =
        std::str::from_utf8(text).map_err(|error| error_at(text, error.valid_up_to(), "the text is not UTF-8".to_owned()))?;
    let mut pass = Pass {
        cursor: Cursor::new(text),
        dialect,
        family: String::new(),
        kind: MetricKind::Unknown,
        labels: Vec::new(),
        exemplar: Vec::new(),
    };
    while !pass.cursor.is_at_end() {
        if pass.line(take)? {
            return match pass.cursor.is_at_end() {
                true => Ok(()),
                false => Err(pass.cursor.error_at(pass.cursor.at(), "there is more after # EOF")),
            };
        }
    }
    match dialect {
        Dialect::Text => Ok(()),
        Dialect::OpenMetrics => Err(pass.cursor.error_at(text.len(), "data does not end with # EOF")),
    }
}

struct Pass<'a> {
    cursor: Cursor<'a>,
    dialect: Dialect,
    /// The family of the last `# TYPE`.
    family: String,
    kind: MetricKind,
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    exemplar: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')
}

impl<'a> Pass<'a> {
    /// One line. True for `# EOF`.
    fn line(&mut self, take: &mut impl Take) -> Result<bool, ExpositionError> {
        self.cursor.blanks();
        match self.cursor.peek() {
            b'#' => return self.comment(take),
            b'\n' | b'\r' if self.dialect == Dialect::OpenMetrics => {
                return Err(self.cursor.unexpected("a metric name or #"));
            }
            _ if self.cursor.line_end() => return Ok(false),
            _ => self.sample(take)?,
        }
        Ok(false)
    }

    fn comment(&mut self, take: &mut impl Take) -> Result<bool, ExpositionError> {
        let open = self.dialect == Dialect::OpenMetrics;
        self.cursor.take(b'#');
        self.cursor.blanks();
        let at = self.cursor.at();
        match self.cursor.run(|byte| byte.is_ascii_uppercase()) {
            "EOF" if open && self.cursor.line_end() => return Ok(true),
            word @ ("HELP" | "TYPE" | "UNIT") if matches!(self.cursor.peek(), b' ' | b'\t') && (open || word != "UNIT") => {
                self.cursor.blanks();
                let name = self.family_name()?;
                self.cursor.blanks();
                self.about(word, name, take)?;
            }
            _ if open => return Err(self.cursor.error_at(at, "expected HELP, TYPE, UNIT or EOF after #")),
            _ => self.cursor.skip_line(),
        }
        Ok(false)
    }

    fn family_name(&mut self) -> Result<Cow<'a, str>, ExpositionError> {
        if self.cursor.peek() == b'"' {
            return self.cursor.quoted();
        }
        match self.cursor.run(is_name_byte) {
            "" => Err(self.cursor.unexpected("a metric name")),
            name => Ok(name.into()),
        }
    }

    fn about(&mut self, word: &str, name: Cow<'a, str>, take: &mut impl Take) -> Result<(), ExpositionError> {
        let at = self.cursor.at();
        let rest = self.cursor.rest_of_line();
        match word {
            "HELP" if rest.contains('\\') => take.help(&name, &unescape(rest)),
            "HELP" => take.help(&name, rest),
            "UNIT" => {
                let unit = rest.trim_end();
                if !unit.is_empty() && !name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')) {
                    return Err(self.cursor.error_at(at, format!("unit {unit:?} is not a suffix of the metric {name:?}")));
                }
                take.unit(&name, unit);
            }
            _ => {
                let kind = match (rest.trim_end(), self.dialect) {
                    ("counter", _) => MetricKind::Counter,
                    ("gauge", _) => MetricKind::Gauge,
                    ("histogram", _) => MetricKind::Histogram,
                    ("summary", _) => MetricKind::Summary,
                    ("untyped", Dialect::Text) | ("unknown", _) => MetricKind::Unknown,
                    ("gaugehistogram", Dialect::OpenMetrics) => MetricKind::GaugeHistogram,
                    ("info", Dialect::OpenMetrics) => MetricKind::Info,
                    ("stateset", Dialect::OpenMetrics) => MetricKind::StateSet,
                    (other, _) => return Err(self.cursor.error_at(at, format!("invalid metric type {other:?}"))),
                };
                self.kind = kind;
                self.family.clear();
                self.family.push_str(&name);
                take.kind(&name, kind);
            }
        }
        Ok(())
    }

    #[inline]
    fn sample(&mut self, take: &mut impl Take) -> Result<(), ExpositionError> {
        let start = self.cursor.at();
        let mut name: Cow<'a, str> = self.cursor.run(is_name_byte).into();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.cursor.error_at(start, format!("{name:?} is no metric name: it starts with a digit")));
        }
        self.labels.clear();
        self.cursor.blanks();
        if self.cursor.peek() == b'{' {
            let mut labels = std::mem::take(&mut self.labels);
            let read = label_set(&mut self.cursor, &mut labels, Some(&mut name));
            self.labels = labels;
            read?;
        }
        if name.is_empty() {
            return Err(if self.cursor.at() == start {
                self.cursor.unexpected("a metric name")
            } else {
                self.cursor.error_at(start, "the sample has no metric name")
            });
        }
        let series = self.cursor.since(start);
        self.normalise(&name);
        self.cursor.blanks();
        let value = self.number("a value")?;
        let time = self.time()?;
        let mut example = None;
        self.cursor.blanks();
        if self.cursor.peek() == b'#' && self.dialect == Dialect::OpenMetrics {
            self.cursor.take(b'#');
            self.cursor.blanks();
            self.exemplar.clear();
            let mut labels = std::mem::take(&mut self.exemplar);
            let read = label_set(&mut self.cursor, &mut labels, None);
            self.exemplar = labels;
            read?;
            self.cursor.blanks();
            example = Some((self.number("an exemplar's value")?, self.time()?));
        }
        if !self.cursor.line_end() {
            return Err(self.cursor.unexpected("the end of the line"));
        }
        let exemplar = example.map(|(value, time)| Exemplified { labels: &self.exemplar, value, time });
        let sample = Exposed { series, name: &name, labels: &self.labels, value, time, exemplar };
        take.sample(sample).map_err(|reason| self.cursor.error_at(start, reason))
    }

    /// Writes `le` and `quantile` of the family as floats.
    fn normalise(&mut self, name: &str) {
        let label = match self.kind {
            MetricKind::Histogram | MetricKind::GaugeHistogram => "le",
            MetricKind::Summary => "quantile",
            _ => return,
        };
        if !name.starts_with(&self.family) {
            return;
        }
        if let Some((_, value)) = self.labels.iter_mut().find(|(name, _)| name == label)
            && let Ok(number) = value.parse::<f64>()
        {
            let text = go_float(number);
            if text != *value {
                *value = text.into();
            }
        }
    }

    #[inline]
    fn number(&mut self, what: &str) -> Result<f64, ExpositionError> {
        let at = self.cursor.at();
        let word = self.cursor.word();
        match word.parse::<f64>() {
            Ok(value) if value.is_nan() => Ok(f64::from_bits(NORMAL_NAN_BITS)),
            Ok(value) => Ok(value),
            Err(_) if word.is_empty() => Err(self.cursor.unexpected(what)),
            Err(_) => Err(self.cursor.error_at(at, format!("{word:?} is no number: expected {what}"))),
        }
    }

    /// A time behind a value: milliseconds in the text format, seconds in OpenMetrics.
    #[inline]
    fn time(&mut self) -> Result<Option<i64>, ExpositionError> {
        self.cursor.blanks();
        if matches!(self.cursor.peek(), b'\n' | b'\r' | b'#') || self.cursor.is_at_end() {
            return Ok(None);
        }
        let at = self.cursor.at();
        let word = self.cursor.word();
        let time = match self.dialect {
            Dialect::Text => word.parse::<i64>().ok(),
            Dialect::OpenMetrics => {
                word.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).map(|seconds| (seconds * 1000.0).round() as i64)
            }
        };
        match time {
            Some(time) => Ok(Some(time)),
            None => Err(self.cursor.error_at(at, format!("{word:?} is no timestamp"))),
        }
    }
}

/// What stands in braces: `name="value"` in a row, names plain or in quotes, and one name alone, the metric's.
fn label_set<'a>(
    cursor: &mut Cursor<'a>,
    labels: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
    mut metric: Option<&mut Cow<'a, str>>,
) -> Result<(), ExpositionError> {
    if !cursor.take(b'{') {
        return Err(cursor.unexpected("{"));
    }
    loop {
        cursor.blanks();
        if cursor.take(b'}') {
            return Ok(());
        }
        let at = cursor.at();
        let quoted = cursor.peek() == b'"';
        let name = if quoted { cursor.quoted()? } else { cursor.run(is_name_byte).into() };
        if name.is_empty() || (!quoted && (name.starts_with(|c: char| c.is_ascii_digit()) || name.contains(':'))) {
            return Err(if name.is_empty() && !quoted {
                cursor.unexpected("a label name or }")
            } else {
                cursor.error_at(at, format!("{name:?} is no label name"))
            });
        }
        cursor.blanks();
        if cursor.take(b'=') {
            cursor.blanks();
            let value = cursor.quoted()?;
            labels.push((name, value));
        } else {
            match metric.as_deref_mut().filter(|metric| quoted && metric.is_empty()) {
                Some(metric) => *metric = name,
                None => return Err(cursor.unexpected("=")),
            }
        }
        cursor.blanks();
        if !cursor.take(b',') && cursor.peek() != b'}' {
            return Err(cursor.unexpected(", or }"));
        }
    }
}
