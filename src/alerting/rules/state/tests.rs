use super::*;

const MINUTE: i64 = 60_000_000_000;

fn at(minutes: i64) -> UnixNanos {
    UnixNanos((1_000_000 + minutes) * MINUTE)
}

fn rule(hold: i64, keep: i64) -> Rule {
    Rule {
        alert: "High".to_owned(),
        expr: "x > 1".to_owned(),
        hold: DurationNs(hold * MINUTE),
        keep_firing_for: DurationNs(keep * MINUTE),
        labels: BTreeMap::from([("severity".to_owned(), "page".to_owned())]),
        annotations: BTreeMap::from([("summary".to_owned(), "{{ $labels.job }} at {{ $value }}".to_owned())]),
        ..Rule::default()
    }
}

fn sample(job: &str, value: f64) -> QuerySample {
    QuerySample { labels: Labels::new([("__name__", "x"), ("job", job)]), value: SampleValue::Float(value) }
}

struct Bench {
    ready: ReadyRule,
    state: RuleState,
    limit: i64,
}

impl Bench {
    fn new(rule: &Rule) -> Self {
        let state = RuleState { restored: true, ..RuleState::default() };
        Self { ready: ReadyRule::new(rule, &BTreeMap::new()), state, limit: 0 }
    }

    fn eval(&mut self, minute: i64, answer: Result<Vec<QuerySample>, String>) -> Result<Vec<RuleSample>, EvalError> {
        let labels = Labels::new([("cluster", "eu")]);
        let settings = EvalSettings {
            query_offset: DurationNs(0),
            limit: self.limit,
            external_labels: &labels,
            external_url: "http://p",
            histogram_text: |_| String::new(),
        };
        let result = eval_alerting(&self.ready, answer, &mut self.state, at(minute), settings, &|_| Ok(Vec::new()));
        self.state.evaluated_at = Some(at(minute));
        result
    }

    /// Evaluates each minute with a sample where the text has a letter, and gives a letter for the state after each: `.` no
    /// alert, `p`ending, `f`iring, `i`nactive.
    fn run(&mut self, returned: &str) -> String {
        let minutes = returned.chars().enumerate();
        minutes
            .map(|(minute, c)| {
                let answer = if c == '-' { Vec::new() } else { vec![sample("a", 2.0)] };
                self.eval(minute as i64, Ok(answer)).unwrap();
                self.state.alerts.values().next().map_or('.', |alert| match alert.state {
                    AlertState::Pending => 'p',
                    AlertState::Firing => 'f',
                    _ => 'i',
                })
            })
            .collect()
    }
}

#[test]
fn an_alert_goes_through_its_states() {
    for (case, hold, keep, returned, states) in [
        ("no for fires at once", 0, 0, "xx-", "ffi"),
        ("for of two minutes", 2, 0, "xxxx-", "ppffi"),
        ("pending is dropped at once", 2, 0, "xx-x-x", "pp.p.p"),
        ("keeps firing", 0, 3, "x--x----", "fffffffi"),
        ("keeps firing until its time is over", 0, 2, "x----", "fffii"),
        ("a return resets keep_firing_for", 0, 2, "x-x-x---", "fffffffi"),
        ("for and keep", 1, 2, "xx---", "pfffi"),
        ("ends, then begins again pending", 1, 0, "xx-xx", "pfipf"),
    ] {
        assert_eq!(Bench::new(&rule(hold, keep)).run(returned), states, "{case}");
    }
}

#[test]
fn an_ended_alert_is_remembered_for_a_quarter_of_an_hour() {
    let mut bench = Bench::new(&rule(0, 0));
    bench.eval(0, Ok(vec![sample("a", 2.0)])).unwrap();
    bench.eval(1, Ok(Vec::new())).unwrap();
    bench.eval(16, Ok(Vec::new())).unwrap();
    assert_eq!(bench.state.alerts.len(), 1, "exactly fifteen minutes are not more than fifteen minutes");
    bench.eval(17, Ok(Vec::new())).unwrap();
    assert!(bench.state.alerts.is_empty());
}

#[test]
fn labels_and_annotations_are_made_and_refreshed() {
    let mut rule = rule(5, 0);
    rule.labels.insert("gone".to_owned(), "{{ $labels.nope }}".to_owned());
    rule.labels.insert("job".to_owned(), "{{ .Labels.job }}-{{ $externalLabels.cluster }}".to_owned());
    rule.annotations.insert("broken".to_owned(), "{{ first (query \"none\") }}".to_owned());
    let mut bench = Bench::new(&rule);
    bench.eval(0, Ok(vec![sample("a", 2.0)])).unwrap();
    let written = bench.eval(1, Ok(vec![sample("a", 1_234_567.0)])).unwrap();
    let alert = bench.state.alerts.values().next().unwrap();
    assert_eq!(alert.labels, Labels::new([("alertname", "High"), ("job", "a-eu"), ("severity", "page")]));
    assert_eq!(alert.annotations["summary"], "a at 1.234567e+06");
    assert!(alert.annotations["broken"].starts_with("<error expanding template: error executing template __alert_High:"));
    assert_eq!((alert.active_at, alert.value), (at(0), 1_234_567.0));
    let names: Vec<String> = written.iter().map(|sample| sample.labels.to_string()).collect();
    assert_eq!(
        names,
        [
            r#"ALERTS{alertname="High", alertstate="pending", gone="{{ $labels.nope }}", job="a-eu", severity="page"}"#,
            r#"ALERTS_FOR_STATE{alertname="High", gone="{{ $labels.nope }}", job="a-eu", severity="page"}"#,
        ],
        "the rule's text shows where a template gave nothing, as in Prometheus"
    );
    assert_eq!(written[1].value, SampleValue::Float((1_000_000 * 60) as f64));
}

