//! Places and the history of them: where the window is, back and forward, 100 deep.

use crate::engine::{SourceId, WORKSPACE};
use crate::model::{SpanId, TraceId};

/// Entries that are kept.
const DEPTH: usize = 100;

/// A screen of the window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Screen {
    /// Home.
    Home,
    /// List of traces.
    Traces,
    /// One trace.
    Trace,
    /// What is wrong with the stored traces.
    Findings,
    /// Two traces, runs or selections beside each other.
    Compare,
    /// Queries over metrics.
    Explore,
    /// Header inspector.
    Headers,
    /// Notifications.
    Notifications,
    /// Settings.
    Settings,
}

impl Screen {
    /// Its name in the title and the breadcrumb.
    pub fn name(self) -> &'static str {
        match self {
            Self::Home => "Home",
            Self::Traces | Self::Trace => "Traces",
            Self::Findings => "Findings",
            Self::Compare => "Compare",
            Self::Explore => "Metrics",
            Self::Headers => "Headers",
            Self::Notifications => "Notifications",
            Self::Settings => "Settings",
        }
    }
}

/// A page of the settings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SettingsPage {
    /// Doors.
    #[default]
    Doors,
    /// Size on disk and loss accounting.
    Storage,
    /// Masked keys.
    Redaction,
    /// Theme and zoom.
    Appearance,
    /// Version and licences.
    About,
}

/// Where the window is, with everything that Back restores.
#[derive(Clone, PartialEq, Debug)]
pub enum Place {
    /// Home; true for the set-up although there is data.
    Home {
        /// Show the set-up.
        setup: bool,
    },
    /// The list of traces.
    Traces {
        /// Source that is listed.
        source: SourceId,
        /// Query text.
        query: String,
    },
    /// One trace.
    Trace {
        /// Source it is read from.
        source: SourceId,
        /// Trace.
        id: TraceId,
        /// Span to select.
        span: Option<SpanId>,
    },
    /// What is wrong with the traces that match.
    Findings {
        /// Source that is looked at.
        source: SourceId,
        /// Query text.
        query: String,
    },
    /// Two sides beside each other.
    Compare {
        /// Source that is looked at first.
        source: SourceId,
        /// What the sides are.
        by: CompareBy,
        /// Side A: a trace id, a run's name or a query; empty when it is to be chosen.
        a: String,
        /// Side B.
        b: String,
    },
    /// Queries over metrics.
    Explore {
        /// PromQL, a text a row.
        queries: Vec<String>,
    },
    /// Header inspector.
    Headers,
    /// Notifications.
    Notifications,
    /// Settings.
    Settings(SettingsPage),
}

/// What stands on the two sides of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CompareBy {
    /// Two traces.
    #[default]
    Traces,
    /// Two lives of a service.
    Runs,
    /// The traces of two queries.
    Selections,
}

impl CompareBy {
    /// All, with the word in settings and the text of the choice.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Traces, "traces", "Two traces"),
        (Self::Runs, "runs", "Two runs"),
        (Self::Selections, "selections", "Two selections"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(by, ..)| *by == self).map_or("", |(_, word, _)| word)
    }
}

impl Place {
    /// Home as it opens.
    pub const HOME: Self = Self::Home { setup: false };

    /// The list of a source without a query.
    pub fn traces_of(source: SourceId) -> Self {
        Self::Traces { source, query: String::new() }
    }

    /// A trace of a source.
    pub fn trace(source: SourceId, id: TraceId) -> Self {
        Self::Trace { source, id, span: None }
    }

    /// The screen that shows it.
    pub fn screen(&self) -> Screen {
        match self {
            Self::Home { .. } => Screen::Home,
            Self::Traces { .. } => Screen::Traces,
            Self::Trace { .. } => Screen::Trace,
            Self::Findings { .. } => Screen::Findings,
            Self::Compare { .. } => Screen::Compare,
            Self::Explore { .. } => Screen::Explore,
            Self::Headers => Screen::Headers,
            Self::Notifications => Screen::Notifications,
            Self::Settings(_) => Screen::Settings,
        }
    }

    /// The source it reads; the workspace where it reads none.
    pub fn source(&self) -> SourceId {
        match self {
            Self::Traces { source, .. }
            | Self::Trace { source, .. }
            | Self::Findings { source, .. }
            | Self::Compare { source, .. } => *source,
            _ => WORKSPACE,
        }
    }
}

