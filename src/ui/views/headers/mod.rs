//! Headers: paste whatever carries trace context, see what it means and which rules it breaks, open its trace.
//!
//! The reading is [`crate::context::inspect`], done off the frame; this view lays it out.

mod report;

#[cfg(test)]
mod tests;

use super::shared::finished;
use crate::context::inspect::{Report, explain};
use crate::engine::Query;
use crate::model::TraceId;
use crate::source::SourceError;
use crate::ui::command::Command;
use crate::ui::nav::Place;
use crate::ui::theme::size::{radius, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Crumb, Level, Request, Toast, View, ViewContext};
use crate::ui::widgets::{Button, Kind, card, card_header};
use egui::{Align, Frame, Id, Layout, Margin, Rect, Role, Sense, Stroke, TextEdit, Ui, UiBuilder, WidgetInfo, pos2, vec2};
use std::sync::Arc;

/// Widest content column, points.
const COLUMN: f32 = 1200.0;
/// From this width on the field stands beside what it means, points.
const BESIDE: f32 = 900.0;
/// Rows of the field.
const ROWS: usize = 14;
/// Shown on a click: a sampling threshold that contradicts the flags, baggage with a wrong name, a second format.
const EXAMPLE: &str = "> GET /checkout HTTP/1.1\n> Host: shop.test\n\
    > traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n\
    > tracestate: ot=th:fd70a;rv:10000000000000,rojo=00f067aa0ba902b7\n\
    > baggage: app.tenant=acme,app tier=gold\n> b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\n";

/// What is stored of the trace that the headers name.
struct Stored {
    root: String,
    spans: usize,
}

/// See the module comment.
#[derive(Default)]
pub struct HeadersView {
    text: String,
    focus: bool,
    asking: Query<Report>,
    /// The text that the report is of.
    asked: Option<String>,
    report: Option<Arc<Report>>,
    looking: Query<Option<Stored>>,
    /// The trace that was looked for, and the revision of the source then.
    looked: Option<(TraceId, u64)>,
    stored: Option<Arc<Option<Stored>>>,
}

impl HeadersView {
    fn poll(&mut self, ctx: &mut ViewContext<'_>) {
        if self.asked.as_ref() != Some(&self.text) {
            self.asked = Some(self.text.clone());
            if self.text.trim().is_empty() {
                (self.asking, self.report) = (Query::Idle, None);
            } else {
                let text = self.text.clone();
                self.asking = ctx.engine.ask(move |_| Ok(explain(&text)));
            }
        }
        match finished(&mut self.asking) {
            Some(Ok(report)) => self.report = Some(report),
            Some(Err(error)) => ctx.toast(Toast::new(Level::Error, error.to_string())),
            None => {}
        }
        let id = self.trace_id();
        let Some((id, spans)) = id.zip(ctx.open_source().map(|source| source.spans)) else {
            (self.looking, self.looked, self.stored) = (Query::Idle, None, None);
            return;
        };
        match finished(&mut self.looking) {
            Some(Ok(stored)) => self.stored = Some(stored),
            Some(Err(SourceError::Cancelled)) | None => {}
            Some(Err(error)) => ctx.toast(Toast::new(Level::Error, error.to_string())),
        }
        // Looked for again when something arrives: the trace may be on its way.
        let key = Some((id, spans.revision()));
        if self.looked != key && !self.looking.is_running() {
            if self.looked.map(|(other, _)| other) != Some(id) {
                self.stored = None;
            }
            self.looked = key;
            self.looking = ctx.engine.ask(move |control| {
                let Some(trace) = spans.trace(id, control)?.filter(|trace| !trace.is_empty()) else { return Ok(None) };
                let root = trace.spans.iter().find(|span| span.parent().is_none()).or_else(|| trace.spans.iter().next());
                let root = root.map(|span| span.name().to_owned()).unwrap_or_default();
                Ok(Some(Stored { root, spans: trace.len() }))
            });
        }
    }

    fn trace_id(&self) -> Option<TraceId> {
        Some(self.report.as_ref()?.extraction.context.as_ref()?.trace_id)
    }

    fn open(&self, ctx: &mut ViewContext<'_>) {
        let context = self.report.as_ref().and_then(|report| report.extraction.context.as_ref());
        if let Some(context) = context {
            let span = Some(context.span_id).filter(|span| span.is_valid());
            ctx.go(Place::Trace { source: ctx.source, id: context.trace_id, span });
        }
    }

