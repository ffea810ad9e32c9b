//! YAML as a tree in which every node knows its place, for the files people write: rules, routes, scrape
//! configurations, sampling policies, schedules.
//!
//! The `saphyr-parser` crate reads the text; this module keeps what the readers of those files need and a plain
//! deserializer loses: line and column of each key and value for messages, byte ranges for putting an unchanged part back
//! as it stood, the difference between quoted and plain scalars, the order of keys. Aliases are expanded within a budget,
//! merge keys (`<<`) are applied, a key that is given twice is an error. Scalars stay text until somebody asks for a
//! number or a truth value, so that `version: 1.10` is not 1.1. Comments live between nodes, in the byte ranges.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 200;
/// Most nodes of one text, expanded aliases counted: no billion laughs.
const MAX_NODES: usize = 2_000_000;

/// Line and column, both from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {text}")]
pub struct YamlError {
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
}

/// One node.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Where it starts.
    pub place: Place,
    /// Its bytes in the text that was read.
    pub bytes: Range<usize>,
    /// An explicit tag such as `!!str`, `None` most of the time.
    pub tag: Option<String>,
    /// What it is.
    pub value: Yaml,
}

/// The kinds of nodes.
#[derive(Clone, PartialEq, Debug)]
pub enum Yaml {
    /// Text; `plain` when it stands without quotes and is no block, and so may mean a number, a truth value or nothing.
    Scalar {
        /// Unescaped and folded.
        text: String,
        /// Without quotes.
        plain: bool,
    },
    /// `- a`
    Sequence(Vec<Node>),
    /// `key: value`, in the order written.
    Mapping(Vec<(Node, Node)>),
}

/// Reads every document of a text. An empty text is no document.
pub fn parse_all(text: &str) -> Result<Vec<Node>, YamlError> {
    Builder::new(text).run(text)
}

/// Reads a text that holds one document; `None` when it is empty or holds comments only.
pub fn parse(text: &str) -> Result<Option<Node>, YamlError> {
    let mut documents = parse_all(text)?;
    match documents.get(1) {
        Some(second) => {
            Err(YamlError { place: second.place, text: "a second document starts here, only one is expected".into() })
        }
        None => Ok(documents.pop()),
    }
}

impl Node {
    /// An error at this node.
    pub fn error(&self, text: impl Into<String>) -> YamlError {
        YamlError { place: self.place, text: text.into() }
    }

    /// True for a plain `~`, `null` or nothing at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Yaml::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar, numbers and truth values as they were written; the empty string for null.
    pub fn text(&self) -> Result<&str, YamlError> {
        match &self.value {
            Yaml::Scalar { .. } if self.is_null() => Ok(""),
            Yaml::Scalar { text, .. } => Ok(text),
            Yaml::Sequence(_) | Yaml::Mapping(_) => Err(self.error(format!("expected text, found {}", self.kind()))),
        }
    }

    /// A truth value: `true`, `false`, and YAML 1.1's `yes`, `no`, `on`, `off`, as Go's decoder takes them.
    pub fn truth(&self) -> Result<bool, YamlError> {
        match (&self.value, self.text()?) {
            (
                Yaml::Scalar { plain: true, .. },
                "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y",
            ) => Ok(true),
            (
                Yaml::Scalar { plain: true, .. },
                "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N",
            ) => Ok(false),
            (_, text) => Err(self.error(format!("expected true or false, found `{text}`"))),
        }
    }

