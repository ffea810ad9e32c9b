//! `scrape_configs` of a prometheus.yml, read with the place of every mistake.
//!
//! Source: the configuration page of Prometheus 3. Targets come from `static_configs` and `file_sd_configs`; a job that
//! names another kind of discovery is kept with what it has and a note says what is not followed. Sections that do not
//! concern scraping (rules, alerting, remote write) are skipped.

use super::relabel::Relabel;
use crate::model::Labels;
use crate::wire::yaml::{self, Node, YamlError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `scrape_interval` where nothing says otherwise.
const INTERVAL: Duration = Duration::from_secs(60);
/// `scrape_timeout` where nothing says otherwise; never longer than the interval.
const TIMEOUT: Duration = Duration::from_secs(10);
/// `refresh_interval` of file discovery where nothing says otherwise.
const REFRESH: Duration = Duration::from_secs(300);
/// Bytes of one answer where no `body_size_limit` is set.
const BODY_LIMIT: usize = 64 << 20;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the scrape configuration: {reason}: {}", .path.display())]
    Read {
        /// Why.
        reason: std::io::Error,
        /// File.
        path: PathBuf,
    },
    /// The text makes no sense.
    #[error("the scrape configuration is not valid: {error}: {}", .path.display())]
    Yaml {
        /// What, with its place.
        error: YamlError,
        /// File.
        path: PathBuf,
    },
}

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub struct ScrapeConfig {
    /// Jobs in their order.
    pub jobs: Vec<Job>,
    /// What was not followed, with its place.
    pub notes: Vec<String>,
    /// The text, secrets hidden, for `/api/v1/status/config`.
    pub text: String,
}

/// Targets written down in a configuration or in a file of targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetGroup {
    /// `host:port`.
    pub addresses: Vec<String>,
    /// Labels of all of them.
    pub labels: Labels,
    /// Where it comes from, `job/0` or a path.
    pub source: String,
}

/// Files of targets that are looked at again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct FileDiscovery {
    /// Patterns; `*` in the last segment.
    pub patterns: Vec<PathBuf>,
    /// How often.
    pub refresh: Duration,
}

/// How a job proves who it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: TYPE TOKEN`.
    Token {
        /// `Bearer`, mostly.
        scheme: String,
        /// Token, or the file that holds it.
        token: Secret,
    },
    /// Basic authentication.
    Basic {
        /// User.
        user: String,
        /// Password, or the file that holds it.
        password: Secret,
    },
}

/// A secret or where it stands; files are read at every scrape, so that they can be renewed.
#[derive(Clone, PartialEq)]
pub enum Secret {
    /// Itself.
    Text(String),
    /// A file.
    File(PathBuf),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("<secret>"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Secret {
    /// The secret.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| format!("cannot read the credentials: {error}: {}", path.display())),
        }
    }
}

/// Bounds on what a target may send; 0 is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct SampleLimits {
    /// Bytes of the answer, uncompressed.
    pub body_bytes: usize,
    /// Samples after relabeling.
    pub samples: u64,
    /// Labels of a sample.
    pub labels: u64,
    /// Bytes of a label's name.
    pub label_name_bytes: u64,
    /// Bytes of a label's value.
    pub label_value_bytes: u64,
    /// Targets of the job after relabeling.
    pub targets: u64,
}

/// One `scrape_config`.
#[derive(Clone, Debug)]
pub struct Job {
    /// `job_name`.
    pub name: String,
    /// How often.
    pub interval: Duration,
    /// Patience.
    pub timeout: Duration,
    /// `http` or `https`.
    pub scheme: String,
    /// Path.
    pub path: String,
    /// Query parameters.
    pub params: Vec<(String, Vec<String>)>,
    /// Labels of the target's own win.
    pub honor_labels: bool,
    /// Times of the target's own count.
    pub honor_timestamps: bool,
    /// Series with times of their own get stale markers too.
    pub track_timestamps_staleness: bool,
    /// Redirects are followed.
    pub follow_redirects: bool,
    /// Gzip is offered.
    pub compression: bool,
    /// Who it is.
    pub credentials: Credentials,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Targets.
    pub groups: Vec<TargetGroup>,
    /// Files of targets.
    pub files: Vec<FileDiscovery>,
    /// `relabel_configs`.
    pub relabel: Vec<Relabel>,
    /// `metric_relabel_configs`.
    pub metric_relabel: Vec<Relabel>,
    /// Bounds.
    pub limits: SampleLimits,
}

