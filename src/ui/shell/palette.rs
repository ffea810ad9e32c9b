//! The command palette: one list of places, commands, services and traces. Prefixes: `>` commands, `@` services, `#` trace
//! id, `:` time range. A pasted trace id or traceparent opens its trace.

use crate::engine::{Engine, Query, SourceId, WORKSPACE};
use crate::model::{TraceId, UnixNanos, units};
use crate::source::{ServiceSummary, TimeRange, TraceList, TraceRequest};
use crate::ui::command::Command;
use crate::ui::facts::Facts;
use crate::ui::fuzzy;
use crate::ui::nav::{Place, SettingsPage, read_link};
use crate::ui::range::Range;
use crate::ui::range_text;
use crate::ui::theme::size::{part, radius, space};
use crate::ui::theme::{self, Face, Icon, icon};
use crate::ui::view::Request;
use crate::ui::widgets::key_hint;
use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Area, Context, Frame, Key, Layout, Margin, Order, Rect, Sense, Stroke, TextEdit, Ui, pos2, vec2};
use jiff::tz::TimeZone;

/// Rows that are listed.
const ROWS: usize = 40;
/// Traces that are looked through by name.
const TRACES: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Group {
    GoTo,
    Commands,
    Services,
    Traces,
}

impl Group {
    fn title(self) -> &'static str {
        match self {
            Self::GoTo => "Go to",
            Self::Commands => "Commands",
            Self::Services => "Services",
            Self::Traces => "Traces",
        }
    }
}

struct Row {
    group: Group,
    icon: Icon,
    text: String,
    lit: Vec<usize>,
    note: String,
    mono: bool,
    caps: Vec<String>,
    request: Request,
    score: i32,
}

/// The open palette.
pub struct Palette {
    text: String,
    selected: usize,
    rows: Vec<Row>,
    built_for: Option<(String, usize)>,
    services: Query<Vec<ServiceSummary>>,
    traces: Query<TraceList>,
    source: SourceId,
    fresh: bool,
}

/// What the palette needs to know of the window.
pub struct Around<'a> {
    /// Commands that can be given.
    pub offered: Vec<Command>,
    /// What the engine says about itself.
    pub facts: &'a Facts,
    /// Now.
    pub now: UnixNanos,
    /// Zone of typed times.
    pub zone: &'a TimeZone,
}

impl Palette {
    /// Opens it over a source, with the text it begins with.
    pub fn open(engine: &Engine, source: SourceId, text: &str) -> Self {
        let mut palette = Self {
            text: text.to_owned(),
            selected: 0,
            rows: Vec::new(),
            built_for: None,
            services: Query::Idle,
            traces: Query::Idle,
            source,
            fresh: true,
        };
        if let Some(open) = engine.source(source).or_else(|| engine.source(WORKSPACE)) {
            let spans = open.spans.clone();
            palette.services = engine.ask(move |control| spans.services(TimeRange::ALL, 1, control));
            let request = TraceRequest { limit: TRACES, ..TraceRequest::default() };
            palette.traces = engine.ask(move |control| open.spans.traces(&request, control));
        }
        palette
    }

    /// Draws it. `None` while it stays open; else what was chosen, if anything.
    pub fn show(&mut self, ctx: &Context, around: &Around<'_>) -> Option<Option<Request>> {
        let arrived = usize::from(self.services.poll()) + usize::from(self.traces.poll());
        self.build(around, arrived);
        // Keys before paint: what closes it leaves no veil behind, not even for a frame.
        let (up, down, enter, escape) = ctx.input_mut(|input| {
            let mut take = |key| input.consume_key(egui::Modifiers::NONE, key);
            (take(Key::ArrowUp), take(Key::ArrowDown), take(Key::Enter), take(Key::Escape))
        });
        if escape {
            return Some(None);
        }
        if enter && let Some(row) = self.rows.get(self.selected) {
            return Some(Some(row.request.clone()));
        }
        let theme = theme::of(ctx);
        let screen = ctx.content_rect();
        let veil = Area::new(egui::Id::unique("palette veil")).order(Order::Middle).fixed_pos(screen.min).show(ctx, |ui| {
            let (rect, response) = ui.allocate_exact_size(screen.size(), Sense::click());
            ui.painter().rect_filled(rect, 0.0, theme.scrim);
            response.clicked()
        });
        if veil.inner {
            return Some(None);
        }
        let mut chosen = None;
        let last = self.rows.len().saturating_sub(1);
        if up {
            self.selected = self.selected.checked_sub(1).unwrap_or(last);
        }
        if down {
            self.selected = if self.selected >= last { 0 } else { self.selected + 1 };
        }
        let width = part::PALETTE.min(screen.width() - 48.0);
        let left = screen.center().x - width / 2.0;
        let area = Area::new(egui::Id::unique("palette")).order(Order::Foreground).fixed_pos(pos2(left, screen.top() + 112.0));
        let moved = up || down;
        area.show(ctx, |ui| {
            Frame::new()
                .fill(theme.raised)
                .stroke(Stroke::new(1.0, theme.hairline_strong))
                .corner_radius(radius::POPUP)
                .shadow(egui::Shadow { offset: [0, 4], blur: 8, spread: 0, color: theme.shadow })
                .inner_margin(Margin::ZERO)
                .show(ui, |ui| {
                    ui.set_width(width);
                    ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
                    self.head(ui);
                    let height = (screen.height() - 112.0 - 44.0 - 34.0 - 48.0).clamp(120.0, 420.0);
                    let picked = egui::ScrollArea::vertical()
                        .max_height(height)
                        .show(ui, |ui| {
                            ui.set_width(width);
                            self.list(ui, moved)
                        })
                        .inner;
                    if let Some(index) = picked {
                        chosen = self.rows.get(index).map(|row| row.request.clone());
                    }
                    foot(ui);
                });
        });
        chosen.map(Some)
    }

