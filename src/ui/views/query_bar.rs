//! The query bar: a field with coloured tokens, completion from the data, problems with their place.

use crate::engine::{Query, SourceId};
use crate::search::{Completion, CompletionKind, ParseError, complete};
use crate::ui::command::Command;
use crate::ui::theme::size::{radius, space, stroke};
use crate::ui::theme::{self, Face, Icon, Theme, icon};
use crate::ui::view::ViewContext;
use crate::ui::views::shared::finished;
use crate::ui::widgets::{self, Button, IconButton, Kind, key_hint};
use egui::text::{CCursor, CCursorRange, LayoutJob, TextFormat};
use egui::{
    Align2, Area, Color32, EventFilter, Frame, Id, Key, Margin, Modifiers, Order, Rect, Role, Sense, Stroke, StrokeKind,
    TextEdit, Ui, WidgetInfo, pos2, vec2,
};
use std::ops::Range;
use std::sync::Arc;

/// Queries that Up recalls.
const HISTORY: usize = 50;
/// Height of a proposal, points.
const PROPOSAL: f32 = 26.0;
/// Proposals in view.
const IN_VIEW: usize = 9;

/// What the bar keeps between frames.
#[derive(Default)]
pub(super) struct QueryBar {
    text: String,
    history: Vec<String>,
    recalled: Option<usize>,
    /// Focus the field in the next frame.
    pub(super) focus: bool,
    asking: Query<Vec<Completion>>,
    asked: Option<(String, usize)>,
    proposals: Option<Arc<Vec<Completion>>>,
    chosen: usize,
    /// Esc closed the list until the text changes.
    closed: bool,
    hint: Option<String>,
}

impl QueryBar {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn set(&mut self, text: &str) {
        if self.text != text {
            self.text = text.to_owned();
            self.asked = None;
            self.proposals = None;
        }
    }

    pub(super) fn remember(&mut self, text: &str) {
        self.history.retain(|old| old != text);
        self.history.push(text.to_owned());
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
        self.recalled = None;
    }

    /// A remark stands under the field.
    pub(super) fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    fn recall(&mut self, back: bool) {
        let last = self.history.len();
        let at = match (self.recalled, back) {
            (None, true) => last.checked_sub(1),
            (Some(at), true) => Some(at.saturating_sub(1)),
            (Some(at), false) if at + 1 < last => Some(at + 1),
            _ => None,
        };
        self.recalled = at;
        let text = at.and_then(|at| self.history.get(at)).cloned().unwrap_or_default();
        self.set(&text);
    }
}

/// What stands beside the field.
pub(super) struct Beside<'a> {
    /// Before it.
    pub(super) left: &'a mut dyn FnMut(&mut Ui),
    /// Between it and Run.
    pub(super) right: &'a mut dyn FnMut(&mut Ui),
}