#[test]
fn a_failed_query_leaves_everything_and_equal_alerts_fail_the_rule() {
    let mut bench = Bench::new(&rule(0, 0));
    bench.eval(0, Ok(vec![sample("a", 2.0)])).unwrap();
    let before = bench.state.alerts.clone();
    assert_eq!(bench.eval(1, Err("timeout".to_owned())), Err(EvalError::Query("timeout".to_owned())));
    assert_eq!(bench.state.alerts, before);
    let mut merged = rule(0, 0);
    merged.labels.insert("job".to_owned(), "same".to_owned());
    let mut bench = Bench::new(&merged);
    let error = bench.eval(0, Ok(vec![sample("a", 2.0), sample("b", 2.0)])).unwrap_err();
    assert_eq!(error.to_string(), "vector contains metrics with the same labelset after applying alert labels");
}

#[test]
fn more_alerts_than_the_limit_clear_the_rule() {
    let mut bench = Bench::new(&rule(0, 0));
    bench.limit = 1;
    bench.eval(0, Ok(vec![sample("a", 2.0)])).unwrap();
    let error = bench.eval(1, Ok(vec![sample("a", 2.0), sample("b", 2.0)])).unwrap_err();
    assert_eq!(error.to_string(), "exceeded limit of 1 with 2 alerts");
    assert!(bench.state.alerts.is_empty());
}

#[test]
fn a_raised_for_makes_a_firing_alert_pending_again() {
    let mut bench = Bench::new(&rule(1, 0));
    bench.run("xxx");
    bench.state.alerts.values_mut().for_each(|alert| alert.last_sent_at = Some(at(2)));
    bench.ready = ReadyRule::new(&rule(10, 0), &BTreeMap::new());
    bench.eval(3, Ok(vec![sample("a", 2.0)])).unwrap();
    let alert = bench.state.alerts.values().next().unwrap();
    assert_eq!((alert.state, alert.fired_at, alert.last_sent_at), (AlertState::Pending, None, None));
}

#[test]
fn nothing_is_written_before_the_wait_was_restored() {
    let mut bench = Bench::new(&rule(1, 0));
    bench.state.restored = false;
    assert_eq!(bench.eval(0, Ok(vec![sample("a", 2.0)])).unwrap(), []);
    assert_eq!(bench.state.state(), AlertState::Pending);
    assert_eq!(RuleState::default().state(), AlertState::Unknown);
}

#[test]
fn sending_waits_for_the_delay_but_not_for_an_end() {
    let mut bench = Bench::new(&rule(0, 0));
    bench.eval(0, Ok(vec![sample("a", 2.0)])).unwrap();
    let delay = DurationNs(MINUTE);
    let mut alert = bench.state.alerts.values().next().unwrap().clone();
    assert!(alert.needs_sending(at(0), delay));
    alert.last_sent_at = Some(at(0));
    assert!(!alert.needs_sending(at(1), delay), "not before the delay is over");
    assert!(alert.needs_sending(UnixNanos(at(1).0 + 1), delay));
    (alert.state, alert.resolved_at) = (AlertState::Inactive, Some(at(1)));
    assert!(alert.needs_sending(at(1), delay), "an end is told at once");
    alert.last_sent_at = Some(at(1));
    assert!(!alert.needs_sending(at(2), delay));
    alert.state = AlertState::Pending;
    assert!(!alert.needs_sending(at(9), delay));
}

#[test]
fn a_recording_rule_renames_labels_and_refuses_two_of_a_kind() {
    let rule = Rule {
        record: "job:x".to_owned(),
        expr: "x".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "web".to_owned()), ("job".to_owned(), String::new())]),
        ..Rule::default()
    };
    let ready = ReadyRule::new(&rule, &BTreeMap::new());
    let none = Labels::default();
    let settings = EvalSettings {
        query_offset: DurationNs(MINUTE),
        limit: 1,
        external_labels: &none,
        external_url: "",
        histogram_text: |_| String::new(),
    };
    let written = eval_recording(&ready, Ok(vec![sample("a", 2.0)]), at(1), settings).unwrap();
    assert_eq!(written[0].labels.to_string(), "job:x{team=\"web\"}");
    assert_eq!(written[0].time_ms, at(0).0 / 1_000_000, "stamped with the moment that was asked");
    let both = || Ok(vec![sample("a", 2.0), sample("b", 2.0)]);
    assert_eq!(eval_recording(&ready, both(), at(1), settings), Err(EvalError::SameSeries));
    let plain = ReadyRule::new(&Rule { record: "r".to_owned(), ..Rule::default() }, &BTreeMap::new());
    let error = eval_recording(&plain, both(), at(1), settings).unwrap_err();
    assert_eq!(error.to_string(), "exceeded limit of 1 with 2 series");
}
