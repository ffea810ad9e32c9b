//! Recurrence rules: RRULE with exceptions, calculated on the wall clock.
//!
//! RFC 5545 section 3.3.10 for the frequencies HOURLY to YEARLY with INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY
//! (also the n-th of a month or year), BYHOUR, BYMINUTE, BYSETPOS and WKST. BYWEEKNO, BYYEARDAY, BYSECOND and the two finer
//! frequencies are refused by name: shifts have whole minutes. An occurrence on a day that does not exist is left out.

use crate::oncall::civil::{Civil, DAY, HOUR, Weekday, weekday_of};
use crate::oncall::zone::Zone;
use jiff::civil::Date;

/// Most periods that are looked at in one question; a rule that matches nothing ends here.
const MAX_PERIODS: i64 = 200_000;

/// How often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Frequency {
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// When something comes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recurrence {
    /// How often.
    pub frequency: Frequency,
    /// Every so many periods.
    pub interval: i64,
    /// At most so many times, exceptions counted.
    pub count: Option<u32>,
    /// Not after this, inclusive.
    pub until: Option<Civil>,
    /// Months, 1 to 12.
    pub by_month: Vec<i64>,
    /// Days of the month, negative from its end.
    pub by_month_day: Vec<i64>,
    /// Weekdays, with the n-th of month or year; 0 is every one.
    pub by_day: Vec<(i64, Weekday)>,
    /// Hours.
    pub by_hour: Vec<i64>,
    /// Minutes.
    pub by_minute: Vec<i64>,
    /// Which of a period's occurrences, negative from its end.
    pub by_set_pos: Vec<i64>,
    /// First day of a week.
    pub week_start: Weekday,
    /// Starts that are left out.
    pub except: Vec<Civil>,
    /// Starts in addition.
    pub extra: Vec<Civil>,
}

