//! What the headers mean: the context decoded, each header with the places that break a rule underlined, sampling in words.

use super::{HeadersView, copy_report, nothing_yet};
use crate::context::inspect::{Header, Report};
use crate::context::{Problem, Sampling, SpanContext};
use crate::model::units;
use crate::ui::command::Command;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face, Icon, Theme, icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::widgets::{Button, IconButton, Kind, card, card_header, hairline_below};
use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Color32, Frame, Label, Layout, Margin, Rect, Sense, Stroke, Ui, UiBuilder, pos2, vec2};

/// Width of the names of fields, points.
const NAMES: f32 = 116.0;

pub(super) fn show(view: &mut HeadersView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let Some(report) = view.report.clone() else {
        nothing_yet(ui, view);
        return;
    };
    if report.headers.is_empty() {
        card(ui, |ui| {
            ui.set_width(ui.available_width());
            card_header(ui, "Nothing found", |_| {});
            Frame::new().inner_margin(Margin::same(12)).show(ui, |ui| {
                for sentence in &report.sentences {
                    ui.add(Label::new(theme::text(sentence.trim_end_matches('.'), Face::Body, ctx.theme.text)).wrap());
                }
            });
        });
        return;
    }
    decoded(view, ui, ctx, &report);
    ui.add_space(space::SECTION);
    headers(ui, ctx, &report);
    ui.add_space(space::SECTION);
    words(ui, ctx, &report);
}

/// The context as fields, and the way to its trace.
fn decoded(view: &HeadersView, ui: &mut Ui, ctx: &mut ViewContext<'_>, report: &Report) {
    let theme = ctx.theme;
    let extraction = &report.extraction;
    card(ui, |ui| {
        ui.set_width(ui.available_width());
        let Some(context) = &extraction.context else {
            card_header(ui, "No usable trace context", |_| {});
            Frame::new().inner_margin(Margin::same(12)).show(ui, |ui| {
                let text = "A service that receives this starts a new trace";
                ui.label(theme::text(text, Face::Body, theme.text_subdued));
            });
            return;
        };
        let format = extraction.format.map(|format| format.to_string()).unwrap_or_default();
        card_header(ui, &format, |ui| {
            if Button::new("Copy report").icon(Icon::Copy).small().kind(Kind::Quiet).show(ui).clicked() {
                copy_report(report, ctx);
            }
        });
        ui.add_space(6.0);
        field(ui, ctx, "Trace", &context.trace_id.to_string(), theme.text, Some("Copy trace id"));
        field(ui, ctx, "Parent span", &context.span_id.to_string(), theme.text, Some("Copy span id"));
        let (word, colour) = sampled(context, theme);
        field(ui, ctx, "Decision", word, colour, None);
        if context.flags.byte() != 0 {
            let random = if context.flags.random() { "random trace id" } else { "randomness not promised" };
            field(ui, ctx, "Flags", &format!("{:02x}, {random}", context.flags.byte()), theme.text, None);
        }
        for (key, value) in context.trace_state.iter() {
            field(ui, ctx, "tracestate", &format!("{key} = {value}"), theme.text, None);
        }
        for entry in extraction.baggage.iter() {
            field(ui, ctx, "baggage", &format!("{} = {}", entry.name, entry.value), theme.text, None);
        }
        ui.add_space(6.0);
        let line = ui.cursor().min;
        theme::paint_hairline(ui, line, pos2(line.x + ui.available_width(), line.y));
        Frame::new().inner_margin(Margin::symmetric(12, 10)).show(ui, |ui| {
            ui.horizontal(|ui| match view.stored.as_deref() {
                Some(Some(stored)) => {
                    let caps = Command::RunQuery.key_caps();
                    if Button::new("Open trace").kind(Kind::Primary).keys(caps).show(ui).clicked() {
                        view.open(ctx);
                    }
                    let spans = units::count(stored.spans as u64);
                    let word = if stored.spans == 1 { "span" } else { "spans" };
                    let text = format!("{}, {spans} {word} stored", stored.root);
                    ui.add(Label::new(theme::text(text, Face::Small, theme.text_subdued)).truncate());
                }
                Some(None) => {
                    let text = "No span of this trace is stored here; it opens once one arrives";
                    ui.label(theme::text(text, Face::Small, theme.text_faint));
                }
                None => {
                    ui.label(theme::text("Looking for the trace", Face::Small, theme.text_faint));
                }
            });
        });
    });
}

fn sampled(context: &SpanContext, theme: &Theme) -> (&'static str, Color32) {
    match context.sampling {
        Sampling::Debug => ("sampled at a person's wish (debug)", theme.success),
        Sampling::Deferred => ("left to the receiver", theme.info),
        Sampling::Decided if context.is_sampled() => ("sampled", theme.success),
        Sampling::Decided => ("not sampled", theme.warn),
    }
}

