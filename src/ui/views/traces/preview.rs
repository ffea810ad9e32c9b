//! A look at the selected trace without leaving the list: its shape, figures, services.

use super::TracesView;
use crate::analysis::{ClassBy, LayoutInput, Overview};
use crate::engine::Query;
use crate::model::{TraceId, TraceSummary, units};
use crate::ui::canvas::{Palette, minimap};
use crate::ui::command::Command;
use crate::ui::theme::size::part;
use crate::ui::theme::{self, Face, Icon, Theme};
use crate::ui::view::{Request, ViewContext};
use crate::ui::views::shared::finished;
use crate::ui::views::trace::preview_of;
use crate::ui::widgets::{self, Button, IconButton, Kind, icon_button};
use egui::{Align, Align2, Frame, Layout, Margin, Rect, ScrollArea, Sense, Ui, pos2, vec2};

/// The shape of a trace and what its classes are.
pub struct Shape {
    /// Its bars.
    pub overview: Overview,
    /// Its tree, for the colours.
    pub tree: crate::analysis::Tree,
}

/// What the preview keeps between frames.
#[derive(Default)]
pub(super) struct Preview {
    pub(super) open: bool,
    asked: Option<(TraceId, u64)>,
    asking: Query<Option<Shape>>,
    shape: Option<std::sync::Arc<Option<Shape>>>,
}

fn ask(view: &mut TracesView, ctx: &ViewContext<'_>) {
    let Some(id) = view.selection else { return };
    let preview = &mut view.preview;
    if let Some(Ok(shape)) = finished(&mut preview.asking) {
        preview.shape = Some(shape);
    }
    let Some(source) = ctx.engine.source(view.source).map(|source| source.spans) else { return };
    let spans = view.list.shown.as_ref().and_then(|shown| shown.traces.iter().find(|trace| trace.trace_id == id));
    let key = (id, spans.map_or(0, |trace| u64::from(trace.spans)));
    if preview.asked != Some(key) {
        if preview.asked.is_none_or(|(other, _)| other != id) {
            preview.shape = None;
        }
        preview.asked = Some(key);
        preview.asking = ctx.engine.ask(move |control| preview_of(&*source, id, &LayoutInput::default(), control));
    }
}

/// The preview over the table, from the right.
pub(super) fn sheet(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>, area: Rect) {
    let width = part::DETAILS.min(area.width() - 48.0);
    let rect = Rect::from_min_max(pos2(area.right() - width, area.top()), area.max);
    crate::ui::views::shared::sheet(ui, "traces_preview_sheet", rect, |ui| show(view, ui, ctx));
}

pub(super) fn show(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    ask(view, ctx);
    let theme = ctx.theme;
    let Some(trace) = view.selected().cloned() else {
        Frame::new().inner_margin(Margin::same(12)).show(ui, |ui| {
            ui.label(theme::text("The selected trace is no longer in the list", Face::Small, theme.text_faint));
        });
        return;
    };
    Frame::new().inner_margin(Margin::symmetric(12, 8)).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.set_height(24.0);
            widgets::service_label(ui, ctx.services, &trace.root_service, Face::Small, theme.text_subdued);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, Icon::Close, "Close preview") {
                    view.preview.open = false;
                }
                if IconButton::new(Icon::Copy, "Copy trace id").show(ui).clicked() {
                    ctx.requests.push(Request::Copy(trace.trace_id.to_string(), "Trace id".to_owned()));
                }
            });
        });
        let name = theme::text(&*trace.root_name, Face::Heading, theme.text_strong).size(14.0);
        ui.add(egui::Label::new(name).wrap());
        ui.label(theme::text(units::day_and_time(trace.start, ctx.zone), Face::Small, theme.text_faint))
            .on_hover_text(trace.start.to_rfc3339());
        ui.add_space(8.0);
        figures(ui, theme, &trace);
        ui.add_space(10.0);
        bars(view, ui, ctx);
        ui.add_space(10.0);
        ui.horizontal(|ui| {
            let keys = Command::OpenRow.key_caps();
            if Button::new("Open").kind(Kind::Primary).keys(keys).show(ui).clicked() {
                view.open(ctx);
            }
            if Button::new("Hide like this").icon(Icon::EyeOff).show(ui).clicked() {
                view.hide_like_this(ctx);
            }
        });
    });
    let line = ui.available_rect_before_wrap();
    theme::paint_hairline(ui, line.left_top(), line.right_top());
    ScrollArea::vertical().id_salt("preview_services").auto_shrink(false).show(ui, |ui| {
        ui.add_space(6.0);
        for share in &trace.services {
            service(ui, ctx, share, trace.spans);
        }
    });
}

