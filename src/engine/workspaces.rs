//! The workspace that the doors fill, others beside it, and what is copied into it or cleared from it.

use super::live::{open_workspace, source_of};
use super::options::Place;
use super::{Engine, EngineError, OpenReport, OpenSource, Query, SourceId, WORKSPACE, WorkspacePlace};
use crate::collector::{Sink, Totals};
use crate::model::{Door, LogRecord, Signal, SpanBatch, SpanBatchBuilder};
use crate::source::TraceRequest;
use crate::store::{Busy, Receipt, Workspace};
use crate::wire::Progress;
use crate::wire::otlp::DecodedMetrics;
use crate::wire::redact::Redaction;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Spans that are handed to the store at once when a file is imported.
const IMPORT_BATCH: usize = 8_192;
/// How long an import waits for a store that takes nothing (a full disk, say) before it gives up.
const IMPORT_PATIENCE: Duration = Duration::from_secs(30);
/// Setting that lists workspaces that were open before.
const KNOWN: &str = "known_workspaces";

impl Engine {
    /// The workspace that the doors fill; `None` when only files are open.
    pub fn workspace(&self) -> Option<WorkspacePlace> {
        let live = self.0.live.as_ref()?;
        let dir = live.served.now().dir().to_owned();
        let temporary = live.options.place == Place::Memory && dir.starts_with(std::env::temp_dir());
        let name = match (temporary, dir.file_name()) {
            (false, Some(name)) => name.to_string_lossy().into_owned(),
            _ => "temporary".to_owned(),
        };
        Some(WorkspacePlace { name, dir, temporary })
    }

    /// Workspaces that were opened before or stand beside the default one, by name. They may be gone.
    pub fn known_workspaces(&self) -> Vec<PathBuf> {
        let mut known: Vec<PathBuf> = self.0.settings.texts(KNOWN).into_iter().map(PathBuf::from).collect();
        let beside = super::options::workspaces_dir().and_then(|dir| std::fs::read_dir(dir).ok());
        known.extend(beside.into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
        known.extend(self.workspace().filter(|place| !place.temporary).map(|place| place.dir));
        known.sort();
        known.dedup();
        known
    }

    /// Makes the doors fill another workspace, made when the folder is empty. The answer is its source, which takes the
    /// place of the one before under [`WORKSPACE`].
    pub fn switch_workspace(&self, dir: PathBuf) -> Query<OpenSource> {
        let engine = self.clone();
        self.ask(move |_| {
            let live = engine.live("switch")?;
            let before_dir = live.served.now().dir().to_owned();
            if before_dir == dir {
                return Ok(source_of(WORKSPACE, &live.served.now()));
            }
            let workspace = open_workspace(&Place::Folder(dir.clone()), &live.options)?;
            live.apply_retention(&workspace);
            live.watch(&workspace, &engine.0.wake);
            let before = live.served.exchange(workspace.clone());
            live.publish();
            live.alerts.reopen(super::now())?;
            live.post.reopen(&live.served.now()).map_err(|error| EngineError::Workspace(error.to_string()))?;
            live.rules.reopen(super::now());
            if engine.0.settings.add_text(KNOWN, &before_dir.to_string_lossy()).is_err() {
                tracing::warn!("the list of workspaces is not kept");
            }
            let source = source_of(WORKSPACE, &workspace);
            let mut sources = engine.0.sources.lock().unwrap_or_else(PoisonError::into_inner);
            match sources.iter_mut().find(|known| known.id == WORKSPACE) {
                Some(known) => *known = source.clone(),
                None => sources.insert(0, source.clone()),
            }
            drop(sources);
            live.changes.send_modify(|count| *count = count.wrapping_add(1));
            engine.0.wake.poke();
            before.close();
            Ok(source)
        })
    }

    /// Opens a second workspace beside the one that the doors fill. Close it with [`Engine::close_source`].
    pub fn open_workspace(&self, dir: PathBuf) -> Query<OpenSource> {
        let engine = self.clone();
        self.ask(move |_| {
            let live = engine.live("open a workspace beside")?;
            let workspace = open_workspace(&Place::Folder(dir.clone()), &live.options)?;
            live.watch(&workspace, &engine.0.wake);
            if engine.0.settings.add_text(KNOWN, &dir.to_string_lossy()).is_err() {
                tracing::warn!("the list of workspaces is not kept");
            }
            let id = SourceId(engine.0.next_source.fetch_add(1, Ordering::Relaxed));
            let source = source_of(id, &workspace);
            live.beside.lock().unwrap_or_else(PoisonError::into_inner).insert(id, workspace);
            engine.0.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source.clone());
            engine.0.wake.poke();
            Ok(source)
        })
    }

    /// Copies the spans of an opened file or text into the workspace.
    pub fn import_source(&self, source: SourceId) -> Query<OpenReport> {
        let engine = self.clone();
        self.ask(move |control| {
            let workspace = engine.live("import into")?.served.now();
            let source = engine.source(source).ok_or_else(|| EngineError::File("the file is closed".to_owned()))?;
            let all = TraceRequest { limit: 0, ..TraceRequest::default() };
            let mut importer = Importer::new(&engine, &workspace);
            for summary in source.spans.traces(&all, control)?.traces {
                control.check()?;
                if let Some(trace) = source.spans.trace(summary.trace_id, control)? {
                    importer.push(&trace.spans, 0..trace.spans.len())?;
                }
            }
            importer.finish()?;
            Ok(source.report.unwrap_or_default())
        })
    }

