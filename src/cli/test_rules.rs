//! `belvedere test rules FILE…`: unit tests of rules, with promtool's formats, flags, output and exit codes.

use super::args::Common;
use super::check::read;
use super::check_rules::check_expr;
use super::{DONE, Failure, PROBLEMS, print};
use crate::alerting::rules::file::{ReadOptions, RuleFile};
use crate::alerting::unit_test::bench::MemoryBench;
use crate::alerting::unit_test::file::TestFile;
use crate::alerting::unit_test::report::{Suite, junit};
use crate::alerting::unit_test::run::{RunOptions, run as run_test};
use crate::promql::histogram;
use regex::Regex;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `belvedere test`.
#[derive(clap::Args, Debug)]
pub struct TestArguments {
    /// What is tested.
    #[command(subcommand)]
    what: TestWhat,
}

/// What can be tested.
#[derive(clap::Subcommand, Debug)]
enum TestWhat {
    /// Alerting and recording rules, by files in promtool's format
    #[command(
        after_help = "Exit code 0 when all tests pass, 1 when not.\n\nExample:\n  belvedere test rules rules_test.yml --diff"
    )]
    Rules(RulesArguments),
}

/// `belvedere test rules`.
#[derive(clap::Args, Debug)]
struct RulesArguments {
    /// Test files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only tests whose name this expression matches; may be repeated
    #[arg(long, value_name = "REGEX")]
    run: Vec<String>,
    /// What differs as a diff
    #[arg(long)]
    diff: bool,
    /// Pass over fields of rule files that Prometheus does not know
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Also write a report in JUnit's format
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs the command.
pub fn run(common: &Common, arguments: &TestArguments) -> Result<u8, Failure> {
    let TestWhat::Rules(rules) = &arguments.what;
    let only = match &rules.run[..] {
        [] => None,
        run => Some(Regex::new(&run.join("|")).map_err(|error| Failure::new(format!("--run is no expression: {error}")))?),
    };
    let mut suites = Vec::new();
    for file in &rules.files {
        if !common.json {
            print::line(&format!("Processing test file: {}", file.display()))?;
        }
        let mut suite = Suite { name: file.display().to_string(), time: now(), ..Suite::default() };
        if let Err(errors) = test_file(file, rules, only.as_ref(), &mut suite) {
            suite.aborted = Some(errors);
        }
        if !common.json {
            tell(&suite)?;
        }
        suites.push(suite);
    }
    if let Some(path) = &rules.junit {
        std::fs::write(path, junit(&suites))
            .map_err(|error| Failure::new(format!("the report cannot be written: {error}: {}", path.display())))?;
    }
    if common.json {
        print::json(&json!({"files": suites.iter().map(object).collect::<Vec<_>>()}))?;
    }
    Ok(if suites.iter().all(passed) { DONE } else { PROBLEMS })
}

/// The second at which a suite is begun, as JUnit writes it.
fn now() -> String {
    crate::engine::now().to_rfc3339().chars().take(19).collect()
}

fn passed(suite: &Suite) -> bool {
    suite.aborted.is_none() && suite.cases.iter().all(|(_, failures)| failures.is_empty())
}

fn tell(suite: &Suite) -> Result<(), Failure> {
    if passed(suite) {
        print::line("  SUCCESS")?;
    } else {
        eprintln!("  FAILED:");
        let failures = suite.cases.iter().flat_map(|(_, failures)| failures);
        for failure in suite.aborted.iter().chain(failures) {
            eprintln!("{failure}");
            print::line("")?;
        }
    }
    print::line("")
}

fn object(suite: &Suite) -> Value {
    let cases: Vec<Value> = suite
        .cases
        .iter()
        .map(|(name, failures)| json!({"name": name, "passed": failures.is_empty(), "failures": failures}))
        .collect();
    json!({"file": suite.name, "passed": passed(suite), "error": suite.aborted, "tests": cases})
}

/// Runs the tests of a file into its suite; why none was run.
fn test_file(path: &Path, arguments: &RulesArguments, only: Option<&Regex>, suite: &mut Suite) -> Result<(), String> {
    let text = read(path).map_err(|Failure(error)| error)?;
    let file = TestFile::parse(&text).map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let options = ReadOptions { ignore_unknown_fields: arguments.ignore_unknown_fields, ..ReadOptions::default() };
    let mut rules = Vec::new();
    for pattern in &file.rule_files {
        for path in files_of(folder, pattern)? {
            rules.push((path.display().to_string(), read_rules(&path, options)));
        }
    }
    for (number, test) in file.tests.iter().enumerate() {
        if only.is_some_and(|only| !only.is_match(&test.name)) {
            continue;
        }
        let name = if test.name.is_empty() { format!("unnamed#{number}") } else { test.name.clone() };
        // As in promtool, every test loads the rules, and fails when they are wrong.
        let wrong: Vec<String> = rules.iter().filter_map(|(_, read)| read.as_ref().err()).flatten().cloned().collect();
        let failures = if wrong.is_empty() {
            let ready: Vec<(String, RuleFile)> =
                rules.iter().filter_map(|(name, read)| Some((name.clone(), read.as_ref().ok()?.clone()))).collect();
            let mut bench = MemoryBench::new(file.evaluation_interval);
            let options = RunOptions { diff: arguments.diff, histogram_text: histogram::text };
            run_test(&file, test, &ready, &mut bench, options)
        } else {
            wrong
        };
        suite.cases.push((name, failures));
    }
    Ok(())
}

fn read_rules(path: &Path, options: ReadOptions) -> Result<RuleFile, Vec<String>> {
    let text = read(path).map_err(|Failure(error)| vec![error])?;
    RuleFile::parse(&text, options, &check_expr)
        .map_err(|errors| errors.iter().map(|error| format!("{}: {error}", path.display())).collect())
}

/// The files that a pattern names, relative to the test file, by name. A star stands for any part of a name.
fn files_of(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = folder.join(pattern);
    if !pattern.contains(['*', '?', '[']) {
        if !path.exists() {
            eprintln!("  WARNING: no file match pattern {}", path.display());
            return Ok(Vec::new());
        }
        return Ok(vec![path]);
    }
    let mut found = vec![PathBuf::from(if path.is_absolute() { "/" } else { "" })];
    for part in path.components() {
        let part = part.as_os_str().to_string_lossy();
        if part == "/" {
            continue;
        }
        if !part.contains(['*', '?', '[']) {
            found = found.into_iter().map(|path| path.join(&*part)).filter(|path| path.exists()).collect();
            continue;
        }
        let regex = glob(&part)?;
        let mut next = Vec::new();
        for path in found {
            let here = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
            for entry in std::fs::read_dir(here).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if regex.is_match(&name.to_string_lossy()) {
                    next.push(path.join(name));
                }
            }
        }
        next.sort();
        found = next;
    }
    if found.is_empty() {
        eprintln!("  WARNING: no file match pattern {}", path.display());
    }
    Ok(found)
}

/// A part of a path with `*`, `?` and `[…]` as an expression.
fn glob(pattern: &str) -> Result<Regex, String> {
    let mut text = String::from("^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '[' => {
                text.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    text.push('^');
                }
                for c in chars.by_ref() {
                    text.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '\\' => text.push_str(&regex::escape(&chars.next().map(String::from).unwrap_or_default())),
            c => text.push_str(&regex::escape(&c.to_string())),
        }
    }
    Regex::new(&(text + "$")).map_err(|_| format!("syntax error in pattern {pattern:?}"))
}
