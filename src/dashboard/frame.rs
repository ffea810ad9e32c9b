//! A table of columns: what queries answer and what panels draw.
//!
//! Every column of a frame has the same length. A series of a time series answer is a frame of its own: a `Time` column and
//! a number column whose labels name the series. [`NULL`] in a number column is: no value there (a gap), which is not the
//! same as a NaN that was computed.

use super::field::FieldOptions;
use crate::model::sample::{STALE_NAN, is_stale};
use crate::model::{FloatHistogram, Labels};
use smol_str::SmolStr;
use std::sync::Arc;

/// No value. A payload of NaN of its own: compare with [`is_null`].
pub const NULL: f64 = STALE_NAN;

/// True where there is no value.
pub fn is_null(value: f64) -> bool {
    is_stale(value)
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Name of a series or of a table.
    pub name: String,
    /// The target it answers; empty after a transformation that joins several.
    pub ref_id: String,
    /// Columns.
    pub fields: Vec<FrameField>,
}

/// A column of a table.
#[derive(Clone, Debug, Default)]
pub struct FrameField {
    /// Name: `Time`, `Value`, a label.
    pub name: String,
    /// What names the series.
    pub labels: Labels,
    /// Values.
    pub column: Column,
    /// How it is drawn: the panel's defaults with its overrides written over.
    pub options: FieldOptions,
    /// What people read: from the options, the legend or the labels.
    pub title: String,
    /// The target it comes from.
    pub ref_id: String,
}

/// Values of a column.
#[derive(Clone, Debug)]
pub enum Column {
    /// Milliseconds since 1970.
    Time(Vec<i64>),
    /// Numbers; [`NULL`] is none.
    Number(Vec<f64>),
    /// Texts.
    Text(Vec<SmolStr>),
    /// Yes or no.
    Flag(Vec<Option<bool>>),
    /// Native histograms.
    Histogram(Vec<Option<Arc<FloatHistogram>>>),
}

impl Default for Column {
    fn default() -> Self {
        Self::Number(Vec::new())
    }
}

impl Column {
    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Time(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Flag(values) => values.len(),
            Self::Histogram(values) => values.len(),
        }
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `time`, `number`, `string`, `boolean`, `other`: Grafana's names.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Time(_) => "time",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Flag(_) => "boolean",
            Self::Histogram(_) => "other",
        }
    }

    /// The numbers, when it holds some.
    pub fn numbers(&self) -> Option<&[f64]> {
        match self {
            Self::Number(values) => Some(values),
            _ => None,
        }
    }

    /// The times, when it holds some.
    pub fn times(&self) -> Option<&[i64]> {
        match self {
            Self::Time(values) => Some(values),
            _ => None,
        }
    }

    /// The value of a row.
    pub fn cell(&self, row: usize) -> CellValue {
        match self {
            Self::Time(values) => values.get(row).map_or(CellValue::Null, |time| CellValue::Time(*time)),
            Self::Number(values) => match values.get(row) {
                Some(value) if !is_null(*value) => CellValue::Number(*value),
                _ => CellValue::Null,
            },
            Self::Text(values) => values.get(row).map_or(CellValue::Null, |text| CellValue::Text(text.clone())),
            Self::Flag(values) => values.get(row).copied().flatten().map_or(CellValue::Null, CellValue::Flag),
            Self::Histogram(values) => match values.get(row) {
                Some(Some(histogram)) => CellValue::Text(format!("count {}, sum {}", histogram.count, histogram.sum).into()),
                _ => CellValue::Null,
            },
        }
    }
}

/// The value of a cell.
#[derive(Clone, PartialEq, Debug)]
pub enum CellValue {
    /// None.
    Null,
    /// Milliseconds since 1970.
    Time(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(SmolStr),
    /// Yes or no.
    Flag(bool),
}

impl Frame {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.fields.first().map_or(0, |field| field.column.len())
    }

    /// The first time column.
    pub fn time(&self) -> Option<&[i64]> {
        self.fields.iter().find_map(|field| field.column.times())
    }

    /// A column by its title, else by its name.
    pub fn field(&self, name: &str) -> Option<&FrameField> {
        self.fields.iter().find(|field| field.title == name).or_else(|| self.fields.iter().find(|field| field.name == name))
    }

    /// The columns of numbers.
    pub fn numbers(&self) -> impl Iterator<Item = &FrameField> {
        self.fields.iter().filter(|field| matches!(field.column, Column::Number(_)))
    }
}

impl FrameField {
    /// A column with a name.
    pub fn new(name: impl Into<String>, column: Column) -> Self {
        let name = name.into();
        Self { title: name.clone(), name, column, ..Self::default() }
    }
}