    fn is_stored(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.is_some())
    }

    fn input(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let theme = ctx.theme;
        card(ui, |ui| {
            card_header(ui, "Headers", |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                if Button::new("Example").small().kind(Kind::Quiet).show(ui).clicked() {
                    EXAMPLE.clone_into(&mut self.text);
                }
                let some = !self.text.is_empty();
                if Button::new("Clear").small().kind(Kind::Quiet).enabled(some).show(ui).clicked() {
                    self.text.clear();
                    self.focus = true;
                }
            });
            Frame::new().fill(theme.field).inner_margin(Margin::same(12)).show(ui, |ui| {
                let edit = TextEdit::multiline(&mut self.text)
                    .id(Id::unique("headers_text"))
                    .font(Face::Mono.font())
                    .text_color(theme.text)
                    .hint_text(theme::text(
                        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                        Face::Mono,
                        theme.text_faint,
                    ))
                    .frame(Frame::NONE)
                    .margin(Margin::ZERO)
                    .desired_rows(ROWS)
                    .desired_width(f32::INFINITY);
                let response = ui.add(edit);
                response.widget_info(|| WidgetInfo::labeled(Role::MultilineTextInput, true, "Text with headers"));
                if std::mem::take(&mut self.focus) {
                    response.request_focus();
                }
                let around = response.rect.expand(11.0);
                let outline = if response.has_focus() { theme.focus_ring } else { theme.hairline };
                ui.painter().rect_stroke(around, radius::CARD, Stroke::new(1.0, outline), egui::StrokeKind::Inside);
            });
        });
        ui.add_space(space::CONTROL);
        let formats = "W3C trace context and baggage, B3, Jaeger, X-Ray and Datadog; as headers, curl -v output, curl -H \
                       arguments, a HAR entry, JSON, a log line or environment variables. Nothing leaves this machine";
        ui.add(egui::Label::new(theme::text(formats, Face::Small, theme.text_faint)).wrap());
    }
}

impl View for HeadersView {
    fn crumbs(&self) -> Vec<Crumb> {
        vec![Crumb::here("Headers")]
    }

    fn arrive(&mut self, _place: &Place, _ctx: &mut ViewContext<'_>) {
        self.focus = true;
    }

    fn supports(&self, command: Command) -> bool {
        match command {
            Command::FocusSearch => true,
            Command::OpenRow => self.is_stored(),
            Command::RunQuery => self.is_stored(),
            _ => false,
        }
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        self.poll(ctx);
        self.focus |= ctx.given(Command::FocusSearch);
        if ctx.given(Command::OpenRow) || ctx.given(Command::RunQuery) {
            self.open(ctx);
        }
        let area = ui.available_rect_before_wrap();
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let side = if area.width() >= BESIDE + 100.0 { 44.0 } else { 24.0 };
            let width = (area.width() - 2.0 * side).min(COLUMN);
            let left = area.left() + (area.width() - width) / 2.0;
            let top = ui.cursor().top() + side;
            let column = Rect::from_min_size(pos2(left, top), vec2(width, f32::INFINITY));
            let mut child = ui.new_child(UiBuilder::new().max_rect(column).layout(Layout::top_down(Align::Min)));
            child.spacing_mut().item_spacing = vec2(8.0, 0.0);
            child.label(theme::text("Headers", Face::Display, ctx.theme.text_strong));
            child.add_space(4.0);
            let note = "What a request carries of its trace, which rules it breaks, and whether its trace is here";
            child.label(theme::text(note, Face::Body, ctx.theme.text_subdued));
            child.add_space(20.0);
            let bottom = if width >= BESIDE {
                let half = ((width - space::SECTION) / 2.0).floor();
                let origin = child.cursor().min;
                let place = |x: f32, width: f32| {
                    let rect = Rect::from_min_size(origin + vec2(x, 0.0), vec2(width, f32::INFINITY));
                    UiBuilder::new().id_salt(("headers", x as i32)).max_rect(rect)
                };
                let mut input = child.new_child(place(0.0, half));
                input.spacing_mut().item_spacing.y = 0.0;
                self.input(&mut input, ctx);
                let mut meaning = child.new_child(place(half + space::SECTION, width - half - space::SECTION));
                meaning.spacing_mut().item_spacing.y = 0.0;
                report::show(self, &mut meaning, ctx);
                input.min_rect().bottom().max(meaning.min_rect().bottom())
            } else {
                self.input(&mut child, ctx);
                child.add_space(space::SECTION);
                report::show(self, &mut child, ctx);
                child.min_rect().bottom()
            };
            let whole = Rect::from_min_max(area.left_top(), pos2(area.left() + 1.0, bottom + side));
            ui.allocate_rect(whole, Sense::hover());
        });
    }
}

/// Copies what `belvedere headers` would print.
fn copy_report(report: &Report, ctx: &mut ViewContext<'_>) {
    ctx.requests.push(Request::Copy(report.to_text(), "Report".to_owned()));
}

/// What stands at the right while nothing is pasted.
fn nothing_yet(ui: &mut Ui, view: &mut HeadersView) {
    let theme = theme::of(ui.ctx());
    card(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.add_space(40.0);
        ui.vertical_centered(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(32.0, 32.0), Sense::hover());
            Icon::Link.paint(ui.painter(), rect.center(), 32.0, theme.text_faint);
            ui.add_space(12.0);
            ui.label(theme::text("Paste headers at the left to see what they mean", Face::Body, theme.text_subdued));
            ui.add_space(12.0);
            if Button::new("Show an example").show(ui).clicked() {
                EXAMPLE.clone_into(&mut view.text);
            }
        });
        ui.add_space(40.0);
    });
}
