//! The state of alerts of the served workspace, read from its control file and written back change by change.
//!
//! A change is decided in memory first, because the next one may depend on it, and handed over for writing under the same
//! lock. When it turns out that it was not written, memory is read anew from the file: what was decided but not kept never
//! counts, so that a notification that nobody got is decided again.

use super::AlertsError;
use super::rows::{self, AlertRow, GroupRow, LogRow, RoutesRow, Row, SilenceRow};
use crate::alerting::alert::{AlertError, Fingerprint, PostedAlert};
use crate::alerting::route::config::Config;
use crate::alerting::route::groups::{Flush, GroupId, Router, Routing};
use crate::alerting::route::log::{DATA_RETENTION, Reason};
use crate::alerting::route::payload::webhook_body;
use crate::alerting::route::silence::Silence;
use crate::engine::EngineError;
use crate::engine::notify;
use crate::engine::served::Served;
use crate::model::{Labels, UnixNanos};
use crate::notify::outbox::{Delivery, Sink};
use crate::store::{RecordChange, StoreError, Workspace, Written};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Until somebody brings a configuration: alerts by name, told to nobody.
const DEFAULT_ROUTES: &str = "route: {receiver: default, group_by: [alertname]}\nreceivers: [{name: default}]\n";
/// Revisions of the configuration that are kept.
const REVISIONS: u64 = 1_000;

/// What became of posted alerts.
#[derive(Debug, Default)]
pub struct PostedOutcome {
    /// Taken in.
    pub accepted: usize,
    /// Why others were not.
    pub refused: Vec<AlertError>,
}

/// Everything about alerts at a moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment.
    pub now: UnixNanos,
    /// The configuration.
    pub config: Arc<Config>,
    /// The same, made ready.
    pub routing: Arc<Routing>,
    /// Alerts, groups, silences, log.
    pub router: Router,
}

struct State {
    config: Arc<Config>,
    routing: Arc<Routing>,
    revision: u64,
    router: Router,
    /// Numbers notifications of the same moment.
    notifications: u64,
    /// A change was not written and the file could not be read since: what is here may never have been.
    stale: bool,
}

/// See the module comment.
pub struct AlertDesk {
    served: Served,
    state: Mutex<State>,
    changed: Arc<Notify>,
}

fn failed(error: StoreError) -> EngineError {
    EngineError::Workspace(error.to_string())
}

impl AlertDesk {
    /// Reads the state of the served workspace.
    pub fn open(served: Served, now: UnixNanos) -> Result<Self, EngineError> {
        let state = read(&served.now(), now).map_err(failed)?;
        Ok(Self { served, state: Mutex::new(state), changed: Arc::new(Notify::new()) })
    }

    /// Reads the state of another workspace, which is served from now on.
    pub fn reopen(&self, now: UnixNanos) -> Result<(), EngineError> {
        let state = read(&self.served.now(), now).map_err(failed)?;
        *self.lock() = state;
        self.changed.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, to be changed: read anew first when it is not what the file says.
    fn lock_to_change(&self, now: UnixNanos) -> Result<MutexGuard<'_, State>, EngineError> {
        let mut state = self.lock();
        if state.stale {
            self.read_anew(&mut state, now).map_err(failed)?;
        }
        Ok(state)
    }

    /// Hands changes over while the state is locked, so that they are written in the order in which they were decided.
    fn submit(&self, changes: Vec<RecordChange>) -> Result<Written, StoreError> {
        self.served.now().change_records(changes)
    }

    /// Waits until a change is on disk. One that is not written is taken back in memory.
    fn kept(&self, written: Result<Written, StoreError>, now: UnixNanos) -> Result<(), EngineError> {
        let Err(error) = written.and_then(Written::wait) else { return Ok(()) };
        let mut state = self.lock();
        if let Err(unread) = self.read_anew(&mut state, now) {
            tracing::error!(%unread, "alerts are not read anew after a change was not written; tried again before the next");
            state.stale = true;
        }
        self.changed.notify_one();
        Err(failed(error))
    }

    /// Reads the state from the file, once everything that was handed over before is written or refused.
    fn read_anew(&self, state: &mut State, now: UnixNanos) -> Result<(), StoreError> {
        // An empty change comes after all others: when it is answered, so are they.
        self.submit(Vec::new()).and_then(Written::wait).ok();
        let notifications = state.notifications;
        *state = read(&self.served.now(), now)?;
        state.notifications = notifications;
        Ok(())
    }

    /// Tells when the next group may be due earlier than before.
    pub fn changed(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    /// When the next group is due.
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.lock().router.next_due()
    }

    /// The configuration.
    pub fn config(&self) -> Arc<Config> {
        self.lock().config.clone()
    }

    /// Everything, to read.
    pub fn snapshot(&self, now: UnixNanos) -> Snapshot {
        let state = self.lock();
        Snapshot { now, config: state.config.clone(), routing: state.routing.clone(), router: state.router.clone() }
    }

