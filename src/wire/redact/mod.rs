//! What carries secrets: attribute keys, and places inside texts. Codecs ask while they decode, so that a secret is never
//! stored.
//!
//! An entry without `*`, `?` or `.` names the last segment of a key (segments end at `.`, `/` and `:`), in any case and with or
//! without `_` and `-`: `api_key` masks `http.request.header.x-api-key`'s neighbour `user.apiKey`, and `token` masks
//! `auth.token` but never `token_count` or `gen_ai.usage.input_tokens`. An entry with `.` is a whole key. An entry with `*` or
//! `?` is a glob over the whole key. A leading `!` exempts what the rest names. Everything is compared without case.
//!
//! An entry between slashes, `/sk_live_[0-9a-z]+/`, is a regular expression over every text: values, names, messages, log
//! bodies. The names of the list count inside texts too (`?token=x` in a URL, `"password":"x"` in a body; `text.rs`).

mod text;

use crate::model::batch::{AttrRow, SpanBatch, SpanBatchBuilder, StringTable, ValueKind, decode_value, encode_value};
use crate::model::labels::{METRIC_NAME, put_label};
use crate::model::value::MASKED;
use crate::model::{Labels, SampleBatch, Value};
use std::collections::HashSet;
use text::Patterns;

/// What is masked unless the user edits the list.
pub const STANDARD: [&str; 46] = [
    "authorization",
    "proxy-authorization",
    "x-authorization",
    "authentication",
    "cookie",
    "cookies",
    "set-cookie",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "api_key",
    "x-api-key",
    "access_token",
    "x-access-token",
    "refresh_token",
    "id_token",
    "auth_token",
    "x-auth-token",
    "bearer_token",
    "session_token",
    "security_token",
    "x-amz-security-token",
    "csrf_token",
    "x-csrf-token",
    "client_secret",
    "client_assertion",
    "private_key",
    "secret_key",
    "secret_access_key",
    "credentials",
    "*password",
    "*passwd",
    "*_secret",
    "*secret_key",
    r"/bearer\s+([a-z0-9+/=._~-]{20,})/",
    r#"/authorization["']?\s*[:=]\s*["']?(?:basic|digest|token|negotiate)\s+([^\s"',]+)/"#,
    // JSON Web Tokens; keys of AWS, GitHub, Slack and Stripe; private keys.
    r"/\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/",
    r"/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/",
    r"/\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})/",
    r"/\bxox[abeprs]-[A-Za-z0-9-]{10,}/",
    r"/\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}/",
    r"/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/",
];

/// A compiled list of keys whose values are masked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Redaction {
    mask: Entries,
    exempt: Entries,
    patterns: Patterns,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Entries {
    /// Last segments, lower case, without separators.
    segments: HashSet<String>,
    /// Whole keys, lower case.
    keys: HashSet<String>,
    /// Globs over whole keys, lower case.
    globs: Vec<String>,
}

impl Redaction {
    /// The list of [`STANDARD`].
    pub fn standard() -> Self {
        Self::new(STANDARD)
    }