    /// A whole number: decimal, `0x`, `0o`, `0b`, with `_` between digits.
    pub fn integer(&self) -> Result<i64, YamlError> {
        let text = self.text()?.replace('_', "");
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(&text)),
        };
        let (digits, radix) = match digits.get(..2) {
            Some("0x") => (&digits[2..], 16),
            Some("0o") => (&digits[2..], 8),
            Some("0b") => (&digits[2..], 2),
            _ => (digits, 10),
        };
        let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
        i64::from_str_radix(&signed, radix).map_err(|_| self.error(format!("expected a whole number, found `{text}`")))
    }

    /// A number, `.inf` and `.nan` included.
    pub fn number(&self) -> Result<f64, YamlError> {
        let text = self.text()?;
        match text.to_ascii_lowercase().as_str() {
            ".inf" | "+.inf" => return Ok(f64::INFINITY),
            "-.inf" => return Ok(f64::NEG_INFINITY),
            ".nan" => return Ok(f64::NAN),
            _ => {}
        }
        if text.starts_with(|letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.'))
            && let Ok(number) = text.replace('_', "").parse()
        {
            return Ok(number);
        }
        self.integer().map(|integer| integer as f64).map_err(|_| self.error(format!("expected a number, found `{text}`")))
    }

    /// The items of a sequence; none for null.
    pub fn items(&self) -> Result<&[Self], YamlError> {
        match &self.value {
            Yaml::Sequence(items) => Ok(items),
            Yaml::Scalar { .. } if self.is_null() => Ok(&[]),
            Yaml::Scalar { .. } | Yaml::Mapping(_) => Err(self.error(format!("expected a list, found {}", self.kind()))),
        }
    }

    /// The pairs of a mapping; none for null.
    pub fn pairs(&self) -> Result<&[(Self, Self)], YamlError> {
        match &self.value {
            Yaml::Mapping(pairs) => Ok(pairs),
            Yaml::Scalar { .. } if self.is_null() => Ok(&[]),
            Yaml::Scalar { .. } | Yaml::Sequence(_) => {
                Err(self.error(format!("expected keys and values, found {}", self.kind())))
            }
        }
    }

    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Yaml::Mapping(pairs) => pairs.iter().find(|(name, _)| name.text() == Ok(key)).map(|(_, value)| value),
            Yaml::Scalar { .. } | Yaml::Sequence(_) => None,
        }
    }

    /// A reader of a mapping that notices which keys nobody asked for. `what` names the thing in messages.
    pub fn fields<'a>(&'a self, what: &'static str) -> Result<Fields<'a>, YamlError> {
        let pairs = self.pairs()?;
        for (key, _) in pairs {
            key.text()?;
        }
        Ok(Fields { what, node: self, pairs, taken: vec![false; pairs.len()] })
    }

    fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Scalar { .. } if self.is_null() => "nothing",
            Yaml::Scalar { .. } => "text",
            Yaml::Sequence(_) => "a list",
            Yaml::Mapping(_) => "keys and values",
        }
    }
}

/// Reads a mapping key by key; see [`Node::fields`].
#[derive(Debug)]
pub struct Fields<'a> {
    what: &'static str,
    node: &'a Node,
    pairs: &'a [(Node, Node)],
    taken: Vec<bool>,
}

impl<'a> Fields<'a> {
    /// The mapping.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The value of a key, null included; `None` when the key is absent.
    pub fn take(&mut self, key: &str) -> Option<&'a Node> {
        let place = self.pairs.iter().position(|(name, _)| name.text() == Ok(key))?;
        self.taken[place] = true;
        Some(&self.pairs[place].1)
    }

    /// The value of a key that must be there.
    pub fn need(&mut self, key: &str) -> Result<&'a Node, YamlError> {
        let (what, node) = (self.what, self.node);
        self.take(key).ok_or_else(|| node.error(format!("{what} has no `{key}`")))
    }

    /// Text under a key; `None` when absent.
    pub fn text(&mut self, key: &str) -> Result<Option<&'a str>, YamlError> {
        self.take(key).map(Node::text).transpose()
    }

    /// A truth value under a key; `None` when absent or null.
    pub fn truth(&mut self, key: &str) -> Result<Option<bool>, YamlError> {
        self.take(key).filter(|node| !node.is_null()).map(Node::truth).transpose()
    }

    /// A whole number under a key; `None` when absent or null.
    pub fn integer(&mut self, key: &str) -> Result<Option<i64>, YamlError> {
        self.take(key).filter(|node| !node.is_null()).map(Node::integer).transpose()
    }

    /// A number under a key; `None` when absent or null.
    pub fn number(&mut self, key: &str) -> Result<Option<f64>, YamlError> {
        self.take(key).filter(|node| !node.is_null()).map(Node::number).transpose()
    }

    /// Items under a key; none when absent.
    pub fn items(&mut self, key: &str) -> Result<&'a [Node], YamlError> {
        self.take(key).map_or(Ok(&[]), Node::items)
    }

    /// Texts under a key: a list, or one text alone.
    pub fn texts(&mut self, key: &str) -> Result<Vec<&'a str>, YamlError> {
        match self.take(key) {
            Some(node) if matches!(node.value, Yaml::Scalar { .. }) && !node.is_null() => Ok(vec![node.text()?]),
            Some(node) => node.items()?.iter().map(Node::text).collect(),
            None => Ok(Vec::new()),
        }
    }

    /// Keys that nobody took so far, with their values.
    pub fn rest(&self) -> impl Iterator<Item = &'a (Node, Node)> + '_ {
        self.pairs.iter().zip(&self.taken).filter(|(_, taken)| !**taken).map(|(pair, _)| pair)
    }

    /// An error at the first key that nobody took.
    pub fn finish(self) -> Result<(), YamlError> {
        match self.rest().next() {
            Some((key, _)) => Err(key.error(format!("field {} not found in {}", key.text().unwrap_or_default(), self.what))),
            None => Ok(()),
        }
    }
}

