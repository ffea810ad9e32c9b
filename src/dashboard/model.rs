//! A dashboard as it is stored, edited and drawn: rows of panels on a grid 24 wide, the queries of each panel, variables,
//! links and annotations. What of an imported Grafana dashboard has no place here is kept in `extra` of the same object
//! and written back on export.
//!
//! Invariants: panel ids are unique in a dashboard; `y` of a panel counts from the top of its row; rows stand in their
//! order, the first may be without a header.

use super::field::FieldConfig;
use super::options::PanelKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Columns of the grid.
pub const COLUMNS: u32 = 24;

/// What of Grafana's JSON has no place in the model, by Grafana's names.
pub type Extra = Map<String, Value>;

record! {
    /// A dashboard.
    pub struct Dashboard {
        /// Names it in links, unique among saved dashboards.
        pub uid: String,
        /// Title.
        pub title: String,
        /// What it is for, Markdown.
        pub description: String,
        /// Tags.
        pub tags: Vec<String>,
        /// Rows, top to bottom; each holds its panels.
        pub rows: Vec<Row>,
        /// Variables, in the order in which they are shown.
        pub variables: Vec<Variable>,
        /// Links beside the title.
        pub links: Vec<Link>,
        /// What is marked over every time axis.
        pub annotations: Vec<AnnotationSource>,
        /// The time range it opens with.
        pub time: TimeWindow,
        /// How often it asks again, `10s`; empty for never.
        pub refresh: String,
        /// Time zone name, `utc` or `browser`; empty for that of the machine.
        pub timezone: String,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

impl Dashboard {
    /// Every panel, row by row.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// A panel by its id.
    pub fn panel(&self, id: u32) -> Option<&Panel> {
        self.panels().find(|panel| panel.id == id)
    }

    /// A panel by its id, to be changed.
    pub fn panel_mut(&mut self, id: u32) -> Option<&mut Panel> {
        self.rows.iter_mut().flat_map(|row| &mut row.panels).find(|panel| panel.id == id)
    }

    /// An id that no panel and no row header has.
    pub fn free_id(&self) -> u32 {
        let taken = self.panels().map(|panel| panel.id).chain(self.rows.iter().map(|row| row.id)).max();
        taken.unwrap_or(0).saturating_add(1)
    }