    fn head(&mut self, ui: &mut Ui) {
        let theme = theme::of(ui.ctx());
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 44.0), Sense::hover());
        Icon::Search.paint(ui.painter(), pos2(rect.left() + 22.0, rect.center().y), icon::SIZE, theme.text_subdued);
        let count = if self.rows.len() == 1 { "1 result".to_owned() } else { format!("{} results", self.rows.len()) };
        let count = ui.painter().layout_no_wrap(count, Face::Small.font(), theme.text_faint);
        let count_left = rect.right() - 16.0 - count.size().x;
        ui.painter().galley(pos2(count_left, rect.center().y - count.size().y / 2.0), count, theme.text_faint);
        let inner = Rect::from_min_max(pos2(rect.left() + 40.0, rect.top()), pos2(count_left - 12.0, rect.bottom()));
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(inner));
        let edit = TextEdit::singleline(&mut self.text)
            .font(egui::FontId::new(15.0, Face::Body.font().family))
            .text_color(theme.text_strong)
            .hint_text(theme::text("Search places, commands and traces", Face::Body, theme.text_faint))
            .frame(Frame::NONE)
            .align(egui::Align2::LEFT_CENTER)
            .desired_width(inner.width());
        let response = child.add_sized(inner.size(), edit);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Search places, commands and traces"));
        if self.fresh || !response.has_focus() {
            response.request_focus();
            self.fresh = false;
        }
        theme::paint_hairline(ui, pos2(rect.left(), rect.bottom() - 1.0), pos2(rect.right(), rect.bottom() - 1.0));
    }

    fn list(&self, ui: &mut Ui, moved: bool) -> Option<usize> {
        let theme = theme::of(ui.ctx());
        let mut picked = None;
        if self.rows.is_empty() {
            ui.add_space(space::SECTION);
            ui.vertical_centered(|ui| {
                let nothing = format!("Nothing is called `{}`", self.text.trim());
                ui.label(theme::text(nothing, Face::Body, theme.text_subdued));
            });
            ui.add_space(space::SECTION);
        }
        let mut group = None;
        for (index, row) in self.rows.iter().enumerate() {
            if group != Some(row.group) {
                group = Some(row.group);
                let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 28.0), Sense::hover());
                let title = ui.painter().layout_no_wrap(row.group.title().to_owned(), Face::Caption.font(), theme.text_faint);
                let at = pos2(rect.left() + 16.0, rect.bottom() - 4.0 - title.size().y);
                ui.painter().galley(at, title, theme.text_faint);
            }
            let (outer, response) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), Sense::click());
            let on = index == self.selected;
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::ListBoxOption, true, on, &row.text));
            let rect = outer.shrink2(vec2(6.0, 0.0));
            paint_row(ui, rect, row, on, response.hovered());
            if on && moved {
                response.scroll_to_me(None);
            }
            if response.clicked() {
                picked = Some(index);
            }
        }
        ui.add_space(6.0);
        picked
    }

    fn build(&mut self, around: &Around<'_>, arrived: usize) {
        let key = (self.text.clone(), around.offered.len());
        if arrived == 0 && self.built_for.as_ref() == Some(&key) {
            return;
        }
        if self.built_for.as_ref().is_none_or(|(text, _)| *text != self.text) {
            self.selected = 0;
        }
        self.built_for = Some(key);
        let text = self.text.trim().to_owned();
        let mut rows = Vec::new();
        match text.chars().next() {
            Some('>') => self.commands(&text[1..], around, &mut rows),
            Some('@') => self.services(&text[1..], &mut rows),
            Some('#') => self.traces(&text[1..], around, &mut rows),
            Some(':') => ranges(&text[1..], around, &mut rows),
            _ => {
                if let Some((id, span)) = read_link(&text) {
                    let request = Request::Go(Place::Trace { source: self.source, id, span });
                    rows.push(Row { request, ..self.trace_row(id, "open what the link names") });
                } else if let Some(id) = trace_id_in(&text) {
                    rows.push(self.trace_row(id, "open this trace"));
                }
                places(&text, around, &mut rows);
                self.commands(&text, around, &mut rows);
                if !text.is_empty() {
                    self.services(&text, &mut rows);
                    self.traces(&text, around, &mut rows);
                }
            }
        }
        rows.sort_by_key(|row| (row.group, -row.score));
        rows.truncate(ROWS);
        self.rows = rows;
        self.selected = self.selected.min(self.rows.len().saturating_sub(1));
    }

    fn commands(&self, typed: &str, around: &Around<'_>, rows: &mut Vec<Row>) {
        for command in &around.offered {
            if matches!(
                command,
                Command::Palette | Command::PaletteCommands | Command::Menu | Command::GoHome | Command::GoTraces
            ) || matches!(
                command,
                Command::GoSettings
                    | Command::GoNotifications
                    | Command::GoHeaders
                    | Command::GoFindings
                    | Command::GoMetrics
                    | Command::GoCompare
            ) {
                continue;
            }
            if let Some(found) = fuzzy::find(typed, command.text()) {
                rows.push(Row {
                    group: Group::Commands,
                    icon: icon_of(*command),
                    text: command.text().to_owned(),
                    lit: found.at,
                    note: command.hint().to_owned(),
                    mono: false,
                    caps: command.key_caps(),
                    request: Request::Run(*command),
                    score: found.score,
                });
            }
        }
    }

    fn services(&self, typed: &str, rows: &mut Vec<Row>) {
        let Some(services) = self.services.ready() else { return };
        for service in services.iter() {
            let Some(found) = fuzzy::find(typed, &service.service) else { continue };
            let query = format!("service = {}", service.service);
            rows.push(Row {
                group: Group::Services,
                icon: Icon::Layers,
                text: service.service.to_string(),
                lit: found.at,
                note: format!("service, p95 {}, {} spans", units::duration(service.p95), units::count(service.spans)),
                mono: false,
                caps: Vec::new(),
                request: Request::Go(Place::Traces { source: self.source, query }),
                score: found.score,
            });
        }
    }

    fn traces(&self, typed: &str, around: &Around<'_>, rows: &mut Vec<Row>) {
        let typed = typed.trim();
        if let Some(id) = trace_id_in(typed) {
            rows.push(self.trace_row(id, "open this trace"));
            return;
        }
        let Some(traces) = self.traces.ready() else { return };
        for trace in &traces.traces {
            let id = trace.trace_id.to_string();
            let by_id = !typed.is_empty() && id.starts_with(&typed.to_lowercase());
            let text = format!("{} {}", &id[..8.min(id.len())], trace.root_name);
            let Some(found) = (if by_id { fuzzy::find("", &text) } else { fuzzy::find(typed, &text) }) else { continue };
            let errors = match trace.errors {
                0 => String::new(),
                1 => ", 1 error".to_owned(),
                more => format!(", {more} errors"),
            };
            let when = units::time_of_day(trace.start, around.zone);
            rows.push(Row {
                group: Group::Traces,
                icon: Icon::Traces,
                text,
                lit: if by_id { (0..typed.len().min(8)).collect() } else { found.at },
                note: format!("{}{errors}, {}", units::duration(trace.duration), &when[..8.min(when.len())]),
                mono: true,
                caps: Vec::new(),
                request: Request::Go(Place::trace(self.source, trace.trace_id)),
                score: found.score,
            });
        }
    }

    fn trace_row(&self, id: TraceId, note: &str) -> Row {
        Row {
            group: Group::Traces,
            icon: Icon::Hash,
            text: id.to_string(),
            lit: Vec::new(),
            note: note.to_owned(),
            mono: true,
            caps: Vec::new(),
            request: Request::Go(Place::trace(self.source, id)),
            score: i32::MAX,
        }
    }
}

