//! Queries that others wrote are read, and written back as text that reads the same.

use crate::support::shared_data;
use belvedere::promql::{parse, pretty};
use serde_json::Value;
use std::fs;

/// Every combination of the values that a template names.
fn expand(template: &str, args: &Value) -> Vec<String> {
    let Some(start) = template.find("{{.") else { return vec![template.to_owned()] };
    let end = template[start..].find("}}").map(|end| start + end).unwrap();
    let name = &template[start + 3..end];
    let values = args[name].as_array().unwrap_or_else(|| panic!("no values for {name}"));
    let place = &template[start..end + 2];
    values.iter().flat_map(|value| expand(&template.replace(place, value.as_str().unwrap()), args)).collect()
}

/// Templates with whether they must fail.
fn templates(yaml: &str) -> Vec<(String, bool)> {
    let mut found: Vec<(String, bool)> = Vec::new();
    for line in yaml.lines() {
        if let Some(query) = line.trim_start().strip_prefix("- query:") {
            let query = query.trim();
            let query = match query.as_bytes() {
                [b'\'', .., b'\''] => query[1..query.len() - 1].replace("''", "'"),
                [b'"', .., b'"'] => query[1..query.len() - 1].replace("\\\"", "\""),
                _ => query.to_owned(),
            };
            found.push((query, false));
        } else if line.trim() == "should_fail: true"
            && let Some(last) = found.last_mut()
        {
            last.1 = true;
        }
    }
    found
}

fn assert_fixed_point(query: &str) {
    let expr = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let text = expr.to_string();
    let again = parse(&text).unwrap_or_else(|error| panic!("{query} printed as {text}: {error}"));
    assert_eq!(again.to_string(), text, "{query}");
    let lines = pretty(&expr);
    let again = parse(&lines).unwrap_or_else(|error| panic!("{query} printed as {lines}: {error}"));
    assert_eq!(pretty(&again), lines, "{query}");
    assert_eq!(again.to_string(), text, "{query}");
}

#[test]
fn every_compliance_query_is_read() {
    let Some(folder) = shared_data("promql-compliance") else { return };
    let args: Value = serde_json::from_str(&fs::read_to_string(folder.join("variant-args.json")).unwrap()).unwrap();
    let templates = templates(&fs::read_to_string(folder.join("promql-test-queries.yml")).unwrap());
    let mut read = 0;
    for (template, must_fail) in &templates {
        for query in expand(template, &args) {
            // A selector of everything is refused when it is read, the others that must fail when they are evaluated.
            if *must_fail && query.starts_with('{') {
                assert!(parse(&query).is_err(), "{query}");
            } else {
                assert_fixed_point(&query);
            }
            read += 1;
        }
    }
    assert!(read > 500, "only {read} queries");
}

#[test]
fn every_expression_of_the_mixins_is_read() {
    let Some(folder) = shared_data("promql-compliance") else { return };
    let mut read = 0;
    for line in fs::read_to_string(folder.join("mixin-expressions.jsonl")).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_fixed_point(row["expr"].as_str().unwrap());
        read += 1;
    }
    assert!(read > 700, "only {read} expressions");
}
