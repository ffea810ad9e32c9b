use super::*;
use crate::alerting::alert::{Annotations, PostedAlert};
use crate::engine::{EngineOptions, Place};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

/// What a scripted sink does with a request.
enum Step {
    Answer(&'static str),
    Hang,
    Reset,
}

/// A real HTTP server that follows a script, one request a step, and keeps what it heard.
struct ScriptedSink {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

impl ScriptedSink {
    /// After the script everything is answered with 200.
    fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self { address: listener.local_addr().unwrap(), heard: Arc::default() };
        let heard = sink.heard.clone();
        std::thread::spawn(move || {
            let (mut script, mut kept) = (script.into_iter(), Vec::new());
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(request) = read_request(&mut stream) else { continue };
                heard.lock().unwrap().push(request);
                match script.next().unwrap_or(Step::Answer("200 OK\r\ncontent-length: 2\r\n\r\nok")) {
                    Step::Answer(text) => drop(stream.write_all(format!("HTTP/1.1 {text}").as_bytes())),
                    Step::Hang => kept.push(stream),
                    Step::Reset => drop(stream),
                }
            }
        });
        sink
    }

    fn heard(&self) -> Vec<(String, String)> {
        self.heard.lock().unwrap().clone()
    }

    fn header(&self, request: usize, name: &str) -> String {
        let head = self.heard()[request].0.to_lowercase();
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned()
    }
}

fn start(dir: &Path) -> Engine {
    start_with(dir, Duration::from_millis(400))
}

/// Without jitter: what failed is tried again at once.
fn start_with(dir: &Path, within: Duration) -> Engine {
    let engine = Engine::start(EngineOptions::quiet(Place::Folder(dir.to_owned()))).unwrap();
    let live = engine.0.live.as_ref().unwrap();
    live.post.random.set(0).unwrap();
    live.post.within.set(within).unwrap();
    engine
}

fn routes(channels: &str) -> String {
    format!(
        "route: {{receiver: ops, group_by: [alertname], group_wait: 0s, group_interval: 1m}}\nreceivers: [{{name: ops, {channels}}}]\n"
    )
}

fn hook(address: SocketAddr) -> String {
    routes(&format!("webhook_configs: [{{url: 'http://{address}/secret-path'}}]"))
}

