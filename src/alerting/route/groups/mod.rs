//! Alerts in, decisions out: groups, their waits, and the stages that an alert passes at each flush.
//!
//! [`Router`] is the state that Alertmanager keeps in its dispatcher; [`Routing`] is the configuration it works by. Nothing
//! here reads a clock: [`Router::receive`] and [`Router::flush_due`] are told the moment, [`Router::next_due`] says when
//! to come back. A flush decides in this order, and says so for every alert: inhibited, outside the active intervals,
//! inside a mute interval, silenced, and for each channel of the receiver whether there is a [`Reason`] to send.
//!
//! A new group waits `group_wait` and is then flushed every `group_interval`; a group whose first alert is older than that
//! wait is flushed at once, so that a restart tells nobody late. Resolved alerts leave a group once a flush has seen them;
//! an empty group is gone. The decision to send and the log entry belong together: whoever commits a [`Flush`] stores both
//! in one transaction and delivers from there, so that a crash can neither lose a notification nor forget that it was sent.

use super::config::{Config, Integration, Receiver};
use super::inhibit::{InhibitRule, InhibitedBy, Inhibitor};
use super::interval::NamedIntervals;
use super::log::{self, LogEntry, LogKey, NotificationLog, Reason};
use super::silence::{Silence, Silences};
use super::tree::{Node, Tree};
use crate::alerting::alert::{Alert, Fingerprint};
use crate::model::{DurationNs, Labels, UnixNanos};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A way of a receiver to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    /// `webhook`, `slack`: the name of its list without `_configs`.
    pub integration: String,
    /// Place in that list.
    pub index: u32,
    /// Whether it hears of resolved alerts.
    pub sends_resolved: bool,
    /// Whether what is decided is sent; otherwise it is a rehearsal.
    pub armed: bool,
}

/// A configuration, made ready.
#[derive(Clone, PartialEq, Debug)]
pub struct Routing {
    /// Routes.
    pub tree: Tree,
    /// Inhibition rules in order.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Time intervals by name.
    pub intervals: HashMap<String, NamedIntervals>,
    /// Channels by receiver.
    pub channels: HashMap<String, Vec<Channel>>,
    /// After how long an alert that nobody ends is taken as ended.
    pub resolve_timeout: DurationNs,
}

impl Routing {
    /// From a configuration that was checked.
    pub fn new(config: &Config) -> Self {
        Self {
            tree: Tree::new(&config.route),
            inhibit_rules: config.inhibit_rules.clone(),
            intervals: config.time_intervals.iter().map(|named| (named.name.clone(), named.clone())).collect(),
            channels: config.receivers.iter().map(|one| (one.name.clone(), channels(one))).collect(),
            resolve_timeout: config.resolve_timeout,
        }
    }

    /// The names of those intervals of a list that the moment is in.
    fn holding<'a>(&self, names: &'a [String], now: UnixNanos) -> Vec<&'a String> {
        let inside = |name: &&String| self.intervals.get(*name).is_some_and(|interval| interval.contains(now));
        names.iter().filter(inside).collect()
    }

    /// Why a node says nothing at a moment: the mute intervals that hold, or the active intervals none of which does.
    pub fn muted_by(&self, node: &Node, now: UnixNanos) -> Vec<String> {
        let active = &node.options.active_time_intervals;
        if !active.is_empty() && self.holding(active, now).is_empty() {
            return active.clone();
        }
        self.holding(&node.options.mute_time_intervals, now).into_iter().cloned().collect()
    }
}

fn channels(receiver: &Receiver) -> Vec<Channel> {
    let channel = |one: &Integration| Channel {
        integration: one.kind.clone(),
        index: one.index,
        sends_resolved: one.sends_resolved,
        armed: receiver.armed,
    };
    receiver.integrations.iter().map(channel).collect()
}

/// Which group: a node of the tree and the labels that its alerts share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId {
    /// The node's place in the tree.
    pub node: usize,
    /// Shared labels.
    pub labels: Labels,
}

/// Alerts that are told of together.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// The key by which the log and receivers know it.
    pub key: String,
    /// Its alerts.
    pub alerts: BTreeSet<Fingerprint>,
    /// When it is flushed next.
    pub next_flush: UnixNanos,
    /// True once it was flushed.
    pub flushed: bool,
    /// Intervals that muted it at its last flush.
    pub muted_by: Vec<String>,
}

