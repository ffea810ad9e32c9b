//! Colours by role, read once from `assets/tokens.json`.
//!
//! Code names what a colour is for, never the colour. A role that is missing in the file becomes [`MISSING`], which the
//! tests refuse and which nobody can overlook on screen.

use egui::Color32;
use serde_json::Value;
use std::sync::OnceLock;

/// The design material; `ramps`, `roles`, `series` and `heatmap` are read here.
pub(super) const TOKENS: &str = include_str!("../../../assets/tokens.json");
/// Stands for a colour that the tokens lack.
pub const MISSING: Color32 = Color32::from_rgb(255, 0, 255);
/// Service colours; beyond these they repeat with a stripe.
pub const SERIES: usize = 10;
/// Stops of the density ramp.
pub const HEAT_STOPS: usize = 9;

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// One colour a role.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Roles {
            $($(#[$doc])* pub $name: Color32,)*
        }

        impl Roles {
            /// Every role's name.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn read(from: &Value) -> Self {
                Self { $($name: colour(&from[stringify!($name)]),)* }
            }
        }
    };
}

roles! {
    /// Gutters between panels, window background.
    app,
    /// Rail, top bar, side panels, status bar.
    panel,
    /// Canvases, cards, tables, editors.
    surface,
    /// Popups, menus, tooltips, toasts, palette.
    raised,
    /// Under the pointer.
    hover,
    /// Held down.
    pressed,
    /// Background of text fields.
    field,
    /// Separators and card outlines, 1 px.
    hairline,
    /// Outlines of inputs, buttons and popups.
    hairline_strong,
    /// Headings and values.
    text_strong,
    /// Default text.
    text,
    /// Secondary text.
    text_subdued,
    /// Axis labels, captions, placeholders.
    text_faint,
    /// Disabled controls only.
    text_disabled,
    /// On `accent_fill` and `error_fill`.
    text_on_accent,
    /// On a service's fill.
    text_on_series,
    /// Active tab text and underline, toggles, links in chrome; never on data.
    accent,
    /// The one primary button of a view.
    accent_fill,
    /// That button under the pointer.
    accent_fill_hover,
    /// Background of the active rail item and of chips.
    accent_soft,
    /// Selected row, text selection.
    selection,
    /// Text on `selection`.
    selection_text,
    /// Ring around the focused control.
    focus_ring,
    /// Links to evidence.
    link,
    /// All is well.
    success,
    /// Background of that.
    success_soft,
    /// Needs an eye.
    warn,
    /// Background of that.
    warn_soft,
    /// Wrong.
    error,
    /// Background of that.
    error_soft,
    /// Destructive button, error edge of a bar.
    error_fill,
    /// Neutral notice, no data.
    info,
    /// Background of that.
    info_soft,
    /// Grid of a plot.
    plot_grid,
    /// Axis of a plot.
    plot_axis,
    /// Crosshair of a plot.
    plot_crosshair,
    /// Outline of the selected span, bar, node or cell.
    canvas_select,
    /// Overlay on flame graph and waterfall.
    critical_path,
    /// Of popups.
    shadow,
    /// Over the window behind a modal.
    scrim,
}

/// Colours of one service or one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series {
    /// Strokes, dots and text.
    pub line: Color32,
    /// Flame bars and areas; their labels are in `text_on_series`.
    pub fill: Color32,
    /// Bars outside the current filter.
    pub fill_dim: Color32,
}

/// All colours of one theme.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// True for the dark one.
    pub dark: bool,
    /// By role.
    pub roles: Roles,
    /// By service.
    pub series: [Series; SERIES],
    /// Lowest to highest density.
    pub heat: [Color32; HEAT_STOPS],
}

impl Theme {
    /// The dark theme.
    pub fn dark() -> &'static Self {
        static DARK: OnceLock<Theme> = OnceLock::new();
        DARK.get_or_init(|| Self::read("dark"))
    }

    /// The light theme.
    pub fn light() -> &'static Self {
        static LIGHT: OnceLock<Theme> = OnceLock::new();
        LIGHT.get_or_init(|| Self::read("light"))
    }

    fn read(name: &str) -> Self {
        let tokens: Value = serde_json::from_str(TOKENS).unwrap_or_default();
        let series = std::array::from_fn(|index| {
            let of = &tokens["series"][index][name];
            Series { line: colour(&of["line"]), fill: colour(&of["fill"]), fill_dim: colour(&of["fill_dim"]) }
        });
        let heat = std::array::from_fn(|index| colour(&tokens["heatmap"][name][index]));
        Self { dark: name == "dark", roles: Roles::read(&tokens["roles"][name]), series, heat }
    }
}

impl std::ops::Deref for Theme {
    type Target = Roles;

    fn deref(&self) -> &Roles {
        &self.roles
    }
}

/// `#RRGGBB` or `#RRGGBBAA`.
fn colour(value: &Value) -> Color32 {
    value.as_str().and_then(|hex| Color32::from_hex(hex).ok()).unwrap_or(MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_of_the_tokens_exists_in_both_themes_and_no_other() {
        let tokens: Value = serde_json::from_str(TOKENS).unwrap();
        for theme in ["dark", "light"] {
            let mut known: Vec<&str> = Roles::NAMES.to_vec();
            let mut there: Vec<&str> = tokens["roles"][theme].as_object().unwrap().keys().map(String::as_str).collect();
            known.sort_unstable();
            there.sort_unstable();
            assert_eq!(known, there, "{theme}");
        }
        for theme in [Theme::dark(), Theme::light()] {
            assert!(!format!("{theme:?}").contains(&format!("{MISSING:?}")), "a colour could not be read");
        }
        assert_eq!(tokens["series"].as_array().unwrap().len(), SERIES);
        assert_eq!(tokens["heatmap"]["dark"].as_array().unwrap().len(), HEAT_STOPS);
    }

    #[test]
    fn colours_are_those_of_the_file() {
        assert_eq!(Theme::dark().panel, Color32::from_rgb(0x0d, 0x10, 0x16));
        assert_eq!(Theme::light().series[0].fill, Color32::from_rgb(0x95, 0xba, 0xfe));
        assert_eq!(Theme::dark().shadow.a(), 0x80);
    }
}
