//! Metrics of the workspace: whom to ask for series, the targets that are scraped, and what this program tells of itself
//! and, when asked to, of its machine.

use super::live::Live;
use super::{DoorState, Engine, EngineError, WeakEngine, host, now};
use crate::collector::Sink;
use crate::collector::scrape::config::ScrapeConfig;
use crate::collector::scrape::{Found, Scraper, Targets, discover};
use crate::model::{Door, Labels, SampleBatch};
use crate::source::SeriesSource;
use crate::wire::exposition::{Dialect, read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the program and its machine are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The setting that names the scrape configuration when the command line does not.
const SCRAPE_CONFIG: &str = "scrape_config";

impl Engine {
    /// The samples of the served workspace; `None` when only files are open.
    pub fn series(&self) -> Option<Arc<dyn SeriesSource>> {
        if self.0.series.is_some() {
            return self.0.series.clone();
        }
        Some(self.0.live.as_ref()?.served.now().metrics())
    }

    /// Targets that are scraped; none without a scrape configuration.
    pub fn scrape_targets(&self) -> Targets {
        self.scraper().map(Scraper::targets).unwrap_or_default()
    }

    /// Programs on this machine that answer `/metrics`, to be offered as targets. Asks each listening port once.
    pub async fn discover_targets(&self) -> Vec<Found> {
        let ports = self.doors().into_iter().flat_map(|status| match status.state {
            DoorState::Open(addresses) => addresses.iter().map(SocketAddr::port).collect(),
            _ => Vec::new(),
        });
        discover(&ports.collect::<Vec<_>>()).await
    }

    /// The scrape configuration as text, secrets hidden, with what of it is not followed; empty without one.
    pub fn scrape_config(&self) -> (String, Vec<String>) {
        self.scraper().map(|scraper| (scraper.config().text.clone(), scraper.config().notes.clone())).unwrap_or_default()
    }

    /// Names the scrape configuration of the next start; `None` forgets it.
    pub fn set_scrape_config(&self, path: Option<PathBuf>) -> Result<(), EngineError> {
        let path: Vec<String> = path.into_iter().map(|path| path.to_string_lossy().into_owned()).collect();
        self.0.settings.put_texts(SCRAPE_CONFIG, &path).map_err(EngineError::Setting)
    }

    fn scraper(&self) -> Option<&Scraper> {
        self.0.live.as_ref()?.scraper.as_ref()
    }
}

/// Begins to scrape, when a configuration is named.
pub(super) fn start_scraper(live: &Live, settings: &super::settings::Settings) -> Result<Option<Scraper>, EngineError> {
    if live.options.doors.is_empty() {
        return Ok(None);
    }
    let named = live.options.scrape_config.clone();
    let path = named.or_else(|| settings.texts(SCRAPE_CONFIG).first().map(PathBuf::from));
    let Some(path) = path else { return Ok(None) };
    let config = ScrapeConfig::load(&path).map_err(|error| EngineError::File(error.to_string()))?;
    for note in &config.notes {
        tracing::warn!("{note}: {}", path.display());
    }
    let _inside = live.handle.enter();
    let sink: Arc<dyn Sink> = Arc::new(live.served.clone());
    let seed = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Ok(Some(Scraper::start(config, sink, Arc::new(now), seed)))
}

/// Looks at the program, and at the machine when asked to, for as long as the engine lives.
pub(super) async fn look(engine: WeakEngine) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + LOOK_EVERY, LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        // Both read files and wait for a disk.
        let looked = tokio::task::spawn_blocking(move || look_once(&engine)).await;
        if let Err(error) = looked {
            tracing::debug!(%error, "looking at the program failed");
        }
    }
}

fn look_once(engine: &Engine) {
    let Some(live) = &engine.0.live else { return };
    let time = now();
    if let Some(own) = &live.own {
        own.keep_samples(of_program(&engine.registry().expose(), time.0.div_euclid(1_000_000)));
    }
    if live.options.host_metrics {
        let batch = host::look(time.0.div_euclid(1_000_000));
        // A full queue drops one look; the next comes in 15 s.
        drop(live.served.now().append_samples(Door::Own, batch, time));
    }
}

/// What the program exposes, as samples of job and instance.
fn of_program(text: &str, time: i64) -> SampleBatch {
    let Ok(exposed) = read(text.as_bytes(), Dialect::Text, time) else { return SampleBatch::default() };
    let mut batch = SampleBatch { metadata: exposed.metadata.clone(), ..SampleBatch::default() };
    for series in &exposed.series {
        let labels = Labels::from_packed(exposed.packed_labels(series)).unwrap_or_default();
        batch.begin_series(&labels.edit().set("job", "belvedere").set("instance", &std::process::id().to_string()).build());
        for at in series.samples.start as usize..series.samples.end as usize {
            batch.push_float(exposed.times[at], exposed.values[at]);
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_exposes_gets_job_and_instance() {
        let batch = of_program("# TYPE a_total counter\na_total{door=\"api\"} 3\n", 9);
        let labels = Labels::from_packed(batch.packed_labels(&batch.series[0])).unwrap();
        assert_eq!((labels.get("job"), labels.get("door"), batch.values[0]), ("belvedere", "api", 3.0));
    }
}