/// The field, its list of proposals and the line under it. Answers the text to run.
pub(super) fn show(
    bar: &mut QueryBar,
    ui: &mut Ui,
    ctx: &mut ViewContext<'_>,
    source: SourceId,
    problem: Option<&ParseError>,
    ran: &str,
    beside: Beside<'_>,
) -> Option<String> {
    let theme = ctx.theme;
    let whole = ui.max_rect();
    theme::paint_hairline(ui, whole.left_bottom() - vec2(0.0, 1.0), whole.right_bottom() - vec2(0.0, 1.0));
    let row = Rect::from_min_size(whole.min, vec2(whole.width(), 48.0)).shrink2(vec2(space::PANEL, 9.0));
    let mut run = None;
    let mut before =
        ui.new_child(egui::UiBuilder::new().max_rect(row).layout(egui::Layout::left_to_right(egui::Align::Center)));
    (beside.left)(&mut before);
    // Without anything before it the field begins at the edge.
    let start = if before.min_rect().width() > 0.5 { before.min_rect().right() + 8.0 } else { row.left() };
    let mut right = ui.new_child(
        egui::UiBuilder::new().max_rect(row.with_min_x(start)).layout(egui::Layout::right_to_left(egui::Align::Center)),
    );
    let keys = Command::RunQuery.key_caps();
    if Button::new("Run").kind(Kind::Primary).keys(keys).show(&mut right).clicked() {
        run = Some(bar.text.clone());
    }
    (beside.right)(&mut right);
    let left = right.min_rect().left();
    let field = Rect::from_min_max(pos2(start, row.top()), pos2(left - 8.0, row.bottom()));
    ui.painter().rect_filled(field, radius::CONTROL, theme.field);
    Icon::Search.paint(ui.painter(), pos2(field.left() + 16.0, field.center().y), icon::SIZE_SMALL, theme.text_faint);
    let mut end = field.right() - 8.0;
    if bar.text.is_empty() {
        let mut hint = ui.new_child(
            egui::UiBuilder::new()
                .max_rect(Rect::from_min_max(pos2(end - 24.0, field.top()), pos2(end, field.bottom())))
                .layout(egui::Layout::right_to_left(egui::Align::Center)),
        );
        key_hint(&mut hint, &["/".to_owned()]);
        end -= 30.0;
    } else {
        let place = Rect::from_center_size(pos2(end - 8.0, field.center().y), vec2(24.0, 24.0));
        let mut clear = ui.new_child(egui::UiBuilder::new().max_rect(place));
        if IconButton::new(Icon::Close, "Clear query").show(&mut clear).clicked() {
            bar.set("");
            run = Some(String::new());
        }
        end -= 28.0;
    }
    let inner = Rect::from_min_max(pos2(field.left() + 30.0, field.top()), pos2(end, field.bottom()));
    let id = Id::unique("traces_query_field");
    let listing = listing(bar);
    let accepted = keys_of_list(bar, ui, id, listing);
    let before = bar.text.clone();
    let mut edit = ui.new_child(egui::UiBuilder::new().max_rect(inner));
    let mut layouter =
        |ui: &Ui, text: &dyn egui::TextBuffer, _wrap: f32| ui.painter().layout_job(highlight(theme, text.as_str()));
    let output = TextEdit::singleline(&mut bar.text)
        .id(id)
        .font(Face::Mono.font())
        .hint_text(theme::text("service = checkout and duration > 200 ms, or words", Face::Mono, theme.text_faint))
        .frame(Frame::NONE)
        .margin(Margin::ZERO)
        .align(Align2::LEFT_CENTER)
        .desired_width(inner.width())
        .min_size(inner.size())
        .layouter(&mut layouter)
        .event_filter(EventFilter { tab: listing, horizontal_arrows: true, vertical_arrows: true, escape: listing })
        .show(&mut edit);
    let response = output.response.response;
    response.widget_info(|| WidgetInfo::labeled(Role::SearchInput, true, "Query"));
    if std::mem::take(&mut bar.focus) {
        response.request_focus();
    }
    let focused = response.has_focus();
    let outline = match (problem.is_some(), focused) {
        (true, _) => theme.error,
        (false, true) => theme.focus_ring,
        _ => theme.hairline_strong,
    };
    ui.painter().rect_stroke(field, radius::CONTROL, Stroke::new(stroke::HAIRLINE, outline), StrokeKind::Inside);
    widgets::focus_ring(ui, &response.clone().with_new_rect(field), radius::CONTROL);
    if let Some(problem) = problem.filter(|_| bar.text.trim() == ran) {
        let lead = bar.text.len() - bar.text.trim_start().len();
        squiggle(ui, theme, &output.galley, output.galley_pos, &bar.text, problem.at.start + lead..problem.at.end + lead);
    }
    under(bar, ui, theme, field, problem);
    if bar.text != before {
        bar.closed = false;
        bar.recalled = None;
    }
    let cursor = output.cursor_range.map(|range| byte_at(&bar.text, range.primary.index.into()));
    propose(bar, ctx, source, focused, cursor);
    let clicked = if focused { popup(bar, ui, theme, field, output.galley_pos.x) } else { None };
    if let Some(at) = accepted.or(clicked) {
        accept(bar, ui, id, at);
        response.request_focus();
    }
    let enter = ui.input(|input| input.key_pressed(Key::Enter));
    if response.lost_focus() && enter {
        run = Some(bar.text.clone());
        bar.closed = true;
        response.request_focus();
    }
    run
}

