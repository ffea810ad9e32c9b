//! Which series a list of matchers picks, by sorted lists of their numbers.
//!
//! A regular expression is anchored at both ends and its dot takes newlines, as Prometheus has it. One that is an
//! alternation of plain words is a few look-ups, one that begins with a plain prefix looks at the values with that prefix
//! alone, and any other is tried once for each value of the label, never for each series.

use super::index::{Index, SeriesId, Values};
use crate::source::{MatchOp, Matcher, SourceError};
use regex::Regex;
use smol_str::SmolStr;
use std::ops::Bound;

/// Alternatives that are looked up one by one.
const MOST_WORDS: usize = 4_096;
/// Bytes that a compiled expression may take.
const REGEX_BYTES: usize = 10 << 20;

/// A value's test.
enum Test {
    /// One of these.
    Words(Vec<String>),
    /// Begins with the text and goes on anyhow; with at least one more character when `more`.
    Prefix { text: String, more: bool },
    /// Matches; every match begins with the text.
    Pattern { regex: Regex, prefix: String },
}

/// Characters with a meaning in a regular expression.
fn is_special(character: char) -> bool {
    matches!(character, '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$')
}

/// The plain text of an expression without any operator; a backslash before punctuation is undone.
fn plain(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push(characters.next().filter(|next| next.is_ascii_punctuation())?),
            other if is_special(other) => return None,
            other => out.push(other),
        }
    }
    Some(out)
}

/// Takes one pair of brackets around everything away, `(a|b)`.
fn without_brackets(text: &str) -> &str {
    let inner = text.strip_prefix("(?:").or_else(|| text.strip_prefix('(')).and_then(|rest| rest.strip_suffix(')'));
    match inner {
        Some(inner) if !inner.contains(['(', ')', '\\']) && !inner.starts_with('?') => inner,
        _ => text,
    }
}

impl Test {
    fn new(pattern: &str) -> Result<Self, SourceError> {
        let inner = without_brackets(pattern);
        if !inner.contains("\\|") {
            let words: Option<Vec<String>> = inner.split('|').map(plain).collect();
            if let Some(words) = words.filter(|words| words.len() <= MOST_WORDS) {
                return Ok(Self::Words(words));
            }
        }
        for (tail, more) in [(".*", false), (".+", true)] {
            if let Some(text) = pattern.strip_suffix(tail).and_then(plain) {
                return Ok(Self::Prefix { text, more });
            }
        }
        let regex = regex::RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(REGEX_BYTES).build();
        let regex =
            regex.map_err(|error| SourceError::Read(format!("the matcher {pattern:?} is no regular expression: {error}")))?;
        // A prefix counts only where no alternative can go round it and its last character is not an optional one.
        let mut prefix: String = pattern.chars().take_while(|character| !is_special(*character)).collect();
        let next = pattern[prefix.len()..].chars().next();
        if pattern.contains('|') {
            prefix.clear();
        } else if matches!(next, Some('*' | '?' | '{')) {
            prefix.pop();
        }
        Ok(Self::Pattern { regex, prefix })
    }

    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|word| word == value),
            Self::Prefix { text, more } => value.strip_prefix(text.as_str()).is_some_and(|rest| !more || !rest.is_empty()),
            Self::Pattern { regex, .. } => regex.is_match(value),
        }
    }

    /// Shows `visit` the lists of all values that pass.
    fn each<'a>(&self, values: &'a Values, mut visit: impl FnMut(&'a [SeriesId])) {
        let from = |prefix: &str| values.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        match self {
            Self::Words(words) => words.iter().filter_map(|word| values.get(word.as_str())).for_each(|list| visit(list)),
            Self::Prefix { text, .. } => {
                let within = from(text).take_while(|(value, _)| value.starts_with(text.as_str()));
                within.filter(|(value, _)| self.holds(value)).for_each(|(_, list)| visit(list));
            }
            Self::Pattern { regex, prefix } => {
                let within = from(prefix).take_while(|(value, _)| value.starts_with(prefix.as_str()));
                within.filter(|(value, _)| regex.is_match(value)).for_each(|(_, list)| visit(list));
            }
        }
    }
}