    /// Copies a file into the workspace without opening it.
    pub fn import_file(&self, path: PathBuf) -> Query<OpenReport> {
        let engine = self.clone();
        self.ask(move |control| Ok(engine.import_file_now(&path, &mut super::files::watched_by(control))?))
    }

    /// As [`Engine::import_file`], on the calling thread, which must not be one of the runtime's. `watch` is told how far the
    /// reading and then the storing is, and ends it by answering `false`; what was stored until then stays.
    pub fn import_file_now(&self, path: &Path, watch: &mut dyn FnMut(Progress) -> bool) -> Result<OpenReport, EngineError> {
        let bytes = super::files::read_file(path)?;
        let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        self.import_bytes_now(&bytes, &name, watch).map_err(|error| super::files::at_path(error, path))
    }

    /// Copies the contents of a file into the workspace, on the calling thread.
    pub fn import_bytes_now(
        &self,
        bytes: &[u8],
        name: &str,
        watch: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<OpenReport, EngineError> {
        let workspace = self.live("import into")?.served.now();
        // Reading and storing take about as long as each other: half of the way each.
        let total = bytes.len() as u64 * 2;
        let half = |done: u64, of: u64| (bytes.len() as f64 * done as f64 / of.max(1) as f64) as u64;
        let mut first_half =
            |progress: Progress| watch(Progress { read: half(progress.read, progress.total), total, ..progress });
        let contents = super::files::read_contents(bytes, name, &mut first_half)?;
        let mut importer = Importer::new(self, &workspace);
        let spans = contents.spans.len();
        for start in (0..spans).step_by(IMPORT_BATCH) {
            let read = bytes.len() as u64 + half(start as u64, spans as u64);
            if !watch(Progress { read, total, spans: start as u64 }) {
                return Err(EngineError::File(format!("stopped after {start} of {spans} spans were stored")));
            }
            importer.push(&contents.spans, start..spans.min(start + IMPORT_BATCH))?;
        }
        importer.finish()?;
        importer.push_logs(&contents.logs)?;
        importer.push_metrics(contents.metrics)?;
        Ok(contents.report)
    }
}

/// Hands what was read to the store in pieces that it can take, one after the other, secrets masked, and waits until each
/// is on disk.
struct Importer<'a> {
    workspace: &'a Workspace,
    redaction: Redaction,
    builder: SpanBatchBuilder,
    waiting: usize,
}

impl<'a> Importer<'a> {
    fn new(engine: &Engine, workspace: &'a Workspace) -> Self {
        Self { workspace, redaction: engine.redaction(), builder: SpanBatchBuilder::default(), waiting: 0 }
    }

    fn push(&mut self, spans: &SpanBatch, rows: Range<usize>) -> Result<(), EngineError> {
        let mut start = rows.start;
        while start < rows.end {
            let end = rows.end.min(start + IMPORT_BATCH - self.waiting);
            self.builder.copy(spans, start..end);
            self.waiting += end - start;
            start = end;
            if self.waiting == IMPORT_BATCH {
                self.finish()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), EngineError> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.waiting = 0;
        let batch = std::mem::take(&mut self.builder).finish();
        let batch = self.redaction.mask_batch(&batch).map_or(batch, |(masked, _)| masked);
        stored(|| self.workspace.append_spans(Door::Import, batch.clone(), super::now()))
    }

    fn push_logs(&self, logs: &[LogRecord]) -> Result<(), EngineError> {
        for logs in logs.chunks(IMPORT_BATCH) {
            let mut services: BTreeMap<SmolStr, u64> = BTreeMap::new();
            for log in logs {
                *services.entry(log.resource.service_name().into()).or_default() += 1;
            }
            let services: Vec<_> = services.into_iter().collect();
            let payload = crate::wire::otlp::encode_logs(logs);
            let masked = crate::wire::otlp::mask_payload(Signal::Logs, &payload, &self.redaction);
            let payload = masked.map_or(payload, |(masked, _)| masked);
            stored(|| self.workspace.append_raw(Door::Import, Signal::Logs, &payload, services.clone(), super::now()))?;
        }
        Ok(())
    }

    /// Samples; deltas become cumulative, going on from what is stored.
    fn push_metrics(&self, metrics: Vec<DecodedMetrics>) -> Result<(), EngineError> {
        let totals = Totals::default();
        for mut decoded in metrics {
            let redacted = self.redaction.mask_samples(&decoded.batch);
            decoded.batch = redacted.map_or(decoded.batch, |(masked, _)| masked);
            totals.apply(&mut decoded, |labels| Sink::last_sample(self.workspace, labels));
            stored(|| self.workspace.append_samples(Door::Import, decoded.batch.clone(), super::now()))?;
        }
        Ok(())
    }
}

/// Appends until the store takes it, and waits until it is on disk.
fn stored(append: impl Fn() -> Result<Receipt, Busy>) -> Result<(), EngineError> {
    let since = Instant::now();
    loop {
        match append() {
            Ok(receipt) => return receipt.wait().map(|_| ()).map_err(|error| EngineError::Workspace(error.to_string())),
            Err(busy) if since.elapsed() > IMPORT_PATIENCE => return Err(EngineError::Workspace(busy.to_string())),
            Err(busy) => std::thread::sleep(busy.retry_after.min(Duration::from_secs(1))),
        }
    }
}
