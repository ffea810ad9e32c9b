//! OTLP/JSON: proto3 JSON with hexadecimal ids. It is rewritten as protobuf by the table of [`super::schema`] and read as such.
//!
//! Read leniently: ids in either case, or base64 as Tempo writes them; enums as numbers or names; 64-bit integers as strings
//! or numbers; `NaN` and `Infinity` as strings; `null` as unset; `{}` as an empty `AnyValue`; `snake_case` names; the names of
//! 2021 (`instrumentationLibrarySpans`) and of Tempo (`batches`); unknown fields skipped.

mod encode;
mod lexer;

pub use encode::{encode_spans, encode_traces};

use super::pb::{MAX_DEPTH, Writer};
use super::schema::{self, Entry, Kind, Message, Role};
use super::{DecodeError, DecodedTraces, Options};
use crate::model::{LogRecord, Signal};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use lexer::{Bad, Lex, Lexer, PathStep, Scalar};
use std::fmt::Write as _;

/// Why a text is not OTLP/JSON.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("not OTLP/JSON: {what}, at line {line}, column {column}{}", super::display_path(.path))]
pub struct JsonError {
    /// What is wrong.
    pub what: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// Fields around it, `resourceSpans[0].resource`; empty at the top.
    pub path: String,
}

/// A JSON text as protobuf.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// The request message.
    pub payload: Vec<u8>,
    /// Names at the top that OTLP does not have, the first few: a sign that the text is something else.
    pub unknown: Vec<String>,
    /// Whether a name at the top was known.
    pub recognised: bool,
}

/// Unknown names that are kept for the message.
const MAX_UNKNOWN: usize = 5;

/// Reads the JSON form of an `ExportTraceServiceRequest` with nothing masked and no clock.
pub fn decode_traces(text: &[u8]) -> Result<DecodedTraces, DecodeError> {
    decode_traces_with(text, Options::default())
}

/// Reads the JSON form of an `ExportTraceServiceRequest`.
pub fn decode_traces_with(text: &[u8], options: Options<'_>) -> Result<DecodedTraces, DecodeError> {
    super::decode_traces_with(&to_protobuf(Signal::Traces, text)?.payload, options)
}

/// Reads the JSON form of an `ExportLogsServiceRequest`.
pub fn decode_logs(text: &[u8], options: Options<'_>) -> Result<Vec<LogRecord>, DecodeError> {
    super::decode_logs(&to_protobuf(Signal::Logs, text)?.payload, options)
}

/// Rewrites the JSON form of a request as protobuf. The text must be one JSON object.
pub fn to_protobuf(signal: Signal, text: &[u8]) -> Result<Converted, JsonError> {
    let message = match signal {
        Signal::Traces => &schema::TRACES,
        Signal::Metrics => &schema::METRICS,
        Signal::Logs => &schema::LOGS,
    };
    let mut reader = Reader { lexer: Lexer::new(text), out: Writer(Vec::with_capacity(text.len() / 2)), depth: 0 };
    let mut converted = Converted::default();
    match reader.request(message, &mut converted) {
        Ok(()) => {
            converted.payload = reader.out.0;
            Ok(converted)
        }
        Err(bad) => Err(reader.error(*bad)),
    }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    out: Writer,
    depth: u32,
}

fn key_step(mut bad: Box<Bad>, name: &'static str) -> Box<Bad> {
    bad.path.push(PathStep::Key(name));
    bad
}

