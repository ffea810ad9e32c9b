//! A query's field: tokens in their colours, proposals, an error underlined at its place and told below.
//!
//! Enter runs, Shift+Enter begins a line, Tab accepts a proposal, Esc closes the list, Up in an empty field recalls.

use super::ask::{Catalogue, Problem};
use super::complete::{Offer, Proposal, Spot, of_metric, proposals, spot};
use super::kept::Kept;
use crate::engine::Query;
use crate::promql::{TokenKind, functions::Function, tokens};
use crate::source::{MillisRange, QueryControl};
use crate::ui::canvas::elide;
use crate::ui::theme::size::{radius, space, stroke};
use crate::ui::theme::{self, Face, Icon, Theme, icon};
use crate::ui::view::ViewContext;
use crate::ui::views::query_bar::{byte_at, squiggle};
use crate::ui::views::shared::finished;
use crate::ui::widgets::{self, IconButton};
use egui::text::{CCursor, CCursorRange, LayoutJob, TextFormat};
use egui::{
    Align2, Area, Color32, EventFilter, Frame, Id, Key, KeyboardShortcut, Margin, Modifiers, Order, Rect, Role, Sense, Stroke,
    StrokeKind, TextEdit, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use smol_str::SmolStr;
use std::sync::Arc;

/// Space above and below the text of a field, points.
const PAD: f32 = 7.0;
/// Lines of a field at most; more are scrolled by the cursor.
const MOST_LINES: usize = 8;
/// Width of the list of proposals and of the help beside it, points.
const LIST: f32 = 340.0;
const HELP: f32 = 240.0;
/// Height of a proposal, points.
const PROPOSAL: f32 = 24.0;
/// Proposals in view.
const IN_VIEW: usize = 10;
/// Height of the line that tells an error, points.
const ERROR_LINE: f32 = 20.0;

/// A row of the editor.
#[derive(Default)]
pub(super) struct Editor {
    /// What stands in the field.
    pub text: String,
    /// Focus it in the next frame.
    pub focus: bool,
    problem: Option<Problem>,
    checked: Option<String>,
    recalled: Option<usize>,
    asking: Query<Vec<SmolStr>>,
    asked: Option<Spot>,
    known: Option<Arc<Vec<SmolStr>>>,
    offers: Vec<Proposal>,
    replace: std::ops::Range<usize>,
    /// Text and cursor that the offers are for.
    at: Option<(String, usize)>,
    chosen: usize,
    closed: bool,
}

impl Editor {
    /// With a text.
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), closed: true, ..Self::default() }
    }

    /// Another text, its cursor at the end.
    pub(super) fn set(&mut self, ui: &Ui, row: usize, text: &str) {
        self.text = text.to_owned();
        (self.closed, self.at) = (true, None);
        place_cursor(ui, id(row), &self.text, text.len());
    }

    /// Points that the row takes; `problem` is what running it gave.
    pub(super) fn height(&self, problem: Option<&Problem>) -> f32 {
        let lines = self.text.split('\n').count().clamp(1, MOST_LINES);
        let told = if self.told(problem).is_some() { ERROR_LINE } else { 0.0 };
        lines as f32 * Face::Mono.line() + 2.0 * PAD + told + 6.0
    }

    fn told<'a>(&'a self, ran: Option<&'a Problem>) -> Option<&'a Problem> {
        // While the text is being written an error at its end is no news.
        self.problem.as_ref().filter(|_| self.closed || self.offers.is_empty()).or(ran)
    }

    fn check(&mut self) {
        if self.checked.as_ref() != Some(&self.text) {
            self.checked = Some(self.text.clone());
            let empty = self.text.trim().is_empty();
            self.problem = crate::promql::parse(&self.text).err().filter(|_| !empty).map(Problem::Parse);
        }
    }
}

/// What was done in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    /// Run all rows.
    Run,
    /// Take this row away.
    Remove,
}

fn id(row: usize) -> Id {
    Id::unique("explore_query").with(row)
}