fn figures(ui: &mut Ui, theme: &Theme, trace: &TraceSummary) {
    let values = [
        ("Duration", units::duration(trace.duration), theme.text_strong),
        ("Spans", units::count(u64::from(trace.spans)), theme.text_strong),
        ("Errors", units::count(u64::from(trace.errors)), if trace.errors > 0 { theme.error } else { theme.text_strong }),
        (
            "In flight",
            units::count(u64::from(trace.in_flight)),
            if trace.in_flight > 0 { theme.info } else { theme.text_strong },
        ),
    ];
    ui.columns(4, |columns| {
        for (ui, (title, value, colour)) in columns.iter_mut().zip(values) {
            ui.label(theme::text(title, Face::Caption, theme.text_faint));
            ui.label(theme::text(value, Face::BodyMedium, colour));
        }
    });
}

fn bars(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 96.0), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Open trace"));
    ui.painter().rect_filled(rect, 0.0, theme.app);
    if let Some(Some(shape)) = view.preview.shape.as_deref() {
        let palette = Palette::new(theme, ctx.services, &shape.tree, ClassBy::Service);
        let mesh = minimap::bars(rect, theme, &shape.overview, &palette);
        ui.painter().with_clip_rect(rect).add(egui::Shape::mesh(mesh));
    }
    if response.on_hover_cursor(egui::CursorIcon::PointingHand).clicked() {
        view.open(ctx);
    }
}

fn service(ui: &mut Ui, ctx: &mut ViewContext<'_>, share: &crate::model::trace::ServiceShare, spans: u32) {
    let theme = ctx.theme;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW_DENSE), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Traces of {}", share.service)));
    if response.hovered() {
        ui.painter().rect_filled(rect, 0.0, theme.hover);
    }
    let middle = rect.center().y;
    let series = theme.series[usize::from(ctx.services.of(&share.service).index)];
    let swatch = Rect::from_center_size(pos2(rect.left() + 17.0, middle), vec2(10.0, 10.0));
    ui.painter().rect(swatch, 2.0, series.fill, egui::Stroke::new(1.0, series.line), egui::StrokeKind::Inside);
    let text = |x: f32, align: Align2, text: String, colour| {
        ui.painter().text(pos2(x, middle), align, text, Face::Small.font(), colour);
    };
    let name =
        ui.painter().fonts_mut(|fonts| crate::ui::canvas::elide::middle(fonts, &Face::Small.font(), &share.service, 130.0));
    text(swatch.right() + 6.0, Align2::LEFT_CENTER, name, theme.text);
    let width = (rect.width() - 290.0).max(20.0);
    let bar = vec2((width * share.spans as f32 / spans.max(1) as f32).max(1.0), 8.0);
    ui.painter().rect_filled(Rect::from_min_size(pos2(rect.left() + 172.0, middle - 4.0), bar), 0.0, series.fill);
    text(rect.right() - 62.0, Align2::RIGHT_CENTER, units::count(u64::from(share.spans)), theme.text);
    if share.errors > 0 {
        let word = if share.errors == 1 { "error" } else { "errors" };
        text(
            rect.right() - 12.0,
            Align2::RIGHT_CENTER,
            format!("{} {word}", units::count(u64::from(share.errors))),
            theme.error,
        );
    }
    if response.on_hover_cursor(egui::CursorIcon::PointingHand).clicked() {
        let source = ctx.source;
        ctx.go(crate::ui::nav::Place::Traces { source, query: format!("service = \"{}\"", share.service) });
    }
}
