//! Belvedere beside a real Prometheus: it takes what Prometheus remote-writes, answers queries as Prometheus does on the
//! same samples, and Prometheus' own tools ask it as they ask Prometheus.
//!
//! Prometheus 3 is taken from the folder that `PEERS_DIR` names (`prometheus3`, `promtool3`), else Debian's `prometheus`
//! serves where its age makes no difference. What is missing is passed over with a note; Debian's must be there in CI.

use crate::support::{Reply, Serve, get, request, skip};
use belvedere::model::{BucketSpan, FloatHistogram, Labels, SampleBatch, SampleValue};
use belvedere::wire::remote_write::{encode_v1, encode_v2};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Until a Prometheus answers, and until what it scraped has come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Samples of a series in the differential test, 15 s apart.
const SAMPLES: i64 = 120;
/// Numbers may differ by the order of additions.
const TOLERANCE: f64 = 1e-10;

/// Queries whose answers are compared, each as a range and at one moment.
const CORPUS: [&str; 44] = [
    "requests_total",
    r#"requests_total{job="a"}"#,
    r#"requests_total{code=~"5..",job!="b"}"#,
    "rate(requests_total[5m])",
    "increase(requests_total[7m])",
    "irate(requests_total[2m])",
    "delta(temperature[5m])",
    "deriv(temperature[5m])",
    "predict_linear(temperature[5m], 600)",
    "sum by (job) (rate(requests_total[5m]))",
    "sum without (code) (rate(requests_total[5m]))",
    "avg by (code) (temperature * 2)",
    "count by (job) (requests_total)",
    "min(temperature)",
    "max by (job) (temperature)",
    "stddev by (job) (temperature)",
    "quantile by (job) (0.9, temperature)",
    "topk(1, temperature)",
    "bottomk by (job) (1, temperature)",
    r#"count_values("value", round(temperature, 5))"#,
    "avg_over_time(temperature[3m])",
    "max_over_time(temperature[3m])",
    "quantile_over_time(0.5, temperature[3m])",
    "stdvar_over_time(temperature[3m])",
    "changes(requests_total[5m])",
    "resets(requests_total[10m])",
    "count_over_time(gappy[10m])",
    "absent(nothing)",
    "absent_over_time(gappy[1m])",
    "last_over_time(gappy[5m])",
    "gappy",
    r#"sum(rate(requests_total{code="500"}[5m])) / sum(rate(requests_total[5m]))"#,
    "temperature > 20",
    "temperature > bool 20",
    "requests_total and on (job) temperature",
    "requests_total unless on (job, code) (requests_total > 100)",
    "temperature or requests_total",
    "requests_total * on (job) group_left temperature",
    "max_over_time(sum by (job) (rate(requests_total[2m]))[10m:1m])",
    "requests_total offset 3m",
    "histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))",
    "histogram_quantile(0.9, rate(native[5m]))",
    "histogram_count(sum(native))",
    r#"label_replace(requests_total, "x", "$1-y", "job", "(.*)")"#,
];

struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Prometheus {
    /// Starts one; the configuration may name `{address}`, its own.
    fn start(binary: &PathBuf, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, configuration.replace("{address}", &address.to_string())).unwrap();
        let mut command = Command::new(binary);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.args(["--web.enable-remote-write-receiver", "--log.level=error", "--enable-feature=native-histograms"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let this = Self { child, address, _folder: folder };
        let since = Instant::now();
        while get(address, "/-/ready").map_or(true, |reply| reply.status != 200) {
            assert!(since.elapsed() < PATIENCE, "Prometheus does not get ready");
            thread::sleep(Duration::from_millis(50));
        }
        this
    }
}

fn peer(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("PEERS_DIR")?).join(name);
    path.is_file().then_some(path)
}

