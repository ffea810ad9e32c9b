//! One pass over one text: what it gave so far, what was wrong with single records, who wants to know how far it is.

use super::assemble::Assembler;
use super::fault::{KEPT_PROBLEMS, OpenError, Place, Problem};
use super::format::Format;
use crate::model::SpanBatch;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Records between two looks at the watcher.
const TICK: u64 = 1024;

/// How far a reading is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes read of the unpacked input.
    pub read: u64,
    /// Bytes of the unpacked input.
    pub total: u64,
    /// Spans so far.
    pub spans: u64,
}

/// Is told the progress now and then; `false` cancels.
pub(crate) type Watch<'w> = dyn FnMut(Progress) -> bool + 'w;

/// What a codec got out of one input.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decoded {
    /// Spans.
    pub batch: SpanBatch,
    /// Records that are not among the spans because they make no sense.
    pub rejected: u64,
    /// What was noticed, at most [`KEPT_PROBLEMS`] word for word.
    pub problems: Vec<Problem>,
}

/// See the module comment.
pub(crate) struct Reading<'a, 'w> {
    /// The format being read.
    pub format: Format,
    /// The whole text.
    pub text: &'a str,
    /// What was built.
    pub out: Assembler,
    strict: bool,
    rejected: u64,
    problems: Vec<Problem>,
    watch: &'w mut Watch<'w>,
    records: u64,
}

impl<'a, 'w> Reading<'a, 'w> {
    /// A reading of a file: bad records are rejected one by one.
    pub fn of_file(format: Format, text: &'a str, watch: &'w mut Watch<'w>) -> Self {
        Self { format, text, out: Assembler::default(), strict: false, rejected: 0, problems: Vec::new(), watch, records: 0 }
    }

    /// A reading behind a door whose protocol refuses the whole request for one bad record.
    pub fn of_request(format: Format, text: &'a str, watch: &'w mut Watch<'w>) -> Self {
        Self { strict: true, ..Self::of_file(format, text, watch) }
    }

    /// True when one bad record refuses the whole input.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    fn offset_of(&self, part: &str) -> usize {
        // `part` lies in `text`; anything else would only give a wrong place in a message.
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len())
    }

    /// The refusal of the whole input for a parser's error within `part` of it.
    pub fn broken(&self, error: &serde_json::Error, part: &str) -> OpenError {
        broken(self.format, self.text, part, error)
    }

    /// Reads the documents of the text, one or several one after another.
    pub fn documents<T: Deserialize<'a>>(
        &mut self,
        mut each: impl FnMut(&mut Self, T) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let mut stream = serde_json::Deserializer::from_str(self.text);
        loop {
            let document = T::deserialize(&mut stream).map_err(|error| self.broken(&error, self.text))?;
            each(self, document)?;
            if stream.end().is_ok() {
                return Ok(());
            }
        }
    }

    /// Walks the records of a text of lists, lists of lists and single objects, one after another.
    pub fn each_record(
        &mut self,
        mut each: impl FnMut(&mut Self, &'a RawValue, &dyn Fn() -> String) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let mut list = |reading: &mut Self, records: Vec<&'a RawValue>| {
            for (index, raw) in records.into_iter().enumerate() {
                if !raw.get().starts_with('[') {
                    each(reading, raw, &|| format!("[{index}]"))?;
                    continue;
                }
                let inner: Vec<&RawValue> =
                    serde_json::from_str(raw.get()).map_err(|error| reading.broken(&error, raw.get()))?;
                for (at, raw) in inner.into_iter().enumerate() {
                    each(reading, raw, &|| format!("[{index}][{at}]"))?;
                }
            }
            Ok(())
        };
        // The usual file is one list, which needs one scan; single objects have to be found first.
        if self.text.trim_start().starts_with('[') {
            self.documents(list)
        } else {
            self.documents(|reading, Records(records)| list(reading, records))
        }
    }

    /// Reads one record; one that does not fit is rejected and gives `None`.
    pub fn record<T: Deserialize<'a>>(
        &mut self,
        raw: &'a RawValue,
        path: impl FnOnce() -> String,
    ) -> Result<Option<T>, OpenError> {
        self.records += 1;
        if self.records.is_multiple_of(TICK) {
            self.tick(self.offset_of(raw.get()))?;
        }
        match serde_json::from_str(raw.get()) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                let at = self.offset_of(raw.get()) + offset_in(raw.get(), &error);
                self.reject_at(at, path(), reason_of(&error))?;
                Ok(None)
            }
        }
    }

    /// Tells the watcher that `read` bytes are done.
    pub fn tick(&mut self, read: usize) -> Result<(), OpenError> {
        let progress = Progress { read: read as u64, total: self.text.len() as u64, spans: self.out.len() as u64 };
        if (self.watch)(progress) { Ok(()) } else { Err(OpenError::Cancelled) }
    }

    /// Counts a record out, or refuses the input when the reading is strict.
    pub fn reject(&mut self, part: &str, path: String, reason: impl Into<String>) -> Result<(), OpenError> {
        self.reject_at(self.offset_of(part), path, reason.into())
    }

    fn reject_at(&mut self, at: usize, path: String, reason: String) -> Result<(), OpenError> {
        if self.strict {
            let place = Place::in_text(self.text.as_bytes(), at).on(path);
            return Err(OpenError::Broken { format: self.format, reason, place });
        }
        self.out.abandon();
        self.rejected += 1;
        self.keep(at, path, reason, true);
        Ok(())
    }

    /// Notes something that costs no record.
    pub fn note(&mut self, part: &str, path: String, reason: impl Into<String>) {
        self.keep(self.offset_of(part), path, reason.into(), false);
    }

    fn keep(&mut self, at: usize, path: String, reason: String, rejected: bool) {
        if self.problems.len() < KEPT_PROBLEMS {
            let place = Place::in_text(self.text.as_bytes(), at).on(path);
            self.problems.push(Problem { place, reason, rejected });
        }
    }

    /// What came of it.
    pub fn finish(self) -> Decoded {
        Decoded { batch: self.out.finish(), rejected: self.rejected, problems: self.problems }
    }
}

/// A list of raw records, or one.
struct Records<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Records<'a> {
    fn deserialize<D: serde::de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        if raw.get().starts_with('[') {
            return serde_json::from_str(raw.get()).map(Self).map_err(serde::de::Error::custom);
        }
        Ok(Self(vec![raw]))
    }
}

/// The refusal of `text` for a parser's error within `part` of it.
pub(crate) fn broken(format: Format, text: &str, part: &str, error: &serde_json::Error) -> OpenError {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    let place = Place::in_text(text.as_bytes(), start + offset_in(part, error));
    OpenError::Broken { format, reason: reason_of(error), place }
}

/// The byte of `part` that a parser's error points at.
fn offset_in(part: &str, error: &serde_json::Error) -> usize {
    let line = error.line().saturating_sub(1);
    let start = match line {
        0 => 0,
        line => memchr::memchr_iter(b'\n', part.as_bytes()).nth(line - 1).map_or(part.len(), |at| at + 1),
    };
    (start + error.column().saturating_sub(1)).min(part.len())
}

/// The parser's sentence without the position, which is given apart.
fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if error.is_eof() {
        return "it breaks off in the middle".to_owned();
    }
    text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]).to_owned()
}

/// The text of an input, its byte order mark cut; the error names the first byte that is not UTF-8.
pub(crate) fn utf8(format: Format, bytes: &[u8]) -> Result<&str, OpenError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| OpenError::Broken {
        format,
        reason: "not UTF-8".to_owned(),
        place: Place::in_text(bytes, error.valid_up_to()),
    })
}
