//! The panel about one span: what it is in words and figures, its attributes, events, links and raw form.

use super::attributes::{self, AttributesState};
use super::operations::OperationRows;
use super::small;
use super::state::Open;
use super::typical;
use crate::analysis::Marks;
use crate::model::{DurationNs, SpanKind, SpanRef, units};
use crate::ui::nav::Place;
use crate::ui::theme::size::{radius, space};
use crate::ui::theme::{self, Face, Icon, Theme, icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{self, CodeLine, Part, Tab, code_block, icon_button, link};
use egui::{Align, Frame, Layout, Margin, ScrollArea, Sense, Stroke, Ui, vec2};
use std::collections::HashSet;

/// Events or links that are listed at first.
const LISTED: usize = 100;

/// Which part is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Shown {
    #[default]
    Attributes,
    Events,
    Links,
    Raw,
}

/// What the panel keeps between frames.
pub(super) struct Details {
    /// Shown at all.
    pub(super) open: bool,
    /// Width of the panel, points.
    pub(super) width: f32,
    /// Something was selected by hand: a narrow window shows the panel only then.
    pub(super) asked: bool,
    shown: Shown,
    pub(super) attributes: AttributesState,
    /// Notices that were dismissed.
    pub(super) dismissed: HashSet<&'static str>,
    pub(super) operation_rows: OperationRows,
    /// Events or links that are listed.
    listed: usize,
    pub(super) typical: typical::Typical,
    raw: Option<(u32, u64, Vec<CodeLine>)>,
}

impl Default for Details {
    fn default() -> Self {
        Self {
            open: true,
            width: theme::size::part::DETAILS,
            asked: false,
            shown: Shown::default(),
            attributes: AttributesState::default(),
            dismissed: HashSet::new(),
            operation_rows: OperationRows::default(),
            listed: LISTED,
            typical: typical::Typical::default(),
            raw: None,
        }
    }
}

pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    ui.spacing_mut().item_spacing = vec2(6.0, 0.0);
    let loaded = open.loaded.clone();
    let Some(node) = open.selection else { return };
    if loaded.tree.is_virtual(node) {
        missing(open, ui, ctx, node);
        return;
    }
    let span = loaded.batch().span(node as usize);
    Frame::new().inner_margin(Margin { left: 12, right: 12, top: 8, bottom: 10 }).show(ui, |ui| {
        head(open, ui, ctx, span, node);
        figures(open, ui, ctx.theme, node);
        if !loaded.tree.marks(node).has(Marks::IN_FLIGHT) {
            ui.add_space(8.0);
            typical::show(open, ui, ctx, node);
        }
    });
    let counts = [span.attrs().len(), span.events().len(), span.links().len()];
    let counted = |word: &str, count: usize| match count {
        0 => word.to_owned(),
        count => format!("{word} {}", units::count(count as u64)),
    };
    let titles =
        [counted("Attributes", counts[0]), counted("Events", counts[1]), counted("Links", counts[2]), "Raw".to_owned()];
    let values = [Shown::Attributes, Shown::Events, Shown::Links, Shown::Raw];
    let choices: Vec<Tab<'_, Shown>> =
        values.into_iter().zip(&titles).map(|(value, text)| Tab { value, text, icon: None }).collect();
    let strip = ui.available_rect_before_wrap();
    theme::paint_hairline(ui, strip.left_top(), strip.right_top());
    ui.horizontal(|ui| {
        ui.add_space(4.0);
        let mut shown = open.details.shown;
        widgets::tabs(ui, 32.0, &mut shown, &choices);
        open.details.shown = shown;
    });
    let below = ui.available_rect_before_wrap();
    theme::paint_hairline(ui, below.left_top(), below.right_top());
    ui.add_space(1.0);
    let salt = ("span_details", open.details.shown as u8);
    ScrollArea::vertical().id_salt(salt).auto_shrink(false).show(ui, |ui| match open.details.shown {
        Shown::Attributes => attributes::show(open, ui, ctx, span),
        Shown::Events => events(open, ui, ctx, span),
        Shown::Links => links(open, ui, ctx, span),
        Shown::Raw => raw(open, ui, ctx, span, node),
    });
}

