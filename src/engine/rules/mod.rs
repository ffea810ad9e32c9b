//! Rules live: groups are evaluated in their slots over the workspace's series, what they write goes back there, and what
//! fires goes through the routing of [`super::alerts`].
//!
//! One task knows when which group is due; a group is evaluated on a thread for blocking work, its rules one after the
//! other, each seeing what the one before wrote. A group that is still at work when it is due again misses that cycle,
//! which is counted. Rule files come from the control file or, read-only, from `--provision`.

mod evaluate;
mod schedule;

pub use schedule::{GroupView, RuleDesk};

use super::alerts::AlertsError;
use super::{Engine, EngineError, WeakEngine};
use crate::alerting::rules::file::{ReadOptions, RuleError, RuleFile};
use std::path::Path;
use std::time::Duration;

/// The task looks at least this often, for groups that were added and a clock that was set.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why something about rules was not done.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// There is no workspace or it can't be written.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    File(Vec<RuleError>),
    /// It was given on the command line and is read-only.
    #[error("{0} was given on the command line; change it there")]
    Provisioned(String),
}

/// What a folder of `--provision` gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// Rule files read.
    pub rule_files: usize,
    /// Rules in them.
    pub rules: usize,
    /// Whether there was an Alertmanager configuration.
    pub routes: bool,
    /// Files that are neither or wrong, with the reason.
    pub problems: Vec<String>,
}

/// Reads a rule file with PromQL's own checks.
pub fn read_rules(text: &str) -> Result<RuleFile, Vec<RuleError>> {
    let check = |expr: &str| crate::promql::parse(expr).map(drop).map_err(|error| error.to_string());
    RuleFile::parse(text, ReadOptions::default(), &check)
}

impl Engine {
    fn rule_desk(&self) -> Result<&RuleDesk, EngineError> {
        Ok(&self.live("evaluate rules")?.rules)
    }

    /// Takes over a rule file under a name, in place of the one of that name; the groups that stayed keep their state.
    pub fn set_rule_file(&self, name: &str, text: &str) -> Result<(), RulesError> {
        let file = read_rules(text).map_err(RulesError::File)?;
        self.rule_desk()?.set_file(name, file, super::now())
    }

    /// Forgets a rule file; its series are ended.
    pub fn remove_rule_file(&self, name: &str) -> Result<(), RulesError> {
        self.rule_desk()?.remove_file(name, super::now())
    }

    /// All groups with the state of their rules, by file and in order.
    pub fn rule_groups(&self) -> Result<Vec<GroupView>, EngineError> {
        Ok(self.rule_desk()?.view())
    }

    /// Reads the rule files and the Alertmanager configuration of a folder, read-only for as long as the program runs.
    pub fn provision(&self, folder: &Path) -> Result<Provisioned, EngineError> {
        let entries = std::fs::read_dir(folder)
            .map_err(|error| EngineError::File(format!("the folder cannot be read: {error}: {}", folder.display())))?;
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"));
        paths.sort();
        let mut done = Provisioned::default();
        for path in paths {
            let name = path.display().to_string();
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    done.problems.push(format!("{name}: {error}"));
                    continue;
                }
            };
            let is_routes =
                crate::wire::yaml::parse(&text).is_ok_and(|root| root.is_some_and(|root| root.get("route").is_some()));
            if is_routes {
                match self.set_routes(&text) {
                    Ok(()) => done.routes = true,
                    Err(AlertsError::Engine(error)) => return Err(error),
                    Err(error) => done.problems.push(format!("{name}: {error}")),
                }
                continue;
            }
            match read_rules(&text) {
                Ok(file) => {
                    done.rule_files += 1;
                    done.rules += file.groups.iter().map(|group| group.rules.len()).sum::<usize>();
                    self.rule_desk()?.provision(&name, file, super::now());
                }
                Err(errors) => done.problems.extend(errors.iter().map(|error| format!("{name}: {error}"))),
            }
        }
        Ok(done)
    }
}

/// Evaluates groups when they are due, until the engine ends.
pub(super) async fn evaluate_when_due(engine: WeakEngine) {
    loop {
        let Some(strong) = engine.upgrade() else { return };
        let Ok(desk) = strong.rule_desk() else { return };
        let now = super::now();
        for group in desk.take_due(now) {
            let engine = strong.clone();
            tokio::task::spawn_blocking(move || evaluate::evaluate(&engine, group, now));
        }
        let due = desk.next_due();
        let until = due.map_or(LOOK_EVERY, |due| Duration::from_nanos(due.since(now).0.max(0) as u64).min(LOOK_EVERY));
        let changed = desk.changed();
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(until) => {}
            () = changed.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
