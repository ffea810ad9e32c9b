//! The deliveries that wait, by whom they go to: what comes next, what is superseded, what is over.
//!
//! The states and who writes them: `waiting` is stored with the decision itself; `sending` is stored before the request
//! leaves, so that after a crash a delivery that may have left is known as such and is sent again under the same key;
//! `delivered`, `refused`, `expired`, `superseded` and `withdrawn` end it. Times are Unix nanoseconds.
//!
//! Within a deduplication key deliveries keep their order. One that waits is superseded by the next that tells of all its
//! alerts; a resolve whose triggers were all superseded before any left is superseded itself: nobody heard, nobody is told.

use super::policy::{self, Bucket, Verdict};
use crate::model::UnixNanos;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// So many requests of one sink are under way at once, of different keys.
const IN_FLIGHT: usize = 8;
/// So many tries of a delivery are remembered, the last ones.
const TRIES_KEPT: usize = 5;

/// One way of one receiver to be told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Sink {
    /// The receiver.
    pub receiver: String,
    /// The kind of channel.
    pub integration: String,
    /// Which of its channels of that kind.
    pub index: u32,
}

/// How a delivery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent.
    Waiting,
    /// A request may have left.
    Sending,
    /// The receiver has it.
    Delivered,
    /// The receiver will not have it.
    Refused,
    /// Not delivered by its deadline.
    Expired,
    /// A later one says all that it says.
    Superseded,
    /// The receiver was disarmed, changed or removed meanwhile.
    Withdrawn,
}

impl DeliveryState {
    /// Whether there is still something to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Sending)
    }
}

/// One request and its answer, without secrets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Try {
    /// When it left.
    pub at_ns: i64,
    /// How long it took.
    pub took_ns: i64,
    /// What was asked.
    pub request: String,
    /// The status; none when there was no answer.
    pub status: Option<u16>,
    /// The answer or what went wrong.
    pub answer: String,
}

/// A notification on its way through one sink.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Names it for good, also to receivers: it sorts by time.
    pub id: String,
    /// Through what.
    pub sink: Sink,
    /// Equal for what is about the same group.
    pub dedup_key: String,
    /// Whether an alert fires.
    pub fires: bool,
    /// The alerts it tells of.
    pub alerts: BTreeSet<String>,
    /// True while nothing of this key has left since the receiver last heard that all is well.
    pub unheard: bool,
    /// How it stands.
    pub state: DeliveryState,
    /// How often a request left or may have.
    pub tries: u32,
    /// When it was decided.
    pub decided_ns: i64,
    /// Not before.
    pub next_ns: i64,
    /// Given up then.
    pub deadline_ns: i64,
    /// When it ended.
    pub ended_ns: Option<i64>,
    /// Why it is not delivered.
    pub error: Option<String>,
    /// The last tries.
    pub history: Vec<Try>,
    /// What is told; stored with the decision.
    #[serde(skip)]
    pub body: Option<Arc<RawValue>>,
}

impl Delivery {
    fn end(&mut self, state: DeliveryState, now: UnixNanos, error: Option<String>) {
        (self.state, self.ended_ns, self.error) = (state, Some(now.0), error);
    }
}

#[derive(Debug, Default)]
struct Lane {
    /// Whose rate it keeps; of the sink's own kind until the channel says otherwise.
    kind: Option<&'static str>,
    bucket: Bucket,
    paused_ns: i64,
    in_flight: HashSet<String>,
    open: BTreeMap<String, Delivery>,
}

/// What to do now: store `changed` and `start`, then send `start`.
#[derive(Debug, Default)]
pub struct Due {
    /// Ended without being sent, or changed by what ended.
    pub changed: Vec<Delivery>,
    /// To be sent, marked as sending.
    pub start: Vec<Delivery>,
}

/// See the module comment.
#[derive(Debug, Default)]
pub struct Outbox {
    lanes: HashMap<Sink, Lane>,
    lifted: bool,
}

impl Outbox {
    /// Sends without regard to rates, for measurements against a sink of one's own.
    pub fn lift_rates(&mut self) {
        self.lifted = true;
    }

