//! Schedules as code: the YAML file. `docs/oncall.md` describes it; every mistake is told with line and column.

use super::civil::{Civil, DAY, Weekday, Weekdays, parse_clock};
use super::error::OncallError;
use super::escalation::{Policy, Target, read_policies};
use super::heartbeat::{self, Heartbeat};
use super::ical::Recurrence;
use super::people::{Contact, NotificationRule, Person, Team};
use super::restrict::Restriction;
use super::rotation::{Every, Rotation};
use super::schedule::{Away, Change, Cover, FixedShift, Layer, Lineup, Override, Schedule, Swap, Temporary};
use super::zone::Zone;
use crate::wire::yaml::{Fields, Node, Yaml, YamlError, parse};
use smol_str::SmolStr;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a schedule file holds.
#[derive(Clone, PartialEq, Debug)]
pub struct ScheduleFile {
    /// The schedule.
    pub schedule: Schedule,
    /// People, as far as the file describes them.
    pub people: Vec<Person>,
    /// Teams.
    pub teams: Vec<Team>,
    /// Escalation policies.
    pub escalations: Vec<Policy>,
    /// Heartbeat monitors.
    pub heartbeats: Vec<Heartbeat>,
}

/// Reads a schedule file.
pub fn read(text: &str) -> Result<ScheduleFile, OncallError> {
    let nothing =
        || YamlError { place: crate::wire::yaml::Place { line: 1, column: 1 }, text: "the file holds no schedule".into() };
    let root = parse(text)?.ok_or_else(nothing)?;
    let mut fields = root.fields("schedule file")?;
    let name = fields.need("schedule")?.text()?.to_owned();
    let zone = read_zone(fields.need("zone")?)?;
    let mut names = Names { known: None };
    let people = match fields.take("people") {
        Some(node) => {
            let people = read_people(node)?;
            names.known = Some(people.iter().map(|person| person.id.clone()).collect());
            people
        }
        None => Vec::new(),
    };
    let mut schedule = Schedule::new(name, zone.clone());
    let priorities = read_priorities(&mut fields)?;
    for (index, node) in fields.items("layers")?.iter().enumerate() {
        let layer = read_layer(node, index, &zone, &names, &priorities)?;
        if schedule.layers.iter().any(|other| other.name == layer.name) {
            return Err(node.error(format!("a second layer is named `{}`", layer.name)).into());
        }
        schedule.layers.push(layer);
    }
    if let Some((_, node)) = priorities
        .iter()
        .find(|(name, _)| schedule.layers.iter().all(|layer| layer.name != **name))
        .map(|(name, entry)| (name, entry.1))
    {
        return Err(node.error("there is no layer of this name").into());
    }
    for node in fields.items("overrides")? {
        schedule.overrides.push(read_override(node, &names)?);
    }
    for node in fields.items("temporary")? {
        let mut fields = node.fields("temporary schedule")?;
        let (from, to) = read_range(&mut fields)?;
        let shifts = fields.items("shifts")?.iter().map(|node| read_shift(node, &zone, &names)).collect::<Result<_, _>>()?;
        fields.finish()?;
        schedule.temporary.push(Temporary { from, to, shifts });
    }
    for node in fields.items("swaps")? {
        let mut fields = node.fields("swap")?;
        let (giver, taker) = (names.one(fields.need("giver")?)?, names.one(fields.need("taker")?)?);
        let (from, to) = read_range(&mut fields)?;
        let back = fields
            .take("back")
            .map(|node| {
                let mut fields = node.fields("swap's return")?;
                let back = read_range(&mut fields)?;
                fields.finish()?;
                Ok::<_, YamlError>(back)
            })
            .transpose()?;
        fields.finish()?;
        schedule.swaps.push(Swap { giver, taker, from, to, back });
    }
    for node in fields.items("covers")? {
        let mut fields = node.fields("request for cover")?;
        let person = names.one(fields.need("person")?)?;
        let (from, to) = read_range(&mut fields)?;
        let by = fields.take("by").filter(|node| !node.is_null()).map(|node| names.one(node)).transpose()?;
        fields.finish()?;
        schedule.covers.push(Cover { person, from, to, by });
    }
    for node in fields.items("away")? {
        let mut fields = node.fields("absence")?;
        let person = names.one(fields.need("person")?)?;
        let (from, to) = read_range(&mut fields)?;
        let why = fields.text("why")?.unwrap_or_default().into();
        fields.finish()?;
        schedule.away.push(Away { person, from, to, why });
    }
    for node in fields.items("holidays")? {
        let mut fields = node.fields("holiday")?;
        let day = read_time(fields.need("day")?)?;
        let name = fields.need("name")?.text()?.into();
        fields.finish()?;
        schedule.holidays.push((Civil(day.day() * DAY), name));
    }
    let teams = match fields.take("teams") {
        Some(node) => node
            .pairs()?
            .iter()
            .map(|(id, members)| {
                Ok(Team {
                    id: id.text()?.into(),
                    members: members.items()?.iter().map(|node| names.one(node)).collect::<Result<_, _>>()?,
                })
            })
            .collect::<Result<_, YamlError>>()?,
        None => Vec::new(),
    };
    let nodes = fields.items("escalations")?;
    let escalations = read_policies(nodes, &zone)?;
    check_targets(&escalations, nodes, &names, &teams)?;
    let heartbeats =
        fields.items("heartbeats")?.iter().map(|node| read_heartbeat(node, &escalations)).collect::<Result<_, _>>()?;
    fields.finish()?;
    Ok(ScheduleFile { schedule, people, teams, escalations, heartbeats })
}

