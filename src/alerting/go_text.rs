//! How Go prints: quoted strings, floats by `%v`, `%g`, `%e` and `%f`, durations. Rule templates, matchers and group keys of
//! Prometheus and Alertmanager are defined by what Go's `fmt` and `strconv` give, so that this is part of their formats.

use std::fmt::Write;

/// The exponent from which the shortest form of a float is written with one.
const SHORTEST_LIMIT: i32 = 6;

/// `strconv.Quote`: double quotes, Go's escapes, what is not printable as `\x`, `\u` or `\U`.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x80 => drop(write!(out, "\\x{:02x}", c as u32)),
            c if (c as u32) < 0x1_0000 => drop(write!(out, "\\u{:04x}", c as u32)),
            c => drop(write!(out, "\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Near enough to `unicode.IsPrint`: no control, no space but the ASCII one, no format character or private use.
fn is_printable(c: char) -> bool {
    if c == ' ' {
        return true;
    }
    if c.is_control() || c.is_whitespace() {
        return false;
    }
    !matches!(c as u32,
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
        | 0xe000..=0xf8ff | 0xfeff | 0xfff9..=0xfffb | 0xfffe..=0xffff | 0xe0000..=0x10ffff)
}

/// `strconv.Unquote` of a double-quoted or back-quoted string; `None` when it is not one. Bytes by `\x` and octal escapes
/// must make up UTF-8.
pub fn unquote(text: &str) -> Option<String> {
    if let Some(raw) = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return (!raw.contains('`') && text.len() >= 2).then(|| raw.replace('\r', ""));
    }
    let inner = text.strip_prefix('"')?.strip_suffix('"').filter(|_| text.len() >= 2)?;
    unescape(inner, '"')
}

/// The text of a Go string literal without its quotes; `None` when an escape is none or the quote stands bare.
pub fn unescape(inner: &str, quote: char) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => return None,
            c if c == quote => return None,
            '\\' => {
                let escape = chars.next()?;
                match escape {
                    'a' => bytes.push(7),
                    'b' => bytes.push(8),
                    'f' => bytes.push(12),
                    'n' => bytes.push(b'\n'),
                    'r' => bytes.push(b'\r'),
                    't' => bytes.push(b'\t'),
                    'v' => bytes.push(11),
                    '\\' => bytes.push(b'\\'),
                    c if c == quote => bytes.push(quote as u8),
                    'x' => bytes.push(digits(&mut chars, 2, 16)? as u8),
                    'u' => push_char(&mut bytes, digits(&mut chars, 4, 16)?)?,
                    'U' => push_char(&mut bytes, digits(&mut chars, 8, 16)?)?,
                    '0'..='7' => {
                        let rest = digits(&mut chars, 2, 8)?;
                        bytes.push(u8::try_from(escape.to_digit(8)? * 64 + rest).ok()?);
                    }
                    _ => return None,
                }
            }
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    (0..count).try_fold(0_u32, |sum, _| Some(sum.wrapping_mul(radix) + chars.next()?.to_digit(radix)?))
}

fn push_char(bytes: &mut Vec<u8>, code: u32) -> Option<()> {
    bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

/// `%v` and `%g` of a float64, and what `print` gives: the shortest digits, exponent form from 1e6 on and below 1e-4, so that
/// 1234567 is `1.234567e+06`.
pub fn float(value: f64) -> String {
    general(value, None)
}

/// `%g` with a precision, as `%.4g`.
pub fn float_g(value: f64, precision: usize) -> String {
    general(value, Some(precision.max(1)))
}

/// `%e`: one digit, the fraction, an exponent of at least two digits.
pub fn float_e(value: f64, precision: usize) -> String {
    special(value).unwrap_or_else(|| with_go_exponent(&format!("{value:.precision$e}")))
}

/// `%f`.
pub fn float_f(value: f64, precision: usize) -> String {
    special(value).unwrap_or_else(|| format!("{value:.precision$}"))
}

/// `strconv.FormatFloat(v, 'E', -1, 64)`, the form of promtool's reports.
pub fn float_upper_e(value: f64) -> String {
    special(value).unwrap_or_else(|| with_go_exponent(&format!("{value:e}")).replace('e', "E"))
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".to_owned())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned())
    } else {
        None
    }
}