struct Global {
    interval: Duration,
    timeout: Option<Duration>,
    limits: SampleLimits,
}

impl ScrapeConfig {
    /// Reads a file. Paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::Read { reason, path: path.to_owned() })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).map_err(|error| ConfigError::Yaml { error, path: path.to_owned() })
    }

    /// Reads a text.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, YamlError> {
        let mut config = Self::default();
        let Some(root) = yaml::parse(text)? else { return Ok(config) };
        let mut fields = root.fields("configuration")?;
        let mut global = Global {
            interval: INTERVAL,
            timeout: None,
            limits: SampleLimits { body_bytes: BODY_LIMIT, ..SampleLimits::default() },
        };
        if let Some(node) = fields.take("global").filter(|node| !node.is_null()) {
            let mut fields = node.fields("global")?;
            if let Some(interval) = duration(&mut fields, "scrape_interval")? {
                global.interval = interval;
            }
            global.timeout = duration(&mut fields, "scrape_timeout")?;
            limits(&mut fields, &mut global.limits)?;
        }
        for node in fields.items("scrape_configs")? {
            let job = Job::read(node, &global, folder, &mut config.notes)?;
            if config.jobs.iter().any(|known| known.name == job.name) {
                return Err(node.error(format!("found multiple scrape configs with job name {:?}", job.name)));
            }
            config.jobs.push(job);
        }
        if let Some(node) = fields.take("scrape_config_files") {
            config.notes.push(format!("{}: scrape_config_files is not followed: put the jobs into this file", node.place));
        }
        config.text = without_secrets(text);
        Ok(config)
    }
}

