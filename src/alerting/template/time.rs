//! Times and lengths of time in templates: Go's layouts (`2006-01-02 15:04:05`) and the methods that rules call.

use super::Value;
use crate::alerting::go_text;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;

/// Seconds since 1970 as nanoseconds, to the millisecond, as Prometheus keeps time.
pub(super) fn from_seconds(seconds: f64) -> Result<i64, String> {
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    let nanos = seconds * 1e9;
    if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
        let printed = go_text::float(seconds);
        return Err(format!("{printed} cannot be represented as a nanoseconds timestamp since it overflows int64"));
    }
    Ok((nanos as i64) / 1_000_000 * 1_000_000)
}

fn civil(nanos: i64) -> DateTime {
    let timestamp = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::UTC).datetime()
}

/// `time.Time.String`, in UTC.
pub(super) fn print(nanos: i64) -> String {
    let at = civil(nanos);
    let mut fraction = format!(".{:09}", at.subsec_nanosecond());
    fraction.truncate(fraction.trim_end_matches('0').len());
    let fraction = if fraction == "." { "" } else { &fraction };
    let (date, clock) = (at.date(), at.time());
    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
    format!("{date} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC")
}

fn no_arguments(name: &str, args: &[Value]) -> Result<(), String> {
    if args.is_empty() {
        return Ok(());
    }
    Err(format!("wrong number of args for {name}: want 0 got {}", args.len()))
}

/// A method of a time.
pub(super) fn time_method(nanos: i64, name: &str, args: &[Value]) -> Result<Value, String> {
    let at = civil(nanos);
    match (name, args) {
        ("Format", [Value::Text(layout)]) => return Ok(Value::Text(format(&at, layout))),
        ("Add", [Value::Duration(length)]) => return Ok(Value::Time(nanos.saturating_add(*length))),
        ("Sub", [Value::Time(other)]) => return Ok(Value::Duration(nanos.saturating_sub(*other))),
        ("Before", [Value::Time(other)]) => return Ok(Value::Bool(nanos < *other)),
        ("After", [Value::Time(other)]) => return Ok(Value::Bool(nanos > *other)),
        ("Equal", [Value::Time(other)]) => return Ok(Value::Bool(nanos == *other)),
        ("Truncate", [Value::Duration(length)]) if *length > 0 => {
            // Go counts from the year 1; whole days before 1970 lie between.
            const YEAR_ONE: i128 = -62_135_596_800 * SECOND as i128;
            let since = i128::from(nanos) - YEAR_ONE;
            let cut = since - since.rem_euclid(i128::from(*length)) + YEAR_ONE;
            return Ok(Value::Time(i64::try_from(cut).unwrap_or(nanos)));
        }
        ("Format" | "Add" | "Sub" | "Before" | "After" | "Equal" | "Truncate", args) => {
            return Err(format!(
                "wrong arguments for {name}: {}",
                args.iter().map(Value::type_name).collect::<Vec<_>>().join(", ")
            ));
        }
        _ => {}
    }
    let whole = |number: i64| Ok(Value::Int(number));
    let value = match name {
        "Unix" => whole(nanos.div_euclid(SECOND)),
        "UnixMilli" => whole(nanos.div_euclid(1_000_000)),
        "UnixMicro" => whole(nanos.div_euclid(1_000)),
        "UnixNano" => whole(nanos),
        "Year" => whole(i64::from(at.year())),
        "Day" => whole(i64::from(at.day())),
        "YearDay" => whole(i64::from(at.date().day_of_year())),
        "Hour" => whole(i64::from(at.hour())),
        "Minute" => whole(i64::from(at.minute())),
        "Second" => whole(i64::from(at.second())),
        "Month" => Ok(Value::Text(MONTHS[usize::from(at.month().unsigned_abs()) - 1].to_owned())),
        "Weekday" => Ok(Value::Text(WEEKDAYS[weekday(&at)].to_owned())),
        "UTC" | "Local" => Ok(Value::Time(nanos)),
        "IsZero" => Ok(Value::Bool(false)),
        "String" => Ok(Value::Text(print(nanos))),
        _ => Err(format!("can't evaluate field {name} in type *time.Time")),
    }?;
    no_arguments(name, args)?;
    Ok(value)
}