/// A collection that is being read.
struct Open {
    place: Place,
    start: usize,
    tag: Option<String>,
    anchor: usize,
    mapping: bool,
    nodes: Vec<Node>,
}

struct Builder {
    /// Byte offset of each character, and of the end; empty for ASCII, where both are the same.
    offsets: Vec<usize>,
    length: usize,
    stack: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    documents: Vec<Node>,
    nodes: usize,
}

impl Builder {
    fn new(text: &str) -> Self {
        let offsets =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).chain([text.len()]).collect() };
        Self { offsets, length: text.len(), stack: Vec::new(), anchors: HashMap::new(), documents: Vec::new(), nodes: 0 }
    }

    fn run(mut self, text: &str) -> Result<Vec<Node>, YamlError> {
        for event in Parser::new_from_str(text) {
            let (event, span) =
                event.map_err(|error| YamlError { place: place(error.marker()), text: error.info().to_owned() })?;
            let at = place(&span.start);
            let bytes = self.byte(&span.start)..self.byte(&span.end);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
                    let plain = matches!(style, ScalarStyle::Plain) && tag.as_deref().is_none_or(|tag| !tag.ends_with("str"));
                    self.add(
                        Node { place: at, bytes, tag, value: Yaml::Scalar { text: text.into_owned(), plain } },
                        anchor,
                        1,
                    )?;
                }
                Event::SequenceStart(..) | Event::MappingStart(..) if self.stack.len() >= MAX_DEPTH => {
                    return Err(YamlError { place: at, text: format!("nested deeper than {MAX_DEPTH} levels") });
                }
                Event::SequenceStart(anchor, tag) => {
                    self.open(at, bytes.start, tag.map(|tag| format!("{}{}", tag.handle, tag.suffix)), anchor, false)
                }
                Event::MappingStart(anchor, tag) => {
                    self.open(at, bytes.start, tag.map(|tag| format!("{}{}", tag.handle, tag.suffix)), anchor, true)
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(bytes.end)?,
                Event::Alias(anchor) => {
                    let (mut node, size) = self.anchors.get(&anchor).cloned().ok_or_else(|| YamlError {
                        place: at,
                        text: "an alias to something that is not complete yet".into(),
                    })?;
                    (node.place, node.bytes) = (at, bytes);
                    self.add(node, 0, size)?;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
            }
        }
        Ok(self.documents)
    }

    fn byte(&self, marker: &Marker) -> usize {
        if self.offsets.is_empty() {
            marker.index().min(self.length)
        } else {
            self.offsets.get(marker.index()).copied().unwrap_or(self.length)
        }
    }

    fn open(&mut self, place: Place, start: usize, tag: Option<String>, anchor: usize, mapping: bool) {
        self.stack.push(Open { place, start, tag, anchor, mapping, nodes: Vec::new() });
    }

    fn close(&mut self, end: usize) -> Result<(), YamlError> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let end = open.nodes.last().map_or(end, |last| end.max(last.bytes.end));
        let size = 1 + open.nodes.iter().map(size).sum::<usize>();
        let value = if open.mapping { Yaml::Mapping(pairs(open.nodes)?) } else { Yaml::Sequence(open.nodes) };
        self.add(Node { place: open.place, bytes: open.start..end, tag: open.tag, value }, open.anchor, size)
    }

    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), YamlError> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            return Err(node.error(format!("more than {MAX_NODES} nodes, aliases expanded")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }
}

fn place(marker: &Marker) -> Place {
    Place {
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
        column: u32::try_from(marker.col() + 1).unwrap_or(u32::MAX),
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Yaml::Scalar { .. } => 1,
        Yaml::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Yaml::Mapping(pairs) => 1 + pairs.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>(),
    }
}