/// People and teams that a policy names are in the file, where the file has any.
fn check_targets(policies: &[Policy], nodes: &[Node], names: &Names, teams: &[Team]) -> Result<(), YamlError> {
    for (policy, node) in policies.iter().zip(nodes) {
        for target in policy.steps.iter().flat_map(|step| &step.targets) {
            let known = match target {
                Target::Person(person) => names.known.as_ref().is_none_or(|known| known.contains(person)),
                Target::Team(team) => teams.iter().any(|known| known.id == *team),
                // Schedules live in files of their own, channels in the settings.
                Target::Schedule(_) | Target::Channel(_) => true,
            };
            if !known {
                return Err(node.error(format!(
                    "policy {} notifies {}, which this file does not describe",
                    policy.name,
                    target.words()
                )));
            }
        }
    }
    Ok(())
}

fn read_heartbeat(node: &Node, policies: &[Policy]) -> Result<Heartbeat, YamlError> {
    let mut fields = node.fields("heartbeat")?;
    let name = fields.need("name")?.text()?.into();
    let length = |node: &Node| parse_length(node.text()?).map_err(|text| node.error(text));
    let every = length(fields.need("every")?)?;
    let grace = fields.take("grace").map_or(Ok(0), length)?;
    if every < heartbeat::SHORTEST {
        return Err(node.error(format!("a heartbeat is expected every {} seconds at most", heartbeat::SHORTEST)));
    }
    let policy_node = fields.need("policy")?;
    let policy = SmolStr::new(policy_node.text()?);
    if !policies.is_empty() && !policies.iter().any(|known| known.name == policy) {
        return Err(policy_node.error(format!("there is no policy `{policy}` in this file")));
    }
    fields.finish()?;
    Ok(Heartbeat { name, every, grace, policy })
}

/// Which names may be used: those of `people`, or any where the file has none.
pub(super) struct Names {
    pub(super) known: Option<BTreeSet<SmolStr>>,
}

impl Names {
    pub(super) fn one(&self, node: &Node) -> Result<SmolStr, YamlError> {
        let name = SmolStr::new(node.text()?);
        if name.is_empty() {
            return Err(node.error("a person without a name"));
        }
        match &self.known {
            Some(known) if !known.contains(&name) => Err(node.error(format!("`{name}` is not among the people of this file"))),
            _ => Ok(name),
        }
    }

    /// One name or a list of them.
    fn some(&self, node: &Node) -> Result<Vec<SmolStr>, YamlError> {
        let people = match &node.value {
            Yaml::Sequence(items) => items.iter().map(|node| self.one(node)).collect::<Result<Vec<_>, _>>()?,
            Yaml::Scalar { .. } | Yaml::Mapping(_) => vec![self.one(node)?],
        };
        if people.is_empty() { Err(node.error("nobody is listed here")) } else { Ok(people) }
    }
}

pub(super) fn read_zone(node: &Node) -> Result<Arc<Zone>, YamlError> {
    Zone::get(node.text()?).map(Arc::new).map_err(|error| node.error(error.to_string()))
}

fn read_time(node: &Node) -> Result<Civil, YamlError> {
    Civil::parse(node.text()?).map_err(|text| node.error(text))
}

fn read_range(fields: &mut Fields<'_>) -> Result<(Civil, Civil), YamlError> {
    let from = read_time(fields.need("from")?)?;
    let node = fields.need("to")?;
    let to = read_time(node)?;
    if to <= from {
        Err(node.error(format!("this ends at {to}, which is not after its start at {from}")))
    } else {
        Ok((from, to))
    }
}

