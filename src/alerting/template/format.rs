//! Printing: Go's `fmt` verbs over template values, and Prometheus' numbers for people.

use super::{Value, time};
use crate::alerting::go_text;

/// `%v`.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Float(number) => go_text::float(*number),
        Value::Text(text) | Value::Histogram(text) => text.clone(),
        Value::Texts(map) => pairs(map.iter().map(|(name, value)| (name.as_str(), value.clone()))),
        Value::Map(map) => pairs(map.iter().map(|(name, value)| (name.as_str(), plain(value)))),
        Value::Record(fields) => {
            let order = ["Labels", "ExternalLabels", "ExternalURL", "Value"];
            let printed: Vec<String> = order.iter().filter_map(|name| fields.get(name)).map(plain).collect();
            format!("{{{}}}", printed.join(" "))
        }
        Value::List(list) => format!("[{}]", list.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Sample(sample) => {
            let labels = pairs(sample.labels.iter().map(|(name, value)| (name.as_str(), value.clone())));
            format!("&{{{labels} {}}}", plain(&sample.value))
        }
        Value::Samples(samples) => {
            let printed: Vec<String> = samples.iter().map(|sample| plain(&Value::Sample(sample.clone()))).collect();
            format!("[{}]", printed.join(" "))
        }
        Value::Time(nanos) => time::print(*nanos),
        Value::Duration(nanos) => go_text::duration(*nanos),
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, String)>) -> String {
    format!("map[{}]", pairs.map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(" "))
}

/// `fmt.Sprint`: a space between operands when neither is text.
pub(super) fn print(args: &[Value]) -> String {
    let mut out = String::new();
    for (place, arg) in args.iter().enumerate() {
        if place > 0 && !matches!(arg, Value::Text(_)) && !matches!(args[place - 1], Value::Text(_)) {
            out.push(' ');
        }
        out.push_str(&plain(arg));
    }
    out
}

/// `fmt.Sprintln`.
pub(super) fn println(args: &[Value]) -> String {
    args.iter().map(plain).collect::<Vec<_>>().join(" ") + "\n"
}

/// The flags, width and precision of a verb.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widest padding that is written.
const MAX_WIDTH: usize = 10_000;

