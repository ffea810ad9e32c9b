//! Calendars in: events become shifts of a layer, or absences of a person.
//!
//! Zones are looked up by TZID, with the X-LIC-LOCATION of the file's own VTIMEZONE where the name is a private one; times
//! without any are local to the zone that is given. All-day events are civil days. A changed occurrence (RECURRENCE-ID) takes
//! the place of the one it names. What could not be taken over is listed.

use super::recur::{Recurrence, compact};
use super::text::{Component, Property, read, unescape};
use crate::oncall::civil::{Civil, DAY};
use crate::oncall::error::OncallError;
use crate::oncall::people::Person;
use crate::oncall::schedule::{Away, FixedShift, Layer, Lineup};
use crate::oncall::zone::Zone;
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::Arc;

/// An event.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// UID.
    pub uid: String,
    /// SUMMARY.
    pub summary: String,
    /// Mail addresses of the attendees, lower case.
    pub attendees: Vec<String>,
    /// Zone of its times.
    pub zone: Arc<Zone>,
    /// Start.
    pub from: Civil,
    /// End.
    pub to: Civil,
    /// When it comes again.
    pub repeat: Option<Recurrence>,
}

/// A calendar.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Calendar {
    /// X-WR-CALNAME.
    pub name: Option<String>,
    /// Events, changed occurrences as events of their own.
    pub events: Vec<Event>,
    /// What could not be taken over, with its line.
    pub unmapped: Vec<String>,
}

/// Reads a calendar. `zone` is that of times without one.
pub fn read_calendar(text: &str, zone: &Arc<Zone>) -> Result<Calendar, OncallError> {
    let roots = read(text)?;
    let mut calendar = Calendar::default();
    let mut reader = Reader { zone: zone.clone(), known: HashMap::new(), unmapped: Vec::new() };
    if !roots.iter().any(|root| root.name == "VCALENDAR") {
        return Err(OncallError::Calendar { line: 1, text: "there is no BEGIN:VCALENDAR in this file".into() });
    }
    for root in roots.iter().filter(|root| root.name == "VCALENDAR") {
        if let Some(name) = root.get("X-WR-CALNAME") {
            calendar.name = Some(unescape(&name.value));
        }
        for zone in root.components.iter().filter(|component| component.name == "VTIMEZONE") {
            reader.learn(zone);
        }
        let mut changed = Vec::new();
        for component in &root.components {
            match component.name.as_str() {
                "VEVENT" => {
                    if let Some(event) = reader.event(component)? {
                        match component.get("RECURRENCE-ID") {
                            Some(of) => {
                                let cancelled = component
                                    .get("STATUS")
                                    .is_some_and(|status| status.value.eq_ignore_ascii_case("CANCELLED"));
                                let (instead, zone, _) = reader.time(of)?;
                                changed.push((event, zone.start(instead), cancelled));
                            }
                            None if component
                                .get("STATUS")
                                .is_some_and(|status| status.value.eq_ignore_ascii_case("CANCELLED")) => {}
                            None => calendar.events.push(event),
                        }
                    }
                }
                "VTIMEZONE" => {}
                other => reader.unmapped.push(format!("line {}: {other} has no meaning for a schedule", component.line)),
            }
        }
        for (event, instead, cancelled) in changed {
            for master in calendar.events.iter_mut().filter(|master| master.uid == event.uid) {
                let start = master.zone.civil(instead);
                if let Some(repeat) = &mut master.repeat {
                    repeat.except.push(start);
                }
            }
            if !cancelled {
                calendar.events.push(Event { repeat: None, ..event });
            }
        }
    }
    calendar.unmapped = reader.unmapped;
    Ok(calendar)
}