/// Reads `5 minutes`, `90s`, `2h`, `1 day` as seconds.
pub fn parse_length(text: &str) -> Result<i64, String> {
    let wrong = || format!("expected a length of time such as `5 minutes` or `2h`, found `{text}`");
    let end = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let number: i64 = text[..end].parse().map_err(|_| wrong())?;
    let unit = match text[end..].trim() {
        "s" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 24 * 3600,
        "w" | "week" | "weeks" => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).filter(|seconds| *seconds <= 10 * 366 * 24 * 3600).ok_or_else(wrong)
}

type Priorities<'a> = HashMap<&'a str, (i64, &'a Node)>;

fn read_priorities<'a>(fields: &mut Fields<'a>) -> Result<Priorities<'a>, YamlError> {
    let Some(node) = fields.take("priorities") else { return Ok(HashMap::new()) };
    node.pairs()?.iter().map(|(layer, priority)| Ok((layer.text()?, (priority.integer()?, layer)))).collect()
}

fn read_layer(
    node: &Node,
    index: usize,
    zone: &Arc<Zone>,
    names: &Names,
    priorities: &Priorities<'_>,
) -> Result<Layer, YamlError> {
    let mut fields = node.fields("layer")?;
    let name = fields.text("name")?.map_or_else(|| SmolStr::new(format!("layer {}", index + 1)), SmolStr::new);
    let zone = fields.take("zone").map(read_zone).transpose()?.unwrap_or_else(|| zone.clone());
    let own = fields.integer("priority")?;
    let priority = priorities.get(name.as_str()).map(|(priority, _)| *priority).or(own).unwrap_or(index as i64);
    let rotation = fields.take("rotation").map(|node| read_rotation(node, names)).transpose()?;
    let always = fields.take("people").map(|node| names.some(node)).transpose()?;
    let shifts = fields
        .take("shifts")
        .map(|node| node.items()?.iter().map(|node| read_shift(node, &zone, names)).collect::<Result<Vec<_>, _>>())
        .transpose()?;
    let lineup = match (rotation, always, shifts) {
        (Some(rotation), None, None) => Lineup::Rotation(rotation),
        (None, Some(people), None) => Lineup::Always(people),
        (None, None, Some(shifts)) => Lineup::Shifts(shifts),
        _ => return Err(node.error("a layer has one of `rotation`, `people` and `shifts`")),
    };
    let mut layer = Layer::new(name, priority, zone, lineup);
    layer.restrict = fields.items("restrict")?.iter().map(read_restriction).collect::<Result<_, _>>()?;
    layer.from = fields.take("from").map(read_time).transpose()?;
    layer.until = fields.take("until").map(read_time).transpose()?;
    fields.finish()?;
    Ok(layer)
}

fn read_every(node: &Node) -> Result<Every, YamlError> {
    let every = |node: &Node| Every::parse(node.text()?).map_err(|text| node.error(text));
    let Yaml::Sequence(items) = &node.value else { return every(node) };
    let length = |node: &Node| match every(node)? {
        Every::Minutes(minutes) => Ok(minutes),
        Every::Months(_) | Every::Cycle(_) => Err(node.error("months cannot be part of a cycle")),
    };
    let lengths = items.iter().map(length).collect::<Result<Vec<_>, _>>()?;
    if lengths.is_empty() { Err(node.error("a cycle of no turns")) } else { Ok(Every::Cycle(lengths)) }
}

fn read_rotation(node: &Node, names: &Names) -> Result<Rotation, YamlError> {
    let mut fields = node.fields("rotation")?;
    let every = read_every(fields.need("every")?)?;
    let start = read_time(fields.need("start")?)?;
    let line = fields.need("people")?;
    let people = line.items()?.iter().map(|node| names.some(node)).collect::<Result<Vec<_>, _>>()?;
    if people.is_empty() {
        return Err(line.error("a rotation of nobody"));
    }
    let first = match fields.take("first") {
        None => 0,
        Some(node) => {
            let name = names.one(node)?;
            people
                .iter()
                .position(|line| line.contains(&name))
                .ok_or_else(|| node.error(format!("`{name}` is not in this rotation")))?
        }
    };
    let days = match fields.take("days") {
        None => Weekdays::ALL,
        Some(node) => {
            if !every.is_whole_days() {
                return Err(node.error("only turns of whole days can count some weekdays; use `restrict` to mask others"));
            }
            let days = read_days(node)?;
            if days.is_empty() {
                return Err(node.error("a rotation that counts no day never has a turn"));
            }
            days
        }
    };
    fields.finish()?;
    Ok(Rotation { every, start, people, first, days })
}

