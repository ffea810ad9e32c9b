//! The metrics there are, at the left: searched by name or help, chosen by kind, each with its number of series.

use super::ExploreView;
use super::ask::{Catalogue, Metric};
use crate::model::{MetricKind, units};
use crate::ui::canvas::elide;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Icon, Theme};
use crate::ui::view::ViewContext;
use crate::ui::widgets::{self, segmented};
use egui::{Align2, Rect, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2};

/// Height of the part that tells of the chosen metric, points.
const ABOUT: f32 = 118.0;

/// Which kinds are listed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Kinds {
    /// All.
    #[default]
    All,
    /// Counters.
    Counters,
    /// Gauges.
    Gauges,
    /// Histograms and summaries.
    Histograms,
}

impl Kinds {
    fn has(self, kind: MetricKind) -> bool {
        use MetricKind::{Counter, Gauge, GaugeHistogram, Histogram, Summary};
        match self {
            Self::All => true,
            Self::Counters => kind == Counter,
            Self::Gauges => kind == Gauge,
            Self::Histograms => matches!(kind, Histogram | GaugeHistogram | Summary),
        }
    }
}

/// Letter of a kind.
fn letter(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "C",
        MetricKind::Gauge => "G",
        MetricKind::Histogram | MetricKind::GaugeHistogram => "H",
        MetricKind::Summary => "S",
        MetricKind::Info | MetricKind::StateSet => "I",
        MetricKind::Unknown => "?",
    }
}

/// A first query for a metric, by its kind and name.
pub(super) fn first_query(metric: &Metric) -> String {
    let name = &metric.name;
    let name = if crate::model::labels::is_metric_identifier(name) { name.to_string() } else { format!("{{\"{name}\"}}") };
    let bucket = metric.name.ends_with("_bucket");
    let counts = ["_count", "_sum", "_total"].iter().any(|suffix| metric.name.ends_with(suffix));
    match metric.kind {
        MetricKind::Histogram if bucket => format!("histogram_quantile(0.95, sum by (le) (rate({name}[5m])))"),
        MetricKind::Histogram if !counts => format!("histogram_quantile(0.95, sum(rate({name}[5m])))"),
        MetricKind::Histogram | MetricKind::Counter => format!("rate({name}[5m])"),
        MetricKind::Summary if counts => format!("rate({name}[5m])"),
        MetricKind::Unknown if counts => format!("rate({name}[5m])"),
        _ => name,
    }
}

/// Draws it over the whole of `ui`; a first query when a metric was clicked.
pub(super) fn show(view: &mut ExploreView, ui: &mut Ui, ctx: &ViewContext<'_>, catalogue: &Catalogue) -> Option<String> {
    let theme = ctx.theme;
    let whole = ui.max_rect();
    let inner = whole.shrink2(vec2(8.0, 8.0));
    let mut top = ui.new_child(UiBuilder::new().max_rect(inner));
    top.spacing_mut().item_spacing.y = space::CONTROL;
    let count = units::count(catalogue.metrics.len() as u64);
    let hint = format!("Filter {count} metrics");
    let search = widgets::field(&mut top, &mut view.search, "Filter metrics", &hint, Some(Icon::Search), inner.width());
    let mut changed = search.changed();
    let kinds = [(Kinds::All, "All"), (Kinds::Counters, "Count"), (Kinds::Gauges, "Gauge"), (Kinds::Histograms, "Histogram")];
    changed |= segmented(&mut top, &mut view.kinds, &kinds);
    if changed || view.listed_of != catalogue.metrics.len() {
        let word = view.search.to_lowercase();
        let fits = |metric: &Metric| {
            view.kinds.has(metric.kind)
                && (metric.name.to_lowercase().contains(&word) || metric.help.to_lowercase().contains(&word))
        };
        let fitting = catalogue.metrics.iter().enumerate().filter(|(_, metric)| fits(metric));
        view.listed = fitting.map(|(at, _)| at).collect();
        view.listed_of = catalogue.metrics.len();
        if changed {
            view.metric_rows.to_top();
        }
    }
    let chosen = view.chosen.clone().filter(|name| catalogue.metric(name).is_some());
    let bottom = if chosen.is_some() { whole.bottom() - ABOUT } else { whole.bottom() };
    let list = Rect::from_min_max(pos2(whole.left(), top.min_rect().bottom() + 6.0), pos2(whole.right(), bottom));
    if view.listed.is_empty() {
        ui.painter().text(
            list.center_top() + vec2(0.0, 24.0),
            Align2::CENTER_CENTER,
            "No metric fits",
            Face::Small.font(),
            theme.text_faint,
        );
    }
    let mut asked = None;
    let mut rows = std::mem::take(&mut view.metric_rows);
    rows.show(ui, list, view.listed.len(), part::ROW_DENSE, |ui, at, rect| {
        let Some(metric) = view.listed.get(at).and_then(|at| catalogue.metrics.get(*at)) else { return };
        let on = chosen.as_deref() == Some(metric.name.as_str());
        if row(ui, theme, metric, on, rect) {
            asked = Some(metric.clone());
        }
    });
    view.metric_rows = rows;
    if let Some(metric) = chosen.and_then(|name| catalogue.metric(&name)) {
        about(ui, theme, metric, Rect::from_min_max(pos2(whole.left(), bottom), whole.max));
    }
    let metric = asked?;
    view.chosen = Some(metric.name.to_string());
    Some(first_query(&metric))
}

