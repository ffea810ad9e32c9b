//! Behind the pages: inventory with its nightly work, and the mails that follow an order.

use super::cast::{Name, Severity};
use super::dice::Dice;
use super::http::{Answer, Inbound};
use super::peers::Statement;
use super::shop::{Message, World};
use super::step::{Exception, Step};
use super::weather::Weather;
use crate::context::{Baggage, Problems, w3c};
use crate::model::{Attributes, SpanId, SpanKind, StatusCode, TraceId};
use crate::tracer::{Span, mix};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::Receiver;

const STOCK: Statement = Statement {
    database: "inventory",
    operation: "SELECT",
    table: "stock",
    text: "SELECT sku, on_hand, reserved FROM stock WHERE sku = $1",
    rows: 1,
    median_ms: 3.0,
};
/// The same without its index.
const SLOW_STOCK: Statement = Statement { median_ms: 420.0, ..STOCK };
const BEGIN: Statement = Statement { operation: "BEGIN", table: "", text: "BEGIN", rows: 0, median_ms: 1.0, ..STOCK };
const COMMIT: Statement = Statement { operation: "COMMIT", text: "COMMIT", median_ms: 2.0, ..BEGIN };
const ROLLBACK: Statement = Statement { operation: "ROLLBACK", text: "ROLLBACK", ..BEGIN };
const LOCK: Statement =
    Statement { text: "SELECT sku, on_hand FROM stock WHERE sku = ANY($1) FOR UPDATE", rows: 3, median_ms: 4.0, ..STOCK };
const RESERVE: Statement = Statement {
    operation: "UPDATE",
    text: "UPDATE stock SET reserved = reserved + $2 WHERE sku = $1",
    rows: 3,
    median_ms: 5.0,
    ..STOCK
};
const RELEASE: Statement =
    Statement { operation: "DELETE", table: "reservations", text: "DELETE FROM reservations WHERE id = $1", ..RESERVE };

const DEADLOCK: &str = "Traceback (most recent call last):
  File \"/app/inventory/reserve.py\", line 57, in reserve
    cursor.execute(RESERVE, (sku, count))
psycopg.errors.DeadlockDetected: deadlock detected
DETAIL:  Process 4711 waits for ShareLock on transaction 902; blocked by process 4712.";

pub(super) async fn inventory(route: &str, inbound: &Inbound, step: &mut Step, span: &mut Span) -> Answer {
    match route {
        "/stock/{sku}" => stock(inbound.piece(1), step, span).await,
        "/reservations" => reserve(step, span).await,
        _ => {
            step.query(&RELEASE).await;
            Answer { status: 204, body: String::new() }
        }
    }
}

async fn stock(sku: &str, step: &mut Step, span: &mut Span) -> Answer {
    span.set("shop.product.sku", sku);
    let slow = step.weather == Weather::SlowDatabase;
    let hit = step.dice.chance(if slow { 0.3 } else { 0.7 });
    if !step.cache("GET", &format!("stock:{sku}"), hit).await {
        step.query(if slow { &SLOW_STOCK } else { &STOCK }).await;
        step.cache("SETEX", &format!("stock:{sku} 60"), true).await;
    }
    Answer::ok("{\"on_hand\":12}")
}

async fn reserve(step: &mut Step, span: &mut Span) -> Answer {
    step.query(&BEGIN).await;
    step.query(&LOCK).await;
    let failure = step.dice.chance(0.08).then(|| {
        let kind = "psycopg.errors.DeadlockDetected";
        ("40P01", Exception { kind, message: "deadlock detected".into(), stacktrace: DEADLOCK })
    });
    if !step.query_or(&RESERVE, failure).await {
        step.query(&ROLLBACK).await;
        span.status(StatusCode::Error, "deadlock detected");
        return Answer::status(500, "deadlock detected");
    }
    step.query(&COMMIT).await;
    Answer::ok("{\"reservation\":\"r-1\"}")
}

const COUNT: Statement = Statement {
    operation: "SELECT",
    text: "SELECT sku, on_hand, reserved FROM stock WHERE warehouse = $1 AND on_hand < reorder_level",
    rows: 250,
    median_ms: 60.0,
    ..STOCK
};
const ORDER: Statement = Statement {
    operation: "INSERT",
    table: "purchase_orders",
    text: "INSERT INTO purchase_orders (sku, quantity, supplier) SELECT * FROM unnest($1::text[], $2::int[], $3::text[])",
    rows: 0,
    median_ms: 90.0,
    ..STOCK
};

