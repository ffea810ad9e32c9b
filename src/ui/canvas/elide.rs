//! Text cut in the middle to fit a width, remembered: a flame graph asks for a thousand of them every frame.

use crate::model::batch::StrId;
use egui::epaint::text::FontsView;
use egui::{FontId, Painter};
use std::collections::HashMap;
use std::sync::Arc;

/// Widths are told apart in steps of this many points.
const STEP: f32 = 4.0;
/// Narrower text is cut at its end, points.
const SHORT: f32 = 84.0;
/// More are forgotten all at once.
const KEPT: usize = 8_192;

/// See the module comment. Forgets when another batch or font comes.
#[derive(Default)]
pub struct Elided {
    texts: HashMap<(StrId, u16, u8), Arc<str>>,
    key: (usize, u32),
}

impl Elided {
    /// Call once a frame with something that changes with the batch, and the pixels a point.
    pub fn begin(&mut self, batch: usize, pixels_per_point: f32) {
        let key = (batch, pixels_per_point.to_bits());
        if self.key != key || self.texts.len() > KEPT {
            self.texts.clear();
            self.key = key;
        }
    }

    /// `text` (the one of `id`, after `prefix`, of which the kind is `variant`) cut to fit `width` points; empty when not
    /// even three letters fit.
    pub fn text(
        &mut self,
        painter: &Painter,
        font: &FontId,
        id: StrId,
        variant: u8,
        width: f32,
        text: impl FnOnce() -> String,
    ) -> Arc<str> {
        let step = (width / STEP).clamp(0.0, 60_000.0) as u16;
        let known = self.texts.entry((id, step, variant));
        known
            .or_insert_with(|| {
                let text = text();
                painter.fonts_mut(|fonts| Arc::from(middle(fonts, font, &text, f32::from(step) * STEP)))
            })
            .clone()
    }
}

/// `text` cut in the middle to fit `width` points.
pub fn middle(fonts: &mut FontsView<'_>, font: &FontId, text: &str, width: f32) -> String {
    let widths: Vec<(usize, f32)> = text.char_indices().map(|(at, letter)| (at, fonts.glyph_width(font, letter))).collect();
    let whole: f32 = widths.iter().map(|(_, width)| width).sum();
    if whole <= width {
        return text.to_owned();
    }
    let room = width - fonts.glyph_width(font, '\u{2026}');
    // In a small place only the head says something. Otherwise two letters for it, one for the end.
    let short = width < SHORT;
    let (mut head, mut tail, mut used) = (0, widths.len(), 0.0);
    while head < tail {
        let from_head = short || head <= 2 * (widths.len() - tail);
        let next = if from_head { widths[head].1 } else { widths[tail - 1].1 };
        if used + next > room {
            break;
        }
        used += next;
        if from_head {
            head += 1;
        } else {
            tail -= 1;
        }
    }
    if head < 2 {
        return String::new();
    }
    let start = widths.get(head).map_or(text.len(), |(at, _)| *at);
    let end = widths.get(tail).map_or(text.len(), |(at, _)| *at);
    format!("{}\u{2026}{}", text[..start].trim_end(), text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::{self, Face};

    #[test]
    fn text_is_cut_in_the_middle_to_its_width() {
        let ctx = egui::Context::default();
        theme::install(&ctx);
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            ui.ctx().fonts_mut(|fonts| {
                let font = Face::Caption.font();
                let long = "POST api.acme-pay.test/v1/charges";
                assert_eq!(middle(fonts, &font, long, 900.0), long);
                assert!(middle(fonts, &font, long, 60.0).ends_with('\u{2026}'));
                let cut = middle(fonts, &font, long, 100.0);
                assert!(cut.starts_with("POST") && cut.contains('\u{2026}') && cut.ends_with("es"), "{cut}");
                let width: f32 = cut.chars().map(|letter| fonts.glyph_width(&font, letter)).sum();
                assert!(width <= 100.0);
                assert_eq!(middle(fonts, &font, long, 9.0), "");
                assert!(!middle(fonts, &font, "ein Überläufer 東京都", 40.0).is_empty());
            });
        });
        output.textures_delta.clear();
    }
}
