//! The `tracestate` list: vendors' own data beside the ids.
//!
//! Kept as the header text, normalised to `k=v,k=v`: that is what is sent on, it costs no allocation while empty, and a
//! lookup reads it left to right. Invariant: every member is valid by W3C trace context level 2 (key grammar of 2026:
//! `@` anywhere but first, 256 characters; value of 256 printable characters without `,` and `=`, not ending in a space)
//! and there are at most 32. Order is kept; a member that is set moves to the front. A key that came twice stays twice.

use super::fault::{Fault, Located};
use smol_str::SmolStr;

/// Members a list may have.
pub const MAX_MEMBERS: usize = 32;
/// Characters of a key.
pub const MAX_KEY: usize = 256;
/// Characters of a value.
pub const MAX_VALUE: usize = 256;
/// Members longer than this go first when the list must be shortened.
const LONG_MEMBER: usize = 128;

/// See the module comment.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TraceState(SmolStr);

const fn key_byte(byte: u8, first: bool) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || (!first && matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@'))
}

const fn value_byte(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b',' && byte != b'='
}

fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn check_key(key: &[u8], at: usize) -> Result<(), Located> {
    if key.is_empty() {
        return Err(Located::new(at..at, Fault::Missing("the key")));
    }
    if key.len() > MAX_KEY {
        return Err(Located::new(
            at..at + key.len(),
            Fault::Length { what: "the key", expected: "1 to 256", found: key.len() },
        ));
    }
    match key.iter().enumerate().position(|(index, byte)| !key_byte(*byte, index == 0)) {
        Some(0) => Err(Located::new(
            at..at + 1,
            Fault::Character { what: "the first place of a key", allowed: "a lower-case letter or a digit" },
        )),
        Some(bad) => Err(Located::new(
            at + bad..at + bad + 1,
            Fault::Character { what: "a key", allowed: "lower-case letters, digits, _ - * / @" },
        )),
        None => Ok(()),
    }
}

fn check_value(value: &[u8], at: usize) -> Result<(), Located> {
    if value.is_empty() || value.len() > MAX_VALUE {
        let fault = Fault::Length { what: "the value", expected: "1 to 256", found: value.len() };
        return Err(Located::new(at..at + value.len(), fault));
    }
    if let Some(bad) = value.iter().position(|byte| !value_byte(*byte)) {
        let fault = Fault::Character { what: "a value", allowed: "printable ASCII without , and =" };
        return Err(Located::new(at + bad..at + bad + 1, fault));
    }
    if value.ends_with(b" ") {
        let fault = Fault::Character { what: "the last place of a value", allowed: "anything but a space" };
        return Err(Located::new(at + value.len() - 1..at + value.len(), fault));
    }
    Ok(())
}

/// Checks one header value. Gives the number of members and whether the text is already in normal form.
fn check_list(text: &[u8]) -> Result<(usize, bool), Located> {
    let (mut members, mut normal, mut start) = (0, true, 0);
    for piece in text.split(|byte| *byte == b',') {
        let leading = piece.iter().take_while(|byte| is_ows(**byte)).count();
        let trailing = piece[leading..].iter().rev().take_while(|byte| is_ows(**byte)).count();
        let member = &piece[leading..piece.len() - trailing];
        if member.is_empty() || member.len() != piece.len() {
            normal = false;
        }
        if !member.is_empty() {
            let at = start + leading;
            let Some(equals) = member.iter().position(|byte| *byte == b'=') else {
                return Err(Located::new(at..at + member.len(), Fault::Form("key=value")));
            };
            check_key(&member[..equals], at)?;
            check_value(&member[equals + 1..], at + equals + 1)?;
            members += 1;
        }
        start += piece.len() + 1;
    }
    Ok((members, normal))
}

