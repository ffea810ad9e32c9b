//! Targets: from an address and the labels of its group, through relabeling, to a URL and the labels of its series.

use super::config::Job;
use super::relabel::relabel;
use crate::model::Labels;
use std::hash::Hasher;
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3;

/// A target, as relabeling left it.
#[derive(Clone, PartialEq, Debug)]
pub struct Target {
    /// Labels before relabeling, those with `__` included.
    pub discovered: Labels,
    /// Labels of its series.
    pub labels: Labels,
    /// Where it answers.
    pub url: String,
    /// How often.
    pub interval: Duration,
    /// Patience.
    pub timeout: Duration,
}

/// What became of an address.
#[derive(Clone, PartialEq, Debug)]
pub enum Made {
    /// It is scraped.
    Target(Target),
    /// Relabeling dropped it.
    Dropped(Labels),
    /// It makes no sense.
    Bad(Labels, String),
}

impl Target {
    /// Makes the target of an address.
    pub fn make(job: &Job, address: &str, group: &Labels) -> Made {
        let mut labels = group.edit();
        labels.set("__address__", address);
        let mut preset = |name: &str, value: &str| {
            if labels.get(name).is_empty() {
                labels.set(name, value);
            }
        };
        preset("job", &job.name);
        preset("__scheme__", &job.scheme);
        preset("__metrics_path__", &job.path);
        preset("__scrape_interval__", &duration_text(job.interval));
        preset("__scrape_timeout__", &duration_text(job.timeout));
        for (name, values) in &job.params {
            if let Some(first) = values.first() {
                preset(&format!("__param_{name}"), first);
            }
        }
        let discovered = labels.build();
        if !relabel(&mut labels, &job.relabel) {
            return Made::Dropped(discovered);
        }
        match Self::finish(job, labels.build(), discovered.clone()) {
            Ok(target) => Made::Target(target),
            Err(reason) => Made::Bad(discovered, reason),
        }
    }

    fn finish(job: &Job, labels: Labels, discovered: Labels) -> Result<Self, String> {
        let address = labels.get("__address__");
        if address.is_empty() {
            return Err("no address".to_owned());
        }
        if address.contains(['/', ' ', '@', '?', '#']) {
            return Err(format!("{address:?} is not a valid hostname"));
        }
        let duration = |name: &str| {
            super::config::parse_duration(labels.get(name))
                .filter(|duration| !duration.is_zero())
                .ok_or_else(|| format!("{name} is {:?}, no duration", labels.get(name)))
        };
        let (interval, timeout) = (duration("__scrape_interval__")?, duration("__scrape_timeout__")?);
        if timeout > interval {
            return Err("scrape timeout cannot be greater than scrape interval".to_owned());
        }
        let scheme = labels.get("__scheme__");
        let path = labels.get("__metrics_path__");
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut params: Vec<(String, Vec<String>)> = job.params.clone();
        for (name, value) in &labels {
            let Some(name) = name.strip_prefix("__param_") else { continue };
            match params.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) if values.is_empty() => values.push(value.to_owned()),
                Some((_, values)) => value.clone_into(&mut values[0]),
                None => params.push((name.to_owned(), vec![value.to_owned()])),
            }
        }
        params.sort();
        for (name, values) in &params {
            for value in values {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{scheme}://{address}{slash}{path}{mark}{query}");
        let mut own = labels.edit();
        if own.get("instance").is_empty() {
            own.set("instance", address);
        }
        let own = own.build().without(|name| name.starts_with("__"));
        Ok(Self { discovered, labels: own, url, interval, timeout })
    }

    /// A number that stays with the target.
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.write(self.labels.packed());
        hash.write(self.url.as_bytes());
        hash.finish()
    }

    /// How long from `now_ms` to the target's next slot. Slots lie one interval apart, at a place in the interval that the
    /// target's number and the seed of this machine choose, so that targets do not all answer at once.
    pub fn until_slot(&self, now_ms: u64, seed: u64) -> Duration {
        let interval = (self.interval.as_millis() as u64).max(1);
        let slot = (self.hash() ^ seed) % interval;
        let base = now_ms % interval;
        let wait = if slot >= base { slot - base } else { interval - base + slot };
        Duration::from_millis(wait)
    }
}

/// A duration as Prometheus writes it: the largest units first, none that is zero.
pub fn duration_text(duration: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = duration.as_millis();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, millis) in UNITS {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::config::ScrapeConfig;
    use super::*;
    use std::path::Path;

    fn job(text: &str) -> Job {
        ScrapeConfig::parse(&format!("scrape_configs:\n- {text}"), Path::new(".")).unwrap().jobs.remove(0)
    }

    #[test]
    fn a_target_has_a_url_and_the_labels_that_relabeling_leaves() {
        let job = job(
            "{job_name: j, params: {'match[]': [up, x y]}, relabel_configs: [{source_labels: [__address__], regex: '(.*):.*', target_label: host}, \
             {source_labels: [__address__], regex: 'bad.*', action: drop}, {target_label: __param_q, replacement: z}]}",
        );
        let group = Labels::new([("zone", "a"), ("__meta_x", "y")]);
        let Made::Target(target) = Target::make(&job, "h:9100", &group) else { panic!("no target") };
        assert_eq!(target.url, "http://h:9100/metrics?match%5B%5D=up&match%5B%5D=x+y&q=z");
        assert_eq!(target.labels.to_string(), r#"{host="h", instance="h:9100", job="j", zone="a"}"#);
        assert_eq!(target.discovered.get("__scrape_interval__"), "1m");
        assert!(matches!(Target::make(&job, "bad:1", &group), Made::Dropped(_)));
        assert!(matches!(Target::make(&job, "a b", &group), Made::Bad(..)));
    }

    #[test]
    fn slots_are_an_interval_apart_and_targets_have_different_ones() {
        let job = job("{job_name: j, scrape_interval: 15s}");
        let waits: Vec<u64> = (0..50)
            .map(|at| {
                let Made::Target(target) = Target::make(&job, &format!("h:{at}"), &Labels::default()) else {
                    panic!("no target")
                };
                let first = target.until_slot(1_000_000, 7).as_millis() as u64;
                let again = target.until_slot(1_000_000 + first + 1, 7).as_millis() as u64;
                assert_eq!(again, 14_999, "the next slot is an interval later");
                first
            })
            .collect();
        let different: std::collections::HashSet<_> = waits.iter().collect();
        assert!(different.len() > 40 && waits.iter().all(|wait| *wait < 15_000), "{waits:?}");
    }
}
