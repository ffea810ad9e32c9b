//! The walk of a trace payload into a batch.
//!
//! Fields may come in any order, so a resource (and a scope) is looked for before its spans are read; looking costs two
//! numbers a span. A span with an unusable id is refused alone, everything else that is odd is kept and told.

use super::pb::{Fault, Field, Fields, Read, Within, broken};
use super::value::Texts;
use super::{CLOCK_TOLERANCE_NS, DecodedTraces, Options, Rejection, Warning};
use crate::model::batch::{AttrRow, EventRow, IN_FLIGHT, LinkRow, Run, ScopeRow, SpanBatchBuilder, SpanRow};
use crate::model::{DurationNs, SpanId, TraceId, UnixNanos};
use smol_str::SmolStr;
use xxhash_rust::xxh3::xxh3_64;

/// Field of `ResourceSpans` that held scopes before 2022 (`instrumentation_library_spans`).
const OLD_SCOPES: u32 = 1000;

/// Services told apart in refusals and warnings of one payload, so that a hostile one stays linear.
const MAX_SERVICES: usize = 64;

/// Stands for the services beyond [`MAX_SERVICES`].
const OTHERS: &str = "(others)";

struct Walk<'a> {
    builder: SpanBatchBuilder,
    texts: Texts<'a>,
    received: Option<UnixNanos>,
    rows: Vec<AttrRow>,
    out: DecodedTraces,
    unnamed: u64,
}

pub(super) fn decode(body: &[u8], options: Options<'_>) -> Read<DecodedTraces> {
    let mut walk = Walk {
        builder: SpanBatchBuilder::default(),
        texts: Texts::new(options.redaction),
        received: options.received,
        rows: Vec::new(),
        out: DecodedTraces::default(),
        unnamed: 0,
    };
    let mut fields = Fields::new(body);
    let mut index = 0;
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(message)) => {
                walk.resource_spans(message).within("resource_spans", index)?;
                index += 1;
            }
            (1, _) => return broken(Fault::Mismatch, fields.rest()),
            _ => {}
        }
    }
    let Walk { builder, texts, mut out, unnamed, .. } = walk;
    if unnamed > 0 {
        out.warnings.insert(0, Warning::MissingServiceName { spans: unnamed });
    }
    if texts.invalid > 0 {
        out.warnings.push(Warning::InvalidUtf8 { texts: texts.invalid });
    }
    out.masked = texts.masked;
    out.batch = builder.finish();
    if let Some((batch, count)) = options.redaction.and_then(|list| list.mask_texts(&out.batch)) {
        out.batch = batch;
        out.masked += count;
    }
    Ok(out)
}

/// Bytes of an id field, exactly `N` of them and not all zero.
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    <[u8; N]>::try_from(bytes).ok().filter(|id| *id != [0; N])
}

fn id_problem(name: &str, bytes: &[u8], expected: usize) -> String {
    if bytes.is_empty() {
        format!("{name} is missing")
    } else if bytes.len() == expected {
        format!("{name} is all zero")
    } else {
        format!("{name} has {} bytes, not {expected}", bytes.len())
    }
}

