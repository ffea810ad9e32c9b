//! The same data and queries through a real Prometheus 3 and through our engine: every sample, warning and error the same.
//!
//! `PEERS_DIR` names the folder with `prometheus3` and `promtool3`; without it there is nothing to compare with.

use crate::support::{get, wait_until};
use belvedere::model::{Labels, SampleColumn};
use belvedere::promql::eval::{Options, When, evaluate};
use belvedere::promql::{json, parse};
use belvedere::source::{MemorySeries, QueryControl};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// When the data begins, in seconds: a multiple of Prometheus' block length.
const EPOCH: i64 = 1_700_006_400;
/// Between samples.
const INTERVAL: i64 = 15;
const SAMPLES: i64 = 240;

const QUERIES: &[&str] = &[
    "requests_total",
    "requests_total{job=~\"a.*\",code!=\"500\"}",
    "rate(requests_total[5m])",
    "increase(requests_total[1m30s])",
    "irate(requests_total[1m])",
    "delta(temperature[5m])",
    "idelta(temperature[5m])",
    "deriv(temperature[10m])",
    "predict_linear(temperature[10m], 3600)",
    "sum by (job) (rate(requests_total[5m]))",
    "sum without (instance, code) (rate(requests_total[5m]))",
    "avg by (code) (requests_total)",
    "min(temperature)",
    "max by (room) (temperature)",
    "count by (job) (requests_total)",
    "group by (job) (requests_total)",
    "stddev by (job) (requests_total)",
    "stdvar(requests_total)",
    "quantile by (job) (0.7, requests_total)",
    "quantile(1.2, requests_total)",
    "topk(2, requests_total)",
    "bottomk by (job) (1, requests_total)",
    "count_values(\"value\", temperature)",
    "histogram_quantile(0.9, sum by (le, job) (rate(latency_bucket[5m])))",
    "histogram_quantile(0.5, latency_bucket)",
    "histogram_fraction(0.1, 0.7, rate(latency_bucket[5m]))",
    "histogram_quantile(2, latency_bucket)",
    "requests_total + 1",
    "2 ^ requests_total % 7",
    "-temperature",
    "temperature > 20",
    "temperature > bool 20",
    "20 < temperature",
    "requests_total / on (job, instance, code) requests_total",
    "requests_total * on (room) group_left () temperature",
    "sum by (job) (requests_total) / on (job) group_right () requests_total",
    "requests_total and on (job) requests_total{code=\"500\"}",
    "requests_total unless on (job) requests_total{instance=\"1\"}",
    "temperature or requests_total",
    "requests_total offset 5m",
    "requests_total offset -1m",
    "requests_total @ 1700007000",
    "rate(requests_total[5m] @ end())",
    "rate(requests_total[5m] @ start() offset 1m)",
    "max_over_time(rate(requests_total[1m])[10m:1m])",
    "sum_over_time(sum(temperature)[5m:])",
    "max_over_time(sum(requests_total)[10m:30s] offset 1m)",
    "count_over_time(gappy[5m])",
    "sum_over_time(temperature[5m])",
    "avg_over_time(temperature[5m])",
    "min_over_time(temperature[5m])",
    "max_over_time(gappy[5m])",
    "stddev_over_time(temperature[5m])",
    "stdvar_over_time(temperature[5m])",
    "quantile_over_time(0.3, temperature[5m])",
    "last_over_time(gappy[5m])",
    "present_over_time(gappy[1m])",
    "absent_over_time(gappy[30s])",
    "absent(nothing{a=\"b\"})",
    "absent(gappy)",
    "changes(temperature[5m])",
    "resets(requests_total[10m])",
    "label_replace(temperature, \"floor\", \"$1\", \"room\", \"(.).*\")",
    "label_join(requests_total, \"all\", \"-\", \"job\", \"instance\")",
    "clamp(temperature, 19, 21)",
    "round(temperature, 0.3)",
    "scalar(temperature{room=\"attic\"})",
    "vector(time())",
    "timestamp(gappy)",
    "hour() + day_of_week() + days_in_month()",
    "sort_desc(requests_total)",
    "sgn(temperature - 20) + sqrt(abs(temperature)) + exp(-temperature) + ln(temperature)",
    "requests_total + on (job) requests_total",
    "rate(temperature[5m]) + rate(latency_sum[5m])",
];