    /// Takes alerts in.
    pub fn post(&self, posted: Vec<PostedAlert>, now: UnixNanos) -> Result<PostedOutcome, EngineError> {
        let mut outcome = PostedOutcome::default();
        let written = {
            let mut state = self.lock_to_change(now)?;
            let state = &mut *state;
            let before = state.router.next_due();
            let mut changes = Vec::with_capacity(posted.len());
            for posted in posted {
                match posted.accept(now, state.routing.resolve_timeout) {
                    Ok(alert) => {
                        let fingerprint = alert.fingerprint();
                        let stored = state.router.receive(&state.routing, alert, now);
                        changes.push(AlertRow::from(&*stored).put(fingerprint));
                        outcome.accepted += 1;
                    }
                    Err(error) => outcome.refused.push(error),
                }
            }
            if changes.is_empty() {
                return Ok(outcome);
            }
            if state.router.next_due() != before {
                self.changed.notify_one();
            }
            self.submit(changes)
        };
        self.kept(written, now)?;
        Ok(outcome)
    }

    /// Makes or edits a silence.
    pub fn set_silence(&self, silence: Silence, now: UnixNanos, new_id: String) -> Result<String, AlertsError> {
        let (id, written) = {
            let mut state = self.lock_to_change(now)?;
            let (id, changed) = state.router.silences.set(silence, now, new_id)?;
            let changes = changed.iter().map(|silence| SilenceRow::from(silence).put(&silence.id)).collect();
            (id, self.submit(changes))
        };
        self.kept(written, now)?;
        Ok(id)
    }

    /// Ends a silence.
    pub fn expire_silence(&self, id: &str, now: UnixNanos) -> Result<(), AlertsError> {
        let written = {
            let mut state = self.lock_to_change(now)?;
            let silence = state.router.silences.expire(id, now)?;
            self.submit(vec![SilenceRow::from(&silence).put(id)])
        };
        self.kept(written, now)?;
        Ok(())
    }

    /// Takes a configuration over. A receiver that was armed stays so only when nothing about it changed.
    pub fn set_routes(&self, text: &str, now: UnixNanos) -> Result<(), AlertsError> {
        let mut config = Config::parse(text).map_err(AlertsError::Config)?;
        let written = {
            let mut state = self.lock_to_change(now)?;
            for receiver in &mut config.receivers {
                let before = state.config.receiver(&receiver.name);
                receiver.armed = before.is_some_and(|before| before.armed && before.same_channels(receiver));
            }
            self.take_over(&mut state, config, now)
        };
        self.kept(written, now)?;
        Ok(())
    }

    /// Arms or disarms a receiver.
    pub fn arm(&self, name: &str, armed: bool, now: UnixNanos) -> Result<(), AlertsError> {
        let written = {
            let mut state = self.lock_to_change(now)?;
            let mut config = (*state.config).clone();
            let receiver = config.receivers.iter_mut().find(|receiver| receiver.name == name);
            receiver.ok_or_else(|| AlertsError::NoReceiver(name.to_owned()))?.armed = armed;
            self.take_over(&mut state, config, now)
        };
        self.kept(written, now)?;
        Ok(())
    }

    fn take_over(&self, state: &mut State, config: Config, now: UnixNanos) -> Result<Written, StoreError> {
        let routing = Arc::new(Routing::new(&config));
        state.router.reroute(&state.routing, &routing, now);
        state.revision += 1;
        let armed = config.receivers.iter().filter(|receiver| receiver.armed).map(|receiver| receiver.name.clone());
        let row = RoutesRow { text: config.source.clone(), armed: armed.collect(), at: now.0 };
        let mut changes = vec![row.put(state.revision), RecordChange::RemoveAll { kind: rows::GROUP }];
        if let Some(oldest) = state.revision.checked_sub(REVISIONS) {
            changes.push(RecordChange::RemoveBefore { kind: rows::ROUTES, key: RoutesRow::key(oldest) });
        }
        (state.config, state.routing) = (Arc::new(config), routing);
        let flushed = state.router.groups.iter().filter(|(_, group)| group.flushed);
        changes.extend(flushed.map(|(id, _)| group_change(state, id)));
        self.changed.notify_one();
        self.submit(changes)
    }