/// What became of an alert at a flush.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on to the channels.
    Passed,
    /// Another alert keeps it quiet.
    Inhibited(InhibitedBy),
    /// The route is muted, by these intervals.
    Muted(Vec<String>),
    /// Silences keep it quiet.
    Silenced(Vec<String>),
}

/// An alert at a flush.
#[derive(Clone, PartialEq, Debug)]
pub struct Flushed {
    /// The alert.
    pub alert: Arc<Alert>,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Whether it had ended by then.
    pub resolved: bool,
    /// What became of it.
    pub verdict: Verdict,
}

/// What was decided for one channel.
#[derive(Clone, PartialEq, Debug)]
pub struct ChannelDecision {
    /// Whom the log knows it as.
    pub key: LogKey,
    /// Why it is sent; `None` is that nothing new is to be told.
    pub reason: Option<Reason>,
    /// The entry that was written to the log with a reason.
    pub entry: Option<LogEntry>,
    /// Whether it is really sent. A rehearsal decides and logs the same.
    pub armed: bool,
    /// The alerts to send, as places in [`Flush::alerts`]; none where the log had to be brought up to date only.
    pub send: Vec<usize>,
}

/// A flush of a group and everything that was decided.
#[derive(Clone, PartialEq, Debug)]
pub struct Flush {
    /// When.
    pub at: UnixNanos,
    /// Which group.
    pub group: GroupId,
    /// The group's key.
    pub group_key: String,
    /// Whom the route tells.
    pub receiver: String,
    /// Its alerts in the order in which they are told.
    pub alerts: Vec<Flushed>,
    /// The receiver's channels.
    pub channels: Vec<ChannelDecision>,
    /// When the group is flushed next; `None` when it is over.
    pub next_flush: Option<UnixNanos>,
}

/// How an alert stands at a moment, as the API says it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AlertStatus {
    /// Silences by id.
    pub silenced_by: Vec<String>,
    /// Alerts.
    pub inhibited_by: Vec<Fingerprint>,
    /// Intervals, of the group that was asked for.
    pub muted_by: Vec<String>,
}

impl AlertStatus {
    /// `active` or `suppressed`.
    pub fn word(&self) -> &'static str {
        let quiet = !self.silenced_by.is_empty() || !self.inhibited_by.is_empty() || !self.muted_by.is_empty();
        if quiet { "suppressed" } else { "active" }
    }
}

/// What inhibits and silences at a moment, made ready for many alerts.
#[derive(Debug)]
pub struct Quiet<'a> {
    inhibitor: Inhibitor<'a>,
    silences: Vec<&'a Silence>,
}

impl Quiet<'_> {
    /// Whom an alert with these labels is inhibited by.
    pub fn inhibited_by(&self, labels: &Labels) -> Option<InhibitedBy> {
        self.inhibitor.inhibited_by(labels)
    }

    /// The silences that match, by id.
    pub fn silenced_by(&self, labels: &Labels) -> Vec<String> {
        self.silences.iter().filter(|silence| silence.matches(labels)).map(|silence| silence.id.clone()).collect()
    }

    /// Both.
    pub fn status(&self, labels: &Labels) -> AlertStatus {
        AlertStatus {
            silenced_by: self.silenced_by(labels),
            inhibited_by: self.inhibited_by(labels).into_iter().map(|by| by.source).collect(),
            muted_by: Vec::new(),
        }
    }
}

/// Alerts, groups, silences and the log.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Router {
    /// Alerts by fingerprint, resolved ones until no group holds them.
    pub alerts: HashMap<Fingerprint, Arc<Alert>>,
    /// Groups.
    pub groups: HashMap<GroupId, Group>,
    /// Silences.
    pub silences: Silences,
    /// What was sent.
    pub log: NotificationLog,
    /// Groups by when they are flushed next; entries of groups that moved or went are passed over.
    due: BTreeMap<UnixNanos, Vec<GroupId>>,
}

impl Router {
    /// Takes an alert in: merged with what is stored, put into its groups. The alert as it is stored now.
    pub fn receive(&mut self, routing: &Routing, alert: Alert, now: UnixNanos) -> Arc<Alert> {
        let fingerprint = alert.fingerprint();
        let stored = match self.alerts.get(&fingerprint) {
            Some(stored) => alert.replacing(stored, now),
            None => alert,
        };
        let stored = Arc::new(stored);
        self.alerts.insert(fingerprint, stored.clone());
        self.put_into_groups(routing, fingerprint, &stored, now);
        stored
    }

