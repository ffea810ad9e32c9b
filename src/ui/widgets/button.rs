//! Buttons with text, with an icon, with both; links.

use super::focus_ring;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Icon, Theme, icon};
use egui::{Align2, Color32, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

/// How a button looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// Outlined.
    #[default]
    Plain,
    /// Filled with the accent: one a view.
    Primary,
    /// Without outline until hovered.
    Quiet,
    /// Filled with red: what cannot be undone.
    Danger,
}

/// A button. Build, then [`Button::show`].
#[must_use]
pub struct Button<'a> {
    text: &'a str,
    icon: Option<Icon>,
    after: Option<Icon>,
    hint: Option<String>,
    keys: Vec<String>,
    kind: Kind,
    small: bool,
    enabled: bool,
    on: bool,
    tint: Option<Color32>,
    dot: Option<Color32>,
    name: Option<&'a str>,
    toggled: Option<bool>,
}

impl<'a> Button<'a> {
    /// An outlined button with this text.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            icon: None,
            after: None,
            hint: None,
            keys: Vec::new(),
            kind: Kind::Plain,
            small: false,
            enabled: true,
            on: false,
            tint: None,
            dot: None,
            name: None,
            toggled: None,
        }
    }

    /// Its accessible name where the text does not say it.
    pub fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// A dot of a state before the text.
    pub fn dot(mut self, colour: Color32) -> Self {
        self.dot = Some(colour);
        self
    }

    /// It is a switch, on or off, to assistive technology.
    pub fn toggled(mut self, on: bool) -> Self {
        self.toggled = Some(on);
        self
    }

    /// How it looks.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// An icon before the text.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// An icon after the text, the chevron of a menu.
    pub fn after(mut self, icon: Icon) -> Self {
        self.after = Some(icon);
        self
    }

    /// Key caps inside.
    pub fn keys(mut self, keys: Vec<String>) -> Self {
        self.keys = keys;
        self
    }

    /// Tooltip.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// 24 high instead of 28.
    pub fn small(mut self) -> Self {
        self.small = true;
        self
    }

    /// Cannot be pressed now.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Switched on.
    pub fn on(mut self, on: bool) -> Self {
        self.on = on;
        self
    }

    /// Another text colour.
    pub fn tint(mut self, tint: Color32) -> Self {
        self.tint = Some(tint);
        self
    }

    /// Lays it out, paints it, answers whether it was clicked.
    pub fn show(self, ui: &mut Ui) -> Response {
        let theme = theme::of(ui.ctx());
        let font = if self.small { egui::FontId::new(12.0, Face::BodyMedium.font().family) } else { Face::BodyMedium.font() };
        let galley = ui.painter().layout_no_wrap(self.text.to_owned(), font, Color32::PLACEHOLDER);
        let height = if self.small { part::BUTTON_SMALL } else { part::BUTTON };
        let pad = if self.small { 8.0 } else { 10.0 };
        let icon_width = icon::SIZE_SMALL + if self.text.is_empty() && self.keys.is_empty() { 0.0 } else { space::ICON_TEXT };
        let key_face = Face::Caption.font();
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|key| ui.painter().layout_no_wrap(key.clone(), key_face.clone(), Color32::PLACEHOLDER))
            .collect();
        let keys_width: f32 = keys.iter().map(|key| key.size().x + 10.0 + 4.0).sum::<f32>() - 4.0;
        let dot_width = if self.dot.is_some() { 8.0 + space::ICON_TEXT } else { 0.0 };
        let key_gap = if self.text.is_empty() { 0.0 } else { 6.0 };
        let icons = f32::from(u8::from(self.icon.is_some()) + u8::from(self.after.is_some()));
        let width = 2.0 * pad
            + galley.size().x
            + icons * icon_width
            + dot_width
            + if keys.is_empty() { 0.0 } else { keys_width + key_gap };
        let sense = if self.enabled { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(vec2(width.ceil(), height), sense);
        let name = self.name.unwrap_or(self.text);
        response.widget_info(|| match self.toggled {
            Some(on) => WidgetInfo::selected(Role::Button, self.enabled, on, name),
            None => WidgetInfo::labeled(Role::Button, self.enabled, name),
        });
        if ui.is_rect_visible(rect) {
            let (fill, outline, text) = self.colours(theme, &response);
            ui.painter().rect(rect, radius::CONTROL, fill, Stroke::new(1.0, outline), StrokeKind::Inside);
            let mut x = rect.left() + pad;
            let middle = rect.center().y;
            if let Some(shape) = self.icon {
                shape.paint(ui.painter(), egui::pos2(x + icon::SIZE_SMALL / 2.0, middle), icon::SIZE_SMALL, text);
                x += icon_width;
            }
            if let Some(colour) = self.dot {
                ui.painter().circle_filled(egui::pos2(x + 4.0, middle), 4.0, colour);
                x += dot_width;
            }
            let top = middle - galley.size().y / 2.0;
            let text_width = galley.size().x;
            ui.painter().galley(egui::pos2(x, top), galley, text);
            x += text_width;
            if let Some(shape) = self.after {
                let centre = egui::pos2(x + space::ICON_TEXT + icon::SIZE_SMALL / 2.0, middle);
                shape.paint(ui.painter(), centre, icon::SIZE_SMALL, text);
                x += icon_width;
            }
            x += key_gap;
            let cap = if self.kind == Kind::Primary { text } else { theme.text_subdued };
            for key in keys {
                let size = key.size();
                let around = egui::Rect::from_min_size(egui::pos2(x, middle - 8.0), vec2(size.x + 10.0, 16.0));
                let stroke = Stroke::new(1.0, if self.kind == Kind::Primary { outline } else { theme.hairline_strong });
                ui.painter().rect_stroke(around, radius::CHIP, stroke, StrokeKind::Inside);
                ui.painter().galley(egui::pos2(x + 5.0, middle - size.y / 2.0), key, cap);
                x += size.x + 14.0;
            }
        }
        focus_ring(ui, &response, radius::CONTROL);
        match self.hint {
            Some(hint) if !hint.is_empty() => response.on_hover_text(hint),
            _ => response,
        }
    }

    fn colours(&self, theme: &Theme, response: &Response) -> (Color32, Color32, Color32) {
        let clear = Color32::TRANSPARENT;
        let (hovered, down) = (response.hovered(), response.is_pointer_button_down_on());
        if !self.enabled {
            let outline = if self.kind == Kind::Quiet { clear } else { theme.hairline };
            return (clear, outline, theme.text_disabled);
        }
        let under = if down {
            theme.pressed
        } else if hovered {
            theme.hover
        } else {
            clear
        };
        if self.on {
            return (theme.accent_soft, clear, self.tint.unwrap_or(theme.accent));
        }
        match self.kind {
            Kind::Primary => {
                let fill = if hovered { theme.accent_fill_hover } else { theme.accent_fill };
                (fill, fill, theme.text_on_accent)
            }
            Kind::Danger => (theme.error_fill, theme.error_fill, theme.text_on_accent),
            Kind::Plain => (under, theme.hairline_strong, self.tint.unwrap_or(theme.text)),
            Kind::Quiet => (under, clear, self.tint.unwrap_or(if hovered { theme.text_strong } else { theme.text_subdued })),
        }
    }
}

