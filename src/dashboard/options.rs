//! Kinds of panels and how each is drawn. One struct a kind; names and meanings follow Grafana's panel options.

use super::model::Extra;
use serde::{Deserialize, Serialize};

/// What a panel draws.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PanelKind {
    /// Lines, bars or points over time; how each series looks stands in the field options.
    TimeSeries(TimeSeries),
    /// Big numbers.
    Stat(Stat),
    /// Numbers on arcs.
    Gauge(Gauge),
    /// Numbers as bars.
    BarGauge(BarGauge),
    Table(Table),
    Heatmap(Heatmap),
    Histogram(Histogram),
    Pie(Pie),
    StateTimeline(StateTimeline),
    StatusHistory(StatusHistory),
    BarChart(BarChart),
    Text(Text),
    Logs(Logs),
    /// A list of found traces.
    Traces(Traces),
    /// One trace as a flame graph.
    TraceFlame(Plain),
    ServiceMap(Plain),
    AlertList(AlertList),
    /// Who is on call now.
    OnCall(Plain),
    /// A list of dashboards.
    DashboardList(DashboardList),
    /// A kind of Grafana's that is not drawn; `name` is its type.
    Unknown(Unknown),
}

impl Default for PanelKind {
    fn default() -> Self {
        Self::TimeSeries(TimeSeries::default())
    }
}

impl PanelKind {
    /// False for a kind of Grafana's that is not drawn.
    pub fn is_drawn(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// For people: `Time series`.
    pub fn title(&self) -> &str {
        match self {
            Self::TimeSeries(_) => "Time series",
            Self::Stat(_) => "Stat",
            Self::Gauge(_) => "Gauge",
            Self::BarGauge(_) => "Bar gauge",
            Self::Table(_) => "Table",
            Self::Heatmap(_) => "Heatmap",
            Self::Histogram(_) => "Histogram",
            Self::Pie(_) => "Pie",
            Self::StateTimeline(_) => "State timeline",
            Self::StatusHistory(_) => "Status history",
            Self::BarChart(_) => "Bar chart",
            Self::Text(_) => "Text",
            Self::Logs(_) => "Logs",
            Self::Traces(_) => "Traces",
            Self::TraceFlame(_) => "Trace",
            Self::ServiceMap(_) => "Service map",
            Self::AlertList(_) => "Alerts",
            Self::OnCall(_) => "On call",
            Self::DashboardList(_) => "Dashboards",
            Self::Unknown(unknown) => &unknown.name,
        }
    }
}

/// A number that stands for a series: Grafana's reducers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Calc {
    /// Last value that is there.
    #[default]
    LastNotNull,
    Last,
    FirstNotNull,
    First,
    Min,
    Max,
    Mean,
    Sum,
    Count,
    /// Greatest less least.
    Range,
    /// What counters gained: rises summed, a fall counts from zero.
    Delta,
    /// Least distance between neighbours.
    Step,
    /// Last less first.
    Difference,
    /// Last less first, as a percentage of the first.
    DifferencePercent,
    /// Least value above zero.
    LeastPositive,
    AllZero,
    AllNull,
    ChangeCount,
    DistinctCount,
    Variance,
    StdDev,
    /// The 1st to 99th percentile.
    Percentile(u8),
}

record! {
    /// Which numbers of an answer are shown, in panels of single numbers.
    pub struct Reduce {
        /// One number a series; the first is shown.
        pub calcs: Vec<Calc>,
        /// Every row instead of one number a series.
        pub every_row: bool,
        /// Regular expression of field names (`/…/` or a name); empty for all numbers.
        pub fields: String,
        /// Rows at most; 0 is 25.
        pub limit: u32,
    }
}

impl Reduce {
    /// The number that is shown.
    pub fn calc(&self) -> Calc {
        self.calcs.first().copied().unwrap_or_default()
    }
}

record! {
    /// The legend.
    pub struct Legend {
        /// Not shown.
        pub hidden: bool,
        /// A table instead of a list.
        pub table: bool,
        /// On the right instead of below.
        pub right: bool,
        /// Columns of the table, or numbers behind the names.
        pub calcs: Vec<Calc>,
        /// Column it is sorted by, by its title (`Max`, `Last *`); empty for the order of the series.
        pub sort_by: String,
        /// Greatest first.
        pub descending: bool,
        /// What else Grafana's file said.
        pub extra: Extra,
    }
}

/// What the tooltip lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Tooltip {
    #[default]
    All,
    AllDescending,
    AllAscending,
    /// The series under the pointer.
    Single,
    None,
}

/// Along or down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Orientation {
    #[default]
    Auto,
    Horizontal,
    Vertical,
}

record! {
    /// A time series panel.
    pub struct TimeSeries {
        /// Legend.
        pub legend: Legend,
        /// Tooltip.
        pub tooltip: Tooltip,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

/// What takes the colour of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum StatColour {
    #[default]
    Value,
    None,
    Background,
    /// The background without a gradient.
    BackgroundSolid,
}

/// What a stat writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum StatText {
    /// The name when there are several.
    #[default]
    Auto,
    Value,
    ValueAndName,
    Name,
    None,
}

