use super::*;
use std::sync::Arc;

const NOW: UnixNanos = UnixNanos(1_353_755_652_000_000_000);

fn sample(pairs: &[(&str, &str)], value: f64) -> TemplateSample {
    TemplateSample {
        labels: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        value: Value::Float(value),
    }
}

fn expand_over(text: &str, data: Value, answer: Vec<TemplateSample>) -> Result<String, TemplateError> {
    let query = move |_: &str| Ok(answer.clone());
    let context = Context { data, now: NOW, external_url: "http://testhost:9090/path/prefix", query: &query };
    Template::parse("test", text)?.expand(&context)
}

fn expand(text: &str) -> Result<String, TemplateError> {
    expand_over(text, Value::Nil, Vec::new())
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::List(values.into_iter().collect())
}

fn floats(values: &[f64]) -> Value {
    list(values.iter().map(|value| Value::Float(*value)))
}

fn ints(values: &[i64]) -> Value {
    list(values.iter().map(|value| Value::Int(*value)))
}

fn uints(values: &[u64]) -> Value {
    list(values.iter().map(|value| Value::Uint(*value)))
}

fn texts(values: &[&str]) -> Value {
    list(values.iter().map(|value| Value::Text((*value).to_owned())))
}

#[test]
fn text_values_and_functions_print_as_prometheus_prints_them() {
    for (text, wanted) in [
        ("plain text", "plain text"),
        ("{{ 1 }}", "1"),
        ("{{ \"<b>\" }}", "<b>"),
        ("{{define \"x\"}}{{.arg0}} {{.arg1}}{{end}}{{template \"x\" (args 1 \"2\")}}", "1 2"),
        ("{{ \"foo.example.com:12345\" | stripPort }}", "foo.example.com"),
        ("{{ \"192.0.2.1\" | stripPort }}", "192.0.2.1"),
        ("{{ \"2001:0DB8::1\" | stripPort }}", "2001:0DB8::1"),
        ("{{ \"[2001:0DB8::1]:12345\" | stripPort }}", "2001:0DB8::1"),
        ("{{ \"[2001:0DB8::1]::12345\" | stripPort }}", "[2001:0DB8::1]::12345"),
        ("{{ \"foo.example.com\" | stripDomain }}", "foo"),
        ("{{ \"foo.example.com:12345\" | stripDomain }}", "foo:12345"),
        ("{{ \"192.0.2.1:12345\" | stripDomain }}", "192.0.2.1:12345"),
        ("{{ \"[2001:0DB8::1]:12345\" | stripDomain }}", "[2001:0DB8::1]:12345"),
        ("{{ .Foo }}", "<no value>"),
        ("{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}", "xa"),
        (
            "{{ -0.22222 | humanizePercentage }}:{{ 0.0 | humanizePercentage }}:{{ 1.23456 | humanizePercentage }}",
            "-22.22%:0%:123.5%",
        ),
        ("{{ \"0.1234567\" | humanizePercentage }}", "12.35%"),
        ("{{ 1435065584.128 | humanizeTimestamp }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        ("{{ \"1435065584.128\" | humanizeTimestamp }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        ("{{ (1435065584.128 | toTime).Format \"2006\" }}", "2015"),
        ("{{ (1800 | toDuration).String }}", "30m0s"),
        ("{{ now }}", "1.353755652e+09"),
        ("{{ (now | toTime).Format \"Mon Jan 2 15:04:05 2006\" }}", "Sat Nov 24 11:14:12 2012"),
        ("{{ (now | toTime).Format \"2006-01-02T15:04:05.000Z07:00\" }}", "2012-11-24T11:14:12.000Z"),
        ("{{ (\"-30m\" | parseDuration | toDuration | (now | toTime).Add).UnixMilli }}", "1353753852000"),
        ("{{ \"aa bb CC\" | title }} {{ \"aa bb CC\" | toUpper }} {{ \"aA bB\" | toLower }}", "Aa Bb CC AA BB CC aa bb"),
        ("{{ match \"a+\" \"aa\" }} {{ match \"a+\" \"b\" }}", "true false"),
        ("{{ graphLink \"up > 1\" }}", "/graph?g0.expr=up+%3E+1&g0.tab=0"),
        ("{{ tableLink \"up\" }}", "/graph?g0.expr=up&g0.tab=1"),
        ("{{ pathPrefix }} {{ externalURL }}", "/path/prefix http://testhost:9090/path/prefix"),
        ("{{ printf \"%0.2f\" (parseDuration \"1h2m10ms\") }}", "3720.01"),
        ("{{ printf \"%0.2f\" (parseDuration \"-1h2m10ms\") }}", "-3720.01"),
        (
            "{{ printf \"%d %s %q %5.1f|%-5s|%05d|%v|%x|%t\" 7 \"s\" \"q\" 2.25 \"ab\" 42 1234567.0 \"hi\" true }}",
            "7 s \"q\"   2.2|ab   |00042|1.234567e+06|6869|true",
        ),
        ("{{ printf \"%d\" 1.5 }} {{ printf \"%s\" }} {{ printf \"x\" 1 }}", "%!d(float64=1.5) %!s(MISSING) x%!(EXTRA int=1)"),
        ("{{ print 1 2 \"a\" 3 }}{{ println \"x\" 1 }}", "1 2a3x 1\n"),
        ("{{ $x := 1 }}{{ if eq $x 1 }}one{{ else }}other{{ end }}", "one"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("{{ if false }}a{{ else if true }}b{{ end }}", "b"),
        ("{{ with 5 }}{{ . }}{{ end }}{{ with 0 }}x{{ else }}none{{ end }}", "5none"),
        ("a {{- 1 -}} b{{/* note */}}", "a1b"),
        ("{{ range $i, $x := (query \"m\") }}x{{ else }}empty{{ end }}", "empty"),
        (
            "{{ and 1 0 2 }} {{ or 0 \"\" 3 }} {{ not 0 }} {{ len \"abc\" }} {{ lt 1 2 }} {{ ge 1.5 2.0 }} {{ ne \"a\" \"b\" }}",
            "0 3 true 3 true false true",
        ),
        ("{{ index (args 5 6) \"arg1\" }} {{ slice \"hello\" 1 3 }}", "6 el"),
        ("{{ \"a<b>&\" | html }} {{ \"a b&c\" | urlquery }} {{ \"it's\" | js }}", "a&lt;b&gt;&amp; a+b%26c it\\'s"),
        ("{{ 'a' }} {{ 0x10 }} {{ 1e3 }} {{ `raw\\n` }}", "97 16 1000 raw\\n"),
        ("{{ range 3 }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "01"),
        ("{{ block \"b\" 7 }}<{{ . }}>{{ end }}", "<7>"),
    ] {
        assert_eq!(expand(text).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn numbers_for_people_are_those_of_prometheus() {
    let inf = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let days = -f64::from(86_400 * 2 + 3_600 * 3 + 60 * 4 + 5);
    for (function, input, wanted) in [
        ("humanize", floats(&[0.0, 1.0, 1_234_567.0, 0.12]), "0:1:1.235M:120m:"),
        ("humanize", texts(&["0.0", "1.0", "1234567.0", ".12"]), "0:1:1.235M:120m:"),
        ("humanize", ints(&[0, -1, 1, 1_234_567, i64::MAX]), "0:-1:1:1.235M:9.223E:"),
        ("humanize", uints(&[0, 1, 1_234_567, u64::MAX]), "0:1:1.235M:18.45E:"),
        ("humanize1024", floats(&[0.0, 1.0, 1_048_576.0, 0.12]), "0:1:1Mi:0.12:"),
        ("humanize1024", ints(&[0, -1, 1, 1_234_567, i64::MAX]), "0:-1:1:1.177Mi:8Ei:"),
        ("humanize1024", uints(&[0, 1, 1_234_567, u64::MAX]), "0:1:1.177Mi:16Ei:"),
        (
            "humanizeDuration",
            floats(&[0.0, 1.0, 60.0, 3_600.0, 86_400.0, 90_000.0, days, 899.99]),
            "0s:1s:1m 0s:1h 0m 0s:1d 0h 0m 0s:1d 1h 0m 0s:-2d 3h 4m 5s:14m 59s:",
        ),
        ("humanizeDuration", texts(&["0", "1", "60", "3600", "86400"]), "0s:1s:1m 0s:1h 0m 0s:1d 0h 0m 0s:"),
        (
            "humanizeDuration",
            floats(&[0.1, 0.0001, 0.12345, 60.1, 60.5, 1.2345, 12.345]),
            "100ms:100us:123.5ms:1m 0s:1m 0s:1.234s:12.35s:",
        ),
        ("humanizeDuration", ints(&[0, -1, 1, 1_234_567]), "0s:-1s:1s:14d 6h 56m 7s:"),
        ("humanizePercentage", ints(&[0, -1, 1, 1_234_567, i64::MAX]), "0%:-100%:100%:1.235e+08%:9.223e+20%:"),
        (
            "humanizeTimestamp",
            ints(&[0, -1, 1, 1_234_567, 9_223_372_036]),
            "1970-01-01 00:00:00 +0000 UTC:1969-12-31 23:59:59 +0000 UTC:1970-01-01 00:00:01 +0000 UTC:1970-01-15 06:56:07 +0000 UTC:2262-04-11 23:47:16 +0000 UTC:",
        ),
        ("humanize", floats(&inf), "+Inf:-Inf:NaN:"),
        ("humanize1024", floats(&inf), "+Inf:-Inf:NaN:"),
        ("humanizeDuration", texts(&["+Inf", "-Inf", "NaN"]), "+Inf:-Inf:NaN:"),
        ("humanizeTimestamp", floats(&inf), "+Inf:-Inf:NaN:"),
    ] {
        let text = format!("{{{{ range . }}}}{{{{ {function} . }}}}:{{{{ end }}}}");
        assert_eq!(expand_over(&text, input, Vec::new()).as_deref(), Ok(wanted), "{function}");
    }
}

#[test]
fn queries_give_samples_to_read_and_sort() {
    let both = || vec![sample(&[("__name__", "metric"), ("instance", "b")], 21.0), sample(&[("instance", "a")], 11.0)];
    for (text, answer, wanted) in [
        ("{{ query \"1.5\" | first | value }}", vec![sample(&[], 1.5)], "1.5"),
        ("{{ query \"m\" | first | label \"instance\" }}", both(), "b"),
        ("{{ query \"m\" | first | label \"foo\" }}", both(), ""),
        ("{{ query \"m\" | first | strvalue }}", vec![sample(&[("__value__", "a")], 1.0)], "a"),
        ("{{ $x := query \"m\" | first }}{{ $x.Labels.foo }}", both(), ""),
        ("{{ range query \"m\" | sortByLabel \"instance\" }}{{.Labels.instance}}:{{.Value}}: {{end}}", both(), "a:11: b:21: "),
        ("{{ len (query \"m\") }}", both(), "2"),
        ("{{ with query \"m\" }}{{ . | first | value | humanize }}{{ end }}", vec![], ""),
    ] {
        assert_eq!(expand_over(text, Value::Nil, answer).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn errors_are_in_gos_words_and_at_its_places() {
    for (text, wanted) in [
        ("{{\u{a0}}}", "error parsing template test: template: test:1: unrecognized character in action: U+00A0"),
        ("{{", "error parsing template test: template: test:1: unclosed action"),
        (
            "{{ query \"missing\" | first }}",
            "error executing template test: template: test:1:21: executing \"test\" at <first>: error calling first: first() called on vector with no elements",
        ),
        (
            "{{ humanize \"one\" }}",
            "error executing template test: template: test:1:3: executing \"test\" at <humanize \"one\">: error calling humanize: strconv.ParseFloat: parsing \"one\": invalid syntax",
        ),
        (
            "{{ \"one\" | humanizePercentage }}",
            "error executing template test: template: test:1:11: executing \"test\" at <humanizePercentage>: error calling humanizePercentage: strconv.ParseFloat: parsing \"one\": invalid syntax",
        ),
        ("{{ nope 1 }}", "error parsing template test: template: test:1: function \"nope\" not defined"),
        ("{{ $x }}", "error parsing template test: template: test:1: undefined variable \"$x\""),
        ("{{ if true }}a", "error parsing template test: template: test:1: unexpected EOF"),
        ("a\n{{ end }}", "error parsing template test: template: test:2: unexpected {{end}}"),
    ] {
        assert_eq!(expand(text).unwrap_err().to_string(), wanted);
    }
    let overflow = expand_over("{{ range . }}{{ humanizeTimestamp . }}:{{ end }}", ints(&[i64::MIN]), Vec::new());
    assert_eq!(
        overflow.unwrap_err().to_string(),
        "error executing template test: template: test:1:16: executing \"test\" at <humanizeTimestamp .>: error calling humanizeTimestamp: -9.223372036854776e+18 cannot be represented as a nanoseconds timestamp since it overflows int64"
    );
}

#[test]
fn an_alerts_text_knows_labels_and_value_and_shows_nothing_for_an_absent_label() {
    let query = |_: &str| Ok(Vec::new());
    let data = alert_data([("job", "api"), ("x", "y")], [("cluster", "eu")], "http://p", Value::Float(1_234_567.0));
    let context = Context { data, now: NOW, external_url: "http://p", query: &query };
    let expand = |text: &str| Template::parse_alert("High", text).and_then(|template| template.expand(&context));
    for (text, wanted) in [
        ("{{ $value }} {{ .Value }}", "1.234567e+06 1.234567e+06"),
        ("[{{ $labels.nope }}] {{ .Labels.job }}", "[] api"),
        ("{{ $externalLabels.cluster }} {{ $externalURL }}", "eu http://p"),
        ("{{ $labels }}", "map[job:api x:y]"),
        ("{{ index $labels \"job\" }}", "api"),
    ] {
        assert_eq!(expand(text).as_deref(), Ok(wanted), "{text}");
    }
    let missing = expand("{{ .Nope }}").unwrap_err().to_string();
    assert!(missing.contains("template: __alert_High:1:") && missing.contains("can't evaluate field Nope"), "{missing}");
    assert!(Template::parse_alert("a", "plain").unwrap().is_plain());
    assert!(!Template::parse_alert("a", "{{ $value }}").unwrap().is_plain());
}

#[test]
fn a_histogram_prints_as_it_was_given() {
    let shown = TemplateSample { labels: Default::default(), value: Value::Histogram("{count:3, sum:10}".to_owned()) };
    let data = Value::Sample(Arc::new(shown));
    assert_eq!(expand_over("{{ . | value }}", data, Vec::new()).as_deref(), Ok("{count:3, sum:10}"));
}

#[test]
fn hostile_texts_end_without_a_panic() {
    for text in [
        "{{((((((((",
        "{{ range 9223372036854775807 }}x{{ end }}",
        "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}",
        "{{ printf \"%999999999d\" 1 }}",
        "{{ slice \"\u{e9}\u{e9}\" 1 2 }}",
        "{{- -}}",
        "{{ \"",
        "{{/*",
        "{{ . | . }}",
        "{{ 1e99999 }}",
        "\u{1f642}{{ \u{1f642} }}",
        "{{-",
        "{{ -",
        "{{ '",
    ] {
        let _ = expand(text);
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(expand(&deep).is_err());
}
