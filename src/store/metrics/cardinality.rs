//! How many series there are, and by what: the figures that tell which metric or label to tame.

use super::Metrics;
use super::block::SeriesBits;
use crate::model::Door;
use crate::model::labels::METRIC_NAME;
use crate::store::shared::read_lock;
use smol_str::SmolStr;

/// See the module comment. Lists are largest first, equal ones by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cardinality {
    /// Series there are.
    pub series: u64,
    /// Series with a sample that is not sealed yet: those of the last two hours. The rest has ended.
    pub active: u64,
    /// Series by metric name.
    pub names: Vec<(SmolStr, u64)>,
    /// Different values by label.
    pub labels: Vec<(SmolStr, u64)>,
    /// Series by label and value.
    pub pairs: Vec<(SmolStr, SmolStr, u64)>,
    /// Series by the door that they first came by.
    pub doors: Vec<(Door, u64)>,
    /// Series that may come by one door.
    pub limit: u64,
}

impl Metrics {
    /// Counts, with lists of at most `most` lines.
    pub(crate) fn cardinality(&self, most: usize) -> Cardinality {
        let view = self.view();
        let mut active = SeriesBits::default();
        view.frozen.iter().chain([&view.active]).flat_map(|head| head.series()).for_each(|id| active.insert(id));
        let index = read_lock(&self.index);
        let named = index.values(METRIC_NAME).into_iter().flatten();
        let names = named.map(|(name, series)| (name.clone(), series.len() as u64)).collect();
        let labels = index.labels().iter().map(|(label, values)| (label.clone(), values.len() as u64)).collect();
        let all =
            index.labels().iter().flat_map(|(label, values)| values.iter().map(move |(value, list)| (label, value, list)));
        let mut pairs: Vec<(&SmolStr, &SmolStr, u64)> =
            all.map(|(label, value, list)| (label, value, list.len() as u64)).collect();
        pairs.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
        pairs.truncate(most);
        let doors = Door::ALL.into_iter().map(|door| (door, index.of_door(door) as u64)).filter(|(_, series)| *series > 0);
        Cardinality {
            series: index.len() as u64,
            active: active.len() as u64,
            names: largest(names, most),
            labels: largest(labels, most),
            pairs: pairs.into_iter().map(|(label, value, series)| (label.clone(), value.clone(), series)).collect(),
            doors: doors.collect(),
            limit: self.series_limit(),
        }
    }
}

fn largest(mut list: Vec<(SmolStr, u64)>, most: usize) -> Vec<(SmolStr, u64)> {
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.truncate(most);
    list
}
