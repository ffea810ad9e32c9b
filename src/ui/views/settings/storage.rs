//! Size on disk and loss accounting: received = stored now + duplicate + rejected + evicted + sampled out, per door,
//! service and signal; the table checks that it adds up.

use super::page_title;
use crate::engine::{Account, Query};
use crate::model::units;
use crate::source::SourceError;
use crate::ui::Level;
use crate::ui::command::Command;
use crate::ui::theme::size::{part, space};
use crate::ui::theme::{self, Face};
use crate::ui::view::ViewContext;
use crate::ui::widgets::{Button, Kind, card, card_header, hairline_below, severity_badge};
use egui::{Align2, Rect, Sense, Ui, pos2, vec2};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The accounts are read again this often while they are shown.
const REFRESH: Duration = Duration::from_secs(1);
/// Numeric columns, left to right.
const COLUMNS: [&str; 6] = ["Received", "Stored now", "Duplicate", "Rejected", "Evicted", "Sampled out"];

/// State of the page.
#[derive(Default)]
pub struct Storage {
    query: Query<Vec<Account>>,
    shown: Option<Arc<Vec<Account>>>,
    asked: Option<(Instant, u64)>,
}

impl Storage {
    /// Reads the accounts again at the next frame.
    pub fn forget(&mut self) {
        self.asked = None;
    }

    /// Draws the page.
    pub fn show(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        page_title(ui, "Storage", "What is kept, and what became of everything that was received");
        disk(ui, ctx);
        self.ask(ctx);
        if self.query.poll()
            && let Some(rows) = self.query.ready()
        {
            self.shown = Some(rows.clone());
        }
        if let Some(rows) = self.shown.clone() {
            accounts(ui, ctx, &rows);
        }
    }

    /// Asks again when something was received, at most once a second.
    fn ask(&mut self, ctx: &ViewContext<'_>) {
        let pulse = &ctx.facts.pulse;
        let mark = pulse.received.iter().sum::<u64>() + pulse.dropped;
        let due = self.asked.is_none_or(|(at, known)| known != mark && at.elapsed() >= REFRESH);
        if due && !self.query.is_running() {
            self.asked = Some((Instant::now(), mark));
            let engine = ctx.engine.clone();
            self.query = ctx.engine.ask(move |_| Ok::<_, SourceError>(sorted(engine.accounts())));
        }
    }
}

fn sorted(mut rows: Vec<Account>) -> Vec<Account> {
    rows.sort_by(|a, b| (&a.door, &a.service, &a.signal).cmp(&(&b.door, &b.service, &b.signal)));
    rows
}

fn figures(row: &Account) -> [u64; 6] {
    [row.received, row.stored, row.duplicate, row.rejected, row.evicted, row.sampled_out]
}

/// Sums of the columns.
fn total(rows: &[Account]) -> [u64; 6] {
    rows.iter().map(figures).fold([0; 6], |sum, row| std::array::from_fn(|index| sum[index] + row[index]))
}

/// What the other columns leave unexplained of what was received.
fn missing(figures: [u64; 6]) -> i128 {
    i128::from(figures[0]) - figures[1..].iter().map(|count| i128::from(*count)).sum::<i128>()
}

fn disk(ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let Some(workspace) = ctx.facts.workspace.clone() else { return };
    let pulse = &ctx.facts.pulse;
    let (used, limit) = (pulse.disk_bytes, pulse.disk_limit);
    let problem = pulse.write_problem.clone();
    let has_data = ctx.facts.has_data;
    card(ui, |ui| {
        card_header(ui, "On disk", |ui| {
            let clear = Button::new(Command::ClearAll.text()).small().kind(Kind::Quiet).enabled(has_data);
            if clear.hint(Command::ClearAll.hint()).show(ui).clicked() {
                ctx.run(Command::ClearAll);
            }
        });
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 64.0), Sense::hover());
        let inner = rect.shrink2(vec2(space::CARD, 12.0));
        let text = match limit {
            0 => units::bytes(used),
            limit => format!("{} of {}", units::bytes(used), units::bytes(limit)),
        };
        ui.painter().text(inner.left_top(), Align2::LEFT_TOP, text, Face::BodyMedium.font(), theme.text_strong);
        let path = workspace.dir.display().to_string();
        ui.painter().text(inner.right_top(), Align2::RIGHT_TOP, path, Face::MonoSmall.font(), theme.text_faint);
        if limit > 0 {
            let track = Rect::from_min_size(pos2(inner.left(), inner.bottom() - 8.0), vec2(inner.width(), 6.0));
            ui.painter().rect_filled(track, 3.0, theme.raised);
            let share = (used as f32 / limit as f32).clamp(0.0, 1.0);
            let bar = Rect::from_min_size(track.min, vec2((track.width() * share).max(2.0), 6.0));
            let colour = if share > 0.95 { theme.warn } else { theme.accent };
            ui.painter().rect_filled(bar, 3.0, colour);
        }
        if let Some(problem) = problem {
            ui.horizontal(|ui| {
                ui.add_space(space::CARD);
                severity_badge(ui, Level::Error, &problem);
            });
            ui.add_space(space::CARD);
        }
    });
    ui.add_space(space::SECTION);
}