    /// Takes a delivery in. One that was being sent when the process died is sent again.
    pub fn add(&mut self, mut delivery: Delivery) {
        if delivery.state.is_open() {
            delivery.state = DeliveryState::Waiting;
            self.lanes.entry(delivery.sink.clone()).or_default().open.insert(delivery.id.clone(), delivery);
        }
    }

    /// How many are not over.
    pub fn len(&self) -> usize {
        self.lanes.values().map(|lane| lane.open.len()).sum()
    }

    /// True when all are over.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When to look again; `None` while nothing waits.
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.lanes.iter().filter_map(|(sink, lane)| lane.next_due(lane.rate(sink, self.lifted))).min()
    }

    /// Says what a sink really is: an ntfy topic is written as a webhook.
    pub fn sends_as(&mut self, sink: &Sink, kind: &'static str) {
        if let Some(lane) = self.lanes.get_mut(sink) {
            lane.kind = Some(kind);
        }
    }

    /// What is due.
    pub fn take_due(&mut self, now: UnixNanos) -> Due {
        let mut due = Due::default();
        let lifted = self.lifted;
        for (sink, lane) in &mut self.lanes {
            lane.take_due(lane.rate(sink, lifted), now, &mut due);
        }
        due
    }

    /// Ends or puts back what was sent; the delivery as it is to be stored.
    pub fn done(
        &mut self,
        sink: &Sink,
        id: &str,
        verdict: Verdict,
        made: Option<Try>,
        now: UnixNanos,
        random: u64,
    ) -> Option<Delivery> {
        let lane = self.lanes.get_mut(sink)?;
        let delivery = lane.open.get_mut(id)?;
        lane.in_flight.remove(&delivery.dedup_key);
        if let Some(made) = made {
            delivery.history.push(made);
            let surplus = delivery.history.len().saturating_sub(TRIES_KEPT);
            delivery.history.drain(..surplus);
        }
        match verdict {
            Verdict::Delivered => delivery.end(DeliveryState::Delivered, now, None),
            Verdict::Never { reason } => delivery.end(DeliveryState::Refused, now, Some(reason)),
            Verdict::Later { reason, pause } => {
                let backoff = policy::backoff(&sink.integration, delivery.tries, random);
                let next = now + pause.map_or(backoff, |pause| pause.max(backoff));
                if let Some(pause) = pause {
                    lane.paused_ns = lane.paused_ns.max((now + pause).0);
                }
                delivery.state = DeliveryState::Waiting;
                delivery.next_ns = next.0.min(delivery.deadline_ns);
                delivery.error = Some(reason);
                return Some(delivery.clone());
            }
        }
        lane.open.remove(id)
    }

    /// Ends what was to be sent through a channel that may not send any more.
    pub fn withdraw(&mut self, sink: &Sink, id: &str, reason: String, now: UnixNanos) -> Option<Delivery> {
        let lane = self.lanes.get_mut(sink)?;
        let mut delivery = lane.open.remove(id)?;
        lane.in_flight.remove(&delivery.dedup_key);
        delivery.end(DeliveryState::Withdrawn, now, Some(reason));
        Some(delivery)
    }
}

impl Lane {
    fn rate(&self, sink: &Sink, lifted: bool) -> policy::Rate {
        policy::rate(if lifted { "" } else { self.kind.unwrap_or(&sink.integration) })
    }

    fn heads(&self) -> impl Iterator<Item = &Delivery> {
        let mut seen = HashSet::new();
        self.open
            .values()
            .filter(move |delivery| seen.insert(&delivery.dedup_key) && !self.in_flight.contains(&delivery.dedup_key))
    }

    fn next_due(&self, rate: policy::Rate) -> Option<UnixNanos> {
        if self.in_flight.len() >= IN_FLIGHT {
            return None;
        }
        let first = self.heads().map(|delivery| delivery.next_ns).min()?;
        Some(UnixNanos(first.max(self.paused_ns)).max(self.bucket.earliest(rate)))
    }

