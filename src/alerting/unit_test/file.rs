//! The test file: strict YAML.

use crate::alerting::duration;
use crate::model::{DurationNs, UnixNanos};
use crate::wire::yaml::{self, Fields, Node, YamlError};
use std::collections::{BTreeMap, HashSet};

const DEFAULT_INTERVAL: DurationNs = DurationNs(60_000_000_000);

/// A test file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TestFile {
    /// Patterns of rule files, relative to the test file.
    pub rule_files: Vec<String>,
    /// Between evaluations.
    pub evaluation_interval: DurationNs,
    /// Groups that are evaluated in this order.
    pub group_eval_order: Vec<String>,
    /// Tests in order.
    pub tests: Vec<RuleTest>,
    /// Numbers may be off by the last bit.
    pub fuzzy_compare: bool,
}

/// A test.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RuleTest {
    /// Name, empty when it has none.
    pub name: String,
    /// Between samples of the input.
    pub interval: DurationNs,
    /// The first moment.
    pub start: UnixNanos,
    /// Series and their values, in promtool's notation.
    pub input_series: Vec<(String, String)>,
    /// What fires.
    pub alerts: Vec<AlertTest>,
    /// What queries answer.
    pub exprs: Vec<ExprTest>,
    /// `$externalLabels`.
    pub external_labels: BTreeMap<String, String>,
    /// `$externalURL`.
    pub external_url: String,
}

/// Which alerts of a name fire at a time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AlertTest {
    /// After the start.
    pub eval_time: DurationNs,
    /// The alert.
    pub alertname: String,
    /// Labels (without the alert's name) and annotations.
    pub expected: Vec<(BTreeMap<String, String>, BTreeMap<String, String>)>,
}

/// What an expression gives at a time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ExprTest {
    /// The expression.
    pub expr: String,
    /// After the start.
    pub eval_time: DurationNs,
    /// Labels as a metric, a number, a histogram in its notation (empty for none).
    pub expected: Vec<(String, f64, String)>,
}

/// Why a test file is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TestFileError {
    /// It is no such file.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A group stands twice in the order.
    #[error("group name repeated in evaluation order: {0}")]
    Repeated(String),
}

impl TestFile {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, TestFileError> {
        let Some(root) = yaml::parse(text)? else {
            return Ok(Self { evaluation_interval: DEFAULT_INTERVAL, ..Self::default() });
        };
        let mut fields = root.fields("type main.unitTestFile")?;
        let rule_files = list(&mut fields, "rule_files")?;
        let evaluation_interval = length(&mut fields, "evaluation_interval")?.unwrap_or(DEFAULT_INTERVAL);
        let group_eval_order = list(&mut fields, "group_eval_order")?;
        let fuzzy_compare = fields.truth("fuzzy_compare")?.unwrap_or_default();
        let tests = fields.items("tests")?.iter();
        let tests = tests.map(|node| read_test(node, evaluation_interval)).collect::<Result<_, _>>()?;
        fields.finish()?;
        let mut seen = HashSet::new();
        if let Some(twice) = group_eval_order.iter().find(|name| !seen.insert(*name)) {
            return Err(TestFileError::Repeated(twice.clone()));
        }
        Ok(Self { rule_files, evaluation_interval, group_eval_order, tests, fuzzy_compare })
    }
}

fn list(fields: &mut Fields<'_>, key: &str) -> Result<Vec<String>, YamlError> {
    fields.items(key)?.iter().map(|item| item.text().map(str::to_owned)).collect()
}

/// A length that is not zero.
fn length(fields: &mut Fields<'_>, key: &str) -> Result<Option<DurationNs>, YamlError> {
    let Some(node) = fields.take(key).filter(|node| !node.is_null()) else { return Ok(None) };
    let length = duration::parse(node.text()?).map_err(|error| node.error(error.to_string()))?;
    Ok(Some(length).filter(|length| length.0 != 0))
}

fn text(fields: &mut Fields<'_>, key: &str) -> Result<String, YamlError> {
    Ok(fields.text(key)?.unwrap_or_default().to_owned())
}

fn texts(node: Option<&Node>) -> Result<BTreeMap<String, String>, YamlError> {
    let pairs = node.map_or(Ok(&[][..]), Node::pairs)?;
    pairs.iter().map(|(key, value)| Ok((key.text()?.to_owned(), value.text()?.to_owned()))).collect()
}