fn field(ui: &mut Ui, ctx: &mut ViewContext<'_>, name: &str, value: &str, colour: Color32, copy: Option<&str>) {
    let theme = ctx.theme;
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::hover());
    let inner = rect.shrink2(vec2(space::CARD, 0.0));
    ui.painter().text(inner.left_center(), egui::Align2::LEFT_CENTER, name, Face::Small.font(), theme.text_faint);
    let place = Rect::from_min_max(pos2(inner.left() + NAMES, inner.top()), inner.max);
    let salt = (name, value);
    let mut row = ui.new_child(UiBuilder::new().id_salt(salt).max_rect(place).layout(Layout::right_to_left(Align::Center)));
    if let Some(copy) = copy
        && IconButton::new(Icon::Copy, copy).side(22.0).show(&mut row).clicked()
    {
        ctx.requests.push(Request::Copy(value.to_owned(), copy.trim_start_matches("Copy ").to_owned()));
    }
    row.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let face = if copy.is_some() || name.starts_with(char::is_lowercase) { Face::Mono } else { Face::Body };
        ui.add(Label::new(theme::text(value, face, colour)).truncate());
    });
}

/// Each header as it came, its faults underlined and said.
fn headers(ui: &mut Ui, ctx: &ViewContext<'_>, report: &Report) {
    let theme = ctx.theme;
    let broken = report.extraction.problems.iter().count() + report.extraction.problems.left_out();
    card(ui, |ui| {
        ui.set_width(ui.available_width());
        card_header(ui, "As it came", |ui| {
            let (text, colour) = match broken {
                0 => ("every rule is kept".to_owned(), theme.success),
                1 => ("1 rule is broken".to_owned(), theme.error),
                more => (format!("{more} rules are broken"), theme.error),
            };
            ui.label(theme::text(text, Face::Small, colour));
        });
        let last = report.headers.len().saturating_sub(1);
        for (at, header) in report.headers.iter().enumerate() {
            let problems: Vec<&Problem> = report
                .extraction
                .problems
                .iter()
                .filter(|problem| report.header_of(problem).is_some_and(|of| std::ptr::eq(of, header)))
                .collect();
            let frame = Frame::new().inner_margin(Margin { left: 12, right: 12, top: 8, bottom: 8 }).show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.spacing_mut().item_spacing.y = 4.0;
                ui.add(Label::new(value_job(theme, header, &problems)).wrap().selectable(true));
                for problem in problems {
                    ui.horizontal(|ui| {
                        let (rect, _) = ui.allocate_exact_size(vec2(14.0, 16.0), Sense::hover());
                        Icon::Error.paint(ui.painter(), rect.center(), icon::SIZE_SMALL, theme.error);
                        ui.add(Label::new(theme::text(said(problem), Face::Small, theme.error)).wrap());
                    });
                }
            });
            if at != last {
                hairline_below(ui, frame.response.rect);
            }
        }
    });
}

/// The fault and where it is, counted in characters from 1.
fn said(problem: &Problem) -> String {
    let (first, last) = (problem.place.start + 1, problem.place.end);
    match last.cmp(&first) {
        std::cmp::Ordering::Less => problem.fault.to_string(),
        std::cmp::Ordering::Equal => format!("{} (character {first})", problem.fault),
        std::cmp::Ordering::Greater => format!("{} (characters {first} to {last})", problem.fault),
    }
}

fn value_job(theme: &Theme, header: &Header, problems: &[&Problem]) -> LayoutJob {
    let format = |colour: Color32| {
        let mut format = TextFormat::simple(Face::Mono.font(), colour);
        format.line_height = Some(Face::Mono.line());
        format
    };
    let mut job = LayoutJob::default();
    job.append(&header.name, 0.0, format(theme.accent));
    job.append(": ", 0.0, format(theme.text_subdued));
    let mut run = (false, String::new());
    let mut append = |run: (bool, String)| {
        let mut look = format(if run.0 { theme.error } else { theme.text });
        if run.0 {
            look.underline = Stroke::new(1.5, theme.error);
        }
        job.append(&run.1, 0.0, look);
    };
    for (at, letter) in header.value.char_indices() {
        let wrong = problems.iter().any(|problem| problem.place.contains(&at));
        if wrong != run.0 {
            append(std::mem::replace(&mut run, (wrong, String::new())));
        }
        run.1.push(if letter.is_control() { '\u{fffd}' } else { letter });
    }
    append(run);
    if problems.iter().any(|problem| problem.place.start >= header.value.len()) {
        // Something is missing at the end.
        let mut look = format(theme.error);
        look.underline = Stroke::new(1.5, theme.error);
        job.append("\u{a0}", 0.0, look);
    }
    job
}

/// The whole in sentences, without those that stand at their header already.
fn words(ui: &mut Ui, ctx: &ViewContext<'_>, report: &Report) {
    let theme = ctx.theme;
    let at_header: Vec<String> = report.extraction.problems.iter().map(|problem| format!("{problem}.")).collect();
    let sentences: Vec<&String> = report.sentences.iter().filter(|sentence| !at_header.contains(sentence)).collect();
    if sentences.is_empty() {
        return;
    }
    card(ui, |ui| {
        ui.set_width(ui.available_width());
        card_header(ui, "In words", |_| {});
        Frame::new().inner_margin(Margin::same(12)).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            for sentence in sentences {
                let warns = sentence.starts_with("That contradicts");
                let colour = if warns { theme.warn } else { theme.text };
                ui.add(Label::new(theme::text(sentence.as_str(), Face::Body, colour)).wrap());
            }
        });
    });
}
