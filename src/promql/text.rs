//! How Prometheus writes numbers, durations and strings, and reads them back.
//!
//! Messages, the formatter and the HTTP API follow Go's `strconv` and Prometheus' `model.Duration`; tools compare these
//! texts, so they are the same byte for byte.

use std::fmt::Write;

/// Bytes that escapes write and that are no UTF-8 stand for themselves in a text as these private characters.
const RAW_BYTES: u32 = 0x10_ff00;

/// Nanoseconds of a millisecond.
pub const NS_PER_MS: i64 = 1_000_000;
/// Nanoseconds of a second.
pub const NS_PER_SECOND: f64 = 1e9;

/// Units of a duration, largest first, with their milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A duration in nanoseconds as PromQL writes it: `1h30m`. What is below a millisecond is dropped; years and weeks are
/// used only where nothing remains.
pub fn duration(ns: i64) -> String {
    let ms = ns / NS_PER_MS;
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut rest = ms.unsigned_abs();
    let mut text = if ms < 0 { "-".to_owned() } else { String::new() };
    for (index, (unit, size)) in UNITS.iter().enumerate() {
        if (index < 2 && !rest.is_multiple_of(*size)) || rest < *size {
            continue;
        }
        let _ = write!(text, "{}{unit}", rest / size);
        rest %= size;
    }
    text
}

/// Reads a duration like `1h30m` or `0` into nanoseconds: units from large to small, each at most once. The error is
/// Prometheus' text.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err("empty duration string".to_owned());
    }
    let invalid = || format!("not a valid duration string: {}", quote(text));
    let (mut rest, mut total, mut last) = (text, 0_u64, None);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(|byte| !byte.is_ascii_digit()).count();
        if letters == 0 {
            return Err(invalid());
        }
        let unit = &rest[..letters];
        rest = &rest[letters..];
        let Some(place) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        if last.is_some_and(|last| place <= last) {
            return Err(invalid());
        }
        last = Some(place);
        let ns = UNITS[place].1 * NS_PER_MS as u64;
        if value > (1 << 63) / ns {
            return Err("duration out of range".to_owned());
        }
        total += value * ns;
        if total > i64::MAX as u64 {
            return Err("duration out of range".to_owned());
        }
    }
    Ok(total as i64)
}

/// Go's `FormatFloat(v, 'f', -1, 64)`: the shortest digits that read back, never an exponent.
pub fn float_f(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { non_finite(value).to_owned() }
}

/// Go's `%v` and `%g` of a float: shortest digits; an exponent below 1e-4 and from `largest` on (21 for `%v`).
pub fn float_g(value: f64) -> String {
    float_with_exponent(value, -4, 21)
}

/// Numbers of the HTTP API: shortest digits; an exponent below 1e-6 and from 1e21 on.
pub fn float_json(value: f64) -> String {
    float_with_exponent(value, -6, 21)
}

fn float_with_exponent(value: f64, least: i32, most: i32) -> String {
    if !value.is_finite() {
        return non_finite(value).to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let power: i32 = exponent.parse().unwrap_or(0);
    if power < least || power >= most {
        let sign = if power < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", power.abs())
    } else {
        value.to_string()
    }
}

fn non_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

/// Go's `strconv.Quote`: double quotes, escapes for what does not print.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// Appends [`quote`] of a text.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        push_escaped(out, letter, '"');
    }
    out.push('"');
}

/// Go's `%q` of a character.
pub fn quote_char(letter: char) -> String {
    let mut out = "'".to_owned();
    push_escaped(&mut out, letter, '\'');
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, letter: char, quote: char) {
    match letter {
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        letter if letter == quote => {
            out.push('\\');
            out.push(letter);
        }
        ' '..='~' => out.push(letter),
        letter if (letter as u32) < 0x80 => {
            let _ = write!(out, "\\x{:02x}", letter as u32);
        }
        letter if letter as u32 >= RAW_BYTES => {
            let _ = write!(out, "\\x{:02x}", letter as u32 - RAW_BYTES);
        }
        letter if prints(letter) => out.push(letter),
        letter if (letter as u32) < 0x1_0000 => {
            let _ = write!(out, "\\u{:04x}", letter as u32);
        }
        letter => {
            let _ = write!(out, "\\U{:08x}", letter as u32);
        }
    }
}