    /// Flushes what is due and forgets what is over; with what is to be delivered, which was stored in the same transaction.
    pub fn flush(&self, now: UnixNanos) -> Result<(Vec<Flush>, Vec<Delivery>), EngineError> {
        let mut deliveries = Vec::new();
        let (flushes, written) = {
            let mut state = self.lock_to_change(now)?;
            let state = &mut *state;
            let flushes = state.router.flush_due(&state.routing, now);
            let mut changes = Vec::new();
            for flush in &flushes {
                let node = &state.routing.tree.nodes[flush.group.node];
                changes.push(group_change(state, &flush.group));
                for channel in &flush.channels {
                    let Some(entry) = &channel.entry else { continue };
                    changes.push(LogRow::new(&channel.key, entry).put(&channel.key));
                    state.notifications += 1;
                    let body = webhook_body(flush, node, channel, "", 0);
                    let key = notification_key(now, state.notifications);
                    if channel.armed && !channel.send.is_empty() {
                        let sink = Sink {
                            receiver: channel.key.receiver.clone(),
                            integration: channel.key.integration.clone(),
                            index: channel.key.index,
                        };
                        let unheard = channel.reason == Some(Reason::FirstNotification);
                        let delivery = match notify::decided(&key, sink, unheard, &body, now) {
                            Ok(delivery) => delivery,
                            Err(error) => {
                                // Nothing of this flush was handed over.
                                state.stale = true;
                                return Err(EngineError::Workspace(error.to_string()));
                            }
                        };
                        changes.push(notify::put(&delivery));
                        deliveries.push(delivery);
                    }
                    let value = json!({
                        "at": now.to_rfc3339(), "receiver": channel.key.receiver, "integration": channel.key.integration,
                        "index": channel.key.index, "armed": channel.armed, "body": body,
                    });
                    let value = value.to_string().into_bytes();
                    changes.push(RecordChange::Put { kind: rows::NOTIFICATION, key, value });
                }
            }
            for fingerprint in state.router.collect_resolved(now) {
                changes.push(AlertRow::remove(fingerprint));
            }
            for key in state.router.log.forget_expired(now) {
                changes.push(LogRow::remove(&key));
            }
            for id in state.router.silences.forget_expired(now) {
                changes.push(SilenceRow::remove(&id));
            }
            if changes.is_empty() {
                return Ok((flushes, deliveries));
            }
            let key = notification_key(now - DATA_RETENTION, 0);
            changes.push(RecordChange::RemoveBefore { kind: notify::DELIVERY, key: notify::id(&key).into_bytes() });
            changes.push(RecordChange::RemoveBefore { kind: rows::NOTIFICATION, key });
            (flushes, self.submit(changes))
        };
        self.kept(written, now)?;
        Ok((flushes, deliveries))
    }
}

/// By time, then number.
fn notification_key(at: UnixNanos, number: u64) -> Vec<u8> {
    [at.0.max(0).to_be_bytes(), number.to_be_bytes()].concat()
}

fn group_change(state: &State, id: &GroupId) -> RecordChange {
    let route = &state.routing.tree.nodes[id.node].id;
    match state.router.groups.get(id) {
        Some(group) => GroupRow::new(route, id, group).put((route, &id.labels)),
        None => GroupRow::remove((route, &id.labels)),
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(kind: &str, value: &'a [u8]) -> Option<T> {
    let read = serde_json::from_slice(value);
    if let Err(error) = &read {
        tracing::error!(kind, %error, "a stored record is not read");
    }
    read.ok()
}

fn read(workspace: &Workspace, now: UnixNanos) -> Result<State, StoreError> {
    let stored = workspace.records(rows::ROUTES)?;
    let (mut revision, mut text, mut armed) = (0, DEFAULT_ROUTES.to_owned(), BTreeSet::new());
    if let Some(record) = stored.last()
        && let Some(row) = parse::<RoutesRow>(rows::ROUTES, &record.value)
    {
        revision = record.key.as_slice().try_into().map_or(0, u64::from_be_bytes);
        (text, armed) = (row.text, row.armed.into_iter().collect());
    }
    let mut config = match Config::parse(&text).or_else(|error| {
        tracing::error!(%error, "the stored routes are not read; alerts are told to nobody");
        Config::parse(DEFAULT_ROUTES)
    }) {
        Ok(config) => config,
        Err(error) => return Err(StoreError::Damaged(error.to_string())),
    };
    for receiver in &mut config.receivers {
        receiver.armed = armed.contains(&receiver.name);
    }
    let routing = Routing::new(&config);
    let mut router = Router::default();
    for record in workspace.records(rows::ALERT)? {
        if let Some(alert) = parse::<AlertRow<'_>>(rows::ALERT, &record.value).map(AlertRow::into_alert) {
            router.alerts.insert(Fingerprint::of(&alert.labels), Arc::new(alert));
        }
    }
    for record in workspace.records(rows::SILENCE)? {
        if let Some(silence) = parse::<SilenceRow>(rows::SILENCE, &record.value).and_then(SilenceRow::into_silence) {
            router.silences.restore(silence);
        }
    }
    for record in workspace.records(rows::LOG)? {
        if let Some((key, entry)) = parse::<LogRow>(rows::LOG, &record.value).map(LogRow::into_entry) {
            router.log.put(key, entry);
        }
    }
    let mut times = HashMap::new();
    for record in workspace.records(rows::GROUP)? {
        if let Some(row) = parse::<GroupRow>(rows::GROUP, &record.value) {
            times.insert((row.route, Labels::new(row.labels)), (UnixNanos(row.next_flush), row.flushed));
        }
    }
    router.rebuild(&routing, &times, now);
    Ok(State { config: Arc::new(config), routing: Arc::new(routing), revision, router, notifications: 0, stale: false })
}
