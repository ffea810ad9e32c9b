//! iCalendar as text: lines unfolded into components and properties, and written back folded and escaped.

use crate::oncall::error::OncallError;

/// Longest line in octets, RFC 5545 section 3.1.
const FOLD: usize = 75;
/// Deepest nesting of components.
const MAX_DEPTH: usize = 16;

/// `NAME;PARAM=value:value`
#[derive(Clone, PartialEq, Debug)]
pub struct Property {
    /// Upper case.
    pub name: String,
    /// Names in upper case.
    pub parameters: Vec<(String, String)>,
    /// As it stands, escapes included.
    pub value: String,
    /// Line of the file, from 1.
    pub line: usize,
}

impl Property {
    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// `BEGIN:NAME` to `END:NAME`
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Component {
    /// Upper case.
    pub name: String,
    /// In order.
    pub properties: Vec<Property>,
    /// In order.
    pub components: Vec<Self>,
    /// Line of `BEGIN`.
    pub line: usize,
}

impl Component {
    /// The first property of a name.
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// All properties of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties.iter().filter(move |property| property.name == name)
    }
}

/// Reads the components at the top of a text.
pub fn read(text: &str) -> Result<Vec<Component>, OncallError> {
    let wrong = |line: usize, text: &str| OncallError::Calendar { line, text: text.to_owned() };
    let mut stack = vec![Component::default()];
    for (line, content) in unfold(text.trim_start_matches('\u{feff}')) {
        let property = property(&content, line).ok_or_else(|| wrong(line, "expected NAME:VALUE"))?;
        match property.name.as_str() {
            "BEGIN" if stack.len() > MAX_DEPTH => return Err(wrong(line, "components are nested too deep")),
            "BEGIN" => stack.push(Component { name: property.value.trim().to_ascii_uppercase(), line, ..Component::default() }),
            "END" => match stack.pop() {
                Some(done) if !stack.is_empty() && done.name.eq_ignore_ascii_case(property.value.trim()) => {
                    if let Some(parent) = stack.last_mut() {
                        parent.components.push(done);
                    }
                }
                _ => return Err(wrong(line, &format!("END:{} without its BEGIN", property.value))),
            },
            _ => {
                if let Some(open) = stack.last_mut() {
                    open.properties.push(property);
                }
            }
        }
    }
    let root = stack.swap_remove(0);
    match stack.pop() {
        Some(open) if open.name != root.name => Err(wrong(open.line, &format!("BEGIN:{} without its END", open.name))),
        _ => Ok(root.components),
    }
}

/// Lines with their continuations.
fn unfold(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => lines.push((index + 1, line.to_owned())),
        }
    }
    lines
}

fn property(content: &str, line: usize) -> Option<Property> {
    let mut parts = Vec::new();
    let (mut quoted, mut from, mut value) = (false, 0, None);
    for (at, letter) in content.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ';' if !quoted => {
                parts.push(&content[from..at]);
                from = at + 1;
            }
            ':' if !quoted => {
                parts.push(&content[from..at]);
                value = Some(&content[at + 1..]);
                break;
            }
            _ => {}
        }
    }
    let (name, parameters) = parts.split_first()?;
    let parameter = |part: &&str| {
        let (key, value) = part.split_once('=')?;
        Some((key.to_ascii_uppercase(), value.trim_matches('"').to_owned()))
    };
    let parameters = parameters.iter().map(parameter).collect::<Option<Vec<_>>>()?;
    Some(Property { name: name.trim().to_ascii_uppercase(), parameters, value: value?.to_owned(), line })
}

/// Text without escapes.
pub fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            letter => plain.push(letter),
        }
    }
    plain
}

/// Text with escapes.
pub fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace("\r\n", "\\n").replace(['\n', '\r'], "\\n")
}

/// Adds a line, folded, with CRLF.
pub fn write_line(out: &mut String, line: &str) {
    let mut room = FOLD;
    for letter in line.chars() {
        if letter.len_utf8() > room {
            out.push_str("\r\n ");
            room = FOLD - 1;
        }
        out.push(letter);
        room -= letter.len_utf8();
    }
    out.push_str("\r\n");
}