/// Series as OpenMetrics text and in memory.
fn data() -> (String, MemorySeries) {
    let mut source = MemorySeries::default();
    let mut text = String::new();
    let mut add = |name: &str, labels: &[(&str, &str)], value: &dyn Fn(i64) -> Option<f64>| {
        let shown: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let mut column = SampleColumn::default();
        for sample in 0..SAMPLES {
            if let Some(value) = value(sample) {
                let time = EPOCH + sample * INTERVAL;
                let _ = writeln!(text, "{name}{{{}}} {value} {time}", shown.join(","));
                column.times.push(time * 1_000);
                column.values.push(value);
            }
        }
        let all = labels.iter().copied().chain([("__name__", name)]);
        source.append(&Labels::new(all), &column);
    };
    for (job, step) in [("api", 3), ("auth", 5), ("web", 7)] {
        for instance in ["1", "2"] {
            for code in ["200", "500"] {
                let offset = step * (code.len() as i64 + instance.parse::<i64>().unwrap());
                // Counters begin again at different times.
                let value = move |sample: i64| Some(((sample * step + sample * sample / 9) % (400 + offset * 37)) as f64);
                add("requests_total", &[("job", job), ("instance", instance), ("code", code), ("room", "attic")], &value);
            }
        }
    }
    for (room, base) in [("attic", 21.0), ("cellar", 12.5)] {
        add("temperature", &[("room", room)], &move |sample| Some(base + (sample as f64 / 7.0).sin() * 3.0));
    }
    add("gappy", &[("a", "b")], &|sample| (sample % 40 < 12).then_some(sample as f64 / 4.0));
    for job in ["api", "web"] {
        for (index, le) in ["0.1", "0.5", "1", "+Inf"].iter().enumerate() {
            let value = move |sample: i64| Some((sample * (index as i64 * index as i64 + 1) * job.len() as i64 / 2) as f64);
            add("latency_bucket", &[("job", job), ("le", le)], &value);
        }
        add("latency_sum", &[("job", job)], &|sample| Some(sample as f64 * 1.7));
    }
    text.push_str("# EOF\n");
    (text, source)
}

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(peers: &std::path::Path, folder: &std::path::Path, text: &str) -> (Peer, SocketAddr) {
    let file = folder.join("data.om");
    fs::write(&file, text).unwrap();
    let made = Command::new(peers.join("promtool3"))
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(&file)
        .arg(folder.join("tsdb"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let config = folder.join("prometheus.yml");
    fs::write(&config, "global: {scrape_interval: 1h}\n").unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(peers.join("prometheus3"))
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--storage.tsdb.retention.time=100y")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let peer = Peer(child);
    let ready = || get(address, "/-/ready").ok().filter(|reply| reply.status == 200);
    assert!(wait_until(Duration::from_secs(30), ready).is_some(), "it does not become ready");
    (peer, address)
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}

/// Series sorted, so that the order of an instant vector does not matter; messages sorted too.
fn settled(mut body: Value) -> Value {
    for path in ["/data/result", "/warnings", "/infos"] {
        if let Some(list) = body.pointer_mut(path).and_then(Value::as_array_mut) {
            list.sort_by_key(Value::to_string);
        }
    }
    body
}

/// Equal but for the last digits of numbers.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| alike(value, other)))
        }
        (Value::String(a), Value::String(b)) if a != b => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-12 * (a.abs() + b.abs()),
            _ => false,
        },
        (a, b) => a == b,
    }
}

fn ours(source: &MemorySeries, query: &str, when: When) -> Value {
    let expr = match parse(query) {
        Ok(expr) => expr,
        Err(error) => return serde_json::json!({"status": "error", "error": error.to_string()}),
    };
    let text = match evaluate(&expr, when, source, &Options::default(), &QueryControl::default()) {
        Ok(evaluated) => json::success(&evaluated, query, false),
        Err(error) => json::failure("execution", &error.to_string()),
    };
    serde_json::from_str(&text).unwrap()
}

#[test]
fn answers_are_those_of_prometheus() {
    let Some(peers) = std::env::var_os("PEERS_DIR").map(PathBuf::from).filter(|peers| peers.join("prometheus3").is_file())
    else {
        eprintln!("passed over: PEERS_DIR names no folder with prometheus3 and promtool3");
        return;
    };
    let (text, source) = data();
    let folder = tempfile::tempdir().unwrap();
    let (_peer, address) = start(&peers, folder.path(), &text);
    let mut wrong = String::new();
    let mut compared = 0;
    for query in QUERIES {
        for offset in [1_800, 2_707, 3_660] {
            let time = EPOCH + offset;
            let path = format!("/api/v1/query?time={time}&query={}", encoded(query));
            compare(address, &path, ours(&source, query, When::Instant(time * 1_000)), query, &mut wrong);
            compared += 1;
        }
        let (start, end, step) = (EPOCH + 7, EPOCH + 3_900, 37);
        let path = format!("/api/v1/query_range?start={start}&end={end}&step={step}&query={}", encoded(query));
        let when = When::Range { start: start * 1_000, end: end * 1_000, step: step * 1_000 };
        compare(address, &path, ours(&source, query, when), query, &mut wrong);
        compared += 1;
    }
    assert!(wrong.is_empty(), "{compared} compared:\n{wrong}");
}

fn compare(address: SocketAddr, path: &str, ours: Value, query: &str, wrong: &mut String) {
    let theirs = settled(get(address, path).unwrap().json());
    let ours = settled(ours);
    if !alike(&theirs, &ours) {
        let (theirs, ours) = (theirs.to_string(), ours.to_string());
        let at = theirs.bytes().zip(ours.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(60);
        let cut = |text: &str| text.get(at..).unwrap_or_default().chars().take(300).collect::<String>();
        let _ = writeln!(wrong, "{query} ({})\n theirs …{}\n ours   …{}", &path[..24], cut(&theirs), cut(&ours));
    }
}
