//! Alertmanager's API over real HTTP: alerts in and out, groups, silences, status, and what was acknowledged after `kill -9`.

use crate::support::{Reply, Serve, get, post, request, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

fn send(serve: &Serve, path: &str, body: &Value) -> Reply {
    post(serve.door("api"), path, "application/json", body.to_string().as_bytes()).unwrap()
}

fn read(serve: &Serve, path: &str) -> Value {
    let reply = get(serve.door("api"), path).unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

fn alert(name: &str, more: &[(&str, &str)]) -> Value {
    let mut labels = json!({"alertname": name});
    more.iter().for_each(|(name, value)| labels[*name] = json!(value));
    json!({"labels": labels, "annotations": {"summary": "x"}, "generatorURL": "http://p/graph"})
}

#[test]
fn alerts_are_posted_listed_filtered_grouped_and_silenced() {
    let serve = Serve::start();
    assert_eq!(read(&serve, "/api/v2/alerts"), json!([]), "a list and not null");
    let empty_label = alert("A", &[("zone", ""), ("n", "1")]);
    let both = json!([empty_label, alert("B", &[("n", "2")]), {"labels": {"zone": ""}}]);
    let reply = send(&serve, "/api/v2/alerts", &both);
    assert_eq!((reply.status, reply.json()), (400, json!("at least one label pair required")), "the others are taken in");

    let listed = read(&serve, "/api/v2/alerts");
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let first = &listed[0];
    assert_eq!(first["status"], json!({"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"}));
    assert_eq!(first["receivers"], json!([{"name": "default"}]));
    assert!(first["labels"].get("zone").is_none() && first["fingerprint"].as_str().unwrap().len() == 16);
    assert!(first["endsAt"].as_str().unwrap() > first["startsAt"].as_str().unwrap());
    assert!(listed[0]["fingerprint"].as_str() < listed[1]["fingerprint"].as_str(), "sorted by fingerprint");

    let silence = json!({
        "matchers": [{"name": "n", "value": "1|9", "isRegex": true}], "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z", "createdBy": "ana", "comment": "deploy",
    });
    let id = send(&serve, "/api/v2/silences", &silence).json()["silenceID"].as_str().unwrap().to_owned();
    let found = read(&serve, &format!("/api/v2/silence/{id}"));
    assert_eq!((&found["status"]["state"], &found["matchers"][0]["isEqual"]), (&json!("active"), &json!(true)));
    assert_ne!(found["startsAt"], "2020-01-01T00:00:00.000Z", "a silence does not begin in the past");
    for (query, names) in [
        ("filter=n%3D%222%22", &["B"][..]),
        ("silenced=false", &["B"]),
        ("active=false", &["A"]),
        ("receiver=def.*", &["A", "B"]),
        ("receiver=nobody", &[]),
        ("receiver_matchers=name%3Ddefault", &["A", "B"]),
    ] {
        let listed = read(&serve, &format!("/api/v2/alerts?{query}"));
        let mut found: Vec<&str> =
            listed.as_array().unwrap().iter().map(|one| one["labels"]["alertname"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, names, "{query}");
    }
    let groups = read(&serve, "/api/v2/alerts/groups");
    assert_eq!(groups[0]["labels"], json!({"alertname": "A"}));
    assert_eq!(groups[0]["alerts"][0]["status"]["silencedBy"], json!([id]));

    let path = format!("/api/v2/silence/{id}");
    assert_eq!(request(serve.door("api"), "DELETE", &path, &[], b"").unwrap().status, 200);
    assert_eq!(read(&serve, "/api/v2/silences")[0]["status"]["state"], "expired");
    assert_eq!(request(serve.door("api"), "DELETE", "/api/v2/silence/x", &[], b"").unwrap().status, 404);
    let backwards = json!({"matchers": [{"name": "a", "value": "b", "isRegex": false}], "startsAt": "2099-01-02T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "", "comment": ""});
    assert_eq!(send(&serve, "/api/v2/silences", &backwards).status, 400);
    assert_eq!(get(serve.door("api"), "/api/v2/alerts?filter=%7B").unwrap().status, 400);

    let status = read(&serve, "/api/v2/status");
    assert!(status["config"]["original"].as_str().unwrap().contains("receiver: default"));
    assert_eq!(status["cluster"]["status"], "disabled");
    assert_eq!(read(&serve, "/api/v2/receivers")[0]["name"], "default");
    assert_eq!(request(serve.door("api"), "PUT", "/api/v2/alerts", &[], b"").unwrap().status, 405);
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::over(folder.path());
    let many: Vec<Value> = (0..500).map(|number| alert("A", &[("n", &number.to_string())])).collect();
    assert_eq!(send(&serve, "/api/v2/alerts", &Value::Array(many)).status, 200);
    let before = read(&serve, "/api/v2/alerts");
    serve.stop_with(Signal::KILL);
    let serve = Serve::over(folder.path());
    assert_eq!(read(&serve, "/api/v2/alerts"), before);
}

#[test]
fn routes_are_taken_over_disarmed_and_what_they_decide_is_kept() {
    let serve = Serve::start();
    let api = serve.door("api");
    let routes = "
route: {receiver: hook, group_by: [alertname], group_wait: 0s}
inhibit_rules: [{source_matchers: [severity=page], target_matchers: [severity=warn]}]
receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:9/secret'}]}]
";
    assert_eq!(request(api, "PUT", "/belvedere/v1/alerts/routes", &[], routes.as_bytes()).unwrap().status, 200);
    let wrong = request(api, "PUT", "/belvedere/v1/alerts/routes", &[], b"route: {receiver: nobody}").unwrap();
    assert_eq!((wrong.status, &wrong.json()["line"]), (400, &json!(1)));
    let shown = get(api, "/belvedere/v1/alerts/routes").unwrap().text();
    assert!(shown.contains("<secret>") && !shown.contains("127.0.0.1:9"), "{shown}");
    assert_eq!(read(&serve, "/belvedere/v1/alerts/receivers")["receivers"][0]["armed"], false);

    let page = alert("A", &[("severity", "page")]);
    assert_eq!(send(&serve, "/api/v2/alerts", &json!([page, alert("A", &[("severity", "warn")])])).status, 200);
    let told = wait_until(Duration::from_secs(10), || {
        let told = read(&serve, "/belvedere/v1/alerts/notifications");
        told["notifications"].get(0).cloned()
    });
    let told = told.expect("a flush within ten seconds");
    assert_eq!((&told["armed"], &told["sent"]), (&json!(false), &json!(false)), "a rehearsal pages nobody");
    assert_eq!(told["body"]["alerts"].as_array().unwrap().len(), 1, "the warning is inhibited");
    assert_eq!(told["body"]["groupKey"], "{}:{alertname=\"A\"}");

    let way = read(&serve, "/belvedere/v1/alerts/way?label=alertname%3DA&label=severity%3Dwarn");
    assert_eq!((&way["state"], &way["steps"][0]["result"]["receiver"]), (&json!("suppressed"), &json!("hook")));
    let armed = request(api, "POST", "/belvedere/v1/alerts/receivers/hook", &[], b"{\"armed\":true}").unwrap();
    assert_eq!(armed.status, 200);
    assert_eq!(read(&serve, "/belvedere/v1/alerts/receivers")["receivers"][0]["armed"], true);
    assert_eq!(request(api, "POST", "/belvedere/v1/alerts/receivers/x", &[], b"{\"armed\":true}").unwrap().status, 404);
}

#[test]
fn rules_of_a_folder_are_evaluated_and_shown_as_prometheus_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "groups: [{name: g, interval: 1s, rules: [{record: one, expr: vector(1)}, {alert: Always, expr: one == 1, annotations: {text: 'v {{ $value }}'}}]}]";
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let serve = Serve::start_with(&["--provision", folder.path().to_str().unwrap()]);
    let fired = wait_until(Duration::from_secs(20), || {
        let alerts = read(&serve, "/api/v1/alerts");
        (alerts["data"]["alerts"][0]["state"] == "firing").then(|| alerts["data"]["alerts"][0].clone())
    });
    let fired = fired.expect("it fires within twenty seconds");
    assert_eq!((&fired["annotations"]["text"], &fired["value"]), (&json!("v 1"), &json!("1e+00")));
    let groups = read(&serve, "/api/v1/rules?type=alert")["data"]["groups"].clone();
    assert_eq!((&groups[0]["name"], &groups[0]["interval"]), (&json!("g"), &json!(1.0)));
    let rule = &groups[0]["rules"][0];
    assert_eq!(
        (&rule["name"], &rule["state"], &rule["health"], &rule["type"]),
        (&json!("Always"), &json!("firing"), &json!("ok"), &json!("alerting"))
    );
    assert_eq!(read(&serve, "/api/v2/alerts")[0]["labels"]["alertname"], "Always", "routed as well");
    let name = groups[0]["file"].as_str().unwrap().trim_start_matches('/').to_owned();
    let refused = request(serve.door("api"), "PUT", &format!("/belvedere/v1/alerts/rules/{name}"), &[], b"groups: [").unwrap();
    assert_eq!(refused.status, 400);
}
