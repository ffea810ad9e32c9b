//! How values look: unit, decimals, limits, colours, thresholds, value mappings, and the style of lines and cells.
//!
//! Every option may be absent. The panel's defaults apply to all fields; overrides, in their order, write over them for
//! the fields they match ([`FieldOptions::write_over`]). A colour is written as Grafana writes it: `#rrggbb`, `rgb(…)`,
//! a name (`green`, `semi-dark-red`, `super-light-blue`), `text`, `transparent`. The window maps names to its palette.

use super::model::{Extra, Link};
use super::options::StackMode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

record! {
    /// Options of all fields of a panel and of some.
    pub struct FieldConfig {
        /// Of all fields.
        pub defaults: FieldOptions,
        /// Of some, in order.
        pub overrides: Vec<Override>,
    }
}

record! {
    /// Options of the fields that match.
    pub struct Override {
        /// Which fields.
        pub matcher: FieldMatcher,
        /// What is different for them.
        pub options: FieldOptions,
        /// Properties of Grafana's that have no place here, as its file had them.
        pub extra: Vec<Value>,
    }
}

/// Which fields an override is for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldMatcher {
    /// Its display name or name.
    Name(String),
    /// One of these names.
    Names(Vec<String>),
    /// All but these.
    NotNames(Vec<String>),
    /// Its display name or name matches; `/…/flags` or a bare expression.
    Regex(String),
    /// Comes from this target.
    Query(String),
    /// `number`, `string`, `time`, `boolean`, `other`.
    Type(String),
    /// The number that stands for the series compares to a value: reducer, operator (`gt`, `gte`, `lt`, `lte`, `eq`, `neq`).
    Value {
        /// What stands for the series.
        calc: super::options::Calc,
        /// Operator.
        op: String,
        /// Compared to.
        value: f64,
    },
    /// A matcher of Grafana's that is not known; matches nothing.
    Foreign(Value),
}

impl Default for FieldMatcher {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

record! {
    /// Options of a field. `None` is: not said.
    pub struct FieldOptions {
        /// Grafana's unit id (`s`, `bytes`, `reqps`), `suffix:…`, `prefix:…`, or a suffix.
        pub unit: Option<String>,
        /// Digits behind the point; `None` is as many as are of use.
        pub decimals: Option<u8>,
        /// Lower end of the scale.
        pub min: Option<f64>,
        /// Upper end of the scale.
        pub max: Option<f64>,
        /// Written instead of the series' name; may hold `${__field.labels.x}`, `${__series.name}` and variables.
        pub display_name: Option<String>,
        /// Written where there is no value.
        pub no_value: Option<String>,
        /// Where the colour comes from.
        pub colour: Option<ColourMode>,
        /// Where colours change.
        pub thresholds: Option<Thresholds>,
        /// Texts for values, the first that matches.
        pub mappings: Option<Vec<Mapping>>,
        /// Links of a value.
        pub links: Option<Vec<Link>>,
        /// Lines, bars or points.
        pub draw: Option<Draw>,
        /// How points are joined.
        pub interpolation: Option<Interpolation>,
        /// Points thick.
        pub line_width: Option<f64>,
        /// Dashes and gaps in points; empty is a full line.
        pub dash: Option<Vec<f64>>,
        /// 0 to 100.
        pub fill_opacity: Option<f64>,
        /// The series, by name, down to which is filled; empty for zero.
        pub fill_below_to: Option<String>,
        /// `none`, `opacity`, `hue`, `scheme`.
        pub gradient: Option<String>,
        /// `auto`, `always`, `never`.
        pub show_points: Option<String>,
        /// Points wide.
        pub point_size: Option<f64>,
        /// Stacking and its group.
        pub stacking: Option<Stacking>,
        /// Drawn downwards.
        pub negative: Option<bool>,
        /// Gaps are bridged: all, or up to so many milliseconds.
        pub span_gaps: Option<SpanGaps>,
        /// Which axis.
        pub axis: Option<AxisPlacement>,
        /// Text along the axis.
        pub axis_label: Option<String>,
        /// The axis reaches down to here, and further when values do.
        pub soft_min: Option<f64>,
        /// The axis reaches up to here, and further when values do.
        pub soft_max: Option<f64>,
        /// Logarithmic to this base (2 or 10); `None` is linear.
        pub log_base: Option<f64>,
        /// How thresholds show over time.
        pub threshold_style: Option<ThresholdStyle>,
        /// Not in the legend.
        pub hide_in_legend: Option<bool>,
        /// Not in the tooltip.
        pub hide_in_tooltip: Option<bool>,
        /// Not drawn.
        pub hide_in_graph: Option<bool>,
        /// Cells: how they are drawn.
        pub cell: Option<Cell>,
        /// Cells: `left`, `center`, `right`, `auto`.
        pub align: Option<String>,
        /// Column width in points.
        pub width: Option<f64>,
        /// Column is left out.
        pub hidden: Option<bool>,
        /// May be filtered by.
        pub filterable: Option<bool>,
        /// What else Grafana's file said: `defaults` beside `custom`, whose rest stands under the key `custom`.
        pub extra: Extra,
    }
}

macro_rules! write_over {
    ($into:ident, $from:ident: $($field:ident)*) => {
        $(if $from.$field.is_some() {
            $into.$field.clone_from(&$from.$field);
        })*
    };
}

impl FieldOptions {
    /// Writes what `other` says over what stands here.
    pub fn write_over(&mut self, other: &Self) {
        write_over!(self, other: unit decimals min max display_name no_value colour thresholds mappings links draw
            interpolation line_width dash fill_opacity fill_below_to gradient show_points point_size stacking negative
            span_gaps axis axis_label soft_min soft_max log_base threshold_style hide_in_legend hide_in_tooltip
            hide_in_graph cell align width hidden filterable);
        for (key, value) in &other.extra {
            self.extra.insert(key.clone(), value.clone());
        }
    }
}

/// Where a colour comes from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColourMode {
    /// From the palette, by position.
    #[default]
    Palette,
    /// From the palette, by name, so that a series keeps its colour.
    PaletteByName,
    /// From the thresholds.
    Thresholds,
    /// One colour.
    Fixed(String),
    /// Shades of one colour.
    Shades(String),
    /// A scale between least and greatest, by Grafana's name (`continuous-GrYlRd`).
    Continuous(String),
}

