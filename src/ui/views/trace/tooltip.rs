//! What a bar says under the pointer.

use super::load::Shape;
use super::small;
use super::state::Open;
use crate::analysis::Marks;
use crate::model::{DurationNs, SpanRef, units};
use crate::ui::canvas::flame::Hit;
use crate::ui::theme::size::radius;
use crate::ui::theme::{self, Face};
use crate::ui::view::ViewContext;
use crate::ui::widgets;
use egui::{Area, Frame, Id, Margin, Order, Pos2, Shadow, Stroke, Ui, pos2, vec2};

/// Width, points.
const WIDTH: f32 = 272.0;
/// Keys that say most about a span, best first; the first two that it has are shown.
const TELLING: [&str; 16] = [
    "exception.type",
    "error.type",
    "http.response.status_code",
    "http.status_code",
    "rpc.grpc.status_code",
    "db.query.text",
    "db.statement",
    "db.operation.name",
    "url.full",
    "http.url",
    "http.route",
    "messaging.destination.name",
    "rpc.method",
    "peer.service",
    "server.address",
    "code.function.name",
];

/// The first attributes that tell most, key and short value.
pub(super) fn telling(span: SpanRef<'_>, most: usize) -> Vec<(&'static str, String)> {
    let attrs = span.attrs();
    TELLING
        .into_iter()
        .filter_map(|key| attrs.get(key).map(|value| (key, value.to_string().chars().take(60).collect())))
        .take(most)
        .collect()
}

/// Shows it beside the pointer, below the bar or above it, never over it.
pub(super) fn show(open: &Open, ui: &Ui, ctx: &ViewContext<'_>, shape: &Shape, hit: Hit, at: Pos2) {
    let theme = ctx.theme;
    let bounds = ui.clip_rect().intersect(ui.ctx().content_rect()).shrink(8.0);
    let left = (at.x + 12.0).min(bounds.right() - WIDTH - 20.0).max(bounds.left());
    let id = Id::unique("flame_tooltip");
    let height = ui.ctx().memory(|memory| memory.area_rect(id)).map_or(130.0, |rect| rect.height());
    let below = hit.rect.bottom() + 8.0;
    let top = if below + height < bounds.bottom() { below } else { (hit.rect.top() - 8.0 - height).max(bounds.top()) };
    let frame = Frame::new()
        .fill(theme.raised)
        .stroke(Stroke::new(1.0, theme.hairline_strong))
        .corner_radius(radius::POPUP)
        .shadow(Shadow { offset: [0, 4], blur: 8, spread: 0, color: theme.shadow })
        .inner_margin(Margin::symmetric(10, 8));
    Area::new(id).order(Order::Tooltip).fixed_pos(pos2(left, top)).interactable(false).constrain(false).show(ui.ctx(), |ui| {
        frame.show(ui, |ui| {
            ui.set_width(WIDTH);
            ui.spacing_mut().item_spacing = vec2(6.0, 2.0);
            ui.spacing_mut().interact_size.y = 16.0;
            content(open, ui, ctx, shape, hit);
        });
    });
}

fn content(open: &Open, ui: &mut Ui, ctx: &ViewContext<'_>, shape: &Shape, hit: Hit) {
    let theme = ctx.theme;
    let node = shape.layout.node(hit.item);
    let tree = &open.loaded.tree;
    if let Some(missing) = tree.missing_id(node) {
        ui.label(theme::text("Parent not received", Face::BodyMedium, theme.text_strong));
        row(ui, ctx, "span id", &missing.to_string(), "", theme.text);
        row(ui, ctx, "children", &units::count(tree.children(node).len() as u64), "", theme.text);
        return;
    }
    let span = open.loaded.batch().span(node as usize);
    ui.horizontal(|ui| {
        widgets::service_swatch(ui, ctx.services, span.service());
        ui.add(egui::Label::new(theme::text(span.name(), Face::BodyMedium, theme.text_strong)).truncate());
    });
    let marks = tree.marks(node);
    let length = units::duration(DurationNs(tree.duration(node)));
    let own = format!("self {}", units::duration(DurationNs(tree.self_time(node))));
    row(ui, ctx, "service", span.service(), "", theme.text);
    if marks.has(Marks::IN_FLIGHT) {
        row(ui, ctx, "in flight for", &length, "", theme.info);
    } else {
        row(ui, ctx, "duration", &length, &own, theme.text_strong);
    }
    let since = tree.start(node).saturating_sub(tree.extent().0);
    row(ui, ctx, "starts at", &units::duration_change(DurationNs(since)), "", theme.text);
    if span.is_error() {
        let message = if span.status_message().is_empty() { "error" } else { span.status_message() };
        row(ui, ctx, "status", message, "", theme.error);
    }
    for (key, value) in telling(span, 2) {
        row(ui, ctx, key, &value, "", theme.text);
    }
    let odd: Vec<&str> = marks.words().filter(|word| *word != "in flight").collect();
    if !odd.is_empty() {
        ui.label(small(odd.join(", "), theme.warn));
    }
    if hit.count > 1 {
        ui.label(small(format!("and {} more", units::count(u64::from(hit.count - 1))), theme.text_faint));
    }
}

fn row(ui: &mut Ui, ctx: &ViewContext<'_>, key: &str, value: &str, after: &str, colour: egui::Color32) {
    ui.horizontal(|ui| {
        let (key_rect, _) = ui.allocate_exact_size(vec2(96.0, 16.0), egui::Sense::hover());
        let galley = ui.painter().layout(key.to_owned(), Face::Small.font(), ctx.theme.text_subdued, f32::INFINITY);
        ui.painter().with_clip_rect(key_rect).galley(key_rect.min, galley, ctx.theme.text_subdued);
        ui.add(egui::Label::new(small(value, colour)).truncate());
        if !after.is_empty() {
            ui.label(small(after, ctx.theme.text_faint));
        }
    });
}
