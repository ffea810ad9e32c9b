//! Rotations: whose turn it is, from an anchor, on the wall clock.
//!
//! A rotation is an anchor (the civil start of turn 0), a length of turns and a line of people; turn `k` belongs to place
//! `first + k` of the line, also for negative `k`, before the anchor. Boundaries are calculated from the anchor each time,
//! so that months keep their day (31 January, 28 February, 31 March) and nothing drifts. A boundary's instant is the start
//! rule of [`Zone`]: a turn whose civil time is skipped does not happen, one that holds a repeated hour is longer.
//!
//! Days are civil days, so a day is 24 hours of the wall clock, not 86,400 seconds. With [`Rotation::days`] only those days
//! count as turns ("skip the weekend without anybody missing a turn"), and on other days nobody of the rotation is on call;
//! a mask that lets turns pass by is a [`super::Restriction`].

use super::civil::{Civil, DAY, HOUR, Weekdays, weekday_of};
use super::restrict::Restriction;
use super::zone::Zone;
use smol_str::SmolStr;
use std::fmt;

/// Longest turn and most turns of a cycle that are read.
pub const MAX_TURN_MINUTES: i64 = 366 * DAY;

/// How long a turn is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Every {
    /// Minutes of the clock; hours, days and weeks as well.
    Minutes(i64),
    /// Calendar months.
    Months(i64),
    /// Turns of these lengths in minutes, over and over: `[5 days, 2 days]`.
    Cycle(Vec<i64>),
}

impl Every {
    /// Reads `1 week`, `12 hours`, `2 days`, `1 month`, `hour`, `daily`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a length of turns such as `1 week`, `12 hours` or `1 month`, found `{text}`");
        let lower = text.trim().to_ascii_lowercase();
        let (number, unit) = match lower.find(|letter: char| !letter.is_ascii_digit()) {
            Some(0) => (1, lower.as_str()),
            Some(end) => (lower[..end].parse::<i64>().map_err(|_| wrong())?, lower[end..].trim()),
            None => return Err(wrong()),
        };
        let every = match unit {
            "minute" | "minutes" | "min" => Self::Minutes(number),
            "hour" | "hours" | "hourly" | "h" => Self::Minutes(number.saturating_mul(HOUR)),
            "day" | "days" | "daily" | "d" => Self::Minutes(number.saturating_mul(DAY)),
            "week" | "weeks" | "weekly" | "w" => Self::Minutes(number.saturating_mul(7 * DAY)),
            "month" | "months" | "monthly" => Self::Months(number),
            _ => return Err(wrong()),
        };
        match every {
            Self::Minutes(0) | Self::Months(0) => Err("a turn of no length; use at least 1 minute".into()),
            Self::Minutes(minutes) if minutes > MAX_TURN_MINUTES => Err(format!("a turn of `{text}` is longer than a year")),
            Self::Months(months) if months > 120 => Err(format!("a turn of `{text}` is longer than ten years")),
            every => Ok(every),
        }
    }

    /// True when every turn is of whole days.
    pub fn is_whole_days(&self) -> bool {
        match self {
            Self::Minutes(minutes) => minutes % DAY == 0,
            Self::Months(_) => false,
            Self::Cycle(lengths) => lengths.iter().all(|minutes| minutes % DAY == 0),
        }
    }

    /// Where turn `turn` starts, in minutes after the anchor; months count as turns.
    fn position(&self, turn: i64) -> i64 {
        match self {
            Self::Minutes(length) | Self::Months(length) => turn.saturating_mul(*length),
            Self::Cycle(lengths) => {
                let count = lengths.len() as i64;
                let (round, within) = (turn.div_euclid(count), turn.rem_euclid(count) as usize);
                round.saturating_mul(lengths.iter().sum()) + lengths[..within].iter().sum::<i64>()
            }
        }
    }

    /// The turn that holds a position.
    fn turn(&self, position: i64) -> i64 {
        match self {
            Self::Minutes(length) | Self::Months(length) => position.div_euclid(*length),
            Self::Cycle(lengths) => {
                let sum: i64 = lengths.iter().sum();
                let mut left = position.rem_euclid(sum);
                let within = lengths
                    .iter()
                    .take_while(|length| {
                        left >= **length && {
                            left -= **length;
                            true
                        }
                    })
                    .count();
                position.div_euclid(sum) * lengths.len() as i64 + within as i64
            }
        }
    }
}

