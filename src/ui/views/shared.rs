//! What the list of traces and the view of one trace have in common: the list one came from, and following the newest.

use crate::engine::{Query, SourceId};
use crate::model::TraceId;
use crate::search::SearchError;
use crate::source::SourceError;
use crate::ui::theme;
use egui::{Align, Area, Id, Layout, Order, Rect, Sense, Stroke, Ui, UiBuilder};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module comment. Clones share it.
#[derive(Clone, Default)]
pub struct ListShared(Arc<Mutex<ListState>>);

/// The list as it was shown last.
#[derive(Clone, Debug, Default)]
pub struct ListState {
    /// Source of the list.
    pub source: Option<SourceId>,
    /// Query of the list.
    pub query: String,
    /// Traces in the order of the list.
    pub traces: Vec<TraceId>,
    /// Traces that match, listed or not.
    pub total: u64,
    /// The trace view moves to each new match.
    pub follow: bool,
}

impl ListShared {
    /// The list.
    pub fn lock(&self) -> MutexGuard<'_, ListState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListState {
    /// Place of a trace in the list, from 0.
    pub fn position(&self, source: SourceId, id: TraceId) -> Option<usize> {
        (self.source == Some(source)).then(|| self.traces.iter().position(|other| *other == id)).flatten()
    }

    /// The trace `by` places further down, if there is one.
    pub fn beside(&self, source: SourceId, id: TraceId, by: isize) -> Option<TraceId> {
        let at = self.position(source, id)?.checked_add_signed(by)?;
        self.traces.get(at).copied()
    }
}

/// What a view shows of a failed search.
pub(crate) fn told(error: SearchError) -> SourceError {
    match error {
        SearchError::Source(error) => error,
        other => SourceError::Read(other.to_string()),
    }
}

/// A panel over the content, from the right, for windows too narrow to have it beside.
pub(crate) fn sheet(ui: &Ui, id: &str, rect: Rect, content: impl FnOnce(&mut Ui)) {
    let theme = theme::of(ui.ctx());
    Area::new(Id::unique(id)).fixed_pos(rect.min).order(Order::Middle).show(ui.ctx(), |ui| {
        ui.painter().rect_filled(rect, 0.0, theme.panel);
        ui.painter().vline(rect.left() + 0.5, rect.y_range(), Stroke::new(1.0, theme.hairline_strong));
        let mut child = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::top_down(Align::Min)));
        child.spacing_mut().item_spacing.y = 0.0;
        content(&mut child);
        ui.allocate_rect(rect, Sense::hover());
    });
}

/// The answer of a query that has just finished, which is idle afterwards.
pub(crate) fn finished<T>(query: &mut Query<T>) -> Option<Result<Arc<T>, SourceError>> {
    if !query.poll() {
        return None;
    }
    let answer = match query {
        Query::Ready(answer) => Some(Ok(answer.clone())),
        Query::Failed(error) => Some(Err(error.clone())),
        _ => None,
    };
    *query = Query::Idle;
    answer
}
