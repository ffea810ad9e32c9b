//! A block of code to copy: coloured parts, a copy button at the top right.

use super::button::IconButton;
use crate::ui::theme::size::radius;
use crate::ui::theme::{self, Face, Icon, Theme};
use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, Frame, Margin, Stroke, Ui};

/// What a part of a line is, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// As it is.
    Plain,
    /// A keyword such as `export`.
    Word,
    /// The name that is set.
    Name,
    /// The value it is set to.
    Value,
    /// A comment.
    Note,
}

impl Part {
    fn colour(self, theme: &Theme) -> Color32 {
        match self {
            Self::Plain => theme.text,
            Self::Word => theme.text_subdued,
            Self::Name => theme.accent,
            Self::Value => theme.success,
            Self::Note => theme.text_faint,
        }
    }
}

/// One line of code, in parts.
pub type CodeLine = Vec<(Part, String)>;

/// Text of the lines, as it is copied.
pub fn plain(lines: &[CodeLine]) -> String {
    let line = |parts: &CodeLine| parts.iter().map(|(_, text)| text.as_str()).collect::<String>();
    lines.iter().map(line).collect::<Vec<String>>().join("\n")
}

/// Shows the block over the whole width; the text to put on the clipboard when its copy button (called `name`) was clicked.
pub fn code_block(ui: &mut Ui, lines: &[CodeLine], name: &str) -> Option<String> {
    let theme = theme::of(ui.ctx());
    let mut copied = None;
    let frame = Frame::new()
        .fill(theme.field)
        .stroke(Stroke::new(1.0, theme.hairline))
        .corner_radius(radius::CONTROL)
        .inner_margin(Margin { left: 12, right: 8, top: 8, bottom: 8 });
    frame.show(ui, |ui| {
        ui.horizontal_top(|ui| {
            let width = ui.available_width() - 28.0;
            let mut job = LayoutJob::default();
            job.wrap.max_width = width;
            for (index, line) in lines.iter().enumerate() {
                if index > 0 {
                    job.append("\n", 0.0, format(Part::Plain, theme));
                }
                for (part, text) in line {
                    job.append(text, 0.0, format(*part, theme));
                }
            }
            ui.allocate_ui_with_layout(egui::vec2(width, 0.0), egui::Layout::top_down(egui::Align::Min), |ui| {
                ui.set_width(width);
                ui.add(egui::Label::new(job).selectable(true));
            });
            if IconButton::new(Icon::Copy, name).side(20.0).show(ui).clicked() {
                copied = Some(plain(lines));
            }
        });
    });
    copied
}

fn format(part: Part, theme: &Theme) -> TextFormat {
    let mut format = TextFormat::simple(Face::Mono.font(), part.colour(theme));
    format.line_height = Some(Face::Mono.line());
    format
}