/// A method of a length of time.
pub(super) fn duration_method(nanos: i64, name: &str, args: &[Value]) -> Result<Value, String> {
    let value = match name {
        "String" => Value::Text(go_text::duration(nanos)),
        "Hours" => Value::Float(nanos as f64 / (3_600 * SECOND) as f64),
        "Minutes" => Value::Float(nanos as f64 / (60 * SECOND) as f64),
        "Seconds" => Value::Float(nanos as f64 / SECOND as f64),
        "Milliseconds" => Value::Int(nanos / 1_000_000),
        "Microseconds" => Value::Int(nanos / 1_000),
        "Nanoseconds" => Value::Int(nanos),
        "Abs" => Value::Duration(nanos.saturating_abs()),
        "Round" | "Truncate" => match args {
            [Value::Duration(unit)] if *unit > 0 => {
                let cut = nanos - nanos % unit;
                let up = name == "Round" && (nanos % unit).abs() * 2 >= *unit;
                return Ok(Value::Duration(if up { cut + unit * nanos.signum() } else { cut }));
            }
            _ => return Err(format!("wrong arguments for {name}")),
        },
        _ => return Err(format!("can't evaluate field {name} in type *time.Duration")),
    };
    no_arguments(name, args)?;
    Ok(value)
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn weekday(at: &DateTime) -> usize {
    usize::from(at.date().weekday().to_sunday_zero_offset().unsigned_abs())
}

/// Pieces of a layout, those that begin like a shorter one first.
const PIECES: [&str; 30] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "__2",
    "_2",
    "1",
    "2",
];

/// `time.Time.Format` of a time in UTC.
fn format(at: &DateTime, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = fraction_length(rest, out.ends_with(|c: char| c.is_ascii_digit())) {
            let digits = format!("{:09}", at.subsec_nanosecond());
            let text = digits.get(..length - 1).unwrap_or(&digits);
            let nines = rest.as_bytes()[1] == b'9';
            let text = if nines { text.trim_end_matches('0') } else { text };
            if !text.is_empty() {
                out.push(c);
                out.push_str(text);
            }
            rest = &rest[length..];
            continue;
        }
        let piece = PIECES.iter().find(|piece| rest.starts_with(**piece)).copied();
        // `Jan` in `Janitor` is a word of its own.
        let piece = piece.filter(|piece| {
            let after = rest[piece.len()..].chars().next();
            !(matches!(*piece, "Jan" | "Mon") && after.is_some_and(|c| c.is_ascii_lowercase()))
        });
        let single = ["3", "4", "5"].into_iter().find(|single| rest.starts_with(single));
        match piece.or(single) {
            Some(piece) => {
                out.push_str(&write_piece(at, piece));
                rest = &rest[piece.len()..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// `.000` or `,999`, not followed by another digit.
fn fraction_length(rest: &str, after_digit: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    if !after_digit && !matches!(bytes.first(), Some(b'.' | b',')) || !matches!(bytes.first(), Some(b'.' | b',')) {
        return None;
    }
    let digit = *bytes.get(1).filter(|byte| matches!(byte, b'0' | b'9'))?;
    let length = 1 + bytes[1..].iter().take_while(|byte| **byte == digit).count();
    (!bytes.get(length).is_some_and(u8::is_ascii_digit)).then_some(length)
}

fn write_piece(at: &DateTime, piece: &str) -> String {
    let hour12 = if at.hour() % 12 == 0 { 12 } else { at.hour() % 12 };
    let month = MONTHS[usize::from(at.month().unsigned_abs()) - 1];
    let day = WEEKDAYS[weekday(at)];
    match piece {
        "January" => month.to_owned(),
        "Jan" => month[..3].to_owned(),
        "Monday" => day.to_owned(),
        "Mon" => day[..3].to_owned(),
        "MST" => "UTC".to_owned(),
        "2006" => format!("{:04}", at.year()),
        "06" => format!("{:02}", at.year().rem_euclid(100)),
        "01" => format!("{:02}", at.month()),
        "1" => at.month().to_string(),
        "02" => format!("{:02}", at.day()),
        "_2" => format!("{:2}", at.day()),
        "2" => at.day().to_string(),
        "002" => format!("{:03}", at.date().day_of_year()),
        "__2" => format!("{:3}", at.date().day_of_year()),
        "15" => format!("{:02}", at.hour()),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", at.minute()),
        "4" => at.minute().to_string(),
        "05" => format!("{:02}", at.second()),
        "5" => at.second().to_string(),
        "PM" => if at.hour() >= 12 { "PM" } else { "AM" }.to_owned(),
        "pm" => if at.hour() >= 12 { "pm" } else { "am" }.to_owned(),
        "-07:00:00" => "+00:00:00".to_owned(),
        "-070000" => "+000000".to_owned(),
        "-07:00" => "+00:00".to_owned(),
        "-0700" => "+0000".to_owned(),
        "-07" => "+00".to_owned(),
        zulu if zulu.starts_with('Z') => "Z".to_owned(),
        other => other.to_owned(),
    }
}