/// What stands around a row.
pub(super) struct Around<'a> {
    /// Number of the row.
    pub row: usize,
    /// It may be taken away.
    pub removable: bool,
    /// What running the text gave, when the text still stands there.
    pub problem: Option<&'a Problem>,
    /// Metrics to propose.
    pub catalogue: &'a Catalogue,
    /// Queries to recall.
    pub kept: &'a Kept,
}

/// Letter of a row: A, B and so on.
pub(super) fn letter(row: usize) -> char {
    char::from(b'A' + (row % 26) as u8)
}

/// Draws a row over `rect`.
pub(super) fn show(editor: &mut Editor, ui: &mut Ui, ctx: &ViewContext<'_>, rect: Rect, around: &Around<'_>) -> Option<Done> {
    let theme = ctx.theme;
    let mut done = None;
    editor.check();
    let told = editor.told(around.problem).cloned();
    let field_height = rect.height() - 6.0 - if told.is_some() { ERROR_LINE } else { 0.0 };
    let badge = Rect::from_min_size(rect.min, vec2(24.0, 24.0)).translate(vec2(0.0, 4.0));
    ui.painter().rect_filled(badge, radius::CHIP, theme.accent_soft);
    let name = letter(around.row);
    ui.painter().text(badge.center(), Align2::CENTER_CENTER, name, Face::Caption.font(), theme.accent);
    let right = if around.removable { rect.right() - 30.0 } else { rect.right() };
    let field = Rect::from_min_max(pos2(rect.left() + 32.0, rect.top()), pos2(right, rect.top() + field_height));
    if around.removable {
        let place = Rect::from_min_size(pos2(right + 6.0, rect.top() + 4.0), vec2(24.0, 24.0));
        let mut child = ui.new_child(UiBuilder::new().max_rect(place));
        if IconButton::new(Icon::Close, &format!("Remove query {name}")).show(&mut child).clicked() {
            done = Some(Done::Remove);
        }
    }
    ui.painter().rect_filled(field, radius::CONTROL, theme.field);
    let inner = field.shrink2(vec2(10.0, PAD));
    let field_id = id(around.row);
    let accepted = keys(editor, ui, field_id, around);
    let focused_before = ui.memory(|memory| memory.has_focus(field_id));
    if focused_before && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter)) {
        done = Some(Done::Run);
        editor.closed = true;
    }
    let before = editor.text.clone();
    let listing = listing(editor);
    let mut edit = ui.new_child(UiBuilder::new().max_rect(inner));
    edit.shrink_clip_rect(field);
    let mut layouter = |ui: &Ui, text: &dyn egui::TextBuffer, wrap: f32| {
        let mut job = highlight(theme, text.as_str());
        job.wrap.max_width = wrap;
        ui.painter().layout_job(job)
    };
    let output = TextEdit::multiline(&mut editor.text)
        .id(field_id)
        .font(Face::Mono.font())
        .hint_text(theme::text("rate(http_requests_total[5m]), or a metric", Face::Mono, theme.text_faint))
        .frame(Frame::NONE)
        .margin(Margin::ZERO)
        .desired_width(inner.width())
        .desired_rows(1)
        .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter))
        .layouter(&mut layouter)
        .event_filter(EventFilter { tab: listing, horizontal_arrows: true, vertical_arrows: true, escape: listing })
        .show(&mut edit);
    let response = output.response.response;
    response.widget_info(|| WidgetInfo::labeled(Role::MultilineTextInput, true, format!("Query {name}")));
    if std::mem::take(&mut editor.focus) {
        response.request_focus();
    }
    let focused = response.has_focus();
    let outline = match (told.is_some(), focused) {
        (true, _) => theme.error,
        (false, true) => theme.focus_ring,
        _ => theme.hairline_strong,
    };
    ui.painter().rect_stroke(field, radius::CONTROL, Stroke::new(stroke::HAIRLINE, outline), StrokeKind::Inside);
    widgets::focus_ring(ui, &response.clone().with_new_rect(field), radius::CONTROL);
    if let Some(problem) = &told {
        if let Problem::Parse(error) = problem {
            squiggle(ui, theme, &output.galley, output.galley_pos, &editor.text, error.at.range());
        }
        let line = pos2(field.left() + 2.0, field.bottom() + ERROR_LINE / 2.0 + 2.0);
        Icon::Error.paint(ui.painter(), pos2(line.x + 7.0, line.y), icon::SIZE_SMALL, theme.error);
        let text = problem.to_string();
        let width = field.width() - 24.0;
        let short = ui.painter().fonts_mut(|fonts| elide::middle(fonts, &Face::Small.font(), &text, width));
        let place = Rect::from_center_size(pos2(field.center().x, line.y), vec2(field.width(), ERROR_LINE));
        let hover = ui.interact(place, field_id.with("problem"), Sense::hover());
        hover.widget_info(|| WidgetInfo::labeled(Role::Label, true, text.as_str()));
        hover.on_hover_text(text.as_str());
        ui.painter().text(pos2(line.x + 20.0, line.y), Align2::LEFT_CENTER, short, Face::Small.font(), theme.error);
    }
    if editor.text != before {
        (editor.closed, editor.recalled) = (false, None);
    }
    let cursor = output.cursor_range.map(|range| byte_at(&editor.text, range.primary.index.into()));
    offer(editor, ctx, around.catalogue, cursor.filter(|_| focused));
    let at =
        output.galley.pos_from_cursor(CCursor::new(editor.text.get(..editor.replace.start).map_or(0, |t| t.chars().count())));
    let corner = output.galley_pos + vec2(at.left(), at.bottom());
    let clicked = if focused { popup(editor, ui, theme, corner) } else { None };
    if let Some(at) = accepted.or(clicked) {
        accept(editor, ui, field_id, at);
        ui.memory_mut(|memory| memory.request_focus(field_id));
    }
    done
}

