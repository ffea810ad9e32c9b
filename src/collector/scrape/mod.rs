//! Scraping: asks targets for their metrics, as Prometheus does, in slots of their own.
//!
//! A configuration ([`config`]) names jobs; addresses become targets ([`target`]) through their rules ([`relabel`]); each
//! target is a task that asks ([`client`]), reads the answer ([`page`]) and hands samples to the sink. A target that goes
//! away, by its file or with the configuration, leaves stale markers. What is known of each is in [`Scraper::targets`].

mod client;
pub mod config;
mod discover;
mod md5;
mod page;
pub mod relabel;
pub mod target;

pub use discover::{Found, discover};

use super::connection;
use super::sink::Sink;
use crate::model::{Door, Labels, SampleBatch, UnixNanos};
use client::Asker;
use config::{Job, ScrapeConfig, TargetGroup};
use page::{Outcome, Page};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use target::{Made, Target};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How often files of targets are looked at, however long their `refresh_interval` is: looking costs a `stat`.
const LOOK_AT_FILES: Duration = Duration::from_secs(5);

/// Whether a target answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Health {
    /// Not asked yet.
    #[default]
    Unknown,
    /// It did.
    Up,
    /// It did not, or not in a way that makes sense.
    Down,
}

impl Health {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetStatus {
    /// Name of its job.
    pub pool: String,
    /// The target.
    pub target: Target,
    /// Whether it answered last time.
    pub health: Health,
    /// Why not; empty when it did.
    pub last_error: String,
    /// When it was asked last.
    pub last_scrape: Option<UnixNanos>,
    /// How long that took.
    pub last_duration: Duration,
    /// Samples of its last answer, after relabeling.
    pub samples: u64,
}

/// A target that relabeling dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedTarget {
    /// Name of its job.
    pub pool: String,
    /// Its labels before relabeling.
    pub discovered: Labels,
}

/// Targets as they are now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// Those that are scraped, by job and URL.
    pub active: Vec<TargetStatus>,
    /// Those that are not.
    pub dropped: Vec<DroppedTarget>,
    /// What is wrong with files of targets and with targets.
    pub problems: Vec<String>,
}