fn fire(engine: &Engine, name: &str) {
    let alert = PostedAlert {
        labels: vec![("alertname".to_owned(), name.to_owned()), ("severity".to_owned(), "critical".to_owned())],
        annotations: Annotations::from([("summary".into(), "slow".to_owned())]),
        ..PostedAlert::default()
    };
    engine.post_alerts(vec![alert]).unwrap();
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn states(engine: &Engine) -> Vec<DeliveryState> {
    engine.deliveries().unwrap().iter().map(|one| one.state).collect()
}

#[test]
fn a_notification_arrives_through_every_kind_of_failure_under_one_id() {
    let sink = ScriptedSink::start(vec![
        Step::Answer("429 Slow\r\nretry-after: 0.05\r\ncontent-length: 0\r\n\r\n"),
        Step::Answer("429 Slow\r\nretry-after: Tue, 14 Nov 2023 22:13:50 GMT\r\ncontent-length: 0\r\n\r\n"),
        Step::Answer("429 Slow\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{\"retry_after\": 0.1}"),
        Step::Answer("503 Away\r\ncontent-length: 0\r\n\r\n"),
        Step::Hang,
        Step::Reset,
    ]);
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    engine.set_routes(&hook(sink.address)).unwrap();
    engine.arm_receiver("ops", true).unwrap();
    fire(&engine, "High");
    eventually("delivered", || states(&engine) == [DeliveryState::Delivered]);
    assert_eq!(sink.heard().len(), 7);
    let ids: std::collections::BTreeSet<String> = (0..7).map(|place| sink.header(place, "webhook-id")).collect();
    assert_eq!(ids.len(), 1, "the same id each time");
    let delivery = engine.deliveries().unwrap().remove(0);
    assert_eq!((delivery.tries, delivery.history.len()), (7, 5));
    assert_eq!(delivery.history.last().unwrap().status, Some(200));
    assert!(delivery.history.iter().all(|one| one.request.contains("High") && !one.request.contains("secret-path")));
    let told: Value = serde_json::from_str(&engine.notifications().unwrap()[0]).unwrap();
    assert_eq!((&told["sent"], &told["delivery"]), (&json!(true), &json!("delivered")));
    engine.stop();
}

#[test]
fn what_is_refused_is_not_tried_again_and_says_so() {
    let sink = ScriptedSink::start(vec![Step::Answer("400 Bad\r\ncontent-length: 7\r\n\r\ninvalid")]);
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    engine.set_routes(&hook(sink.address)).unwrap();
    fire(&engine, "Rehearsed");
    eventually("decided", || engine.notifications().unwrap().len() == 1);
    assert!(engine.deliveries().unwrap().is_empty(), "who is not armed is not told");
    engine.arm_receiver("ops", true).unwrap();
    fire(&engine, "High");
    eventually("refused", || states(&engine) == [DeliveryState::Refused]);
    assert_eq!(engine.deliveries().unwrap()[0].error.as_deref(), Some("answered 400: invalid"));
    assert_eq!(sink.heard().len(), 1);
    assert!(engine.notifications().unwrap().iter().all(|told| told.contains("\"sent\":false")));
    engine.stop();
}

#[test]
fn a_process_that_dies_in_any_state_loses_no_page_and_repeats_it_only_under_its_key() {
    let dir = tempfile::tempdir().unwrap();
    // Decided, stored and then dead: nothing took the row over.
    let dead = ScriptedSink::start(vec![Step::Hang, Step::Hang]);
    let engine = start_with(dir.path(), send::WITHIN);
    engine.set_routes(&hook(dead.address)).unwrap();
    engine.arm_receiver("ops", true).unwrap();
    fire(&engine, "High");
    eventually("asked", || dead.heard().len() == 1);
    let sending = engine.deliveries().unwrap().remove(0);
    assert_eq!((sending.state, sending.tries), (DeliveryState::Sending, 1), "on disk before the request leaves");
    // Dead while the answer is out: the row stays as it is.
    engine.stop();
    drop(engine);

    let engine = start(dir.path());
    eventually("asked again", || dead.heard().len() >= 2);
    assert_eq!(dead.header(0, "webhook-id"), dead.header(1, "webhook-id"));
    assert_eq!(dead.heard()[0].1, dead.heard()[1].1, "the same words");
    eventually("delivered", || states(&engine) == [DeliveryState::Delivered]);
    let heard = dead.heard().len();
    engine.stop();
    drop(engine);

    let engine = start(dir.path());
    assert_eq!(engine.undelivered(), 0);
    // Stored with its decision, and dead before anybody took it over.
    let live = engine.0.live.as_ref().unwrap();
    let workspace = live.served.now();
    let mut waiting = sending;
    (waiting.state, waiting.tries) = (DeliveryState::Waiting, 0);
    workspace.change_records(vec![put(&waiting)]).unwrap().wait().unwrap();
    engine.stop();
    drop((engine, workspace));
    let engine = start(dir.path());
    eventually("delivered after all", || states(&engine) == [DeliveryState::Delivered] && dead.heard().len() == heard + 1);
    engine.stop();
}

#[test]
fn a_receiver_that_is_disarmed_withdraws_what_waits() {
    let sink = ScriptedSink::start(vec![Step::Answer("429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n")]);
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    engine.set_routes(&hook(sink.address)).unwrap();
    engine.arm_receiver("ops", true).unwrap();
    fire(&engine, "High");
    eventually("put off", || engine.deliveries().unwrap().first().is_some_and(|one| one.error.is_some()));
    engine.arm_receiver("ops", false).unwrap();
    eventually("withdrawn", || states(&engine) == [DeliveryState::Withdrawn]);
    assert_eq!(sink.heard().len(), 1);
    engine.stop();
}

#[test]
fn every_channel_is_tested_over_http_and_one_that_cannot_send_is_not_armed() {
    let sink = ScriptedSink::start(Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path());
    let url = format!("http://{}", sink.address);
    engine
        .set_routes(&routes(&format!(
            "webhook_configs: [{{url: '{url}/w'}}], slack_configs: [{{api_url: '{url}/s'}}], discord_configs: [{{webhook_url: '{url}/d'}}],
 pagerduty_configs: [{{routing_key: 0123456789abcdef0123456789abcdef, url: '{url}/p'}}],
 msteamsv2_configs: [{{webhook_url: '{url}/m'}}], telegram_configs: [{{api_url: '{url}', bot_token: 't-t', chat_id: 1}}],
 webex_configs: [{{api_url: '{url}/x', room_id: r, http_config: {{authorization: {{credentials: c-c}}}}}}]"
        )))
        .unwrap();
    let made = engine.block_on(engine.test_receiver("ops")).unwrap().unwrap();
    assert_eq!(made.len(), 7);
    assert!(made.iter().all(|one| one.state == DeliveryState::Delivered && one.history[0].status == Some(200)), "{made:?}");
    assert!(sink.heard().iter().all(|(_, body)| body.contains("BelvedereTest")));
    assert_eq!(states(&engine).len(), 7, "in the history");
    // TLS with what speaks none fails, and is worth another try.
    engine.set_routes(&routes(&format!("webhook_configs: [{{url: 'https://{}/w'}}]", sink.address))).unwrap();
    let made = engine.block_on(engine.test_receiver("ops")).unwrap().unwrap();
    let error = made[0].error.clone().unwrap();
    assert!(
        ["no TLS with", "no answer within", "the system trusts no"].iter().any(|start| error.starts_with(start)),
        "{error}"
    );
    engine.set_routes(&routes("email_configs: [{to: a@b, from: b@c, smarthost: 'h:25'}]")).unwrap();
    assert!(
        engine.arm_receiver("ops", true).unwrap_err().to_string().contains("email_configs can be routed to but not sent to")
    );
    engine.stop();
}