impl Recurrence {
    /// Every `interval` periods.
    pub fn new(frequency: Frequency, interval: i64) -> Self {
        Self {
            frequency,
            interval: interval.max(1),
            count: None,
            until: None,
            by_month: Vec::new(),
            by_month_day: Vec::new(),
            by_day: Vec::new(),
            by_hour: Vec::new(),
            by_minute: Vec::new(),
            by_set_pos: Vec::new(),
            week_start: Weekday::Mon,
            except: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Only the starts that are added by hand: RDATE without a rule.
    pub fn only(extra: Vec<Civil>) -> Self {
        Self { count: Some(1), extra, ..Self::new(Frequency::Daily, 1) }
    }

    /// Reads the value of an RRULE. `zone` is that of the event's start, for an UNTIL in UTC.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, String> {
        let mut rule = Self::new(Frequency::Daily, 1);
        let mut frequency = None;
        for part in text.trim().split(';').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` in a recurrence is no KEY=VALUE"))?;
            let wrong = || format!("`{part}` is no valid part of a recurrence");
            let numbers = |low: i64, high: i64, negative: bool| -> Result<Vec<i64>, String> {
                let read = |number: &str| {
                    let number: i64 = number.trim_start_matches('+').parse().ok()?;
                    ((low..=high).contains(&number) || (negative && (-high..0).contains(&number))).then_some(number)
                };
                value.split(',').map(|number| read(number).ok_or_else(wrong)).collect()
            };
            match key.to_ascii_uppercase().as_str() {
                "FREQ" => {
                    frequency = Some(match value.to_ascii_uppercase().as_str() {
                        "HOURLY" => Frequency::Hourly,
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        "YEARLY" => Frequency::Yearly,
                        _ => return Err(format!("the frequency `{value}` is not supported")),
                    });
                }
                "INTERVAL" => {
                    rule.interval = value.parse().ok().filter(|interval| (1..=10_000).contains(interval)).ok_or_else(wrong)?
                }
                "COUNT" => rule.count = Some(value.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?),
                "UNTIL" => rule.until = Some(parse_until(value, zone).ok_or_else(wrong)?),
                "BYMONTH" => rule.by_month = numbers(1, 12, false)?,
                "BYMONTHDAY" => rule.by_month_day = numbers(1, 31, true)?,
                "BYHOUR" => rule.by_hour = numbers(0, 23, false)?,
                "BYMINUTE" => rule.by_minute = numbers(0, 59, false)?,
                "BYSETPOS" => rule.by_set_pos = numbers(1, 366, true)?,
                "BYDAY" => {
                    rule.by_day = value.split(',').map(|day| parse_by_day(day).ok_or_else(wrong)).collect::<Result<_, _>>()?
                }
                "WKST" => rule.week_start = weekday(value).ok_or_else(wrong)?,
                "BYSECOND" if value == "0" => {}
                other => return Err(format!("`{other}` in a recurrence is not supported")),
            }
        }
        rule.frequency = frequency.ok_or("a recurrence without FREQ")?;
        if rule.frequency == Frequency::Weekly && rule.by_day.iter().any(|(nth, _)| *nth != 0) {
            return Err("the n-th weekday has no meaning in a weekly recurrence".into());
        }
        Ok(rule)
    }

    /// The value of an RRULE; `zone` is that of the event's start.
    pub fn rule_text(&self, zone: &Zone) -> String {
        let frequency = match self.frequency {
            Frequency::Hourly => "HOURLY",
            Frequency::Daily => "DAILY",
            Frequency::Weekly => "WEEKLY",
            Frequency::Monthly => "MONTHLY",
            Frequency::Yearly => "YEARLY",
        };
        let mut text = format!("FREQ={frequency}");
        if self.interval != 1 {
            text += &format!(";INTERVAL={}", self.interval);
        }
        if let Some(count) = self.count {
            text += &format!(";COUNT={count}");
        }
        if let Some(until) = self.until {
            let utc = Zone::utc().civil(zone.start(until)).datetime();
            text += &format!(";UNTIL={}", utc.strftime("%Y%m%dT%H%M00Z"));
        }
        let list = |numbers: &[i64]| numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let parts = [
            ("BYMONTH", &self.by_month),
            ("BYMONTHDAY", &self.by_month_day),
            ("BYHOUR", &self.by_hour),
            ("BYMINUTE", &self.by_minute),
            ("BYSETPOS", &self.by_set_pos),
        ];
        for (key, numbers) in parts.into_iter().filter(|(_, numbers)| !numbers.is_empty()) {
            text += &format!(";{key}={}", list(numbers));
        }
        if !self.by_day.is_empty() {
            let day = |(nth, day): &(i64, Weekday)| {
                let nth = if *nth == 0 { String::new() } else { nth.to_string() };
                format!("{nth}{}", day.word()[..2].to_ascii_uppercase())
            };
            text += &format!(";BYDAY={}", self.by_day.iter().map(day).collect::<Vec<_>>().join(","));
        }
        if self.week_start != Weekday::Mon {
            text += &format!(";WKST={}", self.week_start.word()[..2].to_ascii_uppercase());
        }
        text
    }

    /// Starts from `low` to `high`, both inclusive, ascending, of something that first starts at `first`.
    pub fn starts(&self, first: Civil, low: Civil, high: Civil) -> Vec<Civil> {
        let mut found: Vec<Civil> = Vec::new();
        let last = self.until.map_or(high, |until| until.min(high));
        let mut left = self.count.map_or(i64::MAX, i64::from);
        let mut period = if self.count.is_none() { self.period_before(first, low) } else { 0 };
        let stop = period + MAX_PERIODS;
        while period < stop && left > 0 && self.period_start(first, period) <= last {
            for start in self.of_period(first, period) {
                if start < first || left == 0 {
                    continue;
                }
                left -= 1;
                if start >= low && start <= last {
                    found.push(start);
                }
            }
            period += 1;
        }
        found.extend(self.extra.iter().filter(|start| **start >= low && **start <= high));
        found.retain(|start| !self.except.contains(start));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// A period that begins before `low`, not before the first.
    fn period_before(&self, first: Civil, low: Civil) -> i64 {
        let minutes = match self.frequency {
            Frequency::Hourly => HOUR,
            Frequency::Daily => DAY,
            Frequency::Weekly => 7 * DAY,
            Frequency::Monthly => 31 * DAY,
            Frequency::Yearly => 366 * DAY,
        };
        ((low.0 - first.0) / (minutes * self.interval) - 2).max(0)
    }

    fn period_start(&self, first: Civil, period: i64) -> Civil {
        let step = period * self.interval;
        match self.frequency {
            Frequency::Hourly => first.plus(step * HOUR),
            Frequency::Daily => Civil((first.day() + step) * DAY),
            Frequency::Weekly => Civil((self.week_of(first) + 7 * step) * DAY),
            Frequency::Monthly => Civil((month_start(first, step).0).div_euclid(DAY) * DAY),
            Frequency::Yearly => year_start(first, step),
        }
    }

    /// The day on which the first week starts.
    fn week_of(&self, first: Civil) -> i64 {
        let since = (first.weekday() as i64 - self.week_start as i64).rem_euclid(7);
        first.day() - since
    }

    /// Starts in a period, ascending.
    fn of_period(&self, first: Civil, period: i64) -> Vec<Civil> {
        let start = self.period_start(first, period);
        if self.frequency == Frequency::Hourly {
            let hour = start.minute_of_day() / HOUR;
            let inside = self.day_matches(start.day()) && (self.by_hour.is_empty() || self.by_hour.contains(&hour));
            let minutes = if self.by_minute.is_empty() { vec![start.minute_of_day() % HOUR] } else { self.by_minute.clone() };
            let mut starts: Vec<Civil> =
                minutes.iter().filter(|_| inside).map(|minute| Civil(start.day() * DAY + hour * HOUR + minute)).collect();
            starts.sort_unstable();
            return self.pick(starts);
        }
        let mut days = match self.frequency {
            Frequency::Hourly | Frequency::Daily => vec![start.day()],
            Frequency::Weekly if self.by_day.is_empty() => {
                vec![start.day() + (first.weekday() as i64 - self.week_start as i64).rem_euclid(7)]
            }
            Frequency::Weekly => (start.day()..start.day() + 7).collect(),
            Frequency::Monthly => self.month_days(start, first),
            Frequency::Yearly => self.year_days(start, first),
        };
        if matches!(self.frequency, Frequency::Daily | Frequency::Weekly) {
            days.retain(|day| self.day_matches(*day));
        }
        days.sort_unstable();
        days.dedup();
        let hours = if self.by_hour.is_empty() { vec![first.minute_of_day() / HOUR] } else { self.by_hour.clone() };
        let minutes = if self.by_minute.is_empty() { vec![first.minute_of_day() % HOUR] } else { self.by_minute.clone() };
        let mut starts: Vec<Civil> = days
            .iter()
            .flat_map(|day| hours.iter().map(move |hour| day * DAY + hour * HOUR))
            .flat_map(|hour| minutes.iter().map(move |minute| Civil(hour + minute)))
            .collect();
        starts.sort_unstable();
        self.pick(starts)
    }

    fn pick(&self, starts: Vec<Civil>) -> Vec<Civil> {
        if self.by_set_pos.is_empty() {
            return starts;
        }
        let count = starts.len() as i64;
        let place = |position: &i64| if *position > 0 { position - 1 } else { count + position };
        let mut picked: Vec<Civil> =
            self.by_set_pos.iter().filter_map(|position| starts.get(usize::try_from(place(position)).ok()?).copied()).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    }

    /// True when the limits by month, day of the month and weekday let a day pass.
    fn day_matches(&self, day: i64) -> bool {
        let date = date_of(day);
        let (month, of_month, length) = (i64::from(date.month()), i64::from(date.day()), i64::from(date.days_in_month()));
        (self.by_month.is_empty() || self.by_month.contains(&month))
            && (self.by_month_day.is_empty()
                || self.by_month_day.iter().any(|by| *by == of_month || length + 1 + by == of_month))
            && (self.by_day.is_empty() || self.by_day.iter().any(|(_, by)| *by == weekday_of(day)))
    }

    /// Days of the month that starts at `start`.
    fn month_days(&self, start: Civil, first: Civil) -> Vec<i64> {
        let date = date_of(start.day());
        if !self.by_month.is_empty() && !self.by_month.contains(&i64::from(date.month())) {
            return Vec::new();
        }
        let length = i64::from(date.days_in_month());
        let of_month = |day: i64| (1..=length).contains(&day).then_some(start.day() + day - 1);
        if self.by_month_day.is_empty() && self.by_day.is_empty() {
            return of_month(i64::from(first.datetime().day())).into_iter().collect();
        }
        let range = start.day()..start.day() + length;
        let by_number = |day: &i64| {
            let number = day - start.day() + 1;
            self.by_month_day.is_empty() || self.by_month_day.iter().any(|by| *by == number || length + 1 + by == number)
        };
        range.clone().filter(by_number).filter(|day| self.nth_matches(*day, &range)).collect()
    }

    /// True when the weekday rule lets a day of a month or year pass.
    fn nth_matches(&self, day: i64, range: &std::ops::Range<i64>) -> bool {
        self.by_day.is_empty()
            || self.by_day.iter().any(|(nth, by)| {
                let from_start = (day - range.start) / 7 + 1;
                let from_end = -((range.end - 1 - day) / 7 + 1);
                *by == weekday_of(day) && (*nth == 0 || *nth == from_start || *nth == from_end)
            })
    }

    fn year_days(&self, start: Civil, first: Civil) -> Vec<i64> {
        let year = date_of(start.day()).year();
        let month_of = |month: i64| Date::new(year, i8::try_from(month).unwrap_or(1), 1).map(|date| Civil::new(date, 0));
        if !self.by_month.is_empty() {
            return self
                .by_month
                .iter()
                .filter_map(|month| month_of(*month).ok())
                .flat_map(|month| self.month_days(month, first))
                .collect();
        }
        if !self.by_month_day.is_empty() {
            return (1..=12).filter_map(|month| month_of(month).ok()).flat_map(|month| self.month_days(month, first)).collect();
        }
        if !self.by_day.is_empty() {
            let end = year_start(start, 1).day();
            let range = start.day()..end;
            return range.clone().filter(|day| self.nth_matches(*day, &range)).collect();
        }
        let date = first.datetime();
        Date::new(year, date.month(), date.day()).map(|date| Civil::new(date, 0).day()).into_iter().collect()
    }
}

fn date_of(day: i64) -> Date {
    Civil(day * DAY).datetime().date()
}

fn month_start(first: Civil, months: i64) -> Civil {
    Civil::new(first.datetime().date().first_of_month(), 0).plus_months(months)
}

fn year_start(first: Civil, years: i64) -> Civil {
    Civil::new(first.datetime().date().first_of_year(), 0).plus_months(12 * years)
}

fn weekday(text: &str) -> Option<Weekday> {
    Weekday::ALL.into_iter().find(|day| day.word()[..2].eq_ignore_ascii_case(text))
}

fn parse_by_day(text: &str) -> Option<(i64, Weekday)> {
    let split = text.len().checked_sub(2)?;
    let day = weekday(text.get(split..)?)?;
    let nth = match text.get(..split)? {
        "" => 0,
        number => number.trim_start_matches('+').parse().ok().filter(|nth| *nth != 0 && (-53..=53).contains(nth))?,
    };
    Some((nth, day))
}

/// `20260301`, `20260301T090000`, `20260301T090000Z`: a date holds until its end.
fn parse_until(text: &str, zone: &Zone) -> Option<Civil> {
    match text.len() {
        8 => compact(text).map(|day| day.plus(DAY - 1)),
        15 => compact(text),
        16 if text.ends_with(['Z', 'z']) => compact(&text[..15]).map(|utc| zone.civil(utc.0 * 60)),
        _ => None,
    }
}

/// iCalendar's `20260301` and `20260301T090000`; seconds are cut off.
pub(super) fn compact(text: &str) -> Option<Civil> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let date =
        Date::new(i16::try_from(number(0..4)?).ok()?, i8::try_from(number(4..6)?).ok()?, i8::try_from(number(6..8)?).ok()?)
            .ok()?;
    if text.len() == 8 {
        return Some(Civil::new(date, 0));
    }
    let clock = (text.len() == 15 && text.as_bytes()[8].eq_ignore_ascii_case(&b'T'))
        .then(|| Some((number(9..11)?, number(11..13)?)))??;
    (clock.0 < 24 && clock.1 < 60).then(|| Civil::new(date, clock.0 * HOUR + clock.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(rule: &str, first: &str, high: &str) -> Vec<String> {
        let rule = Recurrence::parse(rule, &Zone::utc()).unwrap();
        let first = Civil::parse(first).unwrap();
        let all = rule.starts(first, first, Civil::parse(high).unwrap());
        // A window later on holds the same starts.
        if let Some(middle) = all.get(all.len() / 2) {
            assert_eq!(rule.starts(first, *middle, Civil::parse(high).unwrap()), all[all.len() / 2..]);
        }
        all.iter().map(|start| start.to_string()[5..].trim_end_matches("T09:00").to_owned()).collect()
    }

    #[test]
    fn rules_give_the_starts_that_rfc_5545_gives() {
        let first = "1997-09-02T09:00";
        for (rule, high, expected) in [
            ("FREQ=DAILY;COUNT=3", "1998-01-01", &["09-02", "09-03", "09-04"][..]),
            ("FREQ=DAILY;INTERVAL=10;COUNT=3", "1998-01-01", &["09-02", "09-12", "09-22"]),
            ("FREQ=DAILY;UNTIL=19970904T090000Z", "1998-01-01", &["09-02", "09-03", "09-04"]),
            ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH;COUNT=4", "1998-01-01", &["09-02", "09-04", "09-16", "09-18"]),
            ("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "1998-01-01", &["09-22", "10-20", "11-17"]),
            ("FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3", "1998-01-01", &["09-28", "10-29", "11-28"]),
            ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=2", "1999-01-01", &["02-13", "03-13"]),
            ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1998-01-01", &["09-04", "10-07", "11-06"]),
            ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=2", "1998-01-01", &["09-29", "10-30"]),
            ("FREQ=YEARLY;BYDAY=20MO;COUNT=2", "2000-01-01", &["05-18", "05-17"]),
            ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH;COUNT=3", "2000-01-01", &["03-05", "03-12", "03-19"]),
            ("FREQ=YEARLY;COUNT=2", "2000-01-01", &["09-02", "09-02"]),
            ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "1998-01-01", &["09-02", "09-02T12:00", "09-02T15:00"]),
            ("FREQ=DAILY;BYHOUR=9,10;BYMINUTE=0,30;COUNT=3", "1998-01-01", &["09-02", "09-02T09:30", "09-02T10:00"]),
        ] {
            assert_eq!(starts(rule, first, high), expected, "{rule}");
        }
        // The week's start matters.
        let of = |start| {
            starts(&format!("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST={start}"), "1997-08-05T09:00", "1998-01-01")
        };
        assert_eq!(
            (of("MO"), of("SU")),
            (
                ["08-05", "08-10", "08-19", "08-24"].map(str::to_owned).to_vec(),
                ["08-05", "08-17", "08-19", "08-31"].map(str::to_owned).to_vec()
            )
        );
        // Days that do not exist are left out.
        assert_eq!(starts("FREQ=MONTHLY;COUNT=3", "1997-01-31T09:00", "1998-01-01"), ["01-31", "03-31", "05-31"]);
        assert_eq!(starts("FREQ=YEARLY;COUNT=2", "1996-02-29T09:00", "2010-01-01"), ["02-29", "02-29"]);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (rule, named) in [
            ("FREQ=SECONDLY", "SECONDLY"),
            ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO"),
            ("INTERVAL=2", "FREQ"),
            ("FREQ=DAILY;COUNT=x", "COUNT=x"),
        ] {
            assert!(Recurrence::parse(rule, &Zone::utc()).unwrap_err().contains(named), "{rule}");
        }
    }

    #[test]
    fn a_rule_prints_as_it_was_read() {
        for rule in [
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "FREQ=MONTHLY;UNTIL=20260401T090000Z;BYSETPOS=-1;BYDAY=-1FR,2MO",
        ] {
            assert_eq!(Recurrence::parse(rule, &Zone::utc()).unwrap().rule_text(&Zone::utc()), rule);
        }
    }
}
