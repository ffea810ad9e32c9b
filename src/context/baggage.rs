//! Baggage: names and values that travel with a request, by the OpenTelemetry baggage API.
//!
//! One value a name, case matters, any UTF-8. Immutable in use: [`Baggage::with`] gives another one. Empty costs nothing.

use smol_str::SmolStr;

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Name, a token of RFC 7230 when it came over HTTP.
    pub name: SmolStr,
    /// Value, decoded.
    pub value: SmolStr,
    /// Properties behind the value, verbatim and opaque (`ttl=30;internal`).
    pub metadata: SmolStr,
}

/// See the module comment. Entries keep the order in which their names first came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Baggage(Vec<Entry>);

impl Baggage {
    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|entry| entry.name == name).map(|entry| entry.value.as_str())
    }

    /// Entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The baggage with `name` set.
    #[must_use]
    pub fn with(&self, name: impl Into<SmolStr>, value: impl Into<SmolStr>) -> Self {
        let mut other = self.clone();
        other.set(Entry { name: name.into(), value: value.into(), metadata: SmolStr::default() });
        other
    }

    /// The baggage without `name`.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|entry| entry.name != name).cloned().collect())
    }

    /// Puts an entry in; the last one under a name stands, at the place of the first. For the formats, while they read.
    pub(super) fn set(&mut self, entry: Entry) {
        match self.0.iter_mut().find(|old| old.name == entry.name) {
            Some(old) => *old = entry,
            None => self.0.push(entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_a_name_and_the_original_stays_as_it_was() {
        let first = Baggage::default().with("user", "ana").with("tier", "gold");
        let second = first.with("user", "ben");
        assert_eq!(first.get("user"), Some("ana"));
        assert_eq!(second.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["user", "tier"]);
        assert_eq!(second.get("user"), Some("ben"));
        assert_eq!(second.get("USER"), None);
        assert_eq!(second.without("user").len(), 1);
    }
}
