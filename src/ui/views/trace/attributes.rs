//! Attribute rows: key and value in mono, what can be done with them under the pointer, resource and scope folded.

use super::details::quoted;
use super::small;
use super::state::Open;
use crate::model::value::MASKED;
use crate::model::{AttrsRef, SpanRef, units};
use crate::ui::nav::Place;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::views::menu;
use crate::ui::widgets::{self, IconButton, field};
use egui::{Frame, Margin, Rect, Response, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2};
use std::hash::Hash;

/// Width of the keys, points.
const KEYS: f32 = 146.0;
/// A value is shown up to so many letters; all of it is copied.
const LETTERS: usize = 400;

/// What the rows keep between frames.
#[derive(Default)]
pub(super) struct AttributesState {
    filter: String,
    resource: bool,
    scope: bool,
    ids: bool,
}

pub(super) fn show(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, span: SpanRef<'_>) {
    let theme = ctx.theme;
    if span.attrs().len() + span.resource().attrs().len() > 6 {
        Frame::new().inner_margin(Margin::symmetric(12, 8)).show(ui, |ui| {
            let width = ui.available_width();
            field(ui, &mut open.details.attributes.filter, "Filter attributes", "Filter attributes", Some(Icon::Filter), width);
        });
    } else {
        ui.add_space(6.0);
    }
    if span.attrs().is_empty() {
        Frame::new().inner_margin(Margin::symmetric(12, 4)).show(ui, |ui| ui.label(small("No attributes", theme.text_faint)));
    }
    let all = |_: &str| false;
    rows(open, ui, ctx, "span", span.attrs(), &all);
    dropped(ui, ctx, span.row.dropped_attributes);
    ui.add_space(6.0);

    let resource = span.resource();
    let summary = summary(resource.attrs());
    let filtering = !open.details.attributes.filter.is_empty();
    if section(ui, "Resource", &summary, open.details.attributes.resource || filtering).clicked() {
        open.details.attributes.resource = !open.details.attributes.resource;
    }
    if open.details.attributes.resource || filtering {
        rows(open, ui, ctx, "resource", resource.attrs(), &all);
        dropped(ui, ctx, resource.row.dropped_attributes);
        ui.add_space(6.0);
    }
    let scope = span.scope();
    let about = match (scope.name(), scope.version()) {
        ("", _) => "not named".to_owned(),
        (name, "") => name.to_owned(),
        (name, version) => format!("{name} {version}"),
    };
    if section(ui, "Scope", &about, open.details.attributes.scope).clicked() {
        open.details.attributes.scope = !open.details.attributes.scope;
    }
    if open.details.attributes.scope {
        line(ui, ctx, "name", scope.name());
        line(ui, ctx, "version", scope.version());
        rows(open, ui, ctx, "scope", scope.attrs(), &all);
        dropped(ui, ctx, scope.row.dropped_attributes);
        ui.add_space(6.0);
    }
    let trace_state = span.trace_state();
    if section(ui, "Ids", &format!("span {}", span.span_id()), open.details.attributes.ids).clicked() {
        open.details.attributes.ids = !open.details.attributes.ids;
    }
    if open.details.attributes.ids {
        line(ui, ctx, "trace", &span.trace_id().to_string());
        line(ui, ctx, "span", &span.span_id().to_string());
        line(ui, ctx, "parent", &span.parent().map_or_else(|| units::ABSENT.to_owned(), |parent| parent.to_string()));
        line(ui, ctx, "tracestate", if trace_state.is_empty() { units::ABSENT } else { trace_state });
        line(ui, ctx, "flags", &format!("{:#x}", span.row.flags));
    }
    ui.add_space(10.0);
}

fn dropped(ui: &mut Ui, ctx: &ViewContext<'_>, count: u32) {
    if count > 0 {
        Frame::new().inner_margin(Margin::symmetric(12, 4)).show(ui, |ui| {
            let text = format!("{} attributes were dropped by the sender", units::exact_count(u64::from(count)));
            ui.label(small(text, ctx.theme.warn));
        });
    }
}

