//! What is read of each span when a segment is searched: the columns that a predicate looks at.

use crate::source::{AttrScope, Field, Predicate};
use smol_str::SmolStr;

/// What is read of each span; times, kind, status, resource and scope always are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Projection {
    /// Everything, flags and dropped counts too.
    pub(crate) whole: bool,
    pub(crate) name: bool,
    pub(crate) status_message: bool,
    pub(crate) ids: bool,
    pub(crate) parents: bool,
    pub(crate) events: bool,
    pub(crate) links: bool,
    /// Span attributes by key; `None` is all.
    pub(crate) keys: Option<Vec<SmolStr>>,
}

impl Projection {
    /// Everything.
    pub(crate) fn whole() -> Self {
        Self { whole: true, name: true, status_message: true, ids: true, parents: true, events: true, links: true, keys: None }
    }

    /// No more than what is always read.
    pub(crate) fn least() -> Self {
        Self { keys: Some(Vec::new()), ..Self::default() }
    }

    /// What a predicate looks at.
    pub(crate) fn of(predicate: &Predicate) -> Self {
        let mut projection = Self::least();
        projection.add(predicate);
        projection
    }

    fn add(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::All => {}
            Predicate::Compare(field, ..) | Predicate::Exists(field) => self.add_field(field),
            Predicate::And(one, other) | Predicate::Or(one, other) => {
                self.add(one);
                self.add(other);
            }
            Predicate::Not(inner) => self.add(inner),
        }
    }

    /// Adds what a field needs.
    pub(crate) fn add_field(&mut self, field: &Field) {
        match field {
            Field::Name => self.name = true,
            Field::StatusMessage => self.status_message = true,
            Field::SpanId => self.ids = true,
            Field::ParentId => self.parents = true,
            Field::EventName | Field::Attr(AttrScope::Event, _) => self.events = true,
            Field::Attr(AttrScope::Link, _) => self.links = true,
            Field::Attr(AttrScope::Any | AttrScope::Span, key) => {
                if let Some(keys) = &mut self.keys {
                    keys.push(key.clone());
                }
            }
            Field::AnyText => {
                (self.name, self.status_message) = (true, true);
                self.keys = None;
            }
            Field::Attr(AttrScope::Resource | AttrScope::Scope, _)
            | Field::Service
            | Field::Kind
            | Field::Status
            | Field::Duration
            | Field::TraceId
            | Field::ScopeName
            | Field::ScopeVersion => {}
        }
    }
}
