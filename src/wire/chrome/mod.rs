//! Chrome's trace event format: a list of events, also one that was never closed, or an object with `traceEvents`.
//!
//! Complete events (X), begin and end pairs (B/E, matched last in first out on their thread), nestable async pairs (b/e by
//! category, id and scope) and the legacy async ones (S/F) are spans; instants (I, i, R, n) and async steps (T, p) are
//! events of the span around them; flows (s/t/f, `bind_id`) are links; metadata (M) names processes and threads. Counters,
//! object snapshots and profile samples are neither and are left aside. What began and never ended is in flight.
//!
//! The format has no trace: a file is one, named by a hash of its text, its processes are the services. Times are
//! microseconds of any clock, with fractions; they are kept as they stand, so a recording may lie in 1970. Threads nest by
//! time: the parent of a span is the innermost one of its thread that holds it whole. Events that carry `trace_id` and
//! `span_id` in their `args`, as [`super::export::chrome`] writes them, keep those and the parent they name.

mod build;
mod event;
mod own;

#[cfg(test)]
mod tests;

pub(crate) use own::ARROWS;

use super::fault::OpenError;
use super::format::Format;
use super::reading::{Decoded, Reading, Watch, utf8};
use event::Event;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Reads a trace event file.
pub(crate) fn read(bytes: &[u8], watch: &mut Watch<'_>) -> Result<Decoded, OpenError> {
    let text = utf8(Format::Chrome, bytes)?;
    let mut reading = Reading::of_file(Format::Chrome, text, watch);
    let raws = raw_events(&reading)?;
    let mut events = Vec::with_capacity(raws.len());
    for (index, raw) in raws.into_iter().enumerate() {
        if let Some(event) = reading.record::<Event<'_>>(raw, || format!("[{index}]"))? {
            match event.fault() {
                None => events.push((event, raw.get())),
                Some(reason) => reading.reject(raw.get(), format!("[{index}]"), reason)?,
            }
        }
    }
    build::spans(&mut reading, events)?;
    Ok(reading.finish())
}

/// The raw events of the text. A list that ends after a whole event, with or without a comma, needs no bracket.
fn raw_events<'a>(reading: &Reading<'a, '_>) -> Result<Vec<&'a RawValue>, OpenError> {
    let text = reading.text;
    let mut events = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text);
    let result = Sink(&mut events).deserialize(&mut stream).and_then(|()| stream.end());
    let Err(error) = result else { return Ok(events) };
    let unclosed = events.last().is_some_and(|last: &&RawValue| {
        let end = last.get().as_ptr() as usize + last.get().len() - text.as_ptr() as usize;
        text.get(end..).is_some_and(|rest| rest.bytes().all(|byte| b" \t\r\n,]}".contains(&byte)))
    });
    if unclosed { Ok(events) } else { Err(reading.broken(&error, text)) }
}

/// Puts raw events aside as they are parsed, so that those before an unexpected end are not lost with it.
struct Sink<'s, 'a>(&'s mut Vec<&'a RawValue>);

impl<'de> DeserializeSeed<'de> for Sink<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sink<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of trace events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            self.0.push(raw);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(super::json::Key(key)) = map.next_key()? {
            if key == "traceEvents" {
                map.next_value_seed(Sink(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