/// A list of days; `weekdays`, `weekends` and `all` are words for some.
pub(super) fn read_days(node: &Node) -> Result<Weekdays, YamlError> {
    let day = |node: &Node| -> Result<Weekdays, YamlError> {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        match node.text()? {
            "all" | "every" => Ok(Weekdays::ALL),
            "weekdays" => Ok(Weekdays::of([Mon, Tue, Wed, Thu, Fri])),
            "weekends" => Ok(Weekdays::of([Sat, Sun])),
            text => Weekday::parse(text)
                .map(|day| Weekdays::of([day]))
                .ok_or_else(|| node.error(format!("`{text}` is not a day of the week"))),
        }
    };
    match &node.value {
        Yaml::Scalar { .. } if !node.is_null() => day(node),
        _ => {
            Ok(Weekdays::of(node.items()?.iter().map(day).collect::<Result<Vec<_>, _>>()?.into_iter().flat_map(Weekdays::iter)))
        }
    }
}

pub(super) fn read_restriction(node: &Node) -> Result<Restriction, YamlError> {
    let mut fields = node.fields("restriction")?;
    let days = fields.take("days").map(read_days).transpose()?.unwrap_or(Weekdays::ALL);
    let clock = |node: &Node| {
        parse_clock(node.text()?).ok_or_else(|| {
            node.error(format!("expected a time of day such as \"09:00\", found `{}`", node.text().unwrap_or_default()))
        })
    };
    let (from, to) = match (fields.take("from"), fields.take("to")) {
        (None, None) => (0, DAY),
        (Some(from), Some(to)) => {
            let start = clock(from)?;
            (if start == DAY { return Err(from.error("a window starts at 00:00 instead of 24:00")) } else { start }, clock(to)?)
        }
        _ => return Err(node.error("a restriction has both `from` and `to`, or neither")),
    };
    fields.finish()?;
    Ok(Restriction { days, from, to })
}

fn read_shift(node: &Node, zone: &Zone, names: &Names) -> Result<FixedShift, YamlError> {
    let mut fields = node.fields("shift")?;
    let people = match (fields.take("person"), fields.take("people")) {
        (Some(one), None) => vec![names.one(one)?],
        (None, Some(some)) => names.some(some)?,
        _ => return Err(node.error("a shift has one of `person` and `people`")),
    };
    let (from, to) = read_range(&mut fields)?;
    let mut repeat =
        fields.take("repeat").map(|node| Recurrence::parse(node.text()?, zone).map_err(|text| node.error(text))).transpose()?;
    let mut times = |key: &str| fields.items(key)?.iter().map(read_time).collect::<Result<Vec<_>, _>>();
    let (except, extra) = (times("except")?, times("extra")?);
    if repeat.is_none() && !(except.is_empty() && extra.is_empty()) {
        repeat = Some(Recurrence::only(Vec::new()));
    }
    if let Some(repeat) = &mut repeat {
        (repeat.except, repeat.extra) = (except, extra);
    }
    fields.finish()?;
    Ok(FixedShift { people, from, to, repeat })
}

fn read_override(node: &Node, names: &Names) -> Result<Override, YamlError> {
    let mut fields = node.fields("override")?;
    let change = match (fields.take("replace"), fields.take("add"), fields.take("remove")) {
        (Some(who), None, None) => Change::Replace(names.one(who)?, names.one(fields.need("with")?)?),
        (None, Some(who), None) => Change::Add(names.one(who)?),
        (None, None, Some(who)) => Change::Remove(names.one(who)?),
        _ => return Err(node.error("an override has one of `replace`, `add` and `remove`")),
    };
    let (from, to) = read_range(&mut fields)?;
    let priority = fields.integer("priority")?.unwrap_or(0);
    let by = fields.text("by")?.map(SmolStr::new);
    let made = fields.take("made").map(read_time).transpose()?;
    fields.finish()?;
    Ok(Override { change, from, to, priority, by, made })
}

fn read_people(node: &Node) -> Result<Vec<Person>, YamlError> {
    let mut people = Vec::new();
    match &node.value {
        // Names alone are enough to catch a slip of the pen.
        Yaml::Sequence(items) => {
            people.extend(items.iter().map(|node| Ok(Person::named(node.text()?))).collect::<Result<Vec<_>, YamlError>>()?)
        }
        _ => {
            for (id, node) in node.pairs()? {
                people.push(read_person(id.text()?, node)?);
            }
        }
    }
    Ok(people)
}

