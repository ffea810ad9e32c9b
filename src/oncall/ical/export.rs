//! Schedules out: the shifts of a rendered window as events, for one person or for all.
//!
//! Times are UTC, so that no reader has to agree with us about zones. UIDs are made of the schedule, the person and the
//! start: a subscription that is read again changes its events instead of doubling them.

use super::text::{escape, write_line};
use crate::oncall::people::Person;
use crate::oncall::roster::{Roster, Shift};
use crate::oncall::schedule::Schedule;
use jiff::Timestamp;

/// Writes the shifts of `roster`, of one person if given. `stamp` is when this is written, Unix seconds.
pub fn write_calendar(schedule: &Schedule, people: &[Person], roster: &Roster, person: Option<&str>, stamp: i64) -> String {
    let mut out = String::new();
    let mut line = |text: &str| write_line(&mut out, text);
    let name = person.map_or_else(|| schedule.name.clone(), |person| format!("{}: {person}", schedule.name));
    for text in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Belvedere//On-call//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"] {
        line(text);
    }
    line(&format!("X-WR-CALNAME:{}", escape(&name)));
    line(&format!("X-WR-TIMEZONE:{}", schedule.zone.name()));
    line("REFRESH-INTERVAL;VALUE=DURATION:PT15M");
    for shift in roster.shifts.iter().filter(|shift| person.is_none_or(|person| shift.person == person)) {
        event(&mut line, schedule, people, shift, stamp);
    }
    line("END:VCALENDAR");
    out
}

fn event(line: &mut impl FnMut(&str), schedule: &Schedule, people: &[Person], shift: &Shift, stamp: i64) {
    let known = people.iter().find(|person| person.id == shift.person);
    let name = known.map_or(shift.person.as_str(), |person| person.name.as_str());
    line("BEGIN:VEVENT");
    line(&format!("UID:{}-{}-{}@belvedere", slug(&schedule.name), slug(&shift.person), shift.from));
    line(&format!("DTSTAMP:{}", utc(stamp)));
    line(&format!("DTSTART:{}", utc(shift.from)));
    line(&format!("DTEND:{}", utc(shift.to)));
    line(&format!("SUMMARY:{}", escape(name)));
    let source = shift.source.name(schedule);
    let why = shift.instead_of.as_ref().map_or_else(|| source.to_owned(), |who| format!("{source}, for {who}"));
    line(&format!("DESCRIPTION:{}", escape(&format!("On call for {} ({why})", schedule.name))));
    line(&format!("CATEGORIES:{}", escape(source)));
    if let Some(mail) =
        known.and_then(|person| person.email.as_ref()).filter(|mail| mail.contains('@') && !mail.contains(char::is_whitespace))
    {
        line(&format!("ATTENDEE;CN=\"{}\":mailto:{mail}", name.replace(['"', '\n', '\r'], "")));
    }
    line("TRANSP:TRANSPARENT");
    line("END:VEVENT");
}

fn utc(instant: i64) -> String {
    Timestamp::from_second(instant).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn slug(name: &str) -> String {
    name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::read_calendar;
    use super::*;
    use crate::oncall::{Civil, final_schedule, read};

    #[test]
    fn what_is_written_reads_back_as_the_same_shifts() {
        let file = read(include_str!("../../../tests/fixtures/oncall/full.yaml")).unwrap();
        let zone = &file.schedule.zone;
        let (from, to) = (zone.start(Civil::parse("2026-03-01").unwrap()), zone.start(Civil::parse("2026-12-31").unwrap()));
        let roster = final_schedule(&file.schedule, from, to);
        let text = write_calendar(&file.schedule, &file.people, &roster, None, from);
        assert!(text.lines().all(|line| line.len() <= 75), "folded");
        assert!(text.contains("ATTENDEE;CN=\"Ana Lima\":mailto:ana@example.com"));
        let calendar = read_calendar(&text, zone).unwrap();
        let read: Vec<(i64, i64)> =
            calendar.events.iter().map(|event| (event.zone.start(event.from), event.zone.start(event.to))).collect();
        let written: Vec<(i64, i64)> = roster.shifts.iter().map(|shift| (shift.from, shift.to)).collect();
        assert_eq!(read, written);
        let layers = calendar.layers("back", &file.people);
        assert!(layers.iter().all(|layer| layer.zone.name() == "UTC"));
        let only = write_calendar(&file.schedule, &file.people, &roster, Some("chi"), from);
        assert_eq!(only.matches("BEGIN:VEVENT").count(), roster.shifts.iter().filter(|shift| shift.person == "chi").count());
    }
}