fn listing(bar: &QueryBar) -> bool {
    !bar.closed && bar.proposals.as_ref().is_some_and(|proposals| !proposals.is_empty())
}

/// Keys that the list of proposals takes before the field sees them; the proposal to accept.
fn keys_of_list(bar: &mut QueryBar, ui: &Ui, id: Id, listing: bool) -> Option<usize> {
    if !ui.memory(|memory| memory.has_focus(id)) {
        return None;
    }
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    if !listing {
        if (bar.text.is_empty() || bar.recalled.is_some()) && pressed(Key::ArrowUp) {
            bar.recall(true);
        } else if bar.recalled.is_some() && pressed(Key::ArrowDown) {
            bar.recall(false);
        }
        return None;
    }
    let count = bar.proposals.as_ref().map_or(0, |proposals| proposals.len());
    if pressed(Key::ArrowDown) {
        bar.chosen = (bar.chosen + 1) % count.max(1);
    }
    if pressed(Key::ArrowUp) {
        // In an empty field Up recalls what was asked before, once the first proposal is reached.
        if bar.chosen == 0 && bar.text.is_empty() && !bar.history.is_empty() {
            bar.recall(true);
            bar.closed = true;
            return None;
        }
        bar.chosen = (bar.chosen + count.max(1) - 1) % count.max(1);
    }
    if pressed(Key::Escape) {
        bar.closed = true;
        return None;
    }
    pressed(Key::Tab).then_some(bar.chosen)
}

fn accept(bar: &mut QueryBar, ui: &Ui, id: Id, at: usize) {
    let Some(proposal) = bar.proposals.as_ref().and_then(|proposals| proposals.get(at)).cloned() else { return };
    let Range { start, end } = proposal.replace;
    if bar.text.get(start..end).is_none() {
        return;
    }
    bar.text.replace_range(start..end, &proposal.insert);
    let cursor = bar.text[..start + proposal.insert.len()].chars().count();
    if let Some(mut state) = TextEdit::load_state(ui.ctx(), id) {
        state.cursor.set_char_range(Some(CCursorRange::one(CCursor::new(cursor))));
        state.store(ui.ctx(), id);
    }
    bar.proposals = None;
    bar.asked = None;
    bar.chosen = 0;
    bar.closed = false;
}

/// Byte of the letter with a number.
pub(super) fn byte_at(text: &str, letter: usize) -> usize {
    text.char_indices().nth(letter).map_or(text.len(), |(at, _)| at)
}

/// Asks for proposals when the field has the focus and text or cursor moved.
fn propose(bar: &mut QueryBar, ctx: &ViewContext<'_>, source: SourceId, focused: bool, cursor: Option<usize>) {
    if let Some(Ok(found)) = finished(&mut bar.asking) {
        bar.chosen = 0;
        bar.proposals = Some(found);
    }
    let Some(cursor) = cursor.filter(|_| focused) else { return };
    let at = (bar.text.clone(), cursor);
    if bar.asked.as_ref() == Some(&at) || bar.closed {
        return;
    }
    let Some(source) = ctx.engine.source(source).map(|source| source.spans) else { return };
    bar.asked = Some(at.clone());
    bar.asking = ctx.engine.ask(move |control| complete(&at.0, at.1, &*source, control));
}

