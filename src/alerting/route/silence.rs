//! Silences: from one moment to another, alerts that match are kept quiet.
//!
//! Rules of Alertmanager 0.34 (`silence/silence.go`): a silence has one or more sets of matchers, any of which is enough;
//! each set has a matcher that the empty string does not satisfy. An edit keeps the id only when the matchers stay and the
//! past is not rewritten; any other edit ends the old silence and makes a new one, so that what was silenced when stays
//! on record. Deleting is ending now; ended silences are kept for [`DATA_RETENTION`].

use super::log::DATA_RETENTION;
use super::matcher::Matchers;
use crate::alerting::alert::Annotations;
use crate::model::{Labels, UnixNanos};
use std::collections::BTreeMap;

/// A silence.
#[derive(Clone, PartialEq, Debug)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// Any of these sets is enough.
    pub matcher_sets: Vec<Matchers>,
    /// First moment.
    pub starts_at: UnixNanos,
    /// First moment after.
    pub ends_at: UnixNanos,
    /// Last edit.
    pub updated_at: UnixNanos,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Anything else.
    pub annotations: Annotations,
}

/// Where a silence is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SilenceState {
    /// Keeps quiet now.
    Active,
    /// Will.
    Pending,
    /// Did.
    Expired,
}

impl SilenceState {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

/// Why a silence is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SilenceError {
    /// No such id.
    #[error("silence not found")]
    NotFound,
    /// No matchers at all.
    #[error("invalid silence: at least one matcher set required")]
    NoMatchers,
    /// An empty set.
    #[error("invalid silence: matcher set {0} is empty")]
    EmptySet(usize),
    /// A matcher without a name.
    #[error("invalid silence: invalid label matcher {matcher} in set {set}: invalid label name \"\"")]
    NoName {
        /// The set.
        set: usize,
        /// The matcher in it.
        matcher: usize,
    },
    /// It would silence everything.
    #[error("invalid silence: matcher set {0}: at least one matcher must not match the empty string")]
    MatchesEverything(usize),
    /// It ends before it starts.
    #[error("invalid silence: end time must not be before start time")]
    EndsBeforeStart,
}

impl Silence {
    /// Where it is in its life.
    pub fn state(&self, now: UnixNanos) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now > self.ends_at {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    /// True when one of its sets matches.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matcher_sets.iter().any(|set| set.matches(labels))
    }

    fn check(&self) -> Result<(), SilenceError> {
        if self.matcher_sets.is_empty() {
            return Err(SilenceError::NoMatchers);
        }
        for (index, set) in self.matcher_sets.iter().enumerate() {
            if set.is_empty() {
                return Err(SilenceError::EmptySet(index));
            }
            if let Some(matcher) = set.0.iter().position(|matcher| matcher.name.is_empty()) {
                return Err(SilenceError::NoName { set: index, matcher });
            }
            if set.0.iter().all(|matcher| matcher.matches_value("")) {
                return Err(SilenceError::MatchesEverything(index));
            }
        }
        if self.ends_at < self.starts_at { Err(SilenceError::EndsBeforeStart) } else { Ok(()) }
    }

    /// Whether `edited` may take this one's place under the same id.
    fn can_become(&self, edited: &Self, now: UnixNanos) -> bool {
        const SECOND: i64 = 1_000_000_000;
        self.matcher_sets == edited.matcher_sets
            && match self.state(now) {
                SilenceState::Active => {
                    self.starts_at.0.div_euclid(SECOND) == edited.starts_at.0.div_euclid(SECOND) && edited.ends_at >= now
                }
                SilenceState::Pending => edited.starts_at >= now,
                SilenceState::Expired => false,
            }
    }

    fn end(&mut self, now: UnixNanos) {
        match self.state(now) {
            SilenceState::Expired => return,
            SilenceState::Active => self.ends_at = now,
            SilenceState::Pending => (self.starts_at, self.ends_at) = (now, now),
        }
        self.updated_at = now;
    }
}

/// All silences by id.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Silences {
    by_id: BTreeMap<String, Silence>,
}

impl Silences {
    /// Puts a stored silence back.
    pub fn restore(&mut self, silence: Silence) {
        self.by_id.insert(silence.id.clone(), silence);
    }

    /// Adds a silence (empty id) or edits one. The id under which it is now, and every silence that changed, to be stored:
    /// the new one, and the old one where it had to be ended. `new_id` is used if one is needed.
    pub fn set(&mut self, mut wanted: Silence, now: UnixNanos, new_id: String) -> Result<(String, Vec<Silence>), SilenceError> {
        wanted.check()?;
        let before = if wanted.id.is_empty() { None } else { Some(self.by_id.get(&wanted.id).ok_or(SilenceError::NotFound)?) };
        wanted.updated_at = now;
        if before.is_some_and(|before| before.can_become(&wanted, now)) {
            self.restore(wanted.clone());
            return Ok((wanted.id.clone(), vec![wanted]));
        }
        let mut changed = Vec::new();
        if before.is_some_and(|before| before.state(now) != SilenceState::Expired)
            && let Some(old) = self.by_id.get_mut(&wanted.id)
        {
            old.end(now);
            changed.push(old.clone());
        }
        wanted.id = new_id;
        wanted.starts_at = wanted.starts_at.max(now);
        self.restore(wanted.clone());
        changed.push(wanted.clone());
        Ok((wanted.id, changed))
    }

