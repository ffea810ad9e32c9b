//! One trace event as the file has it.

use super::super::json::{Json, Key};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Members that only matter to the recording program.
const IGNORED: [&str; 13] =
    ["tts", "tdur", "tidelta", "ticount", "cname", "sf", "esf", "stack", "estack", "v", "s", "use_async_tts", "tidelta"];

/// See the module comment. Times in nanoseconds of the recording's clock.
#[derive(Default, Debug)]
pub(super) struct Event<'a> {
    pub phase: u8,
    pub name: Cow<'a, str>,
    pub category: Cow<'a, str>,
    pub time: Option<i64>,
    pub duration: Option<i64>,
    pub process: Cow<'a, str>,
    pub thread: Cow<'a, str>,
    pub id: Cow<'a, str>,
    /// The id holds within the process only.
    pub local_id: bool,
    pub scope: Cow<'a, str>,
    pub bind_id: Cow<'a, str>,
    pub flow_in: bool,
    pub flow_out: bool,
    /// The flow ends in the span around it, not in the next one.
    pub binds_enclosing: bool,
    pub args: Vec<(Cow<'a, str>, Json<'a>)>,
    /// Members that the format does not know.
    pub others: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Event<'a> {
    /// Why the event makes no sense, if it does not.
    pub fn fault(&self) -> Option<&'static str> {
        match self.phase {
            0 => Some("the event has no ph"),
            b'M' => None,
            _ if self.time.is_none() => Some("the event has no ts in microseconds"),
            _ => None,
        }
    }

    /// The argument under `key`.
    pub fn arg(&self, key: &str) -> Option<&Json<'a>> {
        self.args.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// Ids and numbers of processes come as texts and as numbers.
fn label(json: Json<'_>) -> Cow<'_, str> {
    match json {
        Json::Text(text) => text,
        Json::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_value().to_string()),
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a trace event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event<'de>, A::Error> {
        let mut event = Event::default();
        while let Some(Key(key)) = map.next_key()? {
            match key.as_ref() {
                "ph" => event.phase = label(map.next_value()?).bytes().next().unwrap_or_default(),
                "name" => event.name = label(map.next_value()?),
                "cat" => event.category = label(map.next_value()?),
                "ts" => event.time = map.next_value::<Json<'_>>()?.micros(),
                "dur" => event.duration = map.next_value::<Json<'_>>()?.micros(),
                "pid" => event.process = label(map.next_value()?),
                "tid" => event.thread = label(map.next_value()?),
                "id" => event.id = label(map.next_value()?),
                "id2" => {
                    if let Json::Map(ids) = map.next_value()? {
                        for (key, value) in ids {
                            event.local_id = key == "local";
                            event.id = label(value);
                        }
                    }
                }
                "scope" => event.scope = label(map.next_value()?),
                "bind_id" => event.bind_id = label(map.next_value()?),
                "flow_in" => event.flow_in = matches!(map.next_value()?, Json::Bool(true)),
                "flow_out" => event.flow_out = matches!(map.next_value()?, Json::Bool(true)),
                "bp" => event.binds_enclosing = label(map.next_value()?) == "e",
                "args" => match map.next_value()? {
                    Json::Map(args) => event.args = args,
                    Json::Null => {}
                    other => event.others.push((Cow::Borrowed("args"), other)),
                },
                known if IGNORED.contains(&known) => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    let value = map.next_value()?;
                    event.others.push((key, value));
                }
            }
        }
        Ok(event)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Event<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(EventVisitor)
    }
}
