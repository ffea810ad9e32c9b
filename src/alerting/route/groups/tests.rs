use super::*;
use crate::alerting::alert::Annotations;
use crate::alerting::route::matcher;

const SECOND: i64 = 1_000_000_000;

fn at(seconds: i64) -> UnixNanos {
    UnixNanos((1_000_000 + seconds) * SECOND)
}

fn routing(text: &str) -> Routing {
    Routing::new(&Config::parse(text).unwrap())
}

fn alert(pairs: &[(&str, &str)], starts: i64, ends: i64, updated: i64) -> Alert {
    Alert {
        labels: Labels::new(pairs.iter().copied()),
        annotations: Annotations::new(),
        starts_at: at(starts),
        ends_at: at(ends),
        generator_url: String::new(),
        updated_at: at(updated),
        timeout: false,
    }
}

/// One receiver with a webhook; waits 10 s, then every 60 s, repeats after 300 s.
const SIMPLE: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 10s, group_interval: 60s, repeat_interval: 5m}
receivers: [{name: hook, webhook_configs: [{url: 'http://x/'}]}]
";

/// Runs the router over the seconds of a range, receiving at their moments, and tells of every flush as
/// `second reason firing+resolved`.
fn run(
    routing: &Routing,
    router: &mut Router,
    seconds: std::ops::RangeInclusive<i64>,
    arrivals: &[(i64, Alert)],
) -> Vec<String> {
    let mut told = Vec::new();
    for second in seconds {
        for (_, alert) in arrivals.iter().filter(|(when, _)| *when == second) {
            router.receive(routing, alert.clone(), at(second));
        }
        for flush in router.flush_due(routing, at(second)) {
            for channel in &flush.channels {
                if let Some(reason) = channel.reason {
                    let resolved = channel.send.iter().filter(|place| flush.alerts[**place].resolved).count();
                    let firing = channel.send.len() - resolved;
                    told.push(format!("{second} {} {firing}+{resolved}", reason.words()));
                }
            }
        }
    }
    told
}

#[test]
fn a_group_waits_then_tells_of_news_each_interval_and_repeats() {
    let routing = routing(SIMPLE);
    let mut router = Router::default();
    let told = run(
        &routing,
        &mut router,
        0..=800,
        &[
            (0, alert(&[("alertname", "a"), ("n", "1")], 0, 500, 0)),
            (5, alert(&[("alertname", "a"), ("n", "2")], 5, 100, 5)),
            (40, alert(&[("alertname", "a"), ("n", "3")], 40, 500, 40)),
        ],
    );
    assert_eq!(
        told,
        [
            "10 first notification 2+0",
            "70 new alerts added 3+0",
            "130 some alerts resolved 2+1",
            "490 repeat interval elapsed 2+0",
            "550 all alerts resolved 0+2",
        ],
        "the repeat is due after 300 s and found at the next interval"
    );
    assert_eq!(router.groups.len(), 0, "an empty group is gone");
    assert_eq!(router.collect_resolved(at(800)).len(), 3);
    assert_eq!(router.next_due(), None);
}

#[test]
fn an_old_alert_is_told_of_at_once_and_not_again_after_a_restart() {
    let routing = routing(SIMPLE);
    let mut router = Router::default();
    let old = alert(&[("alertname", "a")], -100, 500, 0);
    assert_eq!(run(&routing, &mut router, 0..=20, &[(0, old)]), ["0 first notification 1+0"]);
    // The alerts and the log were on disk; the groups are made anew.
    let mut restarted = Router { alerts: router.alerts.clone(), log: router.log.clone(), ..Router::default() };
    restarted.rebuild(&routing, &HashMap::new(), at(21));
    assert_eq!(restarted.next_due(), Some(at(21)), "looked at without waiting");
    assert_eq!(run(&routing, &mut restarted, 21..=200, &[]), Vec::<String>::new());
}

#[test]
fn groups_keep_their_time_over_an_edit_that_leaves_their_path() {
    let before = routing(SIMPLE);
    let mut router = Router::default();
    run(&before, &mut router, 0..=20, &[(0, alert(&[("alertname", "a")], 0, 500, 0))]);
    let due = router.next_due();
    let after = routing(&SIMPLE.replace("group_interval: 60s", "group_interval: 30s"));
    router.reroute(&before, &after, at(25));
    assert_eq!(router.next_due(), due);
    assert!(router.groups.values().all(|group| group.flushed));
}

#[test]
fn a_receiver_that_wants_no_resolved_alerts_hears_of_none_but_the_log_forgets_them() {
    let routing = routing(&SIMPLE.replace("{url: 'http://x/'}", "{url: 'http://x/', send_resolved: false}"));
    let mut router = Router::default();
    let again = alert(&[("alertname", "a")], 200, 500, 200);
    let told = run(&routing, &mut router, 0..=300, &[(0, alert(&[("alertname", "a")], 0, 30, 0)), (200, again)]);
    assert_eq!(told, ["10 first notification 1+0", "70 all alerts resolved 0+0", "210 first notification 1+0"]);
}