fn length_text(minutes: i64) -> String {
    let (number, unit) = match minutes {
        minutes if minutes % (7 * DAY) == 0 => (minutes / (7 * DAY), "week"),
        minutes if minutes % DAY == 0 => (minutes / DAY, "day"),
        minutes if minutes % HOUR == 0 => (minutes / HOUR, "hour"),
        minutes => (minutes, "minute"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minutes(minutes) => f.write_str(&length_text(*minutes)),
            Self::Months(months) => write!(f, "{months} month{}", if *months == 1 { "" } else { "s" }),
            Self::Cycle(lengths) => {
                write!(f, "[{}]", lengths.iter().map(|length| length_text(*length)).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A line of people who take turns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Length of turns.
    pub every: Every,
    /// Civil start of turn 0.
    pub start: Civil,
    /// The line; several people in one place are on call together. Never empty.
    pub people: Vec<Vec<SmolStr>>,
    /// Place in the line of turn 0.
    pub first: usize,
    /// Days that count as turns; others pass without anybody. All of them unless turns are of whole days.
    pub days: Weekdays,
}

impl Rotation {
    /// Civil start of a turn, which is the end of the turn before.
    pub fn boundary(&self, turn: i64) -> Civil {
        let position = self.every.position(turn);
        match self.every {
            Every::Months(_) => self.start.plus_months(position),
            _ if self.counts_days() => Civil(self.counted_day(position / DAY) * DAY + self.start.minute_of_day()),
            _ => self.start.plus(position),
        }
    }

    /// The turn at an instant.
    pub fn turn_at(&self, zone: &Zone, instant: i64) -> i64 {
        let shown = zone.civil(instant);
        let mut turn = match self.every {
            Every::Months(_) => {
                let (start, now) = (self.start.datetime(), shown.datetime());
                let months =
                    (i64::from(now.year()) - i64::from(start.year())) * 12 + i64::from(now.month()) - i64::from(start.month());
                self.every.turn(months)
            }
            _ if self.counts_days() => self.every.turn(self.counted_before(shown) * DAY),
            _ => self.every.turn(shown.0 - self.start.0),
        };
        // The clock may have jumped since, and a month's day may not have come yet.
        while zone.start(self.boundary(turn)) > instant {
            turn -= 1;
        }
        while zone.start(self.boundary(turn + 1)) <= instant {
            turn += 1;
        }
        turn
    }

    /// Who has a turn.
    pub fn people_of(&self, turn: i64) -> &[SmolStr] {
        let count = self.people.len() as i64;
        let place = (turn.rem_euclid(count) + self.first as i64).rem_euclid(count);
        &self.people[place as usize]
    }

    /// The mask that belongs to counted days.
    pub fn mask(&self) -> Option<Restriction> {
        let clock = self.start.minute_of_day();
        self.counts_days().then_some(Restriction { days: self.days, from: clock, to: clock })
    }

    /// The same rotation with another line from `now` on: who is on call stays, and the others follow as listed. The index
    /// is kept with a new anchor, so that nobody's turn moves because somebody joined or left. When the one on call left,
    /// the first who followed and stays takes over at once.
    pub fn with_people(&self, zone: &Zone, now: i64, people: Vec<Vec<SmolStr>>) -> Self {
        let turn = self.turn_at(zone, now);
        let count = self.people.len() as i64;
        let next = (0..count).find_map(|later| {
            let line = self.people_of(turn + later);
            people.iter().position(|new| new == line || new.iter().any(|person| line.contains(person)))
        });
        let start = if matches!(self.every, Every::Cycle(_) | Every::Months(_)) { self.start } else { self.boundary(turn) };
        // Where the anchor stays, the place of turn 0 is set so that this turn gets the right place.
        let turns_since = if start == self.start { turn } else { 0 };
        let places = people.len().max(1) as i64;
        let first = (next.unwrap_or(0) as i64 - turns_since).rem_euclid(places) as usize;
        Self { every: self.every.clone(), start, people, first, days: self.days }
    }

    fn counts_days(&self) -> bool {
        self.days != Weekdays::ALL && !self.days.is_empty() && self.every.is_whole_days()
    }

    /// The first counted day at or after the anchor's.
    fn base_day(&self) -> i64 {
        let day = self.start.day();
        (day..day + 7).find(|day| self.days.contains(weekday_of(*day))).unwrap_or(day)
    }

    /// The day with this index among counted days; 0 is the anchor's.
    fn counted_day(&self, index: i64) -> i64 {
        let (base, count) = (self.base_day(), self.days.len() as i64);
        let mut left = index.rem_euclid(count);
        let within = (0..7).filter(|day| self.days.contains(weekday_of(base + day))).find(|_| {
            left -= 1;
            left < 0
        });
        base + 7 * index.div_euclid(count) + within.unwrap_or(0)
    }

    /// Index of the last counted day that has begun, by the anchor's time of day.
    fn counted_before(&self, shown: Civil) -> i64 {
        let (base, count) = (self.base_day(), self.days.len() as i64);
        let since = Civil(shown.0 - self.start.minute_of_day()).day() - base;
        let within = (0..=since.rem_euclid(7)).filter(|day| self.days.contains(weekday_of(base + day))).count() as i64;
        since.div_euclid(7) * count + within - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oncall::civil::Weekday;

    fn rotation(every: &str, start: &str, people: &[&str]) -> Rotation {
        Rotation {
            every: Every::parse(every).unwrap(),
            start: Civil::parse(start).unwrap(),
            people: people.iter().map(|person| vec![SmolStr::new(person)]).collect(),
            first: 0,
            days: Weekdays::ALL,
        }
    }

    #[test]
    fn lengths_read_and_print() {
        for (text, printed) in
            [("1 week", "1 week"), ("7 days", "1 week"), ("12h", "12 hours"), ("daily", "1 day"), ("2 months", "2 months")]
        {
            assert_eq!(Every::parse(text).unwrap().to_string(), printed);
        }
        for wrong in ["", "0 days", "3", "1 fortnight", "-1 day", "400 days"] {
            assert!(Every::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn turns_run_backwards_from_the_anchor() {
        let weekly = rotation("1 week", "2026-03-02T09:00", &["ana", "ben", "chi"]);
        assert_eq!(
            (-3..=3).map(|turn| weekly.people_of(turn)[0].as_str()).collect::<Vec<_>>(),
            ["ana", "ben", "chi", "ana", "ben", "chi", "ana"]
        );
        let zone = Zone::utc();
        for turn in -200..200 {
            let start = zone.start(weekly.boundary(turn));
            assert_eq!((weekly.turn_at(&zone, start), weekly.turn_at(&zone, start - 1)), (turn, turn - 1));
        }
    }

    #[test]
    fn months_stay_on_the_anchors_day() {
        let monthly = rotation("1 month", "2026-01-31T09:00", &["ana", "ben"]);
        let starts: Vec<String> = (0..4).map(|turn| monthly.boundary(turn).to_string()).collect();
        assert_eq!(starts, ["2026-01-31T09:00", "2026-02-28T09:00", "2026-03-31T09:00", "2026-04-30T09:00"]);
        let zone = Zone::get("Europe/Berlin").unwrap();
        for turn in -40..40 {
            let start = zone.start(monthly.boundary(turn));
            assert_eq!((monthly.turn_at(&zone, start), monthly.turn_at(&zone, start - 60)), (turn, turn - 1));
        }
    }

    #[test]
    fn cycles_take_turns_of_their_lengths() {
        let mut cycle = rotation("1 day", "2026-03-02T09:00", &["ana", "ben", "chi"]);
        cycle.every = Every::Cycle(vec![5 * DAY, 2 * DAY]);
        let starts: Vec<String> = (-2..4).map(|turn| cycle.boundary(turn).to_string()).collect();
        assert_eq!(
            starts,
            [
                "2026-02-23T09:00",
                "2026-02-28T09:00",
                "2026-03-02T09:00",
                "2026-03-07T09:00",
                "2026-03-09T09:00",
                "2026-03-14T09:00"
            ]
        );
        let zone = Zone::utc();
        for turn in -9..9 {
            let start = zone.start(cycle.boundary(turn));
            assert_eq!((cycle.turn_at(&zone, start), cycle.turn_at(&zone, start - 60)), (turn, turn - 1));
        }
    }

    #[test]
    fn counted_days_give_everybody_every_weekday_in_turn() {
        // Five working days, three people: nobody loses a turn to the weekend.
        let mut daily = rotation("1 day", "2026-03-06T09:00", &["ana", "ben", "chi"]);
        daily.days = Weekdays::of([Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri]);
        let turns: Vec<String> =
            (-2..4).map(|turn| format!("{} {}", &daily.boundary(turn).to_string()[5..10], daily.people_of(turn)[0])).collect();
        assert_eq!(turns, ["03-04 ben", "03-05 chi", "03-06 ana", "03-09 ben", "03-10 chi", "03-11 ana"]);
        let zone = Zone::get("America/Chicago").unwrap();
        for turn in -30..30 {
            let start = zone.start(daily.boundary(turn));
            assert_eq!((daily.turn_at(&zone, start), daily.turn_at(&zone, start - 60)), (turn, turn - 1));
        }
        assert_eq!(daily.mask().unwrap().days.len(), 5);
    }

    #[test]
    fn who_is_on_call_stays_when_somebody_joins_or_leaves() {
        let zone = Zone::get("Europe/Berlin").unwrap();
        let line = |names: &[&str]| names.iter().map(|name| vec![SmolStr::new(name)]).collect::<Vec<_>>();
        for every in ["1 week", "1 month"] {
            let old = rotation(every, "2026-03-02T09:00", &["ana", "ben", "chi"]);
            let now = zone.start(old.boundary(7)) + 3600;
            let name =
                |rotation: &Rotation, later: i64| rotation.people_of(rotation.turn_at(&zone, now) + later)[0].to_string();
            assert_eq!(name(&old, 0), "ben");
            let joined = old.with_people(&zone, now, line(&["dan", "ana", "ben", "chi"]));
            assert_eq!((name(&joined, 0), name(&joined, 1), name(&joined, 2)), ("ben".into(), "chi".into(), "dan".into()));
            let left = old.with_people(&zone, now, line(&["ana", "chi"]));
            assert_eq!((name(&left, 0), name(&left, 1)), ("chi".into(), "ana".into()), "{every}");
            assert_eq!(zone.start(left.boundary(left.turn_at(&zone, now))), zone.start(old.boundary(7)));
        }
    }
}
