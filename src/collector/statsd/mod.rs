//! The StatsD door: datagrams in, a batch of samples every ten seconds. DogStatsD events become log records at once.

mod tally;

use super::{Shared, connection, remote_write};
use crate::model::{Attributes, Door, LogRecord, Resource, Scope, Signal, UnixNanos, Value};
use crate::wire::otlp::encode_logs;
use crate::wire::statsd::{self, StatsdEvent, StatsdItem};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tally::Tally;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Sums are told this often.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// The largest datagram.
const LARGEST: usize = 65_535;
/// The service that refused lines are counted under.
const UNTOLD: &str = "(statsd)";
/// Tries to find a port that is free on every address, for port 0.
const FREE_TRIES: usize = 20;

/// Listens on every address or on none, as the doors of TCP do.
pub(super) async fn bind(addresses: &[SocketAddr]) -> Result<Vec<UdpSocket>, (SocketAddr, std::io::Error)> {
    let free = addresses.iter().all(|address| address.port() == 0);
    for _ in 1..FREE_TRIES {
        match bind_each(addresses).await {
            Err((_, error)) if free && error.kind() == ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
    bind_each(addresses).await
}

async fn bind_each(addresses: &[SocketAddr]) -> Result<Vec<UdpSocket>, (SocketAddr, std::io::Error)> {
    let mut sockets: Vec<UdpSocket> = Vec::new();
    for address in addresses {
        let mut address = *address;
        if address.port() == 0
            && let Some(Ok(first)) = sockets.first().map(UdpSocket::local_addr)
        {
            address.set_port(first.port());
        }
        match UdpSocket::bind(address).await {
            Ok(socket) => sockets.push(socket),
            Err(error) if addresses.len() > 1 && super::door::no_ipv6(address, &error) => {}
            Err(error) => return Err((address, error)),
        }
    }
    Ok(sockets)
}

/// Takes datagrams until the door closes, then tells the last sums.
pub(super) async fn serve(shared: Arc<Shared>, sockets: Vec<UdpSocket>, mut stopping: watch::Receiver<bool>) {
    let tally = Arc::new(Mutex::new(Tally::new()));
    let mut receiving = JoinSet::new();
    for socket in sockets {
        receiving.spawn(receive(shared.clone(), socket, tally.clone()));
    }
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + FLUSH_EVERY, FLUSH_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => flush(&shared, &tally).await,
            () = connection::stopped(&mut stopping) => break,
        }
    }
    receiving.shutdown().await;
    flush(&shared, &tally).await;
}

async fn receive(shared: Arc<Shared>, socket: UdpSocket, tally: Arc<Mutex<Tally>>) {
    let mut buffer = vec![0; LARGEST];
    loop {
        // An error is that of an earlier answer of ours; there are none, so it passes.
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
        take(&shared, &buffer[..length], &tally);
    }
}

fn take(shared: &Shared, packet: &[u8], tally: &Mutex<Tally>) {
    let received = (shared.clock)();
    let now = received.0.div_euclid(1_000_000);
    let mut refused = 0;
    let mut events = Vec::new();
    {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        statsd::read(packet, |item| {
            let taken = match item {
                Ok(StatsdItem::Metric(metric)) => tally.metric(&metric, now).map_err(|refused| refused.0.to_owned()),
                Ok(StatsdItem::Check(check)) => tally.check(&check, now).map_err(|refused| refused.0.to_owned()),
                Ok(StatsdItem::Event(event)) => {
                    events.push(record(&event, received));
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = taken {
                refused += 1;
                tracing::debug!(reason, "a StatsD line was refused");
            }
        });
    }
    if refused > 0 {
        shared.sink.note_rejected(Door::Statsd, UNTOLD, Signal::Metrics, refused);
        let counters = shared.counters.of(Door::Statsd, Signal::Metrics);
        counters.received.add(refused);
        counters.rejected.add(refused);
    }
    if !events.is_empty() {
        let count = events.len() as u64;
        let services = vec![(UNTOLD.into(), count)];
        let counters = shared.counters.of(Door::Statsd, Signal::Logs);
        counters.received.add(count);
        // The receipt is not waited for: nobody is there to be told. A full queue loses the events, and says so.
        if shared.sink.append_raw(Door::Statsd, Signal::Logs, encode_logs(&events).into(), services, received).is_err() {
            counters.rejected.add(count);
            shared.sink.note_rejected(Door::Statsd, UNTOLD, Signal::Logs, count);
        }
    }
}

async fn flush(shared: &Shared, tally: &Mutex<Tally>) {
    let now = (shared.clock)().0.div_euclid(1_000_000);
    let (batch, taken) = tally.lock().unwrap_or_else(PoisonError::into_inner).flush(now);
    let count = batch.len() as u64;
    if count == 0 {
        return;
    }
    let counters = shared.counters.of(Door::Statsd, Signal::Metrics);
    match remote_write::store(shared, Door::Statsd, batch).await {
        Ok(appended) => {
            counters.received.add(count);
            counters.rejected.add(appended.rejected());
        }
        // Everything is told again at the next flush: a flush that fails leaves a gap, no loss.
        Err(problem) => {
            tally.lock().unwrap_or_else(PoisonError::into_inner).put_back(taken);
            tracing::warn!(problem = problem.message, "StatsD sums were not stored; they are told again in 10 s");
        }
    }
}

fn record(event: &StatsdEvent<'_>, received: UnixNanos) -> LogRecord {
    let (severity, word) = match event.alert {
        "error" => (17, "ERROR"),
        "warning" => (13, "WARN"),
        _ => (9, "INFO"),
    };
    let mut attributes = Attributes::default();
    attributes.push("event.title", event.title.as_ref());
    if !event.host.is_empty() {
        attributes.push("host.name", event.host);
    }
    for (key, value) in &event.tags {
        attributes.push(*key, *value);
    }
    LogRecord {
        time: event.time.map_or(received, |millis| UnixNanos(millis.saturating_mul(1_000_000))),
        observed: received,
        severity,
        severity_text: word.into(),
        body: Value::from(event.text.as_ref()),
        attributes,
        resource: Arc::new(Resource::default()),
        scope: Arc::new(Scope::default()),
        ..LogRecord::default()
    }
}