#[test]
fn a_group_that_was_only_seen_resolved_is_never_told_of() {
    let routing = routing(SIMPLE);
    let mut router = Router::default();
    assert_eq!(run(&routing, &mut router, 0..=300, &[(0, alert(&[("alertname", "a")], 0, 5, 0))]), Vec::<String>::new());
}

#[test]
fn each_alert_gets_the_verdict_of_the_first_stage_that_stops_it() {
    let routing = routing(
        "
route:
  receiver: hook
  routes:
    - {matchers: [team=night], receiver: hook, mute_time_intervals: [always]}
    - {matchers: [team=day], receiver: hook, active_time_intervals: [never]}
inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [alertname]}]
receivers: [{name: hook, webhook_configs: [{url: 'http://x/'}]}]
time_intervals: [{name: always, time_intervals: [{}]}, {name: never, time_intervals: [{years: ['1999']}]}]
",
    );
    let mut router = Router::default();
    for pairs in [
        &[("alertname", "a"), ("severity", "critical")][..],
        &[("alertname", "a"), ("severity", "warning")],
        &[("alertname", "b"), ("severity", "warning")],
        &[("alertname", "s")],
        &[("alertname", "n"), ("team", "night")],
        &[("alertname", "d"), ("team", "day")],
    ] {
        router.receive(&routing, alert(pairs, 0, 500, 0), at(0));
    }
    let silence = Silence {
        id: String::new(),
        matcher_sets: vec![matcher::parse("alertname=s").unwrap().0],
        starts_at: at(0),
        ends_at: at(100),
        updated_at: at(0),
        created_by: String::new(),
        comment: String::new(),
        annotations: Annotations::new(),
    };
    router.silences.set(silence, at(0), "id".to_owned()).unwrap();
    let flushes = router.flush_due(&routing, at(30));
    let mut verdicts: Vec<(String, String)> = flushes
        .iter()
        .flat_map(|flush| &flush.alerts)
        .map(|one| {
            let labels = &one.alert.labels;
            (format!("{} {}", labels.get("alertname"), labels.get("severity")), format!("{:?}", one.verdict))
        })
        .collect();
    verdicts.sort();
    let critical = Fingerprint::of(&Labels::new([("alertname", "a"), ("severity", "critical")]));
    let text = |name: &str, verdict: &str| (name.to_owned(), verdict.to_owned());
    assert_eq!(
        verdicts,
        [
            text("a critical", "Passed"),
            text("a warning", &format!("Inhibited(InhibitedBy {{ source: {critical:?}, rule: 0 }})")),
            text("b warning", "Passed"),
            text("d ", "Muted([\"never\"])"),
            text("n ", "Muted([\"always\"])"),
            text("s ", "Silenced([\"id\"])"),
        ]
    );
    let sent: usize = flushes.iter().flat_map(|flush| &flush.channels).map(|channel| channel.send.len()).sum();
    assert_eq!(sent, 2);
    let quiet = router.quiet(&routing, at(31));
    assert_eq!(quiet.status(&Labels::new([("alertname", "s")])).word(), "suppressed");
    assert_eq!(quiet.status(&Labels::new([("alertname", "x")])).word(), "active");
}

/// However an outage falls between receipt, flush and commit: no alert that fires is both untold of and unlogged, and none is
/// told of twice within its repeat interval. The state on disk is what each step committed; the rest is lost.
#[test]
fn restarts_at_any_moment_lose_no_alert_and_repeat_none() {
    let routing = routing(SIMPLE);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for _ in 0..200 {
        let mut router = Router::default();
        let (mut arrived, mut told): (BTreeSet<Fingerprint>, Vec<(Fingerprint, i64)>) = Default::default();
        for second in 0..240 {
            if second < 100 && random(10) == 0 {
                let name = format!("a{}", random(4));
                let number = random(3).to_string();
                let one = alert(&[("alertname", &name), ("n", &number)], second, 10_000, second);
                arrived.insert(one.fingerprint());
                router.receive(&routing, one, at(second));
            }
            for flush in router.flush_due(&routing, at(second)) {
                for channel in flush.channels.iter().filter(|channel| {
                    channel.reason == Some(Reason::NewAlertsInGroup) || channel.reason == Some(Reason::FirstNotification)
                }) {
                    told.extend(channel.send.iter().map(|place| (flush.alerts[*place].fingerprint, second)));
                }
            }
            if random(20) == 0 {
                let (alerts, log) = (router.alerts.clone(), router.log.clone());
                router = Router { alerts, log, ..Router::default() };
                router.rebuild(&routing, &HashMap::new(), at(second));
            }
        }
        for one in &arrived {
            assert!(told.iter().any(|(fingerprint, _)| fingerprint == one), "an alert was lost");
        }
        let logged: BTreeSet<Fingerprint> = router.log.iter().flat_map(|(_, entry)| entry.firing.iter().copied()).collect();
        assert_eq!(logged, arrived, "what was told is in the log");
    }
}
