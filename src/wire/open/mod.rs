//! Opens any trace file: takes the packing off, tells the format by content, never by the name, and reads it.
//!
//! The result is complete or an error with its place; a broken file leaves nothing behind. Archives may hold several
//! files; those of a known format are read together, others are noted.

mod sniff;
mod unpack;

pub use unpack::Limits;

use super::fault::{KEPT_PROBLEMS, OpenError, Place, Problem};
use super::format::Format;
use super::otlp::DecodedMetrics;
use super::otlp_file::Signals;
use super::reading::{Decoded, Progress, Watch};
use super::{chrome, datadog, go_stdouttrace, jaeger, otlp_file, xray, zipkin};
use crate::model::{LogRecord, SpanBatch, SpanBatchBuilder};
use sniff::{Shape, json_format};
use unpack::{Member, unpack};

/// What came out of a file.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The format; of the first file read where an archive holds several.
    pub format: Format,
    /// Spans in the order of the file.
    pub batch: SpanBatch,
    /// Log records, from OTLP files.
    pub logs: Vec<LogRecord>,
    /// Metric data points in the file.
    pub samples: u64,
    /// The same as samples, from OTLP files, in the order of the files. Deltas are still deltas.
    pub metrics: Vec<DecodedMetrics>,
    /// Records that made no sense and are not among the others.
    pub rejected: u64,
    /// What was noticed, at most [`KEPT_PROBLEMS`] word for word.
    pub problems: Vec<Problem>,
}

impl Opened {
    fn spans(format: Format, decoded: Decoded) -> Self {
        let Decoded { batch, rejected, problems } = decoded;
        Self { format, batch, logs: Vec::new(), samples: 0, metrics: Vec::new(), rejected, problems }
    }

    fn signals(format: Format, signals: Signals) -> Self {
        let Signals { batch, logs, samples, metrics, rejected, problems, .. } = signals;
        let metrics = if metrics.batch.is_empty() { Vec::new() } else { vec![metrics] };
        Self { format, batch, logs, samples, metrics, rejected, problems }
    }
}

/// Opens the bytes of a file. `name` is only used to name members of archives in messages.
pub fn read(bytes: &[u8], name: &str) -> Result<Opened, OpenError> {
    read_with(bytes, name, &Limits::default(), &mut |_| true)
}

/// As [`read`], with limits and a watcher that is told the progress now and then and cancels by answering `false`.
pub fn read_with(
    bytes: &[u8],
    name: &str,
    limits: &Limits,
    watch: &mut dyn FnMut(Progress) -> bool,
) -> Result<Opened, OpenError> {
    let mut members = unpack(bytes, limits)?;
    if let [Member { name: inner, bytes }] = members.as_slice() {
        return read_plain(bytes, watch).map_err(|error| if inner.is_empty() { error } else { error.inside(inner) });
    }
    members.retain(|member| !member.bytes.iter().all(u8::is_ascii_whitespace));
    read_archive(&members, name, watch)
}

fn read_archive(members: &[Member<'_>], name: &str, watch: &mut Watch<'_>) -> Result<Opened, OpenError> {
    let mut all: Option<Opened> = None;
    let mut builder = SpanBatchBuilder::default();
    let mut skipped = Vec::new();
    for member in members {
        let opened = match read_plain(&member.bytes, watch) {
            Ok(opened) => opened,
            // Archives carry READMEs and console logs beside the traces.
            Err(OpenError::Unknown { found }) => {
                let place = Place::default().on(&member.name);
                skipped.push(Problem { place, reason: format!("skipped, not a trace file: {found}"), rejected: false });
                continue;
            }
            Err(error) => return Err(error.inside(&member.name)),
        };
        builder.copy(&opened.batch, 0..opened.batch.len());
        let Opened { format, logs, samples, metrics, rejected, problems, .. } = opened;
        let all = all.get_or_insert_with(|| Opened::spans(format, Decoded::default()));
        all.logs.extend(logs);
        all.samples += samples;
        all.metrics.extend(metrics);
        all.rejected += rejected;
        for mut problem in problems {
            problem.place.path = format!("{}: {}", member.name, problem.place.path);
            skipped.push(problem);
        }
    }
    let count = members.len();
    let mut opened =
        all.ok_or_else(|| OpenError::Unknown { found: format!("none of the {count} files in the archive {name} is one") })?;
    skipped.truncate(KEPT_PROBLEMS);
    opened.problems = skipped;
    opened.batch = builder.finish();
    Ok(opened)
}

/// Reads one file without packing.
fn read_plain(bytes: &[u8], watch: &mut Watch<'_>) -> Result<Opened, OpenError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(OpenError::Empty);
    }
    let shape = Shape::of(text);
    let Some(format) = json_format(&shape) else {
        if otlp_file::is_protobuf(bytes) {
            return otlp_file::read_protobuf(bytes, watch).map(|signals| Opened::signals(Format::OtlpProto, signals));
        }
        if zipkin::is_protobuf(bytes) {
            return zipkin::decode_proto(bytes).map(|decoded| Opened::spans(Format::ZipkinV2, decoded));
        }
        return Err(OpenError::Unknown { found: found(bytes, &shape) });
    };
    let decoded = match format {
        Format::OtlpJson | Format::OtlpJsonLines | Format::OtlpProto => {
            let signals = otlp_file::read_json(format, bytes, watch)?;
            let format = if signals.documents > 1 { Format::OtlpJsonLines } else { Format::OtlpJson };
            return Ok(Opened::signals(format, signals));
        }
        Format::Tempo => {
            return otlp_file::read_json(format, bytes, watch).map(|signals| Opened::signals(format, signals));
        }
        Format::Jaeger => jaeger::read(bytes, watch),
        Format::ZipkinV2 => zipkin::read_v2(bytes, false, watch),
        Format::ZipkinV1 => zipkin::read_v1(bytes, false, watch),
        Format::GoStdouttrace => go_stdouttrace::read(bytes, watch),
        Format::Chrome => chrome::read(bytes, watch),
        Format::XRay => xray::read(bytes, watch),
        Format::Datadog => datadog::read(bytes, watch),
    };
    decoded.map(|decoded| Opened::spans(format, decoded))
}

/// What a person would say the content looks like.
fn found(bytes: &[u8], shape: &Shape) -> String {
    match shape.first {
        Some(b'{') => "JSON with other keys".to_owned(),
        Some(b'[') => "a JSON list of something else".to_owned(),
        _ if bytes.starts_with(b"<") => "XML or HTML".to_owned(),
        _ if bytes.starts_with(b"%PDF") => "a PDF".to_owned(),
        _ if bytes.starts_with(b"SQLite format 3\0") => "a SQLite database".to_owned(),
        _ if bytes.starts_with(b"\x89PNG") || bytes.starts_with(b"\xff\xd8\xff") => "a picture".to_owned(),
        _ if std::str::from_utf8(&bytes[..bytes.len().min(1024)]).is_ok_and(|text| !text.contains('\0')) => {
            "plain text".to_owned()
        }
        _ => "binary content".to_owned(),
    }
}

#[cfg(test)]
mod tests;