    fn put_into_groups(&mut self, routing: &Routing, fingerprint: Fingerprint, alert: &Alert, now: UnixNanos) {
        for node in routing.tree.route(&alert.labels) {
            let id = GroupId { node: node.index, labels: node.group_labels(&alert.labels) };
            if let Some(group) = self.groups.get_mut(&id) {
                group.alerts.insert(fingerprint);
                continue;
            }
            let old = alert.starts_at + node.options.group_wait < now;
            let next_flush = if old { now } else { now + node.options.group_wait };
            self.add_group(routing, id, next_flush, false, fingerprint);
        }
    }

    fn add_group(&mut self, routing: &Routing, id: GroupId, next_flush: UnixNanos, flushed: bool, first: Fingerprint) {
        let key = routing.tree.nodes[id.node].group_key(&id.labels);
        let alerts = BTreeSet::from([first]);
        self.due.entry(next_flush).or_default().push(id.clone());
        self.groups.insert(id, Group { key, alerts, next_flush, flushed, muted_by: Vec::new() });
    }

    /// Goes on under another configuration: every alert is put into its groups anew; a group that the new tree has too,
    /// by the path of its matchers and its labels, keeps its time.
    pub fn reroute(&mut self, before: &Routing, routing: &Routing, now: UnixNanos) {
        let times: HashMap<(String, Labels), (UnixNanos, bool)> = std::mem::take(&mut self.groups)
            .into_iter()
            .filter_map(|(id, group)| {
                let node = before.tree.nodes.get(id.node)?;
                Some(((node.id.clone(), id.labels), (group.next_flush, group.flushed)))
            })
            .collect();
        self.rebuild(routing, &times, now);
    }

    /// Puts all alerts into their groups, those of `times` (by the node's id and the group's labels) with the time that they
    /// had: after a restart, from what was stored.
    pub fn rebuild(&mut self, routing: &Routing, times: &HashMap<(String, Labels), (UnixNanos, bool)>, now: UnixNanos) {
        self.groups.clear();
        self.due.clear();
        let mut alerts: Vec<(Fingerprint, Arc<Alert>)> =
            self.alerts.iter().map(|(fingerprint, alert)| (*fingerprint, alert.clone())).collect();
        alerts.sort_by_key(|(fingerprint, _)| *fingerprint);
        for (fingerprint, alert) in alerts {
            self.put_into_groups(routing, fingerprint, &alert, now);
        }
        self.due.clear();
        for (id, group) in &mut self.groups {
            let key = (routing.tree.nodes[id.node].id.clone(), id.labels.clone());
            if let Some((next_flush, flushed)) = times.get(&key) {
                (group.next_flush, group.flushed) = (*next_flush, *flushed);
            }
            self.due.entry(group.next_flush).or_default().push(id.clone());
        }
    }

