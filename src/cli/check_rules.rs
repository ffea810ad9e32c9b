//! `belvedere check rules FILE…`: prints and exits as `promtool check rules` does, and adds advice.

use super::args::Common;
use super::check::read;
use super::{DONE, Failure, PROBLEMS, print};
use crate::alerting::rules::file::{ReadOptions, RuleFile};
use crate::alerting::rules::lint;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Promtool's exit code for lint with `--lint-fatal`.
const LINT: u8 = 3;

/// `belvedere check rules`.
#[derive(clap::Args, Debug)]
pub struct RulesArguments {
    /// Rule files; standard input without any
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What is looked for besides mistakes: all, duplicate-rules, none; several with commas
    #[arg(long, default_value = "duplicate-rules", value_name = "LINT")]
    lint: String,
    /// Exit with 3 when lint finds something
    #[arg(long)]
    lint_fatal: bool,
    /// Pass over fields that Prometheus does not know
    #[arg(long)]
    ignore_unknown_fields: bool,
}

/// What a file is found to be.
struct Found {
    name: String,
    rules: usize,
    errors: Vec<String>,
    lint: Option<String>,
    advice: Vec<lint::Advice>,
}

/// What is wrong with an expression, in Prometheus' words.
pub(super) fn check_expr(expr: &str) -> Result<(), String> {
    crate::promql::parse(expr).map(drop).map_err(|error| error.to_string())
}

/// Runs the command.
pub(super) fn run(common: &Common, arguments: &RulesArguments) -> Result<u8, Failure> {
    let lints: Vec<&str> = arguments.lint.split(',').collect();
    for unknown in lints.iter().filter(|lint| !["all", "duplicate-rules", "none"].contains(lint)) {
        eprintln!("WARNING: unknown lint option: {unknown:?}");
    }
    let duplicates = !lints.contains(&"none") && lints.iter().any(|lint| matches!(*lint, "all" | "duplicate-rules"));
    let stdin = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() { &stdin[..] } else { &arguments.files };
    let mut all = Vec::new();
    for file in files {
        let name = if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
        if !common.json {
            print::line(&format!("Checking {name}"))?;
        }
        let found = check(name, read(file).map_err(|Failure(error)| error), arguments, duplicates);
        if !common.json {
            tell(&found)?;
        }
        all.push(found);
    }
    if common.json {
        print::json(&json!({"files": all.iter().map(object).collect::<Vec<_>>()}))?;
    }
    Ok(if all.iter().any(|found| !found.errors.is_empty()) {
        PROBLEMS
    } else if arguments.lint_fatal && all.iter().any(|found| found.lint.is_some()) {
        LINT
    } else {
        DONE
    })
}

fn check(name: String, text: Result<String, String>, arguments: &RulesArguments, duplicates: bool) -> Found {
    let mut found = Found { name, rules: 0, errors: Vec::new(), lint: None, advice: Vec::new() };
    let options = ReadOptions { ignore_unknown_fields: arguments.ignore_unknown_fields, ..ReadOptions::default() };
    let read = text.map_err(|error| vec![error]).and_then(|text| {
        RuleFile::parse(&text, options, &check_expr)
            .map_err(|errors| errors.iter().map(|error| format!("{}: {error}", found.name)).collect())
    });
    match read {
        Ok(file) => {
            found.rules = file.groups.iter().map(|group| group.rules.len()).sum();
            let twice = lint::duplicates(&file.groups);
            found.lint = (duplicates && !twice.is_empty()).then(|| lint::duplicates_text(&twice));
            found.advice = lint::advice(&file);
            if file.more_documents {
                eprintln!("only the first document of {} is read", found.name);
            }
        }
        Err(errors) => found.errors = errors,
    }
    found
}

fn tell(found: &Found) -> Result<(), Failure> {
    if found.errors.is_empty() && found.lint.is_none() {
        print::line(&format!("  SUCCESS: {} rules found", found.rules))?;
    } else {
        eprintln!("  FAILED:");
        for error in found.errors.iter().chain(&found.lint) {
            eprintln!("{error}");
        }
    }
    for advice in &found.advice {
        print::line(&format!("  advice: {advice}"))?;
    }
    print::line("")
}

fn object(found: &Found) -> Value {
    let advice: Vec<Value> = found
        .advice
        .iter()
        .map(|one| json!({"line": one.place.line, "column": one.place.column, "group": one.group, "rule": one.rule, "text": one.text}))
        .collect();
    json!({"file": found.name, "rules": found.rules, "errors": found.errors, "lint": found.lint, "advice": advice})
}
