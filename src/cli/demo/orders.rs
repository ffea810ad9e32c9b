//! From the cart to the parcel: checkout, payment and shipping.

use super::cast::{Name, Severity};
use super::http::{Answer, Inbound};
use super::peers::Statement;
use super::step::{Exception, Step};
use super::weather::Weather;
use crate::model::{Attributes, SpanKind, StatusCode};
use crate::tracer::Span;
use http::Method;

/// Tries to charge a card before the order is given up.
const MAX_CHARGES: i64 = 3;
/// Share of orders that the new release of payment gets on a calm day.
const CANARY_SHARE: f64 = 0.1;

const INSERT_ORDER: Statement = Statement {
    database: "orders",
    operation: "INSERT",
    table: "orders",
    text: "INSERT INTO orders (id, user_id, total_cents, currency, status) VALUES ($1, $2, $3, $4, 'placed')",
    rows: 0,
    median_ms: 4.0,
};
const ORDERS_OF_USER: Statement = Statement {
    database: "orders",
    operation: "SELECT",
    table: "orders",
    text: "SELECT id, total_cents, status, placed_at FROM orders WHERE user_id = $1 ORDER BY placed_at DESC LIMIT 10",
    rows: 10,
    median_ms: 5.0,
};
const SHIPMENT: Statement = Statement {
    database: "shipping",
    operation: "SELECT",
    table: "shipments",
    text: "SELECT carrier, tracking_number, state FROM shipments WHERE order_id = $1",
    rows: 1,
    median_ms: 2.0,
};

pub(super) async fn checkout(route: &str, inbound: &Inbound, step: &mut Step, span: &mut Span) -> Answer {
    if route == "/users/{id}/orders" {
        step.query(&ORDERS_OF_USER).await;
        // A call for every order, one after the other.
        for _ in 0..step.dice.between(5, 9) {
            let path = format!("/shipments/ord-{:06x}", step.dice.roll() & 0xff_ffff);
            step.call(Name::Shipping, Method::GET, "/shipments/{id}", &path).await;
        }
        return Answer::ok("[]");
    }
    place_order(inbound, step, span).await
}

async fn place_order(inbound: &Inbound, step: &mut Step, span: &mut Span) -> Answer {
    let cart = inbound.query.strip_prefix("cart=").unwrap_or("c-0").to_owned();
    let order = format!("ord-{:06x}", step.dice.roll() & 0xff_ffff);
    let total = step.dice.between(990, 24_990) as i64;
    let method = step.dice.pick(&["card", "card", "card", "paypal", "invoice"]);
    span.set("shop.order.id", order.as_str()).set("shop.order.total_cents", total).set("shop.payment.method", method);
    let contents = step.call(Name::Cart, Method::GET, "/carts/{id}", &format!("/carts/{cart}")).await;
    if !contents.is_ok() {
        return Answer::status(502, "the cart is not available");
    }
    step.work("validate order", 1.5).await;
    let reserved = step.call(Name::Inventory, Method::POST, "/reservations", "/reservations").await;
    if !reserved.is_ok() {
        step.service.meter.order(method, "no_stock");
        return Answer::status(503, "nothing could be reserved");
    }
    let charged = charge(step, span).await;
    if !charged.is_ok() {
        let path = format!("/reservations/{order}");
        step.call(Name::Inventory, Method::DELETE, "/reservations/{id}", &path).await;
        let declined = charged.status == 402;
        step.service.meter.order(method, if declined { "declined" } else { "payment_failed" });
        step.log(
            if declined { Severity::Warn } else { Severity::Error },
            format!("order {order} given up: payment answered {}", charged.status),
            [("shop.order.id", order.as_str())].into_iter().collect(),
        );
        return Answer::status(if declined { 402 } else { 502 }, "payment failed");
    }
    step.call(Name::Shipping, Method::POST, "/quotes", "/quotes").await;
    step.query(&INSERT_ORDER).await;
    let body = format!("{{\"order\":\"{order}\",\"total_cents\":{total}}}");
    step.publish("orders", &order, body).await;
    step.service.meter.order(method, "placed");
    step.world.tally.order();
    let attributes = [("shop.order.id", order.as_str()), ("shop.payment.method", method)].into_iter().collect();
    step.log(Severity::Info, format!("order {order} placed"), attributes);
    Answer::ok(format!("{{\"order\":\"{order}\"}}"))
}

/// Charges the card; what may pass is tried again after a wait that doubles.
async fn charge(step: &mut Step, span: &mut Span) -> Answer {
    let next = step.weather == Weather::BadRelease || step.dice.chance(CANARY_SHARE);
    let to = if next { Name::PaymentNext } else { Name::Payment };
    let mut attempt = 0;
    loop {
        let charged = step.call_again(to, Method::POST, "/charges", "/charges", attempt).await;
        attempt += 1;
        if charged.status < 500 || attempt == MAX_CHARGES {
            return charged;
        }
        let wait_ms = 40.0 * f64::from(1 << attempt);
        let why = [("shop.retry.attempt", attempt), ("http.response.status_code", i64::from(charged.status))];
        span.event("charge is tried again", why.into_iter().collect());
        step.log(Severity::Warn, format!("payment answered {}, trying again", charged.status), Attributes::default());
        step.work("back off", wait_ms).await;
    }
}

const NULL_POINTER: &str =
    "java.lang.NullPointerException: Cannot invoke \"com.shop.payment.Risk.score()\" because \"risk\" is null
\tat com.shop.payment.FraudCheck.evaluate(FraudCheck.java:74)
\tat com.shop.payment.ChargeController.charge(ChargeController.java:41)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:580)";

pub(super) async fn payment(step: &mut Step, span: &mut Span) -> Answer {
    let amount = step.dice.between(990, 24_990) as i64;
    span.set("shop.payment.amount_cents", amount).set("shop.payment.currency", "EUR");
    let broken = step.weather == Weather::BadRelease;
    let mut check = step.begin("fraud check", SpanKind::Internal);
    let score = step.dice.between(0, 99) as i64;
    check.set("shop.fraud.score", score).event("rules loaded", [("shop.fraud.rules", 41_i64)].into_iter().collect());
    step.pause(if broken { 120.0 } else { 6.0 }).await;
    if broken && step.dice.chance(0.5) {
        let message = "Cannot invoke \"com.shop.payment.Risk.score()\" because \"risk\" is null".into();
        Exception { kind: "java.lang.NullPointerException", message, stacktrace: NULL_POINTER }.record(&mut check);
        span.status(StatusCode::Error, "fraud check failed");
        return Answer::status(500, "fraud check failed");
    }
    check.end();
    let (status, answer) = match step.dice.between(0, 99) {
        0..12 => (503, Answer::status(503, "the card network is busy")),
        12..16 => (402, Answer::status(402, "card declined")),
        _ => (200, Answer::ok("{}")),
    };
    step.call_outside("api.cardnetwork.example", "POST", "/v2/authorizations", 35.0, status).await;
    answer
}

pub(super) async fn shipping(route: &str, inbound: &Inbound, step: &mut Step) -> Answer {
    if route == "/shipments/{id}" {
        step.query(&SHIPMENT).await;
        return Answer::ok(format!("{{\"order\":\"{}\"}}", inbound.piece(1)));
    }
    // The carriers don't depend on each other and are asked one after the other all the same.
    for host in ["rates.swiftpost.example", "api.parcelway.example", "quotes.northfreight.example"] {
        step.call_outside(host, "GET", "/v1/rates", 18.0, 200).await;
    }
    step.work("choose carrier", 1.0).await;
    Answer::ok("{}")
}
