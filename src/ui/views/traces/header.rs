//! The line over the table: how many, in which order, what is left out, what waits.

use super::TracesView;
use super::list::RunFilter;
use crate::engine::Query;
use crate::model::units;
use crate::source::{Run, TraceOrder};
use crate::ui::command::Command;
use crate::ui::theme::size::space;
use crate::ui::theme::{self, Face, Icon};
use crate::ui::view::{Request, ViewContext};
use crate::ui::views::menu;
use crate::ui::widgets::{Button, Kind, chip};
use egui::{Align, Layout, Ui, UiBuilder, vec2};

/// Runs, asked for when their menu opens.
#[derive(Default)]
pub(super) struct Runs {
    asking: Query<Vec<Run>>,
}

/// Runs that are listed.
const LISTED: usize = 12;

pub(super) fn show(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let theme = ctx.theme;
    let whole = ui.max_rect();
    theme::paint_hairline(ui, whole.left_bottom() - vec2(0.0, 1.0), whole.right_bottom() - vec2(0.0, 1.0));
    let rect = whole.shrink2(vec2(space::PANEL, 0.0));
    let mut right = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
    right.spacing_mut().item_spacing.x = 6.0;
    follow(view, &mut right, ctx);
    runs(view, &mut right, ctx);
    if !view.sums() {
        super::table::columns_button(view, &mut right, ctx);
    }
    if view.list.waiting_new > 0 {
        let text = format!("{} new", units::count(view.list.waiting_new as u64));
        let (response, _) = chip(&mut right, &text, theme.success_soft, theme.success, None);
        if response.on_hover_text("Show what has arrived").clicked() {
            let time = right.input(|input| input.time);
            let changed = view.list.take_waiting(time);
            if changed.rows {
                view.table.rows.to_top();
            }
        }
    }
    let end = right.min_rect().left() - 8.0;
    let mut left = ui.new_child(
        UiBuilder::new().max_rect(rect.with_max_x(end.max(rect.left()))).layout(Layout::left_to_right(Align::Center)),
    );
    left.shrink_clip_rect(rect.with_max_x(end.max(rect.left())));
    left.spacing_mut().item_spacing.x = 8.0;
    if view.summed(&mut left, ctx) {
        return;
    }
    let Some(shown) = view.list.shown.clone() else { return };
    let total = units::count(shown.total);
    let word = if shown.total == 1 { "trace" } else { "traces" };
    left.label(theme::text(format!("{total} {word}"), Face::Heading, theme.text_strong))
        .on_hover_text(units::exact_count(shown.total));
    let order = match view.order {
        TraceOrder::Newest => "newest first",
        TraceOrder::Longest => "slowest first",
        TraceOrder::MostSpans => "most spans first",
        TraceOrder::MostErrors => "most errors first",
        TraceOrder::Oldest => "oldest first",
        TraceOrder::Shortest => "fastest first",
        TraceOrder::FewestSpans => "fewest spans first",
        TraceOrder::FewestErrors => "fewest errors first",
    };
    left.label(theme::text(order, Face::Small, theme.text_faint));
    let listed = shown.traces.len() as u64;
    if listed + shown.hidden >= view.limit as u64 && shown.total > listed {
        let text = format!("first {} shown", units::count(listed));
        let (response, _) = chip(&mut left, &text, theme.accent_soft, theme.accent, None);
        if response.on_hover_text("Click to load more, or narrow the query").clicked() {
            view.limit *= 4;
        }
    }
    hidden(view, &mut left, ctx);
    if !view.picked.is_empty() {
        let text = format!("{} picked", units::count(view.picked.len() as u64));
        let (_, closed) = chip(&mut left, &text, theme.accent_soft, theme.accent, Some("Pick none"));
        if closed {
            view.picked.clear();
        }
        if Button::new("Copy rows").small().kind(Kind::Quiet).icon(Icon::Copy).show(&mut left).clicked() {
            view.copy_rows(ctx);
        }
    }
}