impl Calendar {
    /// One layer for each zone, named after the calendar. People are known by attendee, by mail address, name or id in the
    /// summary, separated by commas; whoever is not known keeps the name of the summary. `[L2] ana` sets a priority, as in
    /// Grafana OnCall.
    pub fn layers(&self, name: &str, people: &[Person]) -> Vec<Layer> {
        let mut layers: Vec<Layer> = Vec::new();
        for event in &self.events {
            let (level, rest) = level(&event.summary);
            let people = event.people(rest, people);
            if people.is_empty() {
                continue;
            }
            let shift = FixedShift { people, from: event.from, to: event.to, repeat: event.repeat.clone() };
            match layers.iter_mut().find(|layer| layer.zone == event.zone && layer.priority == level) {
                Some(Layer { lineup: Lineup::Shifts(shifts), .. }) => shifts.push(shift),
                _ => {
                    let name = if layers.is_empty() { name.to_owned() } else { format!("{name} {}", layers.len() + 1) };
                    layers.push(Layer::new(name, level, event.zone.clone(), Lineup::Shifts(vec![shift])));
                }
            }
        }
        layers
    }

    /// Absences of a person between two instants, in civil time of `zone`.
    pub fn absences(&self, person: &SmolStr, zone: &Zone, from: i64, to: i64) -> Vec<Away> {
        let mut absences = Vec::new();
        for event in &self.events {
            let shift =
                [FixedShift { people: vec![person.clone()], from: event.from, to: event.to, repeat: event.repeat.clone() }];
            for span in crate::oncall::schedule::shift_spans(&shift, &event.zone, from, to) {
                absences.push(Away {
                    person: person.clone(),
                    from: zone.civil(span.from),
                    to: zone.civil(span.to),
                    why: event.summary.as_str().into(),
                });
            }
        }
        absences.sort_by_key(|away| away.from);
        absences
    }
}

impl Event {
    fn people(&self, summary: &str, known: &[Person]) -> Vec<SmolStr> {
        let by_mail =
            |mail: &str| known.iter().find(|person| person.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(mail)));
        let invited: Vec<SmolStr> =
            self.attendees.iter().filter_map(|mail| by_mail(mail)).map(|person| person.id.clone()).collect();
        if !invited.is_empty() {
            return invited;
        }
        let names = summary.split(',').map(str::trim).filter(|name| !name.is_empty());
        let person = |name: &str| {
            let same = |person: &&Person| person.id.eq_ignore_ascii_case(name) || person.name.eq_ignore_ascii_case(name);
            known.iter().find(same).or_else(|| by_mail(name)).map_or_else(|| SmolStr::new(name), |person| person.id.clone())
        };
        let found: Vec<SmolStr> = names.map(person).collect();
        if found.is_empty() { self.attendees.iter().map(SmolStr::new).collect() } else { found }
    }
}

/// `[L2] ana` is priority 2 and `ana`.
fn level(summary: &str) -> (i64, &str) {
    let inside = summary.trim().strip_prefix("[L").or_else(|| summary.trim().strip_prefix("[l"));
    let split = inside.and_then(|rest| rest.split_once(']'));
    match split.and_then(|(number, rest)| Some((number.trim().parse::<i64>().ok()?, rest))) {
        Some((level, rest)) => (level, rest),
        None => (0, summary),
    }
}

struct Reader {
    zone: Arc<Zone>,
    known: HashMap<String, Arc<Zone>>,
    unmapped: Vec<String>,
}

impl Reader {
    /// A private zone name that says where it is.
    fn learn(&mut self, component: &Component) {
        if let (Some(id), Some(location)) = (component.get("TZID"), component.get("X-LIC-LOCATION"))
            && let Ok(zone) = Zone::get(location.value.trim())
        {
            self.known.insert(id.value.clone(), Arc::new(zone));
        }
    }

    fn zone_of(&mut self, name: &str, line: usize) -> Arc<Zone> {
        if let Some(zone) = self.known.get(name) {
            return zone.clone();
        }
        // `/freeassociation.sourceforge.net/Europe/Berlin` ends with a zone.
        let parts: Vec<&str> = name.trim_matches(['/', '"']).split('/').collect();
        let found = (0..parts.len()).find_map(|first| Zone::get(&parts[first..].join("/")).ok());
        let zone = found.map(Arc::new).unwrap_or_else(|| {
            self.unmapped.push(format!("line {line}: the zone `{name}` is not known, {} is taken instead", self.zone.name()));
            self.zone.clone()
        });
        self.known.insert(name.to_owned(), zone.clone());
        zone
    }