    fn take_due(&mut self, rate: policy::Rate, now: UnixNanos, due: &mut Due) {
        let over: Vec<String> = self.open.values().filter(|one| self.is_over(one, now)).map(|one| one.id.clone()).collect();
        for mut delivery in over.into_iter().filter_map(|id| self.open.remove(&id)) {
            let last = delivery.error.take().unwrap_or_else(|| "never tried".to_owned());
            delivery.end(DeliveryState::Expired, now, Some(format!("given up at its deadline; last: {last}")));
            due.changed.push(delivery);
        }
        self.supersede(now, &mut due.changed);
        if self.paused_ns > now.0 {
            return;
        }
        let ready: Vec<String> = self.heads().filter(|one| one.next_ns <= now.0).map(|one| one.id.clone()).collect();
        for id in ready {
            if self.in_flight.len() >= IN_FLIGHT || self.bucket.earliest(rate) > now {
                return;
            }
            let Some(delivery) = self.open.get_mut(&id) else { continue };
            self.bucket.take(rate, now);
            delivery.state = DeliveryState::Sending;
            delivery.tries += 1;
            self.in_flight.insert(delivery.dedup_key.clone());
            due.start.push(delivery.clone());
        }
    }

    fn is_over(&self, delivery: &Delivery, now: UnixNanos) -> bool {
        delivery.deadline_ns <= now.0 && delivery.state == DeliveryState::Waiting
    }

