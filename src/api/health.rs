//! `/metrics`, `/-/healthy`, `/-/ready`.

use super::answer::{Answer, body, text};
use crate::engine::{Account, Engine};
use http::StatusCode;
use std::fmt::Write as _;

/// Answers a path of this file; `None` for others.
pub fn answer(engine: &Engine, path: &str) -> Option<Answer> {
    match path {
        "/-/healthy" => Some(text(StatusCode::OK, "Belvedere is healthy.\n")),
        "/-/ready" => Some(match engine.pulse().write_problem {
            None => text(StatusCode::OK, "Belvedere is ready.\n"),
            Some(problem) => text(StatusCode::SERVICE_UNAVAILABLE, format!("Belvedere cannot write: {problem}\n")),
        }),
        "/metrics" => {
            let metrics = format!("{}{}", engine.registry().expose(), expose_accounts(&engine.accounts()));
            Some(body(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics))
        }
        _ => None,
    }
}

/// The accounts in the Prometheus text format. `stored` goes down when retention drops, so it is a gauge.
fn expose_accounts(rows: &[Account]) -> String {
    type Column = (&'static str, &'static str, &'static str, fn(&Account) -> u64);
    const COLUMNS: [Column; 6] = [
        ("belvedere_items_received_total", "counter", "Spans, metric points and log records that arrived.", |row| row.received),
        ("belvedere_items_stored", "gauge", "Items in the store now.", |row| row.stored),
        ("belvedere_items_duplicate_total", "counter", "Client retries that were stored already.", |row| row.duplicate),
        ("belvedere_items_rejected_total", "counter", "Items refused for good.", |row| row.rejected),
        ("belvedere_items_evicted_total", "counter", "Items dropped by retention or by Clear.", |row| row.evicted),
        ("belvedere_items_sampled_out_total", "counter", "Items dropped by a sampling decision.", |row| row.sampled_out),
    ];
    let mut out = String::new();
    for (name, kind, help, value) in COLUMNS {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
        for row in rows {
            let service = row.service.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let Account { door, signal, .. } = row;
            writeln!(out, "{name}{{door=\"{door}\",service=\"{service}\",signal=\"{signal}\"}} {}", value(row)).ok();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_exposed_by_door_service_and_signal() {
        let row = Account {
            door: "otlp-grpc".into(),
            service: "a\"b".into(),
            signal: "traces".into(),
            received: 5,
            stored: 3,
            duplicate: 2,
            ..Account::default()
        };
        let text = expose_accounts(&[row]);
        let labels = "{door=\"otlp-grpc\",service=\"a\\\"b\",signal=\"traces\"}";
        assert!(text.contains(&format!("\nbelvedere_items_received_total{labels} 5\n")), "{text}");
        assert!(text.contains(&format!("\nbelvedere_items_stored{labels} 3\n")), "{text}");
        assert!(text.contains("# TYPE belvedere_items_stored gauge\n"), "{text}");
    }
}
