//! A label set: what names a series. Packed into one allocation, sorted by name, cheap to clone, to hash and to compare.
//!
//! The packed form is also the key of the series dictionary: for each label in order of its name, the length of the name
//! (LEB128), the name, the length of the value, the value. Equal sets have equal bytes. A label with an empty value is the
//! same as no label (the Prometheus data model) and is never kept; names and values are UTF-8 of any kind.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The label that holds the name of the metric.
pub const METRIC_NAME: &str = "__name__";

/// A sorted label set.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[u8]>);

static EMPTY: LazyLock<Arc<[u8]>> = LazyLock::new(|| Arc::from(Vec::new()));

impl Default for Labels {
    fn default() -> Self {
        Self(EMPTY.clone())
    }
}

impl Labels {
    /// From pairs in any order. Pairs with an empty value are left out; of equal names the last one stays.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// From the packed form; `None` when the bytes are not one (cut short, not UTF-8, unsorted, an empty value).
    pub fn from_packed(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut before: Option<&str> = None;
        while !rest.is_empty() {
            let (name, after) = take_text(rest)?;
            let (value, after) = take_text(after)?;
            if value.is_empty() || before.is_some_and(|before| before >= name) {
                return None;
            }
            before = Some(name);
            rest = after;
        }
        Some(Self(Arc::from(bytes)))
    }

    /// The packed form, the key of the series dictionary.
    pub fn packed(&self) -> &[u8] {
        &self.0
    }