impl TraceState {
    /// Reads the values of all `tracestate` headers, in order, as one list. One bad member spoils the whole list, and so
    /// does a 33rd. The error names the value it is in (from 0) and the place in it.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, (usize, Located)> {
        let mut whole = Self::default();
        let mut total = 0;
        for (index, value) in values.into_iter().enumerate() {
            let (members, normal) = check_list(value).map_err(|located| (index, located))?;
            total += members;
            if total > MAX_MEMBERS {
                let fault = Fault::TooMany { what: "members", limit: MAX_MEMBERS };
                return Err((index, Located::new(0..value.len(), fault)));
            }
            // check_list has seen every byte of a member; only separators and OWS are left, so this is ASCII.
            let text = std::str::from_utf8(value).unwrap_or_default();
            if whole.0.is_empty() && normal {
                whole = Self(SmolStr::new(text));
            } else if members > 0 {
                let mut joined = whole.0.to_string();
                for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|text| !text.is_empty()) {
                    if !joined.is_empty() {
                        joined.push(',');
                    }
                    joined.push_str(member);
                }
                whole = Self(joined.into());
            }
        }
        Ok(whole)
    }

    /// The header text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The header text, cheap to keep.
    pub fn text(&self) -> &SmolStr {
        &self.0
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(',').filter_map(|member| member.split_once('='))
    }

    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The list with `key` set to `value` and moved to the front. A full list loses its last member.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, Fault> {
        check_key(key.as_bytes(), 0).and_then(|()| check_value(value.as_bytes(), 0)).map_err(|located| located.fault)?;
        let mut text = format!("{key}={value}");
        for (name, old) in self.iter().filter(|(name, _)| *name != key).take(MAX_MEMBERS - 1) {
            text.push(',');
            text.push_str(name);
            text.push('=');
            text.push_str(old);
        }
        Ok(Self(text.into()))
    }

    /// The list without `key`.
    #[must_use]
    pub fn without(&self, key: &str) -> Self {
        if self.get(key).is_none() {
            return self.clone();
        }
        Self::join(self.0.split(',').filter(|member| member.split_once('=').is_none_or(|(name, _)| name != key)))
    }

    /// The list shortened to `limit` characters by whole members: first those over 128 characters, then from the right.
    #[must_use]
    pub fn truncated(&self, limit: usize) -> Self {
        if self.0.len() <= limit {
            return self.clone();
        }
        let mut members: Vec<&str> = self.0.split(',').collect();
        let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
        while length(&members) > limit {
            match members.iter().rposition(|member| member.len() > LONG_MEMBER) {
                Some(long) => drop(members.remove(long)),
                None => drop(members.pop()),
            }
        }
        Self::join(members.into_iter())
    }

    fn join<'a>(members: impl Iterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for member in members {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(member);
        }
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<String, String> {
        TraceState::parse(values.iter().map(|value| value.as_bytes()))
            .map(|state| state.as_str().to_owned())
            .map_err(|(_, located)| located.fault.to_string())
    }

    #[test]
    fn lists_that_are_kept() {
        let long_key = format!("{}=1", "z".repeat(256));
        let long_value = format!("a={}", "v".repeat(256));
        let members: Vec<String> = (0..32).map(|n| format!("k{n}=1")).collect();
        let full = members.join(",");
        for (values, kept) in [
            (vec!["foo=1"], "foo=1"),
            (vec!["foo=1,bar=2"], "foo=1,bar=2"),
            (vec!["foo=1", "bar=2"], "foo=1,bar=2"),
            (vec!["foo=1", "", "bar=2,"], "foo=1,bar=2"),
            (vec!["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
            (vec!["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
            (vec!["foo=1, \t ,bar=2"], "foo=1,bar=2"),
            (vec![""], ""),
            (vec![",,"], ""),
            (vec!["foo= 1"], "foo= 1"),
            (vec!["foo=1,foo=2"], "foo=1,foo=2"),
            (vec!["foo@=1,bar=2"], "foo@=1,bar=2"),
            (vec!["foo@@bar=1"], "foo@@bar=1"),
            (vec!["0-vendor_x*y/z=1"], "0-vendor_x*y/z=1"),
            (vec![long_key.as_str()], long_key.as_str()),
            (vec![long_value.as_str()], long_value.as_str()),
            (vec![full.as_str()], full.as_str()),
        ] {
            assert_eq!(parse(&values).as_deref(), Ok(kept), "{values:?}");
        }
    }

    #[test]
    fn lists_that_are_discarded() {
        let long_key = format!("{}=1", "z".repeat(257));
        let long_value = format!("a={}", "v".repeat(257));
        let members: Vec<String> = (0..33).map(|n| format!("k{n}=1")).collect();
        let over = members.join(",");
        for bad in [
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "@foo=1",
            "foo=bar=baz",
            "foo=1,bar=\u{e4}",
            "foo=a\tb",
            "foo=,bar=3",
            "-foo=1",
            long_key.as_str(),
            long_value.as_str(),
            over.as_str(),
        ] {
            assert!(parse(&[bad]).is_err(), "{bad:?} should spoil the list");
        }
        assert!(parse(&["a=1", "b"]).is_err(), "a later header spoils the list too");
    }

    #[test]
    fn the_place_of_a_fault_is_told() {
        let (index, located) = TraceState::parse([b"a=1".as_slice(), b"b=2, fOo=3"]).unwrap_err();
        assert_eq!((index, located.place), (1, 6..7));
    }

    #[test]
    fn a_member_that_is_set_moves_to_the_front() {
        let state = TraceState::parse([b"a=1,b=2,c=3".as_slice()]).unwrap();
        assert_eq!(state.with("b", "9").unwrap().as_str(), "b=9,a=1,c=3");
        assert_eq!(state.with("d", "4").unwrap().as_str(), "d=4,a=1,b=2,c=3");
        assert_eq!(state.without("a").as_str(), "b=2,c=3");
        assert_eq!(state.without("x"), state);
        assert!(state.with("B", "1").is_err());
        assert!(state.with("b", "1 ").is_err());
        assert_eq!(state.get("c"), Some("3"));
    }

    #[test]
    fn a_full_list_loses_its_last_member_when_one_is_added() {
        let members: Vec<String> = (0..32).map(|n| format!("k{n}=1")).collect();
        let state = TraceState::parse([members.join(",").as_bytes()]).unwrap().with("new", "1").unwrap();
        assert_eq!(state.iter().count(), 32);
        assert_eq!(state.iter().next(), Some(("new", "1")));
        assert_eq!(state.get("k31"), None);
    }

    #[test]
    fn shortening_drops_long_members_first_and_then_from_the_right() {
        let long = format!("long={}", "v".repeat(200));
        let text = format!("a=1,{long},b=2,c=3");
        let state = TraceState::parse([text.as_bytes()]).unwrap();
        assert_eq!(state.truncated(512), state);
        assert_eq!(state.truncated(20).as_str(), "a=1,b=2,c=3");
        assert_eq!(state.truncated(7).as_str(), "a=1,b=2");
        assert_eq!(state.truncated(0).as_str(), "");
    }
}
