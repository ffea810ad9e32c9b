//! Tokens of PromQL, as Prometheus cuts them: what a character means depends on whether braces or a bracket are open.
//!
//! Tokens are cut one at a time, so that an error in the text is told at the first place where it matters. Inside braces
//! every word is a name; inside a bracket the range or step is arithmetic over durations.

use super::position::Span;
use super::text::{quote, quote_char};
use super::token::{Kind, Token, keyword};

/// Cuts tokens.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    parens: i32,
    brace: bool,
    bracket: bool,
    /// A bracket is open and no number has been read in it: only arithmetic over durations may stand here.
    arithmetic: bool,
    got_colon: bool,
    got_duration: bool,
    /// Message of the error token.
    pub error: String,
}

impl<'a> Lexer<'a> {
    /// Over a query.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            pos: 0,
            parens: 0,
            brace: false,
            bracket: false,
            arithmetic: false,
            got_colon: false,
            got_duration: false,
            error: String::new(),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    fn letter(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    fn token(&mut self, kind: Kind, start: usize, end: usize) -> Token {
        self.pos = end;
        Token { kind, at: Span::new(start, end) }
    }

    fn fail(&mut self, start: usize, message: String) -> Token {
        self.error = message;
        let end = self.text.len();
        self.token(Kind::Error, start.min(end), end)
    }

    /// The next token; [`Kind::Eof`] at the end, again and again. After an error token nothing sensible follows.
    pub fn next_token(&mut self) -> Token {
        loop {
            let bytes = self.text.as_bytes();
            while self.pos < bytes.len() && matches!(bytes[self.pos], b' ' | b'\t' | b'\n' | b'\r') {
                self.pos += 1;
            }
            // Arithmetic inside a bracket knows no comments.
            if self.byte(self.pos) != b'#' || self.arithmetic {
                break;
            }
            while self.pos < bytes.len() && !matches!(bytes[self.pos], b'\n' | b'\r') {
                self.pos += 1;
            }
        }
        if self.brace {
            self.inside_braces()
        } else if self.arithmetic {
            self.inside_bracket()
        } else {
            self.statement()
        }
    }

    fn statement(&mut self) -> Token {
        use Kind::*;
        let start = self.pos;
        let Some(letter) = self.letter(start) else {
            if self.parens != 0 {
                return self.fail(start, "unclosed left parenthesis".to_owned());
            }
            if self.bracket {
                return self.fail(start, "unclosed left bracket".to_owned());
            }
            return self.token(Eof, start, start);
        };
        let next = self.byte(start + 1);
        let (kind, length) = match letter {
            ',' => (Comma, 1),
            '*' => (Mul, 1),
            '/' => (Div, 1),
            '%' => (Mod, 1),
            '+' => (Add, 1),
            '-' => (Sub, 1),
            '^' => (Pow, 1),
            '@' => (At, 1),
            '=' if next == b'=' => (Equal, 2),
            '=' if next == b'~' => return self.fail(start, "unexpected character after '=': '~'".to_owned()),
            '=' => (Assign, 1),
            '!' if next == b'=' => (NotEqual, 2),
            '!' => {
                let other = self.letter(start + 1).map_or_else(|| "'\u{fffd}'".to_owned(), quote_char);
                return self.fail(start, format!("unexpected character after '!': {other}"));
            }
            '<' if next == b'=' => (LessEqual, 2),
            '<' if next == b'/' => (TrimUpper, 2),
            '<' => (Less, 1),
            '>' if next == b'=' => (GreaterEqual, 2),
            '>' if next == b'/' => (TrimLower, 2),
            '>' => (Greater, 1),
            '(' => {
                self.parens += 1;
                (LeftParen, 1)
            }
            ')' => {
                self.parens -= 1;
                if self.parens < 0 {
                    return self.fail(start + 1, "unexpected right parenthesis ')'".to_owned());
                }
                (RightParen, 1)
            }
            '{' => {
                self.brace = true;
                (LeftBrace, 1)
            }
            '[' if self.bracket => return self.fail(start, "unexpected left bracket '['".to_owned()),
            '[' => {
                (self.bracket, self.arithmetic, self.got_colon, self.got_duration) = (true, true, false, false);
                (LeftBracket, 1)
            }
            ']' if self.bracket => {
                self.bracket = false;
                (RightBracket, 1)
            }
            ':' if self.bracket && self.got_colon => return self.fail(start, "unexpected colon ':'".to_owned()),
            ':' if self.bracket => {
                self.got_colon = true;
                (Colon, 1)
            }
            'a'..='z' | 'A'..='Z' | '_' if self.bracket => match self.duration_word(start) {
                Some((kind, length)) => (kind, length),
                None => {
                    return self.fail(start, format!("unexpected character: {}, expected ':'", quote_char(letter)));
                }
            },
            ']' => return self.fail(start, "unexpected right bracket ']'".to_owned()),
            '"' | '\'' | '`' => return self.string(letter),
            '0'..='9' => return self.number_or_duration(),
            '.' if next.is_ascii_digit() => return self.number_or_duration(),
            'a'..='z' | 'A'..='Z' | '_' | ':' => return self.word(),
            letter => return self.fail(start, format!("unexpected character: {}", quote_char(letter))),
        };
        self.token(kind, start, start + length)
    }

    fn word(&mut self) -> Token {
        let start = self.pos;
        let bytes = self.text.as_bytes();
        let mut end = start;
        let mut colon = false;
        while end < bytes.len() && (is_name_byte(bytes[end]) || bytes[end] == b':') {
            colon |= bytes[end] == b':';
            end += 1;
        }
        let kind = match keyword(&bytes[start..end]) {
            Some(Kind::Fill | Kind::FillLeft | Kind::FillRight)
                if !self.text[end..].trim_start_matches([' ', '\t', '\n', '\r']).starts_with('(') =>
            {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if colon => Kind::MetricIdentifier,
            None => Kind::Identifier,
        };
        self.token(kind, start, end)
    }

    fn inside_braces(&mut self) -> Token {
        use Kind::*;
        let start = self.pos;
        let Some(letter) = self.letter(start) else {
            return self.fail(start, "unexpected end of input inside braces".to_owned());
        };
        let next = self.byte(start + 1);
        let (kind, length) = match letter {
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = self.text.as_bytes()[start..].iter().take_while(|byte| is_name_byte(**byte)).count();
                (Identifier, length)
            }
            ',' => (Comma, 1),
            '"' | '\'' | '`' => return self.string(letter),
            '=' if next == b'~' => (EqualRegex, 2),
            '=' => (Assign, 1),
            '!' if next == b'~' => (NotRegex, 2),
            '!' if next == b'=' => (NotEqual, 2),
            '!' => {
                let other = self.letter(start + 1).map_or_else(|| "'\u{fffd}'".to_owned(), quote_char);
                return self.fail(start, format!("unexpected character after '!' inside braces: {other}"));
            }
            '{' => return self.fail(start, "unexpected left brace '{'".to_owned()),
            '}' => {
                self.brace = false;
                (RightBrace, 1)
            }
            letter => return self.fail(start, format!("unexpected character inside braces: {}", quote_char(letter))),
        };
        self.token(kind, start, start + length)
    }

    fn inside_bracket(&mut self) -> Token {
        use Kind::*;
        let start = self.pos;
        let Some(letter) = self.letter(start) else {
            return self.fail(start, "unexpected end of input in duration expression".to_owned());
        };
        let (kind, length) = match letter {
            ']' => {
                (self.bracket, self.arithmetic) = (false, false);
                (RightBracket, 1)
            }
            ':' if !self.got_duration => {
                return self.fail(start + 1, "unexpected colon before duration in duration expression".to_owned());
            }
            ':' if self.got_colon => {
                return self.fail(start + 1, "unexpected repeated colon in duration expression".to_owned());
            }
            ':' => {
                self.got_colon = true;
                (Colon, 1)
            }
            '(' => {
                self.parens += 1;
                (LeftParen, 1)
            }
            ')' => {
                self.parens -= 1;
                if self.parens < 0 {
                    return self.fail(start + 1, "unexpected right parenthesis ')'".to_owned());
                }
                (RightParen, 1)
            }
            '+' => (Add, 1),
            '-' => (Sub, 1),
            '*' => (Mul, 1),
            '/' => (Div, 1),
            '%' => (Mod, 1),
            '^' => (Pow, 1),
            ',' => (Comma, 1),
            's' | 'S' | 'r' | 'R' | 'm' | 'M' => match self.duration_word(start) {
                Some((kind, length)) => {
                    self.got_duration = true;
                    (kind, length)
                }
                None => {
                    return self.fail(start, format!("unexpected character in duration expression: {}", quote_char(letter)));
                }
            },
            '0'..='9' => {
                (self.got_duration, self.arithmetic) = (true, false);
                return self.number_or_duration();
            }
            '.' if self.byte(start + 1).is_ascii_digit() => {
                (self.got_duration, self.arithmetic) = (true, false);
                return self.number_or_duration();
            }
            letter => {
                return self.fail(start, format!("unexpected character in duration expression: {}", quote_char(letter)));
            }
        };
        self.token(kind, start, start + length)
    }

    /// `step`, `range`, `min_of` or `max_of`, with its length.
    fn duration_word(&self, start: usize) -> Option<(Kind, usize)> {
        let bytes = &self.text.as_bytes()[start..];
        let length = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_').count();
        let kind = keyword(&bytes[..length])?;
        matches!(kind, Kind::Step | Kind::Range | Kind::MaxOf | Kind::MinOf).then_some((kind, length))
    }

    fn number_or_duration(&mut self) -> Token {
        let start = self.pos;
        let rest = &self.text.as_bytes()[start..];
        match scan_number(rest) {
            Ok(length) => self.token(Kind::Number, start, start + length),
            Err(scanned) => match scan_duration(rest, scanned) {
                Ok(length) => self.token(Kind::Duration, start, start + length),
                Err(seen) => {
                    let end = (start + seen.max(1)).min(self.text.len());
                    let end = (end..=self.text.len()).find(|end| self.text.is_char_boundary(*end)).unwrap_or(end);
                    let message = format!("bad number or duration syntax: {}", quote(&self.text[start..end]));
                    self.fail(start, message)
                }
            },
        }
    }

    fn string(&mut self, open: char) -> Token {
        let start = self.pos;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                None if open == '`' => return self.fail(start, "unterminated raw string".to_owned()),
                None => return self.fail(start, "unterminated quoted string".to_owned()),
                Some(byte) if *byte == open as u8 => return self.token(Kind::String, start, at + 1),
                Some(b'\n') if open != '`' => return self.fail(start, "unterminated quoted string".to_owned()),
                Some(b'\\') if open != '`' => match scan_escape(&self.text[at + 1..], open) {
                    Ok(length) => at += 1 + length,
                    Err(message) => return self.fail(start, message),
                },
                Some(_) => at += 1,
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Length of a number literal, or how far it was one. What follows may not be a letter, digit or underscore.
pub(super) fn scan_number(bytes: &[u8]) -> Result<usize, usize> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let mut at = 0;
    let mut hexadecimal = false;
    if byte(0) == b'0' {
        at = 1;
        if matches!(byte(1), b'x' | b'X') {
            at = 2;
            if byte(2) == b'_' {
                at = 3;
            }
            hexadecimal = true;
        }
    }
    let digit = |byte: u8| if hexadecimal { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    if byte(at) == b'.' {
        at += 1;
    }
    if digit(byte(at)) {
        at += 1;
    }
    let (mut dot, mut exponent) = (false, false);
    loop {
        match byte(at) {
            b'.' => {
                if dot || hexadecimal || matches!(byte(at + 1), b'_' | b'.') {
                    return Err(at + 1);
                }
                dot = true;
                at += 1;
            }
            b'e' | b'E' if !hexadecimal => {
                if exponent {
                    return Err(at + 1);
                }
                exponent = true;
                at += 1;
                if matches!(byte(at), b'+' | b'-') {
                    at += 1;
                }
                if at >= bytes.len() || matches!(byte(at), b'.' | b'_' | b'e' | b'E') {
                    return Err((at + 1).min(bytes.len()));
                }
            }
            b'_' => {
                at += 1;
                if at >= bytes.len() || matches!(byte(at), b'.' | b'_' | b'e' | b'E') {
                    return Err((at + 1).min(bytes.len()));
                }
            }
            byte if digit(byte) => at += 1,
            _ => break,
        }
    }
    if at == 0 || is_name_byte(byte(at)) { Err(at) } else { Ok(at) }
}

/// Length of a duration literal whose leading digits end at `at`.
fn scan_duration(bytes: &[u8], at: usize) -> Result<usize, usize> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let mut at = at;
    if !matches!(byte(at), b's' | b'm' | b'h' | b'd' | b'w' | b'y') {
        return Err(at);
    }
    at += 1;
    if byte(at) == b's' {
        at += 1;
    }
    while byte(at).is_ascii_digit() {
        while byte(at).is_ascii_digit() {
            at += 1;
        }
        if !matches!(byte(at), b's' | b'm' | b'h' | b'd' | b'w') {
            return Err(at);
        }
        at += 1;
        if byte(at) == b's' {
            at += 1;
        }
    }
    if is_name_byte(byte(at)) { Err(at + 1) } else { Ok(at) }
}

/// Length of an escape behind its backslash.
fn scan_escape(rest: &str, open: char) -> Result<usize, String> {
    let unfinished = || "escape sequence not terminated".to_owned();
    let Some(kind) = rest.chars().next() else { return Err(unfinished()) };
    let (skip, length, radix, most) = match kind {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(1),
        kind if kind == open => return Ok(1),
        '0'..='7' => (0, 3, 8, 255),
        'x' => (1, 2, 16, 255),
        'u' => (1, 4, 16, 0x10_ffff),
        'U' => (1, 8, 16, 0x10_ffff),
        kind => return Err(format!("unknown escape sequence {}", code_point(kind))),
    };
    let mut letters = rest[skip..].chars();
    let mut value = 0_u32;
    for _ in 0..length {
        let Some(letter) = letters.next() else { return Err(unfinished()) };
        let Some(digit) = letter.to_digit(radix) else {
            return Err(format!("illegal character {} in escape sequence", code_point(letter)));
        };
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    if value > most || (0xd800..0xe000).contains(&value) {
        return Err("escape sequence is an invalid Unicode code point".to_owned());
    }
    Ok(skip + length)
}

/// Go's `%#U`.
fn code_point(letter: char) -> String {
    format!("U+{:04X} {}", letter as u32, quote_char(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let mut lexer = Lexer::new(text);
        let mut kinds = Vec::new();
        loop {
            let token = lexer.next_token();
            kinds.push(token.kind);
            if matches!(token.kind, Kind::Eof | Kind::Error) {
                return kinds;
            }
        }
    }

    #[test]
    fn words_are_names_inside_braces_and_keywords_outside() {
        use Kind::*;
        assert_eq!(kinds("sum{by=\"a\"}"), [Sum, LeftBrace, Identifier, Assign, String, RightBrace, Eof]);
        assert_eq!(kinds("fill + fill(0)"), [Identifier, Add, Fill, LeftParen, Number, RightParen, Eof]);
        assert_eq!(kinds("a:b # no\n>= INF"), [MetricIdentifier, GreaterEqual, Number, Eof]);
    }

    #[test]
    fn numbers_and_durations_are_told_apart() {
        use Kind::*;
        for (text, kind) in [
            ("1", Number),
            ("1.5e3", Number),
            ("0xfe", Number),
            ("1_000", Number),
            ("5m", Duration),
            ("1h30m", Duration),
            ("100ms", Duration),
            ("1y", Duration),
            ("1a", Error),
            ("1__0", Error),
            ("1..2", Error),
            ("0x1.5", Error),
            ("5m_", Error),
        ] {
            assert_eq!(kinds(text)[0], kind, "{text}");
        }
    }

    #[test]
    fn errors_carry_prometheus_words() {
        for (text, message) in [
            ("(", "unclosed left parenthesis"),
            (")", "unexpected right parenthesis ')'"),
            ("a{", "unexpected end of input inside braces"),
            ("a[", "unexpected end of input in duration expression"),
            ("a[5m", "unclosed left bracket"),
            ("a[5m:a]", "unexpected character: 'a', expected ':'"),
            ("a[:5m]", "unexpected colon before duration in duration expression"),
            ("\"a", "unterminated quoted string"),
            ("`a", "unterminated raw string"),
            (r#""\q""#, "unknown escape sequence U+0071 'q'"),
            ("a $ b", "unexpected character: '$'"),
            ("1x", "bad number or duration syntax: \"1\""),
        ] {
            let mut lexer = Lexer::new(text);
            while !matches!(lexer.next_token().kind, Kind::Error | Kind::Eof) {}
            assert_eq!(lexer.error, message, "{text}");
        }
    }
}
