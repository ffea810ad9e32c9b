//! What the program remembers in a workspace: settings, recent files, hidden traces, allowed origins, pins.
//!
//! Each is one JSON text under one key of the control file. An engine without a workspace remembers until it ends. A text
//! that cannot be read (written by a newer program, say) counts as absent and is left alone until something is set.

use super::{EngineError, stored_predicate};
use crate::model::{TraceId, TraceSummary, UnixNanos};
use crate::source::{Comparison, Field, Literal, Predicate};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Recent files that are kept.
pub const RECENT: usize = 20;

/// Where settings are kept.
pub trait SettingStore: Send + Sync {
    /// The text under a key.
    fn get(&self, key: &str) -> Option<String>;
    /// Keeps a text under a key; the error is for people.
    fn set(&self, key: &str, value: &str) -> Result<(), String>;
}

/// Settings that end with the program.
#[derive(Default)]
pub struct MemorySettings(Mutex<BTreeMap<String, String>>);

impl SettingStore for MemorySettings {
    fn get(&self, key: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn set(&self, key: &str, value: &str) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

/// A file that was opened before.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentFile {
    /// Where it is, or was.
    pub path: PathBuf,
    /// When it was opened last.
    pub opened: UnixNanos,
}

/// "Hide like this": traces whose root matches are left out of lists.
#[derive(Clone, Debug, PartialEq)]
pub struct HiddenRule {
    /// Names the rule for [`crate::engine::Engine::unhide`].
    pub id: u32,
    /// For people: `GET /healthz of gateway`.
    pub label: String,
    /// Spans that are hidden.
    pub predicate: Predicate,
}

impl HiddenRule {
    /// True for a trace whose root's service and name meet the rule. Conditions on other fields are not met by a summary.
    pub fn hides(&self, trace: &TraceSummary) -> bool {
        meets(&self.predicate, trace)
    }
}

fn meets(predicate: &Predicate, trace: &TraceSummary) -> bool {
    match predicate {
        Predicate::And(left, right) => meets(left, trace) && meets(right, trace),
        Predicate::Or(left, right) => meets(left, trace) || meets(right, trace),
        Predicate::Compare(field, comparison, Literal::Text(text)) => {
            let value = match field {
                Field::Service => &trace.root_service,
                Field::Name => &trace.root_name,
                _ => return false,
            };
            match comparison {
                Comparison::Eq => value == text,
                Comparison::Ne => value != text,
                Comparison::Contains => value.to_lowercase().contains(&text.to_lowercase()),
                _ => false,
            }
        }
        _ => false,
    }
}

/// Size and age at which retention drops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// Bytes of the workspace's files.
    pub bytes: u64,
    /// Age by receipt.
    pub age: Duration,
}

impl Retention {
    /// From the setting's text; the store's defaults where it says nothing.
    pub fn read(text: Option<&str>) -> Self {
        let defaults = crate::store::Options::default();
        let value: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
        let number = |key: &str| value.as_ref().and_then(|value| value.get(key)?.as_u64()).filter(|number| *number > 0);
        Self {
            bytes: number("bytes").unwrap_or(defaults.disk_limit),
            age: number("age_s").map_or(defaults.max_age, Duration::from_secs),
        }
    }

    /// The setting's text.
    pub fn to_json(self) -> String {
        json!({"bytes": self.bytes, "age_s": self.age.as_secs()}).to_string()
    }
}

/// Typed access to the settings of one workspace.
#[derive(Clone)]
pub struct Settings(pub Arc<dyn SettingStore>);

impl Settings {
    fn json(&self, key: &str) -> Option<Value> {
        self.0.get(key).and_then(|text| serde_json::from_str(&text).ok())
    }

    fn list(&self, key: &str) -> Vec<Value> {
        match self.json(key) {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        }
    }

    fn put(&self, key: &str, value: &Value) -> Result<(), String> {
        self.0.set(key, &value.to_string())
    }

    /// Files opened before, latest first.
    pub fn recent(&self) -> Vec<RecentFile> {
        let read = |value: &Value| {
            let path = PathBuf::from(value.get("path")?.as_str()?);
            Some(RecentFile { path, opened: UnixNanos(value.get("opened")?.as_i64()?) })
        };
        self.list("recent_files").iter().filter_map(read).collect()
    }

    /// Puts a file first in the list of recent ones.
    pub fn note_recent(&self, path: &Path, opened: UnixNanos) -> Result<(), String> {
        let mut files = self.recent();
        files.retain(|file| file.path != path);
        files.insert(0, RecentFile { path: path.to_owned(), opened });
        files.truncate(RECENT);
        self.put_recent(&files)
    }

    /// Takes a file out of the list.
    pub fn forget_recent(&self, path: &Path) -> Result<(), String> {
        let mut files = self.recent();
        files.retain(|file| file.path != path);
        self.put_recent(&files)
    }

    fn put_recent(&self, files: &[RecentFile]) -> Result<(), String> {
        let entry = |file: &RecentFile| json!({"path": file.path.to_string_lossy(), "opened": file.opened.0});
        self.put("recent_files", &files.iter().map(entry).collect())
    }

    /// Rules of "Hide like this", in the order they were made.
    pub fn hidden(&self) -> Vec<HiddenRule> {
        let read = |value: &Value| {
            Some(HiddenRule {
                id: value.get("id")?.as_u64()?.try_into().ok()?,
                label: value.get("label")?.as_str()?.to_owned(),
                predicate: stored_predicate::from_json(value.get("predicate")?)?,
            })
        };
        self.list("hidden").iter().filter_map(read).collect()
    }

