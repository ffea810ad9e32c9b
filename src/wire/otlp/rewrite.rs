//! Masks secrets, by key and inside texts, in metric and log payloads, which are journaled as protobuf. A payload without a secret is not copied.

use super::super::redact::Redaction;
use super::pb::{Field, Fields, Read, Writer};
use super::schema::{self, Kind, Message, Role};
use crate::model::Signal;
use crate::model::value::MASKED;
use std::collections::HashMap;

/// The payload with the values of secret keys masked, and how many there were; `None` when there were none. The payload
/// must have passed [`super::count_metrics`] or [`super::count_logs`]; what cannot be read is answered as `None`.
pub fn mask_payload(signal: Signal, body: &[u8], redaction: &Redaction) -> Option<(Vec<u8>, u64)> {
    if redaction.is_empty() {
        return None;
    }
    let request = match signal {
        Signal::Traces => &schema::TRACES,
        Signal::Metrics => &schema::METRICS,
        Signal::Logs => &schema::LOGS,
    };
    let mut masker = Masker { redaction, known: HashMap::new(), count: 0 };
    masker.search(request, body).ok()?;
    if masker.count == 0 {
        return None;
    }
    let mut out = Writer(Vec::with_capacity(body.len()));
    masker.copy(request, body, &mut out).ok()?;
    Some((out.0, masker.count))
}

struct Masker<'a> {
    redaction: &'a Redaction,
    /// Answers of this payload by key.
    known: HashMap<&'a [u8], bool>,
    count: u64,
}

impl<'a> Masker<'a> {
    fn masks(&mut self, message: &'a [u8]) -> Read<bool> {
        let mut key = &[][..];
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            if let (1, Field::Bytes(bytes)) = field {
                key = bytes;
            }
        }
        let redaction = self.redaction;
        Ok(*self.known.entry(key).or_insert_with(|| redaction.masks(&String::from_utf8_lossy(key))))
    }

    /// A text of a value with the secrets in it masked.
    fn masked_text(&self, role: Role, number: u32, bytes: &[u8]) -> Option<String> {
        let text = (role == Role::AnyValue && number == 1).then(|| std::str::from_utf8(bytes).ok()).flatten()?;
        self.redaction.mask_text(text)
    }

    /// Counts the values to mask.
    fn search(&mut self, message: &'static Message, bytes: &'a [u8]) -> Read<()> {
        if message.role == Role::KeyValue && self.masks(bytes)? {
            self.count += 1;
            return Ok(());
        }
        let mut fields = Fields::new(bytes);
        while let Some((number, field)) = fields.next()? {
            let Field::Bytes(bytes) = field else { continue };
            match message.by_number(number).map(|entry| &entry.kind) {
                Some(Kind::Message(nested)) => self.search(nested, bytes)?,
                _ => self.count += u64::from(self.masked_text(message.role, number, bytes).is_some()),
            }
        }
        Ok(())
    }

    fn copy(&mut self, message: &'static Message, bytes: &'a [u8], out: &mut Writer) -> Read<()> {
        let masked = message.role == Role::KeyValue && self.masks(bytes)?;
        let mut fields = Fields::new(bytes);
        while let Some((number, field)) = fields.next()? {
            match field {
                Field::Varint(value) => {
                    out.tag(number, 0);
                    out.raw_varint(value);
                }
                Field::Fixed64(value) => out.fixed64(number, value),
                Field::Fixed32(value) => {
                    out.tag(number, 5);
                    out.0.extend_from_slice(&value.to_le_bytes());
                }
                Field::Bytes(_) if masked && number == 2 => {}
                Field::Bytes(bytes) => match message.by_number(number).map(|entry| &entry.kind) {
                    Some(Kind::Message(nested)) => {
                        let start = out.open(number);
                        self.copy(nested, bytes, out)?;
                        out.close(start);
                    }
                    _ => match self.masked_text(message.role, number, bytes) {
                        Some(masked) => out.bytes(number, masked.as_bytes()),
                        None => out.bytes(number, bytes),
                    },
                },
            }
        }
        if masked {
            out.message(2, |out| out.bytes(1, MASKED.as_bytes()));
        }
        Ok(())
    }
}