/// True for letters, marks, numbers, punctuation and symbols beyond ASCII; spaces other than the plain one do not print.
fn prints(letter: char) -> bool {
    if letter.is_whitespace() {
        return false;
    }
    let text: String = ['a', letter].iter().collect();
    text.escape_debug().nth(1).is_none_or(|escape| escape != '\\')
}

/// Takes the quotes off a string literal. `None` when an escape is wrong.
///
/// Escapes of single bytes (`\xff`, `\377`) that do not make UTF-8 are kept as private characters, which no label holds.
pub fn unquote(literal: &str) -> Option<String> {
    let quote = literal.chars().next()?;
    let inner = literal.get(1..literal.len().checked_sub(1)?)?;
    if !literal.ends_with(quote) || literal.len() < 2 {
        return None;
    }
    if quote == '`' {
        return (!inner.contains('`')).then(|| inner.to_owned());
    }
    if !inner.contains('\\') {
        return (!inner.contains([quote, '\n'])).then(|| inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        if letter == quote || letter == '\n' {
            return None;
        }
        if letter != '\\' {
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        rest = unescape(rest, quote, &mut bytes)?;
    }
    Some(String::from_utf8(bytes).unwrap_or_else(|error| with_raw_bytes(error.as_bytes())))
}

fn with_raw_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(RAW_BYTES + u32::from(*byte))));
    }
    out
}

/// True for a text with bytes in it that are no UTF-8.
pub fn has_raw_bytes(text: &str) -> bool {
    text.chars().any(|letter| letter as u32 >= RAW_BYTES)
}

/// Reads one escape behind its backslash; gives what is left.
fn unescape<'a>(rest: &'a str, quote: char, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let kind = rest.chars().next()?;
    let after = &rest[kind.len_utf8()..];
    let simple = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 0xc,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0xb,
        '\\' => b'\\',
        kind if kind == quote => kind as u8,
        'x' => {
            bytes.push(u8::from_str_radix(hex(after, 2)?, 16).ok()?);
            return after.get(2..);
        }
        '0'..='7' => {
            let digits = rest.get(..3).filter(|digits| digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)))?;
            bytes.push(u8::try_from(u16::from_str_radix(digits, 8).ok()?).ok()?);
            return rest.get(3..);
        }
        'u' | 'U' => {
            let length = if kind == 'u' { 4 } else { 8 };
            let letter = char::from_u32(u32::from_str_radix(hex(after, length)?, 16).ok()?)?;
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            return after.get(length..);
        }
        _ => return None,
    };
    bytes.push(simple);
    Some(after)
}

