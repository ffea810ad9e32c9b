//! `io.prometheus.write.v2.Request`: 4 symbols, 5 timeseries {1 label refs, 2 samples, 3 histograms, 4 exemplars,
//! 5 metadata, 6 created timestamp}. Texts stand once among the symbols and are named by number, in pairs for labels.
//!
//! A start time comes with each sample (the form of the released specification) or once for the series (that of its
//! candidates); both are taken.

use super::super::otlp::pb::{Fault, Field, Fields, Read, Within, broken};
use super::labels::{LabelFault, LabelWriter, shown};
use super::v1::{OpenSeries, kind};
use super::{Decoded, message};
use crate::model::{Exemplar, Labels, MetricKind, MetricMetadata};
use smol_str::SmolStr;
use std::collections::HashMap;

/// The texts of a request, each checked once.
struct Symbols<'a> {
    texts: Vec<&'a [u8]>,
    utf8: bool,
}

impl<'a> Symbols<'a> {
    fn get(&self, number: u64) -> Option<&'a [u8]> {
        usize::try_from(number).ok().and_then(|number| self.texts.get(number)).copied()
    }
}

pub(super) fn decode(body: &[u8], decoded: &mut Decoded) -> Read<()> {
    let mut symbols = Symbols { texts: Vec::new(), utf8: true };
    let mut fields = Fields::new(body);
    while let Some(field) = fields.next()? {
        match field {
            (4, Field::Bytes(text)) => {
                symbols.utf8 &= std::str::from_utf8(text).is_ok();
                symbols.texts.push(text);
            }
            (4, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    let mut known = HashMap::new();
    let mut fields = Fields::new(body);
    let mut index = 0;
    while let Some(field) = fields.next()? {
        match field {
            (5, Field::Bytes(message)) => {
                time_series(message, &symbols, decoded, &mut known).within("timeseries", index)?;
                index += 1;
            }
            (5, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    Ok(())
}

fn time_series<'a>(message: &[u8], symbols: &Symbols<'a>, decoded: &mut Decoded, known: &mut HashMap<SmolStr, ()>) -> Read<()> {
    let mut series = OpenSeries::begin(&decoded.batch);
    let mut labels = LabelWriter::new(&decoded.batch.labels);
    let mut fault = None;
    let mut created = 0;
    let mut about = None;
    let first = decoded.batch.times.len();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(refs)) => {
                pairs(refs, symbols, |name, value| labels.push(&mut decoded.batch.labels, name, value), &mut fault)?;
            }
            (2, Field::Bytes(sample)) => {
                let (time, value, start) = message::sample(sample).inside("samples")?;
                decoded.batch.times.push(time);
                decoded.batch.values.push(value);
                started(decoded, start);
            }
            (3, Field::Bytes(bytes)) => {
                let (time, start, histogram) = message::histogram(bytes).inside("histograms")?;
                if series.histogram(decoded, time, histogram) {
                    started(decoded, start);
                }
            }
            (4, Field::Bytes(bytes)) => series.exemplars.push(exemplar(bytes, symbols).inside("exemplars")?),
            (5, Field::Bytes(bytes)) => about = Some(bytes),
            (6, Field::Varint(millis)) => created = millis as i64,
            (1..=6, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    if created != 0 {
        let batch = &mut decoded.batch;
        batch.starts.resize(batch.times.len(), 0);
        batch.starts[first..].iter_mut().filter(|start| **start == 0).for_each(|start| *start = created);
    }
    let start = labels.start();
    let named = labels.finish(&mut decoded.batch.labels, symbols.utf8);
    if let Some(reason) = fault {
        decoded.refused.because(|| reason);
        series.end(decoded, start, Err(LabelFault::NoName));
        return Ok(());
    }
    if named.is_ok() && decoded.batch.times.len() == first {
        decoded.refused.because(|| {
            let labels = shown(&decoded.batch.labels[start..]);
            format!("TimeSeries must contain at least one sample or histogram for series {labels}")
        });
    }
    if let (Ok(()), Some(bytes)) = (&named, about) {
        let name = Labels::from_packed(&decoded.batch.labels[start..]).unwrap_or_default();
        metadata(bytes, symbols, name.metric_name(), decoded, known).inside("metadata")?;
    }
    series.end(decoded, start, named);
    Ok(())
}

/// Notes the start time of the sample pushed last. The column comes to be with the first start that is known.
fn started(decoded: &mut Decoded, start: i64) {
    let batch = &mut decoded.batch;
    if start != 0 || !batch.starts.is_empty() {
        batch.starts.resize(batch.times.len(), 0);
        if let Some(last) = batch.starts.last_mut() {
            *last = start;
        }
    }
}

fn pairs<'a>(
    refs: &[u8],
    symbols: &Symbols<'a>,
    mut push: impl FnMut(&'a [u8], &'a [u8]),
    fault: &mut Option<String>,
) -> Read<()> {
    let mut refs = Fields::new(refs);
    while !refs.rest().is_empty() {
        let name = refs.varint()?;
        if refs.rest().is_empty() {
            *fault = Some("invalid labels for series: label references come in pairs, their number is odd".to_owned());
            return Ok(());
        }
        let value = refs.varint()?;
        match (symbols.get(name), symbols.get(value)) {
            (Some(name), Some(value)) => push(name, value),
            _ => {
                let number = if symbols.get(name).is_none() { name } else { value };
                let count = symbols.texts.len();
                *fault = Some(format!("invalid labels for series: label reference {number} is beyond the {count} symbols"));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// `Exemplar`: 1 label refs, 2 value, 3 time. `None` for labels that are none.
fn exemplar(message: &[u8], symbols: &Symbols<'_>) -> Read<Option<Exemplar>> {
    let mut packed = Vec::new();
    let mut labels = LabelWriter::new(&packed);
    let mut fault = None;
    let (mut value, mut time) = (0.0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(refs)) => {
                pairs(refs, symbols, |name, value| labels.push(&mut packed, name, value), &mut fault)?;
            }
            (2, Field::Fixed64(bits)) => value = f64::from_bits(bits),
            (3, Field::Varint(millis)) => time = millis as i64,
            (1..=3, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    let usable = fault.is_none() && matches!(labels.finish(&mut packed, symbols.utf8), Ok(()) | Err(LabelFault::NoName));
    Ok(Labels::from_packed(&packed).filter(|_| usable).map(|labels| Exemplar { labels, value, time }))
}

/// `Metadata`: 1 type, 3 help, 4 unit, both as references. Each family once.
fn metadata(
    message: &[u8],
    symbols: &Symbols<'_>,
    name: &str,
    decoded: &mut Decoded,
    known: &mut HashMap<SmolStr, ()>,
) -> Read<()> {
    let (mut kind, mut help, mut unit) = (MetricKind::Unknown, SmolStr::default(), SmolStr::default());
    let text = |number| symbols.get(number).map(|text| SmolStr::from(String::from_utf8_lossy(text))).unwrap_or_default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Varint(number)) => kind = self::kind(number),
            (3, Field::Varint(number)) => help = text(number),
            (4, Field::Varint(number)) => unit = text(number),
            (1 | 3 | 4, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    if kind == MetricKind::Unknown && help.is_empty() && unit.is_empty() {
        return Ok(());
    }
    let family = SmolStr::from(family(name, kind));
    if known.insert(family.clone(), ()).is_none() {
        decoded.batch.metadata.push(MetricMetadata { family, kind, help, unit });
    }
    Ok(())
}

/// The family of a series' name: what a histogram's and a summary's series add is taken off.
fn family(name: &str, kind: MetricKind) -> &str {
    let suffixes: &[&str] = match kind {
        MetricKind::Histogram | MetricKind::GaugeHistogram => &["_bucket", "_count", "_sum"],
        MetricKind::Summary => &["_count", "_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}
