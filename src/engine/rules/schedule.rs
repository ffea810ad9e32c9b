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

impl LiveGroup {
    fn view(&self, provisioned: bool) -> GroupView {
        GroupView {
            group: self.group.clone(),
            state: self.state.clone(),
            took: self.took,
            rules_took: self.rules_took.clone(),
            provisioned,
        }
    }
}

/// Where a group stands. The work is locked for as long as an evaluation takes, which may be long; nobody else waits for
/// it: readers read what the last evaluation left, and an edit waits in its place until the work is free.
pub(super) struct Slot {
    work: Mutex<LiveGroup>,
    shown: Mutex<Arc<GroupView>>,
    edited: Mutex<Option<Arc<ReadyGroup>>>,
}

impl Slot {
    fn new(group: ReadyGroup, provisioned: bool) -> Self {
        let live = LiveGroup {
            rules_took: vec![DurationNs(0); group.rules.len()],
            state: GroupState::new(&group, false),
            group: Arc::new(group),
            took: DurationNs(0),
            evaluations: 0,
        };
        let shown = Mutex::new(Arc::new(live.view(provisioned)));
        Self { work: Mutex::new(live), shown, edited: Mutex::default() }
    }

    /// Works on the group, as it was edited last; afterwards readers see what came out.
    pub(super) fn work(&self, work: impl FnOnce(&mut LiveGroup)) {
        let mut live = lock(&self.work);
        self.take_edit(&mut live);
        work(&mut live);
        self.take_edit(&mut live);
        self.show(&live);
    }

    /// Replaces the group by an edited one, at once or when it is no longer at work.
    fn edit(&self, group: ReadyGroup, provisioned: bool) {
        *lock(&self.edited) = Some(Arc::new(group));
        if let Ok(mut live) = self.work.try_lock() {
            self.take_edit(&mut live);
            *lock(&self.shown) = Arc::new(live.view(provisioned));
        }
    }

    fn take_edit(&self, live: &mut LiveGroup) {
        if let Some(group) = lock(&self.edited).take() {
            live.state = live.state.carried_over(&live.group, &group);
            live.rules_took.resize(group.rules.len(), DurationNs(0));
            live.group = group;
        }
    }

    fn show(&self, live: &LiveGroup) {
        let mut shown = lock(&self.shown);
        *shown = Arc::new(live.view(shown.provisioned));
    }
}

struct Entry {
    slot: Arc<Slot>,
    file: String,
    name: String,
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
    pub(super) slot: Arc<Slot>,
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
            let Ok(mut live) = entry.slot.work.try_lock() else {
                // Still at work on the slot before: this one is missed, and counted by the next.
                entry.next = entry.next + entry.interval;
                continue;
            };
            let at = live.group.slot(now);
            let interval = live.group.interval.0.max(1);
            let missed = live.state.evaluated_at.map_or(0, |last| (at.since(last).0 / interval - 1).max(0) as u64);
            live.state.missed += missed;
            (entry.next, entry.interval) = (UnixNanos(at.0 + interval), DurationNs(interval));
            due.push(Due { slot: entry.slot.clone(), at, missed });
        }
        due
    }

    /// All groups as their last evaluations left them. Waits for none that is at work.
    pub fn view(&self) -> Vec<GroupView> {
        let shown: Vec<Arc<GroupView>> = lock(&self.entries).iter().map(|entry| lock(&entry.slot.shown).clone()).collect();
        let mut all: Vec<GroupView> = shown.into_iter().map(Arc::unwrap_or_clone).collect();
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
        let taken = lock(&self.entries).iter().any(|entry| entry.provisioned && entry.file == name);
        if taken { Err(RulesError::Provisioned(name.to_owned())) } else { Ok(()) }
    }

    fn write(&self, change: RecordChange) -> Result<(), EngineError> {
        let written = self.served.now().change_records(vec![change]);
        written.and_then(|written| written.wait()).map_err(|error| EngineError::Workspace(error.to_string()))
    }

    fn replace(&self, name: &str, file: Option<&RuleFile>, provisioned: bool, now: UnixNanos) {
        let groups = file.map(|file| ready_groups(name, file, &self.defaults)).unwrap_or_default();
        let mut entries = lock(&self.entries);
        let (mut before, others): (Vec<Entry>, Vec<Entry>) = entries.drain(..).partition(|entry| entry.file == name);
        entries.extend(others);
        for group in groups {
            let (next, interval) = (UnixNanos(group.slot(now).0 + group.interval.0), group.interval);
            let known = before.iter().position(|entry| entry.name == group.name);
            let entry = match known {
                Some(place) => {
                    let entry = before.remove(place);
                    entry.slot.edit(group, provisioned);
                    Entry { next, interval, provisioned, ..entry }
                }
                None => {
                    let (file, name) = (name.to_owned(), group.name.clone());
                    Entry { slot: Arc::new(Slot::new(group, provisioned)), file, name, next, interval, provisioned }
                }
            };
            entries.push(entry);
        }
        drop(entries);
        self.changed.notify_one();
    }
}