fn listing(editor: &Editor) -> bool {
    !editor.closed && !editor.offers.is_empty()
}

/// Keys that the list and the history take before the field sees them; the proposal to accept.
fn keys(editor: &mut Editor, ui: &Ui, field: Id, around: &Around<'_>) -> Option<usize> {
    if !ui.memory(|memory| memory.has_focus(field)) {
        return None;
    }
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let ctrl_space = ui.input_mut(|input| input.consume_key(Modifiers::CTRL, Key::Space));
    if ctrl_space {
        (editor.closed, editor.at) = (false, None);
    }
    if !listing(editor) {
        if (editor.text.is_empty() || editor.recalled.is_some()) && pressed(Key::ArrowUp) {
            recall(editor, ui, around, true);
        } else if editor.recalled.is_some() && pressed(Key::ArrowDown) {
            recall(editor, ui, around, false);
        }
        return None;
    }
    let count = editor.offers.len().max(1);
    if pressed(Key::ArrowDown) {
        editor.chosen = (editor.chosen + 1) % count;
    }
    if pressed(Key::ArrowUp) {
        editor.chosen = (editor.chosen + count - 1) % count;
    }
    if pressed(Key::Escape) {
        editor.closed = true;
        return None;
    }
    pressed(Key::Tab).then_some(editor.chosen)
}

fn recall(editor: &mut Editor, ui: &Ui, around: &Around<'_>, back: bool) {
    let history = &around.kept.history;
    let next = match (editor.recalled, back) {
        (None, true) => history.len().checked_sub(1),
        (Some(at), true) => Some(at.saturating_sub(1)),
        (Some(at), false) if at + 1 < history.len() => Some(at + 1),
        _ => None,
    };
    let text = next.and_then(|at| history.get(at)).cloned().unwrap_or_default();
    editor.set(ui, around.row, &text);
    editor.recalled = next;
}

fn place_cursor(ui: &Ui, field: Id, text: &str, byte: usize) {
    let cursor = text.get(..byte).map_or(0, |before| before.chars().count());
    let mut state = TextEdit::load_state(ui.ctx(), field).unwrap_or_default();
    state.cursor.set_char_range(Some(CCursorRange::one(CCursor::new(cursor))));
    state.store(ui.ctx(), field);
}

