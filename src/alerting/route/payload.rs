//! What a receiver is told: Alertmanager's webhook body, version 4, which most on-call tools read.
//!
//! Field by field as `template.Data` and `webhook.Message` of Alertmanager 0.34 write it.

use super::groups::{ChannelDecision, Flush, Flushed};
use super::tree::Node;
use crate::alerting::template::{Context, Template, Value};
use crate::model::{Labels, UnixNanos};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How an end that is not known yet is written.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// The body for a channel; `max_alerts` 0 is all of them.
pub fn webhook_body(flush: &Flush, node: &Node, channel: &ChannelDecision, external_url: &str, max_alerts: usize) -> Json {
    let all: Vec<&Flushed> = channel.send.iter().map(|place| &flush.alerts[*place]).collect();
    let shown = if max_alerts == 0 { all.len() } else { max_alerts.min(all.len()) };
    let status = status(&all);
    let labels = common(all.iter().map(|one| pairs(&one.alert.labels)));
    let annotations = common(all.iter().map(|one| one.alert.annotations.iter().map(owned).collect()));
    let data = template_data(flush, status, &labels, &annotations, external_url);
    json!({
        "version": "4",
        "groupKey": flush.group_key,
        "truncatedAlerts": all.len() - shown,
        "receiver": flush.receiver,
        "status": status,
        "alerts": all[..shown].iter().map(|one| alert(one)).collect::<Vec<_>>(),
        "groupLabels": object(&pairs(&flush.group.labels)),
        "commonLabels": object(&labels),
        "commonAnnotations": object(&annotations),
        "routeLabels": object(&route_labels(node, data, flush.at, external_url)),
        "externalURL": external_url,
        "notification_reason": channel.reason.map_or("none", super::log::Reason::words),
    })
}

fn status(alerts: &[&Flushed]) -> &'static str {
    if alerts.iter().any(|one| !one.resolved) { "firing" } else { "resolved" }
}

fn alert(one: &Flushed) -> Json {
    json!({
        "status": if one.resolved { "resolved" } else { "firing" },
        "labels": object(&pairs(&one.alert.labels)),
        "annotations": object(&one.alert.annotations.iter().map(owned).collect()),
        "startsAt": rfc3339(one.alert.starts_at),
        "endsAt": if one.resolved { rfc3339(one.alert.ends_at) } else { NO_END.to_owned() },
        "generatorURL": one.alert.generator_url,
        "fingerprint": one.fingerprint.to_string(),
    })
}

/// RFC 3339 without the zeros that end a fraction, as Go writes it.
pub fn rfc3339(time: UnixNanos) -> String {
    let text = time.to_rfc3339();
    let trimmed = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{trimmed}Z")
}

fn owned((name, value): (&smol_str::SmolStr, &String)) -> (String, String) {
    (name.to_string(), value.clone())
}

fn pairs(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn object(pairs: &BTreeMap<String, String>) -> Json {
    Json::Object(pairs.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect::<Map<_, _>>())
}

/// The pairs that all have.
fn common(mut all: impl Iterator<Item = BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut shared = all.next().unwrap_or_default();
    for other in all {
        shared.retain(|name, value| other.get(name) == Some(value));
    }
    shared
}

fn template_data(
    flush: &Flush,
    status: &str,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    external_url: &str,
) -> Value {
    let texts = |map: &BTreeMap<String, String>| Value::Texts(Arc::new(map.clone()));
    let text = |text: &str| Value::Text(text.to_owned());
    Value::Map(Arc::new(BTreeMap::from([
        ("Receiver".to_owned(), text(&flush.receiver)),
        ("Status".to_owned(), text(status)),
        ("GroupLabels".to_owned(), texts(&pairs(&flush.group.labels))),
        ("CommonLabels".to_owned(), texts(labels)),
        ("CommonAnnotations".to_owned(), texts(annotations)),
        ("ExternalURL".to_owned(), text(external_url)),
    ])))
}

/// The labels of a route, which may be templates over the group; one that fails is left out, as Alertmanager does.
fn route_labels(node: &Node, data: Value, now: UnixNanos, external_url: &str) -> BTreeMap<String, String> {
    let nothing = |_: &str| Err("a route's labels ask no queries".to_owned());
    let context = Context { data, now, external_url, query: &nothing };
    let render = |text: &str| Template::parse("routeLabels", text)?.expand(&context);
    node.options.labels.iter().filter_map(|(name, text)| Some((name.clone(), render(text).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::alert::{Alert, Annotations};
    use crate::alerting::route::config::Config;
    use crate::alerting::route::groups::{Router, Routing};

    #[test]
    fn a_webhook_is_told_in_alertmanagers_shape() {
        let text = "
route: {receiver: hook, group_by: [alertname], group_wait: 0s, labels: {team: 'ops-{{ .GroupLabels.alertname | toLower }}'}}
receivers: [{name: hook, webhook_configs: [{url: 'http://x/'}]}]
";
        let routing = Routing::new(&Config::parse(text).unwrap());
        let second = 1_000_000_000;
        let alert = |n: &str, ends: i64| Alert {
            labels: Labels::new([("alertname", "High"), ("n", n)]),
            annotations: Annotations::from([("summary".into(), "x".to_owned()), ("n".into(), n.to_owned())]),
            starts_at: UnixNanos(second + 500_000_000),
            ends_at: UnixNanos(ends * second),
            generator_url: "http://p/graph".to_owned(),
            updated_at: UnixNanos(second),
            timeout: false,
        };
        let mut router = Router::default();
        router.receive(&routing, alert("1", 100), UnixNanos(2 * second));
        router.receive(&routing, alert("2", 3), UnixNanos(2 * second));
        let flush = router.flush_due(&routing, UnixNanos(5 * second)).remove(0);
        let body = webhook_body(&flush, &routing.tree.nodes[0], &flush.channels[0], "http://am", 1);
        assert_eq!((&body["version"], &body["status"], &body["truncatedAlerts"]), (&json!("4"), &json!("firing"), &json!(1)));
        assert_eq!(body["groupKey"], "{}:{alertname=\"High\"}");
        assert_eq!(body["commonLabels"], json!({"alertname": "High"}));
        assert_eq!(body["commonAnnotations"], json!({"summary": "x"}));
        assert_eq!(body["routeLabels"], json!({"team": "ops-high"}));
        assert_eq!(body["notification_reason"], "first notification");
        let first = &body["alerts"][0];
        assert_eq!((&first["status"], &first["endsAt"]), (&json!("firing"), &json!(NO_END)));
        assert_eq!(first["startsAt"], "1970-01-01T00:00:01.5Z");
        let all = webhook_body(&flush, &routing.tree.nodes[0], &flush.channels[0], "http://am", 0);
        assert_eq!(all["alerts"][1]["endsAt"], "1970-01-01T00:00:03Z");
    }
}