    /// A variable by its name.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Reads the text format.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Writes the text format: JSON with two spaces, only what is not the default.
    pub fn to_json(&self) -> String {
        // Maps have text keys and numbers are finite: this cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

record! {
    /// Panels that fold together under a header.
    pub struct Row {
        /// Id, as of a panel; 0 without a header.
        pub id: u32,
        /// Header; a row without one is drawn without a header line and never folds.
        pub title: Option<String>,
        /// Shows the header only.
        pub folded: bool,
        /// Variable for each of whose values the row stands once.
        pub repeat: String,
        /// Panels, in any order; positions count from the row's top.
        pub panels: Vec<Panel>,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

impl Row {
    /// Height of the panels in cells.
    pub fn height(&self) -> u32 {
        self.panels.iter().map(|panel| panel.grid.y + panel.grid.h).max().unwrap_or(0)
    }
}

/// A place on the grid, in cells: [`COLUMNS`] wide, a cell is 30 points high with 8 between.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grid {
    /// Column, 0 is left.
    pub x: u32,
    /// Cells from the top of the row.
    pub y: u32,
    /// Columns.
    pub w: u32,
    /// Cells high.
    pub h: u32,
}

impl Default for Grid {
    fn default() -> Self {
        Self { x: 0, y: 0, w: 12, h: 8 }
    }
}

record! {
    /// A panel.
    pub struct Panel {
        /// Unique in the dashboard.
        pub id: u32,
        /// Title; may hold variables.
        pub title: String,
        /// Shown on hover of the title, Markdown.
        pub description: String,
        /// Where it stands.
        pub grid: Grid,
        /// What is drawn, and how.
        pub kind: PanelKind,
        /// What is asked.
        pub targets: Vec<Target>,
        /// How values look.
        pub field: FieldConfig,
        /// What is done to the answers before they are drawn, in order.
        pub transformations: Vec<Transformation>,
        /// Stands once for each value of a variable.
        pub repeat: Option<Repeat>,
        /// Links of the title.
        pub links: Vec<Link>,
        /// Without a frame.
        pub transparent: bool,
        /// Least step, `15s`; empty for none.
        pub interval: String,
        /// Points a series at most; `None` is the panel's width.
        pub max_points: Option<u32>,
        /// A range of its own that ends where the dashboard's ends, `1h`; empty for the dashboard's.
        pub time_from: String,
        /// Looks this far back, `1d`; empty for not.
        pub time_shift: String,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

record! {
    /// Repeats a panel.
    pub struct Repeat {
        /// Variable.
        pub variable: String,
        /// Down instead of along.
        pub vertical: bool,
        /// Beside one another at most, when along; 0 is 4.
        pub most: u32,
    }
}

record! {
    /// A query of a panel.
    pub struct Target {
        /// `A`, `B`, …: names its answer in overrides and transformations.
        pub ref_id: String,
        /// What is asked, with variables.
        pub query: TargetQuery,
        /// Series name with `{{label}}`; empty for all labels, `__auto` for the least that tells them apart.
        pub legend: String,
        /// Asked at the end of the range only.
        pub instant: bool,
        /// Asked over the range. Neither this nor `instant` is over the range; both are both.
        pub range: bool,
        /// The shape of the answer.
        pub format: TargetFormat,
        /// Least step, `1m` or a variable; empty for the panel's.
        pub interval: String,
        /// Every how many points of the width one is asked; 0 is 1.
        pub coarseness: u32,
        /// Exemplars are read too.
        pub exemplars: bool,
        /// Not asked.
        pub hidden: bool,
        /// What else Grafana's file said, the data source among it.
        pub extra: Extra,
    }
}

/// What a target asks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetQuery {
    /// A PromQL expression.
    Promql(String),
    /// A search for traces, as the traces screen takes it.
    Traces(String),
    /// One trace by its id.
    Trace(String),
    /// A search for log records.
    Logs(String),
    /// The service map of the range.
    ServiceMap,
    /// A query of a kind that Belvedere does not answer; the name is the data source's type. Its text stays in `extra`.
    Foreign(String),
}

impl Default for TargetQuery {
    fn default() -> Self {
        Self::Promql(String::new())
    }
}

impl TargetQuery {
    /// The text that is asked.
    pub fn text(&self) -> &str {
        match self {
            Self::Promql(text) | Self::Traces(text) | Self::Trace(text) | Self::Logs(text) => text,
            Self::ServiceMap | Self::Foreign(_) => "",
        }
    }
}

/// The shape of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetFormat {
    /// A frame a series.
    #[default]
    TimeSeries,
    /// One frame, a column a label.
    Table,
    /// Buckets by `le`, a column a bucket, made per-bucket.
    Heatmap,
}

record! {
    /// A step between answers and drawing, by Grafana's name (`organize`, `merge`, …) and options.
    pub struct Transformation {
        /// Grafana's id.
        pub id: String,
        /// Grafana's options.
        pub options: Value,
        /// Left out.
        pub disabled: bool,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

record! {
    /// A link.
    pub struct Link {
        /// Text; may hold variables.
        pub title: String,
        /// Address; may hold variables and `${__value.raw}`, `${__field.labels.x}`.
        pub url: String,
        /// All dashboards with these tags instead of an address.
        pub tags: Vec<String>,
        /// Hover text.
        pub tooltip: String,
        /// Carries the values of the variables.
        pub with_variables: bool,
        /// Carries the time range.
        pub with_time: bool,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

record! {
    /// What is marked over time axes.
    pub struct AnnotationSource {
        /// Its toggle's name.
        pub name: String,
        /// Where marks come from.
        pub kind: AnnotationKind,
        /// Not shown until switched on.
        pub off: bool,
        /// Without a toggle.
        pub hidden: bool,
        /// Colour, as in [`super::field`].
        pub colour: String,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

/// Where marks over time axes come from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationKind {
    /// States of alerts, as bands.
    #[default]
    Alerts,
    /// Changes of `service.version` seen in telemetry.
    Deployments,
    /// Notes of people.
    Notes,
    /// A mark where the value of a PromQL expression is not zero.
    Promql(String),
    /// A kind that Belvedere does not answer.
    Foreign(String),
}

/// A time range as written: `now-1h` to `now`, or RFC 3339.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TimeWindow {
    /// Start.
    pub from: String,
    /// End.
    pub to: String,
}

impl Default for TimeWindow {
    fn default() -> Self {
        Self { from: "now-1h".to_owned(), to: "now".to_owned() }
    }
}

record! {
    /// A variable: `$name` in queries, titles and links.
    pub struct Variable {
        /// Name without `$`.
        pub name: String,
        /// Shown instead of the name.
        pub label: String,
        /// Hover text.
        pub description: String,
        /// Where its values come from.
        pub kind: VariableKind,
        /// Several values may be chosen.
        pub multi: bool,
        /// *All* may be chosen.
        pub include_all: bool,
        /// What *All* stands for in a query; empty for every value.
        pub all_value: String,
        /// Chosen values at opening; [`ALL`] is *All*.
        pub current: Vec<String>,
        /// Keeps of each value what the regular expression captures (`/…/`), groups `text` and `value` among it.
        pub regex: String,
        /// Order of the values.
        pub sort: VariableSort,
        /// How much of it is shown.
        pub hide: Hide,
        /// When values are asked for.
        pub refresh: VariableRefresh,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

/// The chosen value that stands for all of them.
pub const ALL: &str = "$__all";

/// Where a variable's values come from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// `label_values(…)`, `label_names(…)`, `metrics(…)`, `query_result(…)`.
    Query(String),
    /// `a, b, text : value`.
    Custom(String),
    /// What is typed; the default.
    Text(String),
    /// Durations.
    Interval {
        /// `1m,10m,1h`.
        values: String,
        /// Offers `auto`: the range through `count`, at least `least`.
        auto: bool,
        /// Steps of `auto`.
        count: u32,
        /// Least step of `auto`, `10s`.
        least: String,
    },
    /// A fixed text, not shown.
    Constant(String),
    /// Data sources of a type; Belvedere answers from the workspace whichever is chosen.
    DataSource(String),
    /// Filters added to every selector of PromQL: label, operator, value.
    AdHoc(Vec<AdHocFilter>),
    /// A kind that Belvedere does not know; its current value stands.
    Foreign(String),
}

impl Default for VariableKind {
    fn default() -> Self {
        Self::Custom(String::new())
    }
}

record! {
    /// A filter that is added to every selector.
    pub struct AdHocFilter {
        /// Label.
        pub key: String,
        /// `=`, `!=`, `=~`, `!~`.
        pub operator: String,
        /// Value.
        pub value: String,
    }
}

/// Order of a variable's values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum VariableSort {
    /// As they come.
    #[default]
    None,
    Alphabetical,
    AlphabeticalDescending,
    /// By the first number in them.
    Numerical,
    NumericalDescending,
    AlphabeticalIgnoringCase,
    AlphabeticalIgnoringCaseDescending,
    /// By the numbers and texts they consist of.
    Natural,
    NaturalDescending,
}

/// How much of a variable is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hide {
    /// Label and value.
    #[default]
    No,
    /// Value alone.
    Label,
    /// Nothing.
    Variable,
}

/// When a variable's values are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableRefresh {
    /// When the dashboard opens.
    #[default]
    OnOpen,
    /// Also when the time range changes.
    OnTime,
    /// Never: the stored options stand.
    Never,
}

#[cfg(test)]
mod tests {
    use super::super::options::{Calc, Reduce, Stat};
    use super::*;

    #[test]
    fn the_text_format_says_only_what_is_not_the_default_and_reads_back() {
        let stat = Stat { reduce: Reduce { calcs: vec![Calc::Percentile(95)], ..Reduce::default() }, ..Stat::default() };
        let target = Target { ref_id: "A".into(), query: TargetQuery::Promql("up".into()), ..Target::default() };
        let panel = Panel { id: 3, kind: PanelKind::Stat(stat), targets: vec![target], ..Panel::default() };
        let row = Row { panels: vec![panel], ..Row::default() };
        let dashboard = Dashboard { uid: "u".into(), rows: vec![row], ..Dashboard::default() };
        let text = dashboard.to_json();
        assert_eq!(Dashboard::from_json(&text).unwrap(), dashboard);
        assert!(!text.contains("transparent") && text.contains(r#""type": "stat""#), "{text}");
        assert_eq!(Dashboard::from_json("{}").unwrap(), Dashboard::default());
        assert_eq!(dashboard.free_id(), 4);
    }
}
