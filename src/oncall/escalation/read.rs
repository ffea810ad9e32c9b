//! Escalation policies in YAML, as a part of the schedule file.

use super::super::people::Urgency;
use super::super::read::{parse_length, read_restriction, read_zone};
use super::super::zone::Zone;
use super::{Condition, Policy, Step, Target};
use crate::wire::yaml::{Node, YamlError};
use smol_str::SmolStr;
use std::sync::Arc;

/// Most steps of a policy and most targets of a step.
const MOST_STEPS: usize = 20;
/// Most rounds that can be written; more is `forever`.
const MOST_REPEATS: i64 = 99;

/// Reads the list under `escalations`. `zone` is that of conditions which name none.
pub fn read_policies(nodes: &[Node], zone: &Arc<Zone>) -> Result<Vec<Policy>, YamlError> {
    let mut policies: Vec<Policy> = Vec::new();
    for node in nodes {
        let policy = read_policy(node, zone)?;
        if policies.iter().any(|other| other.name == policy.name) {
            return Err(node.error(format!("a second policy is named `{}`", policy.name)));
        }
        policies.push(policy);
    }
    Ok(policies)
}

fn seconds(node: &Node) -> Result<i64, YamlError> {
    match parse_length(node.text()?) {
        Ok(0) => Err(node.error("a time of no length")),
        Ok(seconds) => Ok(seconds),
        Err(text) => Err(node.error(text)),
    }
}

fn read_policy(node: &Node, zone: &Arc<Zone>) -> Result<Policy, YamlError> {
    let mut fields = node.fields("escalation policy")?;
    let name = SmolStr::new(fields.need("name")?.text()?);
    let repeat = match fields.take("repeat") {
        None => Some(0),
        Some(node) if node.text() == Ok("forever") => None,
        Some(node) => {
            let rounds = u32::try_from(node.integer()?).ok().filter(|rounds| i64::from(*rounds) <= MOST_REPEATS);
            Some(rounds.ok_or_else(|| node.error(format!("expected 0 to {MOST_REPEATS} repeats, or `forever`")))?)
        }
    };
    let reminder = fields.take("reminder").map(seconds).transpose()?;
    let ack_timeout = fields.take("ack_timeout").map(seconds).transpose()?;
    let list = fields.need("steps")?;
    let steps = list.items()?.iter().map(|node| read_step(node, zone)).collect::<Result<Vec<_>, _>>()?;
    fields.finish()?;
    match steps.len() {
        0 => Err(list.error("a policy without steps pages nobody")),
        1..=MOST_STEPS => Ok(Policy { name, steps, repeat, reminder, ack_timeout }),
        _ => Err(list.error(format!("more than {MOST_STEPS} steps"))),
    }
}

fn read_step(node: &Node, zone: &Arc<Zone>) -> Result<Step, YamlError> {
    let mut fields = node.fields("escalation step")?;
    let list = fields.need("notify")?;
    let targets = list.items()?.iter().map(read_target).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() || targets.len() > MOST_STEPS {
        return Err(list.error(format!("expected 1 to {MOST_STEPS} targets")));
    }
    let delay = fields.take("delay").map_or(Ok(300), seconds)?;
    let urgency = match fields.take("urgency") {
        None => Urgency::Default,
        Some(node) => match node.text()? {
            "default" => Urgency::Default,
            "important" => Urgency::Important,
            other => return Err(node.error(format!("expected `default` or `important`, found `{other}`"))),
        },
    };
    let round_robin = fields.truth("round_robin")?.unwrap_or(false);
    let when = fields.take("when").map_or(Ok(Condition::default()), |node| read_condition(node, zone))?;
    fields.finish()?;
    Ok(Step { targets, delay, urgency, round_robin, when })
}

fn read_target(node: &Node) -> Result<Target, YamlError> {
    let wrong = || node.error("a target is one of `person: NAME`, `schedule: NAME`, `team: NAME`, `channel: NAME`");
    let [(kind, name)] = node.pairs()? else { return Err(wrong()) };
    let value = SmolStr::new(name.text()?);
    match kind.text()? {
        "person" => Ok(Target::Person(value)),
        "schedule" => Ok(Target::Schedule(value)),
        "team" => Ok(Target::Team(value)),
        "channel" => Ok(Target::Channel(value)),
        _ => Err(wrong()),
    }
}

fn read_condition(node: &Node, zone: &Arc<Zone>) -> Result<Condition, YamlError> {
    let mut fields = node.fields("condition")?;
    let hours = fields.items("hours")?.iter().map(read_restriction).collect::<Result<_, _>>()?;
    let severity = fields.texts("severity")?.into_iter().map(SmolStr::new).collect();
    let zone = fields.take("zone").map(read_zone).transpose()?.unwrap_or_else(|| zone.clone());
    fields.finish()?;
    Ok(Condition { hours, zone: Some(zone), severity })
}