/// Prometheus 3, or the one on the path.
fn any_prometheus() -> Option<PathBuf> {
    peer("prometheus3").or_else(|| {
        let found = Command::new("prometheus").arg("--version").output().is_ok_and(|output| output.status.success());
        found.then(|| PathBuf::from("prometheus"))
    })
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn write(address: SocketAddr, version_two: bool, batch: &SampleBatch) -> Reply {
    let (body, media) = if version_two {
        (encode_v2(batch), "application/x-protobuf;proto=io.prometheus.write.v2.Request")
    } else {
        (encode_v1(batch), "application/x-protobuf")
    };
    let body = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    let headers = [("content-type", media), ("content-encoding", "snappy")];
    request(address, "POST", "/api/v1/write", &headers, &body).unwrap()
}

/// Counters with a reset, gauges, a series with a gap and an end, classic and native histograms.
fn samples(start: i64) -> SampleBatch {
    let mut batch = SampleBatch::default();
    let time = |at: i64| start + at * 15_000;
    let mut seed = 7_u64;
    let mut dice = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 40) as f64 / f64::from(1 << 24)
    };
    for (job, code) in [("a", "200"), ("a", "500"), ("b", "200"), ("b", "500"), ("c", "200")] {
        batch.begin_series(&Labels::new([("__name__", "requests_total"), ("job", job), ("code", code)]));
        let mut value = 0.0;
        for at in 0..SAMPLES {
            value = if job == "b" && at == 70 { 0.0 } else { value + (dice() * 9.0).floor() };
            batch.push_float(time(at), value);
        }
    }
    for job in ["a", "b"] {
        batch.begin_series(&Labels::new([("__name__", "temperature"), ("job", job)]));
        for at in 0..SAMPLES {
            batch.push_float(time(at), 20.0 + 8.0 * (dice() - 0.5));
        }
    }
    batch.begin_series(&Labels::new([("__name__", "gappy"), ("job", "a")]));
    for at in (0..SAMPLES).filter(|at| !(30..60).contains(at) && *at < 100) {
        let value = if at == 99 { belvedere::model::sample::STALE_NAN } else { at as f64 };
        batch.push_float(time(at), value);
    }
    let mut counts = [0.0; 4];
    let mut columns = vec![Vec::new(); 4];
    for _ in 0..SAMPLES {
        counts[(dice() * 4.0) as usize] += 1.0;
        let mut sum = 0.0;
        for (column, count) in columns.iter_mut().zip(counts) {
            sum += count;
            column.push(sum);
        }
    }
    for (le, column) in ["0.1", "0.5", "1.0", "+Inf"].into_iter().zip(columns) {
        batch.begin_series(&Labels::new([("__name__", "latency_bucket"), ("le", le)]));
        column.into_iter().enumerate().for_each(|(at, value)| batch.push_float(time(at as i64), value));
    }
    for job in ["a", "b"] {
        batch.begin_series(&Labels::new([("__name__", "native"), ("job", job)]));
        let mut buckets = [0.0; 3];
        for at in 0..SAMPLES {
            buckets[(dice() * 3.0) as usize] += 1.0;
            let histogram = FloatHistogram {
                schema: 1,
                count: buckets.iter().sum(),
                sum: at as f64,
                zero_threshold: 0.001,
                positive_spans: vec![BucketSpan { offset: -1, length: 3 }],
                positive_buckets: buckets.to_vec(),
                ..FloatHistogram::default()
            };
            batch.push(time(at), SampleValue::Histogram(Arc::new(histogram)));
        }
    }
    batch
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[test]
fn a_real_prometheus_remote_writes_what_it_scrapes() {
    let Some(binary) = any_prometheus() else { return skip("no prometheus in PEERS_DIR or on the path") };
    let serve = Serve::start();
    let api = serve.door("api");
    let configuration = format!(
        "global: {{scrape_interval: 1s}}\nremote_write: [{{url: 'http://{api}/api/v1/write'}}]\nscrape_configs: [{{job_name: itself, static_configs: [{{targets: ['{{address}}']}}]}}]\n"
    );
    let _prometheus = Prometheus::start(&binary, &configuration);
    let since = Instant::now();
    loop {
        let reply = get(api, &format!("/api/v1/query?{}", encoded(&[("query", r#"count({job="itself"})"#)]))).unwrap().json();
        let count = reply["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
        if count.is_some_and(|count| count > 100.0) {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{reply}");
        thread::sleep(Duration::from_millis(200));
    }
    let up = get(api, "/api/v1/query?query=up").unwrap().json();
    assert_eq!(up["data"]["result"][0]["value"][1], "1", "{up}");
}

#[test]
fn every_sample_of_the_corpus_is_that_of_prometheus_3() {
    let Some(binary) = peer("prometheus3") else { return eprintln!("skipped: no prometheus3 in PEERS_DIR") };
    let serve = Serve::start();
    let api = serve.door("api");
    let prometheus = Prometheus::start(&binary, "global: {}\n");
    let start = (now_ms() - 3_600_000) / 60_000 * 60_000;
    let batch = samples(start);
    let theirs = write(prometheus.address, false, &batch);
    assert_eq!(theirs.status, 204, "{}", theirs.text());
    let ours = write(api, true, &batch);
    assert_eq!(ours.status, 204, "{}", ours.text());
    let time = |at: i64| ((start + at * 1000) as f64 / 1000.0).to_string();
    let mut differences = Vec::new();
    for query in CORPUS {
        let range = [("query", query), ("start", &time(0)), ("end", &time(SAMPLES * 15)), ("step", "23")];
        let instant = [("query", query), ("time", &time(1111))];
        for path in [format!("query_range?{}", encoded(&range)), format!("query?{}", encoded(&instant))] {
            let path = format!("/api/v1/{path}");
            let (a, b) = (get(api, &path).unwrap(), get(prometheus.address, &path).unwrap());
            if a.status != b.status || !same(&sorted(a.json()), &sorted(b.json())) {
                differences.push(format!("{query}\n  here  {}\n  there {}", cut(&a.text()), cut(&b.text())));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn promtool_asks_as_it_asks_prometheus() {
    let Some(promtool) = peer("promtool3") else { return eprintln!("skipped: no promtool3 in PEERS_DIR") };
    let serve = Serve::start();
    let api = serve.door("api");
    let start = now_ms() - 600_000;
    let mut batch = SampleBatch::default();
    batch.begin_series(&Labels::new([("__name__", "up"), ("job", "node")]));
    (0..40).for_each(|at| batch.push_float(start + at * 15_000, 1.0));
    assert_eq!(write(api, false, &batch).status, 204);
    let url = format!("http://{api}");
    for (arguments, expected) in [
        (vec!["query", "instant", &url, "up"], r#"up{job="node"} => 1"#),
        (vec!["query", "range", "--step=30s", &url, "up"], r#"up{job="node"} =>"#),
        (vec!["query", "labels", &url, "job"], "node"),
        (vec!["query", "series", "--match=up", &url], r#"{__name__="up", job="node"}"#),
    ] {
        let output = Command::new(&promtool).args(&arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(600.min(text.len()))]
}

/// An answer whose series are in one order: Prometheus gives those of a vector in any.
fn sorted(mut answer: Value) -> Value {
    if let Some(series) = answer["data"]["result"].as_array_mut() {
        series.sort_by_key(|series| {
            let mut pairs: Vec<(String, String)> = series["metric"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect();
            pairs.sort();
            pairs
        });
    }
    answer
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::String(a), Value::String(b)) => {
            a == b
                || match (a.parse::<f64>(), b.parse::<f64>()) {
                    (Ok(a), Ok(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1e-300),
                    _ => false,
                }
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}