fn row(ui: &Ui, theme: &Theme, metric: &Metric, on: bool, rect: Rect) -> bool {
    let response = ui.interact(rect, ui.scope_id().with(("metric", metric.name.as_str())), Sense::click());
    let said = format!("{}, {}, {} series", metric.name, metric.kind.word(), metric.series);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, said.as_str()));
    if on || response.hovered() {
        ui.painter().rect_filled(rect, 0.0, if on { theme.selection } else { theme.hover });
    }
    let middle = rect.center().y;
    let badge = Rect::from_center_size(pos2(rect.left() + 17.0, middle), vec2(16.0, 16.0));
    ui.painter().rect_filled(badge, radius::CHIP, theme.raised);
    ui.painter().text(badge.center(), Align2::CENTER_CENTER, letter(metric.kind), Face::Caption.font(), theme.text_subdued);
    let series = ui.painter().layout_no_wrap(units::count(metric.series), Face::Caption.font(), theme.text_faint);
    let right = rect.right() - 4.0 - series.size().x;
    ui.painter().galley(pos2(right, middle - series.size().y / 2.0), series, theme.text_faint);
    let width = right - rect.left() - 40.0;
    let name = ui.painter().fonts_mut(|fonts| elide::middle(fonts, &Face::MonoSmall.font(), &metric.name, width));
    let colour = if on { theme.selection_text } else { theme.text };
    ui.painter().text(pos2(rect.left() + 32.0, middle), Align2::LEFT_CENTER, name, Face::MonoSmall.font(), colour);
    widgets::focus_ring(ui, &response, radius::CHIP);
    let clicked = response.clicked();
    let help = if metric.help.is_empty() { metric.name.to_string() } else { format!("{}\n{}", metric.name, metric.help) };
    response.on_hover_text(help);
    clicked
}

fn about(ui: &mut Ui, theme: &Theme, metric: &Metric, rect: Rect) {
    theme::paint_hairline(ui, rect.left_top(), rect.right_top());
    let mut child = ui.new_child(UiBuilder::new().max_rect(rect.shrink2(vec2(space::PANEL, space::CONTROL))));
    child.spacing_mut().item_spacing.y = 4.0;
    child.add(egui::Label::new(theme::text(metric.name.as_str(), Face::Mono, theme.text_strong)).truncate());
    let unit = if metric.unit.is_empty() { String::new() } else { format!(", {}", metric.unit) };
    let facts = format!("{}{unit}, {} series", metric.kind.word(), units::count(metric.series));
    child.label(theme::text(facts, Face::Small, theme.text_subdued));
    let help = if metric.help.is_empty() { "Its source sent no help text" } else { metric.help.as_str() };
    child.label(theme::text(help, Face::Small, theme.text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_asks_what_the_kind_is_good_for() {
        for (name, kind, query) in [
            ("up", MetricKind::Gauge, "up"),
            ("x_total", MetricKind::Counter, "rate(x_total[5m])"),
            ("x_bucket", MetricKind::Histogram, "histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))"),
            ("x_count", MetricKind::Histogram, "rate(x_count[5m])"),
            ("x", MetricKind::Histogram, "histogram_quantile(0.95, sum(rate(x[5m])))"),
            ("http.total time", MetricKind::Gauge, "{\"http.total time\"}"),
        ] {
            let metric = Metric { name: name.into(), kind, help: "".into(), unit: "".into(), series: 1 };
            assert_eq!(first_query(&metric), query, "{name}");
            assert!(crate::promql::parse(&first_query(&metric)).is_ok(), "{name}");
        }
    }
}