    /// From entries as the module comment describes them; empty ones are skipped.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Self {
        let mut redaction = Self::default();
        let mut patterns = Vec::new();
        for entry in entries {
            let entry = entry.as_ref().trim();
            if let Some(pattern) = text::pattern_of(entry) {
                patterns.push(pattern.to_owned());
                continue;
            }
            let entry = entry.to_lowercase();
            match entry.strip_prefix('!') {
                Some(rest) => redaction.exempt.add(rest.trim()),
                None => redaction.mask.add(&entry),
            }
        }
        redaction.patterns = Patterns::new(patterns);
        redaction
    }

    /// What is wrong with an entry: a pattern that does not compile.
    pub fn check(entry: &str) -> Result<(), String> {
        match text::pattern_of(entry.trim()).map(text::compile) {
            Some(Err(error)) => Err(format!("{entry} is no pattern: {error}")),
            _ => Ok(()),
        }
    }

    /// True when nothing is ever masked.
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty() && self.patterns.is_empty()
    }

    /// `text` with the secrets in it masked; `None` when it has none.
    pub fn mask_text(&self, text: &str) -> Option<String> {
        text::mask(text, &self.patterns, |name| self.masks(name))
    }

    /// A value with the secrets in its texts masked, and how many texts had some; `None` when none had.
    fn mask_value(&self, value: &Value) -> Option<(Value, u64)> {
        match value {
            Value::Str(text) => self.mask_text(text).map(|masked| (masked.into(), 1)),
            Value::Array(values) => {
                let masked: Vec<_> = values.iter().map(|value| self.mask_value(value)).collect();
                let count = masked.iter().flatten().map(|(_, count)| count).sum();
                let pick = |(new, old): (Option<(Value, u64)>, &Value)| new.map_or_else(|| old.clone(), |(value, _)| value);
                (count > 0).then(|| (Value::Array(masked.into_iter().zip(values.iter()).map(pick).collect()), count))
            }
            Value::Map(entries) => {
                let masked: Vec<_> = entries.iter().map(|(_, value)| self.mask_value(value)).collect();
                let count = masked.iter().flatten().map(|(_, count)| count).sum();
                let pick = |(new, (key, old)): (Option<(Value, u64)>, &(smol_str::SmolStr, Value))| {
                    (key.clone(), new.map_or_else(|| old.clone(), |(value, _)| value))
                };
                (count > 0).then(|| (Value::Map(masked.into_iter().zip(entries.iter()).map(pick).collect()), count))
            }
            _ => None,
        }
    }

    /// A copy of `batch` with the secrets inside its texts masked, and how many places used such a text; `None` when none
    /// did. Each text is looked at once, however many spans share it.
    pub fn mask_texts(&self, batch: &SpanBatch) -> Option<(SpanBatch, u64)> {
        if self.is_empty() {
            return None;
        }
        let masked: Vec<(u32, String)> =
            (1..batch.strings.len() as u32).filter_map(|id| Some((id, self.mask_text(batch.strings.get(id))?))).collect();
        let nested = |row: &&AttrRow| matches!(row.kind, ValueKind::Array | ValueKind::Map);
        let blobs: Vec<(usize, Vec<u8>, u64)> = batch
            .attrs
            .iter()
            .filter(nested)
            .filter_map(|row| {
                let (value, count) = self.mask_value(&decode_value(&batch.blobs[row.bits as usize])?)?;
                let mut bytes = Vec::new();
                encode_value(&value, &mut bytes);
                Some((row.bits as usize, bytes, count))
            })
            .collect();
        if masked.is_empty() && blobs.is_empty() {
            return None;
        }
        let is_masked = |id: u32| masked.binary_search_by_key(&id, |(id, _)| *id).is_ok();
        let mut count = blobs.iter().map(|(_, _, count)| count).sum::<u64>();
        count += batch.attrs.iter().filter(|row| row.kind == ValueKind::Str && is_masked(row.bits as u32)).count() as u64;
        count += batch.events.iter().filter(|event| is_masked(event.name)).count() as u64;
        let of_spans = batch.spans.iter().flat_map(|span| [span.name, span.status_message]);
        count += of_spans.filter(|id| is_masked(*id)).count() as u64;
        let mut copy = batch.clone();
        blobs.into_iter().for_each(|(at, bytes, _)| copy.blobs[at] = bytes.into_boxed_slice());
        let (mut text, mut ends) = (String::new(), vec![0]);
        let mut replaced = masked.iter().peekable();
        for id in 1..batch.strings.len() as u32 {
            match replaced.next_if(|(masked, _)| *masked == id) {
                Some((_, masked)) => text.push_str(masked),
                None => text.push_str(batch.strings.get(id)),
            }
            ends.push(text.len() as u32);
        }
        copy.strings = StringTable::from_parts(text, ends)?;
        // Copied once more, so that texts that became equal are one.
        let mut builder = SpanBatchBuilder::default();
        builder.copy(&copy, 0..copy.len());
        Some((builder.finish(), count))
    }

    /// True when the value under `key` must not be stored.
    pub fn masks(&self, key: &str) -> bool {
        if self.mask.is_empty() {
            return false;
        }
        let key = key.to_lowercase();
        self.mask.names(&key) && !self.exempt.names(&key)
    }

    /// A copy of `batch` with the values of secret keys and the secrets in texts masked, and how many there were; `None`
    /// when there were none. For codecs that do not ask while they decode.
    pub fn mask_batch(&self, batch: &SpanBatch) -> Option<(SpanBatch, u64)> {
        let keys = self.mask_keys(batch);
        match (self.mask_texts(keys.as_ref().map_or(batch, |(batch, _)| batch)), keys) {
            (Some((batch, texts)), keys) => Some((batch, texts + keys.map_or(0, |(_, count)| count))),
            (None, keys) => keys,
        }
    }

    /// As [`Self::mask_batch`], for samples: labels of secret names, and secrets in values.
    pub fn mask_samples(&self, batch: &SampleBatch) -> Option<(SampleBatch, u64)> {
        let mut count = 0;
        let mut labels = Vec::with_capacity(batch.labels.len());
        let mut series = batch.series.clone();
        for one in &mut series {
            let set = Labels::from_packed(batch.packed_labels(one)).unwrap_or_default();
            let start = labels.len() as u32;
            for (name, value) in &set {
                // What names the metric is no secret.
                let masked = match name {
                    METRIC_NAME => None,
                    _ if self.masks(name) => Some(MASKED.to_owned()),
                    _ => self.mask_text(value),
                };
                count += u64::from(masked.is_some());
                put_label(&mut labels, name, masked.as_deref().unwrap_or(value));
            }
            one.labels = start..labels.len() as u32;
        }
        (count > 0).then(|| (SampleBatch { labels, series, ..batch.clone() }, count))
    }

    fn mask_keys(&self, batch: &SpanBatch) -> Option<(SpanBatch, u64)> {
        let mut asked = vec![None; batch.strings.len()];
        let mut secret = |key: u32| *asked[key as usize].get_or_insert_with(|| self.masks(batch.strings.get(key)));
        let count = batch.attrs.iter().filter(|row| secret(row.key)).count() as u64;
        if count == 0 {
            return None;
        }
        let mut builder = SpanBatchBuilder::default();
        builder.copy(batch, 0..batch.len());
        let masked = u64::from(builder.intern(MASKED));
        let mut copy = builder.finish();
        let mut rows = std::mem::take(&mut copy.attrs);
        for row in &mut rows {
            if self.masks(copy.strings.get(row.key)) {
                *row = AttrRow { key: row.key, kind: ValueKind::Str, bits: masked };
            }
        }
        copy.attrs = rows;
        Some((copy, count))
    }
}