/// What tells one sender from another: version, place, instance.
fn summary(attrs: AttrsRef<'_>) -> String {
    const KEYS: [&str; 6] = [
        "service.version",
        "deployment.environment.name",
        "deployment.environment",
        "cloud.region",
        "host.name",
        "process.pid",
    ];
    let found: Vec<String> = KEYS.iter().filter_map(|key| attrs.get(key)).take(2).map(|value| value.to_string()).collect();
    if found.is_empty() { units::count(attrs.len() as u64) } else { found.join(", ") }
}

fn section(ui: &mut Ui, title: &str, about: &str, open: bool) -> Response {
    let theme = theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, open, title));
    theme::paint_hairline(ui, rect.left_top(), rect.right_top());
    if response.hovered() {
        ui.painter().rect_filled(rect.with_min_y(rect.top() + 1.0), 0.0, theme.hover);
    }
    let chevron = if open { Icon::Down } else { Icon::Right };
    chevron.paint(ui.painter(), pos2(rect.left() + space::PANEL + 7.0, rect.center().y), icon::SIZE_SMALL, theme.text);
    let galley = ui.painter().layout_no_wrap(title.to_owned(), Face::Heading.font(), theme.text_strong);
    let x = rect.left() + space::PANEL + 20.0;
    let end = x + galley.size().x + 8.0;
    ui.painter().galley(pos2(x, rect.center().y - galley.size().y / 2.0), galley, theme.text_strong);
    let clip = ui.painter().with_clip_rect(rect.with_max_x(rect.right() - 12.0).intersect(ui.clip_rect()));
    clip.text(pos2(end, rect.center().y), egui::Align2::LEFT_CENTER, about, Face::Small.font(), theme.text_faint);
    widgets::focus_ring(ui, &response, 0.0);
    response
}

fn line(ui: &mut Ui, ctx: &ViewContext<'_>, key: &str, value: &str) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
    paint(ui, ctx, rect, key, value, ctx.theme.text, rect.right() - space::PANEL);
}

fn paint(ui: &Ui, ctx: &ViewContext<'_>, rect: Rect, key: &str, value: &str, colour: egui::Color32, end: f32) {
    let theme = ctx.theme;
    let left = rect.left() + space::PANEL;
    let font = Face::MonoSmall.font();
    let cut =
        |text: &str, width: f32| ui.painter().fonts_mut(|fonts| crate::ui::canvas::elide::middle(fonts, &font, text, width));
    let y = rect.center().y;
    let key_text = cut(key, KEYS - 8.0);
    let paint = |x: f32, text: String, colour| {
        let galley = ui.painter().layout_no_wrap(text, font.clone(), colour);
        ui.painter().galley(pos2(x, y - galley.size().y / 2.0), galley, colour);
    };
    paint(left, key_text, theme.text_subdued);
    let short: String = value.chars().take(LETTERS).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let shown = end_elided(ui, &font, &short, end - left - KEYS);
    paint(left + KEYS, shown, colour);
}

/// Cut at its end: of a value the beginning says most.
fn end_elided(ui: &Ui, font: &egui::FontId, text: &str, width: f32) -> String {
    ui.painter().fonts_mut(|fonts| {
        let mut used = 0.0;
        let room = width - fonts.glyph_width(font, '\u{2026}');
        for (at, letter) in text.char_indices() {
            used += fonts.glyph_width(font, letter);
            if used > room {
                let fits = used <= width && at + letter.len_utf8() == text.len();
                return if fits { text.to_owned() } else { format!("{}\u{2026}", &text[..at]) };
            }
        }
        text.to_owned()
    })
}

/// The rows of some attributes, those that the filter lets through.
pub(super) fn rows(
    open: &mut Open,
    ui: &mut Ui,
    ctx: &mut ViewContext<'_>,
    salt: impl Hash,
    attrs: AttrsRef<'_>,
    hidden: &dyn Fn(&str) -> bool,
) {
    let id = ui.scope_id().with(("attributes", hashed(salt)));
    let filter = open.details.attributes.filter.to_lowercase();
    for (at, (key, value)) in attrs.iter().enumerate() {
        if hidden(key) {
            continue;
        }
        let value = value.to_string();
        if !filter.is_empty() && !key.to_lowercase().contains(&filter) && !value.to_lowercase().contains(&filter) {
            continue;
        }
        row(open, ui, ctx, id.with(at), key, &value);
    }
}

