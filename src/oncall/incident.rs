//! Incidents: what happened, who did what, and the report afterwards.
//!
//! An incident is made from a group of alerts and keeps a timeline that is only ever added to: notifications, deliveries,
//! acknowledgements, notes, linked traces and dashboards, roles, merges. Times are Unix seconds and come from outside; an
//! incident is a plain value that its owner stores.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Where an incident stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody took it.
    Triggered,
    /// Somebody is on it.
    Acknowledged,
    /// Over.
    Resolved,
    /// Goes on in another incident.
    Merged,
}

impl Status {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Merged => "merged",
        }
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Happened {
    /// It began.
    Triggered {
        /// The alerts, in words.
        text: String,
    },
    /// Somebody was notified.
    Notified {
        /// Person or channel.
        whom: String,
        /// By which contact.
        contact: String,
        /// Key of the notification.
        key: String,
    },
    /// A notification arrived, or did not.
    Delivered {
        /// Key of the notification.
        key: String,
        /// Why not.
        error: Option<String>,
    },
    /// Somebody takes it.
    Acknowledged {
        /// Who.
        by: String,
    },
    /// Somebody wrote something.
    Note {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// A trace or a dashboard at that moment.
    Link {
        /// Name.
        title: String,
        /// Where it opens.
        address: String,
    },
    /// A role was given.
    Role {
        /// `commander`, `scribe`, …
        role: String,
        /// To whom.
        person: String,
    },
    /// Another incident was folded into this one.
    Absorbed {
        /// Which.
        incident: String,
    },
    /// It goes on in another incident.
    MergedInto {
        /// Which.
        incident: String,
    },
    /// It began again.
    Reopened {
        /// Why.
        text: String,
    },
    /// It is over.
    Resolved {
        /// By whom, empty when the alerts ended by themselves.
        by: String,
    },
}

/// One line of the timeline.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: i64,
    /// What.
    #[serde(flatten)]
    pub happened: Happened,
}

/// An incident.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Incident {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Severity.
    pub severity: String,
    /// Where it stands.
    pub status: Status,
    /// Keys of the alert groups that belong to it.
    pub groups: Vec<String>,
    /// Who has which role.
    pub roles: BTreeMap<String, String>,
    /// What happened, in order.
    pub timeline: Vec<Entry>,
}

