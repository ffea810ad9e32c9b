//! The top bar: back, forward, breadcrumb and the view's own actions at the left; sources, time range, Live and the
//! palette at the right.

use super::{range_popup, source_menu};
use crate::ui::command::Command;
use crate::ui::nav::Screen;
use crate::ui::state::State;
use crate::ui::theme::size::{radius, space};
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Crumb, Request, View, ViewContext};
use crate::ui::widgets::{Button, IconButton, Kind, focus_ring, hairline_below};
use egui::{Align, Layout, Role, Sense, Ui, UiBuilder, WidgetInfo, vec2};

/// Draws it over the whole of `ui`.
pub fn show(ui: &mut Ui, state: &mut State, view: &mut dyn View) {
    let rect = ui.max_rect();
    hairline_below(ui, rect);
    let inner = rect.shrink2(vec2(space::PANEL, 0.0));
    let mut right =
        ui.new_child(UiBuilder::new().id_salt("right").max_rect(inner).layout(Layout::right_to_left(Align::Center)));
    right.spacing_mut().item_spacing.x = space::CONTROL;
    right_side(&mut right, state, view, rect.width());
    let end = right.min_rect().left() - space::SECTION;
    let left_rect = egui::Rect::from_min_max(inner.min, egui::pos2(end.max(inner.left()), inner.max.y));
    let mut left =
        ui.new_child(UiBuilder::new().id_salt("left").max_rect(left_rect).layout(Layout::left_to_right(Align::Center)));
    left.set_clip_rect(left_rect.intersect(ui.clip_rect()));
    left.spacing_mut().item_spacing.x = space::CONTROL;
    left_side(&mut left, state, view);
}

fn left_side(ui: &mut Ui, state: &mut State, view: &mut dyn View) {
    for (command, icon, enabled) in
        [(Command::Back, Icon::Left, state.history.can_back()), (Command::Forward, Icon::Right, state.history.can_forward())]
    {
        let button = IconButton::new(icon, command.text()).keys(command.keys_text()).enabled(enabled);
        if button.show(ui).clicked() {
            state.requests.push(Request::Run(command));
        }
    }
    ui.add_space(0.0);
    let crumbs = view.crumbs();
    let count = crumbs.len();
    for (index, crumb) in crumbs.into_iter().enumerate() {
        crumb_part(ui, state, &crumb, index + 1 == count);
        if index + 1 < count {
            let theme = theme::of(ui.ctx());
            ui.label(theme::text("/", Face::Body, theme.text_faint));
        }
    }
    ui.add_space(space::CONTROL);
    with_view(state, |context| view.actions(ui, context));
}

fn crumb_part(ui: &mut Ui, state: &mut State, crumb: &Crumb, last: bool) {
    let theme = theme::of(ui.ctx());
    let face = if last { Face::Heading } else { Face::BodyMedium };
    let Some(place) = &crumb.place else {
        ui.add(egui::Label::new(theme::text(&crumb.text, face, theme.text_strong)).truncate());
        return;
    };
    let galley = ui.painter().layout_no_wrap(crumb.text.clone(), face.font(), egui::Color32::PLACEHOLDER);
    let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, &crumb.text));
    let colour = if response.hovered() { theme.text_strong } else { theme.text_subdued };
    ui.painter().galley(rect.min, galley, colour);
    focus_ring(ui, &response, radius::CHIP);
    if response.on_hover_cursor(egui::CursorIcon::PointingHand).clicked() {
        state.requests.push(Request::Go(place.clone()));
    }
}

fn right_side(ui: &mut Ui, state: &mut State, view: &mut dyn View, width: f32) {
    let caps = Command::Palette.key_caps();
    let palette = Button::new("").icon(Icon::Search).kind(Kind::Quiet).keys(vec![caps.join(" ")]).hint(Command::Palette.text());
    if palette.named(Command::Palette.text()).show(ui).clicked() {
        state.requests.push(Request::Run(Command::Palette));
    }
    if view.uses_range() {
        live(ui, state);
        range_popup::show(ui, state, width);
    } else if state.history.here().screen() == Screen::Home {
        let open = Button::new(Command::OpenFile.text()).icon(Icon::Folder).keys(vec![Command::OpenFile.key_caps().join(" ")]);
        if open.hint(Command::OpenFile.hint()).show(ui).clicked() {
            state.requests.push(Request::Run(Command::OpenFile));
        }
    }
    source_menu::show(ui, state, width);
}

fn live(ui: &mut Ui, state: &mut State) {
    let theme = theme::of(ui.ctx());
    let keys = Command::ToggleLive.keys_text().unwrap_or_default();
    let button = if state.live {
        Button::new("Live").dot(theme.success).tint(theme.success).hint(format!("Views follow new data  {keys}"))
    } else {
        Button::new("Live").icon(Icon::Play).tint(theme.text_subdued).hint(format!("The view stands still  {keys}"))
    };
    if button.toggled(state.live).show(ui).clicked() {
        state.requests.push(Request::Run(Command::ToggleLive));
    }
}

/// Lends the state to a view and keeps what it asked for.
pub fn with_view<R>(state: &mut State, draw: impl FnOnce(&mut ViewContext<'_>) -> R) -> R {
    with_view_given(state, &[], draw)
}

/// As [`with_view`], with the commands that were given.
pub fn with_view_given<R>(state: &mut State, commands: &[Command], draw: impl FnOnce(&mut ViewContext<'_>) -> R) -> R {
    let mut requests = std::mem::take(&mut state.requests);
    let result = draw(&mut ViewContext {
        engine: &state.engine,
        facts: &state.facts,
        theme: state.theme,
        services: &state.services,
        range: state.range,
        live: state.live,
        source: state.source,
        now: state.now,
        zone: &state.zone,
        commands,
        notices: &state.notices,
        look: state.look,
        requests: &mut requests,
    });
    state.requests = requests;
    result
}