/// `fmt.Sprintf`.
pub(super) fn printf(format: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut args = args.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.peek() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = true,
                _ => break,
            }
            chars.next();
        }
        let mut number = |star: &mut dyn FnMut() -> Option<usize>| -> Option<usize> {
            if chars.peek() == Some(&'*') {
                chars.next();
                return star();
            }
            let mut found = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                found = Some((found.unwrap_or(0) * 10 + digit as usize).min(MAX_WIDTH));
                chars.next();
            }
            found
        };
        let mut star = || match args.next() {
            Some(Value::Int(number)) => usize::try_from(*number).ok().map(|width| width.min(MAX_WIDTH)),
            _ => None,
        };
        spec.width = number(&mut star).unwrap_or(0);
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                digits = Some((digits.unwrap_or(0) * 10 + digit as usize).min(MAX_WIDTH));
                chars.next();
            }
            spec.precision = Some(digits.unwrap_or(0));
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match args.next() {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(arg) => out.push_str(&pad(verb_text(verb, arg, &spec), &spec, arg)),
            },
        }
    }
    let extra: Vec<String> = args.map(|arg| format!("{}={}", arg.type_name(), plain(arg))).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn verb_text(verb: char, arg: &Value, spec: &Spec) -> String {
    let bad = || format!("%!{verb}({}={})", arg.type_name(), plain(arg));
    let signed = |text: String, negative: bool| match (negative, spec.plus, spec.space) {
        (false, true, _) => format!("+{text}"),
        (false, false, true) => format!(" {text}"),
        _ => text,
    };
    match (verb, arg) {
        ('T', arg) => arg.type_name().to_owned(),
        ('v', Value::Float(number)) => signed(
            spec.precision.map_or_else(|| go_text::float(*number), |precision| go_text::float_g(*number, precision)),
            *number < 0.0 || number.is_nan(),
        ),
        ('v', Value::Text(text)) if spec.sharp => go_text::quote(text),
        ('v' | 'd', Value::Int(number)) => signed(number.to_string(), *number < 0),
        ('d', Value::Duration(nanos)) => signed(nanos.to_string(), *nanos < 0),
        ('v' | 'd', Value::Uint(number)) => signed(number.to_string(), false),
        ('v', arg) => plain(arg),
        ('t', Value::Bool(truth)) => truth.to_string(),
        ('s', Value::Text(text) | Value::Histogram(text)) => cut(text, spec.precision),
        ('s', Value::Time(_) | Value::Duration(_) | Value::Texts(_)) => plain(arg),
        ('q', Value::Text(text)) => {
            if spec.sharp && !text.contains('`') {
                format!("`{text}`")
            } else {
                go_text::quote(text)
            }
        }
        ('q', Value::Int(number)) => {
            let c = u32::try_from(*number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            format!("'{c}'")
        }
        ('x' | 'X', Value::Text(text)) => {
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            if verb == 'X' { hex.to_uppercase() } else { hex }
        }
        ('b' | 'o' | 'x' | 'X' | 'c' | 'U', Value::Int(_) | Value::Uint(_)) => whole(verb, arg, spec),
        ('e' | 'E', Value::Float(number)) => {
            let text = go_text::float_e(*number, spec.precision.unwrap_or(6));
            signed(if verb == 'E' { text.to_uppercase() } else { text }, *number < 0.0)
        }
        ('f' | 'F', Value::Float(number)) => {
            signed(go_text::float_f(*number, spec.precision.unwrap_or(6)), number.is_sign_negative())
        }
        ('g' | 'G', Value::Float(number)) => {
            let text = spec.precision.map_or_else(|| go_text::float(*number), |precision| go_text::float_g(*number, precision));
            signed(if verb == 'G' { text.to_uppercase() } else { text }, *number < 0.0)
        }
        _ => bad(),
    }
}

fn whole(verb: char, arg: &Value, spec: &Spec) -> String {
    let number = match arg {
        Value::Int(number) => i128::from(*number),
        Value::Uint(number) => i128::from(*number),
        _ => 0,
    };
    let (sign, size) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
    match verb {
        'b' => format!("{sign}{size:b}"),
        'o' => format!("{sign}{}{size:o}", if spec.sharp { "0" } else { "" }),
        'x' => format!("{sign}{}{size:x}", if spec.sharp { "0x" } else { "" }),
        'X' => format!("{sign}{}{size:X}", if spec.sharp { "0X" } else { "" }),
        'U' => format!("U+{size:04X}"),
        _ => u32::try_from(size).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string(),
    }
}

fn cut(text: &str, precision: Option<usize>) -> String {
    precision.map_or_else(|| text.to_owned(), |precision| text.chars().take(precision).collect())
}

fn pad(text: String, spec: &Spec, arg: &Value) -> String {
    let length = text.chars().count();
    if length >= spec.width {
        return text;
    }
    let fill = spec.width - length;
    if spec.minus {
        return text + &" ".repeat(fill);
    }
    let number = matches!(arg, Value::Int(_) | Value::Uint(_) | Value::Float(_)) && !text.ends_with(['f', 'N']);
    if spec.zero && (number || matches!(arg, Value::Text(_))) {
        let sign = usize::from(text.starts_with(['+', '-', ' ']));
        return format!("{}{}{}", &text[..sign], "0".repeat(fill), &text[sign..]);
    }
    " ".repeat(fill) + &text
}

/// Four digits and a decimal prefix.
pub(super) fn humanize(mut value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return go_text::float_g(value, 4);
    }
    if value.abs() >= 1.0 {
        return scaled(value, 1_000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"]);
    }
    let mut prefix = "";
    for small in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = small;
        value *= 1_000.0;
    }
    format!("{}{prefix}", go_text::float_g(value, 4))
}

const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

fn scaled(mut value: f64, base: f64, prefixes: &[&'static str]) -> String {
    let mut prefix = "";
    for large in prefixes {
        if value.abs() < base {
            break;
        }
        prefix = large;
        value /= base;
    }
    format!("{}{prefix}", go_text::float_g(value, 4))
}

/// Four digits and a binary prefix.
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return go_text::float_g(value, 4);
    }
    scaled(value, 1_024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
}

/// Days to seconds, or a fraction of a second.
pub(super) fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return go_text::float_g(seconds, 4);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() < 1.0 {
        return humanize(seconds) + "s";
    }
    let (sign, size) = (if seconds < 0.0 { "-" } else { "" }, seconds.abs());
    let whole = size as i64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {rest}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {rest}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {rest}s")
    } else {
        format!("{sign}{}s", go_text::float_g(size, 4))
    }
}