    /// Pairs by name.
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter { rest: &self.0 }
    }

    /// The value of a label; the empty string when it is absent, as PromQL has it.
    pub fn get(&self, name: &str) -> &str {
        self.iter().find(|(key, _)| *key >= name).filter(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// True when the label is there.
    pub fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// The metric's name, empty when there is none.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// True without labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// A builder that starts from this set.
    pub fn edit(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    /// This set without the labels for which `drop` is true; a clone when none is.
    pub fn without(&self, mut drop: impl FnMut(&str) -> bool) -> Self {
        let mut packed = Vec::with_capacity(self.0.len());
        for (name, value) in self.iter() {
            if !drop(name) {
                put_label(&mut packed, name, value);
            }
        }
        if packed.len() == self.0.len() { self.clone() } else { Self(Arc::from(packed)) }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    /// By name, then value, label by label; a set that ends first is less. The order of Prometheus' answers.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut ours, mut theirs): (&[u8], &[u8]) = (&self.0, &other.0);
        // Text orders as its bytes do; a sort of many sets is felt, so nothing is checked to be UTF-8 again.
        while !ours.is_empty() && !theirs.is_empty() {
            for _ in 0..2 {
                let (Some((a, after)), Some((b, rest))) = (take_bytes(ours), take_bytes(theirs)) else {
                    return ours.cmp(theirs);
                };
                match a.cmp(b) {
                    Ordering::Equal => (ours, theirs) = (after, rest),
                    order => return order,
                }
            }
        }
        ours.len().cmp(&theirs.len())
    }
}

impl fmt::Display for Labels {
    /// As PromQL writes it: `up{job="node"}`; names that are no identifiers in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        let plain = is_metric_identifier(name);
        if plain {
            f.write_str(name)?;
        }
        let quoted_name = (!plain && !name.is_empty()).then_some(name);
        let mut others = self.iter().filter(|(key, _)| *key != METRIC_NAME).peekable();
        if quoted_name.is_none() && others.peek().is_none() {
            return if plain { Ok(()) } else { f.write_str("{}") };
        }
        f.write_str("{")?;
        let mut first = true;
        if let Some(name) = quoted_name {
            write!(f, "{name:?}")?;
            first = false;
        }
        for (key, value) in others {
            if !std::mem::take(&mut first) {
                f.write_str(", ")?;
            }
            if is_label_identifier(key) { write!(f, "{key}={value:?}")? } else { write!(f, "{key:?}={value:?}")? }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Pairs of a [`Labels`], by name.
#[derive(Clone, Debug)]
pub struct LabelsIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (name, rest) = take_text(self.rest)?;
        let (value, rest) = take_text(rest)?;
        self.rest = rest;
        Some((name, value))
    }
}

/// Builds and edits a label set.
#[derive(Clone, Default, Debug)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.pairs.binary_search_by(|(key, _)| key.as_str().cmp(name)) {
            Ok(place) if value.is_empty() => drop(self.pairs.remove(place)),
            Ok(place) => value.clone_into(&mut self.pairs[place].1),
            Err(_) if value.is_empty() => {}
            Err(place) => self.pairs.insert(place, (name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Takes a label away.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The value of a label; the empty string when it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.pairs.binary_search_by(|(key, _)| key.as_str().cmp(name)).map_or("", |place| self.pairs[place].1.as_str())
    }

    /// The set.
    pub fn build(&self) -> Labels {
        let mut packed = Vec::with_capacity(self.pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        for (name, value) in &self.pairs {
            put_label(&mut packed, name, value);
        }
        Labels(Arc::from(packed))
    }
}

/// Appends a label in the packed form. The caller sees to the order of names and leaves empty values out.
pub fn put_label(packed: &mut Vec<u8>, name: &str, value: &str) {
    put_text(packed, name);
    put_text(packed, value);
}

/// True for a name that PromQL writes without quotes before the braces: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_metric_identifier(name: &str) -> bool {
    identifier(name, |byte| byte == b':')
}

/// True for a name that PromQL writes without quotes inside the braces: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_label_identifier(name: &str) -> bool {
    identifier(name, |_| false)
}

fn identifier(name: &str, also: impl Fn(u8) -> bool) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || also(byte);
    name.bytes().next().is_some_and(letter) && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

fn put_text(packed: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length >= 0x80 {
        packed.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    packed.push(length as u8);
    packed.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = take_bytes(bytes)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn take_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_sorted_and_keeps_no_empty_value() {
        let labels = Labels::new([("job", "node"), ("__name__", "up"), ("zone", ""), ("a", "1"), ("job", "api")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("__name__", "up"), ("a", "1"), ("job", "api")]);
        assert_eq!(labels.get("job"), "api");
        assert_eq!(labels.get("zone"), "");
        assert_eq!(labels.get("zzz"), "");
        assert_eq!(labels.len(), 3);
    }

    #[test]
    fn the_packed_form_reads_back_and_rejects_what_it_is_not() {
        let long = "v".repeat(300);
        let labels = Labels::new([("b", long.as_str()), ("a", "\u{e9}")]);
        assert_eq!(Labels::from_packed(labels.packed()), Some(labels.clone()));
        assert_eq!(Labels::from_packed(&labels.packed()[..4]), None);
        let mut unsorted = Vec::new();
        put_label(&mut unsorted, "b", "1");
        put_label(&mut unsorted, "a", "1");
        assert_eq!(Labels::from_packed(&unsorted), None);
        assert_eq!(Labels::from_packed(&[]), Some(Labels::default()));
    }

    #[test]
    fn order_is_by_name_then_value_then_length() {
        let set = |text: &[(&str, &str)]| Labels::new(text.iter().copied());
        assert!(set(&[]) < set(&[("a", "1")]));
        assert!(set(&[("a", "1")]) < set(&[("a", "1"), ("b", "1")]));
        assert!(set(&[("a", "1"), ("b", "1")]) < set(&[("a", "2")]));
        assert!(set(&[("aa", "1")]) < set(&[("b", "0")]));
    }

    #[test]
    fn a_set_prints_as_promql_writes_it() {
        for (pairs, text) in [
            (vec![("__name__", "up")], "up"),
            (vec![("__name__", "up"), ("job", "a\"b")], r#"up{job="a\"b"}"#),
            (vec![("job", "x")], r#"{job="x"}"#),
            (vec![("__name__", "http.duration"), ("a.b", "c")], r#"{"http.duration", "a.b"="c"}"#),
            (vec![], "{}"),
        ] {
            assert_eq!(Labels::new(pairs).to_string(), text);
        }
    }

    #[test]
    fn editing_and_dropping_leave_the_rest() {
        let labels = Labels::new([("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(labels.without(|name| name == "b"), Labels::new([("a", "1"), ("c", "3")]));
        assert_eq!(labels.edit().set("b", "").set("d", "4").build(), Labels::new([("a", "1"), ("c", "3"), ("d", "4")]));
    }
}