fn read_test(node: &Node, interval: DurationNs) -> Result<RuleTest, YamlError> {
    let mut fields = node.fields("type main.testGroup")?;
    let series = |node: &Node| {
        let mut fields = node.fields("type main.series")?;
        let pair = (text(&mut fields, "series")?, text(&mut fields, "values")?);
        fields.finish()?;
        Ok(pair)
    };
    let test = RuleTest {
        name: text(&mut fields, "name")?,
        interval: length(&mut fields, "interval")?.unwrap_or(interval),
        start: start(fields.take("start_timestamp"))?,
        input_series: fields.items("input_series")?.iter().map(series).collect::<Result<_, YamlError>>()?,
        alerts: fields.items("alert_rule_test")?.iter().map(alert_test).collect::<Result<_, _>>()?,
        exprs: fields.items("promql_expr_test")?.iter().map(expr_test).collect::<Result<_, _>>()?,
        external_labels: texts(fields.take("external_labels"))?,
        external_url: text(&mut fields, "external_url")?,
    };
    fields.finish()?;
    Ok(test)
}

/// Seconds since 1970, or RFC 3339.
fn start(node: Option<&Node>) -> Result<UnixNanos, YamlError> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Ok(UnixNanos(0)) };
    let text = node.text()?;
    if let Ok(seconds) = text.parse::<f64>() {
        // To the millisecond, without the error of a product of floats.
        return Ok(UnixNanos::from_millis((seconds * 1e3).round() as i64));
    }
    let words = || node.error(format!("cannot parse {text:?} to a valid timestamp"));
    UnixNanos::parse_rfc3339(text).ok_or_else(words)
}

fn alert_test(node: &Node) -> Result<AlertTest, YamlError> {
    let mut fields = node.fields("type main.alertTestCase")?;
    let expected = |node: &Node| {
        let mut fields = node.fields("type main.alert")?;
        let pair = (texts(fields.take("exp_labels"))?, texts(fields.take("exp_annotations"))?);
        fields.finish()?;
        Ok(pair)
    };
    let test = AlertTest {
        eval_time: length(&mut fields, "eval_time")?.unwrap_or_default(),
        alertname: text(&mut fields, "alertname")?,
        expected: fields.items("exp_alerts")?.iter().map(expected).collect::<Result<_, YamlError>>()?,
    };
    fields.finish()?;
    Ok(test)
}

fn expr_test(node: &Node) -> Result<ExprTest, YamlError> {
    let mut fields = node.fields("type main.promqlTestCase")?;
    let expected = |node: &Node| {
        let mut fields = node.fields("type main.sample")?;
        let labels = text(&mut fields, "labels")?;
        let value = fields.number("value")?.unwrap_or_default();
        let one = (labels, value, text(&mut fields, "histogram")?);
        fields.finish()?;
        Ok(one)
    };
    let test = ExprTest {
        expr: text(&mut fields, "expr")?,
        eval_time: length(&mut fields, "eval_time")?.unwrap_or_default(),
        expected: fields.items("exp_samples")?.iter().map(expected).collect::<Result<_, YamlError>>()?,
    };
    fields.finish()?;
    Ok(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_file_is_read_strictly() {
        let text = "
rule_files: [rules.yml]
group_eval_order: [b, a]
tests:
  - name: t
    start_timestamp: 2024-12-01T00:00:00Z
    input_series: [{series: 'up{job=\"x\"}', values: '1 0x3'}]
    alert_rule_test: [{eval_time: 5m, alertname: Down, exp_alerts: [{exp_labels: {a: b}}]}]
    promql_expr_test: [{expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 0x10}]}]
";
        let file = TestFile::parse(text).unwrap();
        assert_eq!(file.evaluation_interval, DEFAULT_INTERVAL);
        let test = &file.tests[0];
        assert_eq!((test.interval, test.start.0), (DEFAULT_INTERVAL, 1_733_011_200_000_000_000));
        assert_eq!(test.alerts[0].expected[0].0["a"], "b");
        assert_eq!(test.exprs[0].expected[0], ("up".to_owned(), 16.0, String::new()));
        assert!(TestFile::parse("tests: [{inputs: []}]").unwrap_err().to_string().contains("field inputs not found"));
        let twice = TestFile::parse("group_eval_order: [a, a]").unwrap_err();
        assert_eq!(twice.to_string(), "group name repeated in evaluation order: a");
        assert_eq!(TestFile::parse("tests: [{start_timestamp: 1.5}]").unwrap().tests[0].start.0, 1_500_000_000);
    }
}
