//! `belvedere oncall who|render` and `belvedere check schedule`: reads a schedule file and prints what `oncall` says of it.
//!
//! Exit codes: 0 somebody is on call (no gap; nothing to complain about), 1 nobody is (gaps; problems), 2 the file or a time
//! cannot be read. Times on the command line are RFC 3339, or local to the schedule's zone.

use super::args::Common;
use super::{DONE, FAILED, Failure, PROBLEMS, print};
use crate::model::UnixNanos;
use crate::oncall::{self, Civil, Level, OncallError, ScheduleFile, Zone};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;
/// What the linter looks at.
const YEAR: i64 = 365 * DAY;
/// Largest file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// `belvedere oncall`.
#[derive(clap::Args, Debug)]
pub struct OncallArguments {
    /// What is asked.
    #[command(subcommand)]
    what: OncallWhat,
}

/// Questions.
#[derive(clap::Subcommand, Debug)]
enum OncallWhat {
    /// Who is on call at a moment
    #[command(
        after_help = "Exit code 0 when somebody is on call, 1 when nobody is.\n\nExample:\n  belvedere oncall who primary.yaml --at 2026-03-08T02:30"
    )]
    Who(WhoArguments),
    /// The final schedule of a window: shifts and gaps
    #[command(
        after_help = "Exit code 0 without gaps, 1 with some.\n\nExample:\n  belvedere oncall render primary.yaml --from 2026-03-01 --to 2026-04-01"
    )]
    Render(RenderArguments),
}

#[derive(clap::Args, Debug)]
struct WhoArguments {
    /// Schedule file
    file: PathBuf,
    /// RFC 3339, or local to the schedule's zone [default: now]
    #[arg(long, value_name = "T")]
    at: Option<String>,
}

#[derive(clap::Args, Debug)]
struct RenderArguments {
    /// Schedule file
    file: PathBuf,
    /// First moment [default: today's midnight]
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// First moment after it [default: two weeks after the first]
    #[arg(long, value_name = "T")]
    to: Option<String>,
}

/// `belvedere check schedule`.
#[derive(clap::Args, Debug)]
pub struct ScheduleArguments {
    /// Schedule file
    file: PathBuf,
    /// First moment that is looked at [default: today]
    #[arg(long, value_name = "T")]
    from: Option<String>,
}

/// Runs `belvedere oncall`.
pub fn run(common: &Common, arguments: &OncallArguments) -> Result<u8, Failure> {
    match &arguments.what {
        OncallWhat::Who(who) => run_who(common, who),
        OncallWhat::Render(render) => run_render(common, render),
    }
}

fn run_who(common: &Common, arguments: &WhoArguments) -> Result<u8, Failure> {
    let file = load(&arguments.file)?;
    let schedule = &file.schedule;
    let at = arguments.at.as_deref().map_or_else(|| Ok(now()), |at| moment(at, &schedule.zone))?;
    let people = oncall::who(schedule, at);
    let until = oncall::next_change(schedule, at);
    if common.json {
        let names: Vec<&str> = people.iter().map(|person| person.as_str()).collect();
        print::json(&json!({"people": names, "until": until.map(text), "at": text(at), "schedule": schedule.name}))?;
    } else {
        let until =
            until.map_or_else(|| "with no end in sight".to_owned(), |until| format!("until {}", local(until, &schedule.zone)));
        let who = if people.is_empty() { "Nobody".to_owned() } else { people.join(", ") };
        print::line(&format!("{who}  {until}"))?;
    }
    Ok(if people.is_empty() { PROBLEMS } else { DONE })
}

fn run_render(common: &Common, arguments: &RenderArguments) -> Result<u8, Failure> {
    let file = load(&arguments.file)?;
    let schedule = &file.schedule;
    let zone = &schedule.zone;
    let from = arguments.from.as_deref().map_or_else(|| Ok(today(zone)), |from| moment(from, zone))?;
    let to =
        arguments.to.as_deref().map_or_else(|| Ok(zone.start(zone.civil(from).plus(14 * 24 * 60))), |to| moment(to, zone))?;
    if to <= from {
        return Err(Failure::new(format!(
            "the window ends at {}, which is not after its start at {}",
            local(to, zone),
            local(from, zone)
        )));
    }
    let roster = oncall::final_schedule(schedule, from, to);
    let gaps: Vec<Value> = roster.gaps.iter().map(|(start, end)| json!({"from": text(*start), "to": text(*end)})).collect();
    if common.json {
        let shifts: Vec<Value> = roster
            .shifts
            .iter()
            .map(|shift| {
                let mut object = json!({"person": shift.person.as_str(), "from": text(shift.from), "to": text(shift.to), "source": shift.source.name(schedule)});
                if let Some(who) = &shift.instead_of {
                    object["instead_of"] = json!(who.as_str());
                }
                object
            })
            .collect();
        print::json(&json!({"shifts": shifts, "gaps": gaps}))?;
    } else {
        let mut rows: Vec<(i64, Vec<String>)> = roster
            .shifts
            .iter()
            .map(|shift| {
                let source = shift.source.name(schedule);
                let source = shift.instead_of.as_ref().map_or_else(|| source.to_owned(), |who| format!("{source}, for {who}"));
                (shift.from, vec![shift.person.to_string(), local(shift.from, zone), local(shift.to, zone), source])
            })
            .collect();
        rows.extend(
            roster
                .gaps
                .iter()
                .map(|(start, end)| (*start, vec!["nobody".into(), local(*start, zone), local(*end, zone), "gap".into()])),
        );
        rows.sort_by_key(|(from, _)| *from);
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
        print::table(&["person", "from", "to", "source"], &rows, &[])?;
    }
    Ok(if gaps.is_empty() { DONE } else { PROBLEMS })
}