impl Reader<'_> {
    fn error(&self, bad: Bad) -> JsonError {
        let (line, column) = self.lexer.place(bad.at);
        let mut path = String::new();
        for step in bad.path.iter().rev() {
            match step {
                PathStep::Key(name) if path.is_empty() => path.push_str(name),
                PathStep::Key(name) => write!(path, ".{name}").unwrap_or_default(),
                PathStep::Index(index) => write!(path, "[{index}]").unwrap_or_default(),
            }
        }
        JsonError { what: bad.what, line, column, path }
    }

    fn request(&mut self, message: &'static Message, converted: &mut Converted) -> Lex<()> {
        if self.lexer.peek() != Some(b'{') {
            return self.lexer.bad(self.lexer.at(), format!("expected an object with {}", message.fields[0].name));
        }
        self.lexer.enter()?;
        let mut first = true;
        while self.lexer.more(b'}', first)? {
            first = false;
            let key = self.lexer.key()?;
            match message.by_name(&key) {
                Some(entry) => {
                    converted.recognised = true;
                    self.field(entry).map_err(|bad| key_step(bad, entry.name))?;
                }
                None => {
                    if converted.unknown.len() < MAX_UNKNOWN {
                        converted.unknown.push(key.chars().take(40).collect());
                    }
                    self.lexer.skip()?;
                }
            }
        }
        self.lexer.finish()
    }

    /// The members of a message; the brace is next.
    fn message(&mut self, message: &'static Message) -> Lex<()> {
        if self.lexer.peek() != Some(b'{') {
            return self.lexer.bad(self.lexer.at(), format!("expected an object ({})", message.name));
        }
        let deeper = u32::from(message.role == Role::AnyValue);
        if self.depth + deeper > MAX_DEPTH + 1 {
            return self.lexer.bad(self.lexer.at(), format!("values are nested deeper than {MAX_DEPTH} levels"));
        }
        self.depth += deeper;
        self.lexer.enter()?;
        let mut first = true;
        while self.lexer.more(b'}', first)? {
            first = false;
            let key = self.lexer.key()?;
            match message.by_name(&key) {
                Some(entry) => self.field(entry).map_err(|bad| key_step(bad, entry.name))?,
                None => self.lexer.skip()?,
            }
        }
        self.depth -= deeper;
        Ok(())
    }

    fn field(&mut self, entry: &'static Entry) -> Lex<()> {
        if self.lexer.peek() == Some(b'n') {
            self.lexer.scalar()?;
            return Ok(());
        }
        if !entry.repeated {
            return self.single(entry);
        }
        if self.lexer.peek() != Some(b'[') {
            return self.lexer.bad(self.lexer.at(), "expected an array");
        }
        self.lexer.enter()?;
        let packed = !matches!(entry.kind, Kind::Message(_) | Kind::Text | Kind::Bytes);
        let start = packed.then(|| self.out.open(entry.number));
        let (mut first, mut index) = (true, 0);
        while self.lexer.more(b']', first)? {
            first = false;
            let one = match &entry.kind {
                // A null in a list is an empty message, so that the others keep their places.
                Kind::Message(_) if self.lexer.peek() == Some(b'n') => {
                    self.lexer.scalar().map(|_| self.out.bytes(entry.number, &[]))
                }
                _ if packed => self.number(&entry.kind),
                _ => self.single(entry),
            };
            one.map_err(|mut bad| {
                bad.path.push(PathStep::Index(index));
                bad
            })?;
            index += 1;
        }
        if let Some(start) = start {
            self.out.close(start);
        }
        Ok(())
    }

    /// One value with its tag.
    fn single(&mut self, entry: &'static Entry) -> Lex<()> {
        match &entry.kind {
            Kind::Message(message) => {
                let start = self.out.open(entry.number);
                self.message(message)?;
                self.out.close(start);
                Ok(())
            }
            Kind::Text => {
                let at = self.lexer.at();
                match self.lexer.scalar()? {
                    Scalar::Text(text) => self.out.bytes(entry.number, text.as_bytes()),
                    _ => return self.lexer.bad(at, "expected a string"),
                }
                Ok(())
            }
            Kind::Bytes => {
                let at = self.lexer.at();
                match self.lexer.scalar()? {
                    Scalar::Text(text) => match base64(&text) {
                        Some(bytes) => self.out.bytes(entry.number, &bytes),
                        None => return self.lexer.bad(at, "expected base64"),
                    },
                    _ => return self.lexer.bad(at, "expected base64 in a string"),
                }
                Ok(())
            }
            Kind::Id(size) => {
                let at = self.lexer.at();
                match self.lexer.scalar()? {
                    Scalar::Text(text) => match usual_id(&text, *size) {
                        Some(bytes) => self.out.bytes(entry.number, &bytes[..*size]),
                        None => match id(&text, *size) {
                            Some(bytes) => self.out.bytes(entry.number, &bytes),
                            None => return self.lexer.bad(at, format!("expected {} hexadecimal digits", size * 2)),
                        },
                    },
                    _ => return self.lexer.bad(at, "expected hexadecimal digits in a string"),
                }
                Ok(())
            }
            kind => {
                let wire = match kind {
                    Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => 1,
                    Kind::Fixed32 => 5,
                    _ => 0,
                };
                self.out.tag(entry.number, wire);
                self.number(kind)
            }
        }
    }

    /// A number, Boolean or enum without its tag.
    fn number(&mut self, kind: &Kind) -> Lex<()> {
        self.lexer.peek();
        let at = self.lexer.at();
        let scalar = self.lexer.scalar()?;
        let text = match (&scalar, kind) {
            (Scalar::Bool(value), Kind::Bool) => {
                self.out.raw_varint(u64::from(*value));
                return Ok(());
            }
            (_, Kind::Bool) => return self.lexer.bad(at, "expected true or false"),
            (Scalar::Number(text), _) => *text,
            (Scalar::Text(text), _) => text,
            _ => return self.lexer.bad(at, "expected a number"),
        };
        let written = match kind {
            Kind::Double => double(text).map(|value| self.out.0.extend_from_slice(&value.to_le_bytes())),
            Kind::Fixed64 => integer(text)
                .and_then(|value| u64::try_from(value).ok())
                .map(|value| self.out.0.extend_from_slice(&value.to_le_bytes())),
            Kind::Sfixed64 => integer(text)
                .and_then(|value| i64::try_from(value).ok())
                .map(|value| self.out.0.extend_from_slice(&value.to_le_bytes())),
            Kind::Fixed32 => integer(text)
                .and_then(|value| u32::try_from(value).ok())
                .map(|value| self.out.0.extend_from_slice(&value.to_le_bytes())),
            Kind::Unsigned => integer(text).and_then(|value| u64::try_from(value).ok()).map(|value| self.out.raw_varint(value)),
            Kind::Signed => {
                integer(text).and_then(|value| i64::try_from(value).ok()).map(|value| self.out.raw_varint(value as u64))
            }
            Kind::ZigZag => integer(text)
                .and_then(|value| i32::try_from(value).ok())
                .map(|value| self.out.raw_varint(u64::from(((value << 1) ^ (value >> 31)) as u32))),
            Kind::Enum(prefix, names) => integer(text)
                .and_then(|value| i32::try_from(value).ok())
                .or_else(|| {
                    let name = text.strip_prefix(prefix).unwrap_or(text);
                    names.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|at| at as i32)
                })
                .map(|value| self.out.raw_varint(i64::from(value) as u64)),
            _ => None,
        };
        match written {
            Some(()) => Ok(()),
            None => {
                let shown: String = text.chars().take(40).collect();
                self.lexer.bad(at, format!("{shown:?} is not a value of this field"))
            }
        }
    }
}