fn hashed(salt: impl Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    salt.hash(&mut hasher);
    hasher.finish()
}

fn row(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, id: egui::Id, key: &str, value: &str) {
    let theme = ctx.theme;
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW_DENSE), Sense::hover());
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, format!("{key} {value}")));
    let masked = value.contains(MASKED);
    let menu_open = response.context_menu_opened() || ui.data(|data| data.get_temp::<bool>(id.with("more")).unwrap_or(false));
    let lit = ui.rect_contains_pointer(rect) || response.has_focus() || menu_open;
    if lit {
        ui.painter().rect_filled(rect, 0.0, theme.hover);
    }
    let wrong = key.starts_with("error") || key.starts_with("exception");
    let colour = if masked {
        theme.text_faint
    } else if wrong {
        theme.error
    } else {
        theme.text
    };
    let mut end = rect.right() - space::PANEL;
    if lit {
        end -= 3.0 * 22.0;
    } else if masked {
        let badge = Rect::from_center_size(pos2(end - 8.0, rect.center().y), vec2(16.0, 16.0));
        Icon::Shield.paint(ui.painter(), badge.center(), 12.0, theme.text_faint);
        end -= 20.0;
    }
    paint(ui, ctx, rect, key, value, colour, end);
    if lit {
        let place = Rect::from_min_max(pos2(end + 2.0, rect.top()), pos2(rect.right() - space::PANEL + 2.0, rect.bottom()));
        let mut buttons =
            ui.new_child(UiBuilder::new().max_rect(place).layout(egui::Layout::left_to_right(egui::Align::Center)));
        buttons.spacing_mut().item_spacing.x = 0.0;
        if IconButton::new(Icon::Filter, "Filter to this value").side(22.0).show(&mut buttons).clicked() {
            go(ctx, format!("{key} = {}", quoted(value)));
        }
        if IconButton::new(Icon::Copy, "Copy value").side(22.0).show(&mut buttons).clicked() {
            ctx.requests.push(Request::Copy(value.to_owned(), "Value".to_owned()));
        }
        let more = IconButton::new(Icon::Dots, "More").side(22.0).show(&mut buttons);
        let shown = menu::menu(&more, 220.0, |ui| more_menu(open, ui, ctx, key, value)).is_some();
        ui.data_mut(|data| data.insert_temp(id.with("more"), shown));
    }
    menu::context_menu(&response, 220.0, |ui| more_menu(open, ui, ctx, key, value));
    let mut hover = value.chars().take(2_000).collect::<String>();
    if masked {
        hover.push_str("\nMasked before it was stored: the key carries secrets");
    }
    if value.chars().count() > 24 || masked {
        response.on_hover_text(theme::text(hover, Face::MonoSmall, theme.text));
    }
}

fn go(ctx: &mut ViewContext<'_>, query: String) {
    let source = ctx.source;
    ctx.go(Place::Traces { source, query });
}

fn more_menu(open: &mut Open, ui: &mut Ui, ctx: &mut ViewContext<'_>, key: &str, value: &str) {
    if menu::item(ui, "Filter to", None, false) {
        go(ctx, format!("{key} = {}", quoted(value)));
    }
    if menu::item(ui, "Exclude", None, false) {
        go(ctx, format!("{key} != {}", quoted(value)));
    }
    if menu::item(ui, "Find in this trace", None, false) {
        open.find_text = format!("{key}=\"{value}\"");
    }
    menu::separator(ui);
    if menu::item(ui, "Copy as key=value", None, false) {
        ctx.requests.push(Request::Copy(format!("{key}={value}"), "Attribute".to_owned()));
    }
    if menu::item(ui, "Copy key", None, false) {
        ctx.requests.push(Request::Copy(key.to_owned(), "Key".to_owned()));
    }
}
