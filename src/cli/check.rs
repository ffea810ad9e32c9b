//! `belvedere check rules|routes|schedule FILE`: is the file right, and what is in it.
//!
//! `check rules` prints and exits as `promtool check rules` does (0 right, 1 wrong, 3 lint with `--lint-fatal`) and adds
//! advice; `check routes` is Alertmanager's `amtool check-config`, and shows the way of a label set through the tree.

use super::args::Common;
use super::{DONE, Failure, PROBLEMS, print};
use crate::alerting::route::config::{Config, ConfigError};
use crate::alerting::route::tree::{Node, Tree};
use crate::model::Labels;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// `belvedere check`.
#[derive(clap::Args, Debug)]
pub struct CheckArguments {
    /// What is checked.
    #[command(subcommand)]
    what: CheckWhat,
}

/// What can be checked.
#[derive(clap::Subcommand, Debug)]
enum CheckWhat {
    /// Prometheus rule files, as promtool does, with advice
    #[command(
        after_help = "Exit code 0 when the files are right, 1 when not, 3 when lint found something and --lint-fatal is given.\n\nExample:\n  belvedere check rules rules/*.yml --lint all"
    )]
    Rules(super::check_rules::RulesArguments),
    /// An Alertmanager configuration; with labels, where an alert that has them goes
    #[command(
        after_help = "Exit code 0 when the configuration is right, 1 when not.\n\nExample:\n  belvedere check routes alertmanager.yml team=web severity=critical"
    )]
    Routes(RoutesArguments),
    /// An on-call schedule: mistakes, and the gaps, overlaps and clock changes of the next twelve months
    #[command(
        after_help = "Exit code 0 without problems and warnings, 1 with some, 2 when the file cannot be read.\n\nExample:\n  belvedere check schedule primary.yaml"
    )]
    Schedule(super::oncall::ScheduleArguments),
}

/// `belvedere check routes`.
#[derive(clap::Args, Debug)]
struct RoutesArguments {
    /// Alertmanager configuration, `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Labels of an alert, `name=value`
    #[arg(value_name = "LABEL", value_parser = label)]
    labels: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "expected name=value".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the command.
pub fn run(common: &Common, arguments: &CheckArguments) -> Result<u8, Failure> {
    match &arguments.what {
        CheckWhat::Rules(rules) => super::check_rules::run(common, rules),
        CheckWhat::Routes(routes) => check_routes(common, routes),
        CheckWhat::Schedule(schedule) => super::oncall::check(common, schedule),
    }
}

/// A file's text, or that of standard input.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let read = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Failure::new(format!("the file cannot be read: {error}: {}", file.display())))
}

fn check_routes(common: &Common, arguments: &RoutesArguments) -> Result<u8, Failure> {
    let result = Config::parse(&read(&arguments.file)?);
    let labels = Labels::new(arguments.labels.iter().map(|(name, value)| (name, value)));
    if common.json {
        print::json(&routes_object(&result, &labels))?;
        return Ok(if result.is_ok() { DONE } else { PROBLEMS });
    }
    let file = arguments.file.display();
    let config = match result {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{file}: {error}");
            return Ok(PROBLEMS);
        }
    };
    let tree = Tree::new(&config.route);
    print::line(&format!(
        "{file}: right\n{:>5} routes\n{:>5} receivers\n{:>5} inhibition rules\n{:>5} time intervals",
        tree.nodes.len(),
        config.receivers.len(),
        config.inhibit_rules.len(),
        config.time_intervals.len(),
    ))?;
    for (place, note) in &config.notes {
        print::line(&format!("{place}: {note}"))?;
    }
    if !labels.is_empty() {
        print::line("")?;
        for step in tree.explain(&labels) {
            let node = &tree.nodes[step.node];
            let why = match (&step.failed, step.is_result) {
                (Some(failed), _) => format!("no: {failed}"),
                (None, true) => format!("goes to {}", node.options.receiver),
                (None, false) => "yes".to_owned(),
            };
            print::line(&format!("{}{}  {why}", "  ".repeat(depth(&tree, node)), node.matchers))?;
        }
    }
    Ok(DONE)
}

fn depth(tree: &Tree, node: &Node) -> usize {
    std::iter::successors(node.parent, |parent| tree.nodes[*parent].parent).count()
}

fn routes_object(result: &Result<Config, ConfigError>, labels: &Labels) -> Value {
    let config = match result {
        Ok(config) => config,
        Err(error) => {
            let problem = json!({
                "line": error.place.map(|place| place.line),
                "column": error.place.map(|place| place.column),
                "text": error.text,
            });
            return json!({"right": false, "problems": [problem]});
        }
    };
    let tree = Tree::new(&config.route);
    let receivers: Vec<Value> = config
        .receivers
        .iter()
        .map(|receiver| {
            let channels: Vec<&str> = receiver.integrations.iter().map(|one| one.kind.as_str()).collect();
            json!({"name": receiver.name, "channels": channels, "armed": receiver.armed})
        })
        .collect();
    let notes: Vec<Value> = config
        .notes
        .iter()
        .map(|(place, note)| json!({"line": place.line, "column": place.column, "text": note.to_string()}))
        .collect();
    let way: Vec<Value> = if labels.is_empty() { Vec::new() } else { way(&tree, labels) };
    json!({
        "right": true, "problems": [], "routes": tree.nodes.len(), "receivers": receivers,
        "inhibit_rules": config.inhibit_rules.len(), "time_intervals": config.time_intervals.len(), "notes": notes, "way": way,
    })
}

fn way(tree: &Tree, labels: &Labels) -> Vec<Value> {
    let steps = tree.explain(labels).into_iter();
    steps
        .map(|step| {
            let node = &tree.nodes[step.node];
            json!({
                "route": node.id, "line": node.place.line, "matched": step.matched, "failed": step.failed,
                "receiver": step.is_result.then(|| node.options.receiver.clone()),
            })
        })
        .collect()
}