fn missing(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, node: u32) {
    let theme = ctx.theme;
    Frame::new().inner_margin(Margin::same(12)).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(theme::text("Parent not received", Face::Heading, theme.text_strong));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, "Close details") {
                    open.details.asked = false;
                    open.details.open = false;
                }
            });
        });
        let id = open.loaded.tree.missing_id(node).map(|id| id.to_string()).unwrap_or_default();
        let children = open.loaded.tree.children(node).len();
        let word = super::header::plural("span", children);
        ui.add_space(6.0);
        let text = format!(
            "{} {word} named {id} as parent, but no span with this id was received. It may have been dropped by sampling, sent \
             to another place, or be still on its way",
            units::count(children as u64)
        );
        ui.label(theme::text(text, Face::Body, theme.text_subdued));
        ui.add_space(8.0);
        if link(ui, "Copy span id", Face::Body).clicked() {
            ctx.requests.push(Request::Copy(id, "Span id".to_owned()));
        }
    });
}

fn tag(ui: &mut Ui, text: &str, icon: Option<Icon>, fill: egui::Color32, colour: egui::Color32) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), Face::Caption.font(), colour);
    let lead = if icon.is_some() { 17.0 } else { 0.0 };
    let (rect, _) = ui.allocate_exact_size(vec2(galley.size().x + lead + 12.0, 18.0), Sense::hover());
    ui.painter().rect_filled(rect, radius::CHIP, fill);
    if let Some(icon) = icon {
        icon.paint(ui.painter(), egui::pos2(rect.left() + 12.0, rect.center().y), icon::SIZE_SMALL, colour);
    }
    ui.painter().galley(egui::pos2(rect.left() + 6.0 + lead, rect.center().y - galley.size().y / 2.0), galley, colour);
}

fn head(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, span: SpanRef<'_>, node: u32) {
    let theme = ctx.theme;
    let marks = open.loaded.tree.marks(node);
    ui.horizontal(|ui| {
        ui.set_height(24.0);
        widgets::service_swatch(ui, ctx.services, span.service());
        let service = ui.add(egui::Label::new(small(span.service(), theme.text_subdued)).sense(Sense::click()));
        let service = service.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_text("Traces of this service");
        if service.clicked() {
            let source = ctx.source;
            ctx.go(Place::Traces { source, query: format!("service = {}", quoted(span.service())) });
        }
        if span.kind() != SpanKind::Unspecified {
            tag(ui, span.kind().word(), None, theme.raised, theme.text);
        }
        if span.is_error() {
            tag(ui, "Error", Some(Icon::Error), theme.error_soft, theme.error);
        }
        if marks.has(Marks::IN_FLIGHT) {
            tag(ui, "In flight", None, theme.info_soft, theme.info);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            if icon_button(ui, Icon::Close, "Close details") {
                open.details.asked = false;
                open.details.open = false;
            }
            let keys = crate::ui::command::Command::CopyLink.keys_text();
            if widgets::IconButton::new(Icon::Link, "Copy link to this span").keys(keys).show(ui).clicked() {
                super::actions::copy_link(open, ctx);
            }
            if icon_button(ui, Icon::Copy, "Copy span as OTLP JSON") {
                super::actions::copy_span(open, ctx);
            }
            if icon_button(ui, Icon::Hash, "Copy span id") {
                super::actions::copy_span_id(open, ctx);
            }
        });
    });
    let name = theme::text(span.name(), Face::Heading, theme.text_strong).size(14.0);
    ui.add(egui::Label::new(name).wrap().selectable(true));
    if span.is_error() && !span.status_message().is_empty() {
        ui.add_space(2.0);
        ui.add(egui::Label::new(small(span.status_message(), theme.error)).wrap().selectable(true));
    }
    let words: Vec<&str> = marks.words().filter(|word| *word != "in flight").collect();
    if !words.is_empty() {
        ui.add_space(4.0);
        ui.horizontal_wrapped(|ui| {
            for word in words {
                tag(ui, word, Some(Icon::Warn), theme.warn_soft, theme.warn);
            }
        });
    }
    ui.add_space(8.0);
}

/// A value as a query takes it.
pub(super) fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