    /// When the next group is due.
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.due.keys().next().copied()
    }

    /// What keeps alerts quiet at the moment.
    pub fn quiet<'a>(&'a self, routing: &'a Routing, now: UnixNanos) -> Quiet<'a> {
        let alerts = self.alerts.iter().map(|(fingerprint, alert)| (*fingerprint, &**alert));
        Quiet { inhibitor: Inhibitor::new(&routing.inhibit_rules, alerts, now), silences: self.silences.active(now) }
    }

    /// Flushes every group that is due by now, in order of their times and keys. The log is written as decided.
    pub fn flush_due(&mut self, routing: &Routing, now: UnixNanos) -> Vec<Flush> {
        let mut due: Vec<(UnixNanos, GroupId)> = Vec::new();
        while let Some(first) = self.due.first_entry().filter(|first| *first.key() <= now) {
            let (time, ids) = first.remove_entry();
            let still = |id: &GroupId| self.groups.get(id).is_some_and(|group| group.next_flush == time);
            due.extend(ids.into_iter().filter(still).map(|id| (time, id)));
        }
        if due.is_empty() {
            return Vec::new();
        }
        due.sort();
        due.dedup();
        let mut flushes = {
            let quiet = self.quiet(routing, now);
            due.into_iter().map(|(_, id)| self.decide(routing, &quiet, id, now)).collect::<Vec<_>>()
        };
        for flush in &mut flushes {
            self.commit(routing, flush, now);
        }
        flushes
    }

    /// What a flush of a group would do at the moment; nothing is changed.
    pub fn decide(&self, routing: &Routing, quiet: &Quiet<'_>, id: GroupId, now: UnixNanos) -> Flush {
        let node = &routing.tree.nodes[id.node];
        let group = &self.groups[&id];
        let muted_by = routing.muted_by(node, now);
        let mut alerts: Vec<Flushed> = group
            .alerts
            .iter()
            .filter_map(|fingerprint| Some((*fingerprint, self.alerts.get(fingerprint)?.clone())))
            .map(|(fingerprint, alert)| {
                let verdict = if let Some(by) = quiet.inhibited_by(&alert.labels) {
                    Verdict::Inhibited(by)
                } else if !muted_by.is_empty() {
                    Verdict::Muted(muted_by.clone())
                } else {
                    let silences = quiet.silenced_by(&alert.labels);
                    if silences.is_empty() { Verdict::Passed } else { Verdict::Silenced(silences) }
                };
                Flushed { resolved: alert.is_resolved(now), alert, fingerprint, verdict }
            })
            .collect();
        alerts.sort_by(|left, right| left.alert.listed_before(&right.alert));
        let channels = routing.channels.get(&node.options.receiver).map_or(&[][..], Vec::as_slice);
        let decisions = channels.iter().map(|channel| self.decide_channel(node, &group.key, channel, &alerts, now)).collect();
        Flush {
            at: now,
            group_key: group.key.clone(),
            receiver: node.options.receiver.clone(),
            alerts,
            channels: decisions,
            next_flush: Some(now + node.options.group_interval),
            group: id,
        }
    }

    fn decide_channel(
        &self,
        node: &Node,
        group_key: &str,
        channel: &Channel,
        alerts: &[Flushed],
        now: UnixNanos,
    ) -> ChannelDecision {
        let key = LogKey {
            group_key: group_key.to_owned(),
            receiver: node.options.receiver.clone(),
            integration: channel.integration.clone(),
            index: channel.index,
        };
        let passed = || alerts.iter().enumerate().filter(|(_, one)| one.verdict == Verdict::Passed);
        let of = |resolved: bool| -> BTreeSet<Fingerprint> {
            passed().filter(|(_, one)| one.resolved == resolved).map(|(_, one)| one.fingerprint).collect()
        };
        let (firing, resolved) = (of(false), of(true));
        let repeat = node.options.repeat_interval;
        // A group of which every alert is kept quiet has nothing to tell, not even that it is over.
        let reason = if firing.is_empty() && resolved.is_empty() {
            None
        } else {
            log::reason(self.log.get(&key, now), &firing, &resolved, channel.sends_resolved, repeat, now)
        };
        let send = match reason {
            None => Vec::new(),
            Some(_) => passed().filter(|(_, one)| channel.sends_resolved || !one.resolved).map(|(place, _)| place).collect(),
        };
        let entry = reason.map(|_| LogEntry { at: now, firing, resolved, expires_at: log::expiry(now, repeat) });
        ChannelDecision { key, reason, entry, armed: channel.armed, send }
    }

    fn commit(&mut self, routing: &Routing, flush: &mut Flush, now: UnixNanos) {
        for channel in &flush.channels {
            if let Some(entry) = &channel.entry {
                self.log.put(channel.key.clone(), entry.clone());
            }
        }
        let Some(group) = self.groups.get_mut(&flush.group) else { return };
        for one in flush.alerts.iter().filter(|one| one.resolved) {
            group.alerts.remove(&one.fingerprint);
        }
        if group.alerts.is_empty() {
            self.groups.remove(&flush.group);
            flush.next_flush = None;
            return;
        }
        let node = &routing.tree.nodes[flush.group.node];
        group.next_flush = now + node.options.group_interval;
        group.flushed = true;
        group.muted_by = routing.muted_by(node, now);
        self.due.entry(group.next_flush).or_default().push(flush.group.clone());
    }

    /// Drops resolved alerts that no group holds; their fingerprints.
    pub fn collect_resolved(&mut self, now: UnixNanos) -> Vec<Fingerprint> {
        let held: BTreeSet<Fingerprint> = self.groups.values().flat_map(|group| group.alerts.iter().copied()).collect();
        let over = |(fingerprint, alert): (&Fingerprint, &Arc<Alert>)| {
            (alert.is_resolved(now) && !held.contains(fingerprint)).then_some(*fingerprint)
        };
        let mut gone: Vec<Fingerprint> = self.alerts.iter().filter_map(over).collect();
        gone.sort();
        for fingerprint in &gone {
            self.alerts.remove(fingerprint);
        }
        gone
    }
}

#[cfg(test)]
mod tests;
