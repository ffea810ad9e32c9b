//! Files as sources: opened read-only beside the workspace, or copied into it.
//!
//! An opened file is a [`MemorySource`] of its own, untouched by retention and gone when closed. A file that cannot be read
//! leaves nothing behind.

use super::{Engine, EngineError, OpenReport, OpenSource, Query, SourceId, WORKSPACE};
use crate::model::{LogRecord, SpanBatch, TraceId, UnixNanos};
use crate::source::{MemorySource, QueryControl};
use crate::wire::Progress;
use crate::wire::open::Limits;
use crate::wire::otlp::DecodedMetrics;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Larger files are refused before they are read: decoded, they would not fit beside the window.
pub const LARGEST_FILE: u64 = 4 << 30;

/// What a file or a text held.
pub(super) struct Contents {
    pub(super) spans: SpanBatch,
    pub(super) logs: Vec<LogRecord>,
    pub(super) metrics: Vec<DecodedMetrics>,
    pub(super) report: OpenReport,
}

impl Engine {
    /// Opens a trace file as a source of its own. The answer is the new source, already among [`Engine::sources`].
    pub fn open_file(&self, path: PathBuf) -> Query<OpenSource> {
        let engine = self.clone();
        self.ask(move |control| Ok(engine.open_file_with(&path, &mut watched_by(control))?))
    }

    /// As [`Engine::open_file`], on the calling thread.
    pub fn open_file_now(&self, path: &Path) -> Result<OpenSource, EngineError> {
        self.open_file_with(path, &mut |_| true)
    }

    fn open_file_with(&self, path: &Path, watch: &mut dyn FnMut(Progress) -> bool) -> Result<OpenSource, EngineError> {
        let bytes = read_file(path)?;
        let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        let contents = read_contents(&bytes, &name, watch).map_err(|error| at_path(error, path))?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let source = self.add_source(&name, &contents.spans, Some(absolute.clone()), Some(contents.report));
        if let Err(error) = self.0.settings.note_recent(&absolute, now()) {
            tracing::warn!(%error, "the list of recent files is not kept");
        }
        Ok(source)
    }

    /// Opens pasted text as a source of its own.
    pub fn open_text(&self, name: &str, text: String) -> Query<OpenSource> {
        let (engine, name) = (self.clone(), name.to_owned());
        self.ask(move |control| {
            let contents = read_contents(text.as_bytes(), &name, &mut watched_by(control))?;
            Ok(engine.add_source(&name, &contents.spans, None, Some(contents.report)))
        })
    }

    /// Closes an opened file, text or second workspace. The workspace that the doors fill stays.
    pub fn close_source(&self, id: SourceId) {
        if id == WORKSPACE {
            return;
        }
        self.0.sources.lock().unwrap_or_else(PoisonError::into_inner).retain(|source| source.id != id);
        if let Some(live) = &self.0.live {
            let beside = live.beside.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            if let Some(workspace) = beside {
                // Sealing takes a moment, and the caller may be the window.
                live.handle.spawn_blocking(move || workspace.close());
            }
        }
        self.0.wake.poke();
    }

    fn add_source(&self, name: &str, spans: &SpanBatch, path: Option<PathBuf>, report: Option<OpenReport>) -> OpenSource {
        let source = MemorySource::new(name, spans);
        let id = SourceId(self.0.next_source.fetch_add(1, Ordering::Relaxed));
        let source = OpenSource { id, spans: Arc::new(source), path, report };
        self.0.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source.clone());
        self.0.wake.poke();
        source
    }
}

/// The wall clock, at the edge of the house.
pub fn now() -> UnixNanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, EngineError> {
    let failed = |error: std::io::Error| EngineError::File(format!("cannot read the file: {error}: {}", path.display()));
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        return Err(EngineError::File(format!("this is a folder, not a trace file: {}", path.display())));
    }
    if meta.len() > LARGEST_FILE {
        let size = crate::model::units::bytes(meta.len());
        return Err(EngineError::File(format!("the file is too large to open ({size}): {}", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

pub(super) fn at_path(error: EngineError, path: &Path) -> EngineError {
    match error {
        EngineError::File(text) => EngineError::File(format!("{text}: {}", path.display())),
        other => other,
    }
}

/// Tells a question how far a reading is, and the reading when nobody waits for it any more.
pub(super) fn watched_by(control: &QueryControl) -> impl FnMut(Progress) -> bool {
    move |progress| {
        control.progress(progress.read, progress.total);
        control.check().is_ok()
    }
}

pub(super) fn read_contents(
    bytes: &[u8],
    name: &str,
    watch: &mut dyn FnMut(Progress) -> bool,
) -> Result<Contents, EngineError> {
    let opened = crate::wire::open::read_with(bytes, name, &Limits::default(), watch);
    let opened = opened.map_err(|error| EngineError::File(error.to_string()))?;
    let traces: HashSet<TraceId> = opened.batch.spans.iter().map(|span| span.trace_id).collect();
    let report = OpenReport {
        format: opened.format.name().to_owned(),
        spans: opened.batch.len() as u64,
        traces: traces.len() as u64,
        logs: opened.logs.len() as u64,
        samples: opened.samples,
        rejected: opened.rejected,
        problems: opened.problems.iter().map(ToString::to_string).collect(),
    };
    Ok(Contents { spans: opened.batch, logs: opened.logs, metrics: opened.metrics, report })
}
