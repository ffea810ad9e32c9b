//! What is different: attributes that are more frequent in B than in A, and of two traces those with other values. A click
//! filters the list of traces.

use super::{CompareView, text};
use crate::analysis::Difference;
use crate::engine::contrast::Pair;
use crate::model::units;
use crate::ui::nav::{CompareBy, Place};
use crate::ui::theme::size::part;
use crate::ui::theme::{self, Face};
use crate::ui::view::ViewContext;
use crate::ui::widgets::{Button, card_header, focus_ring, section};
use egui::{Align2, Frame, Label, Margin, Rect, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};

/// Differences that are listed.
const LISTED: usize = 40;
/// Height of a difference, points.
const ROW: f32 = 46.0;

pub(super) fn show(view: &mut CompareView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let Some(answer) = view.answer.shown.clone() else { return };
    let Some(shown) = answer.as_ref() else { return };
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        card_header(ui, "Selected path", |_| {});
        Frame::new().inner_margin(Margin::symmetric(12, 10)).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            let Some(row) = view.row().cloned() else {
                ui.label(theme::text("Click a path to see it here", Face::Small, theme.text_faint));
                return;
            };
            ui.add(Label::new(theme::text(&*row.name, Face::BodyMedium, theme.text_strong)).wrap());
            ui.add(Label::new(theme::text(text::sentence(&row, &shown.contrast), Face::Small, theme.text_subdued)).wrap());
            ui.add_space(4.0);
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                for (text, example) in [("Open in A", row.example_a), ("Open in B", row.example_b)] {
                    if let Some(id) = example
                        && Button::new(text).small().hint(id.to_string()).show(ui).clicked()
                    {
                        ctx.go(Place::trace(view.source, id));
                    }
                }
            });
        });
        let differences = &shown.contrast.differences.differences;
        card_header(ui, "What is different", |ui| {
            let word = format!("{} attributes", units::count(differences.len() as u64));
            ui.label(theme::text(word, Face::Small, theme.text_faint));
        });
        if differences.is_empty() {
            Frame::new().inner_margin(Margin::symmetric(12, 10)).show(ui, |ui| {
                let text = "No attribute is frequent enough on one side to tell it from the other";
                ui.add(Label::new(theme::text(text, Face::Small, theme.text_faint)).wrap());
            });
        }
        for (at, difference) in differences.iter().take(LISTED).enumerate() {
            if difference_row(ui, at, difference) {
                let query = condition(&difference.key, &difference.value);
                ctx.go(Place::Traces { source: view.source, query });
            }
        }
        let pairs = &shown.contrast.pairs;
        if view.by == CompareBy::Traces && !pairs.is_empty() {
            card_header(ui, "Attributes that differ", |ui| {
                ui.label(theme::text(units::count(pairs.len() as u64), Face::Small, theme.text_faint));
            });
            Frame::new().inner_margin(Margin::symmetric(12, 6)).show(ui, |ui| {
                section(ui, "In the first span of each operation");
            });
            for (at, pair) in pairs.iter().enumerate() {
                if pair_row(ui, at, pair)
                    && let Some(value) = pair.b.as_ref().or(pair.a.as_ref())
                {
                    ctx.go(Place::Traces { source: view.source, query: condition(&pair.key, value) });
                }
            }
        }
    });
}