impl Walk<'_> {
    fn resource_spans(&mut self, message: &[u8]) -> Read<()> {
        let (mut dropped, mut schema_url) = (0, 0);
        self.rows.clear();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(resource)) => {
                    self.attrs_and_dropped(resource, 1, 2, &mut dropped).inside("resource")?;
                }
                (3, Field::Bytes(url)) => schema_url = self.texts.intern(&mut self.builder, url),
                (1..=3 | OLD_SCOPES, Field::Varint(_) | Field::Fixed64(_) | Field::Fixed32(_)) => {
                    return broken(Fault::Mismatch, fields.rest());
                }
                _ => {}
            }
        }
        let rows = std::mem::take(&mut self.rows);
        let named = rows.iter().any(|row| self.builder.peek().strings.get(row.key) == "service.name");
        let resource = self.builder.add_resource(&rows, schema_url, dropped);
        self.rows = rows;
        let mut fields = Fields::new(message);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            if let (2 | OLD_SCOPES, Field::Bytes(scope_spans)) = field {
                self.scope_spans(scope_spans, resource, named).within("scope_spans", index)?;
                index += 1;
            }
        }
        Ok(())
    }

    /// Appends the attributes in field `attributes` of `message` to `rows`.
    fn attrs_and_dropped(&mut self, message: &[u8], attributes: u32, dropped: u32, count: &mut u32) -> Read<()> {
        let mut fields = Fields::new(message);
        while let Some((number, field)) = fields.next()? {
            match field {
                Field::Bytes(bytes) if number == attributes => {
                    let row = self.texts.attr(&mut self.builder, bytes).within("attributes", self.rows.len())?;
                    self.rows.push(row);
                }
                Field::Varint(value) if number == dropped => *count = value as u32,
                _ if number == attributes || number == dropped => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, message: &[u8], resource: u32, named: bool) -> Read<()> {
        let mut row = ScopeRow::default();
        self.rows.clear();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(scope)) => {
                    self.attrs_and_dropped(scope, 3, 4, &mut row.dropped_attributes).inside("scope")?;
                    let mut fields = Fields::new(scope);
                    while let Some(field) = fields.next()? {
                        match field {
                            (1, Field::Bytes(name)) => row.name = self.texts.intern(&mut self.builder, name),
                            (2, Field::Bytes(version)) => row.version = self.texts.intern(&mut self.builder, version),
                            (1 | 2, _) => return broken(Fault::Mismatch, fields.rest()).inside("scope"),
                            _ => {}
                        }
                    }
                }
                (3, Field::Bytes(url)) => row.schema_url = self.texts.intern(&mut self.builder, url),
                (1..=3, Field::Varint(_) | Field::Fixed64(_) | Field::Fixed32(_)) => {
                    return broken(Fault::Mismatch, fields.rest());
                }
                _ => {}
            }
        }
        let rows = std::mem::take(&mut self.rows);
        let scope = self.builder.add_scope(row, &rows);
        self.rows = rows;
        let mut fields = Fields::new(message);
        let mut index = 0;
        while let Some(field) = fields.next()? {
            if let (2, Field::Bytes(span)) = field {
                self.span(span, resource, scope).within("spans", index)?;
                index += 1;
            }
        }
        if !named {
            self.unnamed += index as u64;
        }
        Ok(())
    }

    fn span(&mut self, message: &[u8], resource: u32, scope: u32) -> Read<()> {
        let mut row = SpanRow { resource, scope, ..SpanRow::default() };
        let (mut trace_id, mut span_id, mut parent) = (&[][..], &[][..], &[][..]);
        let mut events = 0;
        let mut links = 0;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) => trace_id = bytes,
                (2, Field::Bytes(bytes)) => span_id = bytes,
                (3, Field::Bytes(bytes)) => row.trace_state = self.texts.intern(&mut self.builder, bytes),
                (4, Field::Bytes(bytes)) => parent = bytes,
                (5, Field::Bytes(bytes)) => row.name = self.texts.intern(&mut self.builder, bytes),
                (6, Field::Varint(kind)) => row.kind = if kind <= 5 { kind as u8 } else { 0 },
                (7, Field::Fixed64(nanos)) => row.start = UnixNanos::from_u64(nanos).0,
                (8, Field::Fixed64(nanos)) => row.end = UnixNanos::from_u64(nanos).0,
                (9, Field::Bytes(bytes)) => {
                    let index = self.builder.draft().attrs.len();
                    let attr = self.texts.attr(&mut self.builder, bytes).within("attributes", index)?;
                    self.builder.draft().attrs.push(attr);
                }
                (10, Field::Varint(count)) => row.dropped_attributes = count as u32,
                (11, Field::Bytes(bytes)) => {
                    self.event(bytes).within("events", events)?;
                    events += 1;
                }
                (12, Field::Varint(count)) => row.dropped_events = count as u32,
                (13, Field::Bytes(bytes)) => {
                    self.link(bytes).within("links", links)?;
                    links += 1;
                }
                (14, Field::Varint(count)) => row.dropped_links = count as u32,
                (15, Field::Bytes(bytes)) => self.status(bytes, &mut row).inside("status")?,
                (16, Field::Fixed32(flags)) => row.flags = flags,
                (1..=16, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        let (Some(trace), Some(span)) = (id(trace_id), id(span_id)) else {
            let reason = match id::<16>(trace_id) {
                None => id_problem("trace_id", trace_id, 16),
                Some(_) => id_problem("span_id", span_id, 8),
            };
            self.reject(&row, reason);
            return Ok(());
        };
        if !matches!(parent.len(), 0 | 8) {
            self.reject(&row, id_problem("parent_span_id", parent, 8));
            return Ok(());
        }
        row.trace_id = TraceId(trace);
        row.span_id = SpanId(span);
        row.parent = SpanId(parent.try_into().unwrap_or_default());
        if row.end == 0 && row.start != 0 {
            row.end = IN_FLIGHT;
        }
        super::pending::announced(&mut self.builder, &mut row);
        row.content_hash = xxh3_64(message).max(1);
        self.check_times(&row);
        self.builder.finish_span(row);
        Ok(())
    }

    fn event(&mut self, message: &[u8]) -> Read<()> {
        let start = self.builder.draft().event_attrs.len() as u32;
        let mut row = EventRow::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Fixed64(nanos)) => row.time = UnixNanos::from_u64(nanos).0,
                (2, Field::Bytes(bytes)) => row.name = self.texts.intern(&mut self.builder, bytes),
                (3, Field::Bytes(bytes)) => {
                    let attr = self.texts.attr(&mut self.builder, bytes).inside("attributes")?;
                    self.builder.draft().event_attrs.push(attr);
                }
                (4, Field::Varint(count)) => row.dropped_attributes = count as u32,
                (1..=4, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        let draft = self.builder.draft();
        row.attrs = Run { start, len: draft.event_attrs.len() as u32 - start };
        draft.events.push(row);
        Ok(())
    }

    fn link(&mut self, message: &[u8]) -> Read<()> {
        let start = self.builder.draft().link_attrs.len() as u32;
        let mut row = LinkRow::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Bytes(bytes)) => row.trace_id = TraceId(bytes.try_into().unwrap_or_default()),
                (2, Field::Bytes(bytes)) => row.span_id = SpanId(bytes.try_into().unwrap_or_default()),
                (3, Field::Bytes(bytes)) => row.trace_state = self.texts.intern(&mut self.builder, bytes),
                (4, Field::Bytes(bytes)) => {
                    let attr = self.texts.attr(&mut self.builder, bytes).inside("attributes")?;
                    self.builder.draft().link_attrs.push(attr);
                }
                (5, Field::Varint(count)) => row.dropped_attributes = count as u32,
                (6, Field::Fixed32(flags)) => row.flags = flags,
                (1..=6, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        let draft = self.builder.draft();
        row.attrs = Run { start, len: draft.link_attrs.len() as u32 - start };
        draft.links.push(row);
        Ok(())
    }

    fn status(&mut self, message: &[u8], row: &mut SpanRow) -> Read<()> {
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next()? {
            match field {
                (2, Field::Bytes(bytes)) => row.status_message = self.texts.intern(&mut self.builder, bytes),
                (3, Field::Varint(code)) => row.status = if code <= 2 { code as u8 } else { 0 },
                (2 | 3, _) => return broken(Fault::Mismatch, fields.rest()),
                _ => {}
            }
        }
        Ok(())
    }

    fn service(&self, row: &SpanRow) -> SmolStr {
        let batch = self.builder.peek();
        batch.strings.get(batch.resources[row.resource as usize].service).into()
    }

    #[cold]
    fn reject(&mut self, row: &SpanRow, reason: String) {
        let draft = self.builder.draft();
        draft.attrs.clear();
        draft.events.clear();
        draft.event_attrs.clear();
        draft.links.clear();
        draft.link_attrs.clear();
        let mut service = self.service(row);
        if self.out.rejected.len() >= MAX_SERVICES {
            service = OTHERS.into();
        }
        match self.out.rejected.iter_mut().find(|known| known.service == service) {
            Some(known) => known.count += 1,
            None => {
                let name: String = self.builder.peek().strings.get(row.name).chars().take(80).collect();
                let reason = format!("{reason} (span \"{name}\")");
                self.out.rejected.push(Rejection { service, count: 1, reason });
            }
        }
    }

    #[inline]
    fn check_times(&mut self, row: &SpanRow) {
        if row.end != IN_FLIGHT && row.end < row.start {
            self.end_before_start(row);
        }
        if let Some(received) = self.received {
            // A long job starts long ago; what a sender exports ended a moment ago, or runs still.
            let late = if row.end == IN_FLIGHT { row.start } else { row.end };
            let (late, start) = (late.saturating_sub(received.0), row.start.saturating_sub(received.0));
            if late < -CLOCK_TOLERANCE_NS || late.max(start) > CLOCK_TOLERANCE_NS {
                self.clock_far(row, if late < 0 { late } else { late.max(start) });
            }
        }
    }

    #[cold]
    fn end_before_start(&mut self, row: &SpanRow) {
        let of = self.service(row);
        for warning in &mut self.out.warnings {
            if let Warning::EndBeforeStart { service, spans, .. } = warning
                && *service == of
            {
                *spans += 1;
                return;
            }
        }
        if self.out.warnings.len() >= MAX_SERVICES {
            return;
        }
        let name = self.builder.peek().strings.get(row.name).into();
        self.out.warnings.push(Warning::EndBeforeStart { service: of, spans: 1, name });
    }

    #[cold]
    fn clock_far(&mut self, row: &SpanRow, offset: i64) {
        let of = self.service(row);
        for warning in &mut self.out.warnings {
            if let Warning::ClockFar { service, spans, .. } = warning
                && *service == of
            {
                *spans += 1;
                return;
            }
        }
        if self.out.warnings.len() >= MAX_SERVICES {
            return;
        }
        self.out.warnings.push(Warning::ClockFar { service: of, spans: 1, offset: DurationNs(offset) });
    }
}