fn accept(editor: &mut Editor, ui: &Ui, field: Id, at: usize) {
    let Some(proposal) = editor.offers.get(at).cloned() else { return };
    let range = editor.replace.clone();
    if editor.text.get(range.clone()).is_none() {
        return;
    }
    let mut insert = proposal.insert;
    // A parenthesis that stands there already is not put there again.
    if insert.ends_with('(') && editor.text[range.end..].starts_with('(') {
        insert.pop();
    }
    if proposal.offer == Offer::Value && !editor.text[range.end..].starts_with(['"', '\'', '`']) {
        insert.push('"');
    }
    editor.text.replace_range(range.clone(), &insert);
    place_cursor(ui, field, &editor.text, range.start + insert.len());
    (editor.at, editor.chosen) = (None, 0);
    editor.offers.clear();
    editor.closed = matches!(proposal.offer, Offer::Metric | Offer::Value | Offer::Label);
}

/// Works out proposals when text or cursor moved; labels and values are asked for.
fn offer(editor: &mut Editor, ctx: &ViewContext<'_>, catalogue: &Catalogue, cursor: Option<usize>) {
    if let Some(Ok(known)) = finished(&mut editor.asking) {
        editor.known = Some(known);
        editor.at = None;
    }
    let Some(cursor) = cursor else { return };
    let at = (editor.text.clone(), cursor);
    if editor.closed || editor.at.as_ref() == Some(&at) {
        return;
    }
    editor.at = Some(at);
    let (place, range) = spot(&editor.text, cursor);
    if editor.asked.as_ref() != Some(&place) {
        editor.known = None;
        editor.asked = Some(place.clone());
        if let Some(source) = ctx.engine.series() {
            match place.clone() {
                Spot::Label(metric) if !metric.is_empty() => {
                    let work = move |control: &QueryControl| source.label_names(&of_metric(&metric), MillisRange::ALL, control);
                    editor.asking = ctx.engine.ask(work);
                }
                Spot::Value { metric, label } => {
                    let work = move |control: &QueryControl| {
                        source.label_values(&label, &of_metric(&metric), MillisRange::ALL, control)
                    };
                    editor.asking = ctx.engine.ask(work);
                }
                _ => {}
            }
        }
    }
    let word = editor.text.get(range.clone()).unwrap_or_default();
    let known = editor.known.as_ref().map(|known| known.as_slice()).unwrap_or_default();
    // An empty field offers nothing: the list of metrics stands beside it.
    editor.offers = if editor.text.trim().is_empty() { Vec::new() } else { proposals(&place, word, catalogue, known) };
    editor.replace = range;
    editor.chosen = 0;
}

fn popup(editor: &Editor, ui: &Ui, theme: &Theme, corner: egui::Pos2) -> Option<usize> {
    if !listing(editor) {
        return None;
    }
    let mut clicked = None;
    let first = editor.chosen.saturating_sub(IN_VIEW - 1);
    let help = editor.offers.get(editor.chosen).map(|offer| offer.help.clone()).filter(|help| !help.is_empty());
    let frame = Frame::new()
        .fill(theme.raised)
        .stroke(Stroke::new(1.0, theme.hairline_strong))
        .corner_radius(radius::POPUP)
        .shadow(egui::Shadow { offset: [0, 4], blur: 8, spread: 0, color: theme.shadow })
        .inner_margin(Margin::same(4));
    let width = LIST + if help.is_some() { HELP } else { 0.0 };
    let left = (corner.x - 12.0).min(ui.ctx().content_rect().right() - width - 24.0);
    let place = pos2(left, corner.y + 6.0);
    Area::new(Id::unique("explore_proposals")).order(Order::Foreground).fixed_pos(place).show(ui.ctx(), |ui| {
        frame.show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
                ui.vertical(|ui| {
                    ui.set_width(LIST);
                    for (at, proposal) in editor.offers.iter().enumerate().skip(first).take(IN_VIEW) {
                        if proposal_row(ui, theme, proposal, at == editor.chosen) {
                            clicked = Some(at);
                        }
                    }
                });
                if let (Some(help), Some(proposal)) = (help, editor.offers.get(editor.chosen)) {
                    Frame::new().inner_margin(Margin::same(space::CONTROL as i8)).show(ui, |ui| {
                        ui.vertical(|ui| {
                            ui.set_width(HELP - 16.0);
                            ui.label(theme::text(&proposal.label, Face::Mono, theme.text_strong));
                            ui.label(theme::text(help, Face::Small, theme.text_subdued));
                        });
                    });
                }
            });
        });
    });
    clicked
}

