//! What stands behind the services and is seen from their side only: PostgreSQL, Redis and Kafka.

use super::shop::Message;
use super::step::{Exception, Step};
use crate::context::w3c;
use crate::model::{SpanKind, StatusCode};
use std::sync::atomic::Ordering;

/// One statement to PostgreSQL.
pub(super) struct Statement {
    pub(super) database: &'static str,
    pub(super) operation: &'static str,
    pub(super) table: &'static str,
    pub(super) text: &'static str,
    pub(super) rows: i64,
    pub(super) median_ms: f64,
}

impl Step {
    /// Runs a statement.
    pub(super) async fn query(&mut self, statement: &Statement) {
        self.query_or(statement, None).await;
    }

    /// Runs a statement that may fail. True when it did not.
    pub(super) async fn query_or(&mut self, statement: &Statement, failure: Option<(&'static str, Exception)>) -> bool {
        let Statement { database, operation, table, text, rows, median_ms } = *statement;
        let name = if table.is_empty() { operation.to_owned() } else { format!("{operation} {table}") };
        let mut span = self.begin_with(name.clone(), SpanKind::Client, |builder| {
            builder
                .set("db.system.name", "postgresql")
                .set("db.namespace", database)
                .set("db.operation.name", operation)
                .set("db.query.summary", name)
                .set("db.query.text", text)
                .set("server.address", "postgres")
                .set("server.port", 5432)
        });
        if !table.is_empty() {
            span.set("db.collection.name", table);
        }
        self.pause(median_ms).await;
        match failure {
            None => {
                span.set("db.response.returned_rows", rows);
                true
            }
            Some((code, exception)) => {
                exception.record(&mut span);
                span.set("db.response.status_code", code);
                false
            }
        }
    }

    /// One command to Redis; it answers whether something was there.
    pub(super) async fn cache(&mut self, command: &'static str, key: &str, hit: bool) -> bool {
        let mut span = self.begin_with(command, SpanKind::Client, |builder| {
            builder
                .set("db.system.name", "redis")
                .set("db.namespace", "0")
                .set("db.operation.name", command)
                .set("db.query.text", format!("{command} {key}"))
                .set("server.address", "redis")
                .set("server.port", 6379)
        });
        self.pause(0.8).await;
        span.set("shop.cache.hit", hit);
        hit
    }

    /// Sends a message to Kafka, with the context in its headers.
    pub(super) async fn publish(&mut self, topic: &'static str, key: &str, body: String) {
        let partition = self.dice.between(0, 2);
        let mut span = self.begin_with(format!("send {topic}"), SpanKind::Producer, |builder| {
            builder
                .set("messaging.system", "kafka")
                .set("messaging.operation.name", "send")
                .set("messaging.operation.type", "send")
                .set("messaging.destination.name", topic)
                .set("messaging.destination.partition.id", partition.to_string())
                .set("messaging.kafka.message.key", key)
                .set("messaging.message.body.size", body.len() as i64)
                .set("messaging.client.id", "checkout-producer")
                .set("server.address", "kafka")
                .set("server.port", 9092)
        });
        self.pause(2.0).await;
        let mut headers = Vec::new();
        w3c::inject(span.context(), &mut headers);
        let message =
            Message { headers, key: key.to_owned(), body, partition, baggage: self.baggage.clone(), weather: self.weather };
        if self.world.queue.try_send(message).is_ok() {
            self.world.depth.fetch_add(1, Ordering::Relaxed);
        } else {
            span.set("error.type", "queue_full").status(StatusCode::Error, "the local queue is full");
        }
    }
}
