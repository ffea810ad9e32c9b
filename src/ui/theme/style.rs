//! egui's own style made from the tokens, for both themes.

use super::face::{Face, fonts};
use super::roles::Theme;
use super::size::{motion_ms, part, radius, space, stroke};
use egui::style::{ScrollStyle, WidgetVisuals};
use egui::{Context, CornerRadius, Margin, Shadow, Stroke, Style, TextStyle, Visuals, vec2};

/// Loads the fonts and both themes into a context.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(egui::Theme::Dark, style(Theme::dark()));
    ctx.set_style_of(egui::Theme::Light, style(Theme::light()));
}

fn style(theme: &Theme) -> Style {
    let mut style = Style {
        text_styles: [
            (TextStyle::Small, Face::Small.font()),
            (TextStyle::Body, Face::Body.font()),
            (TextStyle::Button, Face::BodyMedium.font()),
            (TextStyle::Heading, Face::Title.font()),
            (TextStyle::Monospace, Face::Mono.font()),
        ]
        .into(),
        visuals: visuals(theme),
        animation_time: motion_ms::POPUP / 1e3,
        explanation_tooltips: false,
        ..Style::default()
    };
    style.spacing.item_spacing = vec2(space::CONTROL, space::UNIT);
    style.spacing.button_padding = vec2(10.0, 4.0);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.window_margin = Margin::same(12);
    style.spacing.interact_size = vec2(part::BUTTON, part::BUTTON);
    style.spacing.tooltip_width = 420.0;
    style.spacing.text_edit_width = 240.0;
    style.spacing.combo_height = part::POPUP_MAX;
    style.spacing.icon_width = 14.0;
    style.spacing.icon_width_inner = 8.0;
    style.spacing.scroll = ScrollStyle { bar_width: part::SCROLLBAR, ..ScrollStyle::thin() };
    style.interaction.tooltip_delay = motion_ms::TOOLTIP / 1e3;
    style.interaction.selectable_labels = false;
    style
}

fn visuals(theme: &Theme) -> Visuals {
    let mut visuals = if theme.dark { Visuals::dark() } else { Visuals::light() };
    let control = CornerRadius::same(radius::CONTROL as u8);
    let widget = |fill, outline, text| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(stroke::HAIRLINE, outline),
        corner_radius: control,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let none = egui::Color32::TRANSPARENT;
    visuals.widgets.noninteractive = widget(none, theme.hairline, theme.text);
    visuals.widgets.inactive = widget(none, theme.hairline_strong, theme.text);
    visuals.widgets.hovered = widget(theme.hover, theme.hairline_strong, theme.text_strong);
    visuals.widgets.active = widget(theme.pressed, theme.hairline_strong, theme.text_strong);
    visuals.widgets.open = widget(theme.hover, theme.hairline_strong, theme.text_strong);
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(theme.text_faint);
    visuals.selection.bg_fill = theme.selection;
    visuals.selection.stroke = Stroke::new(stroke::FOCUS, theme.focus_ring);
    visuals.hyperlink_color = theme.link;
    visuals.faint_bg_color = theme.surface;
    visuals.extreme_bg_color = theme.field;
    visuals.text_edit_bg_color = Some(theme.field);
    visuals.code_bg_color = theme.field;
    visuals.warn_fg_color = theme.warn;
    visuals.error_fg_color = theme.error;
    visuals.panel_fill = theme.panel;
    visuals.window_fill = theme.raised;
    visuals.window_stroke = Stroke::new(stroke::HAIRLINE, theme.hairline_strong);
    visuals.window_corner_radius = CornerRadius::same(radius::POPUP as u8);
    visuals.menu_corner_radius = CornerRadius::same(radius::POPUP as u8);
    let shadow = Shadow { offset: [0, 4], blur: 8, spread: 0, color: theme.shadow };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals.window_highlight_topmost = false;
    visuals.striped = false;
    visuals.indent_has_left_vline = false;
    visuals.resize_corner_size = 0.0;
    visuals.text_cursor.stroke = Stroke::new(1.5, theme.accent);
    // A blinking cursor would keep the window awake.
    visuals.text_cursor.blink = false;
    visuals
}
