//! Typefaces: Inter and JetBrains Mono embedded, each weight a family of its own, and the nine text styles of the tokens.
//!
//! Inter's default figures are the tabular ones here, so columns of numbers line up without a layout feature. A glyph that
//! one face lacks is taken from the other, then from the system.

use egui::{FontData, FontDefinitions, FontFamily, FontId};
use std::sync::Arc;

const FILES: [(&str, &[u8]); 5] = [
    ("inter_regular", include_bytes!("../../../assets/fonts/Inter-Regular.otf")),
    ("inter_medium", include_bytes!("../../../assets/fonts/Inter-Medium.otf")),
    ("inter_semibold", include_bytes!("../../../assets/fonts/Inter-SemiBold.otf")),
    ("mono_regular", include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf")),
    ("mono_medium", include_bytes!("../../../assets/fonts/JetBrainsMono-Medium.ttf")),
];

/// A text style of the tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Face {
    /// Home headline, stat values.
    Display,
    /// Screen and dialog title.
    Title,
    /// Panel and section heading.
    Heading,
    /// Default.
    Body,
    /// Buttons, active rail item, first column of a table.
    BodyMedium,
    /// Table cells, legends, status bar.
    Small,
    /// Column headers, axis labels, badges.
    Caption,
    /// Code, queries, ids, attribute values.
    Mono,
    /// Flame labels, inline ids in tables.
    MonoSmall,
}

impl Face {
    /// All, in the order of the tokens.
    pub const ALL: [Self; 9] = [
        Self::Display,
        Self::Title,
        Self::Heading,
        Self::Body,
        Self::BodyMedium,
        Self::Small,
        Self::Caption,
        Self::Mono,
        Self::MonoSmall,
    ];

    /// Family, size and line height in points.
    const fn spec(self) -> (&'static str, f32, f32) {
        match self {
            Self::Display => ("inter_semibold", 26.0, 32.0),
            Self::Title => ("inter_semibold", 16.0, 24.0),
            Self::Heading => ("inter_semibold", 13.0, 20.0),
            Self::Body => ("inter_regular", 13.0, 20.0),
            Self::BodyMedium => ("inter_medium", 13.0, 20.0),
            Self::Small => ("inter_regular", 12.0, 16.0),
            Self::Caption => ("inter_medium", 11.0, 16.0),
            Self::Mono => ("mono_regular", 12.0, 18.0),
            Self::MonoSmall => ("mono_regular", 11.0, 16.0),
        }
    }

    /// The font to lay out with.
    pub fn font(self) -> FontId {
        let (family, size, _) = self.spec();
        FontId::new(size, FontFamily::Name(family.into()))
    }

    /// Line height in points.
    pub fn line(self) -> f32 {
        self.spec().2
    }
}

/// The embedded fonts.
pub fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    for (name, bytes) in FILES {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        let other = if name.starts_with("inter") { "mono_regular" } else { "inter_regular" };
        fonts.families.insert(FontFamily::Name(name.into()), vec![name.to_owned(), other.to_owned()]);
    }
    let both = |first: &str, then: &str| vec![first.to_owned(), then.to_owned()];
    fonts.families.insert(FontFamily::Proportional, both("inter_regular", "mono_regular"));
    fonts.families.insert(FontFamily::Monospace, both("mono_regular", "inter_regular"));
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn styles_are_those_of_the_tokens() {
        let tokens: Value = serde_json::from_str(crate::ui::theme::roles::TOKENS).unwrap();
        let keys = ["display", "title", "heading", "body", "body_medium", "small", "caption", "mono", "mono_small"];
        for (face, key) in Face::ALL.into_iter().zip(keys) {
            let style = &tokens["type"]["styles"][key];
            let (family, size, line) = face.spec();
            assert_eq!(style["size"].as_f64(), Some(f64::from(size)), "{key}");
            assert_eq!(style["line"].as_f64(), Some(f64::from(line)), "{key}");
            let weight = if family.ends_with("semibold") {
                600
            } else if family.ends_with("medium") {
                500
            } else {
                400
            };
            assert_eq!(style["weight"].as_u64(), Some(weight), "{key}");
            assert_eq!(style["family"].as_str() == Some("mono"), family.starts_with("mono"), "{key}");
        }
    }

    #[test]
    fn figures_are_tabular_and_the_symbols_of_the_formatter_exist() {
        let ctx = egui::Context::default();
        ctx.set_fonts(fonts());
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            ui.ctx().fonts_mut(|fonts| {
                for face in Face::ALL {
                    let font = face.font();
                    let width = |fonts: &mut egui::epaint::text::FontsView<'_>, c| fonts.glyph_width(&font, c);
                    let one = width(fonts, '1');
                    assert!(one > 0.0);
                    for digit in '0'..='9' {
                        assert!((width(fonts, digit) - one).abs() < 0.01, "{face:?} {digit}");
                    }
                    for c in "\u{202f}\u{2009}\u{a0}\u{2212}\u{d7}\u{2022}\u{2013}\u{2026}\u{b5}\u{2190}\u{2191}\u{2192}\u{2193}ΩЖéß≥≤≈∞".chars() {
                        assert!(fonts.has_glyph(&font, c), "{face:?} lacks {c:?}");
                    }
                }
            });
        });
        output.textures_delta.clear();
    }
}