    fn supersede(&mut self, now: UnixNanos, changed: &mut Vec<Delivery>) {
        let mut by_key: HashMap<String, Vec<String>> = HashMap::new();
        for delivery in self.open.values().filter(|one| one.state == DeliveryState::Waiting) {
            by_key.entry(delivery.dedup_key.clone()).or_default().push(delivery.id.clone());
        }
        for (key, ids) in by_key.into_iter().filter(|(_, ids)| ids.len() > 1) {
            let mut heirs = HashSet::new();
            for pair in ids.windows(2) {
                let (Some(older), Some(newer)) = (self.open.get(&pair[0]), self.open.get(&pair[1])) else { continue };
                let covered = older.alerts.is_subset(&newer.alerts);
                let unheard = covered && older.unheard && older.tries == 0 && !self.in_flight.contains(&key);
                if let Some(newer) = self.open.get_mut(&pair[1]) {
                    newer.unheard = unheard;
                    heirs.insert(pair[1].clone());
                }
                if covered && let Some(mut older) = self.open.remove(&pair[0]) {
                    heirs.remove(&pair[0]);
                    older.end(DeliveryState::Superseded, now, Some(format!("{} says all of it", pair[1])));
                    changed.push(older);
                }
            }
            for heir in heirs {
                let silent = self.open.get(&heir).is_some_and(|one| !one.fires && one.unheard && one.tries == 0);
                if silent && let Some(mut resolve) = self.open.remove(&heir) {
                    resolve.end(DeliveryState::Superseded, now, Some("resolved before anybody was told".to_owned()));
                    changed.push(resolve);
                } else if let Some(heir) = self.open.get(&heir) {
                    changed.push(heir.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DurationNs;

    const SECOND: i64 = 1_000_000_000;

    fn sink(kind: &str) -> Sink {
        Sink { receiver: "ops".to_owned(), integration: kind.to_owned(), index: 0 }
    }

    fn delivery(id: &str, kind: &str, key: &str, fires: bool, alerts: &[&str], unheard: bool) -> Delivery {
        Delivery {
            id: id.to_owned(),
            sink: sink(kind),
            dedup_key: key.to_owned(),
            fires,
            alerts: alerts.iter().map(|one| (*one).to_owned()).collect(),
            unheard,
            state: DeliveryState::Waiting,
            tries: 0,
            decided_ns: 0,
            next_ns: 0,
            deadline_ns: 1_000 * SECOND,
            ended_ns: None,
            error: None,
            history: Vec::new(),
            body: None,
        }
    }

    fn at(seconds: i64) -> UnixNanos {
        UnixNanos(seconds * SECOND)
    }

    fn ids(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries.iter().map(|one| one.id.as_str()).collect()
    }

    #[test]
    fn a_resolve_is_told_only_when_a_trigger_may_have_left() {
        for (case, first_tries, first_unheard, wanted) in
            [("nothing left", 0, true, None), ("one may have left", 1, true, Some("2")), ("heard before", 0, false, Some("2"))]
        {
            let mut outbox = Outbox::default();
            let mut trigger = delivery("1", "pagerduty", "k", true, &["a"], first_unheard);
            (trigger.tries, trigger.state) = (first_tries, DeliveryState::Sending);
            outbox.add(trigger);
            outbox.add(delivery("2", "pagerduty", "k", false, &["a"], false));
            let due = outbox.take_due(at(1));
            assert_eq!(due.start.first().map(|one| one.id.as_str()), wanted, "{case}");
            assert!(due.changed.iter().any(|one| one.id == "1" && one.state == DeliveryState::Superseded), "{case}");
        }
    }

    #[test]
    fn what_the_next_does_not_tell_is_told_first_and_in_order() {
        let mut outbox = Outbox::default();
        outbox.add(delivery("1", "webhook", "k", true, &["a", "b"], true));
        outbox.add(delivery("2", "webhook", "k", true, &["a"], false));
        outbox.add(delivery("3", "webhook", "other", true, &["c"], true));
        let due = outbox.take_due(at(1));
        assert_eq!(ids(&due.start), ["1", "3"], "the second waits for the first of its key");
        assert_eq!(
            outbox.done(&sink("webhook"), "1", Verdict::Delivered, None, at(2), 0).unwrap().state,
            DeliveryState::Delivered
        );
        assert_eq!(ids(&outbox.take_due(at(2)).start), ["2"]);
    }

    #[test]
    fn a_rate_and_a_pause_hold_for_the_whole_sink() {
        let mut outbox = Outbox::default();
        for n in 0..3 {
            outbox.add(delivery(&n.to_string(), "slack", &format!("k{n}"), true, &["a"], true));
        }
        assert_eq!(ids(&outbox.take_due(at(1)).start), ["0"]);
        assert_eq!(outbox.next_due(), Some(at(2)));
        let later = Verdict::Later { reason: "429".to_owned(), pause: Some(DurationNs(7 * SECOND)) };
        let stored = outbox.done(&sink("slack"), "0", later, None, at(1), 0).unwrap();
        assert_eq!((stored.state, stored.next_ns, stored.tries), (DeliveryState::Waiting, 8 * SECOND, 1));
        assert!(outbox.take_due(at(7)).start.is_empty());
        assert_eq!(outbox.next_due(), Some(at(8)));
        assert_eq!(ids(&outbox.take_due(at(8)).start), ["0"]);
    }

    #[test]
    fn a_delivery_ends_at_its_deadline_or_when_it_is_refused_or_withdrawn() {
        let mut outbox = Outbox::default();
        outbox.add(delivery("1", "webhook", "k", true, &["a"], true));
        outbox.take_due(at(1));
        let later = Verdict::Later { reason: "no answer".to_owned(), pause: Some(DurationNs(i64::MAX / 2)) };
        assert_eq!(outbox.done(&sink("webhook"), "1", later, None, at(1), 0).unwrap().next_ns, 1_000 * SECOND);
        let due = outbox.take_due(at(1_000));
        assert_eq!((due.changed[0].state, due.start.len()), (DeliveryState::Expired, 0));
        assert!(due.changed[0].error.as_ref().unwrap().ends_with("last: no answer"));
        outbox.add(delivery("2", "webhook", "k", true, &["a"], true));
        outbox.take_due(at(5_000));
        outbox.add(delivery("3", "webhook", "j", true, &["a"], true));
        assert_eq!(
            outbox.withdraw(&sink("webhook"), "3", "disarmed".to_owned(), at(1)).unwrap().state,
            DeliveryState::Withdrawn
        );
        assert!(outbox.is_empty() && outbox.next_due().is_none());
    }
}
