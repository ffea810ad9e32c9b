//! A view on a stage of its own for semantic tests: no window, no shell, no GPU.

use crate::engine::{Engine, OpenSource, WORKSPACE};
use crate::model::{Span, SpanBatch, UnixNanos};
use crate::source::MemorySource;
use crate::ui::command::{Command, Keyboard};
use crate::ui::facts::Facts;
use crate::ui::nav::Place;
use crate::ui::notices::Notices;
use crate::ui::state::Look;
use crate::ui::theme::{self, ServiceColours};
use crate::ui::view::{Request, View, ViewContext};
use crate::ui::{Range, Screen};
use egui_kittest::Harness;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// What the shell would hold.
pub(super) struct Stage<V> {
    pub(super) view: V,
    pub(super) engine: Engine,
    services: ServiceColours,
    place: Option<Place>,
    keyboard: Keyboard,
    pub(super) requests: Vec<Request>,
    pub(super) live: bool,
    pub(super) now: UnixNanos,
}

impl<V: View> Stage<V> {
    fn frame(&mut self, ui: &mut egui::Ui) {
        let typing = ui.ctx().text_edit_focused();
        let view = &self.view;
        let commands = ui.input_mut(|input| self.keyboard.take(input, typing, |command: Command| view.supports(command)));
        let mut facts = Facts::default();
        facts.refresh(&self.engine);
        let mut ctx = ViewContext {
            engine: &self.engine,
            facts: &facts,
            notices: &Notices::default(),
            look: Look::default(),
            theme: theme::of(ui.ctx()),
            services: &self.services,
            range: Range::All,
            live: self.live,
            source: WORKSPACE,
            now: self.now,
            zone: &TimeZone::UTC,
            commands: &commands,
            requests: &mut self.requests,
        };
        if let Some(place) = self.place.take() {
            self.view.arrive(&place, &mut ctx);
        }
        self.view.ui(ui, &mut ctx);
    }

    /// The text of the last request to copy.
    pub(super) fn copied(&self) -> Option<&str> {
        self.requests.iter().rev().find_map(|request| match request {
            Request::Copy(text, _) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// A harness around `view` over `spans`, at `place`, with its first answers there.
pub(super) fn stage<V: View + 'static>(spans: &[Span], view: V, place: Place) -> Harness<'static, Stage<V>> {
    let source = MemorySource::new("test", &SpanBatch::from_spans(spans));
    let engine = Engine::over(vec![OpenSource { id: WORKSPACE, spans: Arc::new(source), path: None, report: None }]);
    stage_over(engine, view, place)
}

/// As [`stage`], over an engine.
pub(super) fn stage_over<V: View + 'static>(engine: Engine, view: V, place: Place) -> Harness<'static, Stage<V>> {
    use Screen::{Compare, Explore, Findings, Headers, Trace, Traces};
    assert!(matches!(place.screen(), Trace | Traces | Headers | Findings | Compare | Explore));
    let state = Stage {
        view,
        engine,
        services: ServiceColours::default(),
        place: Some(place),
        keyboard: Keyboard::default(),
        requests: Vec::new(),
        live: false,
        now: UnixNanos(1_761_142_300_000_000_000),
    };
    let mut installed = false;
    let app = move |ui: &mut egui::Ui, state: &mut Stage<V>| {
        if !std::mem::replace(&mut installed, true) {
            theme::install(ui.ctx());
            return;
        }
        state.frame(ui);
    };
    let mut harness = Harness::builder().with_size(egui::vec2(1_280.0, 820.0)).build_ui_state(app, state);
    settle(&mut harness);
    harness
}

/// Frames until the answers of the reader threads are in and nothing moves any more.
pub(super) fn settle<V: View>(harness: &mut Harness<'_, Stage<V>>) {
    for _ in 0..14 {
        harness.run_steps(2);
        std::thread::sleep(std::time::Duration::from_millis(4));
    }
}