fn proposal_row(ui: &mut Ui, theme: &Theme, proposal: &Proposal, chosen: bool) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(LIST, PROPOSAL), Sense::click());
    let said = format!("{} {}", proposal.label, proposal.detail);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, said.trim()));
    if chosen || response.hovered() {
        ui.painter().rect_filled(rect, radius::CHIP, if chosen { theme.selection } else { theme.hover });
    }
    let detail = ui.painter().layout_no_wrap(proposal.detail.clone(), Face::Small.font(), theme.text_faint);
    let width = rect.width() - detail.size().x - 32.0;
    let text = ui.painter().fonts_mut(|fonts| elide::middle(fonts, &Face::Mono.font(), &proposal.label, width));
    let colour = if chosen { theme.selection_text } else { theme.text };
    ui.painter().text(pos2(rect.left() + 8.0, rect.center().y), Align2::LEFT_CENTER, text, Face::Mono.font(), colour);
    let at = pos2(rect.right() - 8.0 - detail.size().x, rect.center().y - detail.size().y / 2.0);
    ui.painter().galley(at, detail, theme.text_faint);
    // A press takes the focus from the field before the click is known.
    response.clicked() || response.is_pointer_button_down_on()
}

/// Tokens in their colours.
fn highlight(theme: &Theme, text: &str) -> LayoutJob {
    let mut job = LayoutJob::default();
    let mut format = TextFormat::simple(Face::Mono.font(), theme.text);
    format.line_height = Some(Face::Mono.line());
    let mut append = |piece: &str, colour: Color32| {
        if !piece.is_empty() {
            job.append(piece, 0.0, TextFormat { color: colour, ..format.clone() });
        }
    };
    let (mut end, mut braces) = (0, false);
    for token in tokens(text) {
        let range = token.at.range();
        let (Some(gap), Some(piece)) = (text.get(end..range.start.max(end)), text.get(range.clone())) else { break };
        append(gap, theme.text_faint);
        match token.kind {
            TokenKind::LeftBrace => braces = true,
            TokenKind::RightBrace => braces = false,
            _ => {}
        }
        let colour = match token.kind {
            TokenKind::Number | TokenKind::Duration => theme.warn,
            TokenKind::String => theme.success,
            TokenKind::Identifier if braces => theme.text_subdued,
            TokenKind::Identifier if Function::named(piece).is_some() => theme.accent,
            kind if kind.is_aggregator() || kind.is_keyword() => theme.accent,
            TokenKind::Identifier | TokenKind::MetricIdentifier | TokenKind::Error => theme.text,
            _ => theme.text_subdued,
        };
        append(piece, colour);
        end = range.end;
    }
    append(text.get(end..).unwrap_or_default(), theme.text_faint);
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_and_none_is_lost() {
        let theme = Theme::dark();
        for text in ["sum by (a) (rate(x_total{b=\"c\"}[5m])) # why", "up{", "1 + \"", "", "a\nb", "x =~ é"] {
            assert_eq!(highlight(theme, text).text, text);
        }
        let job = highlight(theme, "rate(x_total[5m])");
        let colours: Vec<Color32> = job.sections.iter().map(|section| section.format.color).collect();
        assert_eq!((colours[0], colours[2], colours[4]), (theme.accent, theme.text, theme.warn));
    }
}