impl Incident {
    /// An incident that begins with a group of alerts.
    pub fn open(
        id: impl Into<String>,
        title: impl Into<String>,
        severity: impl Into<String>,
        group: impl Into<String>,
        text: impl Into<String>,
        at: i64,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            severity: severity.into(),
            status: Status::Triggered,
            groups: vec![group.into()],
            roles: BTreeMap::new(),
            timeline: vec![Entry { at, happened: Happened::Triggered { text: text.into() } }],
        }
    }

    /// Adds what happened, and lets the status follow. What comes late is put where it belongs. What is over stays over
    /// until it is reopened; a merged incident only takes notes.
    pub fn add(&mut self, at: i64, happened: Happened) {
        self.status = match (&happened, self.status) {
            (Happened::MergedInto { .. }, _) => Status::Merged,
            (_, Status::Merged) => Status::Merged,
            (Happened::Acknowledged { .. }, Status::Triggered) => Status::Acknowledged,
            (Happened::Resolved { .. }, _) => Status::Resolved,
            (Happened::Reopened { .. }, Status::Resolved) => Status::Triggered,
            (_, status) => status,
        };
        if let Happened::Role { role, person } = &happened {
            self.roles.insert(role.clone(), person.clone());
        }
        let place = self.timeline.partition_point(|entry| entry.at <= at);
        self.timeline.insert(place, Entry { at, happened });
    }

    /// Folds another incident into this one: its groups and its timeline come here, and it says where it went. An
    /// acknowledgement of either counts for both. Nothing happens to an incident that is merged with itself or a merged one.
    pub fn absorb(&mut self, other: &mut Self, at: i64) {
        if self.id == other.id || other.status == Status::Merged || self.status == Status::Merged {
            return;
        }
        let acknowledged = other.status == Status::Acknowledged && self.status == Status::Triggered;
        for group in &other.groups {
            if !self.groups.contains(group) {
                self.groups.push(group.clone());
            }
        }
        for (role, person) in &other.roles {
            self.roles.entry(role.clone()).or_insert_with(|| person.clone());
        }
        self.timeline.extend(other.timeline.iter().cloned());
        self.timeline.sort_by_key(|entry| entry.at);
        self.add(at, Happened::Absorbed { incident: other.id.clone() });
        if acknowledged {
            self.status = Status::Acknowledged;
        }
        other.add(at, Happened::MergedInto { incident: self.id.clone() });
    }

    /// First moment.
    pub fn began(&self) -> i64 {
        self.timeline.first().map_or(0, |entry| entry.at)
    }

    /// Seconds until the first acknowledgement.
    pub fn time_to_acknowledge(&self) -> Option<i64> {
        self.timeline
            .iter()
            .find(|entry| matches!(entry.happened, Happened::Acknowledged { .. }))
            .map(|entry| entry.at - self.began())
    }

    /// Seconds until the last resolution, while it is over.
    pub fn time_to_resolve(&self) -> Option<i64> {
        let last = self.timeline.iter().rev().find(|entry| matches!(entry.happened, Happened::Resolved { .. }));
        last.filter(|_| self.status == Status::Resolved).map(|entry| entry.at - self.began())
    }

    /// The post-incident report as Markdown. `clock` writes a moment in the reader's zone.
    pub fn report(&self, clock: impl Fn(i64) -> String) -> String {
        let mut text = format!("# {}\n\n", line(&self.title));
        let length = |seconds: Option<i64>| seconds.map_or_else(|| "–".to_owned(), words);
        let rows = [
            ("Incident", self.id.clone()),
            ("Severity", self.severity.clone()),
            ("Status", self.status.word().to_owned()),
            ("Began", clock(self.began())),
            ("Acknowledged after", length(self.time_to_acknowledge())),
            ("Resolved after", length(self.time_to_resolve())),
            (
                "Notifications",
                self.timeline.iter().filter(|entry| matches!(entry.happened, Happened::Notified { .. })).count().to_string(),
            ),
        ];
        text.push_str("| | |\n|---|---|\n");
        for (name, value) in rows {
            let _ = writeln!(text, "| {name} | {} |", cell(&value));
        }
        for (role, person) in &self.roles {
            let _ = writeln!(text, "| {} | {} |", cell(role), cell(person));
        }
        text.push_str("\n## Timeline\n\n");
        for entry in &self.timeline {
            let _ = writeln!(text, "- {}: {}", clock(entry.at), sentence(&entry.happened));
        }
        let links: Vec<(&str, &str)> = self
            .timeline
            .iter()
            .filter_map(|entry| {
                if let Happened::Link { title, address } = &entry.happened {
                    Some((title.as_str(), address.as_str()))
                } else {
                    None
                }
            })
            .collect();
        if !links.is_empty() {
            text.push_str("\n## Evidence\n\n");
            for (title, address) in links {
                let _ =
                    writeln!(text, "- [{}](<{}>)", line(title).replace(['[', ']'], ""), line(address).replace(['<', '>'], ""));
            }
        }
        text.push_str("\n## What happened\n\n\n## Why\n\n\n## What we change\n\n- [ ] \n");
        text
    }
}