/// What time it is, in nanoseconds since 1970.
pub type Now = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// Scrapes until it is dropped or stopped.
pub struct Scraper {
    config: ScrapeConfig,
    targets: Arc<Mutex<Targets>>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Scraper {
    /// Begins, within a runtime. `seed` moves the slots of this machine.
    pub fn start(config: ScrapeConfig, sink: Arc<dyn Sink>, now: Now, seed: u64) -> Self {
        let targets: Arc<Mutex<Targets>> = Arc::default();
        let (stop, stopping) = watch::channel(false);
        let runner = Runner {
            jobs: config.jobs.iter().cloned().map(Arc::new).collect(),
            sink,
            now,
            seed,
            asker: Asker::new(),
            targets: targets.clone(),
        };
        let task = tokio::spawn(runner.run(stopping));
        Self { config, targets, stop, task: Mutex::new(Some(task)) }
    }

    /// The configuration.
    pub fn config(&self) -> &ScrapeConfig {
        &self.config
    }

    /// What is known of the targets.
    pub fn targets(&self) -> Targets {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it: every series gets a stale marker, so that nothing seems to go on.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.await.ok();
        }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

struct Runner {
    jobs: Vec<Arc<Job>>,
    sink: Arc<dyn Sink>,
    now: Now,
    seed: u64,
    asker: Asker,
    targets: Arc<Mutex<Targets>>,
}

/// A target that is being scraped.
struct Running {
    stop: watch::Sender<bool>,
}

impl Runner {
    async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut running: HashMap<(String, u64), Running> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut looked = None;
        loop {
            let groups = self.groups();
            if looked.as_ref() != Some(&groups) {
                self.settle(&groups, &mut running, &mut tasks);
                looked = Some(groups);
            }
            while tasks.try_join_next().is_some() {}
            tokio::select! {
                () = tokio::time::sleep(LOOK_AT_FILES) => {}
                () = connection::stopped(&mut stopping) => break,
            }
        }
        for target in running.values() {
            target.stop.send_replace(true);
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Groups of each job as configuration and files have them now, and what is wrong with the files.
    fn groups(&self) -> Vec<(Vec<TargetGroup>, Vec<String>)> {
        let of = |job: &Arc<Job>| {
            let (mut groups, mut problems) = (job.groups.clone(), Vec::new());
            for path in job.files.iter().flat_map(config::FileDiscovery::files) {
                match TargetGroup::load(&path) {
                    Ok(more) => groups.extend(more.into_iter().map(|mut group| {
                        let source = path.display().to_string();
                        group.labels = group.labels.edit().set("__meta_filepath", &source).build();
                        group
                    })),
                    Err(problem) => problems.push(problem),
                }
            }
            (groups, problems)
        };
        self.jobs.iter().map(of).collect()
    }

    /// Begins targets that are new and ends those that are gone.
    fn settle(
        &self,
        groups: &[(Vec<TargetGroup>, Vec<String>)],
        running: &mut HashMap<(String, u64), Running>,
        tasks: &mut JoinSet<()>,
    ) {
        let mut wanted: Vec<(Arc<Job>, Target)> = Vec::new();
        let (mut dropped, mut problems) = (Vec::new(), Vec::new());
        for (job, (groups, faults)) in self.jobs.iter().zip(groups) {
            problems.extend(faults.iter().cloned());
            let before = wanted.len();
            for group in groups {
                for address in &group.addresses {
                    match Target::make(job, address, &group.labels) {
                        Made::Target(target) => wanted.push((job.clone(), target)),
                        Made::Dropped(discovered) => dropped.push(DroppedTarget { pool: job.name.clone(), discovered }),
                        Made::Bad(_, reason) => problems.push(format!("job {:?}, target {address:?}: {reason}", job.name)),
                    }
                }
            }
            let limit = job.limits.targets;
            if limit > 0 && (wanted.len() - before) as u64 > limit {
                problems.push(format!(
                    "job {:?}: target_limit exceeded (number of targets: {}, limit: {limit})",
                    job.name,
                    wanted.len() - before
                ));
                wanted.truncate(before);
            }
        }
        let mut seen = std::collections::HashSet::new();
        wanted.retain(|(job, target)| seen.insert((job.name.clone(), target.hash())));
        running.retain(|key, target| {
            let stays = seen.contains(key);
            if !stays {
                target.stop.send_replace(true);
            }
            stays
        });
        let mut statuses = Vec::new();
        {
            let mut known = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            for (job, target) in &wanted {
                let old = known.active.iter().position(|status| status.pool == job.name && status.target == *target);
                statuses.push(old.map_or_else(|| fresh(job, target), |at| known.active[at].clone()));
            }
            *known = Targets { active: statuses, dropped, problems };
        }
        for (job, target) in wanted {
            let key = (job.name.clone(), target.hash());
            running.entry(key).or_insert_with(|| {
                let (stop, stopping) = watch::channel(false);
                let scrape = Scrape {
                    job,
                    target,
                    page: Page::default(),
                    sink: self.sink.clone(),
                    now: self.now.clone(),
                    seed: self.seed,
                    asker: self.asker.clone(),
                    targets: self.targets.clone(),
                };
                tasks.spawn(scrape.run(stopping));
                Running { stop }
            });
        }
    }
}

fn fresh(job: &Job, target: &Target) -> TargetStatus {
    TargetStatus {
        pool: job.name.clone(),
        target: target.clone(),
        health: Health::Unknown,
        last_error: String::new(),
        last_scrape: None,
        last_duration: Duration::ZERO,
        samples: 0,
    }
}

/// One target's task.
struct Scrape {
    job: Arc<Job>,
    target: Target,
    page: Page,
    sink: Arc<dyn Sink>,
    now: Now,
    seed: u64,
    asker: Asker,
    targets: Arc<Mutex<Targets>>,
}

impl Scrape {
    async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let first = self.target.until_slot(((self.now)().0 / 1_000_000).unsigned_abs(), self.seed);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, self.target.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.once().await,
                () = connection::stopped(&mut stopping) => break,
            }
        }
        let time = millis((self.now)());
        let mut batch = self.page.end(time);
        page::report_end(&mut batch, &self.target.labels, time);
        self.store(batch).await.ok();
    }

    /// Asks once and stores what came.
    async fn once(&mut self) {
        let asked = (self.now)();
        let time = millis(asked);
        let started = Instant::now();
        let answer = self.asker.ask(&self.job, &self.target).await;
        let took = started.elapsed();
        let labels = &self.target.labels;
        let (mut batch, outcome) = match answer {
            Ok((text, dialect)) => self.page.take(&self.job, labels, &text, dialect, time),
            Err(error) => (self.page.end(time), Err(error)),
        };
        let counted = outcome.clone().unwrap_or_default();
        page::report(&mut batch, labels, time, outcome.is_ok(), took, &counted);
        let stored = self.store(batch).await;
        let error = outcome.err().or(stored.err()).unwrap_or_default();
        self.note(asked, took, &counted, error);
    }

    async fn store(&self, batch: SampleBatch) -> Result<(), String> {
        let receipt = self.sink.append_samples(Door::Scrape, batch, (self.now)());
        let receipt = receipt.map_err(|busy| format!("not stored: {busy}"))?;
        receipt.await.map(drop).map_err(|error| format!("not stored: {error}"))
    }

    fn note(&self, asked: UnixNanos, took: Duration, outcome: &Outcome, error: String) {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = |status: &&mut TargetStatus| status.pool == self.job.name && status.target == self.target;
        if let Some(status) = targets.active.iter_mut().find(is_this) {
            status.health = if error.is_empty() { Health::Up } else { Health::Down };
            status.last_error = error;
            status.last_scrape = Some(asked);
            status.last_duration = took;
            status.samples = outcome.kept;
        }
    }
}

fn millis(time: UnixNanos) -> i64 {
    time.0.div_euclid(1_000_000)
}