/// A condition on an attribute; a bin of numbers becomes its two ends.
fn condition(key: &str, value: &str) -> String {
    let bin = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.split_once(", "));
    if let Some((from, to)) = bin.filter(|(from, to)| from.parse::<f64>().is_ok() && to.parse::<f64>().is_ok()) {
        return format!("{key} >= {from} and {key} <= {to}");
    }
    let bare = matches!(value, "true" | "false") || value.parse::<f64>().is_ok();
    let word = matches!(key, "kind" | "status");
    if bare || word {
        format!("{key} = {value}")
    } else {
        format!("{key} = \"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn difference_row(ui: &mut Ui, at: usize, difference: &Difference) -> bool {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let response = ui.interact(rect, ui.scope_id().with(("difference", at)), Sense::click());
    let (inside, outside) = (units::percent(difference.inside_share), units::percent(difference.outside_share));
    let said = format!("{} = {}, {inside} of B, {outside} of A", difference.key, difference.value);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Filter to {said}")));
    if response.hovered() {
        ui.painter().rect_filled(rect, 0.0, theme.hover);
    }
    let inner = rect.shrink2(vec2(12.0, 5.0));
    let font = Face::Mono.font();
    let text = format!("{} = {}", difference.key, difference.value);
    let text = ui.painter().fonts_mut(|fonts| crate::ui::canvas::elide::middle(fonts, &font, &text, inner.width()));
    ui.painter().text(inner.left_top(), Align2::LEFT_TOP, text, font, theme.text);
    for (line, (share, word, colour)) in
        [(difference.inside_share, inside, theme.accent), (difference.outside_share, outside, theme.text_disabled)]
            .into_iter()
            .enumerate()
    {
        let y = inner.top() + 23.0 + line as f32 * 9.0;
        let track = Rect::from_min_max(pos2(inner.left(), y), pos2(inner.right() - 56.0, y + 6.0));
        let bar = Rect::from_min_size(track.min, vec2((track.width() * share as f32).max(1.0), 6.0));
        ui.painter().rect_filled(bar, 1.0, colour);
        let place = pos2(bar.right() + 6.0, y + 3.0);
        ui.painter().text(
            place,
            Align2::LEFT_CENTER,
            format!("{} {word}", ["B", "A"][line]),
            Face::Caption.font(),
            theme.text_faint,
        );
    }
    focus_ring(ui, &response, 0.0);
    response.on_hover_text(said).on_hover_cursor(egui::CursorIcon::PointingHand).clicked()
}

fn pair_row(ui: &mut Ui, at: usize, pair: &Pair) -> bool {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::hover());
    let response = ui.interact(rect, ui.scope_id().with(("pair", at)), Sense::click());
    let absent = "not set".to_owned();
    let (a, b) = (pair.a.as_ref().unwrap_or(&absent), pair.b.as_ref().unwrap_or(&absent));
    let said = format!("{} was {a}, is {b} in {}", pair.key, pair.operation);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, said.as_str()));
    if response.hovered() {
        ui.painter().rect_filled(rect, 0.0, theme.hover);
    }
    let inner = rect.shrink2(vec2(12.0, 0.0));
    let third = inner.width() / 3.0;
    let font = Face::MonoSmall.font();
    let set = |value: &Option<String>, colour| if value.is_some() { colour } else { theme.text_faint };
    let cells = [(&pair.key, theme.text_subdued), (a, set(&pair.a, theme.text)), (b, set(&pair.b, theme.text_strong))];
    for (column, (text, colour)) in cells.into_iter().enumerate() {
        let text = ui.painter().fonts_mut(|fonts| crate::ui::canvas::elide::middle(fonts, &font, text, third - 8.0));
        let at = pos2(inner.left() + column as f32 * third, inner.center().y);
        ui.painter().text(at, Align2::LEFT_CENTER, text, font.clone(), colour);
    }
    focus_ring(ui, &response, 0.0);
    response.on_hover_text(said).on_hover_cursor(egui::CursorIcon::PointingHand).clicked()
}

#[cfg(test)]
mod tests {
    use super::condition;
    use crate::search::parse;

    #[test]
    fn every_difference_is_a_condition_that_parses() {
        for (key, value, expected) in [
            ("app.tenant", "dune \"x\"", "app.tenant = \"dune \\\"x\\\"\""),
            ("http.response.status_code", "500", "http.response.status_code = 500"),
            ("size", "[10, 99.5]", "size >= 10 and size <= 99.5"),
            ("status", "error", "status = error"),
            ("cached", "true", "cached = true"),
        ] {
            assert_eq!(condition(key, value), expected);
            assert!(parse(expected).is_ok(), "{expected}");
        }
    }
}