/// Keys and values from alternating nodes, merge keys applied: what stands in the mapping itself wins.
fn pairs(nodes: Vec<Node>) -> Result<Vec<(Node, Node)>, YamlError> {
    let mut own: Vec<(Node, Node)> = Vec::with_capacity(nodes.len() / 2);
    let mut merged = Vec::new();
    let mut seen = HashMap::new();
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        if let Yaml::Scalar { text, plain } = &key.value {
            if *plain && text == "<<" {
                merged.push(value);
                continue;
            }
            if let Some(first) = seen.insert(text.clone(), key.place) {
                return Err(key.error(format!("the key `{text}` stands here a second time, first at {first}")));
            }
        }
        own.push((key, value));
    }
    for value in merged {
        let sources = match value.value {
            Yaml::Sequence(items) => items,
            Yaml::Scalar { .. } | Yaml::Mapping(_) => vec![value],
        };
        for source in sources {
            let Yaml::Mapping(pairs) = source.value else {
                return Err(YamlError { place: source.place, text: "`<<` takes keys and values, or a list of them".into() });
            };
            for (key, value) in pairs {
                let known = key.text().is_ok_and(|text| seen.contains_key(text));
                if !known {
                    if let Ok(text) = key.text() {
                        seen.insert(text.to_owned(), key.place);
                    }
                    own.push((key, value));
                }
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_place_and_its_bytes() {
        let text = "groups:\n  - name: é\n    rules: [a, 'b']\n";
        let root = parse(text).unwrap().unwrap();
        let group = &root.get("groups").unwrap().items().unwrap()[0];
        assert_eq!(group.place, Place { line: 2, column: 5 });
        let rules = group.get("rules").unwrap();
        assert_eq!(&text[rules.bytes.clone()], "[a, 'b']");
        assert_eq!(&text[group.get("name").unwrap().bytes.clone()], "é");
        assert_eq!(rules.items().unwrap()[1].place, Place { line: 3, column: 16 });
    }

    #[test]
    fn scalars_stay_text_until_asked() {
        let root = parse("a: 1.10\nb: 'true'\nc: yes\nd: 0x1f\ne:\nf: '~'\ng: -1_000\nh: .inf\n").unwrap().unwrap();
        assert_eq!(root.get("a").unwrap().text(), Ok("1.10"));
        assert!(root.get("b").unwrap().truth().is_err());
        assert_eq!(root.get("c").unwrap().truth(), Ok(true));
        assert_eq!(root.get("d").unwrap().integer(), Ok(31));
        assert!(root.get("e").unwrap().is_null());
        assert!(!root.get("f").unwrap().is_null());
        assert_eq!(root.get("g").unwrap().integer(), Ok(-1_000));
        assert_eq!(root.get("h").unwrap().number(), Ok(f64::INFINITY));
        assert!(root.get("c").unwrap().number().is_err());
    }

    #[test]
    fn a_key_nobody_asked_for_is_named_with_its_place() {
        let root = parse("name: x\nintervall: 5s\n").unwrap().unwrap();
        let mut fields = root.fields("rule group").unwrap();
        assert_eq!(fields.text("name"), Ok(Some("x")));
        assert_eq!(fields.finish().unwrap_err().to_string(), "line 2, column 1: field intervall not found in rule group");
        let error = root.fields("rule group").unwrap().need("rules").unwrap_err();
        assert_eq!(error.to_string(), "line 1, column 1: rule group has no `rules`");
    }

    #[test]
    fn anchors_and_merge_keys_are_expanded_and_own_keys_win() {
        let root = parse("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist: [*b]\n").unwrap().unwrap();
        let used = root.get("use").unwrap();
        assert_eq!(used.get("x").unwrap().integer(), Ok(1));
        assert_eq!(used.get("y").unwrap().integer(), Ok(3));
        assert_eq!(root.get("list").unwrap().items().unwrap()[0].get("y").unwrap().integer(), Ok(2));
    }

    #[test]
    fn bad_texts_are_refused_with_a_place() {
        let twice = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(twice.to_string(), "line 3, column 1: the key `a` stands here a second time, first at line 1, column 1");
        assert!(parse("a: [1\n").is_err());
        assert!(parse("a: *nobody\n").is_err());
        assert_eq!(parse("a: 1\n---\nb: 2\n").unwrap_err().place.line, 3);
        assert_eq!(parse("# nothing\n"), Ok(None));
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert!(parse(&deep).unwrap_err().text.contains("nested deeper"));
        let laughs = (1..12).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
            let alias = format!("*a{},", level - 1).repeat(10);
            format!("{text}a{level}: &a{level} [{}]\n", alias.trim_end_matches(','))
        });
        assert!(parse(&laughs).unwrap_err().text.contains("aliases expanded"));
    }
}
