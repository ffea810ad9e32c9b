//! What a visitor meets first: frontend, cart and recommendation.

use super::cast::{Name, Severity};
use super::http::{Answer, Inbound};
use super::peers::Statement;
use super::step::{Exception, Step};
use crate::model::{Attributes, SpanKind, StatusCode};
use crate::tracer::Span;
use http::Method;

/// Names that articles of the shop have.
pub(super) const ARTICLES: [&str; 12] = [
    "SKU-1001", "SKU-1002", "SKU-1003", "SKU-1004", "SKU-1005", "SKU-1006", "SKU-1007", "SKU-1008", "SKU-1009", "SKU-1010",
    "SKU-1011", "SKU-1012",
];

pub(super) async fn frontend(route: &str, inbound: &Inbound, step: &mut Step, span: &mut Span) -> Answer {
    match route {
        "/api/products/{id}" => product(inbound.piece(2), step, span).await,
        "/api/search" => {
            let path = format!("/search?{}", inbound.query);
            let found = step.call(Name::Recommendation, Method::GET, "/search", &path).await;
            step.work("render results", 2.0).await;
            if found.is_ok() { found } else { Answer::status(502, "search is not available") }
        }
        "/api/cart" => {
            let cart = inbound.query.strip_prefix("cart=").unwrap_or("c-0").to_owned();
            step.call(Name::Cart, Method::POST, "/carts/{id}/items", &format!("/carts/{cart}/items")).await
        }
        "/api/checkout" => {
            step.work("check session", 1.0).await;
            let path = format!("/orders?{}", inbound.query);
            let placed = step.call(Name::Checkout, Method::POST, "/orders", &path).await;
            match placed.status {
                200..400 => placed,
                402 => Answer::status(402, "card declined"),
                _ => Answer::status(502, "the order could not be placed"),
            }
        }
        _ => {
            let user = inbound.query.strip_prefix("user=").unwrap_or("u-0").to_owned();
            step.call(Name::Checkout, Method::GET, "/users/{id}/orders", &format!("/users/{user}/orders")).await
        }
    }
}

/// Stock and recommendations are asked for side by side; the page does without the second.
async fn product(sku: &str, step: &mut Step, span: &mut Span) -> Answer {
    span.set("shop.product.sku", sku);
    let (mut left, mut right) = (step.beside(), step.beside());
    let (stock_path, recommended_path) = (format!("/stock/{sku}"), format!("/recommendations/{sku}"));
    let (stock, recommended) = tokio::join!(
        left.call(Name::Inventory, Method::GET, "/stock/{sku}", &stock_path),
        right.call(Name::Recommendation, Method::GET, "/recommendations/{sku}", &recommended_path),
    );
    if !stock.is_ok() {
        return Answer::status(502, "stock is not available");
    }
    if !recommended.is_ok() {
        let why = [("shop.fallback.reason", format!("recommendation answered {}", recommended.status))];
        span.event("recommendations left out", why.into_iter().collect());
        step.log(Severity::Warn, "page rendered without recommendations", Attributes::default());
    }
    step.work("render product page", 3.0).await;
    Answer::ok(format!("{{\"sku\":\"{sku}\"}}"))
}

pub(super) async fn cart(inbound: &Inbound, step: &mut Step, span: &mut Span) -> Answer {
    let cart = inbound.piece(1).to_owned();
    let key = format!("cart:{cart}");
    span.set("shop.cart.id", cart);
    step.cache("HGETALL", &key, true).await;
    if inbound.method == Method::POST {
        let sku = step.dice.pick(&ARTICLES);
        span.set("shop.product.sku", sku);
        let stock = step.call(Name::Inventory, Method::GET, "/stock/{sku}", &format!("/stock/{sku}")).await;
        if !stock.is_ok() {
            return Answer::status(503, "stock is not available");
        }
        step.cache("HSET", &format!("{key} {sku} 1"), true).await;
        step.cache("EXPIRE", &format!("{key} 1209600"), true).await;
        step.log(Severity::Info, format!("added {sku} to the cart"), [("shop.product.sku", sku)].into_iter().collect());
    }
    Answer::ok("{}")
}

const RELATED: Statement = Statement {
    database: "catalog",
    operation: "SELECT",
    table: "related_products",
    text: "SELECT related_id FROM related_products WHERE product_id = $1 ORDER BY score DESC LIMIT 12",
    rows: 12,
    median_ms: 3.0,
};
const BY_ID: Statement = Statement {
    database: "catalog",
    operation: "SELECT",
    table: "products",
    text: "SELECT id, name, price_cents, image_url FROM products WHERE id = $1",
    rows: 1,
    median_ms: 2.0,
};
const BY_IDS: Statement = Statement {
    text: "SELECT id, name, price_cents, image_url FROM products WHERE id = ANY($1)",
    rows: 12,
    median_ms: 4.0,
    ..BY_ID
};
const SEARCH: Statement = Statement {
    text: "SELECT id, name, ts_rank(document, query) AS rank FROM products, plainto_tsquery($1) query WHERE document @@ query ORDER BY rank DESC LIMIT 20",
    rows: 20,
    median_ms: 45.0,
    ..BY_ID
};

const INDEX_ERROR: &str = "Traceback (most recent call last):
  File \"/app/recommender/model.py\", line 118, in rank
    best = scores[order[0]]
IndexError: list index out of range";

pub(super) async fn recommendation(route: &str, inbound: &Inbound, step: &mut Step, span: &mut Span) -> Answer {
    if route == "/search" {
        step.query(&SEARCH).await;
        return Answer::ok("[]");
    }
    let warm = step.dice.chance(0.75);
    step.cache("GET", &format!("features:{}", inbound.piece(1)), warm).await;
    let mut rank = step.begin("rank candidates", SpanKind::Internal);
    rank.set("shop.model.version", "2026-03").set("shop.model.warm", warm);
    step.pause(4.0).await;
    if step.dice.chance(0.05) {
        let exception = Exception { kind: "IndexError", message: "list index out of range".into(), stacktrace: INDEX_ERROR };
        exception.record(&mut rank);
        span.status(StatusCode::Error, "ranking failed");
        return Answer::status(500, "ranking failed");
    }
    rank.end();
    if warm {
        step.query(&BY_IDS).await;
    } else {
        // The cold path was written in a hurry: one statement for the ids, and then one for each of them.
        step.query(&RELATED).await;
        for _ in 0..step.dice.between(8, 12) {
            step.query(&BY_ID).await;
        }
    }
    Answer::ok("[]")
}