/// Looks through the warehouses and orders what runs low: a trace of its own without a caller.
pub(super) async fn restock(world: Arc<World>, seed: u64) {
    let service = world.service(Name::Inventory).clone();
    let mut dice = Dice::new(seed);
    let trace_id = TraceId::from_halves(dice.roll(), dice.roll().max(1));
    let root = service.tracer.span("restock").with_trace_id(trace_id).with_span_id(SpanId::from(dice.roll().max(1)));
    let mut span = root.set("shop.job.name", "restock").set("shop.job.trigger", "schedule").start();
    let parent = span.context().clone();
    let (baggage, weather) = (Baggage::default(), Weather::Calm);
    let mut step = Step { world, service, parent, baggage, weather, dice };
    for warehouse in ["ams-1", "ber-2", "osl-1", "mad-3"] {
        let mut chunk = step.begin("restock warehouse", SpanKind::Internal);
        chunk.set("shop.warehouse", warehouse);
        let mut inner = step.under(&chunk);
        inner.query(&COUNT).await;
        inner.query(&ORDER).await;
        let ordered = inner.dice.between(20, 250) as i64;
        chunk.set("shop.restock.ordered", ordered);
        span.event("warehouse done", [("shop.restock.ordered", ordered)].into_iter().collect());
    }
    step.log(Severity::Info, "restock finished", Attributes::default());
}

const SMTP: &str = "app/mailer.rb:31:in `deliver': 451 4.3.0 Temporary server error (Net::SMTPServerBusy)
app/consumer.rb:18:in `block in run'";

/// Takes orders from the queue and mails; a trace for each message, linked to the one that sent it.
pub(super) async fn consume(world: Arc<World>, mut queue: Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        let service = world.service(Name::Email).clone();
        let sender = w3c::extract(&message.headers, &mut Problems::default()).unwrap_or_default();
        let mut dice = Dice::new(mix(sender.span_id.to_u64()) ^ Name::Email as u64);
        let trace_id = TraceId::from_halves(dice.roll(), dice.roll().max(1));
        let span = service
            .tracer
            .span("process orders")
            .kind(SpanKind::Consumer)
            .with_trace_id(trace_id)
            .with_span_id(SpanId::from(dice.roll().max(1)))
            .set("messaging.system", "kafka")
            .set("messaging.operation.name", "process")
            .set("messaging.operation.type", "process")
            .set("messaging.destination.name", "orders")
            .set("messaging.destination.partition.id", message.partition.to_string())
            .set("messaging.consumer.group.name", "email")
            .set("messaging.kafka.message.key", message.key.as_str())
            .set("messaging.message.body.size", message.body.len() as i64)
            .set("server.address", "kafka")
            .set("server.port", 9092)
            .link(sender, Attributes::default())
            .start();
        let parent = span.context().clone();
        let (baggage, weather) = (message.baggage, message.weather);
        let step = Step { world: world.clone(), service, parent, baggage, weather, dice };
        mail(step, span, &message.key).await;
        world.depth.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn mail(mut step: Step, mut span: Span, order: &str) {
    step.work("render template", 8.0).await;
    for attempt in 1..=2 {
        let mut smtp = step.begin_with("SMTP send", SpanKind::Client, |builder| {
            builder.set("server.address", "mail.shop.example").set("server.port", 587).set("network.protocol.name", "smtp")
        });
        smtp.set("shop.mail.attempt", attempt);
        step.pause(25.0).await;
        if attempt == 1 && step.dice.chance(0.08) {
            let message = "451 4.3.0 Temporary server error".into();
            Exception { kind: "Net::SMTPServerBusy", message, stacktrace: SMTP }.record(&mut smtp);
            drop(smtp);
            step.log(Severity::Warn, "mail server busy, trying again", Attributes::default());
            step.work("back off", 150.0).await;
            continue;
        }
        break;
    }
    span.set("shop.order.id", order);
    step.log(Severity::Info, format!("confirmation for {order} sent"), [("shop.order.id", order)].into_iter().collect());
}
