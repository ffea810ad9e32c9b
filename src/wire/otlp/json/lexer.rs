//! JSON tokens out of bytes, one at a time, with the place where something is wrong.

use std::borrow::Cow;

/// Brackets that may be open at once, well above what an `AnyValue` of the deepest legal nesting needs.
const MAX_BRACKETS: usize = 600;

/// What is wrong and where; the path is added on the way out.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) what: String,
    pub(super) at: usize,
    /// Innermost first.
    pub(super) path: Vec<PathStep>,
}

#[derive(Debug)]
pub(super) enum PathStep {
    Key(&'static str),
    Index(usize),
}

pub(super) type Lex<T> = Result<T, Box<Bad>>;

/// Reads tokens.
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    open: usize,
}

/// A value that is not an object or array.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self { text, at: 0, open: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[cold]
    pub(super) fn bad<T>(&self, at: usize, what: impl Into<String>) -> Lex<T> {
        Err(Box::new(Bad { what: what.into(), at, path: Vec::new() }))
    }

    /// The next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// True, and past it, when `byte` is next.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Past an opening bracket that the caller has seen.
    pub(super) fn enter(&mut self) -> Lex<()> {
        if self.open == MAX_BRACKETS {
            return self.bad(self.at, "nested too deeply");
        }
        self.open += 1;
        self.at += 1;
        Ok(())
    }

    /// Whether another member follows in an object or array; `first` before the first one. Past the comma or the bracket.
    #[inline]
    pub(super) fn more(&mut self, close: u8, first: bool) -> Lex<bool> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.open -= 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if first => Ok(true),
            Some(_) => self.bad(self.at, format!("expected , or {}", close as char)),
            None => self.bad(self.at, "the text ends too early"),
        }
    }

    /// A member's name and its colon.
    pub(super) fn key(&mut self) -> Lex<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return self.bad(self.at, "expected a name in quotes");
        }
        let key = self.string()?;
        if !self.eat(b':') {
            return self.bad(self.at, "expected :");
        }
        Ok(key)
    }

    /// A value that is not an object or array.
    pub(super) fn scalar(&mut self) -> Lex<Scalar<'a>> {
        match self.peek() {
            Some(b'"') => Ok(Scalar::Text(self.string()?)),
            Some(b't') => self.word("true", Scalar::Bool(true)),
            Some(b'f') => self.word("false", Scalar::Bool(false)),
            Some(b'n') => self.word("null", Scalar::Null),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                while self.text.get(self.at).is_some_and(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
                    self.at += 1;
                }
                Ok(Scalar::Number(std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default()))
            }
            Some(_) => self.bad(self.at, "not a JSON value"),
            None => self.bad(self.at, "the text ends too early"),
        }
    }

    fn word(&mut self, word: &str, value: Scalar<'a>) -> Lex<Scalar<'a>> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return self.bad(self.at, "not a JSON value");
        }
        self.at += word.len();
        Ok(value)
    }

    /// A string; the opening quote is next. Bytes that are not UTF-8 and lone surrogates become U+FFFD.
    fn string(&mut self) -> Lex<Cow<'a, str>> {
        let start = self.at + 1;
        let Some(length) = memchr::memchr2(b'"', b'\\', &self.text[start..]) else {
            return self.bad(self.at, "the string has no end");
        };
        let end = start + length;
        if self.text[end] == b'"' {
            self.at = end + 1;
            return Ok(readable(&self.text[start..end]));
        }
        let mut out = readable(&self.text[start..end]).into_owned();
        self.at = end;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => {
                    let rest = &self.text[self.at..];
                    let length = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    out.push_str(&readable(&rest[..length]));
                    self.at += length;
                }
                None => return self.bad(start - 1, "the string has no end"),
            }
        }
    }

    fn escape(&mut self) -> Lex<char> {
        let at = self.at;
        self.at += 2;
        Ok(match self.text.get(at + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte as char,
            Some(b'u') => {
                let high = self.hex4(at)?;
                if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex4(back)?;
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = back;
                }
                char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return self.bad(at, "not an escape of JSON"),
        })
    }

    fn hex4(&mut self, at: usize) -> Lex<u32> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|digits| !digits.starts_with('+')).and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.bad(at, "\\u needs four hexadecimal digits"),
        }
    }

    /// Past any value. Not recursive.
    pub(super) fn skip(&mut self) -> Lex<()> {
        let outside = self.open;
        let mut closers: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(b @ (b'{' | b'[')) => {
                    self.enter()?;
                    closers.push(if b == b'{' { b'}' } else { b']' });
                    if self.member(&closers, true)? {
                        continue;
                    }
                    closers.pop();
                }
                _ => {
                    self.scalar()?;
                }
            }
            while !closers.is_empty() {
                if self.member(&closers, false)? {
                    break;
                }
                closers.pop();
            }
            if closers.is_empty() {
                debug_assert_eq!(self.open, outside);
                return Ok(());
            }
        }
    }

    /// Whether another member of the innermost container follows; past its name if so.
    fn member(&mut self, closers: &[u8], first: bool) -> Lex<bool> {
        let close = closers.last().copied().unwrap_or(b'}');
        let more = self.more(close, first)?;
        if more && close == b'}' {
            self.key()?;
        }
        Ok(more)
    }

    /// Only white space may follow.
    pub(super) fn finish(&mut self) -> Lex<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.bad(self.at, "something follows the end of the value"),
        }
    }

    /// Line and column of a byte position, both from 1.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at.min(self.text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1) + 1;
        (line, column)
    }
}

/// Almost always nothing is wrong, which `from_utf8` tells much sooner than the search for what is.
#[inline]
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_unescaped() {
        let text = |json: &str| match Lexer::new(json.as_bytes()).scalar().unwrap() {
            Scalar::Text(text) => text.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""plain""#), "plain");
        assert_eq!(text(r#""a\"b\\c\/\n\u00e9\ud83d\ude00\ud800x""#), "a\"b\\c/\né😀\u{fffd}x");
    }

    #[test]
    fn any_value_is_skipped_and_its_faults_are_found() {
        let mut lexer = Lexer::new(br#" {"a":[1,{"b":[]},"x"],"c":{}} 7"#);
        lexer.skip().unwrap();
        assert_eq!(lexer.scalar().unwrap(), Scalar::Number("7"));
        for bad in ["[1", "[1 2]", "{\"a\" 1}", "{1:2}", "\"x", "nul", "", "[1,,2]", "{\"a\":1,}", "\"\\x\"", "\"\\u12\""] {
            assert!(Lexer::new(bad.as_bytes()).skip().is_err(), "{bad}");
        }
        assert!(Lexer::new("[".repeat(100_000).as_bytes()).skip().is_err());
    }

    #[test]
    fn a_place_counts_lines_and_columns_from_one() {
        let lexer = Lexer::new(b"ab\ncd");
        assert_eq!(lexer.place(0), (1, 1));
        assert_eq!(lexer.place(4), (2, 2));
        assert_eq!(lexer.place(99), (2, 3));
    }
}