fn popup(bar: &mut QueryBar, ui: &Ui, theme: &Theme, field: Rect, x: f32) -> Option<usize> {
    if !listing(bar) {
        return None;
    }
    let proposals = bar.proposals.clone()?;
    let mut clicked = None;
    let before = proposals.first().map_or(0, |first| first.replace.start);
    let offset =
        ui.painter().layout_no_wrap(bar.text[..before.min(bar.text.len())].to_owned(), Face::Mono.font(), theme.text).size().x;
    let left = (x + offset - 12.0).min(field.right() - 330.0).max(field.left());
    let first = bar.chosen.saturating_sub(IN_VIEW - 1);
    let frame = Frame::new()
        .fill(theme.raised)
        .stroke(Stroke::new(1.0, theme.hairline_strong))
        .corner_radius(radius::POPUP)
        .shadow(egui::Shadow { offset: [0, 4], blur: 8, spread: 0, color: theme.shadow })
        .inner_margin(Margin::same(4));
    Area::new(Id::unique("traces_query_proposals")).order(Order::Foreground).fixed_pos(pos2(left, field.bottom() + 4.0)).show(
        ui.ctx(),
        |ui| {
            frame.show(ui, |ui| {
                ui.set_width(322.0);
                ui.spacing_mut().item_spacing.y = 0.0;
                let title = match proposals.first().map(|first| first.kind) {
                    Some(CompletionKind::Key) => "Attributes",
                    Some(CompletionKind::Value) => "Values",
                    Some(CompletionKind::Operator) => "Comparisons",
                    _ => "Next",
                };
                let (rect, _) = ui.allocate_exact_size(vec2(322.0, 22.0), Sense::hover());
                let at = pos2(rect.left() + 8.0, rect.center().y);
                ui.painter().text(at, Align2::LEFT_CENTER, title, Face::Caption.font(), theme.text_faint);
                for (at, proposal) in proposals.iter().enumerate().skip(first).take(IN_VIEW) {
                    if proposal_row(ui, theme, proposal, at == bar.chosen) {
                        clicked = Some(at);
                    }
                }
                let (rect, _) = ui.allocate_exact_size(vec2(322.0, 28.0), Sense::hover());
                theme::paint_hairline(ui, rect.left_top() + vec2(0.0, 3.0), rect.right_top() + vec2(0.0, 3.0));
                let mut keys = ui.new_child(
                    egui::UiBuilder::new()
                        .max_rect(rect.with_min_y(rect.top() + 5.0).shrink2(vec2(8.0, 0.0)))
                        .layout(egui::Layout::left_to_right(egui::Align::Center)),
                );
                keys.spacing_mut().item_spacing.x = 4.0;
                for (key, word) in [("Tab", "accept"), ("Esc", "close"), ("Enter", "run")] {
                    key_hint(&mut keys, &[key.to_owned()]);
                    keys.label(theme::text(word, Face::Small, theme.text_faint));
                    keys.add_space(8.0);
                }
            });
        },
    );
    clicked
}

fn proposal_row(ui: &mut Ui, theme: &Theme, proposal: &Completion, chosen: bool) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(322.0, PROPOSAL), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, proposal.label.as_str()));
    if chosen || response.hovered() {
        ui.painter().rect_filled(rect, radius::CHIP, if chosen { theme.selection } else { theme.hover });
    }
    let detail = ui.painter().layout_no_wrap(proposal.detail.clone(), Face::Small.font(), theme.text_faint);
    let width = rect.width() - detail.size().x - 32.0;
    let text =
        ui.painter().fonts_mut(|fonts| crate::ui::canvas::elide::middle(fonts, &Face::Mono.font(), &proposal.label, width));
    let colour = if chosen { theme.selection_text } else { theme.text };
    ui.painter().text(pos2(rect.left() + 8.0, rect.center().y), Align2::LEFT_CENTER, text, Face::Mono.font(), colour);
    let at = pos2(rect.right() - 8.0 - detail.size().x, rect.center().y - detail.size().y / 2.0);
    ui.painter().galley(at, detail, theme.text_faint);
    // A press takes the focus from the field before the click is known.
    response.clicked() || response.is_pointer_button_down_on()
}

/// The line under the field: what is wrong, where.
fn under(bar: &mut QueryBar, ui: &Ui, theme: &Theme, field: Rect, problem: Option<&ParseError>) {
    bar.hint = problem.map(ToString::to_string);
    if let Some(text) = &bar.hint {
        let at = pos2(field.left() + 2.0, field.bottom() + 12.0);
        Icon::Error.paint(ui.painter(), pos2(at.x + 7.0, at.y), icon::SIZE_SMALL, theme.error);
        ui.painter().text(pos2(at.x + 20.0, at.y), Align2::LEFT_CENTER, text, Face::Small.font(), theme.error);
    }
}