/// A square button with an icon and a name that is also its tooltip.
#[must_use]
pub struct IconButton<'a> {
    icon: Icon,
    name: &'a str,
    keys: Option<String>,
    side: f32,
    enabled: bool,
    on: bool,
}

impl<'a> IconButton<'a> {
    /// 24 by 24, without outline.
    pub fn new(icon: Icon, name: &'a str) -> Self {
        Self { icon, name, keys: None, side: part::HIT, enabled: true, on: false }
    }

    /// Keys named in the tooltip.
    pub fn keys(mut self, keys: Option<String>) -> Self {
        self.keys = keys;
        self
    }

    /// Another side length.
    pub fn side(mut self, side: f32) -> Self {
        self.side = side;
        self
    }

    /// Cannot be pressed now.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Switched on.
    pub fn on(mut self, on: bool) -> Self {
        self.on = on;
        self
    }

    /// Lays it out, paints it, answers whether it was clicked.
    pub fn show(self, ui: &mut Ui) -> Response {
        let theme = theme::of(ui.ctx());
        let sense = if self.enabled { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(vec2(self.side, self.side), sense);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, self.enabled, self.name));
        if ui.is_rect_visible(rect) {
            let tint = match (self.enabled, self.on, response.hovered()) {
                (false, ..) => theme.text_disabled,
                (_, true, _) => theme.accent,
                (_, _, true) => theme.text_strong,
                _ => theme.text_subdued,
            };
            let fill = match (self.enabled, self.on, response.is_pointer_button_down_on(), response.hovered()) {
                (true, true, ..) => theme.accent_soft,
                (true, _, true, _) => theme.pressed,
                (true, _, _, true) => theme.hover,
                _ => Color32::TRANSPARENT,
            };
            ui.painter().rect_filled(rect, radius::CONTROL, fill);
            self.icon.paint_in(ui.painter(), rect, tint);
        }
        focus_ring(ui, &response, radius::CONTROL);
        match self.keys {
            Some(keys) => response.on_hover_text(format!("{}  {keys}", self.name)),
            None => response.on_hover_text(self.name),
        }
    }
}

/// A square button with an icon; true when it was clicked.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str) -> bool {
    IconButton::new(icon, name).show(ui).clicked()
}

/// Text that leads somewhere: `link` coloured, underlined under the pointer.
pub fn link(ui: &mut Ui, text: &str, face: Face) -> Response {
    let theme = theme::of(ui.ctx());
    let galley = ui.painter().layout_no_wrap(text.to_owned(), face.font(), theme.link);
    let size = vec2(galley.size().x, face.line().max(galley.size().y));
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, text));
    let at = Align2::LEFT_CENTER.align_size_within_rect(galley.size(), rect);
    ui.painter().galley(at.min, galley, theme.link);
    if response.hovered() {
        ui.painter().hline(at.x_range(), at.bottom() - 0.5, Stroke::new(1.0, theme.link));
    }
    focus_ring(ui, &response, radius::CHIP);
    response.on_hover_cursor(egui::CursorIcon::PointingHand)
}
