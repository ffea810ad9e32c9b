//! Delivery of notifications: rows of the control file, the task that sends what is due, test sends, history.
//!
//! A row is written with the decision, marked `sending` on disk before its request leaves, and ended on disk after the
//! answer; so a `kill -9` at any moment loses no notification, and what is sent twice has the same deduplication key and id.
//! Only armed receivers send; a receiver that is disarmed withdraws what waits. A test is sent at once, armed or not, because
//! a person asked for it; it is kept in the history and never tried again.

mod send;
#[cfg(test)]
mod tests;

use super::alerts::{AlertsError, NOTIFICATION};
use super::live::Live;
use super::{Engine, EngineError, WeakEngine};
use crate::alerting::route::config::{Config, Integration};
use crate::model::UnixNanos;
use crate::notify::channel::{Answer, Channel, ChannelError, Envelope, Settings};
use crate::notify::message::{Message, cut_bytes};
use crate::notify::outbox::{Delivery, DeliveryState, Outbox, Sink, Try};
use crate::notify::policy::{DEADLINE, Verdict};
use crate::store::{RecordChange, StoreError, Workspace};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Kind of the records.
pub(super) const DELIVERY: &str = "delivery";
/// The task looks at least this often, for a clock that was set and a machine that slept.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// So much of a request and of an answer is kept.
const SHOWN_BYTES: usize = 4 << 10;

/// What waits, in memory.
pub(super) struct Post {
    outbox: Mutex<Outbox>,
    changed: Arc<Notify>,
    /// In place of the system's randomness, for runs that repeat.
    random: OnceLock<u64>,
    /// In place of [`send::WITHIN`].
    within: OnceLock<Duration>,
}

/// The record of a delivery has the key of its notification.
fn key(id: &str) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// A row for a delivery.
pub(super) fn put(delivery: &Delivery) -> RecordChange {
    RecordChange::Put { kind: DELIVERY, key: key(&delivery.id), value: serde_json::to_vec(delivery).unwrap_or_default() }
}