record! {
    /// A stat panel.
    pub struct Stat {
        /// Numbers.
        pub reduce: Reduce,
        /// What is coloured.
        pub colour: StatColour,
        /// With a sparkline.
        pub sparkline: bool,
        /// What is written.
        pub text: StatText,
        /// Centred instead of `auto`.
        pub centre: bool,
        /// Several numbers beside or under one another.
        pub orientation: Orientation,
        /// Shows the change over the range in percent.
        pub percent_change: bool,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A gauge panel.
    pub struct Gauge {
        /// Numbers.
        pub reduce: Reduce,
        /// Several gauges beside or under one another.
        pub orientation: Orientation,
        /// Writes the thresholds.
        pub threshold_labels: bool,
        /// Without the thin arc of thresholds.
        pub no_threshold_markers: bool,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

/// How a bar is filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum BarFill {
    #[default]
    Gradient,
    /// Small cells.
    Cells,
    Basic,
}

record! {
    /// A bar gauge panel.
    pub struct BarGauge {
        /// Numbers.
        pub reduce: Reduce,
        /// Direction of the bars.
        pub orientation: Orientation,
        /// Fill.
        pub fill: BarFill,
        /// Without the empty part of the bar.
        pub hide_unfilled: bool,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A column that a table is sorted by.
    pub struct SortColumn {
        /// Title of the column.
        pub column: String,
        /// Greatest first.
        pub descending: bool,
    }
}

record! {
    /// A table panel. How cells look stands in the field options.
    pub struct Table {
        /// Without a header line.
        pub no_header: bool,
        /// Sorted by these.
        pub sort: Vec<SortColumn>,
        /// The last line, one number a column.
        pub footer: Vec<Calc>,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A heatmap panel.
    pub struct Heatmap {
        /// Buckets are made from values; else the answer holds buckets.
        pub calculate: bool,
        /// Colour scheme (`Oranges`, `Spectral`, …); empty for Belvedere's.
        pub scheme: String,
        /// Upside down.
        pub reverse_colours: bool,
        /// Number of colours; 0 is 64.
        pub steps: u32,
        /// Unit of the buckets.
        pub y_unit: String,
        /// Decimals of the buckets.
        pub y_decimals: Option<u8>,
        /// Cells of less than this are empty.
        pub hide_below: Option<f64>,
        /// Without the colour scale.
        pub no_scale: bool,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A histogram of values.
    pub struct Histogram {
        /// Buckets, when no size is given; 0 is 30.
        pub buckets: u32,
        /// Width of a bucket.
        pub size: Option<f64>,
        /// Where buckets begin.
        pub offset: f64,
        /// All series together.
        pub combine: bool,
        /// Legend.
        pub legend: Legend,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A pie panel.
    pub struct Pie {
        /// Numbers.
        pub reduce: Reduce,
        /// With a hole.
        pub donut: bool,
        /// Writes the name, value or percentage on slices.
        pub labels: Vec<PieLabel>,
        /// Legend; what it writes behind the names.
        pub legend: Legend,
        /// Numbers in the legend.
        pub legend_values: Vec<PieLabel>,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

/// What is written of a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PieLabel {
    Name,
    Value,
    Percent,
}

/// Whether a value is written into its box.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowValue {
    /// Where there is room.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

record! {
    /// A state timeline panel.
    pub struct StateTimeline {
        /// Equal neighbours stand apart.
        pub no_merge: bool,
        /// Values in the boxes.
        pub show_value: ShowValue,
        /// Share of the height that a line takes; `None` is 0.9.
        pub row_height: Option<f64>,
        /// Legend.
        pub legend: Legend,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A status history panel: a box a step.
    pub struct StatusHistory {
        /// Values in the boxes.
        pub show_value: ShowValue,
        /// Share of the height that a line takes; `None` is 0.9.
        pub row_height: Option<f64>,
        /// Share of the width that a box takes; `None` is 0.9.
        pub column_width: Option<f64>,
        /// Legend.
        pub legend: Legend,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

/// How values stand upon one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum StackMode {
    #[default]
    None,
    Normal,
    /// To a hundred percent.
    Percent,
}

record! {
    /// A bar chart panel: a group of bars a row.
    pub struct BarChart {
        /// Direction of the bars.
        pub orientation: Orientation,
        /// Field that names the groups; empty for the first text or time.
        pub x_field: String,
        /// Stacking.
        pub stacking: StackMode,
        /// Values at the bars.
        pub show_value: ShowValue,
        /// Legend.
        pub legend: Legend,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

/// What a text is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum TextMode {
    #[default]
    Markdown,
    Html,
    Code,
}

record! {
    /// A text panel.
    pub struct Text {
        /// Text; may hold variables.
        pub content: String,
        /// What it is written in.
        pub mode: TextMode,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A logs panel.
    pub struct Logs {
        /// Without times.
        pub no_time: bool,
        /// Long lines are broken.
        pub wrap: bool,
        /// Oldest first.
        pub ascending: bool,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A list of traces.
    pub struct Traces {
        /// Traces at most; 0 is 50.
        pub limit: u32,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A panel without options of its own.
    pub struct Plain {
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A list of alerts.
    pub struct AlertList {
        /// Only alerts whose name holds this; may hold variables.
        pub name: String,
        /// States shown (`firing`, `pending`, `inactive`); empty for firing and pending.
        pub states: Vec<String>,
        /// Alerts at most; 0 is 20.
        pub limit: u32,
        /// Alertmanager matchers, `{severity="page"}`.
        pub matchers: String,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A list of dashboards.
    pub struct DashboardList {
        /// Only those with one of these tags.
        pub tags: Vec<String>,
        /// Only those whose title holds this.
        pub query: String,
        /// Entries at most; 0 is 10.
        pub limit: u32,
        /// What else Grafana's `options` said.
        pub extra: Extra,
    }
}

record! {
    /// A kind of Grafana's that is not drawn.
    pub struct Unknown {
        /// Grafana's type.
        pub name: String,
        /// Grafana's `options`.
        pub extra: Extra,
    }
}
