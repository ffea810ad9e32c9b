//! The list in its other forms: groups instead of traces, spans instead of traces. Their state, keys, header and body; and
//! what of the view is kept between starts.

use super::asked::Moment;
use super::groups::{self, GroupBy};
use super::list::Question;
use super::table::Columns;
use super::{TracesView, group_table, spans};
use crate::model::units;
use crate::source::{AttrScope, TraceOrder};
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::views::menu;
use crate::ui::views::query_bar;
use crate::ui::widgets::{Button, Kind, chip, error_state, loading_state, segmented};
use egui::{Frame, Margin, Ui};
use std::time::Instant;

/// Attribute keys in the menu of groups.
const KEYS: usize = 18;
/// Key of what is kept in the settings of a workspace.
const KEPT: &str = "window_traces";
/// Orders by the name under which they are kept.
const ORDERS: [(TraceOrder, &str); 8] = [
    (TraceOrder::Newest, "newest"),
    (TraceOrder::Oldest, "oldest"),
    (TraceOrder::Longest, "longest"),
    (TraceOrder::Shortest, "shortest"),
    (TraceOrder::MostSpans, "most spans"),
    (TraceOrder::FewestSpans, "fewest spans"),
    (TraceOrder::MostErrors, "most errors"),
    (TraceOrder::FewestErrors, "fewest errors"),
];

impl TracesView {
    /// Rows are groups or spans.
    pub(super) fn sums(&self) -> bool {
        self.by_span || self.group != GroupBy::Nothing
    }

    pub(super) fn sum_rows(&self) -> usize {
        match self.by_span {
            true => self.spans.shown.as_ref().map_or(0, |shown| shown.rows.len()),
            false => self.grouped.shown.as_ref().map_or(0, |shown| shown.groups.len()),
        }
    }

    pub(super) fn update_sums(&mut self, ui: &Ui, ctx: &ViewContext<'_>, question: Question, time: f64) {
        let moment = Moment { range: ctx.range.asked(ctx.now), still: self.table.hovered || !ctx.live, time };
        let result = if self.by_span {
            self.spans.update(ctx.engine, question, self.spans_longest, moment, spans::spans)
        } else {
            let key = (self.group.clone(), self.group_order.0, self.group_order.1);
            self.grouped.update(ctx.engine, question, key, moment, groups::group)
        };
        match result {
            Ok(_) => self.problem = None,
            Err(problem) => self.problem = Some(problem),
        }
        let revision = ctx.engine.source(self.source).map(|source| source.spans.revision());
        let behind = |revision| if self.by_span { self.spans.is_behind(revision) } else { self.grouped.is_behind(revision) };
        if ctx.live && revision.is_some_and(behind) {
            ui.ctx().request_repaint_after_secs(1.0);
        }
    }

    pub(super) fn sum_progress(&self) -> Option<(Instant, (u64, u64))> {
        match self.by_span {
            true => self.spans.since.filter(|_| self.spans.is_asking()).map(|since| (since, self.spans.progress())),
            false => self.grouped.since.filter(|_| self.grouped.is_asking()).map(|since| (since, self.grouped.progress())),
        }
    }

    pub(super) fn step_sum(&mut self, by: isize) {
        let at = self.group_at.map_or(Some(0), |at| at.checked_add_signed(by));
        if let Some(at) = at.filter(|at| *at < self.sum_rows()) {
            self.group_at = Some(at);
            self.reveal = true;
        }
    }

    pub(super) fn open_sum(&mut self, ctx: &mut ViewContext<'_>) {
        let Some(at) = self.group_at else { return };
        if self.by_span {
            if let Some(row) = self.spans.shown.as_ref().and_then(|shown| shown.rows.get(at)) {
                spans::open(self, ctx, row);
            }
        } else if let Some(group) = self.grouped.shown.as_ref().and_then(|shown| shown.groups.get(at).cloned()) {
            group_table::open(self, ctx, &group);
        }
    }

    /// Groups by something else, or not at all.
    pub(super) fn set_group(&mut self, by: GroupBy, ctx: &mut ViewContext<'_>) {
        if self.group != by {
            self.group = by;
            self.group_at = None;
            self.table.rows.to_top();
            self.keep(ctx);
        }
    }

    /// The bar with what stands beside it.
    pub(super) fn query_bar(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let mut bar = std::mem::take(&mut self.bar);
        let (problem, query, source) = (self.problem.clone(), self.query.clone(), self.source);
        let (mut by_span, mut group) = (self.by_span, self.group.clone());
        let narrow = ui.max_rect().width() < 900.0;
        let mut keys = std::mem::take(&mut self.keys);
        let (engine, grouped) = (ctx.engine, !by_span);
        let mut left = |ui: &mut Ui| {
            segmented(ui, &mut by_span, &[(true, "Spans"), (false, "Traces")]);
        };
        let mut right = |ui: &mut Ui| {
            if !grouped {
                return;
            }
            let on = group != GroupBy::Nothing;
            let text = if on { format!("By {}", group.name()) } else { "Group by".to_owned() };
            let short = if narrow { "" } else { text.as_str() };
            let button =
                Button::new(short).icon(Icon::Layers).after(Icon::Down).kind(Kind::Quiet).on(on).named("Group by").show(ui);
            if button.clicked()
                && let Some(source) = engine.source(source).map(|source| source.spans)
            {
                keys = engine.ask(move |control| source.attribute_keys(AttrScope::Any, control));
            }
            keys.poll();
            let known = keys.ready().cloned();
            let picked = menu::menu(&button, 280.0, |ui| {
                let mut picked = None;
                for by in [GroupBy::Nothing, GroupBy::Service, GroupBy::Operation, GroupBy::Status] {
                    let text = if by == GroupBy::Nothing { "No groups" } else { by.name() };
                    if menu::item(ui, text, None, group == by) {
                        picked = Some(by);
                    }
                }
                if let Some(known) = known.filter(|known| !known.is_empty()) {
                    menu::separator(ui);
                    for key in known.iter().take(KEYS) {
                        let by = GroupBy::Key(key.value.to_string());
                        let count = format!("{} spans", units::count(key.spans));
                        if menu::item(ui, &key.value, Some(&count), group == by) {
                            picked = Some(by);
                        }
                    }
                }
                picked
            });
            if let Some(Some(by)) = picked {
                group = by;
            }
        };
        let beside = query_bar::Beside { left: &mut left, right: &mut right };
        let run = query_bar::show(&mut bar, ui, ctx, source, problem.as_ref(), &query, beside);
        (self.bar, self.keys) = (bar, keys);
        if self.by_span != by_span {
            self.by_span = by_span;
            self.group_at = None;
            self.table.rows.to_top();
        }
        self.set_group(group, ctx);
        if let Some(text) = run {
            self.run_query(&text, ctx);
        }
    }

