use super::*;
use MatchOp::{Equal, NotEqual, NotRegex, Regex as Matches};

fn list(pairs: &[(&str, MatchOp, &str)]) -> Matchers {
    Matchers(pairs.iter().map(|(name, op, value)| Matcher::new(name, *op, value).unwrap()).collect())
}

#[test]
fn the_utf8_notation_reads_bare_and_quoted_names_and_values() {
    for (text, wanted) in [
        ("", list(&[])),
        ("{}", list(&[])),
        (" { } ", list(&[])),
        ("foo=bar", list(&[("foo", Equal, "bar")])),
        ("{foo!=bar}", list(&[("foo", NotEqual, "bar")])),
        ("{foo=~[a-z]+}", list(&[("foo", Matches, "[a-z]+")])),
        ("{foo!~\"[a-z]+\"}", list(&[("foo", NotRegex, "[a-z]+")])),
        ("{foo=bar,}", list(&[("foo", Equal, "bar")])),
        ("foo=bar,bar!=baz,", list(&[("foo", Equal, "bar"), ("bar", NotEqual, "baz")])),
        ("{ foo = \"bar\" , \"baz qux\" = x }", list(&[("foo", Equal, "bar"), ("baz qux", Equal, "x")])),
        ("foo\u{1f642}=\"\\u00e9\"", list(&[("foo\u{1f642}", Equal, "\u{e9}")])),
        ("foo=\"bar,baz\"", list(&[("foo", Equal, "bar,baz")])),
        ("foo=\"\"", list(&[("foo", Equal, "")])),
        ("5xx=:a+b", list(&[("5xx", Equal, ":a+b")])),
    ] {
        assert_eq!(utf8::parse(text), Ok(wanted), "{text}");
    }
}

#[test]
fn the_utf8_notation_says_where_it_failed() {
    for (text, words) in [
        ("{", "0:1: end of input: expected close brace"),
        ("}", "0:1: }: expected opening brace"),
        ("foo=bar}", "0:8: }: expected opening brace"),
        ("{foo=bar", "0:8: end of input: expected close brace"),
        ("{foo=bar}}", "9:10: }: expected end of input"),
        ("{=bar}", "1:2: unexpected =: expected label name"),
        ("foo", "end of input: expected an operator such as '=', '!=', '=~' or '!~'"),
        ("foo=", "end of input: expected label value"),
        ("foo bar", "4:7: unexpected bar: expected an operator such as '=', '!=', '=~' or '!~'"),
        ("foo=bar baz", "8:11: unexpected baz: expected a comma or close brace"),
        ("foo=bar,,", "8:9: unexpected ,: expected a matcher or close brace after comma"),
        ("foo=\"bar", "4:8: \"bar: missing end \""),
        ("foo='bar'", "4:5: ': invalid input"),
        ("foo=\"\\q\"", "4:8: \"\\q\": invalid input"),
        ("foo!bar", "3:4: !: expected one of '=~'"),
    ] {
        assert_eq!(utf8::parse(text).unwrap_err().to_string(), words, "{text}");
    }
}

#[test]
fn the_classic_notation_takes_bare_empty_and_escaped_values() {
    for (text, wanted) in [
        ("{foo=\"\"}", list(&[("foo", Equal, "")])),
        ("foo=", list(&[("foo", Equal, "")])),
        ("foo=bar", list(&[("foo", Equal, "bar")])),
        ("{foo=~\"bar.*\", baz!~x}", list(&[("foo", Matches, "bar.*"), ("baz", NotRegex, "x")])),
        ("foo=\"bar,quux\"", list(&[("foo", Equal, "bar,quux")])),
        ("foo=\"a\\n\\\\\\d\"", list(&[("foo", Equal, "a\n\\\\d")])),
        ("foo=bar\\", list(&[("foo", Equal, "bar\\")])),
        ("foo=it's, bar=`x`", list(&[("foo", Equal, "it's"), ("bar", Equal, "`x`")])),
        ("foo=bar,", list(&[("foo", Equal, "bar")])),
        ("foo==bar", list(&[("foo", Equal, "=bar")])),
        ("job:x = a b ", list(&[("job:x", Equal, "a b")])),
    ] {
        assert_eq!(classic::parse(text), Ok(wanted), "{text}");
    }
    for (text, words) in [
        ("foo=\"bar", "matcher value contains unescaped double quote: \"bar"),
        ("foo=b\"ar", "matcher value contains unescaped double quote: b\"ar"),
        ("foo=\"a\"b\"", "matcher value contains unescaped double quote: \"a\"b\""),
        ("5xx=a", "bad matcher format: 5xx=a"),
        ("foo", "bad matcher format: foo"),
        (",foo=a", "bad matcher format: "),
    ] {
        assert_eq!(classic::parse(text).unwrap_err().to_string(), words, "{text}");
    }
}

#[test]
fn where_the_notations_disagree_the_classic_one_wins_with_a_note() {
    assert_eq!(parse("foo=bar").unwrap(), (list(&[("foo", Equal, "bar")]), None));
    assert_eq!(parse("\"foo bar\"=baz").unwrap().1, None, "only the newer one reads it");
    let (found, note) = parse("foo=").unwrap();
    assert_eq!(found, list(&[("foo", Equal, "")]));
    assert!(matches!(note, Some(MatcherNote::ClassicOnly { suggestion, .. }) if suggestion == "foo=\"\""));
    let (found, note) = parse("foo=\"\\xf0\\x9f\\x99\\x82\"").unwrap();
    assert_eq!(found, list(&[("foo", Equal, "\\xf0\\x9f\\x99\\x82")]));
    assert!(matches!(note, Some(MatcherNote::Disagreement { .. })));
    assert_eq!(parse("foo").unwrap_err().to_string(), "bad matcher format: foo");
    assert!(parse_one("{foo=bar}").is_err());
    assert!(parse_one("foo=bar,a=b").is_ok_and(|matcher| matcher.value == "bar,a=b"), "as one classic value");
}

#[test]
fn a_matcher_sees_an_absent_label_as_empty_and_anchors() {
    let labels = Labels::new([("foo", "bar")]);
    for (text, matched) in [
        ("foo=bar", true),
        ("foo=~ba", false),
        ("foo=~b.*", true),
        ("foo!~b", true),
        ("baz=\"\"", true),
        ("baz!=\"\"", false),
        ("baz!=x", true),
        ("baz=~\".*\"", true),
        ("foo=~\"b|bar\"", true),
    ] {
        assert_eq!(parse(text).unwrap().0.matches(&labels), matched, "{text}");
    }
    assert!(parse("foo=~\"(\"").is_err());
}

#[test]
fn matchers_print_in_a_form_that_both_notations_read() {
    for text in ["{foo=\"a\\\"b\\\\c\\n\"}", "{\"foo bar\"=\"x\"}", "{a!~\"b\",c=~\"d\"}"] {
        let (found, _) = parse(text).unwrap();
        assert_eq!(found.to_string(), text);
        assert_eq!(utf8::parse(text), Ok(found));
    }
}
