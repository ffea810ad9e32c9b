//! Finding spans inside one trace.
//!
//! What is typed is words, all of which must be there: a bare word is looked for in the name, the service, the status
//! message, the ids and every attribute value; `service:cart`, `status:error`, `kind:client`, `name:GET` look at one
//! thing; `http.route=/cart` and `http.route:cart` at one attribute, equal or containing; `is:in-flight`, `is:repeated`,
//! `is:orphan`, `is:outside`, `is:cycle` at what is marked. Case does not matter.

use super::marks::Marks;
use super::tree::Tree;
use crate::model::batch::{SpanRow, ValueKind};
use crate::model::{SpanBatch, SpanRef};
use std::ops::Range;

/// A parsed question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Find {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Anywhere(String),
    Service(String),
    Name(String),
    Kind(String),
    Status(String),
    Is(Marks),
    Attr { key: String, value: String, exact: bool },
}

impl Find {
    /// Reads what was typed; it never fails. Text in double quotes is one word.
    pub fn parse(text: &str) -> Self {
        let terms = words(text).into_iter().map(|word| {
            let word = word.to_lowercase();
            let split = word.find([':', '=']).filter(|at| *at > 0 && *at + 1 < word.len());
            let Some(at) = split else { return Term::Anywhere(word) };
            let (key, value) = (word[..at].to_owned(), word[at + 1..].to_owned());
            let exact = word.as_bytes()[at] == b'=';
            match key.as_str() {
                "service" => Term::Service(value),
                "name" => Term::Name(value),
                "kind" => Term::Kind(value),
                "status" => Term::Status(value),
                "is" if mark_named(&value).is_some() => Term::Is(mark_named(&value).unwrap_or_default()),
                // `https://…` and `12:30` are words, not keys.
                _ if value.starts_with("//") || key.bytes().all(|byte| byte.is_ascii_digit()) => Term::Anywhere(word),
                _ => Term::Attr { key, value, exact },
            }
        });
        Self { terms: terms.collect() }
    }