    /// The header of groups or spans; false while the rows are traces.
    pub(super) fn summed(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) -> bool {
        if !self.sums() {
            return false;
        }
        let theme = ctx.theme;
        let heading = |ui: &mut Ui, count: u64, one: &str, many: &str| {
            let word = if count == 1 { one } else { many };
            ui.label(theme::text(format!("{} {word}", units::count(count)), Face::Heading, theme.text_strong))
                .on_hover_text(units::exact_count(count));
        };
        if self.by_span {
            let Some(shown) = self.spans.shown.clone() else { return true };
            heading(ui, shown.rows.len() as u64, "span", "spans");
            let order = if self.spans_longest { "slowest first" } else { "newest first" };
            ui.label(theme::text(order, Face::Small, theme.text_faint));
            if shown.partial {
                let text = "of the newest traces";
                let (response, _) = chip(ui, text, theme.accent_soft, theme.accent, None);
                response.on_hover_text("More spans match: narrow the query or the range to see the others");
            }
            return true;
        }
        let Some(shown) = self.grouped.shown.clone() else { return true };
        heading(ui, shown.groups.len() as u64, "group", "groups");
        let of = format!("of {} traces", units::count(shown.total));
        ui.label(theme::text(of, Face::Small, theme.text_faint));
        if shown.grouped < shown.total {
            let text = format!("newest {} grouped", units::count(shown.grouped));
            let (response, _) = chip(ui, &text, theme.accent_soft, theme.accent, None);
            response.on_hover_text("Narrow the query or the range to have all of them in the figures");
        }
        let (_, closed) = chip(ui, self.group.name(), theme.accent_soft, theme.accent, Some("Group by nothing"));
        if closed {
            self.set_group(GroupBy::Nothing, ctx);
        }
        true
    }

    pub(super) fn sum_body(&mut self, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
        let area = ui.available_rect_before_wrap();
        let failed = if self.by_span { self.spans.failed.clone() } else { self.grouped.failed.clone() };
        if let Some(error) = failed {
            Frame::new().inner_margin(Margin::same(space::SECTION as i8)).show(ui, |ui| {
                match error_state(ui, "The list could not be read", &error) {
                    Some(true) if self.by_span => self.spans.retry(),
                    Some(true) => self.grouped.retry(),
                    Some(false) => ctx.requests.push(Request::Copy(error, "Details".to_owned())),
                    None => {}
                }
            });
            return;
        }
        let asking = if self.by_span { self.spans.is_asking() } else { self.grouped.is_asking() };
        let nothing = if self.by_span { self.spans.shown.is_none() } else { self.grouped.shown.is_none() };
        if nothing {
            let since = self.sum_progress().map(|(since, _)| since);
            let cancelled = since.is_some_and(|since| {
                let frame = Frame::new().inner_margin(Margin::same(space::SECTION as i8));
                frame.show(ui, |ui| loading_state(ui, "Reading traces", since)).inner
            });
            if cancelled {
                self.spans.cancel();
                self.grouped.cancel();
            }
            return;
        }
        if self.sum_rows() == 0 && !asking {
            self.empty(ui, ctx, 0);
            return;
        }
        ui.scope(|ui| {
            if self.problem.is_some() {
                ui.multiply_opacity(0.6);
            }
            if self.by_span {
                if let Some(shown) = self.spans.shown.clone() {
                    spans::show(self, ui, ctx, &shown, area);
                }
            } else if let Some(shown) = self.grouped.shown.clone() {
                group_table::show(self, ui, ctx, &shown, area);
            }
        });
    }

    /// Keeps order, groups and columns for the next start.
    pub(super) fn keep(&self, ctx: &mut ViewContext<'_>) {
        let order = ORDERS.iter().find(|(order, _)| *order == self.order).map_or("newest", |(_, name)| name);
        let columns = self.table.columns.to_json();
        let value = serde_json::json!({"order": order, "group": self.group.name(), "columns": columns});
        ctx.requests.push(Request::Keep(KEPT, value.to_string()));
    }

    /// Takes up what was kept; what is not understood keeps its default.
    pub(super) fn read_kept(&mut self, ctx: &ViewContext<'_>) {
        let Some(text) = ctx.engine.setting(KEPT) else { return };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let order = value["order"].as_str().and_then(|name| ORDERS.iter().find(|(_, known)| *known == name));
        self.order = order.map_or(TraceOrder::Newest, |(order, _)| *order);
        self.group = GroupBy::read(value["group"].as_str().unwrap_or_default());
        self.table.columns = Columns::read(&value["columns"]);
    }
}
