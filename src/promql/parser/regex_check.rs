//! Is a matcher's regular expression one? Most are plain enough to see at a glance; the others are parsed, never compiled.
//!
//! Messages are those of Go's `regexp`.

use regex_syntax::ast::{ErrorKind, parse::Parser};

/// An error in Go's words.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    if obviously_fine(pattern) {
        return Ok(());
    }
    let Err(error) = Parser::new().parse(pattern) else { return Ok(()) };
    let at = error.span().start.offset;
    let from = |start: usize| &pattern[start.min(pattern.len())..];
    let part = || pattern.get(error.span().start.offset..error.span().end.offset).unwrap_or_default().to_owned();
    Err(match error.kind() {
        ErrorKind::ClassUnclosed => format!("error parsing regexp: missing closing ]: `{}`", from(at)),
        ErrorKind::GroupUnclosed => format!("error parsing regexp: missing closing ): `{pattern}`"),
        ErrorKind::GroupUnopened => format!("error parsing regexp: unexpected ): `{pattern}`"),
        ErrorKind::RepetitionMissing => {
            format!("error parsing regexp: missing argument to repetition operator: `{}`", &pattern[at..at + 1])
        }
        ErrorKind::RepetitionCountInvalid => format!("error parsing regexp: invalid repeat count: `{}`", part()),
        ErrorKind::ClassRangeInvalid => format!("error parsing regexp: invalid character class range: `{}`", part()),
        ErrorKind::EscapeUnrecognized => format!("error parsing regexp: invalid escape sequence: `{}`", part()),
        ErrorKind::EscapeUnexpectedEof => "error parsing regexp: trailing backslash at end of expression: ``".to_owned(),
        ErrorKind::FlagUnrecognized | ErrorKind::FlagUnexpectedEof | ErrorKind::RepetitionCountUnclosed => {
            format!("error parsing regexp: invalid or unsupported Perl syntax: `{}`", from(at))
        }
        kind => format!("error parsing regexp: {kind}: `{}`", part()),
    })
}

/// Letters, alternatives, `.*` and `.+`: nothing that could be wrong.
fn obviously_fine(pattern: &str) -> bool {
    let mut before = b'|';
    pattern.bytes().all(|byte| {
        let fine = match byte {
            b'*' | b'+' => before == b'.' || before.is_ascii_alphanumeric(),
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'\\' | b'?' | b'^' | b'$' => false,
            byte => byte < 0x80,
        };
        before = byte;
        fine
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_go_words() {
        for (pattern, message) in [
            ("a|b.*c.+", None),
            ("(a|b)?[0-9]{2}", None),
            ("[", Some("missing closing ]: `[`")),
            ("(a", Some("missing closing ): `(a`")),
            ("a)", Some("unexpected ): `a)`")),
            ("*a", Some("missing argument to repetition operator: `*`")),
            ("[z-a]", Some("invalid character class range: `z-a`")),
        ] {
            assert_eq!(check(pattern).err(), message.map(|message| format!("error parsing regexp: {message}")), "{pattern}");
        }
    }
}
