//! People: how they are reached, and in which order.
//!
//! A person has contact methods, each a channel and an address there, and two lists of notification rules: the one of every
//! page and the one of important pages. A rule is a contact and how long after the page it is used; whoever has no rules is
//! reached by every contact at once. Times are seconds.

use smol_str::SmolStr;

/// Somebody who can be on call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Person {
    /// As schedules name them.
    pub id: SmolStr,
    /// For people to read; the id where none is given.
    pub name: String,
    /// Mail address, if any; calendars and imports know people by it.
    pub email: Option<SmolStr>,
    /// IANA zone in which they look at calendars, and which says when their night is.
    pub zone: Option<SmolStr>,
    /// Ways to reach them.
    pub contacts: Vec<Contact>,
    /// Rules of an ordinary page.
    pub rules: Vec<NotificationRule>,
    /// Rules of an important page; the ordinary ones where there are none.
    pub important: Vec<NotificationRule>,
}

/// A way to reach somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// As rules name it.
    pub id: SmolStr,
    /// Kind of channel: `email`, `pushover`, `desktop`, …
    pub channel: SmolStr,
    /// Address there.
    pub address: String,
}

/// Use a contact some time after a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotificationRule {
    /// Contact.
    pub contact: SmolStr,
    /// Seconds after the page.
    pub after: i64,
}

/// People who take pages together or in turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Team {
    /// As escalations name it.
    pub id: SmolStr,
    /// Members, in the order of the round.
    pub members: Vec<SmolStr>,
}

/// How loud a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Ordinary rules.
    #[default]
    Default,
    /// Important rules.
    Important,
}

impl Person {
    /// Somebody of whom only the id is known.
    pub fn named(id: impl Into<SmolStr>) -> Self {
        let id = id.into();
        Self { name: id.to_string(), id, ..Self::default() }
    }

    /// Contacts to use for a page and how long after it, earliest first.
    pub fn notifications(&self, urgency: Urgency) -> Vec<(&Contact, i64)> {
        let rules = if urgency == Urgency::Important && !self.important.is_empty() { &self.important } else { &self.rules };
        if rules.is_empty() {
            return self.contacts.iter().map(|contact| (contact, 0)).collect();
        }
        let contact =
            |rule: &NotificationRule| Some((self.contacts.iter().find(|contact| contact.id == rule.contact)?, rule.after));
        let mut found: Vec<(&Contact, i64)> = rules.iter().filter_map(contact).collect();
        found.sort_by_key(|(_, after)| *after);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn important_pages_take_their_own_rules_where_there_are_any() {
        let contact = |id: &str| Contact { id: id.into(), channel: id.into(), address: "x".into() };
        let rule = |id: &str, after| NotificationRule { contact: id.into(), after };
        let mut ana = Person { contacts: vec![contact("mail"), contact("push")], ..Person::named("ana") };
        let seen = |ana: &Person, urgency| {
            ana.notifications(urgency).iter().map(|(contact, after)| format!("{} {after}", contact.id)).collect::<Vec<_>>()
        };
        assert_eq!(seen(&ana, Urgency::Default), ["mail 0", "push 0"]);
        ana.rules = vec![rule("push", 300), rule("mail", 0)];
        assert_eq!(seen(&ana, Urgency::Important), ["mail 0", "push 300"]);
        ana.important = vec![rule("push", 0)];
        assert_eq!(
            (seen(&ana, Urgency::Default), seen(&ana, Urgency::Important)),
            (vec!["mail 0".into(), "push 300".into()], vec!["push 0".into()])
        );
    }
}