/// Runs `belvedere check schedule`.
pub fn check(common: &Common, arguments: &ScheduleArguments) -> Result<u8, Failure> {
    let file = match read(&arguments.file)? {
        Ok(file) => file,
        Err(error) => {
            if common.json {
                let place = error.place().map(|place| json!({"line": place.line, "column": place.column}));
                print::json(&json!({"errors": [{"text": error.to_string(), "place": place}], "findings": []}))?;
            }
            eprintln!("belvedere: {}", told(&error, &arguments.file));
            return Ok(FAILED);
        }
    };
    let schedule = &file.schedule;
    let from = arguments.from.as_deref().map_or_else(|| Ok(today(&schedule.zone)), |from| moment(from, &schedule.zone))?;
    let to = from + YEAR;
    let findings = oncall::lint(schedule, from, to);
    let fairness = oncall::fairness(schedule, &file.people, &oncall::final_schedule(schedule, from, to), from, to);
    let hours = |seconds: i64| seconds as f64 / 3600.0;
    if common.json {
        let findings: Vec<Value> = findings
            .iter()
            .map(|finding| json!({"level": finding.level.word(), "kind": finding.kind, "from": text(finding.from), "to": text(finding.to), "text": finding.text}))
            .collect();
        let people: Vec<Value> = fairness
            .people
            .iter()
            .map(|(person, load)| {
                json!({
                    "person": person.as_str(), "hours": hours(load.seconds), "night_hours": hours(load.nights), "weekend_hours": hours(load.weekends),
                    "holiday_hours": hours(load.holidays), "shifts": load.shifts, "longest_hours": hours(load.longest), "overloaded": load.overloaded,
                })
            })
            .collect();
        print::json(&json!({
            "schedule": schedule.name, "zone": schedule.zone.name(), "from": text(from), "to": text(to), "errors": [], "findings": findings,
            "people": people, "covered": fairness.covered, "balance": fairness.balance, "night_balance": fairness.night_balance,
            "weekend_balance": fairness.weekend_balance, "score": fairness.score,
        }))?;
    } else {
        for finding in &findings {
            print::line(&format!("{}: {}", finding.level.word(), finding.text))?;
        }
        let rows: Vec<Vec<String>> = fairness
            .people
            .iter()
            .map(|(person, load)| {
                let whole = |seconds: i64| format!("{:.0}", hours(seconds));
                let mark = if load.overloaded { "more than average" } else { "" };
                vec![
                    person.to_string(),
                    whole(load.seconds),
                    whole(load.nights),
                    whole(load.weekends),
                    load.shifts.to_string(),
                    whole(load.longest),
                    mark.into(),
                ]
            })
            .collect();
        print::table(&["person", "hours", "nights", "weekends", "shifts", "longest", ""], &rows, &[1, 2, 3, 4, 5])?;
        print::line(&format!(
            "covered {:.1} %, balance {:.0} %, score {:.0} of 100 over twelve months",
            fairness.covered * 100.0,
            fairness.balance * 100.0,
            fairness.score
        ))?;
    }
    Ok(if findings.iter().any(|finding| finding.level > Level::Note) { PROBLEMS } else { DONE })
}

fn load(path: &Path) -> Result<ScheduleFile, Failure> {
    read(path)?.map_err(|error| Failure::new(told(&error, path)))
}

fn read(path: &Path) -> Result<Result<ScheduleFile, OncallError>, Failure> {
    let cannot = |why: String| Failure::new(format!("the schedule cannot be read: {why}: {}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(cannot(format!("{size} bytes are too many for a schedule")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    Ok(oncall::read(&text))
}

/// `primary.yaml:4:23: …`, the form that editors jump to.
fn told(error: &OncallError, path: &Path) -> String {
    match error {
        OncallError::Yaml(error) => format!("{}:{}:{}: {}", path.display(), error.place.line, error.place.column, error.text),
        error => format!("{}: {error}", path.display()),
    }
}

/// An instant from RFC 3339 or from the local time of a zone.
fn moment(text: &str, zone: &Zone) -> Result<i64, Failure> {
    if let Some(time) = UnixNanos::parse_rfc3339(text) {
        return Ok(time.0.div_euclid(1_000_000_000));
    }
    Civil::parse(text).map(|civil| zone.start(civil)).map_err(|_| {
        Failure::new(format!(
            "expected a time such as 2026-03-08T07:00:00Z, or 2026-03-08T01:00 in {}, found `{text}`",
            zone.name()
        ))
    })
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn today(zone: &Zone) -> i64 {
    zone.start(Civil(zone.civil(now()).day() * 24 * 60))
}

fn text(instant: i64) -> String {
    UnixNanos(instant.saturating_mul(1_000_000_000)).to_rfc3339()
}

/// Local time with its offset, so that a repeated hour can be told.
fn local(instant: i64, zone: &Zone) -> String {
    let offset = zone.offset(instant);
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{} {sign}{:02}:{:02}", zone.civil(instant), offset.abs() / 3600, offset.abs() % 3600 / 60)
}