record! {
    /// Where colours change.
    pub struct Thresholds {
        /// Values are percentages of the way from `min` to `max`.
        pub percentage: bool,
        /// By value; the first, without a value, is the colour below all others.
        pub steps: Vec<Threshold>,
    }
}

record! {
    /// From this value on, this colour.
    pub struct Threshold {
        /// `None` is minus infinity.
        pub value: Option<f64>,
        /// Colour.
        pub colour: String,
    }
}

record! {
    /// A text (and a colour) for values.
    pub struct Mapping {
        /// Which values.
        pub when: MappingWhen,
        /// Text; empty keeps the value's own.
        pub text: String,
        /// Colour; empty keeps the value's own.
        pub colour: String,
        /// What else Grafana's file said (an icon).
        pub extra: Extra,
    }
}

/// Which values a mapping is for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum MappingWhen {
    /// The value, as a number or a text.
    Value(String),
    /// From, to, both included; `None` is without end.
    Range(Option<f64>, Option<f64>),
    /// Text matches; the mapping's text may hold `$1`.
    Regex(String),
    Null,
    Nan,
    NullOrNan,
    True,
    False,
    Empty,
}

impl Default for MappingWhen {
    fn default() -> Self {
        Self::Value(String::new())
    }
}

/// Lines, bars or points.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Draw {
    #[default]
    Line,
    Bars,
    Points,
}

/// How points are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Interpolation {
    #[default]
    Linear,
    Smooth,
    /// The value holds until this point.
    StepBefore,
    /// The value holds from this point.
    StepAfter,
}

record! {
    /// Stacking.
    pub struct Stacking {
        /// How.
        pub mode: StackMode,
        /// Series of one group stand upon one another.
        pub group: String,
    }
}

/// Whether gaps are bridged.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanGaps {
    /// Gaps stay.
    #[default]
    Never,
    /// All are bridged.
    Always,
    /// Those of at most so many milliseconds.
    UpTo(f64),
}

/// Which axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum AxisPlacement {
    #[default]
    Auto,
    Left,
    Right,
    Hidden,
}

/// How thresholds show over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ThresholdStyle {
    #[default]
    Off,
    Line,
    Dashed,
    Area,
    LineAndArea,
}

/// How a cell is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Cell {
    #[default]
    Auto,
    ColourText,
    ColourBackground,
    /// A bar from the least to the greatest.
    Gauge,
    /// A line of the values over time.
    Sparkline,
    Json,
    Link,
    Image,
}