impl Job {
    fn read(node: &Node, global: &Global, folder: &Path, notes: &mut Vec<String>) -> Result<Self, YamlError> {
        let mut fields = node.fields("scrape_config")?;
        let name = fields.need("job_name")?.text()?.to_owned();
        if name.is_empty() {
            return Err(node.error("job_name is empty"));
        }
        let interval = duration(&mut fields, "scrape_interval")?.unwrap_or(global.interval);
        let timeout = match duration(&mut fields, "scrape_timeout")? {
            Some(timeout) if timeout > interval => {
                return Err(
                    node.error(format!("scrape timeout greater than scrape interval for scrape config with job name {name:?}"))
                );
            }
            Some(timeout) => timeout,
            None => global.timeout.unwrap_or(TIMEOUT).min(interval),
        };
        let scheme = fields.text("scheme")?.unwrap_or("http").to_owned();
        if scheme != "http" && scheme != "https" {
            return Err(node.error(format!("scheme {scheme:?} is neither http nor https")));
        }
        let mut params = Vec::new();
        if let Some(node) = fields.take("params").filter(|node| !node.is_null()) {
            for (key, value) in node.pairs()? {
                let values = value.items()?.iter().map(|value| value.text().map(str::to_owned)).collect::<Result<_, _>>()?;
                params.push((key.text()?.to_owned(), values));
            }
        }
        let mut headers = Vec::new();
        if let Some(node) = fields.take("http_headers").filter(|node| !node.is_null()) {
            for (key, value) in node.pairs()? {
                let mut inner = value.fields("http_headers")?;
                for text in inner.texts("values")?.into_iter().chain(inner.texts("secrets")?) {
                    headers.push((key.text()?.to_owned(), text.to_owned()));
                }
            }
        }
        let mut limits = global.limits;
        self::limits(&mut fields, &mut limits)?;
        let credentials = credentials(&mut fields, folder)?;
        let mut groups = Vec::new();
        for (at, group) in fields.items("static_configs")?.iter().enumerate() {
            groups.push(TargetGroup::read(group, format!("{name}/{at}"))?);
        }
        let mut files = Vec::new();
        for discovery in fields.items("file_sd_configs")? {
            let mut inner = discovery.fields("file_sd_config")?;
            let patterns = inner.texts("files")?.into_iter().map(|pattern| folder.join(pattern)).collect();
            let refresh = duration(&mut inner, "refresh_interval")?.unwrap_or(REFRESH);
            inner.finish()?;
            files.push(FileDiscovery { patterns, refresh });
        }
        let rules = |items: &[Node]| items.iter().map(Relabel::read).collect::<Result<Vec<_>, _>>();
        let job = Self {
            interval,
            timeout,
            scheme,
            path: fields.text("metrics_path")?.unwrap_or("/metrics").to_owned(),
            params,
            honor_labels: fields.truth("honor_labels")?.unwrap_or(false),
            honor_timestamps: fields.truth("honor_timestamps")?.unwrap_or(true),
            track_timestamps_staleness: fields.truth("track_timestamps_staleness")?.unwrap_or(false),
            follow_redirects: fields.truth("follow_redirects")?.unwrap_or(true),
            compression: fields.truth("enable_compression")?.unwrap_or(true),
            credentials,
            headers,
            groups,
            files,
            relabel: rules(fields.items("relabel_configs")?)?,
            metric_relabel: rules(fields.items("metric_relabel_configs")?)?,
            limits,
            name,
        };
        for (key, value) in fields.rest() {
            let word = key.text()?;
            let place = key.place;
            match word {
                _ if word.ends_with("_sd_configs") => {
                    notes.push(format!(
                        "{place}: job {:?}: {word} is not followed: use static_configs or file_sd_configs",
                        job.name
                    ));
                }
                "tls_config" | "proxy_url" | "no_proxy" | "proxy_from_environment" | "oauth2" | "enable_http2" => {
                    notes.push(format!("{place}: job {:?}: {word} has no effect here", job.name));
                }
                "scrape_protocols"
                | "fallback_scrape_protocol"
                | "always_scrape_classic_histograms"
                | "scrape_classic_histograms"
                | "convert_classic_histograms_to_nhcb"
                | "scrape_native_histograms"
                | "native_histogram_bucket_limit"
                | "native_histogram_min_bucket_factor"
                | "keep_dropped_targets"
                | "metric_name_validation_scheme"
                | "metric_name_escaping_scheme"
                | "scrape_failure_log_file"
                | "extra_scrape_metrics" => {}
                _ => return Err(key.error(format!("field {word} not found in scrape_config"))),
            }
            let _ = value;
        }
        Ok(job)
    }
}

impl TargetGroup {
    /// Reads `{targets: […], labels: {…}}`.
    pub fn read(node: &Node, source: String) -> Result<Self, YamlError> {
        let mut fields = node.fields("static_config")?;
        let mut addresses = Vec::new();
        for target in fields.items("targets")? {
            let address = target.text()?;
            if address.is_empty() || address.contains('/') {
                return Err(target
                    .error(format!("{address:?} is not a valid hostname: write host:port, path and scheme stand in the job")));
            }
            addresses.push(address.to_owned());
        }
        let mut labels = Labels::default().edit();
        if let Some(node) = fields.take("labels").filter(|node| !node.is_null()) {
            for (key, value) in node.pairs()? {
                labels.set(key.text()?, value.text()?);
            }
        }
        fields.finish()?;
        Ok(Self { addresses, labels: labels.build(), source })
    }