/// The lists of a matcher, and whether the series wanted are those that are in none of them.
struct Lists<'a> {
    lists: Vec<&'a [SeriesId]>,
    others: bool,
}

impl Lists<'_> {
    fn total(&self) -> usize {
        self.lists.iter().map(|list| list.len()).sum()
    }

    /// All lists as one, rising.
    fn union(&self) -> Vec<SeriesId> {
        let mut all = self.lists.concat();
        if self.lists.len() > 1 {
            // A series has one value of a label: nothing is in two lists.
            all.sort_unstable();
        }
        all
    }
}

fn lists<'a>(index: &'a Index, matcher: &Matcher) -> Result<Lists<'a>, SourceError> {
    let values = index.values(&matcher.name);
    let all = |values: Option<&'a Values>| values.map_or(Vec::new(), |values| values.values().map(Vec::as_slice).collect());
    let one = |value: &str| values.and_then(|values| values.get(value)).map(Vec::as_slice).into_iter().collect();
    Ok(match matcher.op {
        MatchOp::Equal if matcher.value.is_empty() => Lists { lists: all(values), others: true },
        MatchOp::NotEqual if matcher.value.is_empty() => Lists { lists: all(values), others: false },
        MatchOp::Equal => Lists { lists: one(&matcher.value), others: false },
        MatchOp::NotEqual => Lists { lists: one(&matcher.value), others: true },
        MatchOp::Regex | MatchOp::NotRegex => {
            let test = Test::new(&matcher.value)?;
            let wanted = matcher.op == MatchOp::Regex;
            // A label that is absent is the empty text. When that is wanted, the lists are of the values that are not.
            let others = test.holds("") == wanted;
            let listed_pass = wanted != others;
            let mut lists = Vec::new();
            if listed_pass {
                values.into_iter().for_each(|values| test.each(values, |list| lists.push(list)));
            } else {
                let failing = values.into_iter().flatten().filter(|(value, _)| !test.holds(value));
                lists.extend(failing.map(|(_, list)| list.as_slice()));
            }
            Lists { lists, others }
        }
    })
}

/// The numbers in both lists, rising.
fn meet(few: &[SeriesId], many: &[SeriesId]) -> Vec<SeriesId> {
    let (few, many) = if few.len() <= many.len() { (few, many) } else { (many, few) };
    let mut out = Vec::with_capacity(few.len());
    if many.len() / 16 > few.len() {
        out.extend(few.iter().filter(|id| many.binary_search(id).is_ok()));
        return out;
    }
    let mut rest = many.iter().peekable();
    for id in few {
        while rest.next_if(|other| *other < id).is_some() {}
        if rest.next_if(|other| *other == id).is_some() {
            out.push(*id);
        }
    }
    out
}

/// Takes the numbers of `out` from `from`.
fn without(from: &mut Vec<SeriesId>, out: &[SeriesId]) {
    let mut rest = out.iter().peekable();
    from.retain(|id| {
        while rest.next_if(|other| *other < id).is_some() {}
        rest.next_if(|other| *other == id).is_none()
    });
}

/// The series that every matcher holds for, by number.
pub(crate) fn pick(index: &Index, matchers: &[Matcher]) -> Result<Vec<SeriesId>, SourceError> {
    let mut all = matchers.iter().map(|matcher| lists(index, matcher)).collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|lists| (lists.others, lists.total()));
    let mut picked: Option<Vec<SeriesId>> = None;
    for lists in &all {
        let union = lists.union();
        let next = match picked.take() {
            None if !lists.others => union,
            None => {
                let mut every: Vec<SeriesId> = index.iter().map(|(id, _)| id).collect();
                without(&mut every, &union);
                every
            }
            Some(mut picked) if lists.others => {
                without(&mut picked, &union);
                picked
            }
            Some(picked) => meet(&picked, &union),
        };
        picked = Some(next);
    }
    Ok(picked.unwrap_or_else(|| index.iter().map(|(id, _)| id).collect()))
}

/// The series that any of the matcher lists picks, by number; all series without lists.
pub(crate) fn pick_any(index: &Index, any_of: &[Vec<Matcher>]) -> Result<Option<Vec<SeriesId>>, SourceError> {
    if any_of.is_empty() {
        return Ok(None);
    }
    let mut picked = Vec::new();
    for matchers in any_of {
        picked.extend(pick(index, matchers)?);
    }
    picked.sort_unstable();
    picked.dedup();
    Ok(Some(picked))
}