    /// Adds a rule and answers its number.
    pub fn hide(&self, label: &str, predicate: Predicate) -> Result<u32, String> {
        let mut rules = self.hidden();
        let id = rules.iter().map(|rule| rule.id).max().unwrap_or(0) + 1;
        rules.push(HiddenRule { id, label: label.to_owned(), predicate });
        self.put_hidden(&rules)?;
        Ok(id)
    }

    /// Takes a rule away.
    pub fn unhide(&self, id: u32) -> Result<(), String> {
        let mut rules = self.hidden();
        rules.retain(|rule| rule.id != id);
        self.put_hidden(&rules)
    }

    fn put_hidden(&self, rules: &[HiddenRule]) -> Result<(), String> {
        let entry = |rule: &HiddenRule| json!({"id": rule.id, "label": rule.label, "predicate": stored_predicate::to_json(&rule.predicate)});
        self.put("hidden", &rules.iter().map(entry).collect())
    }

    /// Texts under a key that holds a list of them.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// Replaces a list of texts.
    pub fn put_texts(&self, key: &str, texts: &[String]) -> Result<(), String> {
        self.put(key, &json!(texts))
    }

    /// The user's list of masked keys, or the standard one.
    pub fn masked_keys(&self) -> Vec<String> {
        if self.0.get(REDACTION).is_none() { super::doors::standard_masked_keys() } else { self.texts(REDACTION) }
    }

    /// The token of clients from other machines, made with `make` on first use, and whether that was now.
    pub fn remote_token(&self, make: impl FnOnce() -> Result<String, EngineError>) -> Result<(String, bool), EngineError> {
        if let Some(Value::String(token)) = self.json(TOKEN) {
            return Ok((token, false));
        }
        let token = make()?;
        self.put(TOKEN, &json!(token)).map_err(EngineError::Setting)?;
        Ok((token, true))
    }

    /// Adds a text to a list, once, at its end.
    pub fn add_text(&self, key: &str, text: &str) -> Result<(), String> {
        let mut texts = self.texts(key);
        if !texts.iter().any(|known| known == text) {
            texts.push(text.to_owned());
        }
        self.put(key, &json!(texts))
    }

    /// Takes a text out of a list.
    pub fn remove_text(&self, key: &str, text: &str) -> Result<(), String> {
        let mut texts = self.texts(key);
        texts.retain(|known| known != text);
        self.put(key, &json!(texts))
    }

    /// Traces that retention leaves alone.
    pub fn pinned(&self) -> Vec<TraceId> {
        self.texts(PINNED).iter().filter_map(|text| text.parse().ok()).collect()
    }
}

/// Key of the retention limits.
pub const RETENTION: &str = "retention";
/// Key of the pinned traces.
pub const PINNED: &str = "pinned_traces";
/// Key of the list of keys that are masked; absent for the standard list.
pub const REDACTION: &str = "redaction";
/// Key of the bearer token of clients from other machines.
const TOKEN: &str = "remote_token";
/// Key of the origins that the user allowed.
pub const ORIGINS: &str = "allowed_origins";

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings(Arc::new(MemorySettings::default()))
    }

    #[test]
    fn recent_files_are_latest_first_once_and_twenty() {
        let settings = settings();
        for number in 0..25 {
            settings.note_recent(Path::new(&format!("/f{number}")), UnixNanos(number)).unwrap();
        }
        settings.note_recent(Path::new("/f20"), UnixNanos(99)).unwrap();
        settings.forget_recent(Path::new("/f24")).unwrap();
        let files = settings.recent();
        assert_eq!(files.len(), RECENT - 1);
        assert_eq!(files[0], RecentFile { path: "/f20".into(), opened: UnixNanos(99) });
        assert_eq!(files[1].path, Path::new("/f23"));
    }

    #[test]
    fn a_hidden_rule_is_kept_and_meets_the_root_of_its_traces() {
        let settings = settings();
        let probe = Predicate::equals(Field::Service, "gateway").and(Predicate::equals(Field::Name, "GET /healthz"));
        let first = settings.hide("probes", probe).unwrap();
        let second = settings.hide("other", Predicate::equals(Field::Name, "x")).unwrap();
        assert_ne!(first, second);
        let trace = |service: &str, name: &str| TraceSummary {
            root_service: service.into(),
            root_name: name.into(),
            ..TraceSummary::default()
        };
        let rule = &settings.hidden()[0];
        assert!(rule.hides(&trace("gateway", "GET /healthz")));
        assert!(!rule.hides(&trace("gateway", "GET /cart")));
        assert!(!rule.hides(&trace("cart", "GET /healthz")));
        settings.unhide(first).unwrap();
        assert_eq!(settings.hidden().len(), 1);
    }

    #[test]
    fn retention_is_written_and_read_back_and_has_defaults() {
        let retention = Retention { bytes: 1 << 30, age: Duration::from_secs(86_400) };
        assert_eq!(Retention::read(Some(&retention.to_json())), retention);
        let defaults = Retention::read(None);
        assert_eq!((defaults.bytes, defaults.age), (5_000_000_000, Duration::from_secs(14 * 86_400)));
        assert_eq!(Retention::read(Some("{\"bytes\": 0}")), defaults);
    }

    #[test]
    fn a_setting_that_is_not_what_it_should_be_counts_as_absent() {
        let settings = settings();
        settings.0.set("hidden", "{not json").unwrap();
        settings.0.set("recent_files", "[1, {\"path\": 2}]").unwrap();
        assert!(settings.hidden().is_empty());
        assert!(settings.recent().is_empty());
    }
}
