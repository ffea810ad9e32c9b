//! Alerts: 10,000 of them through routes, inhibition and groups to a flush; and one annotation expanded. Inputs are fixed.

#![allow(missing_docs, reason = "criterion_group! writes a public function without one")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot set up has nothing to measure")]

use belvedere::alerting::alert::{Alert, Annotations};
use belvedere::alerting::route::config::Config;
use belvedere::alerting::route::groups::{Router, Routing};
use belvedere::alerting::template::{Context, Template, Value, alert_data};
use belvedere::model::{Labels, UnixNanos};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const ALERTS: usize = 10_000;
const SECOND: i64 = 1_000_000_000;

/// Fifty teams, three severities each, and inhibition of warnings by pages.
fn routing() -> Routing {
    let mut routes = String::new();
    for team in 0..50 {
        routes.push_str(&format!(
            "    - matchers: [team=team-{team}]\n      receiver: r{team}\n      routes:\n        - {{matchers: ['severity=~\"page|critical\"'], group_by: [alertname, cluster, instance]}}\n"
        ));
    }
    let receivers: String =
        (0..50).map(|team| format!("  - {{name: r{team}, webhook_configs: [{{url: 'http://x/'}}]}}\n")).collect();
    let text = format!(
        "route:\n  receiver: r0\n  group_by: [alertname, cluster]\n  group_wait: 0s\n  routes:\n{routes}inhibit_rules:\n  - {{source_matchers: [severity=page], target_matchers: ['severity=~\"warning|info\"'], equal: [alertname, cluster]}}\n  - {{source_matchers: [alertname=ClusterDown], target_matchers: [alertname!=ClusterDown], equal: [cluster]}}\nreceivers:\n{receivers}"
    );
    Routing::new(&Config::parse(&text).unwrap())
}

fn alerts() -> Vec<Alert> {
    let severity = ["page", "critical", "warning", "info"];
    (0..ALERTS)
        .map(|number| Alert {
            labels: Labels::new([
                ("alertname", format!("Alert{}", number % 97)),
                ("cluster", format!("c{}", number % 11)),
                ("instance", format!("host-{number}:9100")),
                ("job", "node".to_owned()),
                ("severity", severity[number % 4].to_owned()),
                ("team", format!("team-{}", number % 60)),
            ]),
            annotations: Annotations::from([("summary".into(), "something is wrong".to_owned())]),
            starts_at: UnixNanos(SECOND),
            ends_at: UnixNanos(600 * SECOND),
            generator_url: "http://p/graph".to_owned(),
            updated_at: UnixNanos(SECOND),
            timeout: false,
        })
        .collect()
}

fn bench(c: &mut Criterion) {
    let (routing, alerts) = (routing(), alerts());
    let mut group = c.benchmark_group("alerts");
    group.sample_size(20).throughput(Throughput::Elements(ALERTS as u64));
    group.bench_function("route, inhibit and group 10,000", |bencher| {
        bencher.iter_batched(
            || alerts.clone(),
            |alerts| {
                let mut router = Router::default();
                for alert in alerts {
                    router.receive(&routing, alert, UnixNanos(2 * SECOND));
                }
                black_box(router.flush_due(&routing, UnixNanos(3 * SECOND)))
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
    let query = |_: &str| Ok(Vec::new());
    let text = "{{ $labels.job }} on {{ $labels.instance }} is at {{ $value | humanizePercentage }}";
    let template = Template::parse_alert("High", text).unwrap();
    c.bench_function("expand an annotation", |bencher| {
        bencher.iter(|| {
            let data = alert_data([("job", "node"), ("instance", "host:9100")], [], "http://p", Value::Float(0.93));
            let context = Context { data, now: UnixNanos(0), external_url: "http://p", query: &query };
            template.expand(&context).unwrap()
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