/// The id of what is stored under a notification's key.
pub(super) fn id(notification: &[u8]) -> String {
    notification.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A notification that was decided for an armed channel.
pub(super) fn decided(
    notification: &[u8],
    sink: Sink,
    unheard: bool,
    body: &Value,
    now: UnixNanos,
) -> Result<Delivery, serde_json::Error> {
    let body = RawValue::from_string(body.to_string())?;
    let message = Message::read(&body)?;
    Ok(Delivery {
        id: id(notification),
        sink,
        dedup_key: dedup_key(&message.group_key),
        fires: message.fires(),
        alerts: message.fingerprints(),
        unheard,
        state: DeliveryState::Waiting,
        tries: 0,
        decided_ns: now.0,
        next_ns: now.0,
        deadline_ns: (now + DEADLINE).0,
        ended_ns: None,
        error: None,
        history: Vec::new(),
        body: Some(Arc::from(body)),
    })
}

/// The hash by which Alertmanager names a group to PagerDuty and others, so that what it opened is resolved from here.
fn dedup_key(group_key: &str) -> String {
    id(ring::digest::digest(&ring::digest::SHA256, group_key.as_bytes()).as_ref())
}

#[derive(Deserialize)]
struct StoredNotification {
    body: Box<RawValue>,
}

fn read(workspace: &Workspace) -> Result<Outbox, StoreError> {
    let mut open: Vec<Delivery> = Vec::new();
    for record in workspace.records(DELIVERY)? {
        match serde_json::from_slice::<Delivery>(&record.value) {
            Ok(delivery) if delivery.state.is_open() => open.push(delivery),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a stored delivery is not read"),
        }
    }
    let mut outbox = Outbox::default();
    if open.is_empty() {
        return Ok(outbox);
    }
    let bodies: HashMap<String, Vec<u8>> =
        workspace.records(NOTIFICATION)?.into_iter().map(|record| (id(&record.key), record.value)).collect();
    for mut delivery in open {
        let stored = bodies.get(&delivery.id).and_then(|value| serde_json::from_slice::<StoredNotification>(value).ok());
        delivery.body = stored.map(|stored| Arc::from(stored.body));
        outbox.add(delivery);
    }
    Ok(outbox)
}

impl Post {
    /// Reads what waits in a workspace.
    pub(super) fn open(workspace: &Workspace) -> Result<Self, StoreError> {
        Ok(Self {
            outbox: Mutex::new(read(workspace)?),
            changed: Arc::default(),
            random: OnceLock::new(),
            within: OnceLock::new(),
        })
    }

    /// Goes on with another workspace.
    pub(super) fn reopen(&self, workspace: &Workspace) -> Result<(), StoreError> {
        let outbox = read(workspace)?;
        *self.lock() = outbox;
        self.changed.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn within(&self) -> Duration {
        self.within.get().copied().unwrap_or(send::WITHIN)
    }

    /// Takes over what was stored with its decision.
    pub(super) fn add(&self, deliveries: Vec<Delivery>) {
        if !deliveries.is_empty() {
            let mut outbox = self.lock();
            deliveries.into_iter().for_each(|delivery| outbox.add(delivery));
            self.changed.notify_one();
        }
    }
}

fn read_file(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// A channel of a configuration, ready to send.
fn channel(config: &Config, integration: &Integration) -> Result<Channel, ChannelError> {
    let settings = Settings { own: &integration.settings, global: config.global.as_ref(), read: &read_file };
    Channel::read(&integration.kind, settings)
}

/// Whether everything of a receiver can be sent to.
pub(super) fn check(config: &Config, name: &str) -> Result<(), AlertsError> {
    let receiver = config.receiver(name).ok_or_else(|| AlertsError::NoReceiver(name.to_owned()))?;
    for one in &receiver.integrations {
        channel(config, one).map_err(|ChannelError(reason)| AlertsError::Channel {
            receiver: name.to_owned(),
            channel: format!("{}[{}]", one.kind, one.index),
            reason,
        })?;
    }
    Ok(())
}

/// The channel of a sink, if its receiver is armed.
fn armed(config: &Config, sink: &Sink) -> Result<Channel, String> {
    let receiver = config.receiver(&sink.receiver).ok_or("the receiver is not there any more")?;
    if !receiver.armed {
        return Err("the receiver is not armed any more".to_owned());
    }
    let same = |one: &&Integration| (one.kind.as_str(), one.index) == (sink.integration.as_str(), sink.index);
    let integration = receiver.integrations.iter().find(same).ok_or("the receiver has no such channel any more")?;
    channel(config, integration).map_err(|ChannelError(reason)| reason)
}

/// Tries once: what it means and what to remember.
async fn attempt(channel: &Channel, id: &str, dedup_key: &str, body: &RawValue, within: Duration) -> (Verdict, Option<Try>) {
    let now = super::now();
    let request = match channel.request(&Envelope { id, dedup_key, now, body }) {
        Ok(request) => request,
        Err(ChannelError(reason)) => return (Verdict::Never { reason }, None),
    };
    let started = Instant::now();
    let got = send::send(&request, within).await;
    let took_ns = started.elapsed().as_nanos() as i64;
    let (verdict, status, answer) = match &got {
        Ok(got) => {
            let answer = Answer { status: got.status, retry_after: got.retry_after.as_deref(), body: &got.body };
            let said = String::from_utf8_lossy(&got.body).into_owned();
            (channel.judge(&answer, super::now()), Some(got.status), said)
        }
        Err(reason) => (Verdict::Later { reason: reason.clone(), pause: None }, None, reason.clone()),
    };
    let verdict = match verdict {
        Verdict::Later { reason, pause } => Verdict::Later { reason: channel.masked(&reason), pause },
        Verdict::Never { reason } => Verdict::Never { reason: channel.masked(&reason) },
        Verdict::Delivered => Verdict::Delivered,
    };
    let shown = |text: &str| cut_bytes(text, SHOWN_BYTES);
    let (request, answer) = (shown(&channel.shown(&request)), shown(&channel.masked(&answer)));
    (verdict, Some(Try { at_ns: now.0, took_ns, request, status, answer }))
}

/// Writes rows; returns when they are on disk.
async fn store(live: &Live, changed: &[Delivery]) -> Result<(), EngineError> {
    let (workspace, changes) = (live.served.now(), changed.iter().map(put).collect::<Vec<_>>());
    let written = tokio::task::spawn_blocking(move || workspace.change_records(changes)?.wait()).await;
    match written {
        Ok(written) => written.map_err(|error| EngineError::Workspace(error.to_string())),
        Err(error) => Err(EngineError::Workspace(error.to_string())),
    }
}

/// Sends what is due, until the engine ends.
pub(super) async fn deliver_when_due(engine: WeakEngine) {
    loop {
        let Some(strong) = engine.upgrade() else { return };
        let Some(live) = &strong.0.live else { return };
        let due = live.post.lock().take_due(super::now());
        let mut rows = due.changed;
        rows.extend(due.start.iter().cloned());
        if !rows.is_empty()
            && let Err(error) = store(live, &rows).await
        {
            tracing::error!(%error, "deliveries are not stored, so nothing is sent; tried again");
            let mut outbox = live.post.lock();
            for delivery in &due.start {
                let later = Verdict::Later { reason: error.to_string(), pause: None };
                outbox.done(&delivery.sink, &delivery.id, later, None, super::now(), u64::MAX);
            }
        } else {
            start(&strong, live, due.start).await;
        }
        let next = live.post.lock().next_due();
        let until = next.map_or(LOOK_EVERY, |next| Duration::from_nanos(next.since(super::now()).0.max(0) as u64));
        let changed = live.post.changed.clone();
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(until.min(LOOK_EVERY)) => {}
            () = changed.notified() => {}
        }
    }
}

async fn start(engine: &Engine, live: &Live, deliveries: Vec<Delivery>) {
    if deliveries.is_empty() {
        return;
    }
    let config = live.alerts.config();
    let mut withdrawn = Vec::new();
    for delivery in deliveries {
        let reason = match (armed(&config, &delivery.sink), &delivery.body) {
            (Ok(channel), Some(_)) => {
                live.post.lock().sends_as(&delivery.sink, channel.rate_kind());
                tokio::spawn(deliver(engine.downgrade(), channel, delivery));
                continue;
            }
            (Ok(_), None) => "what was decided is not stored any more".to_owned(),
            (Err(reason), _) => reason,
        };
        withdrawn.extend(live.post.lock().withdraw(&delivery.sink, &delivery.id, reason, super::now()));
    }
    if !withdrawn.is_empty()
        && let Err(error) = store(live, &withdrawn).await
    {
        tracing::error!(%error, "deliveries are not stored");
    }
}

async fn deliver(engine: WeakEngine, channel: Channel, delivery: Delivery) {
    let Some(body) = &delivery.body else { return };
    let within = engine.upgrade().and_then(|engine| Some(engine.0.live.as_ref()?.post.within())).unwrap_or(send::WITHIN);
    let (verdict, made) = attempt(&channel, &delivery.id, &delivery.dedup_key, body, within).await;
    let Some(strong) = engine.upgrade() else { return };
    let Some(live) = &strong.0.live else { return };
    if let Verdict::Later { reason, .. } | Verdict::Never { reason } = &verdict {
        tracing::warn!(
            receiver = delivery.sink.receiver,
            channel = delivery.sink.integration,
            reason,
            "a notification did not arrive"
        );
    }
    // Without randomness of the system the longest pause is kept.
    let random = live.post.random.get().copied().unwrap_or_else(|| getrandom::u64().unwrap_or(u64::MAX));
    let stored = live.post.lock().done(&delivery.sink, &delivery.id, verdict, made, super::now(), random);
    if let Some(stored) = stored
        && let Err(error) = store(live, &[stored]).await
    {
        tracing::error!(%error, "a delivery is not stored; after a restart it is sent again under the same key");
    }
    live.post.changed.notify_one();
}

/// A body that says what it is.
fn test_body(receiver: &str, now: UnixNanos) -> Value {
    let alert = json!({
        "status": "firing", "labels": {"alertname": "BelvedereTest", "severity": "info"},
        "annotations": {"summary": format!("Test of receiver {receiver:?}. Nothing is wrong.")}, "startsAt": now.to_rfc3339(),
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "0000000000000000",
    });
    json!({
        "version": "4", "groupKey": format!("belvedere-test:{receiver}:{}", now.0), "truncatedAlerts": 0, "receiver": receiver,
        "status": "firing", "alerts": [alert], "groupLabels": {"alertname": "BelvedereTest"},
        "commonLabels": {"alertname": "BelvedereTest", "severity": "info"}, "commonAnnotations": {}, "routeLabels": {},
        "externalURL": "", "notification_reason": "test",
    })
}

impl Engine {
    /// Sends a test through every channel of a receiver, at once and once; how each ended, which the history keeps.
    pub async fn test_receiver(&self, name: &str) -> Result<Vec<Delivery>, AlertsError> {
        let live = self.live("send a test")?;
        let config = live.alerts.config();
        check(&config, name)?;
        let receiver = config.receiver(name).ok_or_else(|| AlertsError::NoReceiver(name.to_owned()))?;
        let mut made = Vec::new();
        for (place, one) in receiver.integrations.iter().enumerate() {
            let Ok(channel) = channel(&config, one) else { continue };
            let now = super::now();
            let sink = Sink { receiver: name.to_owned(), integration: one.kind.clone(), index: one.index };
            // No notification has such a number.
            let key = [now.0.max(0).to_be_bytes(), (u64::MAX - place as u64).to_be_bytes()].concat();
            let body = test_body(name, now);
            let unread = |error: serde_json::Error| EngineError::Workspace(error.to_string());
            let mut delivery = decided(&key, sink, true, &body, now).map_err(unread)?;
            let Some(body) = delivery.body.clone() else { continue };
            let (verdict, tried) = attempt(&channel, &delivery.id, &delivery.dedup_key, &body, live.post.within()).await;
            (delivery.state, delivery.error) = match verdict {
                Verdict::Delivered => (DeliveryState::Delivered, None),
                Verdict::Later { reason, .. } | Verdict::Never { reason } => (DeliveryState::Refused, Some(reason)),
            };
            (delivery.tries, delivery.ended_ns) = (1, Some(super::now().0));
            delivery.history.extend(tried);
            made.push(delivery);
        }
        store(live, &made).await?;
        Ok(made)
    }

    /// Deliveries with their tries, oldest first.
    pub fn deliveries(&self) -> Result<Vec<Delivery>, EngineError> {
        let workspace = self.live("keep alerts")?.served.now();
        let rows = workspace.records(DELIVERY).map_err(|error| EngineError::Workspace(error.to_string()))?;
        Ok(rows.iter().filter_map(|row| serde_json::from_slice(&row.value).ok()).collect())
    }

    /// How many wait to be delivered.
    pub fn undelivered(&self) -> usize {
        self.0.live.as_ref().map_or(0, |live| live.post.lock().len())
    }
}