/// Names of the labels that these series have, sorted.
pub(crate) fn names_of(index: &Index, picked: Option<&[SeriesId]>) -> Vec<SmolStr> {
    match picked {
        None => index.labels().keys().cloned().collect(),
        Some(picked) => {
            let with = |values: &Values| values.values().any(|list| touches(list, picked));
            index.labels().iter().filter(|(_, values)| with(values)).map(|(name, _)| name.clone()).collect()
        }
    }
}

/// Values of a label that these series have, sorted.
pub(crate) fn values_of(index: &Index, name: &str, picked: Option<&[SeriesId]>) -> Vec<SmolStr> {
    let Some(values) = index.values(name) else { return Vec::new() };
    match picked {
        None => values.keys().cloned().collect(),
        Some(picked) => values.iter().filter(|(_, list)| touches(list, picked)).map(|(value, _)| value.clone()).collect(),
    }
}

/// True when a number is in both lists.
fn touches(list: &[SeriesId], picked: &[SeriesId]) -> bool {
    let (few, many) = if list.len() <= picked.len() { (list, picked) } else { (picked, list) };
    few.iter().any(|id| many.binary_search(id).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Door, Labels};
    use proptest::prelude::*;

    fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
        Matcher { name: name.into(), op, value: value.into() }
    }

    fn index() -> Index {
        let mut index = Index::default();
        for (a, b) in [("x", ""), ("x", "1"), ("y", "1"), ("xy", "22"), ("", "1"), ("x.y", "2\n2"), ("", "")] {
            index.create(Labels::new([("__name__", "m"), ("a", a), ("b", b)]), Door::Api);
        }
        index
    }

    /// The answer by trying every series, as PromQL defines it.
    fn by_hand(index: &Index, matchers: &[Matcher]) -> Vec<SeriesId> {
        let holds = |labels: &Labels, matcher: &Matcher| {
            let value = labels.get(&matcher.name);
            let regex = || Regex::new(&format!("^(?s:{})$", matcher.value)).unwrap().is_match(value);
            match matcher.op {
                MatchOp::Equal => value == matcher.value,
                MatchOp::NotEqual => value != matcher.value,
                MatchOp::Regex => regex(),
                MatchOp::NotRegex => !regex(),
            }
        };
        index.iter().filter(|(_, series)| matchers.iter().all(|one| holds(&series.labels, one))).map(|(id, _)| id).collect()
    }

    const VALUES: [&str; 19] = [
        "", "x", "y", "x|y", "(x|y)", "(?:x|22)", "x.*", "x.+", ".*", ".+", "x\\.y", "x.y", "|1", "2.2", "[xy]+", "xy?", "xy*",
        "(x|y)y?", "(?i)X",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn picking_by_lists_is_picking_by_hand(
            wanted in proptest::collection::vec((0..3_usize, 0..4_usize, 0..VALUES.len()), 0..4),
        ) {
            let index = index();
            let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
            let matchers: Vec<Matcher> = wanted
                .into_iter()
                .map(|(name, op, value)| matcher(["a", "b", "none"][name], ops[op], VALUES[value]))
                .collect();
            prop_assert_eq!(pick(&index, &matchers).unwrap(), by_hand(&index, &matchers), "{:?}", matchers);
        }
    }

    #[test]
    fn names_and_values_are_those_of_the_picked_series() {
        let index = index();
        let picked = pick_any(&index, &[vec![matcher("a", MatchOp::Equal, "y")], vec![matcher("b", MatchOp::Equal, "22")]]);
        let picked = picked.unwrap().unwrap();
        assert_eq!(names_of(&index, Some(&picked)), ["__name__", "a", "b"]);
        assert_eq!(values_of(&index, "b", Some(&picked)), ["1", "22"]);
        assert_eq!(values_of(&index, "a", None), ["x", "x.y", "xy", "y"]);
        assert!(pick(&index, &[matcher("a", MatchOp::Regex, "(")]).is_err());
    }
}