/// An integer, in digits or as a float that is whole.
fn integer(text: &str) -> Option<i128> {
    // Nearly all fit 64 bits, which are read several times faster.
    if let Ok(value) = text.parse::<i64>() {
        return Some(value.into());
    }
    text.parse::<i128>().ok().or_else(|| {
        let value: f64 = if text.contains(['.', 'e', 'E']) { text.parse().ok()? } else { return None };
        (value.fract() == 0.0 && value.abs() < 2e19).then_some(value as i128)
    })
}

fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| text.parse().ok()).flatten(),
    }
}

const LENIENT: GeneralPurposeConfig = general_purpose::PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_LENIENT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_LENIENT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_LENIENT.decode(text).or_else(|_| URL_LENIENT.decode(text)).ok()
}

/// An id of `size` bytes, at most 16, that is written as it should be, without an allocation; what follows them is nothing.
fn usual_id(text: &str, size: usize) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != size * 2 {
        return None;
    }
    for (byte, pair) in bytes.get_mut(..size)?.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// An id of `size` bytes out of hexadecimal digits, or out of base64 where the length says so. Hexadecimal of another length
/// is answered as it is: the reader of the message refuses that span alone.
fn id(text: &str, size: usize) -> Option<Vec<u8>> {
    if text.len() != size * 2
        && (text.len() == size.div_ceil(3) * 4 || text.len() == (size * 4).div_ceil(3))
        && let Some(bytes) = base64(text).filter(|bytes| bytes.len() == size)
    {
        return Some(bytes);
    }
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests;
