//! Metrics through the doors: remote write with every answer it can give, OTLP deltas, StatsD, scraping.

use super::*;
use crate::collector::scrape::config::ScrapeConfig;
use crate::collector::scrape::{Health, Scraper};
use crate::model::sample::is_stale;
use crate::model::{Labels, SampleBatch, SampleColumn};
use crate::source::{MatchOp, Matcher, MillisRange, QueryControl, SeriesRequest};
use crate::wire::remote_write::{encode_v1, encode_v2};
use std::time::Instant;

const NOW_MS: i64 = NOW / 1_000_000;

fn one(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> SampleBatch {
    let mut batch = SampleBatch::default();
    batch.begin_series(&Labels::new(labels.iter().copied()));
    samples.iter().for_each(|(time, value)| batch.push_float(*time, *value));
    batch
}

fn snappy(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).unwrap()
}

/// The API door, which answers remote write itself and nothing else here.
async fn api_house() -> House {
    house(|config| config.doors = vec![(Door::Api, vec!["127.0.0.1:0".parse().unwrap()])]).await
}

impl House {
    /// Samples of a metric, by labels, each as time and value.
    fn samples(&self, name: &str) -> Vec<(String, Vec<(i64, f64)>)> {
        let source = self.sink.workspace.metrics();
        let matchers = [Matcher { name: "__name__".into(), op: MatchOp::Equal, value: name.into() }];
        let request = SeriesRequest { matchers: &matchers, range: MillisRange::ALL, limit: 0 };
        let set = source.select(&request, &QueryControl::default()).unwrap();
        let mut column = SampleColumn::default();
        let read = |(index, series): (usize, &crate::source::PickedSeries)| {
            set.read(index, MillisRange::ALL, &mut column).unwrap();
            let samples = column.times.iter().copied().zip(column.values.iter().copied()).collect();
            (series.labels.to_string(), samples)
        };
        set.series().iter().enumerate().map(read).collect()
    }

    async fn write(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        send_http1(self.address(Door::Api), post("/api/v1/write", headers, body)).await
    }
}

