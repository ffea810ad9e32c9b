//! How metric series are read: pick series by matchers, then read one series' samples at a time into a reused column.
//!
//! Reading series by series, from any thread, is what lets a query fold each series into its answer and forget it. Times
//! are milliseconds. A range is closed at both ends here: the engine above works out left-open windows and look-back.

use super::{QueryControl, SourceError, TimeRange};
use crate::model::{Exemplar, Labels, MetricMetadata, SampleColumn};
use smol_str::SmolStr;

/// How a matcher compares. Regular expressions are anchored at both ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// A condition on one label; an absent label is the empty string. The regular expression is compiled (and cached) by
/// whoever evaluates it: a parser has already checked that it compiles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matcher {
    /// Label.
    pub name: SmolStr,
    /// Comparison.
    pub op: MatchOp,
    /// Value or regular expression.
    pub value: SmolStr,
}

/// Milliseconds, closed at both ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MillisRange {
    /// First moment inside.
    pub start: i64,
    /// Last moment inside.
    pub end: i64,
}

impl MillisRange {
    /// All of time.
    pub const ALL: Self = Self { start: i64::MIN, end: i64::MAX };
}

/// A question for series.
#[derive(Clone, Debug)]
pub struct SeriesRequest<'a> {
    /// All of them hold. At least one does not match the empty string, unless the asker means every series.
    pub matchers: &'a [Matcher],
    /// Series with a sample in this range; a source may give more, never fewer.
    pub range: MillisRange,
    /// At most this many series, else [`SourceError::TooMuch`]; 0 is no limit.
    pub limit: usize,
}

/// A series that was picked. The number is the source's own, good for as long as the [`SeriesSet`] is held.
#[derive(Clone, PartialEq, Debug)]
pub struct PickedSeries {
    /// The source's number.
    pub id: u64,
    /// What names it.
    pub labels: Labels,
}

/// Picked series and a consistent view of their samples.
pub trait SeriesSet: Send + Sync {
    /// The series, sorted by labels.
    fn series(&self) -> &[PickedSeries];

    /// Fills `into` (emptied first) with the samples of the series at `index` in the range, stale markers included.
    fn read(&self, index: usize, range: MillisRange, into: &mut SampleColumn) -> Result<(), SourceError>;
}

/// Where metric series are read from.
pub trait SeriesSource: Send + Sync {
    /// Picks series.
    fn select(&self, request: &SeriesRequest<'_>, control: &QueryControl) -> Result<Box<dyn SeriesSet>, SourceError>;

    /// Label names of matching series, sorted; of all series without matchers. Several matcher lists are a union.
    fn label_names(
        &self,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError>;

    /// Values of a label over matching series, sorted.
    fn label_values(
        &self,
        name: &str,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<SmolStr>, SourceError>;

    /// Metadata by family; of one family when `family` is not empty.
    fn metadata(&self, family: &str) -> Result<Vec<MetricMetadata>, SourceError>;

    /// Exemplars of matching series in the range, series by labels, each by time.
    fn exemplars(
        &self,
        any_of: &[Vec<Matcher>],
        range: MillisRange,
        control: &QueryControl,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, SourceError>;

    /// Earliest and latest sample; `None` when empty.
    fn samples_extent(&self) -> Option<TimeRange>;

    /// Changes whenever an answer could change.
    fn samples_revision(&self) -> u64;
}
