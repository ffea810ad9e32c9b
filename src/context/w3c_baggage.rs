//! W3C baggage: the header `baggage`, percent-coded.
//!
//! Several headers are one list. A member that breaks a rule is left out alone, with the reason. 180 members and 8192
//! bytes are read and sent; what goes beyond is left out by whole members, from the end.

use super::baggage::{Baggage, Entry};
use super::carrier::{Extract, Inject};
use super::composite::Format;
use super::fault::{Fault, Located, Problems};
use smol_str::SmolStr;

/// The header.
pub const BAGGAGE: &str = "baggage";
/// Members read and sent.
pub const MAX_MEMBERS: usize = 180;
/// Bytes read and sent.
pub const MAX_BYTES: usize = 8192;

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `baggage-octet`: no control character, space, `"`, `,`, `;`, `\`.
fn is_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

fn trim(text: &[u8], at: usize) -> (usize, &[u8]) {
    let leading = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &text[leading..];
    let trailing = rest.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    (at + leading, &rest[..rest.len() - trailing])
}

/// Percent-decodes; a `%` without two digits stands for itself, bytes that are not UTF-8 become U+FFFD.
pub(super) fn percent_decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let pair = text.get(at + 1..at + 3).and_then(super::hex::either::<1>);
        match (text[at], pair) {
            (b'%', Some([byte])) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Percent-codes everything that is no `baggage-octet`, and `%` itself.
pub(super) fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if is_octet(byte) && byte != b'%' {
            out.push(byte as char);
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
}

fn read_member(member: &[u8], at: usize) -> Result<Entry, Located> {
    let pair_end = member.iter().position(|byte| *byte == b';').unwrap_or(member.len());
    let Some(equals) = member[..pair_end].iter().position(|byte| *byte == b'=') else {
        return Err(Located::new(at..at + member.len(), Fault::Form("name=value")));
    };
    let (name_at, name) = trim(&member[..equals], at);
    if name.is_empty() {
        return Err(Located::new(name_at..name_at, Fault::Missing("the name")));
    }
    if let Some(bad) = name.iter().position(|byte| !is_token(*byte)) {
        let fault = Fault::Character { what: "a name", allowed: "letters, digits and !#$%&'*+-.^_`|~" };
        return Err(Located::new(name_at + bad..name_at + bad + 1, fault));
    }
    let (value_at, value) = trim(&member[equals + 1..pair_end], at + equals + 1);
    if let Some(bad) = value.iter().position(|byte| !is_octet(*byte)) {
        let fault =
            Fault::Character { what: "a value", allowed: "printable ASCII without space \" , ; \\ (percent-code them)" };
        return Err(Located::new(value_at + bad..value_at + bad + 1, fault));
    }
    let metadata = member.get(pair_end + 1..).map_or(b"".as_slice(), |rest| trim(rest, 0).1);
    Ok(Entry {
        name: SmolStr::new(String::from_utf8_lossy(name)),
        value: percent_decode(value).into(),
        metadata: SmolStr::new(String::from_utf8_lossy(metadata)),
    })
}

/// Reads the baggage.
pub fn extract(carrier: &(impl Extract + ?Sized), problems: &mut Problems) -> Baggage {
    let mut baggage = Baggage::default();
    let (mut index, mut bytes) = (0, 0);
    carrier.values(BAGGAGE, &mut |value| {
        let mut start = 0;
        for piece in value.split(|byte| *byte == b',') {
            let (at, member) = trim(piece, start);
            start += piece.len() + 1;
            if member.is_empty() {
                continue;
            }
            let place = at..at + member.len();
            bytes += member.len() + 1;
            if baggage.len() >= MAX_MEMBERS {
                problems.push(
                    Format::Baggage,
                    BAGGAGE,
                    index,
                    Located::new(place, Fault::TooMany { what: "members", limit: MAX_MEMBERS }),
                );
            } else if bytes > MAX_BYTES + 1 {
                problems.push(
                    Format::Baggage,
                    BAGGAGE,
                    index,
                    Located::new(place, Fault::TooMany { what: "bytes", limit: MAX_BYTES }),
                );
            } else {
                match read_member(member, at) {
                    Ok(entry) => baggage.set(entry),
                    Err(located) => problems.push(Format::Baggage, BAGGAGE, index, located),
                }
            }
        }
        index += 1;
    });
    baggage
}

