//! What is read, what it is written back as, and what each error says and where.

use super::{parse, parse_selector};
use crate::promql::ast::Expr;

#[test]
fn what_is_read_prints_as_prometheus_prints_it() {
    for (text, printed) in [
        ("1", "1"),
        ("+Inf", "+Inf"),
        ("-1 ^ 2", "-1 ^ 2"),
        ("1_000 + 0x1f", "1000 + 31"),
        ("5m", "5m"),
        ("foo", "foo"),
        ("sum", "sum"),
        ("foo{a='1', b!~\"x.*\"}", "foo{a=\"1\",b!~\"x.*\"}"),
        ("{'my.metric', 'a.b'=\"c\"}", "{\"a.b\"=\"c\",__name__=\"my.metric\"}"),
        ("{__name__=\"foo\"}", "{__name__=\"foo\"}"),
        ("foo[5m] offset -1h @ 10.5", "foo[5m] @ 10.500 offset -1h"),
        ("foo @ start() offset 5", "foo @ start() offset 5s"),
        ("foo[5m:]", "foo[5m:]"),
        ("rate(foo[5m:1m] @ end())", "rate(foo[5m:1m] @ end())"),
        ("foo[5m*2]", "foo[5m * 2]"),
        ("foo[step()+1]", "foo[step() + 1]"),
        ("foo[max_of(step(), 5m)]", "foo[max_of(step(), 5m)]"),
        ("foo[(5m)]", "foo[(5m)]"),
        ("foo[((5m))]", "foo[(5m)]"),
        ("foo[-(-5m)]", "foo[-(-5m)]"),
        ("foo offset (1h / 2)", "foo offset (1h / 2)"),
        ("foo offset -(1h)", "foo offset -(1h)"),
        ("foo offset 5m * 2", "foo offset 5m * 2"),
        ("foo[5m] anchored", "foo[5m] anchored"),
        ("foo smoothed offset 1m", "foo smoothed offset 1m"),
        ("sum by (a, \"b.c\") (foo)", "sum by (a, \"b.c\") (foo)"),
        ("sum(foo) without(a)", "sum without (a) (foo)"),
        ("topk(5, foo)", "topk(5, foo)"),
        ("a + on(x) group_left(y) b", "a + on (x) group_left (y) b"),
        ("a == bool b", "a == bool b"),
        ("a and ignoring() b", "a and b"),
        ("a + fill(0) b", "a + fill (0) b"),
        ("a - fill_left(-1) fill_right(2) b", "a - fill_left (-1) fill_right (2) b"),
        ("h </ 5 >/ -2", "h </ 5 >/ -2"),
        ("start() + range()", "start() + range()"),
        ("info(foo, {a=\"b\"})", "info(foo, {a=\"b\"})"),
        ("- - foo", "--foo"),
        ("label_replace(a, 'x', '$1', 'y', '(.*)')", "label_replace(a, \"x\", \"$1\", \"y\", \"(.*)\")"),
    ] {
        let expr = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expr.to_string(), printed, "{text}");
        let again = parse(printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed);
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    for (text, same) in [
        ("a + b * c ^ d ^ e", "a + (b * (c ^ (d ^ e)))"),
        ("a or b and c unless d", "a or ((b and c) unless d)"),
        ("a - b - c", "(a - b) - c"),
        ("-a * b", "(-a) * b"),
        ("-a ^ b", "-(a ^ b)"),
        ("a == b + c", "a == (b + c)"),
        ("a * b atan2 c", "(a * b) atan2 c"),
        ("a < b > c", "(a < b) > c"),
    ] {
        fn shape(expr: &Expr) -> String {
            match expr.unwrapped() {
                Expr::Binary(node) => format!("({}{}{})", shape(&node.lhs), node.op.text(), shape(&node.rhs)),
                Expr::Unary { expr, .. } => format!("(-{})", shape(expr)),
                other => other.to_string(),
            }
        }
        assert_eq!(shape(&parse(text).unwrap()), shape(&parse(same).unwrap()), "{text}");
    }
}