fn figures(open: &Open, ui: &mut Ui, theme: &Theme, node: u32) {
    let tree = &open.loaded.tree;
    let start = tree.extent().0;
    let length = tree.duration(node);
    let since = DurationNs(tree.start(node).saturating_sub(start));
    let in_flight = tree.marks(node).has(Marks::IN_FLIGHT);
    let share = open.current_shape().and_then(|shape| shape.path.share(node));
    let values = [
        (if in_flight { "So far" } else { "Duration" }, units::duration(DurationNs(length))),
        ("Self", units::duration(DurationNs(tree.self_time(node)))),
        ("Starts", format!("+{}", units::offset(since, DurationNs((since.0 / 1_000).max(1))))),
        ("Critical path", share.map_or_else(|| "off path".to_owned(), units::percent)),
    ];
    ui.columns(4, |columns| {
        for (ui, (title, value)) in columns.iter_mut().zip(values) {
            ui.label(theme::text(title, Face::Caption, theme.text_faint));
            ui.label(theme::text(value, Face::BodyMedium, theme.text_strong));
        }
    });
}

fn dropped(ui: &mut Ui, theme: &Theme, count: u32, what: &str) {
    if count > 0 {
        Frame::new().inner_margin(Margin::symmetric(12, 6)).show(ui, |ui| {
            let text = format!("{} {what} dropped by the sender", units::exact_count(u64::from(count)));
            ui.label(small(text, theme.warn));
        });
    }
}

/// Lists can be long, and every row costs: the rest comes at a click.
fn more(listed: &mut usize, ui: &mut Ui, theme: &Theme, of: usize) {
    if of > *listed {
        Frame::new().inner_margin(Margin::symmetric(12, 8)).show(ui, |ui| {
            ui.label(small(format!("first {} of {}", units::count(*listed as u64), units::count(of as u64)), theme.text_faint));
            if link(ui, "Show more", Face::Small).clicked() {
                *listed += LISTED;
            }
        });
    }
}

fn nothing(ui: &mut Ui, theme: &Theme, text: &str) {
    Frame::new().inner_margin(Margin::same(space::PANEL as i8)).show(ui, |ui| ui.label(small(text, theme.text_faint)));
}

fn events(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, span: SpanRef<'_>) {
    let theme = ctx.theme;
    if span.events().len() == 0 {
        nothing(ui, theme, "No events");
    }
    let last = span.end();
    let most = open.details.listed;
    for (at, event) in span.events().enumerate().take(most) {
        let outside = event.time() < span.start() || last.is_some_and(|last| event.time() > last);
        let exception = event.name() == "exception" || event.attrs().get("exception.type").is_some();
        Frame::new().inner_margin(Margin { left: 12, right: 12, top: 8, bottom: 0 }).show(ui, |ui| {
            ui.horizontal(|ui| {
                if exception {
                    let (rect, _) = ui.allocate_exact_size(vec2(14.0, 16.0), Sense::hover());
                    Icon::Error.paint(ui.painter(), rect.center(), icon::SIZE_SMALL, theme.error);
                }
                ui.label(theme::text(event.name(), Face::BodyMedium, theme.text_strong));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let since = units::duration_change(event.time().since(span.start()));
                    let colour = if outside { theme.warn } else { theme.text_faint };
                    ui.label(small(since, colour)).on_hover_text(event.time().to_rfc3339());
                    if outside {
                        ui.label(small("outside the span", theme.warn));
                    }
                });
            });
        });
        if exception {
            self::exception(ui, ctx, event);
        }
        let hidden = |key: &str| exception && key.starts_with("exception.");
        attributes::rows(open, ui, ctx, ("event", at), event.attrs(), &hidden);
        dropped(ui, theme, event.row.dropped_attributes, "attributes of this event were");
        ui.add_space(6.0);
        let line = ui.available_rect_before_wrap();
        theme::paint_hairline(ui, line.left_top(), line.right_top());
    }
    more(&mut open.details.listed, ui, theme, span.events().len());
    dropped(ui, theme, span.row.dropped_events, "events were");
}