    /// Reads a file of targets, YAML or JSON (which is YAML).
    pub fn load(path: &Path) -> Result<Vec<Self>, String> {
        let named = |what: String| format!("{what}: {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| named(format!("cannot read the targets: {error}")))?;
        let root = yaml::parse(&text).map_err(|error| named(error.to_string()))?;
        let items = root.as_ref().map_or(Ok(&[][..]), Node::items).map_err(|error| named(error.to_string()))?;
        let read = |(at, node): (usize, &Node)| Self::read(node, format!("{}:{at}", path.display()));
        items.iter().enumerate().map(read).collect::<Result<_, _>>().map_err(|error| named(error.to_string()))
    }
}

impl FileDiscovery {
    /// The files that the patterns name now, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for pattern in &self.patterns {
            let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Some((before, after)) = name.split_once('*') else {
                found.push(pattern.clone());
                continue;
            };
            let Some(folder) = pattern.parent() else { continue };
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let fits =
                |name: &str| name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after);
            found.extend(entries.filter(|entry| fits(&entry.file_name().to_string_lossy())).map(|entry| entry.path()));
        }
        found.sort();
        found.dedup();
        found
    }
}

fn credentials(fields: &mut yaml::Fields<'_>, folder: &Path) -> Result<Credentials, YamlError> {
    let secret = |fields: &mut yaml::Fields<'_>, text: &str, file: &str| -> Result<Option<Secret>, YamlError> {
        if let Some(secret) = fields.text(text)? {
            return Ok(Some(Secret::Text(secret.to_owned())));
        }
        Ok(fields.text(file)?.map(|path| Secret::File(folder.join(path))))
    };
    if let Some(node) = fields.take("basic_auth").filter(|node| !node.is_null()) {
        let mut inner = node.fields("basic_auth")?;
        let user = match inner.text("username")? {
            Some(user) => user.to_owned(),
            None => match inner.text("username_file")? {
                Some(path) => Secret::File(folder.join(path)).read().map_err(|text| node.error(text))?,
                None => String::new(),
            },
        };
        let password = secret(&mut inner, "password", "password_file")?.unwrap_or(Secret::Text(String::new()));
        inner.finish()?;
        return Ok(Credentials::Basic { user, password });
    }
    if let Some(node) = fields.take("authorization").filter(|node| !node.is_null()) {
        let mut inner = node.fields("authorization")?;
        let scheme = inner.text("type")?.unwrap_or("Bearer").trim().to_owned();
        let token = secret(&mut inner, "credentials", "credentials_file")?;
        inner.finish()?;
        let token = token.ok_or_else(|| node.error("authorization has neither credentials nor credentials_file"))?;
        return Ok(Credentials::Token { scheme, token });
    }
    let token = secret(fields, "bearer_token", "bearer_token_file")?;
    Ok(token.map_or(Credentials::None, |token| Credentials::Token { scheme: "Bearer".to_owned(), token }))
}

fn limits(fields: &mut yaml::Fields<'_>, limits: &mut SampleLimits) -> Result<(), YamlError> {
    if let Some(node) = fields.take("body_size_limit") {
        match bytes(node.text()?) {
            Some(0) => {}
            Some(bytes) => limits.body_bytes = bytes,
            None => return Err(node.error(format!("{:?} is no size: write 10MB or 512KiB", node.text()?))),
        }
    }
    for (key, limit) in [
        ("sample_limit", &mut limits.samples),
        ("label_limit", &mut limits.labels),
        ("label_name_length_limit", &mut limits.label_name_bytes),
        ("label_value_length_limit", &mut limits.label_value_bytes),
        ("target_limit", &mut limits.targets),
    ] {
        if let Some(value) = fields.integer(key)? {
            *limit = u64::try_from(value).unwrap_or_default();
        }
    }
    Ok(())
}

fn bytes(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "B" => 1,
        "KB" | "KiB" => 1 << 10,
        "MB" | "MiB" => 1 << 20,
        "GB" | "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn duration(fields: &mut yaml::Fields<'_>, key: &str) -> Result<Option<Duration>, YamlError> {
    let Some(node) = fields.take(key).filter(|node| !node.is_null()) else { return Ok(None) };
    let text = node.text()?;
    match parse_duration(text) {
        Some(duration) if !duration.is_zero() => Ok(Some(duration)),
        _ => Err(node.error(format!("{text:?} is no duration: write 15s or 1m30s"))),
    }
}