/// Writes the baggage; entries whose name HTTP can't carry are left out, and so is what goes beyond the limits.
pub fn inject(baggage: &Baggage, carrier: &mut (impl Inject + ?Sized)) {
    if baggage.is_empty() {
        return;
    }
    let mut text = String::new();
    let sendable = |name: &str| !name.is_empty() && name.bytes().all(is_token);
    for entry in baggage.iter().filter(|entry| sendable(&entry.name)).take(MAX_MEMBERS) {
        let before = text.len();
        if before > 0 {
            text.push(',');
        }
        text.push_str(&entry.name);
        text.push('=');
        percent_encode(&entry.value, &mut text);
        if !entry.metadata.is_empty() {
            text.push(';');
            text.extend(entry.metadata.chars().filter(|c| !c.is_control() && *c != ',' && c.is_ascii()));
        }
        if text.len() > MAX_BYTES {
            text.truncate(before);
            break;
        }
    }
    if !text.is_empty() {
        carrier.set(BAGGAGE, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> (Vec<(String, String, String)>, Vec<String>) {
        let headers: Vec<(&str, &str)> = values.iter().map(|value| ("Baggage", *value)).collect();
        let mut problems = Problems::default();
        let baggage = extract(&headers, &mut problems);
        let entries = baggage.iter().map(|e| (e.name.to_string(), e.value.to_string(), e.metadata.to_string())).collect();
        (entries, problems.iter().map(ToString::to_string).collect())
    }

    fn entry(name: &str, value: &str, metadata: &str) -> (String, String, String) {
        (name.into(), value.into(), metadata.into())
    }

    #[test]
    fn members_that_are_read() {
        for (values, entries) in [
            (vec!["a=1"], vec![entry("a", "1", "")]),
            (vec!["a=1,b=2", "c=3"], vec![entry("a", "1", ""), entry("b", "2", ""), entry("c", "3", "")]),
            (vec![" a \t=\t 1 , b = 2 "], vec![entry("a", "1", ""), entry("b", "2", "")]),
            (vec!["a=b=c==="], vec![entry("a", "b=c===", "")]),
            (vec!["a="], vec![entry("a", "", "")]),
            (vec!["a=1;ttl=30; internal ,b=2"], vec![entry("a", "1", "ttl=30; internal"), entry("b", "2", "")]),
            (vec!["user=Am%C3%A9lie%20%2C"], vec![entry("user", "Am\u{e9}lie ,", "")]),
            (vec!["a=%FF%"], vec![entry("a", "\u{fffd}%", "")]),
            (vec!["a=1,a=2,A=3"], vec![entry("a", "2", ""), entry("A", "3", "")]),
            (vec![",,a=1,"], vec![entry("a", "1", "")]),
        ] {
            assert_eq!(read(&values), (entries, vec![]), "{values:?}");
        }
    }

    #[test]
    fn a_bad_member_is_left_out_alone() {
        for bad in ["novalue", "=1", "sp ace=1", "a=with space", "q=\"x\"", "b=back\\slash", "n\u{e4}me=1", "k=\u{e4}", ";p=1"]
        {
            let (entries, problems) = read(&[&format!("ok=1,{bad},also=2")]);
            assert_eq!(entries, [entry("ok", "1", ""), entry("also", "2", "")], "{bad}");
            assert_eq!(problems.len(), 1, "{bad}");
        }
    }

    #[test]
    fn limits_hold_both_ways() {
        let many: Vec<String> = (0..200).map(|n| format!("k{n}=v")).collect();
        let (entries, problems) = read(&[&many.join(",")]);
        assert_eq!((entries.len(), problems.len()), (180, 20));
        let long = format!("a={},b={},c=1", "x".repeat(5000), "y".repeat(5000));
        assert_eq!(read(&[&long]).0.len(), 1);
        let baggage = Baggage::default().with("a", "x".repeat(5000)).with("b", "y".repeat(5000));
        let mut out = Vec::new();
        inject(&baggage, &mut out);
        assert_eq!(out[0].1.len(), 5002);
    }

    #[test]
    fn what_is_written_reads_back() {
        let baggage = Baggage::default().with("user", "Am\u{e9}lie, 100%; \"x\"\\").with("empty", "").with("bad name", "1");
        let mut out = Vec::new();
        inject(&baggage, &mut out);
        assert_eq!(out[0].1, "user=Am%C3%A9lie%2C%20100%25%3B%20%22x%22%5C,empty=");
        assert_eq!(extract(&out, &mut Problems::default()), baggage.without("bad name"));
    }
}