/// An exception as code: type, message, stack.
fn exception(ui: &mut Ui, ctx: &mut ViewContext<'_>, event: crate::model::EventRef<'_>) {
    let theme = ctx.theme;
    let text = |key: &str| event.attrs().get(key).map(|value| value.to_string()).unwrap_or_default();
    let (kind, message, stack) = (text("exception.type"), text("exception.message"), text("exception.stacktrace"));
    Frame::new().inner_margin(Margin { left: 12, right: 12, top: 4, bottom: 4 }).show(ui, |ui| {
        let frame = Frame::new()
            .fill(theme.field)
            .stroke(Stroke::new(1.0, theme.hairline))
            .corner_radius(radius::CONTROL)
            .inner_margin(Margin::symmetric(8, 6));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            let mut job = egui::text::LayoutJob::default();
            let format = |colour| {
                let mut format = egui::TextFormat::simple(Face::MonoSmall.font(), colour);
                format.line_height = Some(Face::MonoSmall.line());
                format
            };
            job.append(&kind, 0.0, format(theme.error));
            if !message.is_empty() {
                job.append(if kind.is_empty() { "" } else { ": " }, 0.0, format(theme.text_subdued));
                job.append(&message, 0.0, format(theme.text));
            }
            // Most stacks begin by saying both again.
            let mut lines = stack.lines().peekable();
            if lines.peek().is_some_and(|first| first.contains(&kind) && first.contains(&message)) {
                lines.next();
            }
            for line in lines.take(200) {
                job.append("\n", 0.0, format(theme.text_subdued));
                job.append(&line.replace('\t', "  "), 0.0, format(theme.text_subdued));
            }
            ScrollArea::both().id_salt(("stack", event.row.time)).max_height(260.0).auto_shrink([false, true]).show(ui, |ui| {
                ui.add(egui::Label::new(job).extend().selectable(true));
            });
        });
        if !stack.is_empty() && link(ui, "Copy stack", Face::Small).clicked() {
            ctx.requests.push(Request::Copy(stack, "Stack".to_owned()));
        }
    });
}

fn links(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, span: SpanRef<'_>) {
    let theme = ctx.theme;
    if span.links().len() == 0 {
        nothing(ui, theme, "No links");
    }
    for found in span.links().take(open.details.listed) {
        Frame::new().inner_margin(Margin { left: 12, right: 12, top: 8, bottom: 4 }).show(ui, |ui| {
            let inside = found.row.trace_id == span.trace_id();
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(14.0, 16.0), Sense::hover());
                Icon::Link.paint(ui.painter(), rect.center(), icon::SIZE_SMALL, theme.text_faint);
                ui.label(small(if inside { "span of this trace" } else { "span of another trace" }, theme.text_subdued));
            });
            ui.add_space(2.0);
            let text =
                if inside { found.row.span_id.to_string() } else { format!("{}  {}", found.row.trace_id, found.row.span_id) };
            if link(ui, &text, Face::MonoSmall).clicked() {
                let source = ctx.source;
                ctx.go(Place::Trace { source, id: found.row.trace_id, span: found.row.span_id.non_zero() });
            }
            for (key, value) in found.attrs().iter() {
                ui.horizontal(|ui| {
                    ui.label(theme::text(key, Face::MonoSmall, theme.text_subdued));
                    ui.add(egui::Label::new(theme::text(value.to_string(), Face::MonoSmall, theme.text)).truncate());
                });
            }
            dropped(ui, theme, found.row.dropped_attributes, "attributes of this link were");
        });
    }
    more(&mut open.details.listed, ui, theme, span.links().len());
    dropped(ui, theme, span.row.dropped_links, "links were");
}

/// The span as OTLP JSON, indented.
fn raw(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, span: SpanRef<'_>, node: u32) {
    let key = (node, open.loaded.fingerprint);
    if open.details.raw.as_ref().is_none_or(|(node, print, _)| (*node, *print) != key) {
        let text = crate::wire::otlp::json::encode_spans([span]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let pretty = serde_json::to_string_pretty(&value).unwrap_or(text);
        let lines = pretty.lines().map(coloured).collect();
        open.details.raw = Some((key.0, key.1, lines));
    }
    let Some((_, _, lines)) = &open.details.raw else { return };
    Frame::new().inner_margin(Margin::same(12)).show(ui, |ui| {
        if let Some(text) = code_block(ui, lines, "Copy span as OTLP JSON") {
            ctx.requests.push(Request::Copy(text, "Span".to_owned()));
        }
    });
}

/// A line of JSON with its key told from its value.
fn coloured(line: &str) -> CodeLine {
    match line.split_once("\": ") {
        Some((key, value)) => vec![
            (Part::Name, format!("{key}\"")),
            (Part::Plain, ": ".to_owned()),
            (if value.starts_with(['{', '[']) { Part::Plain } else { Part::Value }, value.to_owned()),
        ],
        None => vec![(Part::Plain, line.to_owned())],
    }
}
