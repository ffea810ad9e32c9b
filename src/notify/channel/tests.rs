use super::*;
use crate::notify::message::tests::body;
use crate::wire::yaml;
use serde_json::{Value, json};

fn channel(kind: &str, section: &str) -> Result<Channel, ChannelError> {
    let own = yaml::parse(section).unwrap().unwrap();
    let read = |path: &str| if path == "/key" { Ok("from-file\n".to_owned()) } else { Err("no such file".to_owned()) };
    Channel::read(kind, Settings { own: &own, global: None, read: &read })
}

fn request(channel: &Channel, body: &RawValue) -> Request {
    channel.request(&Envelope { id: "msg_1", dedup_key: "0123", now: UnixNanos(5_000_000_000), body }).unwrap()
}

fn sent(kind: &str, section: &str, firing: &[u32], summary: &str) -> Value {
    let resolved: &[u32] = if firing.is_empty() { &[1] } else { &[] };
    serde_json::from_slice(&request(&channel(kind, section).unwrap(), &body(firing, resolved, summary)).body).unwrap()
}

#[test]
fn a_webhook_is_told_alertmanagers_body_under_a_stable_id() {
    let hook = channel("webhook", "{url: 'http://h/x', max_alerts: 1, http_config: {authorization: {credentials_file: /key}}}")
        .unwrap();
    let request = request(&hook, &body(&[1, 2], &[], "slow"));
    let told: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        (&told["version"], &told["truncatedAlerts"], told["alerts"].as_array().unwrap().len()),
        (&json!("4"), &json!(1), 1)
    );
    for (name, value) in [("webhook-id", "msg_1"), ("webhook-timestamp", "5"), ("authorization", "Bearer from-file")] {
        assert!(request.headers.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
    let shown = hook.shown(&request);
    assert!(!shown.contains("from-file") && shown.contains("POST http://h***\n"), "{shown}");
}

#[test]
fn pagerduty_is_triggered_and_resolved_under_one_key() {
    let section = "{routing_key: 0123456789abcdef0123456789abcdef}";
    let event = sent("pagerduty", section, &[1], "slow");
    assert_eq!((&event["event_action"], &event["dedup_key"]), (&json!("trigger"), &json!("0123")));
    assert_eq!((&event["payload"]["severity"], &event["payload"]["source"]), (&json!("critical"), &json!("Belvedere")));
    assert_eq!(event["payload"]["summary"], "[FIRING:1] High (critical)");
    assert_eq!(event["payload"]["timestamp"], "2026-01-02T03:04:05Z");
    let event = sent("pagerduty", section, &[], "slow");
    assert_eq!(
        event,
        json!({"routing_key": "0123456789abcdef0123456789abcdef", "event_action": "resolve", "dedup_key": "0123"})
    );
    let event = sent("pagerduty", section, &[1], &"x".repeat(600_000));
    assert!(event["payload"]["custom_details"]["error"].as_str().unwrap().contains("512000 bytes"));
    assert!(channel("pagerduty", "{service_key: x}").is_err());
}

#[test]
fn limits_of_the_rooms_hold() {
    let long = "ä".repeat(20_000);
    let slack = sent("slack", "{api_url: 'http://s/T/B', channel: '#ops'}", &[1], &long);
    assert_eq!((&slack["channel"], &slack["attachments"][0]["color"]), (&json!("#ops"), &json!("danger")));
    assert_eq!(slack["attachments"][0]["text"].as_str().unwrap().chars().count(), 3_000);
    let discord = sent("discord", "{webhook_url: 'http://d/x'}", &[1], &long);
    assert_eq!(discord["embeds"][0]["description"].as_str().unwrap().chars().count(), 4_096);
    let teams = sent("msteamsv2", "{webhook_url: 'http://t/x'}", &[1], &long);
    assert!(teams.to_string().len() < 28_000);
    assert_eq!(teams["attachments"][0]["content"]["version"], "1.2");
    let telegram =
        sent("telegram", "{api_url: 'http://t', bot_token: '1:x', chat_id: -100, message_thread_id: 7}", &[1], &long);
    assert_eq!((&telegram["chat_id"], &telegram["message_thread_id"]), (&json!(-100), &json!(7)));
    assert_eq!(telegram["text"].as_str().unwrap().chars().count(), 4_096);
    let webex =
        sent("webex", "{room_id: r, api_url: 'http://w/v1', http_config: {authorization: {credentials: c}}}", &[1], &long);
    assert!(webex["markdown"].as_str().unwrap().len() <= 7_439);
    let ntfy = sent("webhook", "{url: 'ntfy://n:80/topic'}", &[1], "slow");
    assert_eq!((&ntfy["topic"], &ntfy["priority"], &ntfy["click"]), (&json!("topic"), &json!(5), &json!("http://b")));
    let pushover = channel("pushover", "{user_key: u-1, token: t-1, retry: 10s}").unwrap();
    let request = request(&pushover, &body(&[1], &[], &long));
    let form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
    assert_eq!((field("priority"), field("retry"), field("expire")), ("2".to_owned(), "30".to_owned(), "3600".to_owned()));
    assert_eq!(field("message").chars().count(), 1_024);
    assert!(!pushover.shown(&request).contains("u-1") && !pushover.shown(&request).contains("t-1"));
}

#[test]
fn an_answer_means_what_its_vendor_means_by_it() {
    let answer = |status, body: &'static str| Answer { status, retry_after: None, body: body.as_bytes() };
    let judge = |channel: &Channel, status, body| channel.judge(&answer(status, body), UnixNanos(0));
    let api = channel("slack", "{app_token: xoxb, app_url: 'http://s/api/chat.postMessage'}").unwrap();
    assert_eq!(judge(&api, 200, r#"{"ok":true}"#), Verdict::Delivered);
    assert!(matches!(judge(&api, 200, r#"{"ok":false,"error":"ratelimited"}"#), Verdict::Later { .. }));
    assert!(matches!(judge(&api, 200, r#"{"ok":false,"error":"channel_not_found"}"#), Verdict::Never { .. }));
    let hook = channel("slack", "{api_url: 'http://s/T/B'}").unwrap();
    assert_eq!(judge(&hook, 200, "ok"), Verdict::Delivered);
    let teams = channel("msteamsv2", "{webhook_url: 'http://t/x'}").unwrap();
    assert!(matches!(judge(&teams, 412, ""), Verdict::Later { .. }));
    assert!(matches!(judge(&hook, 412, ""), Verdict::Never { .. }));
}

#[test]
fn what_is_not_done_is_refused_with_a_reason() {
    for (kind, section, wanted) in [
        ("email", "{to: a@b}", "email_configs can be routed to but not sent to yet"),
        ("webhook", "{url: 'http://h/', http_config: {proxy_url: 'http://p'}}", "http_config.proxy_url is not supported"),
        ("webhook", "{url: '<secret>'}", "url is masked"),
        ("webhook", "{url: '{{ .CommonLabels.url }}'}", "the address is"),
        ("webhook", "{url_file: /none}", "url_file cannot be read: no such file: /none"),
        ("pushover", "{user_key: u, token: t, priority: '9'}", "no number from -2 to 2"),
    ] {
        let error = channel(kind, section).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert_eq!(channel("slack", "{api_url: 'http://s/', title: '{{ x }}'}").unwrap().notes.len(), 1);
}