impl Entries {
    fn add(&mut self, entry: &str) {
        if entry.is_empty() {
        } else if entry.contains(['*', '?']) {
            self.globs.push(entry.to_owned());
        } else if entry.contains('.') {
            self.keys.insert(entry.to_owned());
        } else {
            self.segments.insert(bare(entry));
        }
    }

    fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.keys.is_empty() && self.globs.is_empty()
    }

    fn names(&self, key: &str) -> bool {
        let segment = key.rsplit(['.', '/', ':']).next().unwrap_or(key);
        self.segments.contains(&bare(segment))
            || self.keys.contains(key)
            || self.globs.iter().any(|glob| glob_matches(glob.as_bytes(), key.as_bytes()))
    }
}

/// Without the separators that spellings differ in.
fn bare(segment: &str) -> String {
    segment.chars().filter(|c| !matches!(c, '_' | '-')).collect()
}

/// `*` is any run, `?` any one byte. Linear in practice: only the last star is tried again.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    g = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, Value};

    #[test]
    fn secrets_are_masked_and_their_neighbours_are_not() {
        let list = Redaction::standard();
        for key in [
            "authorization",
            "http.request.header.authorization",
            "http.request.header.Authorization",
            "http.request.header.x-api-key",
            "http.request.header.x_api_key",
            "http.response.header.set-cookie",
            "db.password",
            "userPassword",
            "accessToken",
            "oauth/client_secret",
            "app.apiKey",
            "STRIPE_SECRET",
            "rpc.grpc.request.metadata.cookie",
        ] {
            assert!(list.masks(key), "{key} must be masked");
        }
        for key in [
            "token_count",
            "gen_ai.usage.input_tokens",
            "gen_ai.request.max_tokens",
            "http.request.method",
            "k8s.secret.name",
            "secretary",
            "password.policy",
            "next_page_token",
            "",
        ] {
            assert!(!list.masks(key), "{key} must stay");
        }
    }

    #[test]
    fn a_list_is_edited_with_keys_globs_and_exemptions() {
        let list = Redaction::new(["user.email", "card*", "x.?", "token", "!auth.token", " "]);
        let masked: Vec<&str> = ["user.email", "email", "CardNumber", "x.y", "x.yz", "a.token", "auth.token"]
            .into_iter()
            .filter(|key| list.masks(key))
            .collect();
        assert_eq!(masked, ["user.email", "CardNumber", "x.y", "a.token"]);
        assert!(Redaction::new([""; 1]).is_empty());
    }

    #[test]
    fn secrets_inside_texts_are_masked_and_the_rest_stays() {
        let list = Redaction::standard();
        for (text, masked) in [
            ("https://shop.test/pay?id=7&token=s3cr3t&x=1#top", "https://shop.test/pay?id=7&token={}&x=1#top"),
            ("https://a.test/f?X-Amz-Signature=abc&sig=d", "https://a.test/f?X-Amz-Signature={}&sig={}"),
            ("postgres://app:hunter2@db:5432/shop", "postgres://app:{}@db:5432/shop"),
            ("login password=hunter2, next", "login password={}, next"),
            ("login password=\"two words\" next", "login password=\"{}\" next"),
            (r#"{"user":"ada","apiKey": "k\"1","n":2}"#, r#"{"user":"ada","apiKey": "{}","n":2}"#),
            (r#"body: "{\"password\":\"hunter2\",\"a\":1}""#, r#"body: "{\"password\":\"{}\",\"a\":1}""#),
            ("Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "Authorization: Bearer {}"),
            ("authorization: Basic YWRhOmh1bnRlcjI=", "authorization: Basic {}"),
            ("key AKIAIOSFODNN7EXAMPLE was refused", "key {} was refused"),
            ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2ln", "got {}"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "{}"),
        ] {
            let once = list.mask_text(text).unwrap_or_else(|| panic!("{text} has a secret"));
            assert_eq!(once, masked.replace("{}", MASKED));
            assert_eq!(list.mask_text(&once), None, "masking again changes nothing: {once}");
        }
        for text in [
            "https://shop.test/cart?page=2&sort=token_count",
            "ssh://git@host.test/repo.git",
            "mail to ada@shop.test: done",
            "SELECT id FROM users WHERE password=$1 AND token=?",
            "invalid token: unexpected end of input",
            "bearer authentication is needed",
            "signature=good",
            "",
        ] {
            assert_eq!(list.mask_text(text), None, "{text}");
        }
    }

    #[test]
    fn patterns_are_added_and_a_broken_one_is_told() {
        let list = Redaction::new(["/card \\d{4}/", "/pin: (\\d+)/"]);
        assert_eq!(list.mask_text("Card 1234, pin: 99."), Some(format!("{MASKED}, pin: {MASKED}.")));
        assert!(!list.is_empty() && !list.masks("password"));
        assert!(Redaction::check("/(/").unwrap_err().contains("no pattern"));
        Redaction::check("/x/").unwrap();
        assert!(STANDARD.iter().all(|entry| Redaction::check(entry).is_ok()));
    }

    #[test]
    fn texts_of_a_batch_are_masked_wherever_they_stand() {
        let url = |token: &str| format!("https://shop.test/?token={token}");
        let mut span = Span { name: url("1").as_str().into(), ..Span::default() };
        span.attributes.push("url.full", url("2"));
        span.attributes.push("url.again", url("3"));
        span.attributes.push("list", Value::Array([Value::from(url("4")), Value::Int(1)].into()));
        span.status.message = url("5").as_str().into();
        let (batch, count) = Redaction::standard().mask_batch(&SpanBatch::from_spans([&span])).unwrap();
        assert_eq!(count, 5);
        let copy = batch.span(0).to_span();
        let masked = url(MASKED);
        assert_eq!((copy.name.as_str(), copy.status.message.as_str()), (masked.as_str(), masked.as_str()));
        assert_eq!(copy.attributes.get("url.again"), Some(&Value::from(masked.clone())));
        assert_eq!(copy.attributes.get("list"), Some(&Value::Array([Value::from(masked), Value::Int(1)].into())));
    }

    #[test]
    fn globs_backtrack_to_the_last_star_only() {
        assert!(glob_matches(b"a*b*c", b"axxbyybzc"));
        assert!(!glob_matches(b"a*b*c", b"axxbyybz"));
        assert!(glob_matches(b"*", b""));
    }

    #[test]
    fn a_batch_is_copied_only_when_it_holds_a_secret() {
        let mut span = Span { name: "a".into(), ..Span::default() };
        let list = Redaction::standard();
        assert_eq!(list.mask_batch(&SpanBatch::from_spans([&span])), None);
        span.attributes.push("password", "hunter2");
        span.attributes.push("port", 80_i64);
        let (batch, count) = list.mask_batch(&SpanBatch::from_spans([&span])).unwrap();
        assert_eq!(count, 1);
        let copy = batch.span(0).to_span();
        assert_eq!(copy.attributes.get("password"), Some(&Value::from(MASKED)));
        assert_eq!(copy.attributes.get("port"), Some(&Value::Int(80)));
    }
}
