//! The top bar's part of this view: place in the list, Copy as, pin; and what copying copies.

use super::TraceView;
use super::state::Open;
use crate::analysis::outline;
use crate::model::SpanRef;
use crate::ui::command::Command;
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::views::menu;
use crate::ui::widgets::{Button, IconButton};
use crate::wire::otlp::json;
use egui::Ui;

/// Lines of a text tree; issues and prompts take no more.
const OUTLINE_LINES: usize = 2_000;
/// Spans that are copied as text; more are exported to a file.
const COPIED_SPANS: usize = 20_000;

pub(super) fn show(view: &mut TraceView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let Some((source, id)) = view.place else { return };
    let (position, listed, follow) = {
        let list = view.list.lock();
        (list.position(source, id), list.traces.len(), list.follow)
    };
    if let Some(at) = position.filter(|_| listed > 1) {
        let text = format!("{} of {listed} listed", at + 1);
        ui.label(theme::text(text, Face::Small, ctx.theme.text_faint));
        let up = IconButton::new(Icon::Up, "Previous trace").keys(Command::PreviousRow.keys_text()).enabled(at > 0);
        if up.show(ui).clicked() {
            view.walk(ctx, -1);
        }
        let down = IconButton::new(Icon::Down, "Next trace").keys(Command::NextRow.keys_text()).enabled(at + 1 < listed);
        if down.show(ui).clicked() {
            view.walk(ctx, 1);
        }
    }
    let hint = "Moves to each new match of the list";
    if Button::new("Follow newest").icon(Icon::Forward).small().on(follow).hint(hint).show(ui).clicked() {
        view.list.lock().follow = !follow;
        view.newest_revision = None;
    }
    let Some(open) = &mut view.open else { return };
    let hint = format!("{}  {}", Command::CompareTrace.hint(), Command::CompareTrace.keys_text().unwrap_or_default());
    if IconButton::new(Icon::Compare, Command::CompareTrace.text()).keys(Some(hint)).show(ui).clicked() {
        ctx.run(Command::CompareTrace);
    }
    let button = Button::new("Copy as").icon(Icon::Copy).after(Icon::Down).small().show(ui);
    menu::menu(&button, 250.0, |ui| {
        if menu::item(ui, "Link", Command::CopyLink.keys_text().as_deref(), false) {
            copy_link(open, ctx);
        }
        if menu::item(ui, "Trace id", None, false) {
            copy_trace_id(open, ctx);
        }
        if open.selection.is_some() && menu::item(ui, "Span id", None, false) {
            copy_span_id(open, ctx);
        }
        menu::separator(ui);
        if menu::item(ui, "Trace as OTLP JSON", None, false) {
            copy_trace(open, ctx);
        }
        if open.selection.is_some() && menu::item(ui, "Span as OTLP JSON", None, false) {
            copy_span(open, ctx);
        }
        if menu::item(ui, "Text tree for an issue or a prompt", None, false) {
            copy_outline(open, ctx);
        }
        if menu::item(ui, "Markdown for a ticket", None, false) {
            copy_markdown(open, ctx);
        }
        if open.supports(Command::CopyCurl) && menu::item(ui, "Request as curl", None, false) {
            copy_curl(open, ctx);
        }
        menu::separator(ui);
        for (command, text) in super::export::FORMATS {
            if menu::item(ui, text, None, false) {
                open.export.start(command, &open.loaded, ctx.engine);
            }
        }
    });
    let pinned = ctx.engine.pinned().contains(&id);
    let name = if pinned { "Unpin: retention may drop it" } else { "Pin: retention keeps it" };
    if IconButton::new(Icon::Pin, name).on(pinned).show(ui).clicked()
        && let Err(error) = ctx.engine.set_pinned(id, !pinned)
    {
        let toast = crate::ui::view::Toast::new(crate::ui::view::Level::Error, error.to_string());
        ctx.toast(toast);
    }
}

fn copy(ctx: &mut ViewContext<'_>, text: String, name: &str) {
    ctx.requests.push(Request::Copy(text, name.to_owned()));
}

pub(super) fn copy_trace_id(open: &Open, ctx: &mut ViewContext<'_>) {
    copy(ctx, open.loaded.trace.id.to_string(), "Trace id");
}

/// The selected span, unless a missing parent is selected.
pub(super) fn selected(open: &Open) -> Option<SpanRef<'_>> {
    let node = open.selection.filter(|node| *node < open.loaded.tree.spans())?;
    Some(open.loaded.batch().span(node as usize))
}

pub(super) fn copy_span_id(open: &Open, ctx: &mut ViewContext<'_>) {
    if let Some(span) = selected(open) {
        copy(ctx, span.span_id().to_string(), "Span id");
    }
}

pub(super) fn copy_span(open: &Open, ctx: &mut ViewContext<'_>) {
    if let Some(span) = selected(open) {
        copy(ctx, json::encode_spans([span]), "Span");
    }
}

pub(super) fn copy_trace(open: &Open, ctx: &mut ViewContext<'_>) {
    let batch = open.loaded.batch();
    if batch.len() > COPIED_SPANS {
        let spans = crate::model::units::count(batch.len() as u64);
        let text = format!("{spans} spans are too many for the clipboard; export the trace to a file");
        ctx.toast(crate::ui::view::Toast::new(crate::ui::view::Level::Warn, text));
        return;
    }
    copy(ctx, json::encode_traces(batch), "Trace");
}

pub(super) fn copy_outline(open: &Open, ctx: &mut ViewContext<'_>) {
    let text = outline(open.loaded.batch(), &open.loaded.tree, open.roots.last().copied(), OUTLINE_LINES);
    copy(ctx, text, "Text tree");
}

pub(super) fn copy_link(open: &Open, ctx: &mut ViewContext<'_>) {
    let span = selected(open).map(|span| span.span_id());
    copy(ctx, crate::ui::nav::link(open.loaded.trace.id, span), "Link");
}

pub(super) fn copy_markdown(open: &Open, ctx: &mut ViewContext<'_>) {
    let text = super::copies::markdown(&open.loaded, open.roots.last().copied());
    copy(ctx, text, "Markdown");
}

pub(super) fn copy_curl(open: &Open, ctx: &mut ViewContext<'_>) {
    if let Some(text) = selected(open).and_then(super::copies::curl) {
        copy(ctx, text, "Request");
    }
}
