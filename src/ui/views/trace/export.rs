//! Writing the trace to a file that the reader chooses.

use super::load::Loaded;
use crate::engine::{Engine, Query};
use crate::source::SourceError;
use crate::ui::command::Command;
use crate::ui::view::{Level, Request, Toast, ViewContext};
use crate::ui::views::shared::finished;
use crate::wire::export;
use std::path::PathBuf;
use std::sync::Arc;

/// What the menu offers.
pub(super) const FORMATS: [(Command, &str); 4] = [
    (Command::ExportOtlp, "Export OTLP JSON\u{2026}"),
    (Command::ExportJaeger, "Export Jaeger JSON\u{2026}"),
    (Command::ExportZipkin, "Export Zipkin JSON\u{2026}"),
    (Command::ExportChrome, "Export for Chrome\u{2026}"),
];

/// An export under way; dialog and writing are off the frame.
#[derive(Default)]
pub(super) struct Export {
    writing: Query<Option<PathBuf>>,
}

impl Export {
    /// Asks for the file and writes it.
    pub(super) fn start(&mut self, command: Command, loaded: &Arc<Loaded>, engine: &Engine) {
        if self.writing.is_running() {
            return;
        }
        let loaded = loaded.clone();
        let suffix = match command {
            Command::ExportJaeger => "jaeger.json",
            Command::ExportZipkin => "zipkin.json",
            Command::ExportChrome => "chrome.json",
            _ => "otlp.json",
        };
        let name = format!("trace-{}.{suffix}", loaded.trace.id.short());
        self.writing = engine.ask(move |_| {
            let dialog = rfd::FileDialog::new().set_title("Export trace").set_file_name(&name).add_filter("JSON", &["json"]);
            let Some(path) = dialog.save_file() else { return Ok(None) };
            let text = encode(command, &loaded);
            let failed =
                |error: std::io::Error| SourceError::Read(format!("cannot write the trace: {error}: {}", path.display()));
            std::fs::write(&path, text).map_err(failed)?;
            Ok(Some(path))
        });
    }

    /// Says what became of it.
    pub(super) fn poll(&mut self, ctx: &mut ViewContext<'_>) {
        match finished(&mut self.writing) {
            Some(Ok(path)) => {
                if let Some(path) = path.as_ref() {
                    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                    let copy = Request::Copy(path.display().to_string(), "Path".to_owned());
                    ctx.toast(Toast::new(Level::Success, format!("Exported {name}")).with_action("Copy path", copy));
                }
            }
            Some(Err(error)) => ctx.toast(Toast::new(Level::Error, error.to_string())),
            None => {}
        }
    }
}

fn encode(command: Command, loaded: &Loaded) -> String {
    match command {
        Command::ExportJaeger => export::jaeger(&loaded.trace),
        Command::ExportZipkin => export::zipkin(&loaded.trace),
        Command::ExportChrome => export::chrome(&loaded.trace),
        _ => export::otlp_json(&loaded.trace),
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{LoadAnswer, LoadRequest, load};
    use super::*;
    use crate::model::{Span, SpanBatch, TraceId, UnixNanos};
    use crate::source::{MemorySource, QueryControl};

    #[test]
    fn each_format_holds_the_span() {
        let span = Span {
            trace_id: TraceId([7; 16]),
            span_id: 1.into(),
            name: "GET /cart".into(),
            start: UnixNanos(1_000_000),
            end: Some(UnixNanos(3_000_000)),
            ..Span::default()
        };
        let source = Arc::new(MemorySource::new("test", &SpanBatch::from_spans(&[span])));
        let request =
            LoadRequest { source, id: TraceId([7; 16]), known: None, keys: Vec::new(), adjust: false, open_until: None };
        let LoadAnswer::New(loaded) = load(&request, &QueryControl::default()).unwrap() else { panic!("it is there") };
        for (command, text) in FORMATS {
            let written = encode(command, &loaded);
            assert!(written.to_lowercase().contains("get /cart"), "{text}: {written}");
            assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok(), "{text}");
        }
    }
}
