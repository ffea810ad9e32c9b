//! Which groups there are, when each is due, and the state that they keep.

use super::RulesError;
use crate::alerting::rules::file::RuleFile;
use crate::alerting::rules::group::{GroupDefaults, GroupState, ReadyGroup, ready_groups};
use crate::engine::EngineError;
use crate::engine::served::Served;
use crate::model::{DurationNs, UnixNanos};
use crate::promql::histogram;
use crate::store::{RecordChange, Workspace};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

const RULE_FILE: &str = "rule_file";

/// A group with its state, to read.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// As made ready.
    pub group: Arc<ReadyGroup>,
    /// What is remembered.
    pub state: GroupState,
    /// How long the last evaluation took.
    pub took: DurationNs,
    /// How long each rule's took.
    pub rules_took: Vec<DurationNs>,
    /// True when it was given on the command line.
    pub provisioned: bool,
}

/// A group at work or waiting.
pub(super) struct LiveGroup {
    pub(super) group: Arc<ReadyGroup>,
    pub(super) state: GroupState,
    pub(super) took: DurationNs,
    pub(super) rules_took: Vec<DurationNs>,
    /// Evaluations since the start; waiting alerts are restored after the second.
    pub(super) evaluations: u32,
}

struct Entry {
    live: Arc<Mutex<LiveGroup>>,
    next: UnixNanos,
    interval: DurationNs,
    provisioned: bool,
}

/// See the module comment.
pub struct RuleDesk {
    served: Served,
    defaults: GroupDefaults,
    entries: Mutex<Vec<Entry>>,
    changed: Arc<Notify>,
}