fn places(typed: &str, around: &Around<'_>, rows: &mut Vec<Row>) {
    let mut add = |icon, text: String, note: String, caps, request| {
        if let Some(found) = fuzzy::find(typed, &text) {
            let (lit, score) = (found.at, found.score);
            rows.push(Row { group: Group::GoTo, icon, text, lit, note, mono: false, caps, request, score });
        }
    };
    for (command, icon) in [
        (Command::GoHome, Icon::Home),
        (Command::GoTraces, Icon::Traces),
        (Command::GoFindings, Icon::Bolt),
        (Command::GoMetrics, Icon::Metrics),
        (Command::GoCompare, Icon::Compare),
        (Command::GoHeaders, Icon::Terminal),
        (Command::GoNotifications, Icon::Bell),
        (Command::GoSettings, Icon::Gear),
    ] {
        if around.offered.contains(&command) {
            add(icon, command.text().to_owned(), String::new(), command.key_caps(), Request::Run(command));
        }
    }
    if !typed.is_empty() {
        for (page, name) in [
            (SettingsPage::Doors, "Doors"),
            (SettingsPage::Storage, "Storage and loss accounting"),
            (SettingsPage::Redaction, "Redaction"),
            (SettingsPage::Appearance, "Appearance"),
            (SettingsPage::About, "About Belvedere"),
        ] {
            add(Icon::Gear, name.to_owned(), "settings".to_owned(), Vec::new(), Request::Go(Place::Settings(page)));
        }
    }
    for source in around.facts.sources.iter().filter(|source| source.id != WORKSPACE) {
        let note = source.report.as_ref().map_or_else(|| "workspace".to_owned(), |report| report.format.clone());
        add(Icon::File, source.spans.name(), note, Vec::new(), Request::SetSource(source.id));
    }
    if !typed.is_empty() {
        for recent in around.facts.recent.iter().take(10) {
            let name = recent.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            add(Icon::File, name, "recent file".to_owned(), Vec::new(), Request::Open(vec![recent.path.clone()]));
        }
    }
}

