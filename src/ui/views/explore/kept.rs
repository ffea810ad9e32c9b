//! What the screen keeps in the settings of the workspace: the queries that were run.

/// Its key.
pub(super) const KEY: &str = "window_explore";
/// Queries that are kept.
const HISTORY: usize = 100;

/// See the module comment.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Kept {
    /// Queries that were run, latest last, none twice.
    pub history: Vec<String>,
}

impl Kept {
    /// Reads [`Kept::to_json`]; what is not understood is nothing.
    pub(super) fn read(text: &str) -> Self {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let queries = value["history"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self { history: queries.iter().filter_map(|query| query.as_str().map(str::to_owned)).collect() }
    }

    /// For the settings.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!({ "history": self.history }).to_string()
    }

    /// Puts a query at the end; true when that changed something.
    pub(super) fn remember(&mut self, query: &str) -> bool {
        let query = query.trim();
        if query.is_empty() || self.history.last().is_some_and(|last| last == query) {
            return false;
        }
        self.history.retain(|old| old != query);
        self.history.push(query.to_owned());
        let over = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..over);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_kept_once_latest_last_and_read_back() {
        let mut kept = Kept::default();
        assert!(kept.remember("up") && kept.remember("sum(up)") && kept.remember(" up ") && !kept.remember("up"));
        assert!(!kept.remember(" "));
        assert_eq!(kept.history, ["sum(up)", "up"]);
        assert_eq!(Kept::read(&kept.to_json()), kept);
        (0..300).for_each(|n| _ = kept.remember(&n.to_string()));
        assert_eq!((kept.history.len(), Kept::read("{").history.len()), (HISTORY, 0));
    }
}