#[test]
fn errors_say_what_prometheus_says_and_where() {
    let mut wrong = String::new();
    for (text, error) in [
        ("", "unknown position: parse error: no expression found in input"),
        ("# only a comment", "1:1: parse error: no expression found in input"),
        ("1+", "1:3: parse error: unexpected end of input"),
        (".", "1:1: parse error: unexpected character: '.'"),
        ("2.5.", "1:1: parse error: bad number or duration syntax: \"2.5.\""),
        ("*1", "1:1: parse error: unexpected <op:*>"),
        ("(1))", "1:5: parse error: unexpected right parenthesis ')'"),
        ("((1)", "1:5: parse error: unclosed left parenthesis"),
        ("1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        (
            "-\"string\"",
            "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\"",
        ),
        ("foo or 1", "1:1: parse error: set operator \"or\" not allowed in binary scalar expression"),
        ("1 !~ 1", "1:3: parse error: unexpected character after '!': '~'"),
        ("foo + on(bar) 10", "1:1: parse error: vector matching only allowed between instant vectors"),
        ("foo and on(bar) group_left(baz) bar", "1:1: parse error: no grouping allowed for \"and\" operation"),
        ("foo / on(bar) group_left(bar) bla", "1:5: parse error: label \"bar\" must not occur in ON and GROUP clause at once"),
        ("foo{", "1:5: parse error: unexpected end of input inside braces"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{x=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""),
        ("foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"),
        ("foo{a=5}", "1:7: parse error: unexpected character inside braces: '5'"),
        ("foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"),
        ("foo{a=\"b\" c=\"d\"}", "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""),
        ("foo{,}", "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""),
        ("foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing ): `(`"),
        ("foo[0m]", "1:5: parse error: duration must be greater than 0"),
        ("foo[\"5m\"]", "1:5: parse error: unexpected character in duration expression: '\"'"),
        (
            "foo[]",
            "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()",
        ),
        ("foo[5m", "1:7: parse error: unclosed left bracket"),
        ("foo[5m 1]", "1:8: parse error: unexpected number \"1\" in subquery or range, expected \":\" or \"]\""),
        ("sum(foo)[5m]", "1:9: parse error: ranges only allowed for vector selectors"),
        ("foo offset 5m [1m]", "1:15: parse error: no offset modifiers allowed before range"),
        ("foo offset", "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), or range()"),
        ("foo offset 5m offset 1m", "1:1: parse error: offset may not be set multiple times"),
        (
            "1 offset 5m",
            "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"),
        ("foo @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        ("foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("sum(", "1:5: parse error: unclosed left parenthesis"),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        ("sum(a, b)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2"),
        ("topk(a)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("topk(a, b)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"),
        ("sum by foo (a)", "1:8: parse error: unexpected identifier \"foo\" in grouping opts, expected \"(\""),
        ("sum by (a b) (c)", "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""),
        ("sum by (5) (c)", "1:9: parse error: unexpected number \"5\" in grouping opts, expected label"),
        ("sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation"),
        ("sum by (a) b", "1:12: parse error: unexpected identifier \"b\" in aggregation"),
        ("rate(foo)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"),
        ("rate(foo[5m],)", "1:13: parse error: trailing commas not allowed in function call args"),
        ("rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"),
        ("round(a, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
        ("label_join(a)", "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 1"),
        ("non_existent(a)", "1:1: parse error: unknown function with name \"non_existent\""),
        ("1[5m:1m]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"),
        ("foo[5m] anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"),
        ("info(a, b)", "1:9: parse error: expected label selectors only, got vector selector instead"),
        ("a\n  + $", "2:5: parse error: unexpected character: '$'"),
        ("foo bar", "1:5: parse error: unexpected identifier \"bar\""),
        ("a by", "1:3: parse error: unexpected <by>"),
        ("a \"a very long string\"", "1:3: parse error: unexpected string \"\\\"a very lo\"..."),
    ] {
        let found = parse(text).map_or_else(|error| error.to_string(), |expr| format!("read as {expr}"));
        if found != error {
            wrong.push_str(&format!("{text}\n found {found}\nwanted {error}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_node_knows_its_place() {
    let text = "sum by (job) (rate(foo{a=\"b\"}[5m] offset 1m)) / -bar @ 5 > 2";
    let expr = parse(text).unwrap();
    let mut places = Vec::new();
    expr.walk(&mut |node| places.push(&text[node.at().range()]));
    assert_eq!(
        places,
        [
            text,
            "sum by (job) (rate(foo{a=\"b\"}[5m] offset 1m)) / -bar @ 5",
            "sum by (job) (rate(foo{a=\"b\"}[5m] offset 1m))",
            "rate(foo{a=\"b\"}[5m] offset 1m)",
            "foo{a=\"b\"}[5m] offset 1m",
            "-bar @ 5",
            "bar @ 5",
            "2",
        ]
    );
}

#[test]
fn nesting_without_end_is_refused_and_not_followed() {
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(parse(&deep).is_err_and(|error| error.message.contains("nested too deeply")));
    assert!(parse(&"-".repeat(100_000)).is_err());
    assert!(parse(&vec!["a"; 400].join(" or ")).is_ok());
}

#[test]
fn a_selector_alone_is_read() {
    assert_eq!(parse_selector("up{job=\"a\"}").unwrap().len(), 2);
    assert_eq!(parse_selector("{__name__=~\".+\"}").unwrap().len(), 1);
    assert!(parse_selector("up[5m]").is_err());
    assert!(parse_selector("1").is_err());
}
