//! Counts and checks payloads that are kept as they came: metrics and logs, until their rooms read them.
//!
//! The whole message tree is walked by the table of [`super::schema`], so that what is journaled can be read later; nothing
//! is built. Texts are not checked for UTF-8 here: whoever decodes them replaces bad bytes.

use super::DecodeError;
use super::pb::{Fault, Field, Fields, MAX_DEPTH, Read, Within, broken};
use super::schema::{self, Kind, Message, Role};
use crate::model::resource::UNKNOWN_SERVICE;
use smol_str::SmolStr;

/// What a payload holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Data points or log records by service, in the order they first appear.
    pub per_service: Vec<(SmolStr, u64)>,
}

impl Counted {
    /// Data points or log records in all.
    pub fn total(&self) -> u64 {
        self.per_service.iter().map(|(_, count)| count).sum()
    }
}

/// Services told apart in one payload; what comes after them is counted as `(others)`.
const MAX_SERVICES: usize = 1024;

/// Counts the data points of an `ExportMetricsServiceRequest`.
pub fn count_metrics(body: &[u8]) -> Result<Counted, DecodeError> {
    count(body, &schema::METRICS)
}

/// Counts the records of an `ExportLogsServiceRequest`.
pub fn count_logs(body: &[u8]) -> Result<Counted, DecodeError> {
    count(body, &schema::LOGS)
}

fn count(body: &[u8], request: &'static Message) -> Result<Counted, DecodeError> {
    walk(body, request).map_err(|broken| DecodeError::protobuf(request.name, body, &broken))
}

fn walk(body: &[u8], request: &'static Message) -> Read<Counted> {
    let mut counted = Counted::default();
    let mut fields = Fields::new(body);
    let mut index = 0;
    while let Some((number, field)) = fields.next()? {
        let Some(entry) = request.by_number(number) else { continue };
        let (Kind::Message(of_resource), Field::Bytes(bytes)) = (&entry.kind, field) else {
            return broken(Fault::Mismatch, fields.rest());
        };
        let mut count = 0;
        check(of_resource, bytes, 0, &mut count).within(entry.name, index)?;
        index += 1;
        if count > 0 {
            let mut service = service_of(bytes)?;
            if counted.per_service.len() >= MAX_SERVICES {
                service = "(others)".into();
            }
            match counted.per_service.iter_mut().rev().find(|(known, _)| *known == service) {
                Some((_, sum)) => *sum += count,
                None => counted.per_service.push((service, count)),
            }
        }
    }
    Ok(counted)
}

/// `service.name` in a `ResourceMetrics` or `ResourceLogs`.
fn service_of(message: &[u8]) -> Read<SmolStr> {
    let mut service = SmolStr::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        let (1, Field::Bytes(resource)) = field else { continue };
        let mut fields = Fields::new(resource);
        while let Some(field) = fields.next()? {
            let (1, Field::Bytes(attribute)) = field else { continue };
            let (mut key, mut value) = (&[][..], &[][..]);
            let mut fields = Fields::new(attribute);
            while let Some(field) = fields.next()? {
                match field {
                    (1, Field::Bytes(bytes)) => key = bytes,
                    (2, Field::Bytes(bytes)) => value = bytes,
                    _ => {}
                }
            }
            let mut fields = Fields::new(value);
            while let Some(field) = fields.next()? {
                if let ((1, Field::Bytes(text)), b"service.name") = (field, key) {
                    service = String::from_utf8_lossy(text).into();
                }
            }
        }
    }
    Ok(if service.is_empty() { UNKNOWN_SERVICE.into() } else { service })
}

/// Walks a message tree, checks every known field's wire type, and counts.
fn check(message: &'static Message, bytes: &[u8], depth: u32, count: &mut u64) -> Read<()> {
    let depth = depth + u32::from(message.role == Role::AnyValue);
    if depth > MAX_DEPTH + 1 {
        return broken(Fault::Depth, bytes);
    }
    *count += u64::from(message.role == Role::Counted);
    let mut fields = Fields::new(bytes);
    while let Some((number, field)) = fields.next()? {
        let Some(entry) = message.by_number(number) else { continue };
        let fits = match (&entry.kind, field) {
            (Kind::Message(nested), Field::Bytes(bytes)) => {
                check(nested, bytes, depth, count).inside(entry.name)?;
                true
            }
            (Kind::Text | Kind::Bytes | Kind::Id(_), Field::Bytes(_)) => true,
            (Kind::Bool | Kind::Unsigned | Kind::Signed | Kind::ZigZag | Kind::Enum(..), Field::Varint(_)) => true,
            (Kind::Fixed64 | Kind::Sfixed64 | Kind::Double, Field::Fixed64(_)) => true,
            (Kind::Fixed32, Field::Fixed32(_)) => true,
            (Kind::Fixed64 | Kind::Double, Field::Bytes(packed)) => entry.repeated && packed.len() % 8 == 0,
            (Kind::Unsigned, Field::Bytes(packed)) if entry.repeated => {
                let mut packed = Fields::new(packed);
                while !packed.rest().is_empty() {
                    packed.varint()?;
                }
                true
            }
            _ => false,
        };
        if !fits {
            return broken(Fault::Mismatch, fields.rest()).inside(entry.name);
        }
    }
    Ok(())
}
