//! Log records out of and into an `ExportLogsServiceRequest`.

use super::encode::{write_entry, write_value};
use super::pb::{Fault, Field, Fields, Read, Within, Writer, broken};
use super::value::Texts;
use super::{DecodeError, Options};
use crate::model::{Attributes, LogRecord, Resource, Scope, SpanId, TraceId, UnixNanos};
use std::sync::Arc;

/// Reads log records. Records share their resource and scope; ids of a wrong length or all zero are left out.
pub fn decode_logs(body: &[u8], options: Options<'_>) -> Result<Vec<LogRecord>, DecodeError> {
    let mut walk = Walk { texts: Texts::new(options.redaction), received: options.received, records: Vec::new() };
    walk.request(body).map_err(|broken| DecodeError::protobuf("ExportLogsServiceRequest", body, &broken))?;
    Ok(walk.records)
}

struct Walk<'a> {
    texts: Texts<'a>,
    received: Option<UnixNanos>,
    records: Vec<LogRecord>,
}

impl Walk<'_> {
    fn request(&mut self, body: &[u8]) -> Read<()> {
        let mut fields = Fields::new(body);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(message)) => {
                    self.resource_logs(message).within("resource_logs", index)?;
                    index += 1;
                }
                (1, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        Ok(())
    }

    fn resource_logs(&mut self, message: &[u8]) -> Read<()> {
        let mut resource = Resource::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) => {
                    let mut fields = Fields::new(bytes);
                    while let Some(field) = fields.next()? {
                        match field {
                            (1, Field::Bytes(bytes)) => self.attr(bytes, &mut resource.attributes).inside("resource")?,
                            (2, Field::Varint(count)) => resource.dropped_attributes = count as u32,
                            _ => {}
                        }
                    }
                }
                (3, Field::Bytes(url)) => resource.schema_url = self.texts.text(url).into(),
                _ => {}
            }
        }
        let resource = Arc::new(resource);
        let mut fields = Fields::new(message);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            if let (2 | 1000, Field::Bytes(bytes)) = field {
                self.scope_logs(bytes, &resource).within("scope_logs", index)?;
                index += 1;
            }
        }
        Ok(())
    }

    fn attr(&mut self, message: &[u8], out: &mut Attributes) -> Read<()> {
        let entry = self.texts.owned_attr(message).within("attributes", out.len())?;
        out.0.push(entry);
        Ok(())
    }

    fn scope_logs(&mut self, message: &[u8], resource: &Arc<Resource>) -> Read<()> {
        let mut scope = Scope::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) => {
                    let mut fields = Fields::new(bytes);
                    while let Some(field) = fields.next()? {
                        match field {
                            (1, Field::Bytes(name)) => scope.name = self.texts.text(name).into(),
                            (2, Field::Bytes(version)) => scope.version = self.texts.text(version).into(),
                            (3, Field::Bytes(bytes)) => self.attr(bytes, &mut scope.attributes).inside("scope")?,
                            (4, Field::Varint(count)) => scope.dropped_attributes = count as u32,
                            _ => {}
                        }
                    }
                }
                (3, Field::Bytes(url)) => scope.schema_url = self.texts.text(url).into(),
                _ => {}
            }
        }
        let scope = Arc::new(scope);
        let mut fields = Fields::new(message);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            if let (2, Field::Bytes(bytes)) = field {
                let record = self.record(bytes, resource, &scope).within("log_records", index)?;
                self.records.push(record);
                index += 1;
            }
        }
        Ok(())
    }

    fn record(&mut self, message: &[u8], resource: &Arc<Resource>, scope: &Arc<Scope>) -> Read<LogRecord> {
        let mut record = LogRecord { resource: resource.clone(), scope: scope.clone(), ..LogRecord::default() };
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Fixed64(nanos)) => record.time = UnixNanos::from_u64(nanos),
                (2, Field::Varint(number)) => record.severity = if number <= 24 { number as u8 } else { 0 },
                (3, Field::Bytes(text)) => record.severity_text = self.texts.text(text).into(),
                (5, Field::Bytes(bytes)) => record.body = self.texts.owned(bytes).inside("body")?,
                (6, Field::Bytes(bytes)) => self.attr(bytes, &mut record.attributes)?,
                (7, Field::Varint(count)) => record.dropped_attributes = count as u32,
                (8, Field::Fixed32(flags)) => record.flags = flags,
                (9, Field::Bytes(bytes)) => record.trace_id = bytes.try_into().ok().map(TraceId).filter(|id| id.is_valid()),
                (10, Field::Bytes(bytes)) => record.span_id = bytes.try_into().ok().map(SpanId).and_then(SpanId::non_zero),
                (11, Field::Fixed64(nanos)) => record.observed = UnixNanos::from_u64(nanos),
                (12, Field::Bytes(text)) => record.event_name = self.texts.text(text).into(),
                (1..=3 | 5..=12, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        if record.observed.0 == 0 {
            record.observed = self.received.unwrap_or(record.time);
        }
        if record.time.0 == 0 {
            record.time = record.observed;
        }
        Ok(record)
    }
}

/// Log records as an `ExportLogsServiceRequest`; neighbours with the same resource and scope share their message.
pub fn encode_logs(records: &[LogRecord]) -> Vec<u8> {
    let mut writer = Writer::default();
    for of_resource in records.chunk_by(|a, b| Arc::ptr_eq(&a.resource, &b.resource) || a.resource == b.resource) {
        let resource = &of_resource[0].resource;
        writer.message(1, |writer| {
            writer.message(1, |writer| {
                write_attributes(writer, 1, &resource.attributes);
                writer.varint(2, u64::from(resource.dropped_attributes));
            });
            for of_scope in of_resource.chunk_by(|a, b| Arc::ptr_eq(&a.scope, &b.scope) || a.scope == b.scope) {
                let scope = &of_scope[0].scope;
                writer.message(2, |writer| {
                    writer.message(1, |writer| {
                        writer.text(1, &scope.name);
                        writer.text(2, &scope.version);
                        write_attributes(writer, 3, &scope.attributes);
                        writer.varint(4, u64::from(scope.dropped_attributes));
                    });
                    for record in of_scope {
                        writer.message(2, |writer| write_record(writer, record));
                    }
                    writer.text(3, &scope.schema_url);
                });
            }
            writer.text(3, &resource.schema_url);
        });
    }
    writer.0
}

fn write_attributes(writer: &mut Writer, number: u32, attributes: &Attributes) {
    for (key, value) in attributes.iter() {
        writer.message(number, |writer| write_entry(writer, key, value));
    }
}

fn write_record(writer: &mut Writer, record: &LogRecord) {
    writer.fixed64(1, record.time.0.max(0) as u64);
    writer.varint(2, u64::from(record.severity));
    writer.text(3, &record.severity_text);
    writer.message(5, |writer| write_value(writer, &record.body));
    write_attributes(writer, 6, &record.attributes);
    writer.varint(7, u64::from(record.dropped_attributes));
    writer.fixed32(8, record.flags);
    if let Some(id) = record.trace_id {
        writer.bytes(9, &id.0);
    }
    if let Some(id) = record.span_id {
        writer.bytes(10, &id.0);
    }
    writer.fixed64(11, record.observed.0.max(0) as u64);
    writer.text(12, &record.event_name);
}