    /// A time, its zone, and whether it is a day.
    fn time(&mut self, property: &Property) -> Result<(Civil, Arc<Zone>, bool), OncallError> {
        self.time_of(property, &property.value)
    }

    fn time_of(&mut self, property: &Property, text: &str) -> Result<(Civil, Arc<Zone>, bool), OncallError> {
        let text = text.trim();
        let wrong =
            || OncallError::Calendar { line: property.line, text: format!("`{text}` is no time such as 20260302T090000") };
        if let Some(utc) = text.strip_suffix(['Z', 'z']) {
            return Ok((compact(utc).ok_or_else(wrong)?, Arc::new(Zone::utc()), false));
        }
        let civil = compact(text).ok_or_else(wrong)?;
        let zone = match property.parameter("TZID") {
            Some(name) => self.zone_of(name, property.line),
            None => self.zone.clone(),
        };
        Ok((civil, zone, text.len() == 8))
    }

    fn event(&mut self, component: &Component) -> Result<Option<Event>, OncallError> {
        let Some(start) = component.get("DTSTART") else {
            self.unmapped.push(format!("line {}: an event without a start", component.line));
            return Ok(None);
        };
        let (from, zone, all_day) = self.time(start)?;
        let to = match (component.get("DTEND"), component.get("DURATION")) {
            (Some(end), _) => {
                let (to, of, _) = self.time(end)?;
                if of == zone { to } else { zone.civil(of.start(to)) }
            }
            (None, Some(duration)) => {
                let minutes = minutes(&duration.value).ok_or_else(|| OncallError::Calendar {
                    line: duration.line,
                    text: format!("`{}` is no duration such as PT8H", duration.value),
                })?;
                from.plus(minutes)
            }
            (None, None) if all_day => from.plus(DAY),
            (None, None) => from,
        };
        if to <= from {
            self.unmapped.push(format!("line {}: an event without length", component.line));
            return Ok(None);
        }
        let mut repeat = match component.get("RRULE") {
            None => None,
            Some(rule) => match Recurrence::parse(&rule.value, &zone) {
                Ok(repeat) => Some(repeat),
                Err(text) => {
                    self.unmapped.push(format!("line {}: {text}; only the first occurrence is taken over", rule.line));
                    None
                }
            },
        };
        for (name, excepted) in [("EXDATE", true), ("RDATE", false)] {
            for property in component.all(name) {
                if property.parameter("VALUE") == Some("PERIOD") {
                    self.unmapped.push(format!("line {}: periods of RDATE are not supported", property.line));
                    continue;
                }
                for text in property.value.split(',') {
                    let (civil, of, day) = self.time_of(property, text)?;
                    let start = match day {
                        true => Civil(civil.day() * DAY + from.minute_of_day()),
                        false if of == zone => civil,
                        false => zone.civil(of.start(civil)),
                    };
                    // RFC 5545: the start itself is an occurrence as well.
                    let repeat = repeat.get_or_insert_with(|| Recurrence::only(Vec::new()));
                    if excepted { repeat.except.push(start) } else { repeat.extra.push(start) }
                }
            }
        }
        let mail = |attendee: &Property| {
            let value = attendee.value.trim();
            let address = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).map_or(value, |_| &value[7..]);
            address.to_ascii_lowercase()
        };
        Ok(Some(Event {
            uid: component.get("UID").map(|uid| uid.value.clone()).unwrap_or_default(),
            summary: component.get("SUMMARY").map(|summary| unescape(&summary.value)).unwrap_or_default(),
            attendees: component.all("ATTENDEE").map(mail).collect(),
            zone,
            from,
            to,
            repeat,
        }))
    }
}