fn accounts(ui: &mut Ui, ctx: &mut ViewContext<'_>, rows: &[Account]) {
    let theme = ctx.theme;
    let sums = total(rows);
    card(ui, |ui| {
        card_header(ui, "Loss accounting", |ui| match missing(sums) {
            0 => {
                severity_badge(ui, Level::Success, "adds up");
            }
            off => {
                severity_badge(ui, Level::Error, &format!("{off} unexplained"));
            }
        });
        if rows.is_empty() {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 44.0), Sense::hover());
            let at = rect.left_center() + vec2(space::CARD, 0.0);
            let text = "Nothing was received yet";
            ui.painter().text(at, Align2::LEFT_CENTER, text, Face::Body.font(), theme.text_subdued);
            return;
        }
        let width = ui.available_width();
        let column = ((width - 24.0) * 0.62 / COLUMNS.len() as f32).floor();
        let (head, _) = ui.allocate_exact_size(vec2(width, part::TABLE_HEADER), Sense::hover());
        hairline_below(ui, head);
        let caption = Face::Caption.font();
        let left = head.left() + space::CARD;
        let middle = head.center().y;
        ui.painter().text(pos2(left, middle), Align2::LEFT_CENTER, "Door, service, signal", caption.clone(), theme.text_faint);
        let right_of = |rect: Rect, index: usize| rect.right() - space::CARD - column * (COLUMNS.len() - 1 - index) as f32;
        for (index, name) in COLUMNS.iter().enumerate() {
            ui.painter().text(
                pos2(right_of(head, index), middle),
                Align2::RIGHT_CENTER,
                name,
                caption.clone(),
                theme.text_faint,
            );
        }
        let height = (rows.len() as f32 * part::ROW).min(14.0 * part::ROW);
        egui::ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show_rows(
            ui,
            part::ROW,
            rows.len(),
            |ui, shown| {
                for row in &rows[shown] {
                    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), part::ROW), Sense::hover());
                    let clip = Rect::from_min_max(rect.min, pos2(right_of(rect, 0) - column + 8.0, rect.bottom()));
                    let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
                    let name = if row.service.is_empty() { "no service" } else { &row.service };
                    let at = pos2(rect.left() + space::CARD, rect.center().y);
                    let text = painter.text(at, Align2::LEFT_CENTER, name, Face::Small.font(), theme.text);
                    let note = format!("{}, {}", row.door, row.signal);
                    painter.text(
                        pos2(text.right() + 8.0, at.y),
                        Align2::LEFT_CENTER,
                        note,
                        Face::Small.font(),
                        theme.text_faint,
                    );
                    numbers(ui, rect, figures(row), right_of, missing(figures(row)) != 0);
                    response.on_hover_text(format!("{name}, {}, {}", row.door, row.signal));
                }
            },
        );
        let (rect, _) = ui.allocate_exact_size(vec2(width, part::ROW), Sense::hover());
        theme::paint_hairline(ui, rect.left_top(), rect.right_top());
        let at = pos2(rect.left() + space::CARD, rect.center().y);
        ui.painter().text(at, Align2::LEFT_CENTER, "All", Face::Small.font(), theme.text_strong);
        numbers(ui, rect, sums, right_of, missing(sums) != 0);
    });
}

fn numbers(ui: &Ui, rect: Rect, figures: [u64; 6], right_of: impl Fn(Rect, usize) -> f32, wrong: bool) {
    let theme = theme::of(ui.ctx());
    for (index, count) in figures.into_iter().enumerate() {
        let colour = match (index, count) {
            (0, _) if wrong => theme.error,
            (_, 0) => theme.text_faint,
            (3, _) => theme.error,
            _ => theme.text,
        };
        let at = pos2(right_of(rect, index), rect.center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, units::exact_count(count), Face::Small.font(), colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up_or_says_by_how_much_it_does_not() {
        let row = |received, stored, rejected| Account { received, stored, rejected, ..Account::default() };
        assert_eq!(missing(total(&[row(10, 9, 1), row(5, 5, 0)])), 0);
        assert_eq!(missing(total(&[row(10, 9, 1), row(5, 4, 0)])), 1);
        assert_eq!(missing(figures(&row(3, 4, 0))), -1);
    }
}
