//! `kill -9` under load, at twenty moments: after each restart every acknowledged span is there, once.

use crate::support::{Serve, json_request, post};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ROUNDS: u64 = 20;
const SENDERS: usize = 3;
const SPANS: u64 = 10;
/// The latest moment of the kill after the doors opened, in milliseconds.
const LATEST_MS: u64 = 250;
/// Traces of each round that are read back.
const CHECKED: usize = 60;

#[test]
fn every_acknowledged_span_is_there_once_after_each_of_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let next = AtomicU64::new(1);
    let mut moments = 0x9e37_79b9_7f4a_7c15_u64;
    let mut acknowledged_in_all: Vec<u64> = Vec::new();
    let mut idle = 0;
    let mut last = Vec::new();
    for round in 0..=ROUNDS {
        let serve = Serve::over(&workspace);
        for trace in &last {
            let spans = serve.spans_of(*trace);
            let ids: HashSet<&str> = spans.iter().map(|span| span["spanID"].as_str().unwrap()).collect();
            assert_eq!(ids.len() as u64, SPANS, "round {round}: every span of trace {trace} was acknowledged");
            assert_eq!(spans.len(), ids.len(), "round {round}: trace {trace} has each span once");
        }
        if round == ROUNDS {
            // After all kills, what was acknowledged long before is there too.
            for trace in acknowledged_in_all.iter().step_by(1 + acknowledged_in_all.len() / 200) {
                assert_eq!(serve.spans_of(*trace).len() as u64, SPANS, "trace {trace} survived every kill");
            }
            break;
        }
        let door = serve.door("otlp-http");
        // xorshift: the moments differ from round to round and are the same in every run.
        moments ^= moments << 13;
        moments ^= moments >> 7;
        moments ^= moments << 17;
        let moment = Duration::from_millis(20 + moments % (LATEST_MS - 20));
        let mut acknowledged: Vec<u64> = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| send_until_refused(&next, door))).collect();
            std::thread::sleep(moment);
            // Dropping it is SIGKILL.
            drop(serve);
            senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
        });
        idle += u64::from(acknowledged.is_empty());
        // The newest are those that a crash would lose.
        acknowledged.sort_unstable();
        acknowledged_in_all.extend(&acknowledged);
        last = acknowledged.into_iter().rev().take(CHECKED).collect();
    }
    let traces = acknowledged_in_all.len();
    println!("{traces} traces with {} spans were acknowledged in {ROUNDS} rounds", traces as u64 * SPANS);
    assert!(traces > 100 && idle < ROUNDS / 4, "the load was real: {traces} traces, {idle} rounds without one");
}

/// The numbers of the traces that were acknowledged.
fn send_until_refused(next: &AtomicU64, door: SocketAddr) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    loop {
        let trace = next.fetch_add(1, Ordering::Relaxed);
        match post(door, "/v1/traces", "application/json", &json_request("load", trace, SPANS)) {
            Ok(reply) if reply.status == 200 => acknowledged.push(trace),
            Ok(_) => {}
            Err(_) => return acknowledged,
        }
    }
}