/// `P1DT2H30M`, `PT8H`, `P2W` in minutes of the clock.
fn minutes(text: &str) -> Option<i64> {
    let body = text.trim().trim_start_matches('+').strip_prefix(['P', 'p'])?;
    let (mut total, mut number) = (0_i64, String::new());
    for letter in body.chars() {
        match letter.to_ascii_uppercase() {
            'T' if number.is_empty() => {}
            digit if digit.is_ascii_digit() => number.push(digit),
            unit => {
                let scale = match unit {
                    'W' => 7 * DAY * 60,
                    'D' => DAY * 60,
                    'H' => 3600,
                    'M' => 60,
                    'S' => 1,
                    _ => return None,
                };
                total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(scale)?)?;
                number.clear();
            }
        }
    }
    number.is_empty().then_some(total / 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oncall::{Schedule, final_schedule};

    const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-CALNAME:Primary\\, EU\r\nBEGIN:VTIMEZONE\r\nTZID:Custom\r\nX-LIC-LOCATION:Europe/Berlin\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:ana\r\nDTSTART;TZID=Custom:20260323T090000\r\nDTEND;TZID=Custom:20260323T170000\r\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=4\r\nEXDATE;TZID=Custom:20260330T090000\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;TZID=Custom:20260406T090000\r\nSUMMARY:ben\r\nDTSTART;TZID=Custom:20260406T100000\r\nDURATION:PT2H30M\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nSUMMARY:[L2] someone\r\n  else\r\nATTENDEE;CN=\"Chi: the one\":MAILTO:Chi@example.com\r\nDTSTART;VALUE=DATE:20260501\r\nEND:VEVENT\r\nBEGIN:VTODO\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";

    #[test]
    fn recurrence_exceptions_changed_occurrences_all_day_and_zones_are_read() {
        let zone = Arc::new(Zone::get("America/Chicago").unwrap());
        let calendar = read_calendar(CALENDAR, &zone).unwrap();
        assert_eq!((calendar.name.as_deref(), calendar.events.len()), (Some("Primary, EU"), 3));
        assert!(calendar.unmapped[0].contains("VTODO"), "{:?}", calendar.unmapped);
        let people = [Person { email: Some("chi@example.com".into()), ..Person::named("chi") }];
        let mut schedule = Schedule::new("P", zone.clone());
        schedule.layers = calendar.layers("calendar", &people);
        assert_eq!(schedule.layers.iter().map(|layer| layer.priority).collect::<Vec<_>>(), [0, 2]);
        let from = zone.start(Civil::parse("2026-03-01").unwrap());
        let shifts = final_schedule(&schedule, from, from + 90 * 86_400).shifts;
        let shown: Vec<String> = shifts
            .iter()
            .map(|shift| {
                format!(
                    "{} {} {}",
                    shift.person,
                    jiff::Timestamp::from_second(shift.from).unwrap(),
                    (shift.to - shift.from) / 1800
                )
            })
            .collect();
        // Berlin changes its clocks on 29 March: the wall clock stays.
        assert_eq!(
            shown,
            [
                "ana 2026-03-23T08:00:00Z 16",
                "ben 2026-04-06T08:00:00Z 5",
                "ana 2026-04-13T07:00:00Z 16",
                "chi 2026-05-01T05:00:00Z 48"
            ]
        );
        let away = calendar.absences(&"ana".into(), &zone, from, from + 90 * 86_400);
        assert_eq!(away[0].from.to_string(), "2026-03-23T03:00");
    }

    #[test]
    fn broken_calendars_are_refused_with_their_line() {
        let zone = Arc::new(Zone::utc());
        for (text, told) in [
            ("hello", "line 1: expected NAME:VALUE"),
            ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", "line 3: END:VCALENDAR without its BEGIN"),
            ("BEGIN:VCALENDAR\n", "line 1: BEGIN:VCALENDAR without its END"),
            (
                "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:tomorrow\nEND:VEVENT\nEND:VCALENDAR\n",
                "line 3: `tomorrow` is no time such as 20260302T090000",
            ),
        ] {
            assert_eq!(read_calendar(text, &zone).unwrap_err().to_string(), told);
        }
        let odd = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:a\nDTSTART;TZID=Nowhere:20260302T090000\nDURATION:PT1H\nRRULE:FREQ=SECONDLY\nEND:VEVENT\nEND:VCALENDAR\n";
        let calendar = read_calendar(odd, &zone).unwrap();
        assert_eq!((calendar.events.len(), calendar.unmapped.len()), (1, 2), "{:?}", calendar.unmapped);
    }
}