/// A group that is due, for the slot that it is due in.
pub(super) struct Due {
    pub(super) live: Arc<Mutex<LiveGroup>>,
    pub(super) at: UnixNanos,
    pub(super) missed: u64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RuleDesk {
    /// Reads the rule files of the served workspace.
    pub fn open(served: Served, now: UnixNanos) -> Self {
        let defaults = GroupDefaults::new(histogram::text);
        let desk = Self { served, defaults, entries: Mutex::default(), changed: Arc::new(Notify::new()) };
        desk.read(&desk.served.now(), now);
        desk
    }

    /// Reads those of another workspace, which is served from now on. What was provisioned stays.
    pub fn reopen(&self, now: UnixNanos) {
        lock(&self.entries).retain(|entry| entry.provisioned);
        self.read(&self.served.now(), now);
        self.changed.notify_one();
    }

    fn read(&self, workspace: &Workspace, now: UnixNanos) {
        let records = workspace.records(RULE_FILE).unwrap_or_else(|error| {
            tracing::error!(%error, "the rules are not read");
            Vec::new()
        });
        for record in records {
            let (name, text) = (String::from_utf8_lossy(&record.key), String::from_utf8_lossy(&record.value));
            match super::read_rules(&text) {
                Ok(file) => self.replace(&name, Some(&file), false, now),
                Err(errors) => tracing::error!(file = &*name, ?errors, "stored rules are not read"),
            }
        }
    }

    /// What holds for all groups.
    pub(super) fn defaults(&self) -> &GroupDefaults {
        &self.defaults
    }

    /// Tells when groups were added or taken away.
    pub(super) fn changed(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    /// When the next group is due.
    pub(super) fn next_due(&self) -> Option<UnixNanos> {
        lock(&self.entries).iter().map(|entry| entry.next).min()
    }

    /// The groups that are due by now, each moved on to its next slot.
    pub(super) fn take_due(&self, now: UnixNanos) -> Vec<Due> {
        let mut due = Vec::new();
        for entry in lock(&self.entries).iter_mut().filter(|entry| entry.next <= now) {
            let Ok(mut live) = entry.live.try_lock() else {
                // Still at work on the slot before: this one is missed, and counted by the next.
                entry.next = entry.next + entry.interval;
                continue;
            };
            let at = live.group.slot(now);
            let interval = live.group.interval.0.max(1);
            let missed = live.state.evaluated_at.map_or(0, |last| (at.since(last).0 / interval - 1).max(0) as u64);
            live.state.missed += missed;
            (entry.next, entry.interval) = (UnixNanos(at.0 + interval), DurationNs(interval));
            due.push(Due { live: entry.live.clone(), at, missed });
        }
        due
    }

    /// All groups, to read.
    pub fn view(&self) -> Vec<GroupView> {
        let entries: Vec<(Arc<Mutex<LiveGroup>>, bool)> =
            lock(&self.entries).iter().map(|entry| (entry.live.clone(), entry.provisioned)).collect();
        let view = |(live, provisioned): (Arc<Mutex<LiveGroup>>, bool)| {
            let live = lock(&live);
            GroupView {
                group: live.group.clone(),
                state: live.state.clone(),
                took: live.took,
                rules_took: live.rules_took.clone(),
                provisioned,
            }
        };
        let mut all: Vec<GroupView> = entries.into_iter().map(view).collect();
        all.sort_by(|left, right| left.group.file.cmp(&right.group.file));
        all
    }

    /// Takes a file over, on disk first.
    pub(super) fn set_file(&self, name: &str, file: RuleFile, now: UnixNanos) -> Result<(), RulesError> {
        self.refuse_provisioned(name)?;
        let value = file.source.clone().into_bytes();
        self.write(RecordChange::Put { kind: RULE_FILE, key: name.as_bytes().to_vec(), value })?;
        self.replace(name, Some(&file), false, now);
        Ok(())
    }

    /// Forgets a file.
    pub(super) fn remove_file(&self, name: &str, now: UnixNanos) -> Result<(), RulesError> {
        self.refuse_provisioned(name)?;
        self.write(RecordChange::Remove { kind: RULE_FILE, key: name.as_bytes().to_vec() })?;
        self.replace(name, None, false, now);
        Ok(())
    }

    /// Takes a file of the command line over.
    pub(super) fn provision(&self, name: &str, file: RuleFile, now: UnixNanos) {
        self.replace(name, Some(&file), true, now);
    }

    fn refuse_provisioned(&self, name: &str) -> Result<(), RulesError> {
        let taken = lock(&self.entries).iter().any(|entry| entry.provisioned && lock(&entry.live).group.file == name);
        if taken { Err(RulesError::Provisioned(name.to_owned())) } else { Ok(()) }
    }

    fn write(&self, change: RecordChange) -> Result<(), EngineError> {
        let written = self.served.now().change_records(vec![change]);
        written.and_then(|written| written.wait()).map_err(|error| EngineError::Workspace(error.to_string()))
    }

    fn replace(&self, name: &str, file: Option<&RuleFile>, provisioned: bool, now: UnixNanos) {
        let groups = file.map(|file| ready_groups(name, file, &self.defaults)).unwrap_or_default();
        let mut entries = lock(&self.entries);
        let mut before: Vec<Entry> = Vec::new();
        let mut index = 0;
        while index < entries.len() {
            let is_its = lock(&entries[index].live).group.file == name;
            if is_its { before.push(entries.remove(index)) } else { index += 1 }
        }
        for group in groups {
            let known = before.iter().position(|entry| lock(&entry.live).group.name == group.name);
            let entry = match known {
                Some(place) => {
                    let entry = before.remove(place);
                    let (next, interval) = (UnixNanos(group.slot(now).0 + group.interval.0), group.interval);
                    {
                        let mut live = lock(&entry.live);
                        live.state = live.state.carried_over(&live.group, &group);
                        live.group = Arc::new(group);
                    }
                    Entry { next, interval, provisioned, ..entry }
                }
                None => {
                    let (next, interval) = (UnixNanos(group.slot(now).0 + group.interval.0), group.interval);
                    let state = GroupState::new(&group, false);
                    let live = LiveGroup {
                        rules_took: vec![DurationNs(0); group.rules.len()],
                        group: Arc::new(group),
                        state,
                        took: DurationNs(0),
                        evaluations: 0,
                    };
                    Entry { live: Arc::new(Mutex::new(live)), next, interval, provisioned }
                }
            };
            entries.push(entry);
        }
        drop(entries);
        self.changed.notify_one();
    }
}