/// What a link to a trace begins with.
const LINK: &str = "belvedere://trace/";

/// A link that opens a trace, and in it a span, wherever Belvedere runs on the same data:
/// `belvedere://trace/7f3a…?span=51d2…`.
pub fn link(id: TraceId, span: Option<SpanId>) -> String {
    match span {
        Some(span) => format!("{LINK}{id}?span={span}"),
        None => format!("{LINK}{id}"),
    }
}

/// Reads what [`link`] writes; parameters that are not known are passed over.
pub fn read_link(text: &str) -> Option<(TraceId, Option<SpanId>)> {
    let rest = text.trim().strip_prefix(LINK)?;
    let (id, query) = rest.split_once('?').unwrap_or((rest, ""));
    let id = id.trim_end_matches('/').to_lowercase().parse().ok()?;
    let span = query.split('&').find_map(|pair| pair.strip_prefix("span="));
    let span = match span {
        Some(hex) => Some(hex.to_lowercase().parse().ok()?),
        None => None,
    };
    Some((id, span))
}

impl Place {
    /// For the settings, so that the window opens where it was. Only places that a restart finds again.
    pub fn to_json(&self) -> Option<String> {
        let value = match self {
            Self::Home { .. } => serde_json::json!({"screen": "home"}),
            Self::Traces { source, query } if *source == WORKSPACE => serde_json::json!({"screen": "traces", "query": query}),
            Self::Trace { source, id, span } if *source == WORKSPACE => {
                serde_json::json!({"screen": "trace", "link": link(*id, *span)})
            }
            Self::Findings { source, query } if *source == WORKSPACE => {
                serde_json::json!({"screen": "findings", "query": query})
            }
            Self::Compare { source, by, a, b } if *source == WORKSPACE => {
                serde_json::json!({"screen": "compare", "by": by.word(), "a": a, "b": b})
            }
            Self::Explore { queries } => serde_json::json!({"screen": "explore", "queries": queries}),
            Self::Headers => serde_json::json!({"screen": "headers"}),
            _ => return None,
        };
        Some(value.to_string())
    }

    /// Reads [`Place::to_json`]; `None` for Home and for what is not understood.
    pub fn read(text: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        match value["screen"].as_str()? {
            "traces" => Some(Self::Traces { source: WORKSPACE, query: value["query"].as_str()?.to_owned() }),
            "trace" => {
                let (id, span) = read_link(value["link"].as_str()?)?;
                Some(Self::Trace { source: WORKSPACE, id, span })
            }
            "findings" => Some(Self::Findings { source: WORKSPACE, query: value["query"].as_str()?.to_owned() }),
            "compare" => {
                let by = CompareBy::ALL.iter().find(|(_, word, _)| value["by"] == *word)?.0;
                let side = |key: &str| value[key].as_str().map(str::to_owned);
                Some(Self::Compare { source: WORKSPACE, by, a: side("a")?, b: side("b")? })
            }
            "explore" => {
                let queries = value["queries"].as_array()?;
                Some(Self::Explore { queries: queries.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect() })
            }
            "headers" => Some(Self::Headers),
            _ => None,
        }
    }
}

/// The history of places.
#[derive(Debug)]
pub struct History {
    places: Vec<Place>,
    at: usize,
}

impl Default for History {
    fn default() -> Self {
        Self { places: vec![Place::HOME], at: 0 }
    }
}

impl History {
    /// Where the window is.
    pub fn here(&self) -> &Place {
        &self.places[self.at]
    }

    /// Goes to another place: what lay ahead is forgotten. Going to the same place adds nothing.
    pub fn go(&mut self, place: Place) {
        if *self.here() == place {
            return;
        }
        self.places.truncate(self.at + 1);
        self.places.push(place);
        if self.places.len() > DEPTH {
            self.places.remove(0);
        }
        self.at = self.places.len() - 1;
    }

    /// An adjustment of the place (a sort, a selection): replaces the current entry.
    pub fn adjust(&mut self, place: Place) {
        self.places[self.at] = place;
    }

    /// One back; false at the start.
    pub fn back(&mut self) -> bool {
        let there = self.can_back();
        if there {
            self.at -= 1;
        }
        there
    }

    /// One forward; false at the end.
    pub fn forward(&mut self) -> bool {
        let there = self.can_forward();
        if there {
            self.at += 1;
        }
        there
    }