fn ranges(typed: &str, around: &Around<'_>, rows: &mut Vec<Row>) {
    let mut add = |text: String, range, score, lit| {
        rows.push(Row {
            group: Group::GoTo,
            icon: Icon::Clock,
            text,
            lit,
            note: "time range".to_owned(),
            mono: false,
            caps: Vec::new(),
            request: Request::SetRange(range),
            score,
        });
    };
    if let Some(range) = range_text::range(typed, around.now, around.zone) {
        let range = Range::Between(range);
        add(range.label(around.zone), range, i32::MAX, Vec::new());
    }
    for (label, range) in crate::ui::range::QUICK {
        if let Some(found) = fuzzy::find(typed, label) {
            add(label.to_owned(), range, found.score, found.at);
        }
    }
}

/// A trace id that the text is, or that a traceparent header in it names (W3C Trace Context, section 3.2).
pub fn trace_id_in(text: &str) -> Option<TraceId> {
    let text = text.trim().trim_start_matches("traceparent:").trim();
    let hex = match text.split('-').collect::<Vec<_>>()[..] {
        [version, id, _, _] if version.len() == 2 => id,
        [id] => id,
        _ => return None,
    };
    if hex.len() == 32 { hex.to_lowercase().parse().ok() } else { None }
}

fn icon_of(command: Command) -> Icon {
    match command {
        Command::Back => Icon::Left,
        Command::Forward => Icon::Right,
        Command::OpenFile | Command::PasteTrace => Icon::Folder,
        Command::ClearAll | Command::ClearService | Command::CloseFile => Icon::Close,
        Command::SendTestSpan => Icon::Send,
        Command::StartDemo | Command::ToggleLive => Icon::Play,
        Command::StopDemo => Icon::Pause,
        Command::Undo => Icon::Undo,
        Command::Shortcuts => Icon::Keyboard,
        Command::ThemeDark | Command::ThemeLight | Command::ThemeSystem => Icon::Moon,
        Command::ZoomUiIn | Command::ZoomIn => Icon::ZoomIn,
        Command::ZoomUiOut | Command::ZoomOut | Command::RangeWider => Icon::ZoomOut,
        Command::FocusSearch => Icon::Search,
        Command::RangeEarlier | Command::RangeLater => Icon::Clock,
        Command::HideLikeThis => Icon::EyeOff,
        Command::FollowNewest => Icon::Target,
        Command::ShowFlame => Icon::Flame,
        Command::ShowTable => Icon::Table,
        Command::ShowWaterfall => Icon::Traces,
        Command::CopyTraceId | Command::CopySpan | Command::CopyTextTree | Command::CopyMarkdown | Command::CopyCurl => {
            Icon::Copy
        }
        Command::CopyLink | Command::FollowLink => Icon::Link,
        Command::CriticalPath => Icon::Bolt,
        Command::ExportOtlp | Command::ExportJaeger | Command::ExportZipkin | Command::ExportChrome => Icon::Download,
        Command::NextError | Command::PreviousError | Command::OnlyErrors => Icon::Error,
        _ => Icon::Target,
    }
}