fn read_person(id: &str, node: &Node) -> Result<Person, YamlError> {
    let mut person = Person::named(id);
    let mut fields = node.fields("person")?;
    if let Some(name) = fields.text("name")? {
        person.name = name.to_owned();
    }
    person.email = fields.text("email")?.map(SmolStr::new);
    person.zone = fields.take("zone").map(|node| read_zone(node).map(|zone| SmolStr::new(zone.name()))).transpose()?;
    for (id, node) in fields.take("contacts").map_or(Ok(&[][..]), Node::pairs)? {
        let mut fields = node.fields("contact")?;
        let contact = Contact {
            id: id.text()?.into(),
            channel: fields.need("channel")?.text()?.into(),
            address: fields.text("address")?.unwrap_or_default().to_owned(),
        };
        fields.finish()?;
        person.contacts.push(contact);
    }
    let mut rules =
        |key: &str| fields.items(key)?.iter().map(|node| read_rule(node, &person.contacts)).collect::<Result<Vec<_>, _>>();
    let (ordinary, important) = (rules("rules")?, rules("important")?);
    (person.rules, person.important) = (ordinary, important);
    fields.finish()?;
    Ok(person)
}

fn read_rule(node: &Node, contacts: &[Contact]) -> Result<NotificationRule, YamlError> {
    let mut fields = node.fields("notification rule")?;
    let name = fields.need("contact")?;
    let contact = SmolStr::new(name.text()?);
    if !contacts.iter().any(|known| known.id == contact) {
        return Err(name.error(format!("there is no contact `{contact}` above")));
    }
    let after = fields.take("after").map_or(Ok(0), |node| parse_length(node.text()?).map_err(|text| node.error(text)))?;
    fields.finish()?;
    Ok(NotificationRule { contact, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_line_and_column() {
        let head = "schedule: P\nzone: UTC\n";
        for (text, told) in [
            ("", "line 1, column 1: the file holds no schedule"),
            (
                "schedule: P\nzone: Mars/Olympus\n",
                "line 2, column 7: there is no time zone `Mars/Olympus`; use an IANA name such as Europe/Berlin",
            ),
            (&format!("{head}layer: []\n"), "line 3, column 1: field layer not found in schedule file"),
            (
                &format!("{head}layers:\n  - name: a\n"),
                "line 4, column 5: a layer has one of `rotation`, `people` and `shifts`",
            ),
            (
                &format!("{head}layers:\n  - rotation: {{every: 1 wek, start: 2026-03-02T09:00, people: [a]}}\n"),
                "line 4, column 23: expected a length of turns such as `1 week`, `12 hours` or `1 month`, found `1 wek`",
            ),
            (
                &format!("{head}people: [ana]\nlayers:\n  - people: [ben]\n"),
                "line 5, column 14: `ben` is not among the people of this file",
            ),
            (
                &format!("{head}overrides:\n  - {{add: ana, from: 2026-03-02T09:00, to: 2026-03-02T09:00}}\n"),
                "line 4, column 44: this ends at 2026-03-02T09:00, which is not after its start at 2026-03-02T09:00",
            ),
            (
                &format!("{head}overrides:\n  - {{add: ana, from: 2026-03-02T09:00Z, to: 2026-03-03}}\n"),
                "line 4, column 22: times here are local to the schedule's zone; leave the offset out of `2026-03-02T09:00Z`",
            ),
            (&format!("{head}priorities: {{night: 2}}\n"), "line 3, column 14: there is no layer of this name"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn every_part_of_a_file_is_read() {
        let file = read(include_str!("../../tests/fixtures/oncall/full.yaml")).unwrap();
        let schedule = &file.schedule;
        assert_eq!((schedule.name.as_str(), schedule.zone.name()), ("Primary", "Europe/Berlin"));
        assert_eq!(schedule.layers.iter().map(|layer| layer.priority).collect::<Vec<_>>(), [0, 1, 5, 3]);
        assert_eq!(schedule.layers[1].zone.name(), "America/Chicago");
        let Lineup::Rotation(rotation) = &schedule.layers[0].lineup else { panic!("{schedule:?}") };
        assert_eq!((rotation.people_of(0)[0].as_str(), rotation.people_of(0).len()), ("ben", 2));
        assert_eq!(
            (schedule.overrides.len(), schedule.temporary.len(), schedule.swaps.len(), schedule.covers.len()),
            (3, 1, 1, 2)
        );
        assert_eq!((schedule.away.len(), schedule.holidays.len(), file.people.len(), file.teams.len()), (1, 1, 4, 1));
        assert_eq!(file.people[0].important[0].after, 300);
        assert_eq!(schedule.changes().len(), 3 + 2 + 1);
    }
}