fn sentence(happened: &Happened) -> String {
    match happened {
        Happened::Triggered { text } => format!("began: {}", line(text)),
        Happened::Notified { whom, contact, .. } if contact.is_empty() => format!("{} notified", line(whom)),
        Happened::Notified { whom, contact, .. } => format!("{} notified by {}", line(whom), line(contact)),
        Happened::Delivered { key, error: None } => format!("`{}` delivered", line(key)),
        Happened::Delivered { key, error: Some(error) } => format!("`{}` not delivered: {}", line(key), line(error)),
        Happened::Acknowledged { by } => format!("{} acknowledged", line(by)),
        Happened::Note { by, text } => format!("{}: {}", line(by), line(text)),
        Happened::Link { title, .. } => format!("linked {}", line(title)),
        Happened::Role { role, person } => format!("{} is {}", line(person), line(role)),
        Happened::Absorbed { incident } => format!("merged with {}", line(incident)),
        Happened::MergedInto { incident } => format!("goes on in {}", line(incident)),
        Happened::Reopened { text } => format!("began again: {}", line(text)),
        Happened::Resolved { by } if by.is_empty() => "resolved, the alerts ended".to_owned(),
        Happened::Resolved { by } => format!("{} resolved", line(by)),
    }
}

/// One line of Markdown: what people typed must not become structure.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
}

fn words(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(id: &str, at: i64) -> Incident {
        Incident::open(id, "Checkout fails", "critical", format!("group {id}"), "3 alerts", at)
    }

    #[test]
    fn the_status_follows_what_happens_and_what_is_over_stays_over() {
        let mut incident = incident("i1", 100);
        incident.add(160, Happened::Acknowledged { by: "ana".into() });
        assert_eq!((incident.status, incident.time_to_acknowledge()), (Status::Acknowledged, Some(60)));
        incident.add(400, Happened::Resolved { by: String::new() });
        incident.add(500, Happened::Acknowledged { by: "ben".into() });
        assert_eq!((incident.status, incident.time_to_resolve()), (Status::Resolved, Some(300)));
        // What comes late is put where it belongs.
        incident.add(150, Happened::Delivered { key: "k".into(), error: None });
        assert_eq!(incident.timeline.iter().map(|entry| entry.at).collect::<Vec<_>>(), [100, 150, 160, 400, 500]);
        incident.add(600, Happened::Reopened { text: "again".into() });
        assert_eq!((incident.status, incident.time_to_resolve()), (Status::Triggered, None));
        let kept: Incident = serde_json::from_str(&serde_json::to_string(&incident).unwrap()).unwrap();
        assert_eq!(kept, incident);
    }

    #[test]
    fn merging_brings_groups_timeline_and_acknowledgement() {
        let (mut first, mut second) = (incident("i1", 100), incident("i2", 50));
        second.add(90, Happened::Acknowledged { by: "ben".into() });
        second.add(91, Happened::Role { role: "commander".into(), person: "ben".into() });
        first.absorb(&mut second, 200);
        assert_eq!((first.status, second.status), (Status::Acknowledged, Status::Merged));
        assert_eq!((first.groups.len(), first.began(), first.roles["commander"].as_str()), (2, 50, "ben"));
        let before = first.clone();
        first.absorb(&mut second, 300);
        let mut itself = first.clone();
        first.absorb(&mut itself, 300);
        assert_eq!(first, before, "neither twice nor with itself");
    }

    #[test]
    fn the_report_has_times_people_and_evidence_and_no_structure_from_notes() {
        let mut incident = incident("i1", 100);
        incident.add(101, Happened::Notified { whom: "ana".into(), contact: "phone".into(), key: "k".into() });
        incident.add(160, Happened::Acknowledged { by: "ana".into() });
        incident.add(170, Happened::Note { by: "ana".into(), text: "looks bad\n# not a heading | really".into() });
        incident.add(180, Happened::Link { title: "slow [trace]".into(), address: "belvedere://trace/1".into() });
        incident.add(4000, Happened::Resolved { by: "ana".into() });
        let report = incident.report(|at| format!("t{at}"));
        for expected in [
            "# Checkout fails\n",
            "| Acknowledged after | 1 min 0 s |\n",
            "| Resolved after | 1 h 5 min |\n",
            "| Notifications | 1 |\n",
            "- t101: ana notified by phone\n",
            "- t170: ana: looks bad # not a heading | really\n",
            "- [slow trace](<belvedere://trace/1>)\n",
        ] {
            assert!(report.contains(expected), "{expected} not in\n{report}");
        }
        assert_eq!(report.lines().filter(|line| line.starts_with('#')).count(), 6);
    }
}