/// Underlines bytes of a laid out text as wrong.
pub(super) fn squiggle(ui: &Ui, theme: &Theme, galley: &egui::Galley, at: egui::Pos2, text: &str, bytes: Range<usize>) {
    let letter = |byte: usize| text.char_indices().take_while(|(at, _)| *at < byte).count();
    let place = |byte: usize| galley.pos_from_cursor(CCursor::new(letter(byte)));
    let (from, to) = (place(bytes.start.min(text.len())), place(bytes.end.min(text.len())));
    let (left, mut right) = (at.x + from.left(), at.x + to.left());
    right = right.max(left + 7.0);
    let base = at.y + from.bottom() - 1.0;
    let mut points = Vec::new();
    let mut x = left;
    while x <= right {
        let up = points.len() % 2 == 1;
        points.push(pos2(x, base + if up { -1.5 } else { 1.0 }));
        x += 2.5;
    }
    ui.painter().add(egui::Shape::line(points, Stroke::new(1.2, theme.error)));
}

/// Tokens in their colours.
fn highlight(theme: &Theme, text: &str) -> LayoutJob {
    let mut job = LayoutJob::default();
    let format = |colour: Color32| TextFormat::simple(Face::Mono.font(), colour);
    let mut rest = text;
    let mut key_next = true;
    while let Some(first) = rest.chars().next() {
        let end = token_end(rest, first);
        let (token, after) = rest.split_at(end);
        let lower = token.to_ascii_lowercase();
        let operator = token.chars().all(|c| "=!<>~:&|(){}".contains(c));
        let connector = ["and", "or", "not", "contains", "exists", "missing"].contains(&lower.as_str());
        let colour = if first.is_whitespace() {
            theme.text
        } else if operator || connector {
            key_next = connector && lower != "contains" || token.contains(['&', '|', '(', '{']);
            theme.text_subdued
        } else if first.is_ascii_digit() {
            theme.warn
        } else if key_next && after.trim_start().starts_with(['=', '!', '<', '>', '~', ':'])
            || after.trim_start().starts_with("contains")
            || after.trim_start().starts_with("exists")
        {
            key_next = false;
            theme.accent
        } else if ["ns", "us", "ms", "s", "m", "h"].contains(&lower.as_str())
            && job.text.trim_end().ends_with(|c: char| c.is_ascii_digit())
        {
            theme.warn
        } else {
            key_next = true;
            theme.success
        };
        job.append(token, 0.0, format(colour));
        rest = after;
    }
    job
}

fn token_end(text: &str, first: char) -> usize {
    let until =
        |stop: &dyn Fn(char) -> bool| text.char_indices().skip(1).find(|(_, c)| stop(*c)).map_or(text.len(), |(at, _)| at);
    let operator = |c: char| "=!<>~:&|(){}".contains(c);
    if first == '"' {
        let mut escaped = false;
        for (at, letter) in text.char_indices().skip(1) {
            match letter {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => return at + 1,
                _ => escaped = false,
            }
        }
        return text.len();
    }
    if first.is_whitespace() {
        until(&|c| !c.is_whitespace())
    } else if operator(first) {
        until(&|c| !operator(c))
    } else {
        until(&|c| c.is_whitespace() || operator(c) || c == '"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_and_none_is_lost() {
        let theme = Theme::dark();
        let text = "service = checkout and duration > 200 ms \"a b\" wörd";
        let job = highlight(theme, text);
        assert_eq!(job.text, text);
        let colour_of = |word: &str| {
            let at = text.find(word).unwrap();
            job.sections
                .iter()
                .find(|section| section.byte_range.start.0 <= at && at < section.byte_range.end.0)
                .unwrap()
                .format
                .color
        };
        assert_eq!(colour_of("service"), theme.accent);
        assert_eq!(colour_of("checkout"), theme.success);
        assert_eq!(colour_of("and"), theme.text_subdued);
        assert_eq!(colour_of("200"), theme.warn);
        assert_eq!(colour_of("ms"), theme.warn);
        assert_eq!(colour_of("wörd"), theme.success);
    }

    #[test]
    fn up_recalls_what_was_asked_before() {
        let mut bar = QueryBar::default();
        bar.remember("a");
        bar.remember("b");
        bar.remember("a");
        bar.recall(true);
        assert_eq!(bar.text(), "a");
        bar.recall(true);
        assert_eq!(bar.text(), "b");
        bar.recall(false);
        assert_eq!(bar.text(), "a");
        bar.recall(false);
        assert_eq!(bar.text(), "");
    }
}