    /// True when there is a place before.
    pub fn can_back(&self) -> bool {
        self.at > 0
    }

    /// True when there is a place after.
    pub fn can_forward(&self) -> bool {
        self.at + 1 < self.places.len()
    }

    /// Takes every place of a closed source out; the window goes Home when it was there.
    pub fn forget(&mut self, source: SourceId) {
        let gone = |place: &Place| place.source() == source;
        let here = self.here().clone();
        let before = self.places[..self.at].iter().filter(|place| gone(place)).count();
        self.places.retain(|place| !gone(place));
        if gone(&here) {
            let at = (self.at - before).min(self.places.len());
            self.places.insert(at, Place::HOME);
            self.at = at;
        } else {
            self.at -= before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_the_workspace_is_kept_and_found_again() {
        let trace = Place::Trace { source: WORKSPACE, id: TraceId([7; 16]), span: Some(SpanId::from(5)) };
        let list = Place::Traces { source: WORKSPACE, query: "name = \"a\"".to_owned() };
        let findings = Place::Findings { source: WORKSPACE, query: "service = cart".to_owned() };
        let (a, b) = ("version = 1".to_owned(), "version = 2".to_owned());
        let compare = Place::Compare { source: WORKSPACE, by: CompareBy::Selections, a, b };
        let explore = Place::Explore { queries: vec!["up".to_owned(), "sum(up)".to_owned()] };
        for place in [trace, list, findings, compare, explore, Place::Headers] {
            assert_eq!(Place::read(&place.to_json().unwrap()), Some(place));
        }
        assert_eq!(Place::traces_of(SourceId(4)).to_json(), None, "a file is gone after a restart");
        assert_eq!(Place::read(&Place::HOME.to_json().unwrap()), None);
        assert_eq!(Place::read("{\"screen\": \"trace\", \"link\": \"x\"}"), None);
    }

    #[test]
    fn a_link_names_a_trace_and_a_span_and_nothing_else_is_one() {
        let (id, span) = (TraceId([7; 16]), SpanId::from(0x51d2));
        assert_eq!(read_link(&link(id, Some(span))), Some((id, Some(span))));
        assert_eq!(read_link(&format!(" {}\n", link(id, None))), Some((id, None)));
        assert_eq!(read_link(&format!("{}?tab=flame&span={span}", link(id, None))), Some((id, Some(span))));
        for wrong in ["belvedere://trace/12", "belvedere://other/x", "https://x/", "", "belvedere://trace/07?span=zz"] {
            assert_eq!(read_link(wrong), None, "{wrong}");
        }
        assert_eq!(read_link(&format!("{}?span=zz", link(id, None))), None);
    }

    fn file(number: u32) -> Place {
        Place::traces_of(SourceId(number))
    }

    #[test]
    fn back_and_forward_walk_and_a_new_place_forgets_what_lay_ahead() {
        let mut history = History::default();
        history.go(file(1));
        history.go(file(2));
        assert!(history.back() && history.back());
        assert!(!history.back());
        assert!(history.forward());
        assert_eq!(*history.here(), file(1));
        history.go(file(3));
        assert!(!history.can_forward());
        history.back();
        assert_eq!(*history.here(), file(1));
    }

    #[test]
    fn an_adjustment_replaces_and_the_same_place_adds_nothing() {
        let mut history = History::default();
        history.go(file(1));
        history.go(file(1));
        history.adjust(Place::Traces { source: SourceId(1), query: "status = error".to_owned() });
        history.back();
        assert_eq!(*history.here(), Place::HOME);
        assert!(!history.can_back());
    }

    #[test]
    fn it_stays_a_hundred_deep() {
        let mut history = History::default();
        for number in 0..250 {
            history.go(file(number));
        }
        let mut steps = 0;
        while history.back() {
            steps += 1;
        }
        assert_eq!(steps, DEPTH - 1);
    }

    #[test]
    fn a_closed_file_leaves_no_place_behind() {
        let mut history = History::default();
        history.go(file(1));
        history.go(file(2));
        history.go(file(1));
        history.forget(SourceId(1));
        assert_eq!(*history.here(), Place::HOME);
        history.back();
        assert_eq!(*history.here(), file(2));
        history.forget(SourceId(9));
        assert_eq!(*history.here(), file(2));
    }
}