fn follow(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let on = view.shared.lock().follow;
    let keys = Command::FollowNewest.keys_text().unwrap_or_default();
    let hint = format!("An open trace gives way to each new match  {keys}");
    if Button::new("Follow newest").icon(Icon::Forward).small().on(on).hint(hint).show(ui).clicked() {
        view.toggle_follow(ctx);
    }
}

fn runs(view: &mut TracesView, ui: &mut Ui, ctx: &ViewContext<'_>) {
    let name = match &view.run {
        RunFilter::All => "All runs".to_owned(),
        RunFilter::Latest => "Since the last start".to_owned(),
        RunFilter::One(run) => run_name(run, ctx),
    };
    let on = view.run != RunFilter::All;
    let button = Button::new(&name).small().kind(Kind::Quiet).on(on).after(Icon::Down).show(ui);
    let runs = &mut view.table.runs;
    if button.clicked()
        && let Some(source) = ctx.engine.source(view.source).map(|source| source.spans)
    {
        runs.asking = ctx.engine.ask(move |control| source.runs(control));
    }
    runs.asking.poll();
    let known = runs.asking.ready().cloned();
    let picked = menu::menu(&button, 300.0, |ui| {
        let mut picked = None;
        if menu::item(ui, "All runs", None, view.run == RunFilter::All) {
            picked = Some(RunFilter::All);
        }
        if menu::item(ui, "Since the last start", None, view.run == RunFilter::Latest) {
            picked = Some(RunFilter::Latest);
        }
        if let Some(known) = &known {
            if !known.is_empty() {
                menu::separator(ui);
            }
            for run in known.iter().take(LISTED) {
                let spans = format!("{} spans", units::count(run.spans));
                let chosen = view.run == RunFilter::One(run.clone());
                if menu::item(ui, &run_name(run, ctx), Some(&spans), chosen) {
                    picked = Some(RunFilter::One(run.clone()));
                }
            }
        }
        picked
    });
    if let Some(Some(run)) = picked {
        view.run = run;
    }
}

fn run_name(run: &Run, ctx: &ViewContext<'_>) -> String {
    let version = if run.version.is_empty() { String::new() } else { format!(" {}", run.version) };
    let started = units::time_of_day(run.first_seen, ctx.zone);
    format!("{}{version}, started {}", run.service, started.split('.').next().unwrap_or(&started))
}

fn hidden(view: &mut TracesView, ui: &mut Ui, ctx: &mut ViewContext<'_>) {
    let rules = ctx.engine.hidden_rules();
    if rules.is_empty() {
        return;
    }
    let theme = ctx.theme;
    let text = if rules.len() == 1 { format!("{} hidden", rules[0].label) } else { format!("{} kinds hidden", rules.len()) };
    let button =
        Button::new(&text).small().kind(Kind::Quiet).icon(Icon::EyeOff).show(ui).on_hover_text("What the list leaves out");
    let shown = menu::menu(&button, 300.0, |ui| {
        let mut shown = None;
        for rule in &rules {
            if menu::item(ui, &format!("Show {}", rule.label), None, false) {
                shown = Some(vec![rule.id]);
            }
        }
        if rules.len() > 1 {
            menu::separator(ui);
            if menu::item(ui, "Show all", None, false) {
                shown = Some(rules.iter().map(|rule| rule.id).collect());
            }
        }
        shown
    });
    if let Some(Some(ids)) = shown {
        for id in ids {
            if let Err(error) = ctx.engine.unhide(id) {
                let toast = crate::ui::view::Toast::new(crate::ui::view::Level::Error, error.to_string());
                ctx.requests.push(Request::Toast(toast));
            }
        }
    }
    // The last Hide can be taken back at once.
    if let Some(id) = view.table.undo_hide.filter(|id| rules.iter().any(|rule| rule.id == *id)) {
        if Button::new("Undo").small().kind(Kind::Quiet).tint(theme.link).show(ui).clicked() {
            ctx.engine.unhide(id).ok();
            view.table.undo_hide = None;
        }
    } else {
        view.table.undo_hide = None;
    }
}