/// A duration as Prometheus writes it: `1h30m`, units from large to small.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let (mut sum, mut next) = (0_u64, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let at = UNITS.iter().position(|(unit, _)| *unit == &rest[..word]).filter(|at| *at >= next)?;
        sum = sum.checked_add(number.checked_mul(UNITS[at].1)?)?;
        next = at + 1;
        rest = &rest[word..];
    }
    (next > 0).then(|| Duration::from_millis(sum))
}

/// The text with secrets hidden as Prometheus hides them. A line that names a secret shows nothing of it.
fn without_secrets(text: &str) -> String {
    const KEYS: [&str; 5] = ["password", "credentials", "bearer_token", "client_secret", "secret_key"];
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let hidden = KEYS.iter().find_map(|key| {
            let at = line.find(&format!("{key}:"))?;
            Some(format!("{}{key}: <secret>", &line[..at]))
        });
        out.push_str(hidden.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_with_its_defaults() {
        let config = ScrapeConfig::parse(
            "global:\n  scrape_interval: 15s\n  external_labels: {a: b}\nrule_files: [x.yml]\nscrape_configs:\n\
             - job_name: node\n  static_configs:\n  - targets: ['localhost:9100', '[::1]:9100']\n    labels: {zone: a}\n\
             - job_name: app\n  scrape_interval: 5s\n  metrics_path: /m\n  scheme: http\n  params: {'match[]': [up, down]}\n  honor_labels: true\n  \
             basic_auth: {username: u, password: hunter2}\n  sample_limit: 10\n  body_size_limit: 1MB\n  file_sd_configs:\n  - files: [targets/*.json]\n  \
             relabel_configs: [{source_labels: [__address__], target_label: instance}]\n  kubernetes_sd_configs: [{role: pod}]\n",
            Path::new("/etc"),
        )
        .unwrap();
        let [node, app] = config.jobs.as_slice() else { panic!("{config:?}") };
        assert_eq!((node.interval, node.timeout), (Duration::from_secs(15), Duration::from_secs(10)));
        assert_eq!(node.groups[0].addresses, ["localhost:9100", "[::1]:9100"]);
        assert_eq!(node.groups[0].labels.get("zone"), "a");
        assert_eq!((app.interval, app.timeout, app.path.as_str()), (Duration::from_secs(5), Duration::from_secs(5), "/m"));
        assert_eq!(app.files[0].patterns, [PathBuf::from("/etc/targets/*.json")]);
        assert_eq!((app.limits.samples, app.limits.body_bytes), (10, 1 << 20));
        assert!(config.notes[0].contains("kubernetes_sd_configs is not followed"), "{:?}", config.notes);
        assert!(!config.text.contains("hunter2") && !format!("{config:?}").contains("hunter2\""), "{}", config.text);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, part) in [
            ("scrape_configs:\n- job_name: a\n  colour: red\n", "line 3, column 3: field colour not found"),
            ("scrape_configs:\n- job_name: a\n  scrape_interval: soon\n", "line 3"),
            ("scrape_configs:\n- job_name: a\n- job_name: a\n", "multiple scrape configs with job name \"a\""),
            ("scrape_configs:\n- job_name: a\n  scrape_timeout: 2m\n", "timeout greater than scrape interval"),
            ("scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['http://x/']}]\n", "not a valid hostname"),
            ("scrape_configs:\n- scheme: http\n", "job_name"),
        ] {
            let error = ScrapeConfig::parse(text, Path::new(".")).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn durations_are_those_of_prometheus() {
        for (text, millis) in
            [("15s", Some(15_000)), ("1h30m", Some(5_400_000)), ("100ms", Some(100)), ("1m1h", None), ("5", None), ("", None)]
        {
            assert_eq!(parse_duration(text).map(|duration| duration.as_millis()), millis, "{text}");
        }
    }
}