fn paint_row(ui: &mut Ui, rect: Rect, row: &Row, on: bool, hovered: bool) {
    let theme = theme::of(ui.ctx());
    if on || hovered {
        ui.painter().rect_filled(rect, radius::CONTROL, if on { theme.selection } else { theme.hover });
    }
    let middle = rect.center().y;
    let (text, note) = if on { (theme.selection_text, theme.text) } else { (theme.text_strong, theme.text_subdued) };
    row.icon.paint(ui.painter(), pos2(rect.left() + 18.0, middle), icon::SIZE, note);
    let mut right = rect.right() - 10.0;
    let caps = if on && row.caps.is_empty() { vec!["Enter".to_owned()] } else { row.caps.clone() };
    if !caps.is_empty() {
        let width: f32 = caps
            .iter()
            .map(|cap| ui.painter().layout_no_wrap(cap.clone(), Face::Caption.font(), theme.text).size().x.max(8.0) + 14.0)
            .sum();
        right -= width;
        let keys = Rect::from_min_max(pos2(right, rect.top()), pos2(rect.right() - 6.0, rect.bottom()));
        let layout = Layout::left_to_right(Align::Center);
        let mut child = ui.new_child(egui::UiBuilder::new().id_salt(("keys", &row.text)).max_rect(keys).layout(layout));
        child.spacing_mut().item_spacing.x = 4.0;
        key_hint(&mut child, &caps);
    }
    let clip = Rect::from_min_max(pos2(rect.left() + 36.0, rect.top()), pos2(right - 8.0, rect.bottom()));
    let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
    let mut job = LayoutJob::default();
    let font = if row.mono { Face::Mono.font() } else { Face::Body.font() };
    let lit_font = if row.mono { font.clone() } else { Face::Heading.font() };
    for (index, letter) in row.text.chars().enumerate() {
        let lit = row.lit.binary_search(&index).is_ok();
        let format =
            if lit { TextFormat::simple(lit_font.clone(), theme.accent) } else { TextFormat::simple(font.clone(), text) };
        job.append(letter.encode_utf8(&mut [0; 4]), 0.0, format);
    }
    let galley = painter.layout_job(job);
    let end = clip.left() + galley.size().x;
    painter.galley(pos2(clip.left(), middle - galley.size().y / 2.0), galley, text);
    let galley = painter.layout_no_wrap(row.note.clone(), Face::Small.font(), note);
    painter.galley(pos2(end + 10.0, middle - galley.size().y / 2.0), galley, note);
}

fn foot(ui: &mut Ui) {
    let theme = theme::of(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 34.0), Sense::hover());
    theme::paint_hairline(ui, rect.left_top(), rect.right_top());
    let inner = rect.shrink2(vec2(14.0, 0.0));
    let mut left = ui.new_child(egui::UiBuilder::new().max_rect(inner).layout(Layout::left_to_right(Align::Center)));
    hint(&mut left, "Enter", "open");
    let mut right = ui.new_child(egui::UiBuilder::new().max_rect(inner).layout(Layout::right_to_left(Align::Center)));
    for (cap, word) in [(":", "time"), ("@", "service"), ("#", "trace id"), (">", "commands")] {
        right.spacing_mut().item_spacing.x = 6.0;
        right.label(theme::text(word, Face::Small, theme.text_subdued));
        key_hint(&mut right, &[cap.to_owned()]);
        right.add_space(6.0);
    }
}

fn hint(ui: &mut Ui, cap: &str, word: &str) {
    let theme = theme::of(ui.ctx());
    ui.spacing_mut().item_spacing.x = 6.0;
    key_hint(ui, &[cap.to_owned()]);
    ui.label(theme::text(word, Face::Small, theme.text_subdued));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_is_found_bare_and_in_a_traceparent() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let want: TraceId = id.parse().unwrap();
        for text in [
            id.to_owned(),
            id.to_uppercase(),
            format!("00-{id}-00f067aa0ba902b7-01"),
            format!("traceparent: 00-{id}-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(trace_id_in(&text), Some(want), "{text}");
        }
        for text in ["", "4bf92f35", "checkout latency", "00-zz-11-01", "{\"a\": 1}"] {
            assert_eq!(trace_id_in(text), None, "{text}");
        }
    }
}
