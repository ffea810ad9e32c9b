//! The visitors: page visits at a rate, each a trace that begins in the browser. The n-th visit follows from the seed
//! and n alone.

use super::background::restock;
use super::cast::Name;
use super::dice::Dice;
use super::http::Answer;
use super::shop::World;
use super::step::Step;
use super::storefront::ARTICLES;
use super::weather::{Weather, chapter};
use crate::context::Baggage;
use crate::model::{SpanId, StatusCode, TraceId};
use crate::tracer::mix;
use http::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// Visits at the same time; more wait, so that a high rate can't eat the machine.
pub(super) const MAX_VISITS: usize = 128;
/// A restock runs once in so many visits.
const RESTOCK_EVERY: u64 = 60;

/// What a visitor does.
#[derive(Clone, Copy, Debug)]
enum Page {
    Product,
    Search,
    AddToCart,
    Buy,
    Orders,
}

impl Page {
    fn of(dice: &mut Dice) -> Self {
        match dice.between(0, 99) {
            0..45 => Self::Product,
            45..53 => Self::Search,
            53..73 => Self::AddToCart,
            73..93 => Self::Buy,
            _ => Self::Orders,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Product => "view product",
            Self::Search => "search",
            Self::AddToCart => "add to cart",
            Self::Buy => "buy",
            Self::Orders => "order history",
        }
    }
}

/// Sends visitors until `stop` says so.
pub(super) async fn run(world: Arc<World>, seed: u64, rate: f64, story: bool, mut stop: watch::Receiver<bool>) {
    let begin = Instant::now();
    let places = world.visitors.clone();
    for number in 0_u64.. {
        let mut dice = Dice::new(seed ^ mix(number));
        let jitter = if number == 0 { 0.0 } else { dice.between(0, 400) as f64 / 1000.0 };
        let at = begin + Duration::from_secs_f64((number as f64 + jitter) / rate);
        tokio::select! {
            () = sleep_until(at) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let Ok(place) = Semaphore::acquire_owned(places.clone()).await else { return };
        let (text, first) = chapter(number);
        if story && first {
            world.tally.tell(text.text);
        }
        let visit_world = world.clone();
        tokio::spawn(async move {
            visit(visit_world, dice, number, Weather::of_visit(number, story)).await;
            drop(place);
        });
        if number % RESTOCK_EVERY == RESTOCK_EVERY / 2 {
            tokio::spawn(restock(world.clone(), mix(seed ^ number)));
        }
    }
}

async fn visit(world: Arc<World>, mut dice: Dice, number: u64, weather: Weather) {
    let page = Page::of(&mut dice);
    let service = world.service(Name::Web).clone();
    let trace_id = TraceId::from_halves(dice.roll(), dice.roll().max(1));
    let user = format!("u-{:03}", dice.between(1, 120));
    let browser = dice.pick(&["Firefox/141.0", "Chrome/139.0", "Safari/18.4"]);
    let root = service.tracer.span(page.name()).with_trace_id(trace_id).with_span_id(SpanId::from(dice.roll().max(1)));
    let mut span = root
        .set("user.id", user.as_str())
        .set("session.id", format!("s-{:08x}", dice.roll() >> 32))
        .set("user_agent.name", browser)
        .set("shop.visit", number as i64)
        .start();
    let baggage = weather.into_baggage(&Baggage::default().with("user.id", user.as_str()));
    let parent = span.context().clone();
    let mut step = Step { world: world.clone(), service, parent, baggage, weather, dice };
    let answer = browse(page, &user, &mut step).await;
    step.work("paint", 6.0).await;
    if answer.status >= 500 {
        span.status(StatusCode::Error, "the page shows an error");
    }
    world.tally.visit(answer.status >= 500);
}

async fn browse(page: Page, user: &str, step: &mut Step) -> Answer {
    let sku = step.dice.pick(&ARTICLES);
    match page {
        Page::Product => {
            let path = format!("/api/products/{sku}");
            step.call(Name::Frontend, Method::GET, "/api/products/{id}", &path).await
        }
        Page::Search => {
            let words = step.dice.pick(&["lamp", "desk", "oak+chair", "rug", "shelf"]);
            step.call(Name::Frontend, Method::GET, "/api/search", &format!("/api/search?q={words}")).await
        }
        Page::AddToCart => step.call(Name::Frontend, Method::POST, "/api/cart", &format!("/api/cart?cart=c-{user}")).await,
        Page::Buy => {
            let added = step.call(Name::Frontend, Method::POST, "/api/cart", &format!("/api/cart?cart=c-{user}")).await;
            if !added.is_ok() {
                return added;
            }
            step.call(Name::Frontend, Method::POST, "/api/checkout", &format!("/api/checkout?cart=c-{user}")).await
        }
        Page::Orders => step.call(Name::Frontend, Method::GET, "/api/orders", &format!("/api/orders?user={user}")).await,
    }
}