const SNAPPY: (&str, &str) = ("content-encoding", "snappy");
const V2: (&str, &str) = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_stores_and_answers_as_the_specification_says() {
    let house = api_house().await;
    let batch = one(&[("__name__", "up"), ("job", "node")], &[(NOW_MS, 1.0), (NOW_MS + 15_000, 0.0)]);
    let answer = house.write(&[SNAPPY], snappy(&encode_v1(&batch))).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(house.samples("up")[0].1, [(NOW_MS, 1.0), (NOW_MS + 15_000, 0.0)]);
    assert_eq!(house.account("node", Signal::Metrics).stored, 2);

    // Version 2: one good sample, one that conflicts with what is stored.
    let mut mixed = one(&[("__name__", "up"), ("job", "node")], &[(NOW_MS, 5.0)]);
    mixed.begin_series(&Labels::new([("__name__", "down"), ("job", "node")]));
    mixed.push_float(NOW_MS, 7.0);
    let answer = house.write(&[SNAPPY, V2], snappy(&encode_v2(&mixed))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert!(answer.text().contains("duplicate sample for timestamp (1 samples)"), "{}", answer.text());
    assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), "1");
    assert_eq!(answer.header("x-prometheus-remote-write-histograms-written"), "0");
    assert_eq!(house.samples("down")[0].1, [(NOW_MS, 7.0)]);
    assert_eq!(house.samples("up")[0].1[0], (NOW_MS, 1.0), "the first value stays");

    // Sent again, as after a lost answer: all is well, nothing doubles.
    let answer = house.write(&[SNAPPY], snappy(&encode_v1(&batch))).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    let text = house.registry.expose();
    assert!(text.contains("belvedere_received_total{door=\"api\",signal=\"metrics\"} 6\n"), "{text}");
    assert!(text.contains("belvedere_rejected_total{door=\"api\",signal=\"metrics\"} 1\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_refuses_what_it_cannot_read() {
    let house = api_house().await;
    let good = encode_v1(&one(&[("__name__", "up")], &[(NOW_MS, 1.0)]));
    for (headers, body, status, part) in [
        (vec![("content-type", "application/json")], snappy(&good), StatusCode::UNSUPPORTED_MEDIA_TYPE, "is not accepted"),
        (vec![("content-encoding", "gzip")], snappy(&good), StatusCode::UNSUPPORTED_MEDIA_TYPE, "only snappy"),
        (vec![SNAPPY], good.clone(), StatusCode::BAD_REQUEST, "not a snappy block"),
        (vec![SNAPPY], snappy(&good[..good.len() - 1]), StatusCode::BAD_REQUEST, "at byte"),
        (vec![SNAPPY], b"\xff\xff\xff\x7f\x00".to_vec(), StatusCode::PAYLOAD_TOO_LARGE, "more than 33554432"),
        (vec![SNAPPY], snappy(&encode_v1(&one(&[("job", "x")], &[(NOW_MS, 1.0)]))), StatusCode::BAD_REQUEST, "no __name__"),
    ] {
        let answer = house.write(&headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        assert!(answer.text().contains(part), "{headers:?}: {}", answer.text());
    }
    assert_eq!(house.stored(), 0);
    house.sink.full.store(true, Ordering::SeqCst);
    let answer = house.write(&[SNAPPY], snappy(&good)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_over_otlp_add_up_and_are_not_added_twice() {
    let house = house(|_| {}).await;
    let send = |seconds: i64, value: i64| {
        let time = NOW + seconds * 1_000_000_000;
        let body = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"orders","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{{"startTimeUnixNano":"{NOW}","timeUnixNano":"{time}","asInt":"{value}"}}]}}}}]}}]}}]}}"#
        );
        send_http1(house.address(Door::OtlpHttp), post("/v1/metrics", &[("content-type", "application/json")], body))
    };
    assert_eq!(send(10, 3).await.status, StatusCode::OK);
    house.sink.full.store(true, Ordering::SeqCst);
    assert_eq!(send(20, 4).await.status, StatusCode::SERVICE_UNAVAILABLE);
    house.sink.full.store(false, Ordering::SeqCst);
    assert_eq!(send(20, 4).await.status, StatusCode::OK, "what was not stored counts when it comes again");
    assert_eq!(send(20, 4).await.status, StatusCode::OK, "what was stored does not");
    let late = send(15, 9).await;
    assert!(late.text().contains("were not added"), "{}", late.text());
    let samples = house.samples("orders_total");
    assert_eq!(samples[0].0, r#"orders_total{job="cart"}"#);
    assert_eq!(samples[0].1, [(NOW_MS + 10_000, 3.0), (NOW_MS + 20_000, 7.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn statsd_lines_are_told_when_the_door_closes_at_the_latest() {
    let house = house(|config| config.doors = vec![(Door::Statsd, vec!["127.0.0.1:0".parse().unwrap()])]).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = house.address(Door::Statsd);
    socket.send_to(b"a.b:1|c|@0.1\nbad\na.t:2|ms|#env:dev\n_e{5,4}:title|text", address).await.unwrap();
    // The datagram is taken by a task of its own; the event shows that it was.
    let since = Instant::now();
    while house.stored() == 0 && since.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.collector.stop().await;
    assert_eq!(house.samples("a_b_total"), [("a_b_total".to_owned(), vec![(NOW_MS, 10.0)])]);
    assert_eq!(house.samples("a_t_seconds")[0].0, r#"a_t_seconds{env="dev"}"#);
    assert_eq!(house.account("(statsd)", Signal::Metrics).rejected, 1);
    assert_eq!(house.account("(statsd)", Signal::Logs).stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_scraped_and_marked_stale_when_scraping_ends() {
    let house = house(|_| {}).await;
    let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        loop {
            let (mut stream, _) = target.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let count = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..count]).to_lowercase();
            let body = if head.contains("authorization: basic dtpw") { "# TYPE a counter\na 1\n" } else { "" };
            let status = if body.is_empty() { "401 Unauthorized" } else { "200 OK" };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let text = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n- {{job_name: good, basic_auth: {{username: u, password: p}}, static_configs: [{{targets: ['{address}']}}]}}\n- {{job_name: bad, static_configs: [{{targets: ['{address}']}}]}}\n"
    );
    let config = ScrapeConfig::parse(&text, std::path::Path::new(".")).unwrap();
    let clock = Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        UnixNanos(since.as_nanos() as i64)
    });
    let scraper = Scraper::start(config, house.sink.clone(), clock, 7);
    let since = Instant::now();
    let settled = |scraper: &Scraper| scraper.targets().active.iter().all(|target| target.health != Health::Unknown);
    while (scraper.targets().active.len() < 2 || !settled(&scraper)) && since.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let targets = scraper.targets();
    let of = |pool: &str| targets.active.iter().find(|target| target.pool == pool).unwrap();
    assert_eq!((of("good").health, of("good").samples), (Health::Up, 1), "{}", of("good").last_error);
    assert_eq!(of("bad").last_error, "server returned HTTP status 401 Unauthorized");
    scraper.stop().await;
    let up = house.samples("up");
    assert_eq!(up.len(), 2);
    for (labels, samples) in up {
        let expected = if labels.contains("good") { 1.0 } else { 0.0 };
        assert_eq!(samples[0].1, expected, "{labels}");
        assert!(is_stale(samples.last().unwrap().1), "{labels}");
    }
    let a = house.samples("a");
    assert_eq!(a[0].0, format!(r#"a{{instance="{address}", job="good"}}"#));
    assert!(is_stale(a[0].1.last().unwrap().1));
}