    /// Ends a silence now; the silence as it is then.
    pub fn expire(&mut self, id: &str, now: UnixNanos) -> Result<Silence, SilenceError> {
        let silence = self.by_id.get_mut(id).ok_or(SilenceError::NotFound)?;
        silence.end(now);
        Ok(silence.clone())
    }

    /// One by id.
    pub fn get(&self, id: &str) -> Option<&Silence> {
        self.by_id.get(id)
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values()
    }

    /// Those that keep quiet at the moment, by id.
    pub fn active(&self, now: UnixNanos) -> Vec<&Silence> {
        self.by_id.values().filter(|silence| silence.state(now) == SilenceState::Active).collect()
    }

    /// Drops those that ended longer ago than the retention; their ids.
    pub fn forget_expired(&mut self, now: UnixNanos) -> Vec<String> {
        let gone: Vec<String> =
            self.by_id.values().filter(|silence| silence.ends_at + DATA_RETENTION < now).map(|s| s.id.clone()).collect();
        for id in &gone {
            self.by_id.remove(id);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::route::matcher;

    const SECOND: i64 = 1_000_000_000;

    fn silence(id: &str, matchers: &[&str], starts: i64, ends: i64) -> Silence {
        Silence {
            id: id.to_owned(),
            matcher_sets: matchers.iter().map(|text| matcher::parse(text).unwrap().0).collect(),
            starts_at: UnixNanos(starts * SECOND),
            ends_at: UnixNanos(ends * SECOND),
            updated_at: UnixNanos(0),
            created_by: "ana".to_owned(),
            comment: "deploy".to_owned(),
            annotations: Annotations::new(),
        }
    }

    fn at(seconds: i64) -> UnixNanos {
        UnixNanos(seconds * SECOND)
    }

    #[test]
    fn a_silence_lives_from_its_start_to_its_end() {
        let silence = silence("a", &["a=b", "c=d"], 10, 20);
        for (moment, state) in
            [(9, SilenceState::Pending), (10, SilenceState::Active), (20, SilenceState::Active), (21, SilenceState::Expired)]
        {
            assert_eq!(silence.state(at(moment)), state);
        }
        assert!(silence.matches(&Labels::new([("c", "d")])), "any set is enough");
        assert!(!silence.matches(&Labels::new([("c", "x")])));
    }

    #[test]
    fn what_would_silence_everything_or_nothing_is_refused() {
        let mut all = Silences::default();
        for (wanted, words) in [
            (silence("", &[], 1, 2), "invalid silence: at least one matcher set required"),
            (silence("", &["{}"], 1, 2), "invalid silence: matcher set 0 is empty"),
            (
                silence("", &["a=b", "c=~\".*\""], 1, 2),
                "invalid silence: matcher set 1: at least one matcher must not match the empty string",
            ),
            (silence("", &["a=b"], 3, 2), "invalid silence: end time must not be before start time"),
            (silence("nobody", &["a=b"], 1, 2), "silence not found"),
        ] {
            assert_eq!(all.set(wanted, at(0), "n".to_owned()).unwrap_err().to_string(), words);
        }
        assert_eq!(all.iter().count(), 0);
    }

    #[test]
    fn an_edit_keeps_the_id_only_when_the_past_stays() {
        for (case, edited, now, keeps) in [
            ("longer, while active", silence("a", &["a=b"], 10, 30), 15, true),
            ("ends in the past", silence("a", &["a=b"], 10, 12), 15, false),
            ("other start, while active", silence("a", &["a=b"], 11, 30), 15, false),
            ("other start, while pending", silence("a", &["a=b"], 12, 30), 5, true),
            ("start in the past, while pending", silence("a", &["a=b"], 3, 30), 5, false),
            ("other matchers", silence("a", &["a=c"], 10, 20), 15, false),
            ("expired", silence("a", &["a=b"], 10, 40), 30, false),
        ] {
            let mut all = Silences::default();
            all.restore(silence("a", &["a=b"], 10, 20));
            let (id, changed) = all.set(edited, at(now), "new".to_owned()).unwrap();
            assert_eq!(id == "a", keeps, "{case}");
            let expired_before = now > 20;
            assert_eq!(changed.len(), if keeps || expired_before { 1 } else { 2 }, "{case}");
            if !keeps {
                assert!(all.get("a").unwrap().ends_at <= at(now.max(20)), "{case}: the old one is over");
                assert!(all.get("new").unwrap().starts_at >= at(now), "{case}: the new one starts now at the earliest");
            }
        }
    }

    #[test]
    fn deleting_ends_now_and_the_record_stays_for_a_while() {
        let mut all = Silences::default();
        all.restore(silence("a", &["a=b"], 10, 20));
        all.restore(silence("p", &["a=b"], 100, 200));
        assert_eq!(all.expire("a", at(15)).unwrap().ends_at, at(15));
        let pending = all.expire("p", at(15)).unwrap();
        assert_eq!((pending.starts_at, pending.ends_at), (at(15), at(15)));
        assert_eq!(all.expire("x", at(15)), Err(SilenceError::NotFound));
        assert_eq!(all.active(at(16)).len(), 0);
        assert_eq!(all.forget_expired(at(15) + DATA_RETENTION), Vec::<String>::new());
        assert_eq!(all.forget_expired(at(16) + DATA_RETENTION).len(), 2);
    }
}