fn hex(text: &str, length: usize) -> Option<&str> {
    text.get(..length).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads a number literal: decimal and octal integers and hexadecimal ones, floats, underscores between digits, `Inf` and
/// `NaN` in any case. The error is Go's text.
pub fn parse_number(text: &str) -> Result<f64, String> {
    if let Some(value) = plain_integer(text) {
        return Ok(value);
    }
    let failed = |why: &str| format!("error parsing number: strconv.ParseFloat: parsing {}: {why}", quote(text));
    if text.contains('_') && !underscores_separate_digits(text) {
        return Err(failed("invalid syntax"));
    }
    let cleaned: String = text.chars().filter(|letter| *letter != '_').collect();
    let radix = |digits: &str, radix: u32| i64::from_str_radix(digits, radix).ok().map(|value| value as f64);
    if let Some(digits) = cleaned.strip_prefix("0x").or_else(|| cleaned.strip_prefix("0X")) {
        return radix(digits, 16).ok_or_else(|| failed("invalid syntax"));
    }
    if cleaned.len() > 1
        && cleaned.starts_with('0')
        && cleaned.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
        && let Some(value) = radix(&cleaned, 8)
    {
        return Ok(value);
    }
    let value: f64 = cleaned.parse().map_err(|_| failed("invalid syntax"))?;
    if value.is_infinite() && !cleaned.bytes().any(|byte| byte.eq_ignore_ascii_case(&b'n')) {
        return Err(failed("value out of range"));
    }
    Ok(if value.is_nan() { f64::from_bits(crate::model::sample::NORMAL_NAN_BITS) } else { value })
}

/// The quick way for the commonest literals.
fn plain_integer(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > 15 || (bytes[0] == b'0' && bytes.len() > 1) {
        return None;
    }
    bytes
        .iter()
        .try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
        .map(|sum| sum as f64)
}

fn underscores_separate_digits(text: &str) -> bool {
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let mut before = if hexadecimal { b'0' } else { b'^' };
    for byte in text.bytes().skip(if hexadecimal { 2 } else { 0 }) {
        if byte.is_ascii_digit() || (hexadecimal && byte.is_ascii_hexdigit()) {
            before = b'0';
        } else if byte == b'_' {
            if before != b'0' {
                return false;
            }
            before = b'_';
        } else {
            if before == b'_' {
                return false;
            }
            before = b'!';
        }
    }
    before != b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_prometheus_does() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1ms"),
            (90_000, "1m30s"),
            (3_600_000, "1h"),
            (604_800_000, "1w"),
            (31_536_000_000, "1y"),
            (90 * 86_400_000, "90d"),
            (-1_500, "-1s500ms"),
        ] {
            assert_eq!(duration(ms * NS_PER_MS), text);
            if ms >= 0 {
                assert_eq!(parse_duration(text), Ok(ms * NS_PER_MS));
            }
        }
        for (text, error) in [
            ("", "empty duration string"),
            ("1", "not a valid duration string: \"1\""),
            ("1m1d", "not a valid duration string: \"1m1d\""),
            ("1hs", "unknown unit \"hs\" in duration \"1hs\""),
            ("300y", "duration out of range"),
        ] {
            assert_eq!(parse_duration(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        for (value, f, g, json) in [
            (1.0, "1", "1", "1"),
            (0.00001, "0.00001", "1e-05", "0.00001"),
            (1e21, "1000000000000000000000", "1e+21", "1e+21"),
            (1e20, "100000000000000000000", "100000000000000000000", "100000000000000000000"),
            (1.5e-7, "0.00000015", "1.5e-07", "1.5e-07"),
            (-0.0, "-0", "-0", "-0"),
            (f64::INFINITY, "+Inf", "+Inf", "+Inf"),
        ] {
            assert_eq!((float_f(value).as_str(), float_g(value).as_str(), float_json(value).as_str()), (f, g, json));
        }
    }

    #[test]
    fn literals_read_as_go_does() {
        for (text, value) in [
            ("1_000", 1000.0),
            ("0x1F", 31.0),
            ("0x_1_F", 31.0),
            ("010", 8.0),
            ("08", 8.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1e-3", 0.001),
            ("Inf", f64::INFINITY),
        ] {
            assert_eq!(parse_number(text), Ok(value), "{text}");
        }
        assert!(parse_number("nan").is_ok_and(f64::is_nan));
        assert!(parse_number("1e999").is_err_and(|error| error.ends_with("value out of range")));
    }

    #[test]
    fn strings_quote_and_unquote() {
        for (text, quoted) in [("a\"b\n", r#""a\"b\n""#), ("é\u{7f}", "\"é\\x7f\""), ("\u{200b}", "\"\\u200b\"")] {
            assert_eq!(quote(text), quoted);
            assert_eq!(unquote(quoted).as_deref(), Some(text));
        }
        for (literal, text) in [
            ("'a\"'", Some("a\"")),
            ("`\\n`", Some("\\n")),
            (r"'\x41\102\u0043'", Some("ABC")),
            (r#""\'""#, None),
            (r#""\q""#, None),
        ] {
            assert_eq!(unquote(literal).as_deref(), text, "{literal}");
        }
    }
}
