//! The rail at the left: the screens that exist, Notifications, Help and Settings at its foot.

use crate::ui::command::Command;
use crate::ui::nav::{CompareBy, Place, Screen, SettingsPage};
use crate::ui::state::State;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::Request;
use crate::ui::views::Views;
use crate::ui::widgets::focus_ring;
use egui::{Color32, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

/// The rail shows icons only under this width of the window, in points.
const NARROW: f32 = 1200.0;

/// Width of the rail in a window this wide.
pub fn width(state: &State, window: f32) -> f32 {
    if state.rail_collapsed || window < NARROW { part::RAIL_COLLAPSED } else { part::RAIL }
}

struct Row<'a> {
    icon: Icon,
    text: &'a str,
    keys: Option<String>,
    badge: usize,
    on: bool,
}

/// Draws it over the whole of `ui`.
pub fn show(ui: &mut Ui, state: &mut State, views: &Views) {
    let rect = ui.max_rect();
    let theme = theme::of(ui.ctx());
    let wide = rect.width() > part::RAIL_COLLAPSED + 1.0;
    theme::paint_hairline(ui, pos2(rect.right() - 1.0, rect.top()), pos2(rect.right() - 1.0, rect.bottom()));
    let brand = Rect::from_min_size(rect.min, vec2(rect.width(), part::TOP_BAR));
    let mark = if wide { pos2(rect.left() + 25.0, brand.center().y) } else { pos2(rect.center().x - 0.5, brand.center().y) };
    icon::paint_logo(ui.painter(), mark, 18.0, theme.accent);
    if wide {
        let name = ui.painter().layout_no_wrap("Belvedere".to_owned(), Face::Heading.font(), theme.text_strong);
        let at = pos2(rect.left() + 42.0, brand.center().y - name.size().y / 2.0);
        ui.painter().galley(at, name, theme.text_strong);
    }
    let here = state.history.here().screen();
    let mut y = brand.bottom();
    let mut go = None;
    let mut row = |ui: &mut Ui, y: &mut f32, command: Command, icon: Icon, text: &str, badge: usize, on: bool| {
        let cell = Rect::from_min_size(pos2(rect.left() + 8.0, *y), vec2(rect.width() - 17.0, part::ROW));
        if item(ui, cell, wide, &Row { icon, text, keys: command.keys_text(), badge, on }) {
            go = Some(command);
        }
        *y += part::ROW;
    };
    row(ui, &mut y, Command::GoHome, Icon::Home, "Home", 0, here == Screen::Home);
    let group = |ui: &Ui, y: &mut f32, name: &str| {
        if wide {
            let group = ui.painter().layout_no_wrap(name.to_owned(), Face::Caption.font(), theme.text_faint);
            ui.painter().galley(pos2(rect.left() + 16.0, *y + 13.0), group, theme.text_faint);
            *y += 32.0;
        } else {
            *y += space::CONTROL;
        }
    };
    if views.has(Screen::Traces) {
        group(ui, &mut y, "Observe");
        let on = matches!(here, Screen::Traces | Screen::Trace);
        row(ui, &mut y, Command::GoTraces, Icon::Traces, "Traces", 0, on);
    }
    if views.has(Screen::Findings) {
        row(ui, &mut y, Command::GoFindings, Icon::Bolt, "Findings", 0, here == Screen::Findings);
    }
    if views.has(Screen::Explore) {
        row(ui, &mut y, Command::GoMetrics, Icon::Metrics, "Metrics", 0, here == Screen::Explore);
    }
    if views.has(Screen::Headers) {
        group(ui, &mut y, "Lab");
        if views.has(Screen::Compare) {
            row(ui, &mut y, Command::GoCompare, Icon::Compare, "Compare", 0, here == Screen::Compare);
        }
        row(ui, &mut y, Command::GoHeaders, Icon::Terminal, "Headers", 0, here == Screen::Headers);
    }
    let mut foot = rect.bottom() - 8.0 - 3.0 * part::ROW;
    let unread = state.notices.unread();
    let on = here == Screen::Notifications;
    row(ui, &mut foot, Command::GoNotifications, Icon::Bell, "Notifications", unread, on);
    row(ui, &mut foot, Command::Shortcuts, Icon::Help, "Help", 0, state.sheet);
    row(ui, &mut foot, Command::GoSettings, Icon::Gear, "Settings", 0, here == Screen::Settings);
    if let Some(command) = go {
        state.requests.push(Request::Run(command));
    }
}

/// Where a command of the rail leads.
pub fn place_of(command: Command, state: &State) -> Option<Place> {
    match command {
        Command::GoHome => Some(Place::HOME),
        Command::GoTraces => Some(Place::traces_of(state.source)),
        Command::GoFindings => {
            let query = match state.history.here() {
                Place::Traces { query, .. } => query.clone(),
                _ => String::new(),
            };
            Some(Place::Findings { source: state.source, query })
        }
        Command::GoCompare => {
            let (a, b) = (String::new(), String::new());
            Some(Place::Compare { source: state.source, by: CompareBy::default(), a, b })
        }
        Command::GoMetrics => Some(Place::Explore { queries: Vec::new() }),
        Command::GoHeaders => Some(Place::Headers),
        Command::GoNotifications => Some(Place::Notifications),
        Command::GoSettings => Some(Place::Settings(SettingsPage::default())),
        _ => None,
    }
}

fn item(ui: &mut Ui, cell: Rect, wide: bool, row: &Row<'_>) -> bool {
    let theme = theme::of(ui.ctx());
    let response = ui.interact(cell, ui.scope_id().with(row.text), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, row.on, row.text));
    let fill = if row.on {
        theme.accent_soft
    } else if response.hovered() {
        theme.hover
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect_filled(cell, radius::CONTROL, fill);
    let text = if row.on || response.hovered() { theme.text_strong } else { theme.text_subdued };
    let tint = if row.on { theme.accent } else { text };
    let middle = cell.center().y;
    let left = if wide { cell.left() + 16.0 } else { cell.center().x };
    row.icon.paint(ui.painter(), pos2(left, middle), icon::SIZE, tint);
    if wide {
        let label = ui.painter().layout_no_wrap(row.text.to_owned(), Face::BodyMedium.font(), text);
        ui.painter().galley(pos2(cell.left() + 32.0, middle - label.size().y / 2.0), label, text);
    }
    if row.badge > 0 {
        let count = if row.badge > 99 { "99+".to_owned() } else { row.badge.to_string() };
        let galley = ui.painter().layout_no_wrap(count, Face::Caption.font(), theme.text_faint);
        if wide {
            let at = pos2(cell.right() - 8.0 - galley.size().x, middle - galley.size().y / 2.0);
            ui.painter().galley(at, galley, theme.text_faint);
        } else {
            ui.painter().circle_filled(pos2(cell.right() - 6.0, cell.top() + 7.0), 3.0, theme.accent);
        }
    }
    focus_ring(ui, &response, radius::CONTROL);
    let clicked = response.clicked();
    match (&row.keys, wide) {
        (Some(keys), _) => response.on_hover_text(format!("{}  {keys}", row.text)),
        (None, _) => response.on_hover_text(row.text),
    };
    clicked
}