/// Rust writes `1.5e6` and `1e-7`, Go `1.5e+06` and `1e-07`.
fn with_go_exponent(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// The rules of `%g`: exponent form when the exponent is below -4, or not below the precision (6 for the shortest form).
fn general(value: f64, precision: Option<usize>) -> String {
    if let Some(special) = special(value) {
        return special;
    }
    let scientific = match precision {
        None => format!("{value:e}"),
        Some(precision) => format!("{value:.*e}", precision - 1),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let limit = precision.map_or(SHORTEST_LIMIT, |precision| precision as i32);
    let trimmed = trim_zeros(mantissa);
    if exponent < -4 || exponent >= limit {
        return with_go_exponent(&format!("{trimmed}e{exponent}"));
    }
    // Rounded once already: the digits of the mantissa, moved.
    let rounded: f64 = scientific.parse().unwrap_or(value);
    let decimals = (trimmed.chars().filter(char::is_ascii_digit).count() as i32 - 1 - exponent).max(0) as usize;
    format!("{rounded:.decimals$}")
}

fn trim_zeros(mantissa: &str) -> &str {
    if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa }
}

/// `time.Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub fn duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let total = nanos.unsigned_abs();
    let part = |amount: u64, unit: u64| {
        let fraction = format!("{:0width$}", amount % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() || unit == 1 { format!("{}", amount / unit) } else { format!("{}.{fraction}", amount / unit) }
    };
    if total < 1_000 {
        return format!("{sign}{total}ns");
    }
    if total < 1_000_000 {
        return format!("{sign}{}\u{b5}s", part(total, 1_000));
    }
    if total < 1_000_000_000 {
        return format!("{sign}{}ms", part(total, 1_000_000));
    }
    let seconds = part(total % 60_000_000_000, 1_000_000_000);
    let minutes = total / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_and_read_as_go_does() {
        for (text, quoted) in [
            ("a\"b\\c\n", r#""a\"b\\c\n""#),
            ("\u{7}\u{1}\u{e9}\u{200b}", r#""\a\x01é\u200b""#),
            ("\u{1f642}", "\"\u{1f642}\""),
        ] {
            assert_eq!(quote(text), quoted);
            assert_eq!(unquote(quoted).as_deref(), Some(text));
        }
        assert_eq!(unquote(r#""\xf0\x9f\x99\x82""#).as_deref(), Some("\u{1f642}"));
        assert_eq!(unquote(r#""\xff""#), None, "not UTF-8");
        assert_eq!(unquote(r#""\q""#), None);
        assert_eq!(unquote("\"a"), None);
        assert_eq!(unquote("`a\\n`").as_deref(), Some("a\\n"));
    }

    #[test]
    fn floats_print_as_go_prints_them() {
        for (value, text) in [
            (1_234_567.0, "1.234567e+06"),
            (0.0, "0"),
            (100.0, "100"),
            (123_456.0, "123456"),
            (1_000_000.0, "1e+06"),
            (0.5, "0.5"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (1_353_755_652.0, "1.353755652e+09"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
            (-3.25, "-3.25"),
        ] {
            assert_eq!(float(value), text);
        }
        for (value, precision, text) in [
            (1234.5678, 4, "1235"),
            (0.0, 4, "0"),
            (12_346.0, 4, "1.235e+04"),
            (99999.0, 4, "1e+05"),
            (0.123_456, 4, "0.1235"),
            (1.5, 4, "1.5"),
            (1000.0, 4, "1000"),
        ] {
            assert_eq!(float_g(value, precision), text, "{value} by %.{precision}g");
        }
        assert_eq!(float_e(1_234_567.0, 6), "1.234567e+06");
        assert_eq!(float_f(2.0, 2), "2.00");
        assert_eq!(float_upper_e(1.5), "1.5E+00");
    }

    #[test]
    fn durations_print_as_go_prints_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1_500_000, "1.5ms"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_000_000_000, "-1s"),
            (1_100, "1.1\u{b5}s"),
            (3_723_500_000_000, "1h2m3.5s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }
}
