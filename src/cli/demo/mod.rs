//! `belvedere demo`: the sample shop. Ten programs' worth of services in one: each with a listener of its own on loopback,
//! its own resource and tracer, calling each other over real HTTP with W3C context and baggage; databases, cache and queue
//! seen from the client's side; slow days, errors, retries, an N+1, serial calls, a batch job, a bad release.
//!
//! Traces, logs and metrics leave it over OTLP. With a seed the traces' shape, ids and attributes repeat, whatever the
//! timing: every choice follows from the ids that came with the request. Runs as a command and inside the window
//! ([`Shop::start`]). The shop only talks to loopback and to the collector.

mod background;
mod cast;
mod dice;
mod http;
mod load;
mod meter;
mod orders;
mod peers;
mod shop;
mod step;
mod storefront;
mod weather;

#[cfg(test)]
mod tests;

pub use shop::{Shop, ShopConfig, Tally};

use crate::tracer::{ExportError, RandomIds};
use std::time::Duration;

/// Arguments of `belvedere demo`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:
  belvedere demo                     a few page visits a second, until Ctrl-C
  belvedere demo --story             the same, with things going wrong in turn
  belvedere demo --seed 7 --rate 50 --duration 10")]
pub struct DemoArgs {
    /// Repeat the traces of this seed: their shape, ids and attributes [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Page visits a second; each is a trace of some twenty spans
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    pub rate: f64,
    /// Collector to send to, OTLP over HTTP
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4318")]
    pub endpoint: String,
    /// Stop after so many seconds [default: run until Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<f64>,
    /// Tell a story: a bad release, a lost index, each followed by its repair
    #[arg(long)]
    pub story: bool,
}

/// Why the shop did not open.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The rate makes no sense.
    #[error("--rate must lie between 0.01 and 1000 page visits a second, it is {0}")]
    Rate(f64),
    /// The duration makes no sense.
    #[error("--duration must be a number of seconds above 0, it is {0}")]
    Duration(f64),
    /// No room to listen.
    #[error("can't listen on loopback: {0}")]
    Listen(std::io::Error),
    /// No threads.
    #[error("can't start the shop's threads: {0}")]
    Runtime(std::io::Error),
    /// The address of the collector can't be used.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Runs the shop until it is interrupted, or for `--duration`. Gives the exit code: 1 when telemetry did not arrive.
pub fn run(args: &DemoArgs, json: bool) -> Result<u8, DemoError> {
    let lasts = match args.duration {
        None => None,
        Some(seconds) if seconds > 0.0 && seconds < 1e9 => Some(Duration::from_secs_f64(seconds)),
        Some(seconds) => return Err(DemoError::Duration(seconds)),
    };
    let seed = args.seed.unwrap_or_else(|| RandomIds::number() % 1_000_000);
    let config = ShopConfig { endpoint: args.endpoint.clone(), seed, rate: args.rate, story: args.story };
    let shop = Shop::open(&config)?;
    eprintln!("demo shop: nine services on loopback, {} visits/s, seed {seed}, sending to {}", args.rate, args.endpoint);
    if lasts.is_none() {
        eprintln!("Ctrl-C closes it");
    }
    shop.block_on(watch(&shop, lasts));
    let Tally { visits, failed, orders, problem, .. } = shop.stop();
    eprintln!("{visits} page visits, {orders} orders, {failed} error pages");
    if let Some(problem) = &problem {
        eprintln!("telemetry did not arrive: {problem}");
    }
    if json {
        let object = serde_json::json!({
            "seed": seed, "visits": visits, "orders": orders, "failed": failed, "problem": problem,
        });
        println!("{object}");
    }
    Ok(u8::from(problem.is_some()))
}

/// Visits a second of the shop that the window opens.
const BESIDE_RATE: f64 = 2.0;

/// Opens a shop beside a running Belvedere, another one each time; dropping it closes it.
pub fn open_beside(endpoint: &str) -> Result<Box<dyn Send>, String> {
    match Shop::start(endpoint, RandomIds::number(), BESIDE_RATE) {
        Ok(shop) => Ok(Box::new(shop)),
        Err(error) => Err(error.to_string()),
    }
}

/// Waits for the end and tells what changes on the way.
async fn watch(shop: &Shop, lasts: Option<Duration>) {
    let mut told = Tally::default();
    let end = async {
        match lasts {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            () = &mut end => return,
            () = &mut interrupted => return,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        let tally = shop.tally();
        if tally.chapter != told.chapter
            && let Some(text) = tally.chapter
        {
            eprintln!("{text}");
        }
        match (&told.problem, &tally.problem) {
            (None, Some(problem)) => eprintln!("telemetry does not arrive: {problem}"),
            (Some(_), None) => eprintln!("telemetry arrives again"),
            _ => {}
        }
        told = tally;
    }
}

/// Resolves at Ctrl-C or a polite request to end.
async fn interrupted() {
    let ctrl_c = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = ctrl_c => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = ctrl_c.await;
}