    /// True when nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

fn mark_named(word: &str) -> Option<Marks> {
    Some(match word {
        "error" => Marks::ERROR,
        "given-up" => Marks::GIVEN_UP,
        "in-flight" => Marks::IN_FLIGHT,
        "repeated" => Marks::REPEATED,
        "orphan" => Marks::ORPHAN,
        "outside" => Marks::OUTSIDE_PARENT,
        "cycle" => Marks::CYCLE,
        "untimed" => Marks::NO_TIME,
        "shared" => Marks::SHARED_ID,
        _ => return None,
    })
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut any) = (String::new(), false, false);
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                any = true;
            }
            letter if letter.is_whitespace() && !quoted => {
                if any && !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            letter => {
                word.push(letter);
                any = true;
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The spans that match, by start. Each text of the batch is looked at once, so a million spans take a moment.
pub fn find(batch: &SpanBatch, tree: &Tree, question: &Find) -> Vec<u32> {
    if question.is_empty() {
        return Vec::new();
    }
    let tests: Vec<Test<'_>> = question.terms.iter().map(|term| Test::of(batch, term)).collect();
    let matches = |node: &u32| {
        let span = batch.span(*node as usize);
        let marks = tree.marks(*node);
        tests.iter().all(|test| test.holds(span, marks))
    };
    tree.by_start().iter().copied().filter(|node| !tree.is_virtual(*node)).filter(|node| matches(node)).collect()
}

/// A term with what could be looked up ahead: for each text of the batch, whether it contains the value.
struct Test<'a> {
    term: &'a Term,
    texts: Vec<bool>,
    keys: Vec<bool>,
    resources: Vec<bool>,
}

impl<'a> Test<'a> {
    fn of(batch: &SpanBatch, term: &'a Term) -> Self {
        let contains = |needle: &str| -> Vec<bool> {
            (0..batch.strings.len() as u32).map(|id| contains_folded(batch.strings.get(id), needle)).collect()
        };
        let equals = |needle: &str| -> Vec<bool> {
            (0..batch.strings.len() as u32).map(|id| batch.strings.get(id).eq_ignore_ascii_case(needle)).collect()
        };
        let (texts, keys) = match term {
            Term::Anywhere(value) | Term::Service(value) | Term::Name(value) => (contains(value), Vec::new()),
            Term::Attr { key, value, exact: false } => (contains(value), equals(key)),
            Term::Attr { key, value, exact: true } => (equals(value), equals(key)),
            Term::Kind(_) | Term::Status(_) | Term::Is(_) => (Vec::new(), Vec::new()),
        };
        let mut test = Self { term, texts, keys, resources: Vec::new() };
        let resources = batch.resources.iter().map(|row| test.any_attr(batch, row.attrs.range())).collect();
        test.resources = resources;
        test
    }

    fn any_attr(&self, batch: &SpanBatch, rows: Range<usize>) -> bool {
        let (value, keyed, exact) = match self.term {
            Term::Anywhere(value) => (value, false, false),
            Term::Attr { value, exact, .. } => (value, true, *exact),
            _ => return false,
        };
        batch.attrs[rows].iter().any(|row| {
            if keyed && !self.keys[row.key as usize] {
                return false;
            }
            match row.kind {
                ValueKind::Str => self.texts[row.bits as usize],
                ValueKind::Empty => false,
                _ => {
                    let text = crate::model::ValueRef::of(batch, row).to_string();
                    if exact { text.eq_ignore_ascii_case(value) } else { contains_folded(&text, value) }
                }
            }
        })
    }

    fn holds(&self, span: SpanRef<'_>, marks: Marks) -> bool {
        let SpanRow { name, status_message, resource, attrs, .. } = *span.row;
        let batch = span.batch;
        let service = || self.texts[batch.resources[resource as usize].service as usize];
        match self.term {
            Term::Name(_) => self.texts[name as usize],
            Term::Service(_) => service(),
            Term::Is(mark) => marks.has(*mark),
            Term::Kind(kind) => span.kind().word().starts_with(kind.as_str()),
            Term::Status(status) => span.status().word().starts_with(status.as_str()),
            Term::Attr { .. } => self.resources[resource as usize] || self.any_attr(batch, attrs.range()),
            Term::Anywhere(value) => {
                self.texts[name as usize]
                    || self.texts[status_message as usize]
                    || service()
                    || self.resources[resource as usize]
                    || self.any_attr(batch, attrs.range())
                    || value.len() >= 4 && span.span_id().to_string().starts_with(value.as_str())
            }
        }
    }
}

/// True when `text` contains `needle`, which is lower case; ASCII case is folded.
fn contains_folded(text: &str, needle: &str) -> bool {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else { return true };
    if text.len() < needle.len() {
        return false;
    }
    let upper = first.to_ascii_uppercase();
    (0..=text.len() - needle.len())
        .any(|at| (text[at] == *first || text[at] == upper) && text[at..at + needle.len()].eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::super::tree::TreeInput;
    use super::super::tree::tests::{Draft, batch};
    use super::*;
    use crate::model::SpanKind;

    #[test]
    fn words_look_everywhere_and_keys_at_one_thing() {
        let span = |id: u64, name: &'static str, service: &'static str, error: bool, attr| Draft {
            id,
            name,
            service,
            error,
            attr: Some(attr),
            kind: if id == 3 { SpanKind::Client } else { SpanKind::Server },
            start: id as i64,
            end: Some(id as i64 + 1),
            ..Draft::default()
        };
        let batch = batch(&[
            span(1, "GET /cart", "web", false, ("http.route", "/cart")),
            span(2, "SELECT stock", "postgres", true, ("db.statement", "SELECT * FROM Stock")),
            span(3, "POST /pay", "web", true, ("url.full", "https://pay.test/12:30")),
        ]);
        let tree = Tree::build(&batch, &TreeInput::default());
        let cases: [(&str, &[u32]); 16] = [
            ("", &[]),
            ("cart", &[0]),
            ("stock", &[1]),
            ("WEB", &[0, 2]),
            ("web pay", &[2]),
            ("status:error", &[1, 2]),
            ("service:web status:error", &[2]),
            ("kind:client", &[2]),
            ("is:error", &[1, 2]),
            ("is:in-flight", &[]),
            ("name:get", &[0]),
            ("http.route=/cart", &[0]),
            ("http.route=/car", &[]),
            ("db.statement:stock", &[1]),
            ("https://pay", &[2]),
            ("\"* from\"", &[1]),
        ];
        for (text, expected) in cases {
            assert_eq!(find(&batch, &tree, &Find::parse(text)), expected, "{text}");
        }
    }
}
